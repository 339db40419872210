"""The steps of one or two backends, grouped into stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from formulations.explanation.operands import Quantities
from formulations.explanation.template import Step

__all__ = ["Phase", "Stage", "Story"]

Phase: TypeAlias = Literal["forward", "cost", "method", "error", "gradient", "other"]
"""The part of the computation that a stage belongs to."""


@dataclass(frozen=True)
class Stage:
    """A part of the computation, such as the error of a layer.

    Attributes
    ----------
    title : str
        What is computed.
    columns : tuple of tuples of Step
        The steps of each backend.
    shared : bool
        Whether all backends take the same steps and get the same numbers.
    phase : Phase
        The part that it belongs to.
    layer : int or None
        The layer.
    """

    title: str
    columns: tuple[tuple[Step, ...], ...]
    shared: bool
    phase: Phase = "other"
    layer: int | None = None


@dataclass(frozen=True)
class Story:
    """All steps of one or two backends, independent of their notation.

    Attributes
    ----------
    title : str
        Network, cost, examples and dtype.
    notes : tuple of str
        Remarks on notation and rounding.
    backends : tuple of str
        The labels of the backends, one for each column.
    stages : tuple of Stage
        The computation, from the forward pass to the gradient.
    numbers : bool
        Whether matrices are shown in numbers; otherwise as shapes.
    quantities : tuple of Quantities
        The numbers of each backend.
    """

    title: str
    notes: tuple[str, ...]
    backends: tuple[str, ...]
    stages: tuple[Stage, ...]
    numbers: bool = True
    quantities: tuple[Quantities, ...] = ()

    def steps(self, backend: str) -> tuple[Step, ...]:
        """Return the steps of one backend, in order."""
        i = self.backends.index(backend)
        return tuple(step for stage in self.stages for step in stage.columns[i])
