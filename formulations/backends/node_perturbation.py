r"""Perturbation of the weighted input of every neuron, as by the chapter's demon.

.. math::

    \delta^l_j = \frac{\partial C}{\partial z^l_j} \approx \frac{C(z^l_j + h) - C(z^l_j - h)}{2h}, \qquad
    \frac{\partial C}{\partial b^l_j} = \delta^l_j, \qquad
    \frac{\partial C}{\partial w^l_{jk}} = a^{l-1}_k \delta^l_j

The demon sits at neuron j of layer l and adds Δz to its weighted input. The cost changes by Δz ∂C/∂z^l_j, and the
chapter calls this derivative the error δ^l_j. The layers below do not change, so a perturbation takes a partial forward
pass from layer l on. Examples are independent: one pass perturbs neuron j in all of them, each by its own step, and
each has its own difference. That takes N partial passes for ``scheme="forward"`` and 2N for ``"central"``, while
perturbing the parameters takes P + N whole passes, or twice as many. The gradient follows by (BP3) and (BP4).

The step follows the rule of ``finite_difference``: eps^(1/2) and eps^(1/3) times max(1, |z|), rounded so that z + h − z
is h exactly.

It misleads if all its digits are trusted, as with every difference quotient, and near the kink of an activation.

Source: Nielsen, *Neural Networks and Deep Learning*, chapter 2, "The four fundamental equations behind
backpropagation".

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> g = fm.gradient(net, [[1.0]], [[17.0]], backend="node_perturbation")  # (2·9 − 17) · 2 · 2·3 · 1 = 12
>>> print(f"{g.weights[0][0, 0]:.6f} by {g.forward_passes} whole forward pass")
12.000000 by 1 whole forward pass
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from formulations.arrays import Array, positive_number
from formulations.backends._base import (
    SCHEMES,
    Backend,
    Difference,
    Estimate,
    Quotient,
    Tier,
    forward_multiplications,
    step_sizes,
    tape_bytes,
)
from formulations.network import Gradient, Network, Tape, forward

__all__ = ["NodePerturbation"]


@dataclass(frozen=True, repr=False)
class NodePerturbation(Backend):
    """δ as the difference quotient of the cost for every neuron's weighted input.

    Parameters
    ----------
    scheme : {"central", "forward"}
        Two perturbations of each neuron, or one and the unperturbed cost.
    step : float, optional
        h relative to max(1, |z|); by default the scheme's rule.
    """

    scheme: Literal["central", "forward"] = "central"
    step: float | None = None

    name = "node_perturbation"
    summary = "every neuron's weighted input perturbed in turn"
    equations = ("demon", "BP3", "BP4")
    tier = Tier.PERTURBATION
    linear_in_shares = True
    no_operators = (
        "it perturbs weighted inputs to find δ, but operators need perturbed parameters, as in finite_difference"
    )

    def __post_init__(self) -> None:
        """Refuse an unknown scheme, and a step that is not a positive number."""
        super().__post_init__()
        if self.step is not None:
            positive_number(self.step, "step")

    def difference(self) -> Difference:
        """Return the scheme, the step, and how to take another."""
        return Difference(SCHEMES[self.scheme], self.step, lambda step: replace(self, step=step), self.quotients)

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Write the gradient from the difference quotients of all neurons."""
        forward(network, tape, slopes=False)
        errors = self.errors(network, tape)
        tape.collect(errors, gradient)
        gradient.errors = tuple(errors)
        gradient.cost = tape.cost_value

    def errors(self, network: Network, tape: Tape) -> Sequence[Array]:
        """Return δ², …, δ^L as difference quotients of each example's cost."""
        shares = tape.share_column[:, 0]
        for l, delta in enumerate(tape.errors, start=2):
            for j, quotient in enumerate(self.quotients(network, tape, l)):
                delta[:, j] = shares * quotient.value
        return tape.errors

    def quotients(self, network: Network, tape: Tape, l: int) -> Iterator[Quotient]:
        """Yield the difference quotient of each neuron of layer l, for every example its own."""
        recorded = tape.weighted_inputs[l - 2]
        z, h = recorded.copy(), step_sizes(recorded, SCHEMES[self.scheme], self.step)
        unperturbed = _output_costs(network, tape, tape.weighted_inputs[-1])
        for j in range(z.shape[1]):
            z[:, j] = recorded[:, j] + h[:, j]
            ahead = _costs(network, tape, l, z)
            if self.scheme == "forward":
                yield Quotient(ahead, unperturbed, h[:, j])
            else:
                z[:, j] = recorded[:, j] - h[:, j]
                yield Quotient(ahead, _costs(network, tape, l, z), h[:, j] + h[:, j])
            z[:, j] = recorded[:, j]

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate one or two partial forward passes for every neuron."""
        layout, evaluations = network.layout, SCHEMES[self.scheme].evaluations
        above = [layout.weight_count]
        for weights, _ in layout.slices:
            above.append(above[-1] - (weights.stop - weights.start))
        partial = evaluations * sum(n * P for n, P in zip(layout.sizes[1:], above[1:], strict=True))
        passes = evaluations * layout.neuron_count
        return Estimate(
            multiplications=2 * forward_multiplications(network, m) + m * partial,
            bytes=2 * tape_bytes(network, m),
            forward_passes=1,
            calls=5 * passes * len(network.activations),
            other_passes=(passes, "partial"),
            detail=f"{passes:,} partial forward passes",
        )


def _costs(network: Network, tape: Tape, l: int, z: Array) -> Any:
    """Return each example's cost, shape (m,), by a partial forward pass from z^l on."""
    for i in range(l - 1, len(network.activations)):
        z = network.activations[i - 1].value(z) @ network.weights[i].T + network.biases[i]
    return _output_costs(network, tape, z)


def _output_costs(network: Network, tape: Tape, z: Array) -> Any:
    """Return each example's cost, shape (m,), from z^L."""
    if tape.combined is not None:
        return tape.combined.value(z, tape.targets)
    return tape.known_cost.evaluate(network.activations[-1].value(z), tape.targets)
