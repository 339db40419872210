"""Certify the gradient of any function, from its values.

>>> import numpy as np
>>> from formulations.verification.certification.functions.judgement import certify_function
>>> bool(certify_function(lambda x: x @ x, lambda x: 2 * x, np.array([1.0, -3.0])))
True
>>> wrong = certify_function(lambda x: x @ x, lambda x: x, np.array([1.0, -3.0]))
>>> wrong.status, wrong.worst[0].place, round(wrong.worst[0].found, 6)
(<Status.DIFFERENT: 'different'>, 'x[1]', -6.0)
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from formulations.arrays import Array, format_dtype, positive_integer, quiet
from formulations.display import counted
from formulations.exceptions import WrongType, described
from formulations.verification.certification.functions.circle import believed, differentiate_on_circle
from formulations.verification.certification.functions.claims import Claim, read_claim
from formulations.verification.certification.functions.directions import DIRECTIONS, Directions, explained
from formulations.verification.certification.functions.document import (
    CoordinateVerdict,
    FunctionCertificate,
    in_words,
)
from formulations.verification.certification.functions.evaluation import Function
from formulations.verification.certification.functions.ladder import FIRST, WIDENING, Derivative, differentiate_along
from formulations.verification.certification.functions.noise import estimate_noise
from formulations.verification.certification.functions.partials import Partial, Partials
from formulations.verification.certification.functions.scales import Scales, scales_of
from formulations.verification.certification.functions.structure import Structure
from formulations.verification.certification.functions.taylor import remainder_slope
from formulations.verification.tolerances import Status

__all__ = ["certify_function"]

SHOWN = 5
"""The number of derivatives that a certificate shows."""
MANY = 256
"""The number of coordinates above which directions are judged instead."""

SEARCHES = 3
"""The wrong coordinates that are searched; each takes some 250 values of f among 10,000 coordinates."""
RADII = (1 / 2, 1 / 16, 1 / 128)
"""The radii of circles around x, as parts of the scale of a coordinate; two successive ones must agree."""


@quiet
def certify_function(
    f: Callable[[Any], Any], gradient: Any, x: Any, *, typical: Any = None, repeats: int | None = None
) -> FunctionCertificate:
    r"""Judge the claimed gradient of any function by the function's own values, without a tolerance.

    Each partial derivative is found from a ladder of steps, with a bound for truncation and noise. The claim is
    different if it is further away than that.

    Parameters
    ----------
    f : callable (x) -> float or array_like of shape (k,)
        The function; it gets copies of x.
    gradient : array_like, callable (x) -> array_like, LinearOperator or sparse array
        The claimed gradient at x, of the structure of x; for k values the Jacobian: for each array of x one of shape
        (k, \*its shape), or an operator of shape (k, n).
    x : array_like, or a dictionary, list or tuple of them, nested to any depth
        The point, in float32, float64 or longdouble. Tensors stay tensors.
    typical : float, or the structure of x, optional
        The size at which an entry of x makes a difference to f; by default its absolute value, and for an entry of 0
        the largest of its array, or 1. The first step is 0.08 times that.
    repeats : int, optional
        How often each point is evaluated, for a random f; means are judged.

    Returns
    -------
    FunctionCertificate
        True if equal; printed, it shows the worst coordinates, with both values and the bound.

    Raises
    ------
    WrongShape
        If x, the gradient and the value of f have shapes that do not fit.
    WrongType
        If one of them does not hold real numbers, or f is not a function.
    NotFinite
        If x or f(x) is not finite.
    CandidateFailed
        If f or the gradient raises at x, or changes its argument.
    InvalidInput
        If ``typical`` is not positive, or x has no entry.

    Notes
    -----
    *Equal* means: at the steps taken, no fault above twice the bound is compatible with the values of f. It is no proof
    about finer scales. A function whose noise is smooth at these steps is judged with its noise.

    Examples
    --------
    >>> import numpy as np
    >>> x = {"w": np.array([[1.0, 2.0]]), "b": 0.5}
    >>> def f(x):
    ...     return np.tanh(x["w"].sum() * x["b"])
    >>> def gradient(x):
    ...     slope = 1 - f(x) ** 2
    ...     return {"w": slope * x["b"] * np.ones((1, 2)), "b": slope * x["w"].sum()}
    >>> certify_function(f, gradient, x).status
    <Status.EQUAL: 'equal'>
    """
    if not callable(f):
        raise WrongType(f"f must be a function of x, got {described(f)}; pass the function itself, not its value.")
    point = Structure(x)
    scales = scales_of(point, typical)
    function = Function(f, point, 1 if repeats is None else positive_integer(repeats, "repeats"))
    notes: list[str] = []
    claim = read_claim(gradient, point, function.outputs, notes)
    judge = _Judge(point, function, claim, scales, notes)
    random = _random(function) if repeats is None else ""
    if not random:
        found = judge.by_coordinates() if point.size <= MANY else judge.by_directions()
        # A function with a state of its own may have changed meanwhile.
        random = _random(function) if repeats is None else ""
        if not random:
            return found
    return judge.certificate(Status.INCONCLUSIVE, (), random)


def _random(function: Function) -> str:
    """Return what is wrong if f has another value at x than before, else an empty string."""
    again = function.at_start()
    if np.array_equal(again, function.start):
        return ""
    at = int(np.argmax(~(again == function.start)))
    return (
        f"f returned {in_words(function.start[at], 17)} and {in_words(again[at], 17)} for the same x, so its values "
        "say nothing; fix its seed, or pass repeats= to judge the mean of so many calls."
    )


class _Judge:
    """A function, its claimed derivative, and how they are judged at x."""

    def __init__(self, point: Structure, function: Function, claim: Claim, scales: Scales, notes: list[str]) -> None:
        self._point, self._function, self._claim, self._scales = point, function, claim, scales
        self._notes, self._complex = notes, point.is_numpy
        self._unit = max(point.eps / 2, claim.unit)
        shape = (function.start.size, point.size)
        self._entries = {name: np.full(shape, np.nan) for name in ("claimed", "found", "bound", "step")}
        self._entries["bound"][...] = np.inf

    def by_coordinates(self) -> FunctionCertificate:
        """Judge each coordinate by itself."""
        self._look_around()
        judged = Partials([self._coordinate(i) for i in range(self._point.size)], self._unit, self._function.outputs)
        self._keep(judged, slice(None))
        hidden = ~judged.different & ~judged.wide & (judged.claimed != 0) & (np.abs(judged.claimed) <= judged.bound)
        if hidden.any():
            count = counted(int(np.count_nonzero(hidden)), "claimed derivative")
            self._notes.append(f"{count} of {hidden.size} cannot be told from 0, since the bounds are larger.")
        if judged.transposed:
            self._notes.append("The claimed Jacobian is the transpose of that of f.")
        return self._concluded(judged, [])

    def by_directions(self) -> FunctionCertificate:
        """Judge a few directions, and if one is different, search the coordinate."""
        self._look_around()
        directions = Directions(self._function, self._claim, self._scales.size, self._noise, self._point.eps)
        lines, partials = directions.partials()
        judged = Partials(partials, self._unit, self._function.outputs, together=self._point.size)
        self._entries["bound"][...] = judged.bound.min(axis=1, keepdims=True) / self._scales.size
        self._notes.append(
            f"Judged along {DIRECTIONS} random directions, in each of which every coordinate moves in "
            "proportion to its size, so that a fault in any single coordinate shows."
        )
        return self._concluded(judged, self._wrong_coordinates(directions, lines, judged))

    def _wrong_coordinates(
        self, directions: Directions, lines: list[Array], judged: Partials
    ) -> list[CoordinateVerdict]:
        """Return the verdicts on wrong coordinates, the largest fault first, until they explain all directions."""
        found: list[CoordinateVerdict] = []
        known: dict[int, Array] = {}
        allowed = judged.bound.copy()
        while True:
            faults = np.stack([explained(line, known) for line in lines], axis=-1)
            residual = judged.claimed - judged.found - faults
            left = np.isfinite(allowed) & ~(np.abs(residual) <= allowed)
            if not left.any():
                return found
            if len(found) == SEARCHES:
                self._notes.append("More coordinates are wrong.")
                return found
            ratio = np.where(left, np.nan_to_num(np.abs(residual) / allowed, nan=np.inf), -1)
            output, number = divmod(int(np.argmax(ratio)), len(lines))
            i = directions.search(lines[number], float(residual[output, number]), output, known)
            single = Partials([self._coordinate(i)], self._unit, self._function.outputs)
            self._keep(single, slice(i, i + 1))
            if i in known or not single.different.any():
                place = self._point.place(i)
                self._notes.append(
                    f"The search for a wrong coordinate ended at {place}, which does not explain the difference by "
                    "itself: the fault is spread over several."
                )
                return found
            found.append(single.verdict(single.order[0]))
            known[i] = (single.claimed - single.found)[:, 0]
            if not np.isfinite(known[i]).all():
                # It hides all others.
                return found
            allowed = allowed + single.bound * self._scales.size[i]

    def certificate(
        self, status: Status, worst: tuple[CoordinateVerdict, ...], reason: str, judged: Partials | None = None
    ) -> FunctionCertificate:
        """Return the certificate."""
        shape = (*self._function.outputs, self._point.size)
        entries = {name: array.reshape(shape) for name, array in self._entries.items()}
        dtypes = dict.fromkeys(format_dtype(leaf.array.dtype) for leaf in self._point.leaves)
        codomain = f"^{self._function.outputs[0]}" if self._function.outputs else ""
        return FunctionCertificate(
            title=f"f: R^{self._point.size} → R{codomain} in {' and '.join(dtypes)}",
            status=status,
            ratio=float(judged.ratio.max()) if judged else 0.0,
            worst=worst,
            reason=reason,
            detectable=judged.detectable if judged else np.inf,
            evaluations=self._function.evaluations,
            taylor=self._slope if judged else np.nan,
            notes=tuple(self._notes),
            claimed=entries["claimed"],
            found=entries["found"],
            bounds=entries["bound"],
            steps=entries["step"],
        )

    def _look_around(self) -> None:
        """Find the noise of f, and the slope of its Taylor remainder, along a random direction."""
        signs = np.random.default_rng(1).choice([-1.0, 1.0], self._point.size)
        direction = signs * self._scales.size
        along, start = self._function.along(direction), self._function.start
        unit = self._function.unit
        noise = estimate_noise(along, start, self._point.eps)
        rounding = unit * np.abs(start) + self._function.smallest
        self._noise = np.maximum(np.maximum(noise.size, rounding), self._function.standard_error)
        self._slope = remainder_slope(along, start, self._claim.along(direction), self._noise)
        if (noise.stepped & (noise.size > 64 * rounding)).any():
            self._notes.append(
                f"f changes in steps or scatters by about {noise.size.max():.1g}; it is judged above that."
            )

    def _coordinate(self, i: int) -> Partial:
        point, step = self._point, float(self._scales.size[i])
        leaf, position = point.find(i)
        array = point.leaves[leaf].array
        finfo = np.finfo(array.dtype)
        narrowest = 8 * float(finfo.eps) * max(float(abs(array.flat[position])), step)
        # Below the normal numbers, distances are rounded away; they are computed in float64.
        narrowest = max(narrowest, float(finfo.tiny), sys.float_info.min)
        found = differentiate_along(
            self._function.along_entry(i),
            self._function.start,
            step * FIRST,
            WIDENING * float(self._scales.widest[i]),
            narrowest,
            self._noise,
            self._function.unit,
        )
        if found.blurred.any() and not found.kink.any() and self._complex:
            found = self._on_circle(i, found)
        if found.stepped.any() and not any("in steps" in note for note in self._notes):
            size = found.stepped.max()
            self._notes.append(
                f"f is constant near x and changes in steps of about {size:.1g}; it is judged above that."
            )
        claimed = self._claim.column(i)
        return Partial(point.place(i), claimed, np.abs(claimed), found, step, leaf)

    def _on_circle(self, i: int, found: Derivative) -> Derivative:
        """Return a derivative that noise blurs, or that by complex values of f where they are analytic and sharper."""
        function, ladder, larger = self._function, found, None
        for part in RADII:
            circle = differentiate_on_circle(
                function.along_complex_entry(i),
                function.start,
                part * float(self._scales.size[i]),
                self._noise,
                function.unit,
            )
            if circle is None:
                # A function that takes no complex numbers is not asked again.
                self._complex = False
                break
            if larger is not None:
                found = found.or_sharper(believed(larger, circle, ladder))
                if not found.blurred.any():
                    break
            larger = circle
        return found

    def _keep(self, judged: Partials, where: slice) -> None:
        for name in self._entries:
            self._entries[name][:, where] = getattr(judged, name)

    def _concluded(self, judged: Partials, first: list[CoordinateVerdict]) -> FunctionCertificate:
        if judged.factor is not None:
            self._notes.append(f"Every claimed derivative is {in_words(judged.factor, 6)} times that of f.")
        if judged.different.any():
            if judged.constant:
                self._notes.append("f has the same value at all steps; check that it uses its argument.")
            if self._claim.is_vector(self._point.vector):
                self._notes.append(
                    "The claimed gradient has the entries of x; pass the gradient, such as the .grad of each parameter."
                )
        worst = (*first, *(judged.verdict(flat) for flat in judged.order[:SHOWN]))[:SHOWN]
        return self.certificate(worst[0].status, worst, worst[0].reason, judged)
