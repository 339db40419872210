"""The bounds of σ″ and ∇²_aC."""

from __future__ import annotations

import numpy as np
import pytest

import formulations as fm
from formulations.arrays.roundoff import Precision
from formulations.functions.activations.table import ACTIVATIONS
from formulations.functions.costs.table import COSTS
from formulations.verification.operators.curvatures import cost_curvature, curvature_bound
from formulations.verification.tolerances.customary import Formulas

PRECISION = Precision(np.dtype("float32"), np.dtype("float64"))
Z = np.concatenate([np.linspace(-40, 40, 2001), np.geomspace(1e-8, 80, 200), -np.geomspace(1e-8, 80, 200)])
Z = Z.astype("float32")[:, None]


def within(found, reference, bound, share):
    return (np.abs(found - reference) <= share * bound).all()


@pytest.mark.parametrize("name", [name for name, activation in ACTIVATIONS.items() if not activation.coupled])
def test_a_built_in_curvature_is_within_its_bound(name):
    activation, z = ACTIVATIONS[name], Z.astype("float64")
    with np.errstate(all="ignore"):
        bound = curvature_bound(activation, z, np.zeros_like(z), PRECISION)
        assert within(activation.curvature(Z), activation.curvature(z), bound, 1)
        # A fault of a thousandth is beyond it wherever the curvature counts.
        size = np.abs(activation.curvature(z))
        assert (1e-3 * size > bound)[(size > 0.01) & (np.abs(z) < 10)].all()


def by_tanh(z):
    return (np.tanh(z / 2) + 1) / 2


CUSTOMARY = {
    "sigmoid": lambda z: by_tanh(z) * (1 - by_tanh(z)) * (1 - 2 * by_tanh(z)),
    "tanh": lambda z: -2 * (2 * by_tanh(2 * z) - 1) * (1 - (2 * by_tanh(2 * z) - 1) ** 2),
    "softplus": lambda z: by_tanh(z) * (1 - by_tanh(z)),
    "silu": lambda z: by_tanh(z) * (1 - by_tanh(z)) * (2 + z * (1 - 2 * by_tanh(z))),
}


@pytest.mark.parametrize("name", CUSTOMARY)
def test_a_customary_curvature_is_within_the_bound_of_customary_formulas(name):
    activation, z = ACTIVATIONS[name], Z.astype("float64")
    bound = curvature_bound(activation, z, np.zeros_like(z), PRECISION, Formulas.CUSTOMARY)
    assert within(CUSTOMARY[name](Z), activation.curvature(z), bound, 1)


@pytest.mark.parametrize("name", COSTS)
def test_the_curvature_of_a_cost_is_within_its_bound(name):
    random = np.random.default_rng(0)
    A = random.uniform(1e-3, 1 - 1e-3, (500, 3)).astype("float32")
    Y = random.uniform(0, 1, (500, 3)).astype("float32")
    moved = (A * np.float32(1 + 1e-6)).astype("float64") - A
    wide = A.astype("float64"), Y.astype("float64")
    slope, bound = cost_curvature(COSTS[name], *wide, np.abs(moved), PRECISION)
    limit = bound + PRECISION.gamma(slope.roundings) * slope.acted_on
    found = COSTS[name].curvature_product(A * np.float32(1 + 1e-6), Y, np.ones_like(A))
    assert within(found, slope.matrix, limit, 1)
    assert limit.max() < 1e-3 * slope.acted_on.max()


def test_the_curvature_of_a_users_cost_is_a_matrix():
    coupled = fm.cost(
        lambda A, Y: (A - Y).sum(axis=1) ** 2,
        lambda A, Y: 2 * (A - Y).sum(axis=1, keepdims=True) + 0 * A,
        curvature=lambda A, Y: np.full((*A.shape, A.shape[1]), 2, A.dtype) + 0 * Y[..., None],
        name="square of the sum",
    )
    A = np.random.default_rng(0).uniform(size=(4, 3))
    slope, bound = cost_curvature(coupled, A, A / 2, np.full_like(A, 1e-6), PRECISION)
    assert slope.matrix.shape == (4, 3, 3) and (slope.matrix == 2).all() and not bound.any()
