"""The walk: a page to step through a gradient, change the network, and plant mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.explanation.walk.answers import answer as answer
    from formulations.explanation.walk.document import document_of as document_of
    from formulations.explanation.walk.page import as_page as as_page
    from formulations.explanation.walk.page import bundle as bundle
    from formulations.explanation.walk.page import static_page as static_page
    from formulations.explanation.walk.page import stylesheet as stylesheet
    from formulations.explanation.walk.scene import Scene as Scene
    from formulations.explanation.walk.server import walk_server as walk_server
    from formulations.explanation.walk.widget import widget_for as widget_for
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "answers": ["answer"],
            "document": ["document_of"],
            "page": ["as_page", "bundle", "static_page", "stylesheet"],
            "scene": ["Scene"],
            "server": ["walk_server"],
            "widget": ["widget_for"],
        },
    )
