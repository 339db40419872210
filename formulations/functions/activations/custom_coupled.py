"""Custom coupled activations, checked against a numerical Jacobian matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np

from formulations.arrays import Array, quiet
from formulations.exceptions import InvalidInput, NotFinite, WrongShape, WrongType
from formulations.functions.activations.base import Activation
from formulations.functions.activations.coupled import CoupledActivation, CoupledSlope
from formulations.functions.activations.formulas import carries_derivative
from formulations.functions.derivatives import call_untouched, called, differentiate_rows, first_mixed, interval

__all__ = ["CustomCoupledActivation", "coupled_activation"]


@final
class CustomCoupledActivation(CoupledActivation):
    """A coupled activation made by :func:`coupled_activation`."""

    def __init__(
        self,
        value: Callable[..., Any],
        jacobian_product: Callable[..., Any],
        transposed_product: Callable[..., Any],
        curvature: Callable[..., Any] | None,
        name: str,
        width: int | None,
    ) -> None:
        self.name = name
        self.width = width
        self._value, self._jacobian, self._transposed = value, jacobian_product, transposed_product
        self._curvature = curvature

    def __repr__(self) -> str:
        return f"<coupled activation {self.name}>"

    def why_not_width(self, n: int) -> str | None:
        """Return the reason if the activation is made for a number of neurons other than ``n``."""
        if self.width in (None, n):
            return None
        return f"{self.name} is made for {self.width} neurons, and the layer has {n}"

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:  # noqa: ARG002
        """Write the value of the user's function, checked."""
        value[...] = self._called("value", self._value, z)

    def complex_value(self, z: Array) -> Array:
        """Return the value for complex z if the function proved to be analytic."""
        return self._called("value", self._value, z) if self.analytic else super().complex_value(z)

    def jacobian_product(self, z: Array, a: Array, v: Array) -> Array:  # noqa: ARG002
        """Return Σ′v from the user's function, checked."""
        return self._called("jacobian_product", self._jacobian, z, v)

    def transposed_product(self, z: Array, a: Array, v: Array) -> Array:  # noqa: ARG002
        """Return Σ′ᵀv from the user's function, checked."""
        return self._called("transposed_product", self._transposed, z, v)

    @property
    def has_curvature(self) -> bool:
        """Whether the user supplied the curvature."""
        return self._curvature is not None

    def curvature_product(self, z: Array, a: Array, v: Array, u: Array) -> Array:
        """Return the derivative of Σ′ᵀu in the direction v from the user's function, checked."""
        if self._curvature is None:
            raise self._no_curvature()
        return self._called("curvature", self._curvature, z, a, v, u)

    def _called(self, which: str, function: Callable[..., Any], z: Array, *others: Array) -> Array:
        """Return the result of a user-supplied function, checked."""
        array: Array = called(
            f"activation {self.name!r}: {which}",
            lambda *given: np.asarray(function(*given)),
            z,
            *others,
            remedy="correct it, or pass width=n if it is made for n neurons",
        )
        if array.shape != z.shape:
            raise WrongShape(
                f"activation {self.name!r}: {which} must return the shape {z.shape} of z, got {array.shape}; "
                "return one row per example."
            )
        if array.dtype != z.dtype:
            raise WrongType(
                f"activation {self.name!r}: {which} must keep the dtype {z.dtype} of z, got {array.dtype}; "
                "avoid constants of another dtype."
            )
        return array


