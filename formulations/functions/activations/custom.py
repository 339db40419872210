"""An activation of your own, checked before it is used."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import final

import numpy as np
import numpy.typing as npt

from formulations.arrays import DTYPES, Array, quiet
from formulations.exceptions import InvalidInput, NotFinite, WrongShape, WrongType
from formulations.functions.activations.base import Activation
from formulations.functions.activations.formulas import carries_derivative
from formulations.functions.derivatives import (
    call_untouched,
    called,
    differentiate,
    first_mixed,
    interval,
    sample_points,
)

__all__ = ["CustomActivation", "activation"]

_Function = Callable[[Array], Array]


@final
@dataclass(frozen=True)
class CustomActivation(Activation):
    """What ``activation`` returns: the functions handed in, their results checked at every call."""

    function: _Function
    slope_function: _Function
    curvature_function: _Function | None
    name: str
    kinks: tuple[float, ...] = ()
    refused_dtypes: tuple[tuple[str, str], ...] = ()
    analytic: bool = False

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write what f and f′ return for z.

        Raises
        ------
        WrongType, WrongShape
            Where a result has not z's dtype and shape; it is never cast.
        """
        np.copyto(value, _call("f", self.function, z))
        if slope is not None:
            np.copyto(slope, _call("slope", self.slope_function, z))

    def curvature(self, z: Array) -> Array:
        """Return what f″ returns for z, if it was handed in."""
        if self.curvature_function is None:
            return super().curvature(z)
        return _call("curvature", self.curvature_function, z).copy()

    def complex_value(self, z: Array) -> Array:
        """Return what f returns for complex z, where it was found to be analytic."""
        return _call("f", self.function, z) if self.analytic else super().complex_value(z)

    def why_not(self, dtype: npt.DTypeLike) -> str | None:
        """Return None, or what happened when the functions were tried with ``dtype``."""
        return dict(self.refused_dtypes).get(np.dtype(dtype).name) or super().why_not(dtype)


@quiet
def activation(
    f: _Function,
    slope: _Function,
    *,
    curvature: _Function | None = None,
    name: str | None = None,
    domain: tuple[float, float] = (-10, 10),
    kinks: Iterable[float] = (),
) -> CustomActivation:
    """Make an activation of your own function and its slope, after checking that they belong together.

    The slope is compared with a numerical derivative of ``f`` at points spread over ``domain``, away from the
    kinks, with a tolerance derived from that derivative's own error; a slope that is off by 0.05 % is found.
    What happens between the points, outside the domain, and at kinks that are not declared, is not seen.

    Parameters
    ----------
    f, slope : callable
        f and f′. Each takes an array of any shape and returns a new one of the same shape and dtype, element
        by element, without changing its input.
    curvature : callable, optional
        f″, on the same terms; compared with the numerical derivative of ``slope``. Declare its jumps as kinks.
    name : str, optional
        What to call it; by default the name of ``f``.
    domain : tuple of float
        The interval on which it is checked.
    kinks : iterable of float
        Where f is not differentiable.

    Returns
    -------
    CustomActivation

    Raises
    ------
    WrongDerivative
        Where ``slope`` is not the derivative of ``f``, or ``curvature`` that of ``slope``; the point is named.
    WrongType
        Where something is not callable, or does not return float64 for float64.
    WrongShape, InvalidInput, NotFinite
        Where a function changes the shape, mixes the entries, changes its input, is not finite on the domain, or raises
        an exception, which is then the cause.

    Notes
    -----
    What goes wrong with float32 or longdouble alone is no failure: ``why_not`` reports it for that dtype.

    Examples
    --------
    >>> import numpy as np
    >>> cube = activation(lambda z: z**3, lambda z: 3 * z**2, name="cube")
    >>> cube.slope([2.0])
    array([12.])
    >>> activation(np.sin, np.sin)
    Traceback (most recent call last):
        ...
    formulations.exceptions.WrongDerivative: slope must be the derivative of f, got ...
    """
    functions = {"f": f, "slope": slope} | ({} if curvature is None else {"curvature": curvature})
    for what, function in functions.items():
        if not callable(function):
            raise WrongType(
                f"{what} must be a function of an array, got {type(function).__name__}; "
                "hand over a callable, such as numpy.sin."
            )
    kink_points = _kinks(kinks)
    points, steps = sample_points(interval(domain), kink_points)
    said = {what: _check_function(what, function, points) for what, function in functions.items()}
    for what, derivative in pairwise(functions):
        differentiate(partial(_call, what, functions[what]), points, steps).judge(
            said[derivative],
            (what, derivative),
            lambda at: f"z = {points[at]:.6g}",
            rough="declare kinks=(...) there, or narrow the domain",
            wrong="correct it, or declare kinks=(...) if there is a kink",
        )
    return CustomActivation(
        function=f,
        slope_function=slope,
        curvature_function=curvature,
        name=name or _name_of(f),
        kinks=kink_points,
        refused_dtypes=_refused_dtypes(functions, points),
        analytic=carries_derivative(f, points, np.ones_like(points), said["slope"]),
    )


