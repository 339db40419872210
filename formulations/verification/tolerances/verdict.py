"""Verdicts from residuals and bounds, for each equation and for the whole gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from formulations.arrays import Array, Layout
from formulations.network import Gradient

__all__ = [
    "MARKS",
    "RESOLUTION",
    "Check",
    "EquationVerdict",
    "Status",
    "Verdict",
    "conclude",
    "cost_check",
    "error_check",
    "gradient_checks",
]

RESOLUTION = 1e-3
"""A bound above this fraction of the largest entry that it judges cannot tell a wrong result from a right one."""


class Status(StrEnum):
    """The verdict on a candidate."""

    EQUAL = "equal"
    DIFFERENT = "different"
    INCONCLUSIVE = "inconclusive"


MARKS = {Status.EQUAL: "good", Status.DIFFERENT: "bad", Status.INCONCLUSIVE: "unsure"}
"""How each verdict is marked in HTML."""


@dataclass(frozen=True)
class EquationVerdict:
    """The verdict on one equation in one layer.

    Attributes
    ----------
    layer : int
        l, counted from 1 for the input; L for the cost.
    equation : str
        ``"BP1"``, …, ``"BP4"`` if the equation itself is judged, else ``"δ"``, ``"∂C/∂w"``, ``"∂C/∂b"`` or ``"C"``.
    local : bool
        Whether the equation itself is judged, from the candidate's δ; if not, the result is, however it was computed.
    residual : float
        The largest difference between candidate and reference.
    bound : float
        The largest bound; each entry is judged by its own.
    ratio : float
        The largest residual in units of its entry's bound.
    status : Status
        ``equal`` if every residual is within its bound and the bound is sharp, ``different`` if a residual exceeds its
        bound.
    entry : str
        The entry with the largest ratio, such as ``"errors[0][3, 7]"``.
    where : str
        The same in words: the example, neuron and input, counted from 0.
    found, expected : float
        The entry in the candidate and in the reference.
    detectable : float
        The largest bound as a fraction of the layer's largest entry. A fault of more than twice that fraction shows in
        any entry.
    reason : str
        One sentence unless equal.
    """

    layer: int
    equation: str
    local: bool
    residual: float
    bound: float
    ratio: float
    status: Status
    entry: str
    where: str
    found: float
    expected: float
    detectable: float
    reason: str

    def excused(self, excuse: str) -> EquationVerdict:
        """Return the verdict with a difference made inconclusive, for a reason that lies outside the equation."""
        if self.status is not Status.DIFFERENT:
            return self
        reason = _undecidable(_where(self.layer, self.equation), excuse)
        return replace(self, status=Status.INCONCLUSIVE, reason=reason)


@dataclass(frozen=True)
class Verdict:
    """The verdict of a derived bound on a gradient.

    Attributes
    ----------
    status : Status
        ``different`` if any layer is, else ``inconclusive`` if any layer is, else ``equal``.
    rule : str
        The name of the rule that judged, from :data:`~formulations.verification.RULES`.
    ratio : float
        The largest residual in units of its bound, over all layers and equations.
    difference : float
        The largest difference from the reference gradient, which has a separate forward pass.
    layers : tuple of EquationVerdict
        From the output backwards: first the errors, then the gradients.
    reason : str
        Empty if equal, else one sentence: that of the first layer, from the output backwards, that is not equal, or
        that of the cost.
    cost : EquationVerdict or None
        The verdict on C, if the candidate claims it. A different cost makes the whole different; an inconclusive one
        leaves the verdict on the gradient as it is.
    excuse : str
        The reason, outside the equations, for which a difference is inconclusive; empty if there is none.
    """

    status: Status
    rule: str
    ratio: float
    difference: float
    layers: tuple[EquationVerdict, ...]
    reason: str
    cost: EquationVerdict | None = None
    excuse: str = ""

    def with_cost(self, cost: EquationVerdict | None) -> Verdict:
        """Return the verdict on gradient and cost together."""
        if cost is None or cost.status is not Status.DIFFERENT or self.status is Status.DIFFERENT:
            return replace(self, cost=cost)
        ratio = max(self.ratio, cost.ratio)
        return replace(self, cost=cost, status=Status.DIFFERENT, ratio=ratio, reason=cost.reason)

    def excused(self, excuse: str) -> Verdict:
        """Return the verdict with every difference made inconclusive, for a reason that lies outside the equations."""
        found = _concluded(self.rule, [line.excused(excuse) for line in self.layers], self.difference)
        return replace(found, excuse=excuse)


@dataclass(frozen=True)
class Check:
    """A candidate, its reference, and a bound of their distance by roundoff, entry by entry.

    Parameters
    ----------
    layer, equation, local
        As in :class:`EquationVerdict`.
    candidate, reference, bound : ndarray
        Of the same shape; the reference in a higher precision if there is one.
    locate : callable
        Returns the name of an entry of the flattened candidate, and its place in words.
    excuse : str
        Why a difference proves nothing here; empty if it does.
    part : slice, optional
        Where the entries lie in the flat vector, if they do.
    """

    layer: int
    equation: str
    candidate: Array
    reference: Array
    bound: Array
    locate: Callable[[int], tuple[str, str]]
    excuse: str = ""
    local: bool = False
    part: slice | None = None

    def verdict(self) -> EquationVerdict:
        """Return the verdict on the residual."""
        residual = np.abs(self.candidate - self.reference).ravel()
        # No bound holds beyond the candidate's largest number.
        reaches = np.abs(self.reference) + self.bound <= float(np.finfo(self.candidate.dtype).max)
        limit = np.where(reaches, self.bound, np.inf).ravel()
        # x/0 is infinite, and 0/0 is exact agreement. NaN stays, and counts as the worst if the bound is finite.
        ratios = np.where((residual == 0) | np.isinf(limit), 0, residual / limit)
        worst = int(np.argmax(np.where(np.isnan(ratios), np.inf, ratios)))
        largest = float(limit.max())
        scale = float(np.max(np.abs(self.reference)))
        detectable = largest / scale if scale > 0 else math.inf if largest > 0 else 0.0
        status, reason = self._status(residual, limit, detectable, worst)
        entry, where = self.locate(worst)
        return EquationVerdict(
            layer=self.layer,
            equation=self.equation,
            local=self.local,
            residual=float(residual.max()),
            bound=largest,
            ratio=float(ratios[worst]) if math.isfinite(ratios[worst]) else math.inf,
            status=status,
            entry=entry,
            where=where,
            found=float(self.candidate.ravel()[worst]),
            expected=float(self.reference.ravel()[worst]),
            detectable=detectable,
            reason=reason,
        )

    def _status(self, residual: Array, limit: Array, detectable: float, worst: int) -> tuple[Status, str]:
        where = _where(self.layer, self.equation)
        if not np.isfinite(self.reference).all():
            return Status.INCONCLUSIVE, f"{where}: the reference is not finite, so nothing can be compared."
        # If the bound is infinite, the arithmetic has left its range, and even NaN proves nothing.
        outside = ~(residual <= limit) & np.isfinite(limit)
        if outside.any():
            entry, _ = self.locate(worst)
            if self.excuse:
                return Status.INCONCLUSIVE, _undecidable(where, self.excuse)
            return Status.DIFFERENT, (
                f"{where}: {entry} is {self.candidate.ravel()[worst]:.17g}, expected "
                f"{self.reference.ravel()[worst]:.17g}, further apart than roundoff explains "
                f"({limit[worst]:.2g})."
            )
        undecided = not np.isfinite(limit).all() or (detectable > RESOLUTION and residual.any())
        if undecided and self.excuse:
            return Status.INCONCLUSIVE, _undecidable(where, self.excuse)
        if not np.isfinite(limit).all():
            return Status.INCONCLUSIVE, f"{where}: no finite bound holds."
        # Exact agreement needs no sharp bound: a dead layer is dead in both.
        if detectable > RESOLUTION and residual.any():
            return Status.INCONCLUSIVE, (
                f"{where}: the bound is {detectable:.1g} of the layer's largest entry, "
                "too wide to tell a right result from a wrong one."
            )
        return Status.EQUAL, ""


def _where(layer: int, equation: str) -> str:
    return "the cost" if equation == "C" else f"layer {layer}, {equation}"


def _undecidable(where: str, excuse: str) -> str:
    return f"{where}, is undecidable: {excuse}."


def error_check(
    layer: int, equation: str, candidate: Array, reference: Array, bound: Array, *, local: bool = False
) -> Check:
    """Return the check of δ^l, shape (m, n_l)."""
    columns = candidate.shape[1]

    def locate(position: int) -> tuple[str, str]:
        x, j = divmod(position, columns)
        return f"errors[{layer - 2}][{x}, {j}]", f"example {x}, neuron {j}"

    return Check(layer, equation, candidate, reference, bound, locate, local=local)


def gradient_checks(
    gradient: Gradient, i: int, references: Any, bounds: Any, *, local: bool = False, excuse: str = ""
) -> list[Check]:
    """Return the checks of the gradients of layer i + 2's weights and biases, as they lie in the flat vector."""
    layout: Layout = gradient.layout
    equations = ("BP4", "BP3") if local else ("∂C/∂w", "∂C/∂b")
    checks = []
    for equation, part, reference, bound in zip(equations, layout.slices[i], references, bounds, strict=True):
        # A sparse matrix without stored entries has no parameters to judge.
        if part.start == part.stop:
            continue

        def locate(position: int, start: int = part.start) -> tuple[str, str]:
            neuron, *inputs = layout.indices(start + position)[2]
            return layout.locate(start + position), f"neuron {neuron}" + "".join(f", input {k}" for k in inputs)

        checks.append(Check(i + 2, equation, gradient.vector[part], reference, bound, locate, excuse, local, part))
    return checks


def cost_check(last: int, candidate: Array, reference: Array, bound: float) -> Check:
    """Return the check of C, in layer ``last``."""
    shape = (1,)
    return Check(
        last,
        "C",
        candidate.reshape(shape),
        reference.reshape(shape),
        np.full(shape, bound),
        lambda _: ("C", "the mean over the examples"),
    )


def conclude(rule: str, checks: Sequence[Check], difference: float) -> Verdict:
    """Return the verdict on all checks together."""
    return _concluded(rule, [check.verdict() for check in checks], difference)


def _concluded(rule: str, layers: Sequence[EquationVerdict], difference: float) -> Verdict:
    for status in (Status.DIFFERENT, Status.INCONCLUSIVE):
        found = next((layer for layer in layers if layer.status is status), None)
        if found is not None:
            break
    return Verdict(
        status=Status.EQUAL if found is None else found.status,
        rule=rule,
        ratio=max(layer.ratio for layer in layers),
        difference=difference,
        layers=tuple(layers),
        reason="" if found is None else found.reason,
    )
