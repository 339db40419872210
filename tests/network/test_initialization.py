"""Random weights: their variances, by a bound on how far a sample variance can be from the true one."""

from __future__ import annotations

import math

import numpy as np
import pytest

import formulations as fm
from formulations.functions import LeakyReLU

SIZES = (100, 300)
DRAWN = SIZES[0] * SIZES[1]
VARIANCES = {"glorot": (2 / (100 + 300), 0.0), "he": (2 / 100, 0.0), "book": (1.0, 1.0)}


@pytest.mark.parametrize("init", VARIANCES)
@pytest.mark.parametrize("seed", range(3))
def test_weights_and_biases_have_their_variances(init, seed):
    net = fm.Network.random(SIZES, seed=seed, init=init)
    for drawn, variance in zip((net.weights[0], net.biases[0]), VARIANCES[init], strict=True):
        # The mean square of n normal numbers of variance v has the standard deviation v·√(2/n).
        assert abs(np.mean(drawn**2) - variance) <= 6 * variance * math.sqrt(2 / drawn.size)
        assert abs(np.mean(drawn)) <= 6 * math.sqrt(variance / drawn.size)


def test_the_bound_tells_the_rules_apart():
    # 6·√(2/n) must be less than the relative distance of any two of the variances, fan-in and fan-out swapped included.
    found = [2 / (100 + 300), 2 / 100, 2 / 300, 1 / 100, 1.0]
    for one in found:
        for other in found:
            assert one == other or abs(one - other) > 2 * 6 * max(one, other) * math.sqrt(2 / DRAWN)


@pytest.mark.parametrize("init", ["glorot", "he"])
def test_biases_that_are_zero_have_no_sign(init):
    for biases in fm.Network.random([2, 30, 5], seed=0, init=init).biases:
        assert not biases.any() and not np.signbit(biases).any()


def deviation_from_orthonormal(weights, gain):
    """Return ‖QᵀQ − I‖ of the rows or columns, whichever are fewer, and the bound of Householder's method."""
    tall = weights if weights.shape[0] >= weights.shape[1] else weights.T
    m, n = tall.shape
    # Higham, Theorem 19.4 and its proof: ‖Q̂ − Q‖ ≤ √n γ̃_mn for an orthonormal Q, where γ̃_k = γ_ck with a small
    # integer c, here 8. The gain, its product with an entry, and the entries' storage take three roundings more.
    u = np.finfo(weights.dtype).eps / 2
    off = math.sqrt(n) * (8 * m * n * np.finfo(float).eps / 2 + 3 * u)
    product = tall.astype(np.longdouble).T @ tall.astype(np.longdouble) / np.longdouble(gain) ** 2
    return np.linalg.norm((product - np.eye(n)).astype(float)), 2 * off + off**2


GAINS = [
    ("sigmoid", 1.0), ("identity", 1.0), ("softmax", 1.0), ("tanh", 5 / 3), ("relu", math.sqrt(2)),
    ("leaky_relu", math.sqrt(2 / (1 + 0.01**2))), (LeakyReLU(0.25), math.sqrt(2 / (1 + 0.25**2))),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [(7, 5), (5, 7), (6, 6), (1, 4), (4, 1)])
@pytest.mark.parametrize(("activation", "gain"), GAINS)
def test_orthogonal_rows_or_columns_have_the_gain_of_the_activation(sizes, dtype, activation, gain):
    net = fm.Network.random(sizes, activation, init="orthogonal", seed=0, dtype=dtype)
    off, bound = deviation_from_orthonormal(net.weights[0], gain)
    assert off <= bound < 1e-4
    assert not net.biases[0].any() and not np.signbit(net.biases[0]).any()


@pytest.mark.slow
def test_the_gains_are_those_of_pytorch():
    calculate_gain = pytest.importorskip("torch").nn.init.calculate_gain
    names = {"identity": "linear"}
    for activation, gain in GAINS[:6]:
        if activation != "softmax":
            assert gain == pytest.approx(calculate_gain(names.get(activation, activation)), rel=1e-15)
    assert GAINS[6][1] == pytest.approx(calculate_gain("leaky_relu", 0.25), rel=1e-15)


def test_each_neuron_has_the_gain_of_its_function():
    members = ["relu", "tanh", "identity"]
    together = fm.Network.random([5, 3], fm.PerNeuron(members), init="orthogonal", seed=0).weights[0]
    for j, name in enumerate(members):
        assert (together[j] == fm.Network.random([5, 3], name, init="orthogonal", seed=0).weights[0][j]).all()


def test_orthogonal_weights_are_distributed_uniformly():
    # The one entry of a 1 × 1 factor is 1 or −1; without the correction of the signs it is always the same.
    drawn = [np.random.default_rng(seed).standard_normal() for seed in range(20)]
    found = [fm.Network.random([1, 1], init="orthogonal", seed=seed).weights[0][0, 0] for seed in range(20)]
    assert found == np.sign(drawn).tolist()
    # An entry of a uniformly distributed n × n matrix has mean 0 and variance 1/n.
    corner = np.array([fm.Network.random([4, 4], init="orthogonal", seed=s).weights[0][0, 0] for s in range(400)])
    assert abs(corner.mean()) <= 6 * math.sqrt(0.25 / corner.size)


def test_the_same_seed_gives_the_same_orthogonal_network_in_every_dtype():
    double, single = (
        fm.Network.random([6, 5, 3], "relu", init="orthogonal", seed=3, dtype=d) for d in ("float64", "float32")
    )
    assert (double.vector.astype(np.float32) == single.vector).all()
