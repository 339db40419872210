r"""Perturb every weight and bias in turn, and see how the cost changes.

.. math::

    \frac{\partial C}{\partial w_j} \approx \frac{C(w + h e_j) - C(w)}{h} \qquad (46)

``scheme="forward"`` is the chapter's formula, with a truncation error of order h; ``"central"`` takes
(C(w + he_j) − C(w − he_j))/2h, of order h². For P weights and N biases that is P + N + 1 forward passes, or
2(P + N) + 1 with the one for C itself: the chapter's "million and one", where backpropagation takes one pass forward
and about one back.

The step follows a rule: it balances truncation against the roundoff of the cost, h = eps^(1/2) and eps^(1/3) times
max(1, |w|), and is rounded so that w + h − w is h exactly.

It misleads when its digits are taken for the gradient's: half of them are lost by ``forward``, a third by
``central``, and near the kink of an activation it answers for a slope that is on neither side.

Source: Nielsen, *Neural Networks and Deep Learning*, chapter 2, Equation (46).

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> g = fm.gradient(net, [[1.0]], [[17.0]], backend="finite_difference")  # (2·9 − 17) · 2 · 2·3 · 1 = 12
>>> print(f"{g.weights[0][0, 0]:.6f} by {g.forward_passes} forward passes")
12.000000 by 9 forward passes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from formulations.contract import Backend, Prediction, Tier, forward_multiplications
from formulations.inputs import positive_number
from formulations.network import Network
from formulations.parameters import Gradient
from formulations.perturb import SCHEMES, steps
from formulations.tape import Layered, Tape

__all__ = ["FiniteDifference"]


@dataclass(frozen=True, repr=False)
class FiniteDifference(Backend):
    """The difference quotient of the cost for every parameter.

    Parameters
    ----------
    scheme : {"central", "forward"}
        Two perturbations of each parameter, or one and the unperturbed cost.
    step : float, optional
        h relative to max(1, |w|); by default the scheme's rule.
    """

    scheme: Literal["central", "forward"] = "central"
    step: float | None = None

    name = "finite_difference"
    summary = "every weight and bias perturbed in turn"
    equations = ("46",)
    tier = Tier.PERTURBATION

    def __post_init__(self) -> None:
        """Refuse an unknown scheme, and a step that is not a positive number."""
        super().__post_init__()
        if self.step is not None:
            positive_number(self.step, "step")

    def prepare(self, tape: Tape) -> Layered:
        """Return a copy of the network: the user's own parameters are never perturbed."""
        return tape.network.copy()

    def gradient(self, tape: Tape, gradient: Gradient) -> None:
        """Write the difference quotients of all parameters."""
        perturbed: Layered = tape.workspace
        theta = perturbed.vector
        theta[...] = tape.network.vector

        def cost() -> Any:
            perturbed.propagate(tape, slopes=False)
            return tape.cost_value

        unperturbed = cost() if self.scheme == "forward" else None
        for i, h in enumerate(steps(theta, SCHEMES[self.scheme], self.step)):
            kept = theta[i]
            theta[i] = kept + h
            ahead = cost()
            if self.scheme == "forward":
                gradient.vector[i] = (ahead - unperturbed) / h
            else:
                theta[i] = kept - h
                gradient.vector[i] = (ahead - cost()) / (h + h)
            theta[i] = kept
        gradient.cost = cost() if unperturbed is None else unperturbed
        gradient.errors = None

    def predict(self, network: Network, m: int) -> Prediction:
        """Predict one or two forward passes for every parameter, and one for the cost itself."""
        passes = SCHEMES[self.scheme].evaluations * network.layout.count + 1
        return Prediction(
            multiplications=passes * forward_multiplications(network, m),
            bytes=network.vector.nbytes + 4 * m * network.layout.neuron_count * network.dtype.itemsize,
            forward_passes=passes,
            calls=6 * passes * len(network.activations),
        )