def _name_of(f: _Function) -> str:
    name = getattr(f, "__name__", "")
    return name if name.isidentifier() else "custom"


def _kinks(kinks: Iterable[float]) -> tuple[float, ...]:
    try:
        points = tuple(sorted({float(kink) for kink in kinks}))
    except (TypeError, ValueError):
        points = (math.nan,)
    if not all(map(math.isfinite, points)):
        raise InvalidInput(f"kinks must be finite numbers, got {kinks!r}; give for instance kinks=(0,).")
    return points


def _call(what: str, function: _Function, z: Array) -> Array:
    """Call the function and insist on z's dtype and shape."""
    result = called(what, function, z, remedy="let it act element by element on arrays of any shape")
    dtype = getattr(result, "dtype", None)
    if not isinstance(result, np.ndarray | np.generic) or dtype != z.dtype:
        came = type(result).__name__ if dtype is None else dtype
        raise WrongType(
            f"{what} must return {z.dtype} for {z.dtype}, got {came}; "
            "keep to operations that preserve the dtype of their input."
        )
    if result.shape != z.shape:
        raise WrongShape(
            f"{what} must return shape {z.shape} for shape {z.shape}, got {result.shape}; "
            "let it act element by element."
        )
    return np.asarray(result)


def _check_function(what: str, function: _Function, points: Array) -> Array:
    """Return what the function says at the points; refuse one that is not finite, or not element-wise."""
    result = call_untouched(what, lambda z: _call(what, function, z), points)
    bad = ~np.isfinite(result)
    if bad.any():
        at = int(np.argmax(bad))
        raise NotFinite(
            f"{what} must be finite on the domain, got {result[at]} at z = {points[at]:.6g}; "
            "correct it, or narrow the domain."
        )
    # Shuffled, the halves give away sorting and cumulation; both of them, sums and extremes; as rows, flattening.
    halves = np.array_split(np.random.default_rng(0).permutation(points.size), 2)
    mixed = first_mixed(lambda z: _call(what, function, z[None])[0], (points,), result, halves)
    if mixed is not None:
        raise InvalidInput(
            f"{what} must act element by element, but its result at z = {points[mixed]:.6g} depends on the other "
            "entries; write it without sums, sorting or other operations along an axis."
        )
    return result


def _refused_dtypes(functions: dict[str, _Function], points: Array) -> tuple[tuple[str, str], ...]:
    """Try the other dtypes; return each that fails with its reason."""
    refused = []
    for dtype in DTYPES:
        for what, function in functions.items():
            # Whatever a stranger's function raises is the reason.
            try:
                with np.errstate(all="ignore"):
                    _call(what, function, points.astype(dtype))
            except Exception as exception:
                # A reason is a part of somebody else's sentence.
                refused.append((dtype.name, f"{what} failed with {dtype.name}: {str(exception).rstrip('.')}"))
                break
    return tuple(refused)
