"""Costs of your own, with the chapter's two assumptions checked on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.differentiate import jacobian

from formulations.costs.base import Cost
from formulations.exceptions import InvalidInput, WrongDerivative, WrongShape, WrongType
from formulations.parameters import Array

__all__ = ["CustomCost", "cost"]


class CustomCost(Cost):
    """A cost made by :func:`cost`."""

    def __init__(self, value: Callable[..., Any], gradient: Callable[..., Any], name: str) -> None:
        self.name = name
        self._value = value
        self._gradient = gradient

    def evaluate(self, A: Array, Y: Array, gradient: Array | None = None) -> Array:
        """Return what the user's ``value`` returns, checked, and write the user's gradient."""
        values = self._checked(self._value(A, Y), "value", (len(A),), A.dtype)
        if gradient is not None:
            gradient[...] = self._checked(self._gradient(A, Y), "gradient", A.shape, A.dtype)
        return values

    def _checked(self, result: Any, which: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        array = np.asarray(result)
        if array.shape != shape:
            raise WrongShape(
                f"cost {self.name!r}: {which}(A, Y) must return shape {shape}, got {array.shape}; "
                + (
                    "return one cost an example: sum over axis 1 only."
                    if which == "value"
                    else "return ∇_aC_x, a row each."
                )
            )
        if array.dtype != dtype:
            raise WrongType(
                f"cost {self.name!r}: {which}(A, Y) must keep the dtype {dtype} of its arguments, got {array.dtype}; "
                "avoid constants of another dtype."
            )
        return array


def cost(
    value: Callable[..., Any],
    gradient: Callable[..., Any],
    *,
    name: str | None = None,
    domain: tuple[float, float] = (0.1, 0.9),
) -> Cost:
    """Make a cost of your own, and check the chapter's two assumptions on it.

    Parameters
    ----------
    value : callable (A, Y) -> ndarray of shape (m,)
        C_x, one cost for each example, from outputs and targets of shape (m, n_L).
    gradient : callable (A, Y) -> ndarray of shape (m, n_L)
        ∇_aC_x, one row for each example, not divided by m.
    name : str, optional
        What tables call it; the function's own name by default.
    domain : (float, float)
        Outputs and targets between which the check is made, and where the cost must be differentiable.

    Returns
    -------
    Cost

    Raises
    ------
    WrongShape
        Where ``value`` does not return one cost for each example.
    InvalidInput
        Where an example's cost depends on the other examples, or the cost is not a function of (A, Y) alone.
    WrongDerivative
        Where ``gradient`` is not the numerical gradient of ``value``; the point is named.

    Examples
    --------
    >>> import numpy as np
    >>> quartic = cost(lambda A, Y: ((A - Y) ** 4).sum(axis=1), lambda A, Y: 4 * (A - Y) ** 3, name="quartic")
    >>> quartic.evaluate(np.array([[3.0, 1.0]]), np.array([[1.0, 1.0]]))
    array([16.])
    """
    for function in (value, gradient):
        if not callable(function):
            raise WrongType(f"a cost needs two functions of (A, Y), got {function!r}; pass a callable.")
    made = CustomCost(value, gradient, name or str(getattr(value, "__name__", "custom")))
    low, high = domain
    if not low < high:
        raise InvalidInput(f"domain must be (low, high) with low < high, got {domain!r}.")
    _check_assumptions(made, low, high)
    return made


def _check_assumptions(made: CustomCost, low: float, high: float) -> None:
    random = np.random.default_rng(2026)
    A, Y = random.uniform(low, high, (2, 5, 3))
    kept_A, kept_Y = A.copy(), Y.copy()
    slopes = np.empty_like(A)
    values = made.evaluate(A, Y, slopes)
    if not (np.array_equal(A, kept_A) and np.array_equal(Y, kept_Y)):
        raise InvalidInput(f"cost {made.name!r} changes its arguments; work on copies.")
    if not np.array_equal(values, made.evaluate(A, Y)):
        raise InvalidInput(f"cost {made.name!r} gives two values for the same outputs; make it a function of (A, Y).")
    for x in range(len(A)):
        alone = np.empty_like(A[:1])
        # One row or five may be summed in another order, so equal means equal up to that rounding.
        allowance = 64 * np.finfo(A.dtype).eps
        value = made.evaluate(A[x : x + 1], Y[x : x + 1], alone)
        same = abs(value[0] - values[x]) <= allowance * (1 + abs(values[x]))
        if not (same and np.all(np.abs(alone[0] - slopes[x]) <= allowance * (1 + np.abs(slopes[x])))):
            raise InvalidInput(
                f"cost {made.name!r} mixes examples: example {x} alone gives {value[0]}, among others {values[x]}; "
                "return one cost an example, each from its own row."
            )
    _check_gradient(made, A, Y, slopes, (high - low) / 32)


def _check_gradient(made: CustomCost, A: Array, Y: Array, slopes: Array, step: float) -> None:
    for x in range(len(A)):

        def cost_of_output(a: Array, y: Array = Y[x]) -> Array:
            rows = np.moveaxis(a, 0, -1)
            flat = np.ascontiguousarray(rows.reshape(-1, rows.shape[-1]))
            return made.evaluate(flat, np.tile(y, (len(flat), 1))).reshape(rows.shape[:-1])

        numerical = jacobian(cost_of_output, A[x], initial_step=step)
        # The estimate's own error, and the rounding of differences of values of this size over its smallest step.
        scale = np.abs(made.evaluate(A[x : x + 1], Y[x : x + 1])[0]) + np.abs(slopes[x])
        allowance = 16 * numerical.error + 1e-9 * scale
        wrong = ~(np.abs(numerical.df - slopes[x]) <= allowance)
        if wrong.any():
            j = int(np.argmax(wrong))
            raise WrongDerivative(
                f"cost {made.name!r}: gradient says {slopes[x, j]} for output neuron {j} at a = {A[x].tolist()}, "
                f"y = {Y[x].tolist()}, but numerically it is {numerical.df[j]}; correct the gradient."
            )
