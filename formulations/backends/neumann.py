r"""The errors of all layers by simultaneous sweeps, until they are exact.

.. math::

    \delta \leftarrow e + U\delta, \qquad \delta = \sum_{s=0}^{L-2} U^s e, \qquad
    U_{l,l+1} = \Sigma'(z^l) (w^{l+1})^T

This is the system of ``back_substitution``, (I − U)δ = e, by the Neumann series of (I − U)⁻¹. Since U carries an error
down by one layer, U^{L−1} = 0 and the series is finite: one sweep for each hidden layer makes all errors exact. Within
a sweep no layer depends on another.

A sweep takes a multiplication for each weight beyond the first layer, for every example, so L − 2 sweeps cost L − 2
times as much as back substitution. It stops earlier if a sweep changes nothing, as in a network whose errors vanish.

It misleads as an iteration: nothing converges. After s sweeps the errors of the last s + 1 layers are final, and those
below are still zero.

Source: the finite Neumann series of the system of A. Edelman, E. Akyürek and Y. Wang, "Backpropagation through Back
Substitution with a Backslash", SIAM Journal on Matrix Analysis and Applications 45(1), 2024.

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.gradient(net, [[1.0]], [[17.0]], backend="neumann").weights[0]  # (2·9 − 17) · 2 · 2·3 · 1
array([[12.]])
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from formulations.arrays import Array
from formulations.backends._base import OPERATORS, Backend, Estimate, Linearization, Tier
from formulations.backends._shared import ErrorSystem, estimate_system
from formulations.network import Network, Point, Tape

__all__ = ["Neumann"]


class Neumann(Backend):
    """δ of all layers by at most one synchronous sweep for each hidden layer."""

    name = "neumann"
    summary = "all layers at once, swept until exact"
    equations = ("system", "sweep", "BP1", "BP2", "BP3", "BP4")
    tier = Tier.RECURRENCE
    linear_in_shares = True
    variant_of = "back_substitution"
    operators = OPERATORS

    def prepare(self, network: Network, tape: Tape) -> ErrorSystem:
        """Return the system with its pattern."""
        return ErrorSystem(network, tape, "U")

    def errors(self, network: Network, tape: Tape) -> Sequence[Array]:
        """Return δ², …, δ^L after the last sweep that changes them."""
        system: ErrorSystem = tape.workspace
        e = system.fill(network, tape).ravel()
        delta = e.copy()
        for _ in network.hidden_layers:
            swept = system.matrix @ delta
            swept += e
            if np.array_equal(swept, delta):
                break
            delta = swept
        return system.by_layers(delta)

    def linearize(self, point: Point) -> Linearization:
        """Return Jacobians and curvature by sweeps."""
        from formulations.backends._linearized import NeumannLinearization

        return NeumannLinearization(point, self)

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate a multiplication by U for each hidden layer."""
        return estimate_system(network, m, sweeps=len(network.activations) - 1)
