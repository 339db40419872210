"""What is special to forward mode: a pass for every parameter, stacked, with nothing transposed."""

from __future__ import annotations

import bounds
import makers
import numpy as np
import pytest

import formulations as fm
from formulations.backends import tangent


@pytest.mark.parametrize("block", [1, 100, 2**18])
def test_every_parameter_has_a_pass_of_its_own(monkeypatch, block):
    net = makers.network()
    directions = []
    derivatives = tangent._derivatives

    def counted(network, tape, l, j, amounts, output_error):
        directions.append(j.size)
        return derivatives(network, tape, l, j, amounts, output_error)

    monkeypatch.setattr(tangent, "BLOCK", block)
    monkeypatch.setattr(tangent, "_derivatives", counted)
    g = fm.gradient(net, *makers.data(net), backend="tangent")
    assert sum(directions) == net.vector.size
    assert max(directions) <= max(1, block // (8 * 5))
    assert fm.get_backend("tangent").estimate(net, 8).detail == f"{net.vector.size} tangent passes"
    assert g.forward_passes == fm.get_backend("tangent").estimate(net, 8).forward_passes == 1


@pytest.mark.parametrize("block", [1, 60])
def test_the_blocks_do_not_show(monkeypatch, block):
    net = makers.sparse_network()
    X, Y = makers.data(net)
    monkeypatch.setattr(tangent, "BLOCK", block)
    found, truth = (fm.gradient(net, X, Y, backend=each).vector for each in ("tangent", "hadamard"))
    assert bounds.within(found - truth, 2 * bounds.propagated(net, X, Y).vector)


def test_multiplications_by_hand():
    net = fm.Network.random([2, 3, 2], ["tanh", "sigmoid"], seed=0)
    # 9 parameters: σ′ of 3, 2·3 weights, σ′ of 2, ∇_aC of 2. 8 parameters: σ′ of 2 and ∇_aC of 2. Forward: 12.
    assert fm.get_backend("tangent").estimate(net, 4).multiplications == 4 * (9 * 13 + 8 * 4 + 12)


@pytest.mark.parametrize("cost", makers.COST_NAMES)
def test_the_directions_of_the_biases_give_the_errors(cost):
    net = makers.network("tangent", activations=("tanh", "softmax" if cost == "log_likelihood" else "sigmoid"))
    X, Y = makers.data(net)
    g = fm.gradient(net, X, Y, cost, "tangent")
    truth = fm.gradient(net, X, Y, cost, "back_substitution")
    for mine, delta in zip(g.errors, truth.errors, strict=True):
        # Tanh and sums of five: far fewer than 64 roundings of numbers of the size of the largest.
        assert bounds.within(mine - delta, bounds.gamma(64, net.dtype) * np.abs(truth.vector).max())
        assert not np.shares_memory(mine, delta)


def test_one_direction_is_a_jacobian_vector_product():
    net = fm.Network([[[3.0]], [[2.0]]], [[0.0], [0.0]], ["square", "identity"])
    tape = net.forward([[1.0]], [[17.0]])
    # ż² = 1, ȧ² = 2·3, ż³ = 2·6, ∇_aC = 1.
    assert tangent._derivatives(net, tape, 2, np.array([0]), np.ones((1, 1)), None).tolist() == [[12.0]]
