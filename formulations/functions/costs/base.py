"""What a cost is: one number an example, and its gradient with respect to the outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from formulations.arrays import Array
from formulations.exceptions import Refused
from formulations.functions.activations import COMPLEX, Activation
from formulations.functions.costs.formulas import CostFormula
from formulations.functions.final_classes import refuse_final_bases

__all__ = ["CombinedOutput", "Cost"]


@final
@dataclass(frozen=True)
class CombinedOutput:
    """A cost and the activation before it, taken together, so that σ′ cancels.

    δ^L = s(y)·a^L − y; or, if there is a complement, δ^L = −y(1 − a^L), which keeps its digits where a^L is next to 1.

    Parameters
    ----------
    value : callable (Z, Y) -> (m,)
        The examples' costs from the weighted inputs of the output layer.
    scale : callable (Y) -> (m, 1), optional
        s(y) of each example; None where it is 1.
    formula : callable (engine, Z, Y) -> (m,), optional
        The value in the functions of an engine.
    complement : callable (Z) -> (m, n_L), optional
        1 − a^L from the weighted inputs of the output layer.
    equation : str
        The number of the equation for δ^L in the index of equations.
    """

    value: Callable[[Array, Array], Array]
    scale: Callable[[Array], Array] | None = None
    formula: CostFormula | None = None
    complement: Callable[[Array], Array] | None = None
    equation: str = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        refuse_final_bases(cls, "make a CombinedOutput from a value, a scale, a formula or a complement")

    @property
    def is_difference(self) -> bool:
        """True if δ^L is a^L − y itself."""
        return self.scale is None and self.complement is None

    def error(self, Z: Array, A: Array, Y: Array, out: Array) -> None:
        """Write each example's δ^L = ∂C_x/∂z^L, shape (m, n_L), into ``out``."""
        if self.complement is not None:
            np.multiply(self.complement(Z), Y, out=out)
            # 0 − 0 is 0, where a negation would make −0 of it.
            np.subtract(0, out, out=out)
            return
        if self.scale is not None:
            A = np.multiply(A, self.scale(Y), out=out)
        np.subtract(A, Y, out=out)


class Cost(ABC):
    """One cost an example, and its gradient ∇_aC_x.

    Attributes
    ----------
    name : str
        What tables and the flag call it.
    analytic : bool
        True where it has complex values that belong to the same function.
    formula : callable (engine, A, Y) -> (m,), or None
        The costs in the functions of an engine; None where they are not known.
    """

    name: str
    analytic: bool = False
    formula: CostFormula | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        refuse_final_bases(cls, "derive from formulations.Cost, or call formulations.cost")

    @abstractmethod
    def evaluate(self, A: Array, Y: Array, gradient: Array | None = None) -> Array:
        """Return the examples' costs, shape (m,), and write ∇_aC_x of each into ``gradient``, shape (m, n_L)."""

    def average(self, A: Array, Y: Array, shares: Array, gradient: Array | None = None) -> Any:
        """Return C, the mean of the examples' costs, and write ∇_aC of that mean.

        Parameters
        ----------
        A, Y : ndarray of shape (m, n_L)
            Outputs and targets.
        shares : ndarray of shape (m, 1) or ()
            Each example's share of the mean: w_x/Σw, or 1/m for all.
        gradient : ndarray of shape (m, n_L), optional
            Receives ∇_aC_x times the example's share.

        Returns
        -------
        scalar
            C, in the dtype of the outputs.
        """
        values = self.evaluate(A, Y, gradient)
        if gradient is not None:
            np.multiply(gradient, shares, gradient)
        return np.dot(values, np.broadcast_to(shares, (len(A), 1))[:, 0])

    def complex_values(self, A: Array, Y: Array) -> Array:
        """Return the examples' costs, shape (m,), for complex outputs.

        Raises
        ------
        Refused
            Where the cost is not analytic, or is not known to be.
        """
        if not self.analytic or self.formula is None:
            raise Refused(f"the cost must be analytic, got {self.name!r}, which is not; use a smooth one.")
        values: Array = self.formula(COMPLEX, A, Y)
        return values

    def why_not(self, dtype: np.dtype[Any]) -> str | None:  # noqa: ARG002 - most serve every dtype
        """Return None, or the reason why outputs of this dtype cannot be served."""
        return None

    def combined(self, activation: Activation) -> CombinedOutput | None:  # noqa: ARG002 - most costs have none
        """Return the form combined with this output activation, or None where there is none."""
        return None

    def check_outputs(self, n: int) -> None:  # noqa: B027 - most costs take any number of outputs
        """Refuse a number of outputs for which the cost is not defined."""

    def check_targets(self, Y: Array) -> None:  # noqa: B027 - most costs take every target
        """Refuse targets for which the cost is not defined."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"
