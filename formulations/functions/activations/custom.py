"""Custom element-wise activations, checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, final

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
    """An activation made by :func:`activation`, which checks the results of the user's functions at every call."""

    function: _Function
    slope_function: _Function
    curvature_function: _Function | None
    name: str
    kinks: tuple[float, ...] = ()
    refused_dtypes: tuple[tuple[str, str], ...] = ()
    analytic: bool = False

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write f(z) and f′(z), as the user's functions return them.

        Raises
        ------
        WrongType, WrongShape
            If a result does not have the dtype and shape of z; it is never cast.
        """
        np.copyto(value, _call("f", self.function, z))
        if slope is not None:
            np.copyto(slope, _call("slope", self.slope_function, z))

    @property
    def has_curvature(self) -> bool:
        """Whether the user supplied f″."""
        return self.curvature_function is not None

    def curvature(self, z: Array) -> Any:
        """Return f″(z) if the user supplied f″."""
        if self.curvature_function is None:
            return super().curvature(z)
        return _call("curvature", self.curvature_function, z).copy()

    def complex_value(self, z: Array) -> Array:
        """Return f(z) for complex z if f proved to be analytic."""
        return _call("f", self.function, z) if self.analytic else super().complex_value(z)

    def why_not(self, dtype: npt.DTypeLike) -> str | None:
        """Return None, or why the user's functions fail with ``dtype``."""
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
    """Make an activation from your own function and its slope.

    The slope is compared with a numerical derivative of ``f`` at points spread over ``domain``, away from the
    kinks. The tolerance follows from the error of the numerical derivative; the check finds a slope that is off by
    0.05 %. It does not see what happens between the points, outside the domain, or at undeclared kinks.

    Parameters
    ----------
    f, slope : callable
        f and f′. Each acts element by element: it takes an array of any shape and returns a new array of the same
        shape and dtype, without changing its input.
    curvature : callable, optional
        f″, under the same conditions; compared with the numerical derivative of ``slope``. Declare its jumps as
        kinks.
    name : str, optional
        Name of the activation; by default that of ``f``.
    domain : tuple of float
        The interval on which the functions are checked.
    kinks : iterable of float
        The points at which f is not differentiable.

    Returns
    -------
    CustomActivation

    Raises
    ------
    WrongDerivative
        If ``slope`` is not the derivative of ``f``, or ``curvature`` not that of ``slope``; names the point.
    WrongType
        If an argument is not callable, or does not return float64 for float64.
    WrongShape, InvalidInput, NotFinite
        If a function changes the shape, mixes the entries, changes its input, is not finite on the domain, or raises
        an exception, which becomes the cause.

    Notes
    -----
    A function that fails only with float32 or longdouble is accepted: ``why_not`` gives the reason for that dtype.

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
                "pass a callable, such as numpy.sin."
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
    """Call the function; refuse a result without the dtype and shape of z."""
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
    """Return the values at the points; refuse a function that is not finite or not element-wise."""
    result = call_untouched(what, lambda z: _call(what, function, z), points)
    bad = ~np.isfinite(result)
    if bad.any():
        at = int(np.argmax(bad))
        raise NotFinite(
            f"{what} must be finite on the domain, got {result[at]} at z = {points[at]:.6g}; "
            "correct it, or narrow the domain."
        )
    # Shuffling exposes sorting and cumulation, halving exposes sums and extremes, and rows expose flattening.
    halves = np.array_split(np.random.default_rng(0).permutation(points.size), 2)
    mixed = first_mixed(lambda z: _call(what, function, z[None])[0], (points,), result, halves)
    if mixed is not None:
        raise InvalidInput(
            f"{what} must act element by element, but its result at z = {points[mixed]:.6g} depends on the other "
            "entries; write it without sums, sorting or other operations along an axis."
        )
    return result


def _refused_dtypes(functions: dict[str, _Function], points: Array) -> tuple[tuple[str, str], ...]:
    """Return each dtype with which a function fails, with the reason."""
    refused = []
    for dtype in DTYPES:
        for what, function in functions.items():
            # The user's function may raise anything.
            try:
                with np.errstate(all="ignore"):
                    _call(what, function, points.astype(dtype))
            except Exception as exception:
                # Callers put the reason into a sentence of their own.
                refused.append((dtype.name, f"{what} failed with {dtype.name}: {str(exception).rstrip('.')}"))
                break
    return tuple(refused)
