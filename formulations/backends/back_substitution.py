r"""The errors of all layers at once, as the solution of one sparse unit upper triangular system.

.. math::

    (I - U)\,\delta = e, \qquad U_{l,l+1} = \Sigma'(z^l) (w^{l+1})^T, \qquad
    e = \left(0, \ldots, 0, \Sigma'(z^L) \nabla_a C\right)

The unknown δ stacks δ², …, δ^L. Row by row the system says (BP2), and its last block is (BP1). The
matrix is triangular with ones on its diagonal, so it is solved from the last row upwards: backpropagation is back
substitution. Over a mini-batch the examples' systems are the blocks of one block-diagonal system of m·N unknowns. Where
an activation is coupled, Σ′ᵀ takes the place of Σ′.

The pattern is built once, in the plan; each call fills in the values and solves. For each example and each weight
beyond the first layer that takes one multiplication to fill in the value and one to solve.

It misleads if timed on dense layers: every example gets a copy of all weights, while a recurrence multiplies all
examples by the same matrix. It is at its best for sparse or irregular connections.

Source: A. Edelman, E. Akyürek and Y. Wang, "Backpropagation through Back Substitution with a Backslash", SIAM Journal
on Matrix Analysis and Applications 45(1), 2024.

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.gradient(net, [[1.0]], [[17.0]], backend="back_substitution").weights[0]  # (2·9 − 17) · 2 · 2·3 · 1
array([[12.]])
"""

from __future__ import annotations

from collections.abc import Sequence

import scipy

from formulations.arrays import SINGLE_AND_DOUBLE, Array
from formulations.backends._base import OPERATORS, Backend, Estimate, Linearization, Tier
from formulations.backends._shared import ErrorSystem, estimate_system
from formulations.network import Network, Point, Tape

__all__ = ["BackSubstitution"]


class BackSubstitution(Backend):
    """δ of all layers and examples from one sparse triangular system."""

    name = "back_substitution"
    summary = "one sparse triangular system for all layers"
    equations = ("system", "BP1", "BP2", "BP3", "BP4")
    tier = Tier.RECURRENCE
    linear_in_shares = True
    dtypes = SINGLE_AND_DOUBLE  # those of SuperLU
    operators = OPERATORS

    def prepare(self, network: Network, tape: Tape) -> ErrorSystem:
        """Return the system with its pattern."""
        return ErrorSystem(network, tape, "I-U")

    def errors(self, network: Network, tape: Tape) -> Sequence[Array]:
        """Return δ², …, δ^L by back substitution."""
        system: ErrorSystem = tape.workspace
        e = system.fill(network, tape)
        # SciPy replaces the diagonal, and would copy the matrix first without overwrite_A.
        delta = scipy.sparse.linalg.spsolve_triangular(
            system.matrix, e.ravel(), lower=False, unit_diagonal=True, overwrite_A=True
        )
        return system.by_layers(delta)

    def linearize(self, point: Point) -> Linearization:
        """Return Jacobians and curvature as solutions of the system."""
        from formulations.backends._linearized import BackSubstitutionLinearization

        return BackSubstitutionLinearization(point, self)

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate a multiplication for each entry of the system to fill it, and one to solve it."""
        return estimate_system(network, m, sweeps=1)
