"""The walk as a widget of a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from formulations.exceptions import needs
from formulations.explanation.walk.answers import answer
from formulations.explanation.walk.page import bundle, stylesheet

if TYPE_CHECKING:
    from anywidget import AnyWidget

__all__ = ["widget_for"]


def widget_for(document: Mapping[str, Any]) -> AnyWidget:
    """Return a widget that shows a document, and whose requests this process answers.

    Raises
    ------
    MissingExtra
        If anywidget is not installed.
    """
    return _widget_class()(document=dict(document))


@lru_cache(1)
def _widget_class() -> type[AnyWidget]:
    anywidget = needs("notebook", "anywidget", "a widget")
    traitlets = needs("notebook", "traitlets", "a widget")

    class Walk(anywidget.AnyWidget):  # type: ignore[misc, name-defined, unused-ignore] # known when it runs
        """A walk through a gradient."""

        _esm = bundle("widget.js")
        _css = stylesheet()
        document = traitlets.Dict().tag(sync=True)

        def __init__(self, **traits: Any) -> None:
            super().__init__(**traits)
            self.on_msg(self._answer)

        def _answer(self, _: Any, message: Any, __: Any) -> None:
            self.send({"id": message["id"], "answer": answer(message["request"])})

    return Walk
