"""A right backward pass on a wrong tape: the equations hold, and the gradient is wrong."""

from __future__ import annotations

import makers
import numpy as np
import pytest
from makers import data, network

import formulations as fm
from formulations.backends.hadamard import Hadamard
from formulations.backends.product import Product
from formulations.network import forward


def slope_replaced(tape):
    tape.slopes[0][...] = 1


def activation_spoiled(tape):
    tape.activations[1][...] *= 1.0001


def shares_ignored(tape):
    tape.shares = None
    forward(tape.network, tape)


def inputs_changed(tape):
    tape.load(tape.X * 1.0001, tape.Y, tape.shares)
    forward(tape.network, tape)


def inputs_changed_in_place(tape):
    tape.X[...] *= 1.01
    forward(tape.network, tape)


def targets_changed_in_place(tape):
    tape.Y[...] *= 1.01
    forward(tape.network, tape)


def shares_changed_in_place(tape):
    tape.shares[...] *= 1.01
    forward(tape.network, tape)


def parameters_changed_in_place(tape):
    tape.network.vector[...] *= 1.01
    forward(tape.network, tape)


def parameters_overflowing(tape):
    # Bounds from these parameters would be infinite, and nothing would be different.
    tape.network.vector[...] = 1e300
    forward(tape.network, tape)


IN_PLACE = [inputs_changed_in_place, targets_changed_in_place, shares_changed_in_place, parameters_changed_in_place]
SPOILED = [slope_replaced, activation_spoiled, shares_ignored, inputs_changed, *IN_PLACE, parameters_overflowing]


def spoiling(formulation, spoil):
    """Return a formulation that changes the tape before it reads it."""

    class Spoiling(formulation):
        name = "spoiling"

        def errors(self, network, tape):
            spoil(tape)
            return super().errors(network, tape)

    return Spoiling()


@pytest.mark.slow
@pytest.mark.parametrize("formulation", [Hadamard, Product])
@pytest.mark.parametrize("spoil", SPOILED)
def test_a_backend_that_writes_to_its_tape_is_different(formulation, spoil):
    backend, net = spoiling(formulation, spoil), network()
    X, Y = data(net)
    weights = np.arange(1.0, 1 + len(X))
    before = [given.copy() for given in (net.vector, X, Y, weights)]
    found = fm.certify(net, X, Y, backend, sample_weight=weights)
    for given, copy in zip((net.vector, X, Y, weights), before, strict=True):
        np.testing.assert_array_equal(given, copy)
    assert found.status == "different"
    assert found.rule == "T4"
    rows = fm.compare(net, X, Y, backends=["hadamard", backend], sample_weight=weights)
    assert [str(row.status) for row in rows.rows] == ["equal", "different"]
    assert not rows.equal


def test_ignored_sample_weights_are_named():
    net = network()
    X, Y = data(net)
    found = fm.certify(net, X, Y, spoiling(Hadamard, shares_ignored), sample_weight=np.arange(1.0, 1 + len(X)))
    assert found.cause is not None and found.cause.name == "sample_weights_ignored"


NAIVE = {
    "softplus": (lambda z: np.log(1 + np.exp(z)), lambda z: 1 / (1 + np.exp(-z))),
    "logistic": (lambda z: np.exp(z) / (1 + np.exp(z)), lambda z: 1 / (1 + np.exp(z)) - 1 / (1 + np.exp(z)) ** 2),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAIVE)
@pytest.mark.parametrize("backend", ["hadamard", "product", "per_neuron", "hadamard:batch=example"])
@pytest.mark.slow
def test_a_user_defined_activation_may_lose_digits(name, backend, dtype):
    function = fm.activation(*NAIVE[name], name=name)
    for seed in range(5):
        net = fm.Network.random([3, 5, 2], [function, "identity"], seed=seed, dtype=dtype)
        net.vector *= net.dtype.type(8)
        random = np.random.default_rng(seed)
        X, Y = random.random((5, 3)), random.random((5, 2))
        assert fm.certify(net, X, Y, backend).status != "different"
        assert fm.certify(net, X, Y, lambda net, X, Y: fm.gradient(net, X, Y).vector).status != "different"
        spoiled = fm.gradient(net, X, Y).vector * net.dtype.type(1.01)
        assert fm.certify(net, X, Y, spoiled).status != "equal"


COSTS = {
    # a²/2 and a for small a, and a difference of nearly equal squares.
    "of_one": (lambda A, Y: (A - np.log1p(A) - 0 * Y).sum(1), lambda A, Y: 1 - 1 / (1 + A) + 0 * Y),
    "of_squares": (lambda A, Y: ((A - Y) ** 2).sum(1), lambda A, Y: ((1 + A - Y) ** 2 - (1 - A + Y) ** 2) / 2),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize("backend", ["hadamard", "product", "per_neuron", "hadamard:batch=example"])
@pytest.mark.slow
def test_a_user_defined_cost_may_lose_digits(name, backend, dtype):
    cost = fm.cost(*COSTS[name], name=name)
    for seed in range(5):
        net = fm.Network.random([3, 4, 2], "sigmoid", seed=seed, dtype=dtype)
        net.biases[-1][...] = -12 if dtype == "float64" else -6
        random = np.random.default_rng(seed)
        X, Y = random.random((5, 3)), 1e-4 * random.random((5, 2))
        assert fm.certify(net, X, Y, backend, cost).status != "different"
        right = fm.gradient(net, X, Y, cost=cost).vector
        assert fm.certify(net, X, Y, right, cost).status != "different"
        fault = net.dtype.type(1.01 if dtype == "float64" else 2)
        assert fm.certify(net, X, Y, fault * right, cost).status == "different"


class WithoutErrors(makers.HadamardWrapper):
    """A recurrence without δ."""

    name = "without_errors"
    fault = 1.0

    def gradient(self, network, tape, gradient):
        super().gradient(network, tape, gradient)
        gradient.vector *= tape.network.dtype.type(self.fault)
        gradient.errors = None


class WithoutErrorsWrong(WithoutErrors):
    name = "without_errors_wrong"
    fault = 1 + 1e-9


@pytest.mark.slow
def test_a_recurrence_without_errors_is_judged_as_a_product():
    net = network(sizes=(4, 5, 5, 3), activations=("tanh", "sigmoid", "sine"))
    X, Y = data(net)
    found = fm.certify(net, X, Y, WithoutErrors())
    assert (found.status, found.rule) == ("equal", "T2")
    wrong = fm.certify(net, X, Y, WithoutErrorsWrong())
    assert (wrong.status, wrong.layer, wrong.equation) == ("different", 4, "BP1")
    rows = fm.compare(net, X, Y, backends=[WithoutErrors(), WithoutErrorsWrong()]).rows
    assert [str(row.status) for row in rows] == ["equal", "different"]
    assert fm.check_backend(WithoutErrors(), laws=["equal", "conclusive"]).passed
    assert fm.check_backend(WithoutErrorsWrong(), laws=["equal"]).broken
