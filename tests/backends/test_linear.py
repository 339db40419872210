"""What is special to linear neurons: every other network is refused, with the layer that is not linear."""

from __future__ import annotations

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.exceptions import Refused


@pytest.mark.parametrize("activation", [name for name in makers.ELEMENTWISE if name != "identity"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_layer_that_is_not_linear_is_named(activation, place):
    activations = ["identity"] * 3
    activations[place] = activation
    net = fm.Network.random([2, 2, 2, 2], activations, seed=0)
    reason = f"it needs the activation identity in every layer, and layer {place + 2} has {activation}"
    assert fm.which(net)["linear"] == reason
    with pytest.raises(Refused, match=reason):
        fm.gradient(net, np.zeros((1, 2)), np.zeros((1, 2)), backend="linear")


def test_the_refusal_names_those_that_can():
    net = makers.network()
    with pytest.raises(Refused, match="backends that can: hadamard, sigma, product, per_neuron, finite_difference"):
        fm.prepare(net, 8, backend="linear")


def test_a_layer_of_identities_one_by_one_is_linear():
    net = fm.Network.random([2, 2, 2], [fm.PerNeuron(["identity", "identity"]), "identity"], seed=0)
    assert fm.which(net)["linear"] is None


def test_one_modified_neuron_is_refused():
    net = fm.Network.random([2, 2, 2], [fm.PerNeuron(["identity", "tanh"]), "identity"], seed=0)
    assert fm.which(net)["linear"] is not None


def test_a_function_that_only_computes_z_is_not_the_identity_by_name():
    mine = fm.activation(lambda z: z.copy(), np.ones_like, name="identity")
    assert fm.which(fm.Network.random([2, 2], mine, seed=0))["linear"] is not None


def test_no_slope_is_read():
    net = makers.network(activations=("identity", "identity"))
    X, Y = makers.data(net)
    plan = fm.prepare(net, 8, backend="linear")
    plan(X, Y)
    for slopes in plan.tape.slopes:
        slopes[...] = np.nan
    errors = fm.get_backend("linear").errors(net, plan.tape)
    assert all(np.isfinite(delta).all() for delta in errors)


def test_the_arithmetic_is_that_of_hadamard():
    net = makers.network(activations=("identity", "identity"))
    X, Y = makers.data(net)
    linear, hadamard = (fm.gradient(net, X, Y, backend=each).vector for each in ("linear", "hadamard"))
    assert np.array_equal(linear, hadamard)


def test_predicted_forward_passes_are_counted():
    net = makers.network(activations=("identity", "identity"))
    g = fm.gradient(net, *makers.data(net), backend="linear")
    assert g.forward_passes == fm.get_backend("linear").estimate(net, 8).forward_passes == 1
