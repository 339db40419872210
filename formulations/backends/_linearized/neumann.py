r"""Jacobians and curvature by sweeps over all layers at once, until the system's solution is exact.

.. math::

    \delta \leftarrow e + U \delta, \qquad \dot z \leftarrow r + U^T \dot z

They are the systems of ``back_substitution``. U has blocks above its diagonal only, so after one sweep for each hidden
layer the solution is exact.

It misleads as a method for one machine: every sweep multiplies by all weights, and a triangular solution does so once.

Source: that of ``back_substitution``; the sum :math:`\sum_k U^k = (I - U)^{-1}` is Neumann's series, finite here.

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.hessian(net, [[1.0]], [[17.0]], backend="neumann").to_dense()[0, 0]  # (2·2·3)² + (2·9 − 17)·2·2
np.float64(148.0)
"""

from __future__ import annotations

from typing import ClassVar, Literal

from formulations.arrays import Array
from formulations.backends._linearized.back_substitution import BackSubstitutionLinearization

__all__ = ["NeumannLinearization"]


class NeumannLinearization(BackSubstitutionLinearization):
    """Solutions of the system by one sweep for each hidden layer."""

    matrix: ClassVar[Literal["U", "I-U"]] = "U"

    def solve(self, right: Array, *, transposed: bool) -> Array:
        """Return the solutions of the system, or of the transposed one, for k right-hand sides, shape (k, m, N)."""
        columns = right.reshape(len(right), -1).T
        U = self.system.matrix.T if transposed else self.system.matrix
        solution = columns
        for _ in self.point.network.hidden_layers:
            solution = columns + U @ solution
        moved: Array = solution.T
        return moved.reshape(right.shape)
