"""What is special to components: each neuron with its own function, and a forward pass of its own."""

from __future__ import annotations

import bounds
import makers
import numpy as np
import pytest

import formulations as fm
from formulations.backends._base import contract


def test_a_layer_of_different_neurons():
    mixed = fm.PerNeuron(["tanh", "sine", "tanh", "softplus", "silu"])
    net = makers.network(activations=(mixed, fm.PerNeuron(["sigmoid", "identity", "sigmoid"])))
    X, Y = makers.data(net)
    found, hadamard = (fm.gradient(net, X, Y, backend=each).vector for each in ("per_neuron", "hadamard"))
    assert bounds_hold(net, X, Y, found - hadamard)


def bounds_hold(net, X, Y, difference) -> bool:
    return bounds.within(difference, 2 * bounds.propagated(net, X, Y).vector)


@pytest.mark.parametrize("j", range(5))
def test_a_single_modified_neuron(j):
    members = ["sigmoid"] * 5
    members[j] = "sine"
    plain, modified = (makers.network(activations=(layer, "sigmoid")) for layer in ("sigmoid", fm.PerNeuron(members)))
    X, Y = makers.data(plain)
    g = fm.gradient(modified, X, Y, backend="per_neuron")
    tape = modified.forward(X, Y)
    z = tape.weighted_inputs[0]
    pulled = (g.errors[1] @ modified.weights[1])[:, j]
    # f_j′ takes the place of σ′ for that neuron: cos for sine.
    E = bounds.propagated(modified, X, Y).errors[0][:, j]
    assert bounds.within(g.errors[0][:, j] - pulled * np.cos(z[:, j]), 2 * E)
    others = np.delete(np.arange(5), j)
    kept = plain.forward(X, Y)
    assert np.array_equal(tape.activations[1][:, others], kept.activations[1][:, others])
    assert bounds_hold(modified, X, Y, g.vector - fm.gradient(modified, X, Y, backend="hadamard").vector)


def test_its_forward_pass_is_its_own(monkeypatch):
    net = makers.network()
    plan = fm.prepare(net, 8, backend="per_neuron")
    monkeypatch.setattr(fm.Tape, "blocks", lambda *_, **__: pytest.fail("the shared forward pass was used"))
    plan(*makers.data(net))


def test_a_wrong_shared_forward_pass_is_found_out(monkeypatch):
    net = makers.network()
    X, Y = makers.data(net)
    bound = 2 * bounds.propagated(net, X, Y).vector
    shared = contract.forward

    def without_bias(network, tape, **options):
        unbiased = network.copy()
        for b in unbiased.biases:
            b[...] = 0
        shared(unbiased, tape, **options)

    monkeypatch.setattr(contract, "forward", without_bias)
    found, hadamard = (fm.gradient(net, X, Y, backend=each).vector for each in ("per_neuron", "hadamard"))
    assert not bounds.within(found - hadamard, bound)


def test_predicted_forward_passes_are_counted():
    net = makers.network()
    g = fm.gradient(net, *makers.data(net), backend="per_neuron")
    assert g.forward_passes == fm.get_backend("per_neuron").estimate(net, 8).forward_passes == 1
