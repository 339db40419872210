"""Custom costs, checked against the chapter's two assumptions."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, final

import numpy as np

from formulations.arrays import Array, quiet
from formulations.exceptions import InvalidInput, NotFinite, WrongShape, WrongType
from formulations.functions.activations import carries_derivative
from formulations.functions.costs.base import Cost
from formulations.functions.derivatives import (
    call_untouched,
    called,
    differentiate_entries,
    differentiate_rows,
    first_mixed,
    interval,
)

__all__ = ["CustomCost", "cost"]

OUTPUTS = 3
"""The number of outputs with which a new cost is checked; a cost that accepts it is taken to accept any number."""
DIFFERENTIATED = 16
"""With more outputs than this, the derivative by each output is checked for one example instead of all, and of the
gradient those of two entries by each output."""

_SHAPE_REMEDIES = {
    "value": "return one cost per example: sum over axis 1 only",
    "gradient": "return ∇_aC_x, a row each",
    "curvature": "return the diagonal of ∇²_aC_x, a row each, or the matrix",
}


@final
class CustomCost(Cost):
    """A cost made by :func:`cost`."""

    def __init__(
        self,
        value: Callable[..., Any],
        gradient: Callable[..., Any],
        curvature: Callable[..., Any] | None,
        name: str,
        domain: tuple[float, float],
    ) -> None:
        self.name = name
        self._value = value
        self._gradient = gradient
        self._curvature = curvature
        self._domain = domain
        self._checked_outputs: set[int] = set()
        self._reasons: dict[tuple[np.dtype[Any], int], str | None] = {}

    def evaluate(self, A: Array, Y: Array, gradient: Array | None = None) -> Array:
        """Return the user's values and write the user's gradient, both checked."""
        values = self.values(A, Y)
        if gradient is not None:
            gradient[...] = self.gradients(A, Y)
        return values

    def why_not(self, dtype: np.dtype[Any]) -> str | None:
        """Return None, or why the user's functions fail with ``dtype``."""
        outputs = max(self._checked_outputs, default=OUTPUTS)
        if (dtype, outputs) not in self._reasons:
            self._reasons[dtype, outputs] = self._tried(np.full((1, outputs), 0.5, dtype))
        return self._reasons[dtype, outputs]

    def check_outputs(self, n: int) -> None:
        """Check the assumptions on n outputs, unless they were checked on n or on the default number."""
        if self._checked_outputs.isdisjoint((n, OUTPUTS)):
            _check_assumptions(self, *self._domain, n)
            self._checked_outputs.add(n)

    def check_targets(self, Y: Array) -> None:
        """Check the assumptions on as many outputs as there are targets."""
        self.check_outputs(Y.shape[1])

    def _tried(self, A: Array) -> str | None:
        # The user's function may raise anything.
        try:
            with np.errstate(all="ignore"):
                self.evaluate(A, A.copy(), np.empty_like(A))
                if self.has_curvature:
                    self.curvatures(A, A.copy())
        except Exception as exception:
            return f"{self.name} failed with {A.dtype}: {exception}"
        return None

    @property
    def has_curvature(self) -> bool:
        """Whether the user supplied ∇²_aC_x."""
        return self._curvature is not None

    def curvature_product(self, A: Array, Y: Array, V: Array) -> Array:
        """Return ∇²_aC_x v with the user's matrices or diagonals, checked."""
        curvatures = self.curvatures(A, Y)
        product: Array = curvatures * V if curvatures.ndim == 2 else (curvatures @ V[..., None])[..., 0]
        return product

    def complex_values(self, A: Array, Y: Array) -> Array:
        """Return the user's values for complex outputs if ``value`` proved to be analytic."""
        return self.values(A, Y) if self.analytic else super().complex_values(A, Y)

    def values(self, A: Array, Y: Array) -> Array:
        """Return C_x of each example, shape (m,), checked."""
        return self._checked(self._call("value", self._value, A, Y), "value", (len(A),), A.dtype)

    def gradients(self, A: Array, Y: Array) -> Array:
        """Return ∇_aC_x of each example, shape (m, n_L), checked."""
        return self._checked(self._call("gradient", self._gradient, A, Y), "gradient", A.shape, A.dtype)

    def curvatures(self, A: Array, Y: Array) -> Array:
        """Return ∇²_aC_x of each example, shape (m, n_L) if diagonal, else (m, n_L, n_L), checked."""
        if self._curvature is None:
            raise self._no_curvature()
        curvatures = self._call("curvature", self._curvature, A, Y)
        shape = (*A.shape, A.shape[1]) if curvatures.ndim == 3 else A.shape
        return self._checked(curvatures, "curvature", shape, A.dtype)

    def _call(self, which: str, function: Callable[..., Any], A: Array, Y: Array) -> Array:
        """Call a user's function with views that it cannot write through."""
        views = A.view(), Y.view()
        for view in views:
            view.flags.writeable = False
        what = f"cost {self.name!r}: {which}(A, Y)"
        remedy = "correct it, or use the cost with a network of as many outputs as it is made for"
        try:
            result: Array = called(what, lambda *given: np.asarray(function(*given)), *views, remedy=remedy)
        except InvalidInput as caught:
            if "read-only" not in str(caught.__cause__):
                raise
            raise InvalidInput(
                f"{what} must leave its arguments unchanged, but wrote into them; work on copies."
            ) from None
        return result

    def _checked(self, array: Array, which: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        if array.shape != shape:
            raise WrongShape(
                f"cost {self.name!r}: {which}(A, Y) must return shape {shape}, got {array.shape}; "
                f"{_SHAPE_REMEDIES[which]}."
            )
        if array.dtype != dtype:
            raise WrongType(
                f"cost {self.name!r}: {which}(A, Y) must keep the dtype {dtype} of its arguments, got {array.dtype}; "
                "avoid constants of another dtype."
            )
        return array


@quiet
def cost(
    value: Callable[..., Any],
    gradient: Callable[..., Any],
    *,
    curvature: Callable[..., Any] | None = None,
    name: str | None = None,
    domain: tuple[float, float] = (0.1, 0.9),
) -> Cost:
    """Make a cost from your own functions, after checking the chapter's two assumptions.

    Parameters
    ----------
    value : callable (A, Y) -> ndarray of shape (m,)
        C_x of each example, from outputs and targets of shape (m, n_L).
    gradient : callable (A, Y) -> ndarray of shape (m, n_L)
        ∇_aC_x, one row per example, not divided by m.
    curvature : callable (A, Y) -> ndarray of shape (m, n_L) or (m, n_L, n_L), optional
        ∇²_aC_x of each example: its diagonal if the other entries are 0, else the matrix, not divided by m. Second
        derivatives need it; it is compared with the numerical derivative of ``gradient``.
    name : str, optional
        Name of the cost; by default that of ``value``.
    domain : (float, float)
        The range of outputs and targets in which the cost must be differentiable and is checked.

    Returns
    -------
    Cost

    Raises
    ------
    WrongShape
        If ``value`` does not return one cost per example, ``gradient`` one row, or ``curvature`` a row or a matrix.
    InvalidInput
        If the cost of an example depends on the other examples, the cost is not a function of (A, Y) alone, ``domain``
        is not an interval, or a function raises an exception, which becomes the cause.
    NotFinite
        If ``value``, ``gradient`` or ``curvature`` is not finite on the domain.
    WrongType
        If an argument is not callable, or does not preserve the dtype of its arguments.
    WrongDerivative
        If ``gradient`` differs from the numerical gradient of ``value``, or ``curvature`` from the numerical derivative
        of ``gradient``, or ``value`` or ``gradient`` has none; names the point.

    Notes
    -----
    The check uses three outputs. If the functions do not accept three, for instance because they have one weight for
    each of ten classes, the check uses the number of outputs of the first network, before anything is computed.

    Examples
    --------
    >>> import numpy as np
    >>> quartic = cost(lambda A, Y: ((A - Y) ** 4).sum(axis=1), lambda A, Y: 4 * (A - Y) ** 3, name="quartic")
    >>> quartic.evaluate(np.array([[3.0, 1.0]]), np.array([[1.0, 1.0]]))
    array([16.])
    """
    for function in (value, gradient, *([] if curvature is None else [curvature])):
        if not callable(function):
            raise WrongType(f"a cost must be made of functions of (A, Y), got {function!r}; pass a callable.")
    made = CustomCost(value, gradient, curvature, name or str(getattr(value, "__name__", "custom")), interval(domain))
    try:
        made.check_outputs(OUTPUTS)
    except InvalidInput as caught:
        # Arrays that do not fit raise one of these two; then the first network gives the number of outputs.
        if not isinstance(caught.__cause__, IndexError | ValueError):
            raise
    return made


def _check_assumptions(made: CustomCost, low: float, high: float, outputs: int) -> None:
    # So that no stencil leaves the domain.
    step = (high - low) / 32
    A, Y = np.random.default_rng(2026).uniform(low + step, high - step, (2, 5, outputs))
    functions = [("value", made.values), ("gradient", made.gradients)]
    if made.has_curvature:
        functions.append(("curvature", made.curvatures))
    for which, function in functions:
        what = f"cost {made.name!r}: {which}(A, Y)"
        whole = call_untouched(what, function, A, Y)
        bad = np.argwhere(~np.isfinite(whole))
        if bad.size:
            raise NotFinite(
                f"{what} must be finite on the domain, got {whole[tuple(bad[0])]} at {_place(A, Y, bad[0][0])}; "
                "correct it, or move the domain."
            )
        if not np.array_equal(whole, function(A, Y)):
            raise InvalidInput(
                f"{what} must depend on its arguments alone, but returned two values for the same outputs; "
                "make it a function of (A, Y)."
            )
        x = first_mixed(function, (A, Y), whole, np.arange(len(A))[:, None])
        if x is not None:
            raise InvalidInput(
                f"{what} must not mix examples, but its result for example {x} depends on the others; "
                "compute each row from that row only."
            )
    gradients = made.gradients(A, Y)
    for x, gradient in enumerate(gradients):
        entries = np.arange(outputs) if outputs <= DIFFERENTIATED else np.arange(x, outputs, len(A))
        _check_gradient(made, A[x], Y[x], gradient, step, entries)
    if made.has_curvature:
        for x, curvature in enumerate(made.curvatures(A, Y)):
            _check_curvature(made, A[x], Y[x], curvature, step, *_entries_to_check(x, outputs, len(A)))
    v = np.linspace(-1, 1, A.shape[1])
    made.analytic = carries_derivative(lambda outputs: made.values(outputs, Y), A, v, gradients @ v)


def _check_gradient(made: CustomCost, a: Array, y: Array, gradient: Array, step: float, entries: Array) -> None:
    numerical = differentiate_rows(lambda rows: made.values(rows, np.tile(y, (len(rows), 1))), a, step, entries)
    numerical.judge(
        gradient[entries],
        (f"cost {made.name!r}: value", f"cost {made.name!r}: gradient"),
        lambda at: f"output neuron {entries[at[0]]} for {_place(a[None], y[None], 0)}",
        rough="make it differentiable on the domain, or move the domain",
        wrong="correct the gradient",
    )


def _entries_to_check(x: int, outputs: int, examples: int) -> tuple[Array, Array]:
    """Return the indices (i, j) of the entries of ∇²_aC_x that are checked for example x.

    With many outputs, they are the diagonal and one more entry of each column j, spread over the examples.
    """
    if outputs <= DIFFERENTIATED:
        i, j = np.indices((outputs, outputs)).reshape(2, -1)
        return i, j
    column = np.arange(x, outputs, examples)
    other = np.random.default_rng(x).integers(outputs, size=column.size)
    return np.concatenate([column, other]), np.concatenate([column, column])


def _check_curvature(made: CustomCost, a: Array, y: Array, curvature: Array, step: float, i: Array, j: Array) -> None:
    matrix = np.diag(curvature) if curvature.ndim == 1 else curvature
    numerical = differentiate_entries(lambda rows: made.gradients(rows, np.tile(y, (len(rows), 1))), a, step, i, j)
    numerical.judge(
        matrix[i, j],
        (f"cost {made.name!r}: gradient", f"cost {made.name!r}: curvature"),
        lambda at: f"output neurons {i[at[0]]} and {j[at[0]]} for {_place(a[None], y[None], 0)}",
        rough="make it differentiable on the domain, or move the domain",
        wrong="correct the curvature; return matrices if ∇²_aC_x is not diagonal",
    )


def _place(A: Array, Y: Array, x: int) -> str:
    a, y = (
        np.array2string(rows[x], separator=", ", threshold=8, max_line_width=sys.maxsize, floatmode="unique")
        for rows in (A, Y)
    )
    return f"a = {a}, y = {y}"
