r"""Customary formulas: what the usual ways to write an activation lose beyond the bound of a careful one.

T4 grants :math:`8u|a|` to each activation. The formulas that programs usually have lose more where they cancel, as
:math:`\tfrac12 z(1+\mathrm{erf}(z/\sqrt2))` does for z < −4. A gradient from elsewhere is granted what the worst of
them lost against fifty digits at 6,597 points in each dtype, rounded up, in absolute terms:

============  ====================================================  ==========================  =================
activation    formulas                                              value                       slope
============  ====================================================  ==========================  =================
sigmoid       ½(tanh(z/2) + 1)                                      u                           u
tanh          2σ(2z) − 1, (e^z − e^−z)/(e^z + e^−z)                 3u                          8u
softplus      log(1 + e^z), −log σ(−z), slope 1 − e^−a              2u                          3u
elu           e^z − 1                                               2u                          0
gelu          ½z(1 + erf(z/√2))                                     4u·min(\|z\|, 9)            u
silu          z·½(tanh(z/2) + 1)                                    ½u·min(\|z\|, 38)           ½u·min(\|z\|, 38)
============  ====================================================  ==========================  =================

PyTorch's softplus is z itself beyond z = 20. In float64 that is off by up to :math:`e^{-20}`, which is no roundoff: a
gradient within it is neither proved right nor proved wrong.
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
"""The z beyond which PyTorch's softplus is z."""

APPROXIMATION = f"torch approximates softplus here, by z beyond z = {THRESHOLD}"
"""Why a difference that :func:`granted` covers with approximations alone proves nothing."""


class Formulas(Enum):
    """The formulas that a candidate's activations may be computed by, from the tightest bound to the widest."""

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
"""What customary formulas lose of value and slope, in units of u."""


def granted(activation: Activation, z: Array, e: Array, formulas: Formulas, u: float) -> tuple[Array, Array]:
    """Return what is added to E_a and E_d of a layer, shape (m, n) each.

    Parameters
    ----------
    activation : Activation
        The layer's, element-wise.
    z, e : ndarray of shape (m, n)
        Weighted inputs, and how far they may be off.
    formulas : Formulas
        Those that the candidate may have used.
    u : float
        Its unit roundoff.
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
