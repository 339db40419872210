r"""Perturbation along the imaginary axis, which needs no difference and so has no cancellation.

.. math::

    \frac{\partial C}{\partial w_j} = \frac{\operatorname{Im} C(w + i h e_j)}{h} + O(h^2)

In each layer a power of two scales each example's imaginary parts to 10⁻²⁰ times the smallest |z| or 1. Their square
is far below rounding, so there is no truncation error and no step to choose, and neither large weights nor saturated
neurons drive them out of range. A float32 network is perturbed in double precision, since float32 has no range for such
products. ``on="weights"`` perturbs each weight and bias, P + N partial passes, each from its own layer
on; ``on="nodes"`` perturbs each weighted input z^l_j in all examples at once, which gives δ^l_j in N partial passes,
and the rest is (BP3) and (BP4).

It misleads for functions that are not analytic, such as |z|, whose complex values do not give the derivative. Such
activations and costs are refused, and so are points so near a singularity that an imaginary part of that size is not
small. A complex multiplication takes four real ones.

Source: W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40
(1998).

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.gradient(net, [[1.0]], [[17.0]], backend="complex_step").weights[0]  # (2·9 − 17) · 2 · 2·3 · 1
array([[12.]])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from formulations.arrays import Array, Parameters
from formulations.backends._base import (
    OPERATORS,
    PARAMETERS,
    Backend,
    Estimate,
    Linearization,
    Tier,
    Where,
    forward_multiplications,
    tape_bytes,
)
from formulations.backends._shared import complex_parameters, rescale, settled, weighted_inputs
from formulations.functions import COMPLEX, Cost
from formulations.network import Gradient, Network, Point, Tape, forward

__all__ = ["ComplexStep"]


@dataclass(frozen=True, repr=False)
class ComplexStep(Backend):
    """Im C/h after an imaginary step, of every parameter or of every weighted input.

    Parameters
    ----------
    on : {"weights", "nodes"}
        Perturb the weights and biases one at a time, or the weighted inputs z^l_j.
    """

    on: Literal["weights", "nodes"] = "weights"

    name = "complex_step"
    summary = "an imaginary step in every weight and bias, without a difference"
    equations = ("imaginary",)
    tier = Tier.FORWARD
    linear_in_shares = True
    operators = OPERATORS
    orders = ("forward",)
    needs_curvature = ("gauss_newton",)

    def why_not(self, network: Network, cost: Cost) -> str | None:
        """Return the reason if an activation or the cost is not analytic."""
        if reason := _not_analytic(network, network.layout.last):
            return reason
        if cost.combined(network.activations[-1]) is None and not cost.analytic:
            return f"it needs an analytic cost, and {cost.name} is non-analytic"
        return super().why_not(network, cost)

    def why_not_operator(self, operator: str, network: Network, cost: Cost, of: int | None = None) -> str | None:
        """Return the reason if an activation or the cost is not analytic, or has no formula for the Hessian."""
        if operator == "jacobian" and (reason := _not_analytic(network, of or network.layout.last)):
            return reason
        if reason := super().why_not_operator(operator, network, cost, of):
            return reason
        return _no_formula(network, cost) if operator == "hessian" else None

    def prepare(self, network: Network, tape: Tape) -> Parameters:  # noqa: ARG002
        """Return a buffer for complex parameters; the user's parameters are never perturbed."""
        return complex_parameters(network)

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Write the gradient, and δ if nodes are perturbed."""
        forward(network, tape, slopes=False)
        theta: Parameters = tape.workspace
        theta.vector[...] = network.vector
        one = theta.vector.real.dtype.type(1)
        if self.on == "nodes":
            for l, delta in enumerate(tape.errors, start=2):
                for j in range(delta.shape[1]):
                    z = tape.weighted_inputs[l - 2].astype(theta.dtype)
                    z[:, j] += 1j * one
                    delta[:, j] = derivatives(network, tape, theta, l, z, 0) * tape.share_column[:, 0]
            tape.collect(tape.errors, gradient)
            gradient.errors = tuple(tape.errors)
        else:
            for l, (weights, biases) in enumerate(network.layout.slices, start=2):
                a = tape.activations[l - 2]
                # The inputs may be as large or as small as numbers can be.
                exponent = -int(np.clip(np.frexp(np.abs(a).max())[1], -900, 900))
                step = 1j * np.ldexp(one, exponent)
                for i in range(weights.start, biases.stop):
                    kept = theta.vector[i]
                    theta.vector[i] += step
                    z = weighted_inputs(theta, l, a)
                    gradient.vector[i] = derivatives(network, tape, theta, l, z, exponent) @ tape.share_column[:, 0]
                    theta.vector[i] = kept
            gradient.errors = None
        gradient.cost = tape.cost_value

    def linearize(self, point: Point) -> Linearization:
        """Return Jacobians and curvature from imaginary steps."""
        from formulations.backends._linearized import ComplexStepLinearization

        return ComplexStepLinearization(point, self)

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate a partial pass in complex numbers for each parameter, or node, and one forward pass."""
        layout = network.layout
        counts = [weights.stop - weights.start for weights, _ in layout.slices]
        own = [0 if self.on == "nodes" else count for count in counts]
        each = [n + count for n, count in zip(layout.sizes[1:], own, strict=True)]
        complex_ones = sum(e * (own[i] + sum(counts[i + 1 :])) for i, e in enumerate(each))
        collected = m * layout.weight_count if self.on == "nodes" else 0
        return Estimate(
            multiplications=forward_multiplications(network, m) + 4 * m * complex_ones + collected,
            bytes=3 * tape_bytes(network, m) + 4 * network.vector.nbytes,
            forward_passes=1 + sum(each),
            calls=6 * sum(e * (len(each) - i) for i, e in enumerate(each)),
            detail=f"{sum(each)} of the passes are partial and complex",
        )

    def estimate_operator(self, operator: str, network: Network, m: int, wrt: Where = PARAMETERS) -> Estimate:
        """Estimate a gradient by recurrences in complex numbers for a product with the Hessian."""
        if operator == "hessian":
            return Backend.estimate(self, network, m).times(4)
        return super().estimate_operator(operator, network, m, wrt)


