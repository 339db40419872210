"""Explanations of a gradient: each equation in symbols, then in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.explanation.equation_index import as_markdown as as_markdown
    from formulations.explanation.equation_index import as_table as as_table
    from formulations.explanation.equation_index import index as index
    from formulations.explanation.explaining import DEFAULT_SIZES as DEFAULT_SIZES
    from formulations.explanation.explaining import Explanation as Explanation
    from formulations.explanation.explaining import explain as explain
    from formulations.explanation.operands import DIGITS as DIGITS
    from formulations.explanation.walk import static_page as static_page
    from formulations.explanation.walk import walk_server as walk_server
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "equation_index": ["as_markdown", "as_table", "index"],
            "explaining": ["DEFAULT_SIZES", "Explanation", "explain"],
            "operands": ["DIGITS"],
            "walk": ["static_page", "walk_server"],
        },
    )
