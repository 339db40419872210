"""The right way back, written out step by step: every mutant replaces one step of it by a wrong one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from formulations.arrays import Array, Gradient
from formulations.backends import Backend, Tier
from formulations.network import Tape

__all__ = ["MUTANTS", "Mutant", "Written", "planted"]


class Written(Backend):
    """(BP1)–(BP4) over the whole mini-batch, one method a step."""

    name = "written"
    summary = "the right way back, step by step"
    equations = ("BP1a", "BP2", "BP3", "BP4")
    tier = Tier.RECURRENCE
    variant_of = "hadamard"
    serves_sparse = False
    serves_coupled = False

    def output(self, tape: Tape) -> Any:
        """Return δ^L = ∇_aC ⊙ σ′(z^L), or its combined form (BP1)."""
        combined = tape.combined_output_error()
        return tape.cost_gradient * tape.slopes[-1] if combined is None else combined

    def carried(self, tape: Tape, l: int, delta: Array) -> Any:
        """Return (w^{l+1})ᵀδ^{l+1}."""
        return delta @ tape.network.weights[l - 1]

    def slope(self, tape: Tape, l: int) -> Any:
        """Return σ′(z^l) of a hidden layer."""
        return tape.slopes[l - 2]

    def of_weights(self, tape: Tape, l: int, delta: Array) -> Any:
        """Return ∂C/∂w^l = Σ_x δ^l (a^{l−1})ᵀ (BP4)."""
        return delta.T @ tape.activations[l - 2]

    def of_biases(self, tape: Tape, l: int, delta: Array) -> Any:  # noqa: ARG002 - mutants look at the layer
        """Return ∂C/∂b^l = Σ_x δ^l (BP3)."""
        return delta.sum(axis=0)

    def gradient(self, tape: Tape, gradient: Gradient) -> None:
        """Write the gradient, layer by layer from the output backwards."""
        tape.network.propagate(tape)
        delta = self.output(tape)
        errors = [delta]
        for l in tape.hidden_layers:
            delta = self.carried(tape, l, delta) * self.slope(tape, l)
            errors.insert(0, delta)
        for l, delta in enumerate(errors, start=2):
            gradient.weights[l - 2][...] = self.of_weights(tape, l, delta)
            gradient.biases[l - 2][...] = self.of_biases(tape, l, delta)
        gradient.errors = tuple(errors)
        gradient.cost = tape.cost_value


@dataclass(frozen=True)
class Mutant:
    """A backend with a planted fault.

    Attributes
    ----------
    name, summary : str
        What it is called, and what is wrong with it.
    backend : Backend
        The backend that has it.
    layer : int or None
        Where a certificate should see it in a network of four layers; None where it sits in no equation.
    equation : str or None
        In which equation.
    cause : str or None
        The name of the hypothesis that explains it.
    """

    name: str
    summary: str
    backend: Backend
    layer: int | None = None
    equation: str | None = None
    cause: str | None = None


MUTANTS: dict[str, Mutant] = {}
"""Name → mutant, in the order of the files that plant them."""


def planted(layer: int | None = None, equation: str | None = None, cause: str | None = None):  # type: ignore[no-untyped-def]
    """Return a decorator that adds a faulty backend's class to the table."""

    def add(fault: type[Backend]) -> type[Backend]:
        fault.name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", fault.__name__).lower()
        fault.summary = (fault.__doc__ or "").strip().splitlines()[0]
        MUTANTS[fault.name] = Mutant(fault.name, fault.summary, fault(), layer, equation, cause)
        return fault

    return add
