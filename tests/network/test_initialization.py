"""Random weights: their variances, by a bound on how far a sample variance can be from the true one."""

from __future__ import annotations

import math

import numpy as np
import pytest

import formulations as fm

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
