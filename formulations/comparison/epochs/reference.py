r"""The reference that judges an epoch: what roundoff can do to the parameters at its end, to first order.

A step computes θ' = θ − η∇C(θ), and a contestant rounds. Its gradient differs from ∇C by at most E, the bound of T4 for
customary formulas. Scaling by η, and adding the terms of the mini-batch to θ in any order, round m + 1 times more:

.. math:: |\rho_t| \le r_t = 2 \eta E_t + \gamma_{m+2} |\theta_t|

(E contains γ_{m+3} of the terms, so twice E covers their two further roundings.) From then on the exact steps carry
this difference, and the derivative of a step is I − ηH. At the end it is, to first order,

.. math:: \epsilon_T = \sum_t P_t \rho_t, \qquad P_t = (I - \eta H_{T-1}) \cdots (I - \eta H_{t+1})

Bounds of the norms of P_t multiply, and grow beyond use within some hundred steps. One component needs no norm: for any
vector c,

.. math:: |c^T \epsilon_T| \le \sum_t |P_t^T c|^T r_t

and all :math:`P_t^T c` come from one backward pass through the epoch, v ← v − ηHv: the errors of backpropagation, with
steps for layers. S. Linnainmaa invented reverse accumulation for this very sum (*Taylor expansion of the accumulated
rounding error*, BIT 16, 1976). The components are the entries of a random sample, and each array's sum with random
signs, in which every entry counts.

The reference itself descends in the contestants' dtype with a gradient in the next higher precision, so that it adds
one rounding of θ a step, which γ covers. This rule is T5.

In float32 this worst case, in which all of some ten million roundings conspire, is too wide to reveal a fault. Then
rule S takes the ρ_t that NumPy's own steps make in that dtype at the same θ_t, treats them as independent from step to
step, and allows twenty times the root of the sum of their squares:

.. math:: |c^T \epsilon_T| \le 20 \, \left( \sum_t (c^T P_t \rho_t)^2 \right)^{1/2}

five standard deviations, for contestants whose order of sums and formulas round up to four times as much.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from formulations.arrays import Array, Layout, gamma, unit_roundoff
from formulations.backends import DEFAULT
from formulations.data import Problem
from formulations.operators import hessian
from formulations.plans import gradient
from formulations.verification import Formulas, Status, propagate_bounds, reference_gradient

__all__ = ["EpochReference", "EpochVerdict", "measure_reference"]

SAMPLED = 2
"""Entries of each array that are judged one by one."""
MULTIPLE = 20.0
"""Of the roundoff of NumPy's own steps, by rule S."""
RESOLUTION = 1e-3
"""A bound above this fraction of the largest change in its array cannot tell a wrong epoch from a right one."""


@dataclass(frozen=True)
class EpochVerdict:
    """The verdict on what a contestant has done.

    Attributes
    ----------
    status : Status
        ``equal``, ``different`` or ``inconclusive``.
    rule : str
        T5 or S, see :mod:`formulations.comparison.epochs.reference`; or the unit of the ratio.
    ratio : float
        The largest residual in units of its bound.
    reason : str
        One sentence unless equal.
    """

    status: Status
    rule: str
    ratio: float
    reason: str = ""


@dataclass(frozen=True)
class EpochReference:
    """The parameters after an epoch, and how far roundoff can take some components of them.

    Attributes
    ----------
    layout : Layout
        Of the flat vector.
    vector : ndarray of shape (P + N,)
        The parameters after the epoch.
    entries : ndarray of int of shape (k,)
        The entries that are judged.
    signs : ndarray of shape (P + N,)
        ±1; the sum with these signs is judged too.
    rule : str
        T5 or S.
    bounds : ndarray of shape (k + 1,)
        Of the distance from ``vector``, for each entry and for the sum.
    sharp : bool
        Whether the bounds of all entries are below a thousandth of the largest change in their array.
    """

    layout: Layout
    vector: Array
    entries: Array
    signs: Array
    rule: str
    bounds: Array
    sharp: bool

    def judge(self, vector: Array) -> EpochVerdict:
        """Judge the parameters after the same epoch, shape (P + N,)."""
        wide = np.promote_types(self.vector.dtype, np.float64)
        difference = vector.astype(wide) - self.vector
        residuals = np.abs(np.append(difference[self.entries], self.signs @ difference))
        ratios = residuals / self.bounds
        # NaN counts as the worst.
        worst = int(np.argmax(np.where(np.isnan(ratios), np.inf, ratios)))
        if not (residuals <= self.bounds).all():
            found = "the sum of all parameters with random signs"
            if worst < len(self.entries):
                found = self.layout.locate(int(self.entries[worst]))
            return EpochVerdict(
                Status.DIFFERENT, self.rule, float(ratios[worst]),
                f"after the epoch, {found} is {residuals[worst]:.2g} from the reference, further than roundoff "
                f"explains ({self.bounds[worst]:.2g}).",
            )  # fmt: skip
        if not self.sharp:
            return EpochVerdict(
                Status.INCONCLUSIVE, self.rule, float(ratios[worst]),
                "the bound is too wide to tell a right epoch from a wrong one.",
            )  # fmt: skip
        return EpochVerdict(Status.EQUAL, self.rule, float(ratios[worst]))


