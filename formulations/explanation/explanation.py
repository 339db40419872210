"""The result of ``explain``."""

from __future__ import annotations

from typing import Any

from formulations.display import counted
from formulations.explanation.html import as_fragment, as_page
from formulations.explanation.latex import as_latex
from formulations.explanation.operands import Piece
from formulations.explanation.story import Story
from formulations.explanation.template import Step
from formulations.explanation.text import as_text, join

__all__ = ["Explanation"]


class Explanation(Story):
    """The steps of one or two gradients; printed, an explanation is text, and a notebook displays it as HTML."""

    def __str__(self) -> str:
        return as_text(self)

    def __repr__(self) -> str:
        steps = sum(len(column) for stage in self.stages for column in stage.columns)
        return f"<Explanation of {self.title}, by {' and '.join(self.backends)}: {counted(steps, 'step')}>"

    def latex(self) -> str:
        """Return a LaTeX document, which needs only amsmath."""
        return as_latex(self)

    def html(self, *, fragment: bool = False) -> str:
        """Return an HTML page with MathML, which loads nothing and runs no script.

        Parameters
        ----------
        fragment : bool
            Return only the element to put into another page. Its styles do not apply outside it.
        """
        return as_fragment(self) if fragment else as_page(self)

    def _repr_html_(self) -> str:
        return as_fragment(self)

    def to_dict(self) -> dict[str, Any]:
        """Return all steps as plain Python values, with all digits."""
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
        "remarks": list(step.remarks),
        "symbols": join(step.symbols),
        "multiplications": step.multiplications,
        "rows": [[_plain_piece(piece) for piece in row] for row in step.rows],
    }


def _plain_piece(piece: Piece) -> Any:
    if isinstance(piece, str):
        return piece
    return {"symbol": piece.text, "value": None if piece.value is None else piece.value.astype(float).tolist()}
