r"""Coupled activations: every output depends on every weighted input of its layer.

Their slope Σ′(z) is a full matrix for each example, :math:`\Sigma'_{jk} = \partial a_j / \partial z_k`, so that no
Hadamard product can express it, and (33)–(35) read Σ′ᵀ in place of Σ′: for a diagonal matrix the two are the same.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.activations import formulas
from formulations.activations.base import Activation
from formulations.activations.formulas import carries_derivative
from formulations.dtypes import Array
from formulations.exceptions import InvalidInput, WrongShape, WrongType
from formulations.numerical import call_untouched, first_mixed, interval, row_estimate

__all__ = ["CoupledActivation", "CoupledSlope", "Softmax", "coupled_activation", "through"]


class CoupledSlope:
    """Σ′(z) of a coupled activation over a mini-batch: a square block for each example, known by its products.

    ``slope @ v`` is Σ′v for each row of v, ``slope.T @ v`` is Σ′ᵀv. It reads z and a live, so that on a tape it is
    always the slope of the last forward pass.

    Parameters
    ----------
    activation : CoupledActivation
        Whose slope it is.
    z, a : ndarray of shape (m, n)
        Weighted inputs and activations of the layer.
    """

    def __init__(self, activation: CoupledActivation, z: Array, a: Array, *, transposed: bool = False) -> None:
        self.activation = activation
        self.z = z
        self.a = a
        self.transposed = transposed

    @property
    def T(self) -> CoupledSlope:
        """The transposed blocks."""
        return CoupledSlope(self.activation, self.z, self.a, transposed=not self.transposed)

    def __getitem__(self, rows: slice) -> CoupledSlope:
        """Return the blocks of some of the examples."""
        return CoupledSlope(self.activation, self.z[rows], self.a[rows], transposed=self.transposed)

    def __matmul__(self, v: Array) -> Array:
        product = self.activation.transposed_product if self.transposed else self.activation.jacobian_product
        return product(self.z, self.a, v)

    def blocks(self) -> Array:
        """Return the matrices themselves, shape (m, n, n)."""
        m, n = self.z.shape
        columns = np.empty((m, n, n), self.z.dtype)
        for k in range(n):
            unit = np.zeros((m, n), self.z.dtype)
            unit[:, k] = 1
            columns[:, :, k] = self @ unit
        return columns


def through(slope: Any, v: Array, out: Array | None = None) -> Array:
    """Return Σ′ᵀ v, shape (m, n): what a slope passes back, be it diagonal (an array) or coupled."""
    if not isinstance(slope, CoupledSlope):
        scaled: Array = np.multiply(slope, v, out=out)
        return scaled
    product: Array = slope.T @ v
    if out is None:
        return product
    out[...] = product
    return out


class CoupledActivation(Activation):
    """A function of a whole layer, a = f(z), with the products Σ′v and Σ′ᵀv in place of a slope."""

    coupled = True

    def slope_room(self, z: Array, a: Array, room: Array) -> CoupledSlope:  # noqa: ARG002
        """Return the slope at z and a, which needs no room of its own."""
        return CoupledSlope(self, z, a)

    @abstractmethod
    def jacobian_product(self, z: Array, a: Array, v: Array) -> Array:
        """Return Σ′(z) v for each example, shape (m, n), from z, a = f(z) and v of that shape."""

    @abstractmethod
    def transposed_product(self, z: Array, a: Array, v: Array) -> Array:
        """Return Σ′(z)ᵀ v for each example, shape (m, n), from z, a = f(z) and v of that shape."""

    def magnitude(self, z: Array, a: Array) -> Array:
        """Return the entries that rounding acts on, shape (m, n, n): Σ′ itself, or more where its terms cancel."""
        return np.abs(CoupledSlope(self, z, a).blocks())

    def slope(self, z: Any) -> Any:
        """Return Σ′(z) as a :class:`CoupledSlope`."""
        array = np.asarray(z)
        return CoupledSlope(self, array, self.value(array))


@dataclass(frozen=True)
class Softmax(CoupledActivation):
    r"""The softmax :math:`a_j = e^{z_j} / \sum_k e^{z_k}`, Nielsen's Equation (78).

    :math:`\Sigma' = \mathrm{diag}(a) - a a^T`, so that Σ′v = a ⊙ (v − aᵀv); it is symmetric. The largest z of each
    example is subtracted first, which changes nothing but keeps every exponential from overflowing.

    Examples
    --------
    >>> Softmax().value(np.array([[1000.0, 1000.0]]))
    array([[0.5, 0.5]])
    """

    name = "softmax"
    analytic = True
    formula = staticmethod(formulas.softmax)

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:  # noqa: ARG002
        """Write the softmax of each row; its slope is made of the value."""
        np.subtract(z, z.max(axis=-1, keepdims=True), out=value)
        np.exp(value, out=value)
        value /= value.sum(axis=-1, keepdims=True)

    def jacobian_product(self, z: Array, a: Array, v: Array) -> Array:  # noqa: ARG002
        """Return a ⊙ (v − aᵀv)."""
        product: Array = a * (v - np.einsum("mj,mj->m", a, v)[:, None])
        return product

    transposed_product = jacobian_product

    def magnitude(self, z: Array, a: Array) -> Array:  # noqa: ARG002
        """Return diag(a) + aaᵀ, whose difference Σ′ is."""
        outer = a[:, :, None] * a[:, None, :]
        diagonal = np.arange(a.shape[1])
        outer[:, diagonal, diagonal] += a
        return outer


class CustomCoupledActivation(CoupledActivation):
    """A coupled activation made by :func:`coupled_activation`."""

    def __init__(
        self,
        value: Callable[..., Any],
        jacobian_product: Callable[..., Any],
        transposed_product: Callable[..., Any],
        name: str,
    ) -> None:
        self.name = name
        self._value, self._jacobian, self._transposed = value, jacobian_product, transposed_product

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:  # noqa: ARG002
        """Write what the user's function returns, checked."""
        value[...] = self._checked(self._value(z), "value", z)

    def complex_value(self, z: Array) -> Array:
        """Return what the user's function returns for complex z, where it was found to be analytic."""
        return self._checked(self._value(z), "value", z) if self.analytic else super().complex_value(z)

    def jacobian_product(self, z: Array, a: Array, v: Array) -> Array:  # noqa: ARG002
        """Return what the user's product returns, checked."""
        return self._checked(self._jacobian(z, v), "jacobian_product", z)

    def transposed_product(self, z: Array, a: Array, v: Array) -> Array:  # noqa: ARG002
        """Return what the user's transposed product returns, checked."""
        return self._checked(self._transposed(z, v), "transposed_product", z)

    def _checked(self, result: Any, which: str, z: Array) -> Array:
        array = np.asarray(result)
        if array.shape != z.shape:
            raise WrongShape(
                f"activation {self.name!r}: {which} must return the shape {z.shape} of z, got {array.shape}; "
                "return one row an example."
            )
        if array.dtype != z.dtype:
            raise WrongType(
                f"activation {self.name!r}: {which} must keep the dtype {z.dtype} of z, got {array.dtype}; "
                "avoid constants of another dtype."
            )
        return array


