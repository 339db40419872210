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

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.arrays import Array, as_real, check_finite, format_dtype, positive_integer, quiet
from formulations.exceptions import InvalidInput, WrongShape, WrongType, described
from formulations.verification.certification.functions.claims import Claim, read_claim
from formulations.verification.certification.functions.document import CoordinateVerdict, FunctionCertificate
from formulations.verification.certification.functions.evaluation import Function
from formulations.verification.certification.functions.ladder import Derivative, differentiate_along
from formulations.verification.certification.functions.noise import Noise, estimate_noise
from formulations.verification.certification.functions.structure import Structure
from formulations.verification.tolerances import RESOLUTION, Status

__all__ = ["certify_function"]

SHOWN = 5
"""The number of coordinates in a certificate."""
ROUNDINGS = 8
"""The rounding errors of a claimed derivative and of its argument, as for the slopes of this library."""


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
        the largest of its array, or 1. The first step is an eighth of it.
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
    scales = _scales(point, typical)
    function = Function(f, point, 1 if repeats is None else positive_integer(repeats, "repeats"))
    notes: list[str] = []
    claim = read_claim(gradient, point, function.outputs, notes)
    again = function.at_start()
    if repeats is None and not np.array_equal(again, function.start):
        return _undecided(point, function, claim, _random(function.start, again), notes)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], point.size)
    noise = estimate_noise(function.along(signs * scales.step), function.start, point.eps)
    found = [_differentiate(point, function, scales, noise.size, i) for i in range(point.size)]
    last = function.at_start()
    if repeats is None and not np.array_equal(last, function.start):
        return _undecided(point, function, claim, _random(function.start, last), notes)
    notes.extend(_remarks(noise, found, function))
    return _judged(point, function, claim, scales.step, found, notes)


@dataclass(frozen=True)
class _Scales:
    """For each entry of x its scale, a power of 2, and the scale up to which noise may stretch the steps."""

    step: Array
    widest: Array


def _scales(point: Structure, typical: Any) -> _Scales:
    """Return the scales of the entries; powers of 2, so that x ± h is exact as often as possible."""
    if typical is not None:
        given = _typical(point, typical)
        return _Scales(_power_of_two(given), _power_of_two(given))
    sizes, widest = [], []
    whole = float(np.max(np.abs(point.vector))) or 1.0
    for leaf in point.leaves:
        size = np.abs(leaf.array).ravel().astype(np.float64)
        largest = float(size.max(initial=0.0)) or whole
        sizes.append(np.where(size == 0, largest, size))
        widest.append(np.full(size.shape, largest))
    return _Scales(_power_of_two(np.concatenate(sizes)), _power_of_two(np.concatenate(widest)))


def _typical(point: Structure, typical: Any) -> Array:
    if isinstance(typical, int | float | np.number):
        given = np.full(point.size, float(typical))
    elif point.nested:
        given = point.flatten(typical, "typical").astype(np.float64)
    else:
        given = as_real(typical, "typical").astype(np.float64)
        if given.shape != point.leaves[0].array.shape:
            raise WrongShape(
                f"typical must be a number or have the shape of x, {point.leaves[0].array.shape}, got {given.shape}; "
                "pass one size for each entry of x."
            )
        given = given.ravel()
    check_finite(given, "typical")
    if not (given > 0).all():
        raise InvalidInput(f"typical must be positive, got {given.min()}; pass the size of each entry of x.")
    return given


def _power_of_two(sizes: Array) -> Array:
    scales: Array = np.ldexp(1.0, np.frexp(sizes)[1] - 1)
    return scales


def _differentiate(point: Structure, function: Function, scales: _Scales, noise: Array, i: int) -> Derivative:
    step, widest = float(scales.step[i]), float(scales.widest[i])
    leaf, position = point.find(i)
    array = point.leaves[leaf].array
    eps = float(np.finfo(array.dtype).eps)
    narrowest = 8 * eps * max(float(abs(array.flat[position])), step)
    return differentiate_along(
        function.along_entry(i), function.start, step / 8, 4 * widest, narrowest, noise, function.unit
    )


def _random(first: Array, second: Array) -> str:
    at = int(np.argmax(~(first == second)))
    return (
        f"f returned {first[at]:.17g} and {second[at]:.17g} for the same x, so its values say nothing; fix its seed, "
        "or pass repeats= to judge the mean of so many calls."
    )


def _remarks(noise: Noise, found: list[Derivative], function: Function) -> list[str]:
    step = max((float(d.stepped.max()) for d in found), default=0.0)
    if step:
        return [f"f is constant near x and changes in steps of about {step:.1g}; it is judged above its steps."]
    if (noise.stepped & (noise.size > 64 * function.unit * np.abs(function.start))).any():
        return [f"f changes in steps or scatters by about {noise.size.max():.1g}; it is judged above that."]
    return []


