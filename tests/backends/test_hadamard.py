"""What is special to Hadamard products: they are the default, in the tape's own memory."""

from __future__ import annotations

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.backends._base.estimates import backward_multiplications, forward_multiplications


def test_it_is_the_default_and_no_variant():
    backend = fm.get_backend()
    assert (backend.name, backend.variant_of, backend.tier) == ("hadamard", None, fm.Tier.RECURRENCE)


def test_the_errors_are_the_tapes_own_buffers():
    net = makers.network()
    plan = fm.prepare(net, 8)
    g = plan(*makers.data(net))
    assert all(delta is buffer for delta, buffer in zip(g.errors, plan.tape.errors, strict=True))


def test_each_equation_by_hand():
    net = makers.network(sizes=(4, 5, 3, 2), activations=("tanh", "sigmoid", "sine"))
    X, Y = makers.data(net)
    tape, g = net.forward(X, Y), fm.gradient(net, X, Y, backend="hadamard")
    assert np.array_equal(tape.cost_gradient, (tape.output - Y) / len(X))
    assert np.array_equal(g.errors[-1], tape.cost_gradient * tape.slopes[-1])
    for i in (1, 0):
        assert np.array_equal(g.errors[i], (g.errors[i + 1] @ net.weights[i + 1]) * tape.slopes[i])
    for i, delta in enumerate(g.errors):
        assert np.array_equal(g.biases[i], np.ones(len(X)) @ delta)
        assert np.array_equal(g.weights[i], delta.T @ tape.activations[i])


@pytest.mark.parametrize(("sizes", "ratio"), [([784, 30, 10], 1.01), ([50] * 12, 1.92)])
def test_backward_over_forward_is_what_its_page_says(sizes, ratio):
    net = fm.Network.random(sizes, seed=0)
    # 2 − n₁n₂/P, with the Hadamard products of N neurons on top.
    layout = net.layout
    exact = 2 - sizes[0] * sizes[1] / layout.weight_count + layout.neuron_count / layout.weight_count
    assert backward_multiplications(net, 10) / forward_multiplications(net, 10) == pytest.approx(exact, rel=1e-12)
    assert exact == pytest.approx(ratio, abs=0.02)


@pytest.mark.parametrize("flag", ["hadamard", "hadamard:batch=example"])
def test_predicted_forward_passes_are_counted(flag):
    net = makers.network()
    X, Y = makers.data(net, 6)
    passes = fm.gradient(net, X, Y, backend=flag).forward_passes
    assert passes == fm.get_backend(flag).estimate(net, 6).forward_passes == (6 if "example" in flag else 1)