def measure_reference(problem: Problem, batch_size: int, rate: float, order: Array) -> EpochReference:
    """Take the steps of an epoch, and bound what roundoff can do to the parameters at its end.

    Parameters
    ----------
    problem : Problem
        The network at its start, the examples and the cost.
    batch_size : int
        Of a mini-batch; divides the number of examples.
    rate : float
        η, a number of the network's dtype.
    order : ndarray of int of shape (m,)
        The examples, one mini-batch after the other.

    Returns
    -------
    EpochReference
    """
    network = problem.network.copy()
    layout, dtype = network.layout, network.dtype
    wide, u = np.promote_types(dtype, np.float64), unit_roundoff(dtype)
    visited, worst, made = list[Array](), list[Array](), list[Array]()
    for X, Y in _batches(problem, batch_size, order):
        tape = network.forward(X, Y, cost=problem.cost)
        reference = reference_gradient(tape)
        of_gradient = propagate_bounds(reference, formulas=Formulas.CUSTOMARY)
        bound = np.empty(layout.count, wide)
        for (of_weights, of_biases), w, b in zip(layout.slices, of_gradient.weights, of_gradient.biases, strict=True):
            bound[of_weights], bound[of_biases] = np.ravel(w), b
        before = network.vector.astype(wide)
        after = before - rate * reference.vector
        rounded = network.vector - dtype.type(rate) * gradient(network, X, Y, problem.cost, DEFAULT).vector
        visited.append(network.vector.copy())
        worst.append((2 * rate * bound + gamma(batch_size + 2, u) * np.abs(before)).astype(np.float64))
        made.append((rounded - after).astype(np.float64))
        network.vector[...] = after
    generator = np.random.default_rng(0)
    parts = [part for pair in layout.slices for part in pair]
    entries = np.concatenate([generator.integers(part.start, part.stop, SAMPLED) for part in parts])
    signs = generator.choice([-1.0, 1.0], layout.count)
    changes = np.abs(network.vector.astype(wide) - visited[0])
    largest = RESOLUTION * np.repeat([changes[part].max() for part in parts], SAMPLED)
    widest, typical = _carried(problem, batch_size, rate, order, visited, (worst, made), entries, signs)
    sharp = bool((widest[:-1] <= largest).all())
    rule, bounds = ("T5", widest) if sharp else ("S", MULTIPLE * typical)
    return EpochReference(layout, network.vector, entries, signs, rule, bounds, bool((bounds[:-1] <= largest).all()))


def _batches(problem: Problem, size: int, order: Array) -> Iterator[tuple[Array, Array]]:
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        yield problem.X[rows], problem.Y[rows]


def _carried(
    problem: Problem, batch_size: int, rate: float, order: Array,
    visited: Sequence[Array], roundoff: tuple[Sequence[Array], Sequence[Array]], entries: Array, signs: Array,
) -> tuple[Array, Array]:  # fmt: skip
    """Return Σ|P_tᵀc|ᵀr_t and the root of Σ(cᵀP_tρ_t)², for each entry and for the sum with signs."""
    network = problem.network.astype(np.float64)
    carried = np.zeros((len(signs), len(entries) + 1))
    carried[entries, np.arange(len(entries))] = 1
    carried[:, -1] = signs
    widest, squares = np.zeros((2, len(entries) + 1))
    batches = list(_batches(problem, batch_size, order))
    for (X, Y), parameters, r, rho in zip(
        batches[::-1], visited[::-1], *(each[::-1] for each in roundoff), strict=True
    ):
        widest += r @ np.abs(carried)
        squares += (rho @ carried) ** 2
        network.vector[...] = parameters
        H = hessian(network, X.astype(np.float64), Y.astype(np.float64), problem.cost)
        carried -= rate * (H @ carried)
    return widest, np.sqrt(squares)
