"""An activation of your own, checked before it is used."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from formulations.activations.base import DTYPES, Activation, FloatArray
from formulations.activations.derivative_check import check_derivative, sample_points
from formulations.exceptions import InvalidInput, NotFinite, WrongShape, WrongType

__all__ = ["CustomActivation", "activation"]

_Function = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class CustomActivation(Activation):
    """What `activation` returns: the functions handed in, their results checked at every call."""

    f: _Function
    f_prime: _Function
    f_second: _Function | None
    name: str
    kinks: tuple[float, ...] = ()
    refused_dtypes: tuple[tuple[str, str], ...] = ()

    def evaluate(self, z: FloatArray, value: FloatArray, slope: FloatArray | None = None) -> None:
        """Write what f and f′ return for z.

        Raises
        ------
        WrongType, WrongShape
            If a result has not z's dtype and shape; it is never cast.
        """
        np.copyto(value, _call("f", self.f, z))
        if slope is not None:
            np.copyto(slope, _call("slope", self.f_prime, z))

    def curvature(self, z: FloatArray) -> FloatArray:
        """Return what f″ returns for z, if it was handed in."""
        if self.f_second is None:
            return super().curvature(z)
        return _call("curvature", self.f_second, z).copy()

    def why_not(self, dtype: npt.DTypeLike) -> str | None:
        """Return None, or what happened when the functions were tried with `dtype`."""
        return dict(self.refused_dtypes).get(np.dtype(dtype).name) or super().why_not(dtype)


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

    The slope is compared with a numerical derivative of `f` at points spread over `domain`, away from the
    kinks, with a tolerance derived from that derivative's own error; a slope that is off by 0.05 % is found.
    What happens between the points, outside the domain, and at kinks that are not declared, is not seen.

    Parameters
    ----------
    f, slope : callable
        f and f′. Each takes an array of any shape and returns a new one of the same shape and dtype, element
        by element, without changing its input.
    curvature : callable, optional
        f″, on the same terms; compared with the numerical derivative of `slope`. Declare its jumps as kinks.
    name : str, optional
        What to call it; by default the name of `f`.
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
        If `slope` is not the derivative of `f`, or `curvature` that of `slope`; the point is named.
    WrongType
        If something is not callable, or does not return float64 for float64.
    WrongShape, InvalidInput, NotFinite
        If a function changes the shape, mixes the entries, changes its input, or is not finite on the domain.

    Notes
    -----
    What goes wrong with float32 or longdouble alone is no failure: `why_not` reports it for that dtype.

    Examples
    --------
    >>> import numpy as np
    >>> cube = activation(lambda z: z**3, lambda z: 3 * z**2, name="cube")
    >>> cube.slope([2.0])
    array([12.])
    >>> activation(np.sin, np.sin)
    Traceback (most recent call last):
        ...
    formulations.exceptions.WrongDerivative: slope was expected to be the derivative of f: at z = ...
    """
    functions = {"f": f, "slope": slope} | ({} if curvature is None else {"curvature": curvature})
    for what, function in functions.items():
        if not callable(function):
            raise WrongType(
                f"{what} was expected to be a function of an array, got {type(function).__name__};"
                f" hand over a callable, such as numpy.sin"
            )
    interval, kink_points = _interval(domain), _kinks(kinks)
    points, steps = sample_points(interval, kink_points)
    for what, function in functions.items():
        _check_function(what, function, points)
    check_derivative(f, slope, points, steps)
    if curvature is not None:
        check_derivative(slope, curvature, points, steps, names=("slope", "curvature"))
    return CustomActivation(
        f=f,
        f_prime=slope,
        f_second=curvature,
        name=name or _name_of(f),
        kinks=kink_points,
        refused_dtypes=_refused_dtypes(functions, points),
    )


def _name_of(f: _Function) -> str:
    name = getattr(f, "__name__", "")
    return name if name.isidentifier() else "custom"


def _interval(domain: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = (float(end) for end in domain)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InvalidInput(
            f"domain was expected as (low, high) with finite low < high, got {domain!r}; give for instance (-10, 10)"
        )
    return low, high


def _kinks(kinks: Iterable[float]) -> tuple[float, ...]:
    try:
        points = tuple(sorted({float(kink) for kink in kinks}))
    except (TypeError, ValueError):
        points = (math.nan,)
    if not all(map(math.isfinite, points)):
        raise InvalidInput(f"kinks were expected as finite numbers, got {kinks!r}; give for instance kinks=(0,)")
    return points


def _call(what: str, function: _Function, z: FloatArray) -> FloatArray:
    """Call the function and insist on z's dtype and shape."""
    result = function(z)
    dtype = getattr(result, "dtype", None)
    if not isinstance(result, np.ndarray | np.generic) or dtype != z.dtype:
        came = type(result).__name__ if dtype is None else dtype
        raise WrongType(
            f"{what} was expected to return {z.dtype} for {z.dtype}, got {came};"
            " keep to operations that preserve the dtype of their input"
        )
    if result.shape != z.shape:
        raise WrongShape(
            f"{what} was expected to return shape {z.shape} for shape {z.shape}, got {result.shape};"
            " let it act element by element"
        )
    return np.asarray(result)


def _check_function(what: str, function: _Function, points: FloatArray) -> None:
    """Refuse a function that is not finite, not element-wise, or that writes into its input."""
    z = points.copy()
    with np.errstate(all="ignore"):
        result = _call(what, function, z)
    if not np.array_equal(z, points):
        raise InvalidInput(
            f"{what} was expected to leave its input unchanged, but wrote into it; let it work on a copy"
        )
    bad = ~np.isfinite(result)
    if bad.any():
        at = int(np.argmax(bad))
        raise NotFinite(
            f"{what} was expected to be finite on the domain, got {result[at]} at z = {points[at]:.6g};"
            " correct it, or narrow the domain"
        )
    # Vectorised and scalar loops may round differently: that much, and no more, is forgiven.
    forgiven = 64 * np.finfo(np.float64).eps * np.max(np.abs(result))
    # Shuffled, the halves give away sorting and cumulation; both of them, sums and extremes; as rows, flattening.
    for half in np.array_split(np.random.default_rng(0).permutation(points.size), 2):
        with np.errstate(all="ignore"):
            part = _call(what, function, points[half][None])[0]
        mixed = ~(np.abs(part - result[half]) <= forgiven)
        if mixed.any():
            raise InvalidInput(
                f"{what} was expected to act element by element, but its result at"
                f" z = {points[half[np.argmax(mixed)]]:.6g} depends on the other entries;"
                " write it without sums, sorting or other operations along an axis"
            )


def _refused_dtypes(functions: dict[str, _Function], points: FloatArray) -> tuple[tuple[str, str], ...]:
    """Try the other dtypes; return each that fails with its reason."""
    refused = []
    for dtype in DTYPES:
        for what, function in functions.items():
            # Whatever a stranger's function raises is the reason.
            try:
                with np.errstate(all="ignore"):
                    _call(what, function, points.astype(dtype))
            except Exception as exception:
                refused.append((dtype.name, f"{what} failed with {dtype.name}: {exception}"))
                break
    return tuple(refused)
