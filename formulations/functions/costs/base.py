"""The base class of costs, and the form that combines a cost with an output activation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from numbers import Rational
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from formulations.arrays import Array
from formulations.exceptions import InvalidInput, Refused, described
from formulations.functions.activations import COMPLEX, Activation, through
from formulations.functions.costs.formulas import CostFormula
from formulations.functions.final_classes import refuse_final_bases

if TYPE_CHECKING:
    from fractions import Fraction

__all__ = ["CombinedOutput", "Cost", "over_square"]

LARGEST = 2**24
"""The largest numerator and denominator of a factor: every floating dtype holds both exactly."""


def over_square(weights: Array, A: Array, V: Array) -> Array:
    """Return w v/a² in a new array, 0 where w = 0; all of shape (m, n_L).

    It divides v and w one by one, because a² may underflow, and v is often as small as a.
    """
    weighted, product = np.zeros_like(V), np.zeros_like(V)
    counted = weights != 0
    with np.errstate(divide="ignore"):
        np.divide(weights, A, out=weighted, where=counted)
        np.divide(V, A, out=product, where=counted)
    product *= weighted
    return product


@final
@dataclass(frozen=True)
class CombinedOutput:
    """A cost combined with the output activation, so that σ′ cancels.

    δ^L = s(y)·a^L − y; or, with a complement, δ^L = −y(1 − a^L), which keeps its digits if a^L is close to 1.

    Parameters
    ----------
    value : callable (Z, Y) -> (m,)
        The cost of each example from the weighted inputs of the output layer.
    scale : callable (Y) -> (m, 1), optional
        s(y) of each example; None if it is 1.
    formula : callable (engine, Z, Y) -> (m,), optional
        The value in the functions of an engine.
    complement : callable (Z) -> (m, n_L), optional
        1 − a^L from the weighted inputs of the output layer.
    equation : str
        The number, in the index of equations, of the equation for δ^L.
    """

    value: Callable[[Array, Array], Array]
    scale: Callable[[Array], Array] | None = None
    formula: CostFormula | None = None
    complement: Callable[[Array], Array] | None = None
    equation: str = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        refuse_final_bases(cls, "make a CombinedOutput from a value, a scale, a formula or a complement")

    def error(self, Z: Array, A: Array, Y: Array, out: Array) -> None:
        """Write each example's δ^L = ∂C_x/∂z^L, shape (m, n_L), into ``out``."""
        if self.complement is not None:
            np.multiply(self.complement(Z), Y, out=out)
            # 0 − 0 is 0, while a negation gives −0.
            np.subtract(0, out, out=out)
            return
        if self.scale is not None:
            A = np.multiply(A, self.scale(Y), out=out)
        np.subtract(A, Y, out=out)

    def rounding(self, Z: Array, A: Array, Y: Array) -> tuple[Array, int]:
        """Return what rounding acts on in each example's δ^L, shape (m, n_L), and the number of its roundings.

        s(y)a − y and its product with the share take at most 3 roundings, and n_L more if s(y) is a sum. The share has
        at most 2: that of 1/m, or those of the cost's factor and of its product with a given share. In −y(1 − a)
        nothing cancels, and the roundings are 12: 8 for 1 − a, one for each product, and 2 for the share.
        """
        if self.complement is not None:
            return np.abs(Y * self.complement(Z)), 12
        if self.scale is not None:
            return np.abs(self.scale(Y) * A) + np.abs(Y), A.shape[1] + 5
        return np.abs(A) + np.abs(Y), 5

    def curvature_product(self, slope: Any, Y: Array, V: Array) -> Array:
        """Return (∂δ^L_x/∂z^L)v for each example, in a new array: s(y)·Σ′v, or y ⊙ σ′ ⊙ v with a complement.

        It is finite for saturated outputs, too.

        Parameters
        ----------
        slope : ndarray of shape (m, n_L) or CoupledSlope
            Σ′(z^L), as on the tape. It is symmetric here: times s(y), it is the second derivative of C_x in z^L.
        Y, V : ndarray of shape (m, n_L)
            Targets, and a vector for each example.

        Returns
        -------
        ndarray of shape (m, n_L)
        """
        product = through(slope, V)
        if self.complement is not None:
            product *= Y
        elif self.scale is not None:
            product *= self.scale(Y)
        return product


