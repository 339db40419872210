"""The contract: what a backend is, and the laws that every backend keeps.

A backend is one formulation of the gradient. Most of them only say how the errors δ are found, in
:meth:`Backend.errors`; those that do not go through δ on the tape override :meth:`Backend.gradient`.

Laws
----
1. *Linear in ∇_aC*: the gradient of αC + βC′ is α times the one plus β times the other.
2. *A mean*: the gradient of a batch is the (weighted) mean of its examples' gradients.
3. *Nothing is changed*: neither X, Y, the sample weights nor the network's parameters.
4. *Same bits*: the same call twice gives the same gradient, bit for bit.
5. *No order*: the order of the examples does not matter beyond rounding.
6. *dtype in = dtype out*: float32 stays float32.
7. *One cost*: ``gradient.cost`` is the value of the cost whose gradient it is.
8. *Refusals are exceptions*: a backend that cannot serve a network says why; nothing falls back silently.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, ClassVar

from formulations.costs import Cost
from formulations.network import Network
from formulations.options import check_choices
from formulations.parameters import Array, Gradient
from formulations.tape import Tape

__all__ = ["Backend", "Prediction", "Tier"]


class Tier(Enum):
    """How a backend relates to the tape, which decides the tolerance that judges it."""

    RECURRENCE = "R"
    """A recurrence on the tape, layer from layer: judged locally (T1)."""
    PRODUCT = "Q"
    """An explicit product on the tape, over several layers at once: judged by a bound over paths (T2)."""
    FORWARD = "F"
    """A forward pass of its own: judged by the propagated roundoff of both passes (T4)."""
    PERTURBATION = "P"
    """Differences of the cost: judged by their own truncation and roundoff."""


@dataclass(frozen=True)
class Prediction:
    """What a gradient is going to cost.

    Attributes
    ----------
    multiplications : int
        Scalar multiplications of the matrix and Hadamard products, forward passes included.
    bytes : int
        Memory for what the backend keeps beyond the parameters.
    forward_passes : int
        Forward passes over the whole mini-batch.
    calls : int
        Vector operations, which is what small networks pay for.
    """

    multiplications: int
    bytes: int
    forward_passes: int
    calls: int


def forward_multiplications(network: Network, m: int) -> int:
    """Multiplications of one forward pass over m examples: those of the matrix products, m·P."""
    return m * network.layout.weight_count


def backward_multiplications(network: Network, m: int) -> int:
    """Multiplications of one recurrence: m·(P − n₁n₂) to pull back, m·N Hadamard, m·P for (BP4)."""
    layout = network.layout
    first = layout.slices[0][0].stop
    return int(m * (2 * layout.weight_count - first + layout.neuron_count))


class Backend(ABC):
    """One formulation of the gradient; a subclass with options is a frozen dataclass, and its fields are they.

    Attributes
    ----------
    name : str
        File, flag and documentation page have this same name.
    summary : str
        One line for tables: what makes it different.
    equations : tuple of str
        The equations of the chapter that it computes, by their numbers.
    tier : Tier
        How it relates to the tape.
    variant_of : str or None
        The formulation of which it is a variant; None where it is a formulation of its own.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    equations: ClassVar[tuple[str, ...]]
    tier: ClassVar[Tier]
    variant_of: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        """Refuse an option whose value is not among those that its type lists; dataclasses call it."""
        check_choices(self)

    def why_not(self, network: Network, cost: Cost) -> str | None:  # noqa: ARG002 - most serve every network
        """Return None where this backend can serve the network and cost, else the reason."""
        return None

    def predict(self, network: Network, m: int) -> Prediction:
        """Predict what a gradient over m examples costs; by default, as a recurrence on the tape."""
        layers = len(network.activations)
        multiplications = forward_multiplications(network, m) + backward_multiplications(network, m)
        return Prediction(
            multiplications=multiplications,
            bytes=4 * m * network.layout.neuron_count * network.dtype.itemsize,
            forward_passes=1,
            calls=10 * layers,
        )

    def prepare(self, tape: Tape) -> Any:  # noqa: ARG002 - most need nothing but the tape
        """Make once what every call on this tape needs; it becomes ``tape.workspace``."""
        return None

    def errors(self, tape: Tape) -> Sequence[Array]:
        """Return δ², …, δ^L, each of shape (m, n_l), from a tape that a forward pass has filled."""
        raise NotImplementedError(f"backend {self.name!r} must define errors(tape) or gradient(tape, gradient)")

    def gradient(self, tape: Tape, gradient: Gradient) -> None:
        """Write C, δ, ∂C/∂b and ∂C/∂w into ``gradient``, for the examples that are loaded on the tape."""
        tape.network.propagate(tape)
        errors = self.errors(tape)
        tape.collect(errors, gradient)
        gradient.errors = tuple(errors)
        gradient.cost = tape.cost_value

    @property
    def label(self) -> str:
        """The flag that names this backend, with every option that is not the default."""
        if not is_dataclass(self):
            return self.name
        changed = [f"{f.name}={getattr(self, f.name)}" for f in fields(self) if getattr(self, f.name) != f.default]
        return f"{self.name}:{','.join(changed)}" if changed else self.name

    def __repr__(self) -> str:
        return f"<backend {self.label}>"
