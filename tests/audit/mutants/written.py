"""The correct backward pass, written out step by step; each mutant replaces one step by a wrong one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from formulations.arrays import Array
from formulations.backends import Backend, Tier
from formulations.network import Gradient, Network, Tape, forward

__all__ = ["MUTANTS", "Mutant", "Written", "fault", "planted"]


class Written(Backend):
    """(BP1)–(BP4) over the whole mini-batch, one method for each step.

    Attributes
    ----------
    layer : int or None
        The layer that has the fault; None for every layer that can have it.
    """

    name = "written"
    summary = "the correct backward pass, step by step"
    equations = ("BP1a", "BP2", "BP3", "BP4")
    tier = Tier.RECURRENCE
    variant_of = "hadamard"
    serves_sparse = False
    serves_coupled = False
    layer: int | None = None

    def at(self, l: int) -> bool:
        """Whether layer l has the fault."""
        return self.layer in (None, l)

    def output(self, tape: Tape) -> Any:
        """Return δ^L = ∇_aC ⊙ σ′(z^L), or its combined form (BP1)."""
        combined = tape.combined_output_error()
        return tape.cost_gradient * self.slope(tape, len(tape.activations)) if combined is None else combined

    def hidden(self, tape: Tape, l: int, delta: Array) -> Any:
        """Return δ^l = (w^{l+1})ᵀδ^{l+1} ⊙ σ′(z^l) (BP2)."""
        return self.carried(tape, l, delta) * self.slope(tape, l)

    def carried(self, tape: Tape, l: int, delta: Array) -> Any:
        """Return (w^{l+1})ᵀδ^{l+1}."""
        return delta @ tape.network.weights[l - 1]

    def slope(self, tape: Tape, l: int) -> Any:
        """Return σ′(z^l)."""
        return tape.slopes[l - 2]

    def input(self, tape: Tape, l: int) -> Any:
        """Return a^{l−1}."""
        return tape.activations[l - 2]

    def of_weights(self, tape: Tape, l: int, delta: Array) -> Any:
        """Return ∂C/∂w^l = Σ_x δ^l (a^{l−1})ᵀ (BP4)."""
        return delta.T @ self.input(tape, l)

    def of_biases(self, tape: Tape, l: int, delta: Array) -> Any:  # noqa: ARG002 - mutants use the layer
        """Return ∂C/∂b^l = Σ_x δ^l (BP3)."""
        return delta.sum(axis=0)

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Write the gradient, layer by layer from the output backwards."""
        forward(network, tape)
        delta = self.output(tape)
        errors = [delta]
        for l in network.hidden_layers:
            delta = self.hidden(tape, l, delta)
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
        Its name, and what is wrong with it.
    backend : Backend
        The backend, with the fault in the first of ``layers``.
    layer : int or None
        The layer in which a certificate should find the fault in a network of four layers; None if no equation is
        wrong there.
    equation : str or None
        The equation in which it should find it.
    cause : str or None
        The mistake that explains the gradient.
    layers : tuple of int or None
        The layers of that network that can have the fault; None for all of them at once.
    """

    name: str
    summary: str
    backend: Written
    layer: int | None = None
    equation: str | None = None
    cause: str | None = None
    layers: tuple[int | None, ...] = (None,)


MUTANTS: dict[str, Mutant] = {}
"""Name → mutant, in the order of the modules that plant them."""


def planted(
    layer: int | None = None,
    equation: str | None = None,
    cause: str | None = None,
    layers: tuple[int | None, ...] = (None,),
):
    """Return a decorator that adds the class of a faulty backend to the table."""

    def add(faulty: type[Written]) -> type[Written]:
        faulty.name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", faulty.__name__).lower()
        faulty.summary = (faulty.__doc__ or "").strip().splitlines()[0]
        faulty.layer = layers[0]
        MUTANTS[faulty.name] = Mutant(faulty.name, faulty.summary, faulty(), layer, equation, cause, layers)
        return faulty

    return add


def fault(name: str, layer: int | None = None) -> Written:
    """Return the backend of a mutant with its fault in one layer, or in all that can have it."""
    backend = type(MUTANTS[name].backend)()
    backend.layer = layer
    return backend
