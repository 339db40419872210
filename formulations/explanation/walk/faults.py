"""Known mistakes to plant in the book's program, each in one of its lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.backends import Backend, Tier
from formulations.exceptions import InvalidInput, Refused, UnknownName, described
from formulations.explanation.equations import EQUATIONS, parse_latex
from formulations.functions import Quadratic, through
from formulations.network import Batch, Gradient, Network, Tape, forward

__all__ = ["FAULTS", "Fault", "Planted", "Program", "plant"]

Errors = Mapping[int, Array]
"""δ^l, shape (m, n_l), of the layers that are computed so far."""

Line = Callable[[Tape, int, Errors], Array]
"""What a line of the program gives for a layer."""


@dataclass(frozen=True, eq=False)
class Fault:
    """A mistake in one line of the program; a ``Mistake`` of ``certify`` is what explains a wrong gradient.

    Attributes
    ----------
    name : str
        The name by which ``certify`` calls it, if it knows it.
    title : str
        What is wrong.
    equations : tuple of str
        The lines that can have it: ``"BP1"``, …, ``"BP4"``.
    latex : str
        The wrong right side: ``@`` stands for l, ``@+`` for l + 1, ``@-`` for l − 1, ``#`` for what (BP1) or (BP2)
        multiplies by σ′(z^l), and ``&`` for the whole right side of the book.
    line : callable
        Gives δ^l, ∂C/∂b^l or ∂C/∂w^l with the mistake.
    why_not : callable (Network, Batch, l) -> str or None
        Why layer l cannot have it.
    """

    name: str
    title: str
    equations: tuple[str, ...]
    latex: str
    line: Line
    why_not: Callable[[Network, Batch, int], str | None] = lambda *_: None

    def equation(self, network: Network, l: int) -> str | None:
        """Return the equation of layer l that has the mistake; None if the layer has no such line."""
        has = {"BP3", "BP4", "BP1" if l == network.layout.last else "BP2"}
        return next((each for each in self.equations if each in has), None)

    def reason(self, network: Network, batch: Batch, l: int) -> str | None:
        """Return None if layer l can have it, else the reason why it cannot."""
        if network.layout.is_sparse:
            return "the program works on dense weights, and this network has sparse ones"
        if self.equation(network, l) is None:
            return f"its line is ({' or '.join(self.equations)}), which belongs to another layer"
        return self.why_not(network, batch, l)

    def layers(self, network: Network, batch: Batch) -> list[int]:
        """Return the layers that can have it."""
        return [l for l in range(2, network.layout.last + 1) if self.reason(network, batch, l) is None]

    def why_nowhere(self, network: Network, batch: Batch) -> str | None:
        """Return None if a layer can have it, else the reason of one that has its line."""
        if self.layers(network, batch):
            return None
        having = [l for l in range(2, network.layout.last + 1) if self.equation(network, l)]
        return self.reason(network, batch, having[0]) if having else "there is no hidden layer"


def _carried(tape: Tape, l: int, errors: Errors) -> Array:
    """Return what (BP1) or (BP2) multiplies by σ′(z^l): ∇_aC or (w^{l+1})ᵀδ^{l+1}."""
    last = tape.network.layout.last
    return tape.cost_gradient if l == last else tape.pull_back(l, errors[l + 1])


def _delta(tape: Tape, l: int, errors: Errors) -> Array:
    """Return δ^l by (BP1) or (BP2); δ^L by the combined form if cost and activation have one."""
    if l == tape.network.layout.last:
        return tape.output_error()
    return through(tape.slopes[l - 2], _carried(tape, l, errors))


def _of_biases(tape: Tape, l: int, errors: Errors) -> Array:  # noqa: ARG001 - every line has these arguments
    """Return ∂C/∂b^l by (BP3)."""
    total: Array = errors[l].sum(axis=0)
    return total


def _of_weights(tape: Tape, l: int, errors: Errors) -> Array:
    """Return ∂C/∂w^l by (BP4)."""
    products: Array = np.dot(errors[l].T, tape.activations[l - 2])
    return products


SLOPE = r"\sigma'(z^{@})"
LEFT = {
    "BP1": r"\delta^{@}",
    "BP2": r"\delta^{@}",
    "BP3": r"\frac{\partial C}{\partial b^{@}}",
    "BP4": r"\frac{\partial C}{\partial w^{@}}",
}
"""The left side of each line."""

LINES: dict[str, Line] = {"BP1": _delta, "BP2": _delta, "BP3": _of_biases, "BP4": _of_weights}
"""The lines of the book's program."""


