"""The operands of an equation, as symbols and as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from scipy.sparse import issparse

from formulations.arrays import Array
from formulations.explanation.equations import parse_latex
from formulations.functions import CoupledSlope
from formulations.network import Gradient, Tape

__all__ = [
    "DIGITS",
    "MOST_EXAMPLES",
    "MOST_NEURONS",
    "NAMES",
    "ONE",
    "SCALAR",
    "Axis",
    "Operand",
    "Piece",
    "Quantities",
]

DIGITS = 4
"""The default number of digits."""

MOST_NEURONS, MOST_EXAMPLES = 6, 4
"""The largest layer and the most examples whose matrices are shown in numbers."""

NAMES = {
    "a": "a@",
    "z": "z@",
    "w": "w@",
    "b": "b@",
    "y": "y@",
    "delta": r"\delta@",
    "slope": r"\sigma'(z@)",
    "Sigma": r"\Sigma'(z@)",
    "nabla": r"\nabla_a C",
    "da": r"\frac{\partial C}{\partial a@}",
    "dw": r"\frac{\partial C}{\partial w@}",
    "db": r"\frac{\partial C}{\partial b@}",
    "dwb": r"[\frac{\partial C}{\partial w@}\ \frac{\partial C}{\partial b@}]",
    "extended": "[a@; 1]",
    "C": "C",
    "ones": "1",
    "sum": r"\sum_j y_j",
}
"""The LaTeX of each operand; layer and component replace ``@``."""


Axis: TypeAlias = tuple[str, int]
"""What an axis counts, and the layer or how many there are."""

ONE: Axis = ("one", 1)
SCALAR = (ONE, ONE)


@dataclass(frozen=True, eq=False)
class Operand:
    """A symbol and, once computed, its number or matrix.

    Attributes
    ----------
    latex : str
        The symbol.
    value : ndarray of two dimensions, or None
        The numbers, one column for each example; a single number has shape (1, 1).
    digits : int
        The least number of digits to show.
    name : str
        The name in :data:`NAMES`; empty for a symbol that no template names.
    layer : int or None
        The layer.
    index : tuple
        The indices of a component; empty for a whole vector or matrix.
    axes : tuple of (str, int), or empty
        What rows and columns count: ``("neurons", l)``, ``("extended", l)`` for those of layer l and a 1,
        ``("examples", m)`` or ``("one", 1)``. Empty for a whole formula.
    transposed : bool
        Whether it is the transpose of what ``name`` says.
    """

    latex: str
    value: Array | None = None
    digits: int = 1
    name: str = ""
    layer: int | None = None
    index: tuple[int | str, ...] = ()
    axes: tuple[Axis, ...] = ()
    transposed: bool = False

    @property
    def text(self) -> str:
        """The symbol as plain text."""
        return parse_latex(self.latex).text

    @property
    def is_scalar(self) -> bool:
        """Whether it is a single number."""
        return self.value is not None and self.value.size == 1


Piece: TypeAlias = Operand | str
"""An operand, or an operator such as ``⊙``."""


class Quantities:
    """The numbers of a forward pass and of a backend's gradient, by the names that templates use.

    Parameters
    ----------
    tape : Tape
        The tape that the forward pass has filled.
    gradient : Gradient
        The backend's gradient for the same examples.
    """

    def __init__(self, tape: Tape, gradient: Gradient) -> None:
        self.tape = tape
        self.gradient = gradient
        self.last = tape.network.layout.last
        self.m = tape.m

    def coupled(self, l: int) -> bool:
        """Whether Σ′(z^l) is not diagonal."""
        return isinstance(self.tape.slopes[l - 2], CoupledSlope)

    def operand(
        self, name: str, l: int | None, index: Sequence[int | str] = (), *, transposed: bool = False
    ) -> Operand:
        """Return an operand of layer l, or one component of it, counted from 1; a letter stands for any component."""
        place = ("" if l is None else f"^{{{l}}}") + (f"_{{{''.join(map(str, index))}}}" if index else "")
        latex = NAMES[name].replace("@", place)
        value, axes, turned = self._value(name, l), self._axes(name, l), False
        if index:
            axes = SCALAR
            at = [i - 1 for i in index if isinstance(i, int)]
            if value is None or len(at) < len(index):
                value = None
            else:
                # A vector has a column for each example; its components are shown for the first.
                value = value[tuple(at) if len(at) == 2 else (at[0], 0)].reshape(1, 1)
        # A diagonal matrix is its own transpose.
        elif transposed and not (name == "Sigma" and l is not None and not self.coupled(l)):
            latex = f"{latex}^T" if name in ("ones", "Sigma", "extended") else f"({latex})^T"
            value = None if value is None else value.T
            axes, turned = axes[::-1], True
        return Operand(latex, value, name=name, layer=l, index=tuple(index), axes=axes, transposed=turned)

    def numbers(self, name: str, l: int) -> Array:
        """Return the numbers of an operand that has some."""
        return np.asarray(self.operand(name, l).value)

    def _axes(self, name: str, l: int | None) -> tuple[Axis, Axis]:
        """Return what the rows and the columns of a whole operand count."""
        l = self.last if l is None else l
        of_layer, examples = ("neurons", l), ("examples", self.m)
        if name in ("w", "dw"):
            return of_layer, ("neurons", l - 1)
        if name == "dwb":
            return of_layer, ("extended", l - 1)
        if name == "Sigma":
            return of_layer, of_layer
        if name in ("b", "db"):
            return of_layer, ONE
        rows = {"extended": ("extended", l), "C": ONE, "ones": examples, "sum": ONE}.get(name, of_layer)
        return rows, ONE if name in ("C", "ones") else examples

    def _value(self, name: str, l: int | None) -> Array | None:
        tape, i = self.tape, 0 if l is None else l - 2
        found: Any = None
        if name == "a":
            found = tape.activations[i + 1].T
        elif name == "z":
            found = tape.weighted_inputs[i].T
        elif name == "w":
            found = _dense(tape.network.weights[i])
        elif name == "b":
            found = tape.network.biases[i][:, None]
        elif name == "y":
            found = tape.targets.T
        elif name == "delta":
            found = None if self.gradient.errors is None else self.gradient.errors[i].T
        elif name == "slope":
            found = None if self.coupled(i + 2) else tape.slopes[i].T
        elif name == "Sigma":
            slope = tape.slopes[i][:1]
            found = slope.blocks()[0] if self.coupled(i + 2) else np.diag(slope[0])
        elif name in ("nabla", "da"):
            found = None if tape.combined is not None else tape.cost_gradient.T
        elif name == "dw":
            found = _dense(self.gradient.weights[i])
        elif name == "db":
            found = self.gradient.biases[i][:, None]
        elif name == "dwb":
            found = np.hstack([_dense(self.gradient.weights[i]), self.gradient.biases[i][:, None]])
        elif name == "extended":
            found = np.vstack([tape.activations[i + 1].T, np.ones((1, self.m), tape.network.dtype)])
        elif name == "C":
            found = np.full((1, 1), self.gradient.cost)
        elif name == "ones":
            found = np.ones((self.m, 1), tape.network.dtype)
        elif name == "sum":
            found = tape.targets.sum(axis=1)[None]
        return None if found is None else np.asarray(found)


def _dense(matrix: Any) -> Array:
    array: Array = matrix.toarray() if issparse(matrix) else matrix
    return array
