"""The gradient of a network's cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from formulations.arrays import Array, Layout, Parameters, Summation, format_dtype, quiet
from formulations.exceptions import GradientNotFinite

__all__ = ["Gradient", "check_gradient"]


class Gradient(Parameters):
    """The gradient of a cost: ∂C/∂w and ∂C/∂b as one vector, with the errors δ and the cost.

    Attributes
    ----------
    vector, weights, biases
        As in :class:`Parameters`: ``weights[l-2]`` is ∂C/∂w^l, ``biases[l-2]`` is ∂C/∂b^l.
    errors : tuple of ndarray, or None
        ``errors[l-2]`` is δ^l = ∂C/∂z^l, shape (m, n_l); None if the backend does not go through δ.
    cost : float
        C, the (weighted) mean of the examples' costs, of the same cost as the gradient.
    backend : str
        The backend that computed it, with its options.
    forward_passes : int
        The number of forward passes used.
    summation : Summation, or None
        How the sum over the examples was taken, if in chunks; its bound of rounding is smaller.
    """

    def __init__(
        self,
        layout: Layout,
        vector: Array,
        *,
        errors: Sequence[Array] | None = None,
        cost: Any = None,
        backend: str = "",
        forward_passes: int = 0,
        summation: Summation | None = None,
    ) -> None:
        super().__init__(layout, vector)
        self.errors = None if errors is None else tuple(errors)
        self.cost = cost
        self.backend = backend
        self.forward_passes = forward_passes
        self.summation = summation

    def copy(self) -> Gradient:
        """Return a copy of the gradient, with its own memory."""
        return Gradient(
            self.layout,
            self.vector.copy(),
            errors=None if self.errors is None else [delta.copy() for delta in self.errors],
            cost=self.cost,
            backend=self.backend,
            forward_passes=self.forward_passes,
            summation=self.summation,
        )

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Gradient:
        return self.copy()

    def __reduce__(self) -> Any:
        # Rebuild from the vector, so that the views of a copy belong to the copy.
        fields = {
            "errors": self.errors,
            "cost": self.cost,
            "backend": self.backend,
            "forward_passes": self.forward_passes,
            "summation": self.summation,
        }
        return partial(Gradient, self.layout, self.vector, **fields), ()

    def __repr__(self) -> str:
        cost = "" if self.cost is None else f", cost {self.cost:.6g}"
        return f"<Gradient of {self.layout} by {self.backend or 'hand'}{cost}, {format_dtype(self.dtype)}>"

    def _repr_html_(self) -> str:
        from formulations.network.views import gradient_html

        return gradient_html(self)

    @quiet
    def plot(self, ax: Any = None) -> Any:
        """Draw the norms ‖∂C/∂w^l‖ and, if the backend computes δ, ‖δ^l‖ in each layer, on a logarithmic scale.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default in a new figure.

        Returns
        -------
        matplotlib Figure
            The new figure, or that of ``ax``.

        Raises
        ------
        MissingExtra
            If matplotlib is not installed.
        WrongType
            If ``ax`` is not a matplotlib Axes.
        """
        from formulations.network.views import draw_gradient

        return draw_gradient(self, ax)


def check_gradient(result: Gradient) -> None:
    """Raise an exception if a gradient has NaN or infinity in it, naming the first such parameter."""
    if math.isfinite(result.cost) and math.isfinite(np.vdot(result.vector, result.vector)):
        return
    wrong = np.flatnonzero(~np.isfinite(result.vector))
    # np.isfinite, since a longdouble may be finite and beyond the range of Python floats.
    if np.isfinite(result.cost) and not wrong.size:
        return
    where = (
        f"∂C/∂{result.layout.locate(int(wrong[0]))} = {result.vector[wrong[0]]}" if wrong.size else f"C = {result.cost}"
    )
    raise GradientNotFinite(
        f"the gradient must be finite, got {where}: weights, inputs or targets drive the cost or an activation beyond "
        f"{result.dtype}; scale them down, or take a cost that has a form combined with the output activation."
    )
