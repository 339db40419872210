r"""Customary formulas: what the usual ways to write an activation lose beyond the bound of a careful formula.

T4 allows :math:`8u|a|` for each activation. The formulas that most programs use lose more if they cancel, as
:math:`\tfrac12 z(1+\mathrm{erf}(z/\sqrt2))` does for z < −4. A gradient from elsewhere is allowed the largest absolute
loss of these formulas against fifty digits, at 6,597 points in each dtype, rounded up:

============  ====================================================  ==========================  =================
activation    formulas                                              value                       slope
============  ====================================================  ==========================  =================
sigmoid       ½(tanh(z/2) + 1)                                      u                           u
tanh          2σ(2z) − 1, (e^z − e^−z)/(e^z + e^−z)                 3u                          8u
softplus      log(1 + e^z), −log σ(−z), slope 1 − e^−a              2u                          3u
elu           e^z − 1                                               2u                          0
gelu          ½z(1 + erf(z/√2))                                     4u·min(|z|, 9)            u
silu          z·½(tanh(z/2) + 1)                                    ½u·min(|z|, 38)           ½u·min(|z|, 38)
============  ====================================================  ==========================  =================

PyTorch's softplus returns z beyond z = 20. In float64 that is off by up to :math:`e^{-20}`, which is not roundoff: a
gradient within that distance is proved neither right nor wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeAlias

import numpy as np

from formulations.arrays import Array
from formulations.functions import ELU, GELU, Activation, Sigmoid, SiLU, Softplus, Tanh

__all__ = ["APPROXIMATION", "Formulas", "approximates", "granted"]

Loss: TypeAlias = Callable[[Array], tuple[Any, Any]]

THRESHOLD = 20
"""The z beyond which PyTorch's softplus returns z."""

APPROXIMATION = f"torch approximates softplus by z beyond z = {THRESHOLD}"
"""Why a difference proves nothing if :func:`granted` covers it only with approximations."""


class Formulas(Enum):
    """The formulas that a candidate may use for its activations, from the tightest bound to the widest."""

    CAREFUL = "careful"
    CUSTOMARY = "customary"
    APPROXIMATE = "approximate"


_LOSSES: dict[type[Activation], Loss] = {
    Sigmoid: lambda _: (1, 1),
    Tanh: lambda _: (3, 8),
    Softplus: lambda _: (2, 3),
    ELU: lambda _: (2, 0),
    GELU: lambda z: (4 * np.minimum(np.abs(z), 9), 1),
    SiLU: lambda z: (np.minimum(np.abs(z), 38) / 2, np.minimum(np.abs(z), 38) / 2),
}
"""The absolute loss of customary formulas in value and slope, in units of u."""


def granted(activation: Activation, z: Array, e: Array, formulas: Formulas, u: float) -> tuple[Array, Array]:
    """Return what to add to E_a and E_d of a layer, each of shape (m, n).

    Parameters
    ----------
    activation : Activation
        The layer's activation, element-wise.
    z, e : ndarray of shape (m, n)
        Weighted inputs and E_z.
    formulas : Formulas
        The formulas that the candidate may use.
    u : float
        The candidate's unit roundoff.
    """
    of_a, of_d = np.zeros_like(z), np.zeros_like(z)
    if formulas is Formulas.CAREFUL:
        return of_a, of_d
    for j in range(z.shape[1]):
        function, column = activation.neuron(j), z[:, j]
        loss = _LOSSES.get(type(function))
        if loss is not None:
            value, slope = loss(column)
            of_a[:, j], of_d[:, j] = u * value, u * slope
        if formulas is Formulas.APPROXIMATE and type(function) is Softplus:
            near = np.maximum(column - e[:, j], THRESHOLD)
            off = np.where(column + e[:, j] >= THRESHOLD, np.exp(-near), 0)
            of_a[:, j] += off
            of_d[:, j] += off
    return of_a, of_d


def approximates(activations: tuple[Activation, ...]) -> bool:
    """Whether a framework approximates one of the activations."""
    return any(type(function) is Softplus for activation in activations for function in activation.functions)