def derivatives(network: Network, tape: Tape, theta: Parameters, l: int, z: Array, exponent: int) -> Any:
    """Return Im C_x/2^exponent of each example, shape (m,), from a perturbed z^l on."""
    activations, cost = network.activations, tape.known_cost
    exponents = exponent + rescale(z)
    for k in range(l, network.layout.last):
        z = weighted_inputs(theta, k + 1, settled(activations[k - 2].complex_value, z, activations[k - 2].name))
        exponents += rescale(z)
    tape.forward_passes += 1
    combined = None if tape.combined is None else tape.combined.formula
    if combined is not None:
        values = settled(lambda Z: combined(COMPLEX, Z, tape.targets), z, cost.name)
    else:
        outputs = settled(activations[-1].complex_value, z, activations[-1].name)
        values = settled(lambda A: cost.complex_values(A, tape.targets), outputs, cost.name)
    return np.ldexp(values.imag, -exponents)


def _not_analytic(network: Network, last: int) -> str | None:
    """Return None if the activations up to a layer are analytic, else the reason with the first one that is not."""
    for l, activation in enumerate(network.activations[: last - 1], start=2):
        for function in activation.functions:
            if not function.analytic:
                return f"it needs analytic activations, and non-analytic {function.name} is in layer {l}"
    return None


def _no_formula(network: Network, cost: Cost) -> str | None:
    """Return None if the slopes and ∇C have formulas for complex numbers, else the reason."""
    combined = cost.combined(network.activations[-1])
    activations = network.activations if combined is None else network.activations[:-1]
    for l, activation in enumerate(activations, start=2):
        if activation.formula is None:
            return f"it needs σ′ at complex z, which only built-in activations have, not {activation.name} in layer {l}"
    if (cost if combined is None else combined).formula is None:
        return f"it needs ∇C at complex outputs, which only built-in costs have, not {cost.name}"
    return None
