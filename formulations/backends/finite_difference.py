r"""Difference quotients of the cost for every weight and bias.

.. math::

    \frac{\partial C}{\partial w_j} \approx \frac{C(w + h e_j) - C(w)}{h} \tag{46}

``scheme="forward"`` is the chapter's formula, with a truncation error of order h; ``"central"`` takes
D_h = (C(w + he_j) − C(w − he_j))/2h, of order h²; ``"richardson"`` extrapolates two of those, (4·D_h − D_2h)/3, of
order h⁴. For P weights and N biases that is P + N + 1 forward passes, 2(P + N) + 1 or 4(P + N) + 1 with the one for C
itself: the chapter's "million and one", while backpropagation takes one forward pass and about one backward pass.

The step follows a rule: it balances truncation against the roundoff of the cost, h = eps^(1/(order + 1)) times
max(1, |w|), and is rounded so that w + h − w is h exactly.

It misleads if all its digits are trusted: ``forward`` loses half of them, ``central`` a third, ``richardson`` a fifth,
and near the kink of an activation the quotient is a slope of neither side.

Source: Nielsen, *Neural Networks and Deep Learning*, chapter 2, Equation (46). L. F. Richardson, "The
approximate arithmetical solution by finite differences" (1911).

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> g = fm.gradient(net, [[1.0]], [[17.0]], backend="finite_difference")  # (2·9 − 17) · 2 · 2·3 · 1 = 12
>>> print(f"{g.weights[0][0, 0]:.6f} by {g.forward_passes} forward passes")
12.000000 by 9 forward passes
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from formulations.arrays import positive_number
from formulations.backends._base import (
    OPERATORS,
    PARAMETERS,
    SCHEMES,
    Backend,
    Difference,
    Estimate,
    Extrapolation,
    Linearization,
    Quotient,
    Tier,
    Where,
    forward_multiplications,
    step_sizes,
    tape_bytes,
)
from formulations.network import Gradient, Network, Point, Tape, forward

__all__ = ["FiniteDifference"]


@dataclass(frozen=True, repr=False)
class FiniteDifference(Backend):
    """The difference quotient of the cost for every parameter.

    Parameters
    ----------
    scheme : {"central", "forward", "richardson"}
        Two perturbations of each parameter, one and the unperturbed cost, or four.
    step : float, optional
        h relative to max(1, |w|); by default the scheme's rule.
    """

    scheme: Literal["central", "forward", "richardson"] = "central"
    step: float | None = None

    name = "finite_difference"
    summary = "every weight and bias perturbed in turn"
    equations = ("46",)
    tier = Tier.PERTURBATION
    linear_in_shares = True
    operators = OPERATORS
    orders = ("forward",)
    needs_curvature = ("gauss_newton",)

    def __post_init__(self) -> None:
        """Refuse an unknown scheme, and a step that is not a positive number."""
        super().__post_init__()
        if self.step is not None:
            positive_number(self.step, "step")

    def difference(self) -> Difference:
        """Return the scheme, the step, and how to take another."""
        return Difference(SCHEMES[self.scheme], self.step, lambda step: replace(self, step=step), self.quotients)

    def prepare(self, network: Network, tape: Tape) -> Network:  # noqa: ARG002
        """Return a copy of the network; the user's parameters are never perturbed."""
        return network.copy()

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Write the difference quotients of all parameters."""
        forward(network, tape, slopes=False)
        gradient.cost = tape.cost_value
        for i, quotient in enumerate(self.quotients(network, tape)):
            gradient.vector[i] = quotient.value
        gradient.errors = None

    def quotients(self, network: Network, tape: Tape) -> Iterator[Quotient | Extrapolation]:
        """Yield the difference quotient of each parameter, from a tape that a forward pass has filled.

        Every quotient overwrites the tape.
        """
        perturbed: Network = tape.workspace
        theta, unperturbed = perturbed.vector, tape.cost_value
        theta[...] = network.vector

        def at(i: int, value: Any) -> Any:
            kept, theta[i] = theta[i], value
            forward(perturbed, tape, slopes=False)
            theta[i] = kept
            return tape.cost_value

        def central(i: int, h: Any) -> Quotient:
            ahead, behind = theta[i] + h, theta[i] - h
            # Only θ + h − θ is exactly h; the distance between the two points is computed.
            return Quotient(at(i, ahead), at(i, behind), ahead - behind)

        for i, h in enumerate(step_sizes(theta, SCHEMES[self.scheme], self.step)):
            if self.scheme == "forward":
                yield Quotient(at(i, theta[i] + h), unperturbed, h)
            elif self.scheme == "central":
                yield central(i, h)
            else:
                yield Extrapolation(central(i, h), central(i, h + h))

    def linearize(self, point: Point) -> Linearization:
        """Return Jacobians by differences of outputs, and the Hessian by differences of gradients."""
        from formulations.backends._linearized import FiniteDifferenceLinearization

        return FiniteDifferenceLinearization(point, self, self.scheme, self.step)

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate one, two or four forward passes for every parameter, and one for the cost itself."""
        passes = SCHEMES[self.scheme].evaluations * network.layout.count + 1
        return Estimate(
            multiplications=passes * forward_multiplications(network, m),
            bytes=network.vector.nbytes + tape_bytes(network, m),
            forward_passes=passes,
            calls=6 * passes * len(network.activations),
        )

    def estimate_operator(self, operator: str, network: Network, m: int, wrt: Where = PARAMETERS) -> Estimate:
        """Estimate the gradients by recurrences in a product with the Hessian, two or four."""
        if operator == "hessian":
            evaluations = SCHEMES[self.scheme].evaluations + (self.scheme == "forward")
            return Backend.estimate(self, network, m).times(evaluations)
        return super().estimate_operator(operator, network, m, wrt)