class Cost(ABC):
    """A cost C_x for each example, with its gradient ∇_aC_x.

    Derive from this class to define a custom cost; concrete costs are final.

    Attributes
    ----------
    name : str
        Its name in tables, flags and messages.
    factor : int or Fraction
        What :meth:`times` multiplied the cost by; 1 by default. ``evaluate`` and the other methods that compute C_x
        and its derivatives leave it out: it multiplies the examples' shares, see ``Tape.share_column``.
    analytic : bool
        Whether the cost extends to complex outputs as an analytic function.
    formula : callable (engine, A, Y) -> (m,), or None
        The cost of each example in the functions of an engine; None if it is unknown.
    equation, mean_equation : str
        The numbers, in the index of equations, of the cost of one example and of the mean of several; empty if it has
        none.

    Notes
    -----
    A class that overrides ``evaluate`` of a custom class must also override the attributes and methods that describe
    that cost, such as ``combined``.
    """

    name: str
    factor: int | Fraction = 1
    analytic: bool = False
    formula: CostFormula | None = None
    equation: str = ""
    mean_equation: str = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        refuse_final_bases(cls, "derive from formulations.Cost, or call formulations.cost")

    def times(self, factor: int | Fraction) -> Self:
        """Return this cost multiplied by a number: its value, gradient and curvature alike.

        A factor is exact, and multiplies what the cost already has. ``"2/3 quadratic"`` names the quadratic cost times
        2/3, which is the mean squared error of three outputs.

        Parameters
        ----------
        factor : int or Fraction
            Positive, with a numerator and a denominator of at most 2²⁴.

        Returns
        -------
        Cost

        Raises
        ------
        InvalidInput
            If it is no such number.

        Examples
        --------
        >>> from fractions import Fraction
        >>> from formulations.functions import get_cost
        >>> get_cost("quadratic").times(Fraction(2, 3))
        <Quadratic 2/3 quadratic>
        >>> get_cost("2/3 quadratic").factor
        Fraction(2, 3)
        """
        if not isinstance(factor, Rational) or isinstance(factor, bool) or factor <= 0:
            raise InvalidInput(
                f"a cost's factor must be a positive int or Fraction, got {described(factor)}; "
                "pass for instance Fraction(2, 3)."
            )
        from fractions import Fraction  # which takes longer to load than a small gradient to compute

        product = self.factor * Fraction(int(factor.numerator), int(factor.denominator))
        if max(product.numerator, product.denominator) > LARGEST:
            rounded = product.denominator > LARGEST
            remedy = "pass for instance factor.limit_denominator(1000)" if rounded else "pass a smaller one"
            raise InvalidInput(
                f"a cost's factor must have a numerator and a denominator of at most {LARGEST}, got {product}; "
                f"{remedy}."
            )
        made, name = copy(self), self.name if self.factor == 1 else self.name.removeprefix(f"{self.factor} ")
        made.factor, made.name = (1, name) if product == 1 else (product, f"{product} {name}")
        return made

    @abstractmethod
    def evaluate(self, A: Array, Y: Array, gradient: Array | None = None) -> Array:
        """Return C_x of each example, shape (m,), and write ∇_aC_x into ``gradient``, shape (m, n_L)."""

    def average(self, A: Array, Y: Array, shares: Array, gradient: Array | None = None) -> Any:
        """Return C, the mean cost of the examples, and write ∇_aC.

        Parameters
        ----------
        A, Y : ndarray of shape (m, n_L)
            Outputs and targets.
        shares : ndarray of shape (m, 1) or ()
            The share of each example in the mean, w_x/Σw, or 1/m for all; times the cost's factor.
        gradient : ndarray of shape (m, n_L), optional
            Receives ∇_aC_x times the share of the example.

        Returns
        -------
        scalar
            C, with the dtype of the outputs.
        """
        values = self.evaluate(A, Y, gradient)
        if gradient is not None:
            np.multiply(gradient, shares, gradient)
        return np.dot(values, shares[:, 0] if shares.ndim else np.broadcast_to(shares, len(A)))

    @property
    def has_curvature(self) -> bool:
        """Whether ∇²_aC_x is known."""
        return type(self).curvature_product is not Cost.curvature_product

    def curvature_product(self, A: Array, Y: Array, V: Array) -> Array:  # noqa: ARG002 - for subclasses
        """Return ∇²_aC_x v of each example, not multiplied by its share, in a new array.

        Parameters
        ----------
        A, Y, V : ndarray of shape (m, n_L)
            Outputs, targets, and a vector for each example.

        Returns
        -------
        ndarray of shape (m, n_L)

        Raises
        ------
        Refused
            If ∇²_aC_x is unknown.
        """
        raise self._no_curvature()

    def _no_curvature(self) -> Refused:
        return Refused(
            f"the cost must have a curvature, got {self.name!r}, which has none; "
            "pass one: cost(value, gradient, curvature=...)."
        )

    def complex_values(self, A: Array, Y: Array) -> Array:
        """Return C_x of each example, shape (m,), for complex outputs.

        Raises
        ------
        Refused
            If the cost is not known to be analytic.
        """
        if not self.analytic or self.formula is None:
            raise Refused(f"the cost must be analytic, got {self.name!r}, which is not; use a smooth one.")
        values: Array = self.formula(COMPLEX, A, Y)
        return values

    def why_not(self, dtype: np.dtype[Any]) -> str | None:  # noqa: ARG002 - most support every dtype
        """Return None, or the reason why the cost does not support outputs of ``dtype``."""
        return None

    def combined(self, activation: Activation) -> CombinedOutput | None:  # noqa: ARG002 - most costs have none
        """Return the form combined with this output activation, or None if there is none."""
        return None

    def check_outputs(self, n: int) -> None:  # noqa: B027 - most costs take any number of outputs
        """Refuse a number of outputs for which the cost is not defined."""

    def check_targets(self, Y: Array) -> None:  # noqa: B027 - most costs take every target
        """Refuse targets for which the cost is not defined."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"
