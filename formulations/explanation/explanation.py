"""Explanations: a story that can be printed, typeset and put on a page."""

from __future__ import annotations

from typing import Any

from formulations.explanation.counts import step_multiplications
from formulations.explanation.html import as_html
from formulations.explanation.latex import as_latex
from formulations.explanation.operands import Piece
from formulations.explanation.story import Story
from formulations.explanation.template import Step
from formulations.explanation.text import as_text, join

__all__ = ["Explanation"]


class Explanation(Story):
    """What :func:`formulations.explain` found; printed, it is text."""

    def __str__(self) -> str:
        return as_text(self)

    def latex(self) -> str:
        """Return a LaTeX document, which needs amsmath alone."""
        return as_latex(self)

    def html(self) -> str:
        """Return one HTML page that loads nothing from elsewhere."""
        return as_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values, numbers in full."""
        stages = [
            {
                "title": stage.title,
                "steps": {
                    backend: [_plain_step(step) for step in column]
                    for backend, column in zip(self.backends, stage.columns, strict=True)
                },
            }
            for stage in self.stages
        ]
        return {"title": self.title, "notes": list(self.notes), "backends": list(self.backends), "stages": stages}


def _plain_step(step: Step) -> dict[str, Any]:
    return {
        "equation": step.equation,
        "says": step.says,
        "symbols": join(step.symbols),
        "multiplications": step_multiplications(step),
        "rows": [[_plain_piece(piece) for piece in row] for row in step.rows],
    }


def _plain_piece(piece: Piece) -> Any:
    if isinstance(piece, str):
        return piece
    return {"symbol": piece.text, "value": None if piece.value is None else piece.value.astype(float).tolist()}