def _undecided(
    point: Structure, function: Function, claim: Claim, reason: str, notes: list[str]
) -> FunctionCertificate:
    """Return the certificate if nothing can be judged."""
    shape = (*function.outputs, point.size)
    nothing = np.full(shape, np.nan)
    return FunctionCertificate(
        title=_title(point, function),
        status=Status.INCONCLUSIVE,
        ratio=0.0,
        worst=(),
        reason=reason,
        detectable=np.inf,
        evaluations=function.evaluations,
        notes=tuple(notes),
        claimed=np.stack([claim.column(i) for i in range(point.size)], axis=-1).reshape(shape),
        found=nothing,
        bounds=np.full(shape, np.inf),
        steps=nothing,
    )


def _judged(
    point: Structure, function: Function, claim: Claim, scales: Array, found: list[Derivative], notes: list[str]
) -> FunctionCertificate:
    claimed = np.stack([claim.column(i) for i in range(point.size)], axis=-1)
    value, bound, step, quotient, curvature = (
        np.stack([getattr(d, name) for d in found], axis=-1)
        for name in ("value", "bound", "step", "quotient", "curvature")
    )
    kink = np.stack([d.kink for d in found], axis=-1)
    unit = max(point.eps, float(np.finfo(claimed.dtype).eps)) / 2
    bound = bound + ROUNDINGS * unit * (np.abs(claimed) + scales * curvature)
    residual = np.abs(claimed - value)
    # The largest change of f per scale of a coordinate, over each array of x, for each value of f.
    groups = np.array([point.group(i) for i in range(point.size)])
    largest = np.zeros(bound.shape)
    for group in range(len(point.leaves)):
        here = groups == group
        largest[:, here] = np.max(quotient[:, here] * scales[here], axis=1, keepdims=True, initial=0)
    relative = np.where(bound == 0, 0, bound * scales / largest)
    outside = np.isfinite(bound) & ~(residual <= bound)
    wide = ~outside & ~(relative <= RESOLUTION) & ~((quotient == 0) & (residual == 0) & np.isfinite(bound))
    ratios = np.where(np.isinf(bound), 0, np.where(residual == 0, 0, residual / bound))
    ratios = np.where(np.isnan(ratios), np.inf, ratios)
    order = np.argsort(-(np.where(outside, 2, np.where(wide, 1, 0)) + ratios / (1 + ratios)), axis=None, kind="stable")

    def verdict(flat: int) -> CoordinateVerdict:
        output, i = divmod(int(flat), point.size)
        at = output, i
        status = Status.DIFFERENT if outside[at] else Status.INCONCLUSIVE if wide[at] else Status.EQUAL
        place = point.place(i) if not function.outputs else f"f[{output}], {point.place(i)}"
        reason = ""
        if outside[at]:
            reason = (
                f"{place}: the claimed derivative is {claimed[at]:.9g}, but f has {value[at]:.9g}, "
                f"give or take {bound[at]:.1g}."
            )
        elif kink[at]:
            reason = f"{place}: f has a kink at x; its derivatives from the left and from the right differ."
        elif np.isinf(bound[at]):
            reason = (
                f"{place}: f has no derivative that its difference quotients agree on: it is not smooth there, or not "
                "defined on both sides, or its scale is another; pass typical= if it is."
            )
        elif wide[at]:
            reason = (
                f"{place}: the bound is {relative[at]:.1g} of the largest quotient, too wide to tell a right gradient "
                "from a wrong one."
            )
        return CoordinateVerdict(
            place=point.place(i),
            output=output if function.outputs else None,
            status=status,
            ratio=float(ratios[at]),
            claimed=float(claimed[at]),
            found=float(value[at]),
            bound=float(bound[at]),
            step=float(step[at]),
            reason=reason,
        )

    worst = tuple(map(verdict, order[:SHOWN]))
    shape = (*function.outputs, point.size)
    return FunctionCertificate(
        title=_title(point, function),
        status=worst[0].status,
        ratio=float(ratios.max()),
        worst=worst,
        reason=worst[0].reason,
        detectable=2 * float(np.nan_to_num(relative, nan=0, posinf=np.inf).max()),
        evaluations=function.evaluations,
        notes=tuple(notes),
        claimed=claimed.reshape(shape),
        found=value.reshape(shape),
        bounds=bound.reshape(shape),
        steps=step.reshape(shape),
    )


def _title(point: Structure, function: Function) -> str:
    dtypes = dict.fromkeys(format_dtype(leaf.array.dtype) for leaf in point.leaves)
    codomain = "R" if not function.outputs else f"R^{function.outputs[0]}"
    return f"f: R^{point.size} → {codomain} in {' and '.join(dtypes)}"
