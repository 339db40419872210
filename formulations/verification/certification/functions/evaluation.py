"""The function under judgement: called on copies, its values read and checked, and its calls counted."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from formulations.arrays import Array, as_array
from formulations.exceptions import CandidateFailed, NotFinite, WrongShape, WrongType
from formulations.verification.certification.functions.structure import Structure, plain

__all__ = ["Function", "OutsideDomain", "call_on_copies"]


class OutsideDomain(Exception):
    """A function raised what functions raise outside their domain; the cause is that exception."""


class Function:
    """A function, and its values at x and near it.

    Parameters
    ----------
    f : callable
        The user's function.
    point : Structure
        x.
    repeats : int
        How often each point is evaluated; the mean counts.

    Attributes
    ----------
    start : ndarray of shape (k,)
        f(x).
    outputs : tuple of int
        The shape of f(x): empty for a number, (k,) for k values.
    unit : float
        u of the dtype of the values.
    smallest : float
        The smallest number of that dtype, the rounding error of an underflow.
    evaluations : int
        The number of calls.

    Raises
    ------
    WrongType, WrongShape
        If f does not return real numbers, one or a vector of them.
    NotFinite
        If f(x) is NaN or infinite.
    CandidateFailed
        If f raises at x, or changes its argument.
    """

    def __init__(self, f: Callable[[Any], Any], point: Structure, repeats: int = 1) -> None:
        self._f, self._point, self._repeats = f, point, repeats
        self.evaluations = 0
        try:
            value = self._value(point.arrays())
        except OutsideDomain as outside:
            caught = outside.__cause__
            raise CandidateFailed(
                f"f must return a value at x, but raised {type(caught).__name__}: {caught}; judge it at a point inside "
                "its domain."
            ) from caught
        if not np.isfinite(value).all():
            shown = value[~np.isfinite(value)].flat[0]
            raise NotFinite(f"f(x) must be finite, got {shown}; judge the gradient at a point inside the domain of f.")
        self.outputs: tuple[int, ...] = value.shape
        finfo = np.finfo(value.dtype)
        self.unit, self.smallest = float(finfo.eps) / 2, float(finfo.tiny) * float(finfo.eps)
        self._squares: Any = 0.0
        self._free = 0
        mean = _wide(value) if repeats == 1 else self._at(point.arrays())
        if mean is None:
            raise NotFinite("f(x) must be finite in every call; judge the gradient at a point inside the domain of f.")
        self.start = mean

    @property
    def standard_error(self) -> Any:
        """The standard error of the mean of all repeats, from all points so far; 0 if each is evaluated once."""
        return np.sqrt(self._squares / (self._free * self._repeats)) if self._free else 0.0

    def at_start(self) -> Array:
        """Return f(x), evaluated once more; NaN if that fails."""
        value = self._once(self._point.arrays())
        return np.full(self.start.shape, np.nan) if value is None else value

    def along_entry(self, i: int) -> Callable[[float], tuple[float, Array] | None]:
        """Return f as a function of the distance along one coordinate; None outside its domain."""
        leaf, position = self._point.find(i)

        def line(t: float) -> tuple[float, Array] | None:
            arrays = self._point.arrays()
            entries = arrays[leaf].reshape(-1)
            before = entries[position]
            entries[position] += entries.dtype.type(t)
            moved = float(entries[position] - before)
            value = self._at(arrays) if moved else None
            return None if value is None else (moved, value)

        return line

    def along(self, direction: Array) -> Callable[[float], Array | None]:
        """Return f as a function of the distance along a direction; None outside its domain."""

        def line(t: float) -> Array | None:
            return self._at(self._point.arrays(self._point.vector + t * direction))

        return line

    def along_complex_entry(self, i: int) -> Callable[[complex], Array | None]:
        """Return f as a function of a complex distance along one coordinate; None if it does not take or return one."""
        leaf, position = self._point.find(i)

        def line(t: complex) -> Array | None:
            arrays = [array.astype(np.result_type(array.dtype, np.complex64)) for array in self._point.arrays()]
            arrays[leaf].reshape(-1)[position] += t
            self.evaluations += 1
            try:
                with warnings.catch_warnings():
                    # Code that drops the imaginary part warns, and is found out by the result.
                    warnings.simplefilter("ignore")
                    returned = call_on_copies("f", self._f, self._point, arrays)
            except (OutsideDomain, CandidateFailed):
                return None
            value = np.asarray(returned)
            if value.dtype.kind != "c" or value.shape != self.outputs or not np.isfinite(value).all():
                return None
            return value.reshape(-1)

        return line

    def _at(self, arrays: list[Array]) -> Array | None:
        """Return the values, shape (k,), the mean of all repeats; None outside the domain."""
        values = []
        for _ in range(self._repeats):
            value = self._once(arrays)
            if value is None:
                return None
            values.append(value)
        mean: Array = np.mean(values, axis=0)
        self._squares = self._squares + np.sum((np.array(values) - mean) ** 2, axis=0)
        self._free += self._repeats - 1
        return mean

    def _once(self, arrays: list[Array]) -> Array | None:
        try:
            value = self._value(arrays)
        except OutsideDomain:
            return None
        if value.shape != self.outputs:
            raise CandidateFailed(
                f"f must return values of one shape, but returned {self.outputs} at x and {value.shape} near it; "
                "let the shape not depend on the entries of x."
            )
        return _wide(value) if np.isfinite(value).all() else None

    def _value(self, arrays: list[Array]) -> Array:
        self.evaluations += 1
        return _read(call_on_copies("f", self._f, self._point, arrays))


def call_on_copies(name: str, function: Callable[[Any], Any], point: Structure, arrays: list[Array]) -> Any:
    """Call a user's function on an argument of the structure of x.

    Raises
    ------
    OutsideDomain
        If it raises what functions raise outside their domain, NumPy's and torch's LinAlgError among them.
    CandidateFailed
        If it changes its argument, or raises anything else.
    """
    argument, leaves = point.build([array.copy() for array in arrays])
    try:
        returned = function(argument)
    except (ArithmeticError, ValueError, RuntimeError) as caught:
        raise OutsideDomain from caught
    except Exception as caught:
        raise CandidateFailed(
            f"{name} must accept x in the structure in which it was passed, but raised {type(caught).__name__}: "
            f"{caught}; fix that first."
        ) from caught
    for leaf, array, after in zip(point.leaves, arrays, leaves, strict=True):
        if not np.array_equal(as_array(plain(after), leaf.name), array):
            raise CandidateFailed(
                f"{name} must not change its argument, but changed {leaf.name}; let it work on a copy."
            )
    return returned


def _read(returned: Any) -> Array:
    """Return the value of a function as an array of real numbers, of its own dtype if that is a float."""
    remedy = "return a number, or an array of shape (k,) whose Jacobian is judged"
    if returned is None:
        raise WrongType(f"f must return a real number, got None; {remedy}.")
    if isinstance(returned, tuple) and len(returned) == 2 and not _has_parts(returned[0]) and _has_parts(returned[1]):
        raise WrongShape(
            "f must return its value alone, got a number and something else, such as its gradient; "
            "pass lambda x: f(x)[0] as f, and the gradient as gradient."
        )
    value = as_array(plain(returned), "the value of f")
    if value.dtype.kind == "c":
        raise WrongType(f"f must return real numbers, got dtype {value.dtype}; return the real part if that is meant.")
    if value.dtype.kind not in "biuf":
        raise WrongType(f"f must return real numbers, got {type(returned).__name__} of dtype {value.dtype}; {remedy}.")
    if value.ndim > 1 or not value.size:
        raise WrongShape(f"f must return a number or an array of shape (k,), got shape {value.shape}; {remedy}.")
    return value if value.dtype.kind == "f" else value.astype(np.float64)


def _has_parts(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple) or bool(getattr(value, "shape", ()))


def _wide(value: Array) -> Array:
    """Return the values as a vector in which differences lose nothing."""
    return value.reshape(-1).astype(np.promote_types(value.dtype, np.float64))