@dataclass(frozen=True)
class Program(Backend):
    """The book's program with one line replaced by a wrong one.

    Attributes
    ----------
    fault : Fault
        The mistake.
    layer : int
        The layer of the line.
    equation : str
        Its equation.
    """

    fault: Fault
    layer: int
    equation: str

    name = "your_program"
    summary = "the book's program with a mistake"
    equations = ("BP1a", "BP2", "BP3", "BP4")
    tier = Tier.RECURRENCE
    serves_sparse = False

    @property
    def label(self) -> str:
        """What explanations call it."""
        return "your program"

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Write the gradient, with one wrong line."""
        forward(network, tape)
        errors: dict[int, Array] = {}
        for l in range(network.layout.last, 1, -1):
            errors[l] = self._line("BP1" if l == network.layout.last else "BP2", tape, l, errors)
        for l in range(2, network.layout.last + 1):
            gradient.biases[l - 2][...] = self._line("BP3", tape, l, errors)
            gradient.weights[l - 2][...] = self._line("BP4", tape, l, errors)
        gradient.errors = tuple(errors[l] for l in sorted(errors))
        gradient.cost = tape.cost_value

    def _line(self, equation: str, tape: Tape, l: int, errors: Errors) -> Array:
        wrong = (equation, l) == (self.equation, self.layer)
        return (self.fault.line if wrong else LINES[equation])(tape, l, errors)


@dataclass(frozen=True)
class Planted:
    """A mistake in a layer of a network.

    Attributes
    ----------
    fault : Fault
        The mistake.
    layer : int
        The layer.
    equation : str
        The equation whose line has it.
    latex : str
        The wrong line.
    """

    fault: Fault
    layer: int
    equation: str
    latex: str

    @property
    def program(self) -> Program:
        """The program that has it."""
        return Program(self.fault, self.layer, self.equation)

    @property
    def quantity(self) -> str:
        """The name of what the line computes: ``delta``, ``db`` or ``dw``."""
        return {"BP3": "db", "BP4": "dw"}.get(self.equation, "delta")

    def expected(self, tape: Tape, gradient: Gradient) -> Array:
        """Return what the correct line gives from the other numbers of the program, with a column for each example."""
        errors = dict(enumerate(gradient.errors or (), start=2))
        found = LINES[self.equation](tape, self.layer, errors)
        return found if self.quantity == "dw" else np.atleast_2d(found).T

    def effect(self, name: str, l: int, tape: Tape, gradient: Gradient) -> str:
        """Return a sentence about what the mistake makes of a correct line; empty if it has no effect on it.

        Parameters
        ----------
        name : str
            What the line computes: ``delta``, ``db`` or ``dw``.
        l : int
            Its layer.
        tape, gradient : Tape, Gradient
            The numbers of the program.
        """
        above = l + 1 if name == "delta" else l
        if self.quantity != "delta" or above > self.layer:
            return ""
        right: dict[int, Array] = {}
        for k in range(tape.network.layout.last, above - 1, -1):
            right[k] = _delta(tape, k, right)
        wrong = (gradient.errors or ())[above - 2]
        symbol, equation = _symbol(r"\delta", above), {"delta": "BP2", "db": "BP3", "dw": "BP4"}[name]
        if np.array_equal(wrong, right[above]):
            return ""
        if np.array_equal(wrong, -right[above]):
            return (
                f"This line is correct. Its result has the opposite sign because {symbol} does: ({equation}) is linear "
                f"in {symbol}."
            )
        return f"This line is correct. Its result is wrong because {symbol} is."


def plant(name: Any, layer: Any, network: Network, batch: Batch) -> Planted:
    """Return a mistake in a layer.

    Raises
    ------
    InvalidInput
        If no layer has this number.
    UnknownName
        If no mistake has this name.
    Refused
        If the layer cannot have it, with the reason.
    """
    fault = FAULTS.get(name) if isinstance(name, str) else None
    if fault is None:
        raise UnknownName("mistake", name, FAULTS)
    last = network.layout.last
    if type(layer) is not int or not 2 <= layer <= last:
        raise InvalidInput(
            f"a mistake must be planted in one of the layers 2 to {last}, got {described(layer)}; pass one of them."
        )
    equation, reason = fault.equation(network, layer), fault.reason(network, batch, layer)
    if equation is None or reason is not None:
        possible = " or ".join(map(str, fault.layers(network, batch)))
        remedy = f"plant it in layer {possible}" if possible else "plant another one"
        raise Refused(f"layer {layer} cannot have the mistake {name!r}: {reason}; {remedy}.")
    return Planted(fault, layer, equation, _written(fault, equation, layer, network, batch))


def _written(fault: Fault, equation: str, l: int, network: Network, batch: Batch) -> str:
    r"""Return the LaTeX of the wrong line in layer l.

    In layer 3 ``# \odot \sigma(z^{@})`` becomes ``\delta^{3} = \left((w^{4})^T \delta^{4}\right) \odot \sigma(z^{3})``.
    """
    combined = batch.cost.combined(network.activations[l - 2]) if equation == "BP1" else None
    coupled = network.activations[l - 2].coupled
    factor = r"\nabla_a C" if equation == "BP1" else r"(w^{@+})^T \delta^{@+}"
    in_brackets = factor if equation == "BP1" and not coupled else rf"\left({factor}\right)"
    whole = rf"{in_brackets} \odot {SLOPE}"
    if combined is not None:
        whole = EQUATIONS[combined.equation].latex.partition("= ")[2].replace("^L", "^{@}")
        whole = rf"\left({whole}\right) / m" if len(batch.X) > 1 else whole
    written = f"{LEFT[equation]} = {factor if fault.latex == '#' else fault.latex}"
    written = written.replace("&", rf"\left({whole}\right)").replace("#", in_brackets)
    if coupled:
        # The slope is a matrix, which multiplies from the left.
        written = re.sub(
            rf"\\left\(((?:(?!\\left).)*)\\right\) \\odot {re.escape(SLOPE)}", r"\\Sigma'(z^{@})^T \1", written
        )
    for sign, number in (("@+", l + 1), ("@-", l - 1), ("@", l)):
        written = written.replace(sign, str(number))
    return written


# Why a layer cannot have a mistake.


def _no_slope(network: Network, batch: Batch, l: int) -> str | None:
    activation = network.activations[l - 2]
    if l == network.layout.last and batch.cost.combined(activation) is not None:
        return f"with {batch.cost.name} cost and {activation.name} the output error has no σ′"
    if activation.coupled:
        return f"{activation.name} couples its neurons, and its slope is a matrix"
    return None


def _not_square(network: Network, batch: Batch, l: int) -> str | None:  # noqa: ARG001
    w, delta, rows, columns = _symbol("w", l + 1), _symbol(r"\delta", l + 1), network.sizes[l], network.sizes[l - 1]
    if rows == columns:
        return f"{w} has a single entry, and is its own transpose" if rows == 1 else None
    return (
        f"{w} has {rows} rows and {columns} columns, so {w} without its transpose cannot multiply {delta}, and NumPy "
        "would refuse it"
    )


def _other_width(network: Network, l: int, what: str) -> str | None:
    first, other = network.sizes[l - 1], network.sizes[l]
    if first == other:
        return None
    return f"layers {l} and {l + 1} have {first} and {other} neurons, so {what} does not fit, and NumPy would refuse it"


def _not_as_wide(what: str) -> Callable[[Network, Batch, int], str | None]:
    """Return a reason against what is taken from layer l + 1 instead of layer l."""

    def why_not(network: Network, batch: Batch, l: int) -> str | None:  # noqa: ARG001
        return "there is no layer above" if l == network.layout.last else _other_width(network, l, what)

    return why_not


def _no_other_slope(network: Network, batch: Batch, l: int) -> str | None:
    above = network.activations[l - 1].coupled
    reason = "the slope of the layer above is a matrix" if above else _other_width(network, l, "its slope")
    return _no_slope(network, batch, l) or reason


def _not_square_input(network: Network, batch: Batch, l: int) -> str | None:  # noqa: ARG001
    return _other_width(network, l - 1, _symbol("a", l))


def _no_weighted_input(network: Network, batch: Batch, l: int) -> str | None:  # noqa: ARG001
    return "a¹ is the input, which has no z¹" if l == 2 else None


def _no_half(network: Network, batch: Batch, l: int) -> str | None:  # noqa: ARG001
    half = isinstance(batch.cost, Quadratic) and batch.cost.factor == 1
    return None if half else f"the {batch.cost.name} cost has no factor ½"


def _one_example(network: Network, batch: Batch, l: int) -> str | None:  # noqa: ARG001
    return None if len(batch.X) > 1 else "sum and mean of a single example are the same"


def _symbol(latex: str, l: int) -> str:
    """Return a symbol of layer l as text: w³."""
    return parse_latex(rf"{latex}^{{{l}}}").text


# The wrong lines, in the order of the equations.


def _times(factor: float) -> Line:
    return lambda tape, l, errors: factor * _delta(tape, l, errors)


def _slope_at_activation(tape: Tape, l: int, errors: Errors) -> Array:
    return _carried(tape, l, errors) * tape.network.activations[l - 2].slope(tape.activations[l - 1])


def _untransposed(tape: Tape, l: int, errors: Errors) -> Array:
    return through(tape.slopes[l - 2], errors[l + 1] @ tape.network.weights[l - 1].T)


TABLE = (
    Fault("sign", "y − a instead of a − y: the output error has the wrong sign", ("BP1",), "-&", _times(-1.0)),
    Fault("factor_two", "the factor ½ of the cost is missing: 2(a − y)", ("BP1",), "2 &", _times(2.0),
          _no_half),
    Fault("sum_for_mean", "the examples are summed, not averaged", ("BP1",), "m &",
          lambda tape, l, errors: tape.m * _delta(tape, l, errors), _one_example),
    Fault("slope_missing", "σ′(z) is missing", ("BP1", "BP2"), "#", _carried, _no_slope),
    Fault("value_for_slope", "σ(z) instead of σ′(z)", ("BP1", "BP2"), r"# \odot \sigma(z^{@})",
          lambda tape, l, errors: _carried(tape, l, errors) * tape.activations[l - 1], _no_slope),
    Fault("slope_at_activation", "σ′(a) instead of σ′(z)", ("BP1", "BP2"), r"# \odot \sigma'(a^{@})",
          _slope_at_activation, _no_slope),
    Fault("slope_twice", "σ′(z) is applied twice", ("BP1", "BP2"), rf"# \odot {SLOPE} \odot {SLOPE}",
          lambda tape, l, errors: _carried(tape, l, errors) * tape.slopes[l - 2] ** 2, _no_slope),
    Fault("slope_of_other_layer", "σ′ of the layer above instead of σ′(z)", ("BP2",), r"# \odot \sigma'(z^{@+})",
          lambda tape, l, errors: _carried(tape, l, errors) * tape.slopes[l - 1], _no_other_slope),
    Fault("weights_transposed", "w is not transposed", ("BP2",), rf"\left(w^{{@+}} \delta^{{@+}}\right) \odot {SLOPE}",
          _untransposed, _not_square),
    Fault("sign_in_layer", "the error of a hidden layer has the wrong sign", ("BP2",), "-&", _times(-1.0)),
    Fault("slope_outside", "σ′(z) is added, not multiplied", ("BP1", "BP2"), rf"# + {SLOPE}",
          lambda tape, l, errors: _carried(tape, l, errors) + tape.slopes[l - 2], _no_slope),
    Fault("sign_of_biases", "∂C/∂b has the wrong sign", ("BP3",), r"-\delta^{@}",
          lambda tape, l, errors: -_of_biases(tape, l, errors)),
    Fault("biases_lost", "the gradient of the biases is missing", ("BP3",), "0",
          lambda tape, l, errors: 0 * _of_biases(tape, l, errors)),
    Fault("error_of_other_layer", "δ of the layer above instead of δ", ("BP3",), r"\delta^{@+}",
          lambda tape, l, errors: _of_biases(tape, l + 1, errors), _not_as_wide("its δ")),
    Fault("sign_of_weights", "∂C/∂w has the wrong sign", ("BP4",), r"-\delta^{@} (a^{@-})^T",
          lambda tape, l, errors: -_of_weights(tape, l, errors)),
    Fault("weights_lost", "the gradient of the weights is missing", ("BP4",), "0",
          lambda tape, l, errors: 0 * _of_weights(tape, l, errors)),
    Fault("weighted_input_for_activation", "z of the layer below instead of its a", ("BP4",),
          r"\delta^{@} (z^{@-})^T",
          lambda tape, l, errors: np.dot(errors[l].T, tape.weighted_inputs[l - 3]), _no_weighted_input),
    Fault("input_of_next_layer", "a of the layer itself instead of a of the layer below", ("BP4",),
          r"\delta^{@} (a^{@})^T",
          lambda tape, l, errors: np.dot(errors[l].T, tape.activations[l - 1]), _not_square_input),
)  # fmt: skip

FAULTS = {fault.name: fault for fault in TABLE}
"""Name → mistake, in the order of the equations."""
