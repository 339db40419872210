"""A weighted gradient is the weighted mean of the gradients of single examples."""

from __future__ import annotations

import bounds
import numpy as np
import pytest

import formulations as fm

WEIGHTS = np.array([3.0, 0.0, 1.0, 7.0, 0.0, 2.0])


@pytest.mark.parametrize("cost", ["quadratic", "binary_cross_entropy"])
def test_weights_give_the_weighted_mean_of_single_gradients(cost):
    net = fm.Network.random([3, 4, 2], "sigmoid", seed=0)
    random = np.random.default_rng(0)
    X, Y = random.standard_normal((6, 3)), random.random((6, 2))
    shares = WEIGHTS / WEIGHTS.sum()
    singles = [(X[[i]], Y[[i]]) for i in range(6)]
    gradients = np.array([fm.gradient(net, x, y, cost).vector for x, y in singles])
    mean = shares @ gradients

    # The sum of the weights is exact: each term has a rounded share, a rounded product, and m − 1 additions.
    allowed = bounds.propagated(net, X, Y, cost, WEIGHTS).vector
    allowed += shares @ [bounds.propagated(net, x, y, cost).vector for x, y in singles]
    allowed += bounds.gamma(len(X) + 1, net.dtype) * (shares @ np.abs(gradients))
    assert bounds.within(fm.gradient(net, X, Y, cost, sample_weight=WEIGHTS).vector - mean, allowed)
    assert fm.certify(net, X, Y, mean, cost, sample_weight=WEIGHTS)