def coupled_activation(
    value: Callable[..., Any],
    jacobian_product: Callable[..., Any],
    transposed_product: Callable[..., Any],
    *,
    name: str | None = None,
    domain: tuple[float, float] = (-2, 2),
) -> Activation:
    """Make an activation whose outputs depend on all weighted inputs of the layer.

    Parameters
    ----------
    value : callable (Z) -> ndarray of shape (m, n)
        The activations of each example, from its weighted inputs of the same shape.
    jacobian_product : callable (Z, V) -> ndarray of shape (m, n)
        Σ′(z) v for each example, Σ′_jk = ∂a_j/∂z_k.
    transposed_product : callable (Z, V) -> ndarray of shape (m, n)
        Σ′(z)ᵀ v for each example; where Σ′ is symmetric, the same function.
    name : str, optional
        What tables call it; the function's own name by default.
    domain : (float, float)
        Weighted inputs between which it is checked.

    Returns
    -------
    Activation

    Raises
    ------
    WrongDerivative
        Where a product is not that of the numerical Jacobian matrix, or of its transpose.
    InvalidInput
        Where an example's activations depend on other examples.
    WrongShape, WrongType
        Where a function does not keep shape and dtype.

    Examples
    --------
    >>> cumulative = coupled_activation(
    ...     lambda Z: np.cumsum(Z, axis=1),
    ...     lambda Z, V: np.cumsum(V, axis=1),
    ...     lambda Z, V: np.cumsum(V[:, ::-1], axis=1)[:, ::-1],
    ...     name="cumulative",
    ... )
    >>> cumulative.value(np.array([[1.0, 2.0, 3.0]]))
    array([[1., 3., 6.]])
    """
    for function in (value, jacobian_product, transposed_product):
        if not callable(function):
            raise WrongType(f"a coupled activation needs three functions, got {function!r}; pass callables.")
    low, high = interval(domain)
    made = CustomCoupledActivation(
        value, jacobian_product, transposed_product, name or str(getattr(value, "__name__", "coupled"))
    )
    _check(made, low, high)
    Z, V = np.random.default_rng(2026).uniform((low, -1), (high, 1), (4, 3, 2)).T
    made.analytic = carries_derivative(value, Z, V, made.jacobian_product(Z, made.value(Z), V))
    return made


def _check(made: CustomCoupledActivation, low: float, high: float) -> None:
    random = np.random.default_rng(2026)
    # No stencil leaves the domain.
    step = (high - low) / 32
    for n in (2, 3):
        Z, V = random.uniform(low + step, high - step, (4, n)), random.uniform(-1, 1, (4, n))
        for which, function, arguments in (
            ("value", made.value, (Z,)),
            ("jacobian_product", lambda z, v: made.jacobian_product(z, z, v), (Z, V)),
            ("transposed_product", lambda z, v: made.transposed_product(z, z, v), (Z, V)),
        ):
            what = f"activation {made.name!r}: {which}"
            whole = call_untouched(what, function, *arguments)
            x = first_mixed(function, arguments, whole, np.arange(len(Z))[:, None])
            if x is not None:
                raise InvalidInput(
                    f"{what} must not mix examples, but row {x} depends on the others; "
                    "let each row depend on itself only."
                )
        for z in Z:
            _check_jacobian(made, z, step)


def _check_jacobian(made: CustomCoupledActivation, z: Array, step: float) -> None:
    numerical = row_estimate(made.value, z, step)
    slope = CoupledSlope(made, z[None], made.value(z[None]))
    for which, said, matrix in (
        ("jacobian_product", slope.blocks()[0], numerical),
        ("transposed_product", slope.T.blocks()[0], numerical.T),
    ):
        matrix.judge(
            said,
            (f"activation {made.name!r}: value", f"activation {made.name!r}: {which}"),
            lambda at: f"[{at[0]}, {at[1]}] for z = {z.tolist()}",
            rough="let it be differentiable on the domain, or move the domain",
            wrong="correct it (Σ′_jk is ∂a_j/∂z_k, and the transposed product takes Σ′_kj)",
        )