@quiet
def coupled_activation(
    value: Callable[..., Any],
    jacobian_product: Callable[..., Any],
    transposed_product: Callable[..., Any],
    *,
    curvature: Callable[..., Any] | None = None,
    name: str | None = None,
    domain: tuple[float, float] = (-2, 2),
    width: int | None = None,
) -> Activation:
    """Make a custom activation whose outputs depend on all weighted inputs of the layer.

    Parameters
    ----------
    value : callable (Z) -> ndarray of shape (m, n)
        The activations of each example, from its weighted inputs of the same shape.
    jacobian_product : callable (Z, V) -> ndarray of shape (m, n)
        Σ′(z)v for each example, with Σ′_jk = ∂a_j/∂z_k.
    transposed_product : callable (Z, V) -> ndarray of shape (m, n)
        Σ′(z)ᵀv for each example; the same function if Σ′ is symmetric.
    curvature : callable (Z, A, V, U) -> ndarray of shape (m, n), optional
        The derivative of Σ′(z)ᵀu in the direction v for each example: Σ_jk u_j v_k ∂²a_j/∂z_k∂z_i for each neuron i;
        A is ``value(Z)``. Second derivatives need it.
    name : str, optional
        Name of the activation; by default that of ``value``.
    domain : (float, float)
        The range of weighted inputs in which the functions are checked.
    width : int, optional
        The number of neurons, if the functions fit only one; by default any.

    Returns
    -------
    Activation

    Raises
    ------
    WrongDerivative
        If a product differs from that of the numerical Jacobian matrix or its transpose, or ``curvature`` from the
        numerical derivative of ``transposed_product``.
    InvalidInput
        If the activations of an example depend on other examples.
    WrongShape
        If a function does not preserve the shape.
    WrongType
        If an argument is not a function, or a function does not preserve the dtype.
    NotFinite
        If a function is not finite on the domain.

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
    for function in (value, jacobian_product, transposed_product, *([] if curvature is None else [curvature])):
        if not callable(function):
            raise WrongType(f"a coupled activation is made of functions, got {function!r}; pass callables.")
    low, high = interval(domain)
    made = CustomCoupledActivation(
        value,
        jacobian_product,
        transposed_product,
        curvature,
        name or str(getattr(value, "__name__", "coupled")),
        width,
    )
    _check(made, low, high)
    Z, V = np.random.default_rng(2026).uniform((low, -1), (high, 1), (width or 4, 3, 2)).T
    made.analytic = carries_derivative(value, Z, V, made.jacobian_product(Z, made.value(Z), V))
    return made


def _check(made: CustomCoupledActivation, low: float, high: float) -> None:
    random = np.random.default_rng(2026)
    # So that no stencil leaves the domain.
    step = (high - low) / 32
    for n in (2, 3) if made.width is None else (made.width,):
        Z, V = random.uniform(low + step, high - step, (4, n)), random.uniform(-1, 1, (4, n))
        U = random.uniform(-1, 1, (4, n))
        functions: list[tuple[str, Callable[..., Array], tuple[Array, ...]]] = [
            ("value", made.value, (Z,)),
            ("jacobian_product", lambda z, v: made.jacobian_product(z, z, v), (Z, V)),
            ("transposed_product", lambda z, v: made.transposed_product(z, z, v), (Z, V)),
        ]
        if made.has_curvature:
            functions.append(("curvature", made.curvature_product, (Z, made.value(Z), V, U)))
        for which, function, arguments in functions:
            what = f"activation {made.name!r}: {which}"
            whole = call_untouched(what, function, *arguments)
            if not np.isfinite(whole).all():
                raise NotFinite(f"{what} must be finite on the domain {low, high}, got {whole}; move the domain.")
            x = first_mixed(function, arguments, whole, np.arange(len(Z))[:, None])
            if x is not None:
                raise InvalidInput(
                    f"{what} must not mix examples, but row {x} depends on the others; "
                    "compute each row from that row only."
                )
        for z, u in zip(Z, U, strict=True):
            _check_jacobian(made, z, step)
            if made.has_curvature:
                _check_curvature(made, z, u, step)


def _check_jacobian(made: CustomCoupledActivation, z: Array, step: float) -> None:
    numerical = differentiate_rows(made.value, z, step)
    slope = CoupledSlope(made, z[None], made.value(z[None]))
    for which, said, matrix in (
        ("jacobian_product", slope.blocks()[0], numerical),
        ("transposed_product", slope.T.blocks()[0], numerical.T),
    ):
        matrix.judge(
            said,
            (f"activation {made.name!r}: value", f"activation {made.name!r}: {which}"),
            lambda at: f"[{at[0]}, {at[1]}] for z = {z.tolist()}",
            rough="make it differentiable on the domain, or move the domain",
            wrong="correct it (Σ′_jk is ∂a_j/∂z_k, and the transposed product uses Σ′_kj)",
        )


def _check_curvature(made: CustomCoupledActivation, z: Array, u: Array, step: float) -> None:
    def pulled(rows: Array) -> Array:
        return made.transposed_product(rows, rows, np.tile(u, (len(rows), 1)))

    rows, units = np.tile(z, (z.size, 1)), np.eye(z.size)
    # Row k is the derivative by z_k.
    said = made.curvature_product(rows, made.value(rows), units, np.tile(u, (z.size, 1)))
    differentiate_rows(pulled, z, step).judge(
        said.T,
        (f"activation {made.name!r}: transposed_product", f"activation {made.name!r}: curvature"),
        lambda at: f"neuron {at[0]} in the direction of neuron {at[1]} for z = {z.tolist()}, u = {u.tolist()}",
        rough="make it differentiable on the domain, or move the domain",
        wrong="correct it (the derivative of Σ′(z)ᵀu in the direction v of z)",
    )
