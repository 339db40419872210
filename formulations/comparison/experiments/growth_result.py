"""The result on growth: backward over forward, and time over the number of weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from formulations.backends import DEFAULT
from formulations.display import Ratio, counted, format_ratio, format_seconds, format_table

__all__ = ["MILLION", "Backward", "Curve", "Growth", "Point"]

MILLION = 1_000_000
"""The chapter's weights."""


@dataclass(frozen=True)
class Backward:
    """How a network's backward pass compares with its forward pass.

    Attributes
    ----------
    layers : str
        The sizes, such as ``"784-30-10"``.
    weights : int
        P.
    forward_seconds, gradient_seconds : float
        Medians over interleaved rounds, of a forward pass without slopes and of a whole gradient.
    predicted : float
        2 − n₁n₂/P, in multiplications of matrix products.
    counted : float
        The same with the N products with slopes.
    measured : Ratio
        (gradient − forward)/forward.
    """

    layers: str
    weights: int
    forward_seconds: float
    gradient_seconds: float
    predicted: float
    counted: float
    measured: Ratio

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {**asdict(self), **self.measured.to_dict("measured")}


@dataclass(frozen=True)
class Point:
    """One backend on one network.

    Attributes
    ----------
    weights, biases : int
        P and N.
    forward_passes : int
        Whole forward passes that the gradient took, as counted while it ran.
    seconds : float
        Time for one gradient: the median of interleaved rounds.
    ratio : Ratio
        Its time over ``hadamard``'s in the same round.
    """

    weights: int
    biases: int
    forward_passes: int
    seconds: float
    ratio: Ratio

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {**asdict(self), **self.ratio.to_dict()}


@dataclass(frozen=True)
class Curve:
    """How one backend's time grows.

    Attributes
    ----------
    backend : str
        The flag, with options.
    points : tuple of Point
        In ascending order of weights; at least one.
    exponent : float or None
        The slope of log time over log P, by least squares over the largest networks; None below two points.
    fitted : int
        How many points, the last ones, it is fitted to.
    million : float or None
        Seconds at a million weights, extrapolated by that slope, or measured where the last point is there.
    is_extrapolated : bool
        Whether ``million`` lies beyond what was measured.
    million_passes : int
        Forward passes predicted for a million weights.
    million_by_passes : float or None
        Those passes times a measured forward pass over a million weights; None where the passes are not whole ones
        of the network, or what goes beyond them is not small.
    detail : str
        What its passes are, where they are not whole ones.
    """

    backend: str
    points: tuple[Point, ...]
    exponent: float | None
    fitted: int
    million: float | None
    is_extrapolated: bool
    million_passes: int
    million_by_passes: float | None
    detail: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {**asdict(self), "points": [point.to_dict() for point in self.points]}


@dataclass(frozen=True)
class Growth:
    """What :func:`~formulations.comparison.experiments.growth.measure_growth` found; printed, two tables.

    Attributes
    ----------
    dtype : str
        Of all networks.
    backward_batch, batch_size : int
        Examples in the first table, and in the second.
    backward : tuple of Backward
        One for each network.
    curves : tuple of Curve
        One for each backend.
    left_out : dict of str to str
        Backends without a curve, and why.
    pass_seconds : float
        A forward pass over a million weights, measured.
    different : tuple of str
        Those left out because their gradient is different from the reference.
    """

    dtype: str
    backward_batch: int
    batch_size: int
    backward: tuple[Backward, ...]
    curves: tuple[Curve, ...]
    left_out: dict[str, str]
    pass_seconds: float
    different: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.different

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        backward, curves = [row.to_dict() for row in self.backward], [curve.to_dict() for curve in self.curves]
        return {**asdict(self), "backward": backward, "curves": curves, "baseline": DEFAULT}

    def __str__(self) -> str:
        parts = [self._backward_table(), self._growth_table(), self._million_table()]
        reasons = [f"{name}: {reason}" for name, reason in self.left_out.items()]
        return "\n\n".join([*parts, *(["\n".join(reasons)] if reasons else [])])

    def _backward_table(self) -> str:
        lines = [
            [
                row.layers,
                f"{row.weights:,}",
                format_seconds(row.forward_seconds),
                format_seconds(row.gradient_seconds),
                f"{row.predicted:.2f}",
                f"{row.counted:.2f}",
                format_ratio(row.measured),
            ]
            for row in self.backward
        ]
        header = ["network", "weights", "forward", "gradient", "2 − n₁n₂/P", "counted", "measured"]
        return (
            f"Backward over forward: {DEFAULT}, {counted(self.backward_batch, 'example')}, {self.dtype}\n"
            f"{format_table(header, lines, right=range(1, 7))}\n\n"
            "2 − n₁n₂/P: multiplications of the matrix products on the way back over those forward.\n"
            "counted: the same with the products with slopes.\n"
            "measured: (gradient − forward)/forward, the median over interleaved rounds and its quartiles.\n"
            "The forward pass asks for no slopes, so σ′ and the checks of the input count as backward."
        )

    def _growth_table(self) -> str:
        networks = list(dict.fromkeys(point.weights for curve in self.curves for point in curve.points))
        weights = sorted(networks)
        lines = []
        for curve in self.curves:
            times = {point.weights: format_seconds(point.seconds) for point in curve.points}
            lines.append([curve.backend, *(times.get(P, "–") for P in weights)])
        header = ["P", *(f"{P:,}" for P in weights)]
        # Networks are more than backends, but the names of backends are longer.
        turned = [list(row) for row in zip(header, *lines, strict=True)]
        return (
            f"Time of one gradient over the number of weights P: {counted(self.batch_size, 'example')}, {self.dtype}\n"
            f"{format_table(turned[0], turned[1:], right=range(len(turned[0])))}\n\n"
            "–: it would take longer than was asked for."
        )

    def _million_table(self) -> str:
        lines = []
        for curve in self.curves:
            last = curve.points[-1]
            lines.append(
                [
                    curve.backend,
                    f"{last.forward_passes:,} at {last.weights:,}",
                    "–" if curve.exponent is None else f"{curve.exponent:.2f}",
                    f"{curve.million_passes:,}",
                    _million(curve),
                    "–" if curve.million_by_passes is None else format_seconds(curve.million_by_passes),
                ]
            )
        header = ["backend", "passes counted", "exponent", "passes", "time", "passes × pass"]
        details = [f"{curve.backend}: {curve.detail}." for curve in self.curves if curve.detail]
        each = format_seconds(self.pass_seconds)
        return "\n".join(
            [
                "Forward passes, the exponent of time over P, and a million weights",
                format_table(header, lines, right=range(1, 6)),
                "",
                "exponent: the slope of log time over log P, fitted to the largest half of the networks measured.",
                "time: at a million weights; ~ is extrapolated by that slope, not measured. It is too low where the",
                "small networks that were measured pay for calls, and large ones will pay for arithmetic.",
                f"passes × pass: the passes predicted there, times a forward pass measured there, {each} each.",
                *details,
            ]
        )


def _million(curve: Curve) -> str:
    if curve.million is None:
        return "–"
    return f"{'~ ' if curve.is_extrapolated else ''}{format_seconds(curve.million)}"
