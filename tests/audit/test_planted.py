"""Planted faults: integers and propagated bounds, which only the tests have, catch each of them too."""

from __future__ import annotations

import bounds
import exact
import makers
import numpy as np
import pytest

import formulations as fm
from formulations.backends._base.contract import Backend
from formulations.backends.hadamard import Hadamard
from tests.audit.mutants import MUTANTS


class SlightlyOff(makers.HadamardWrapper):
    """The first layer's error, 0.05 % too large."""

    def errors(self, network, tape):
        errors = super().errors(network, tape)
        errors[0] *= network.dtype.type(1.0005)
        return errors


class TransposedSquareWeight(makers.HadamardWrapper):
    """w instead of its transpose, wherever the shapes do not give it away: the integers' square weights are sparse."""

    def errors(self, network, tape):
        delta = np.multiply(tape.cost_gradient, tape.slopes[-1], out=tape.errors[-1])
        for l in network.hidden_layers:
            weights = network.weights[l - 1]
            rows, columns = weights.shape
            pulled = delta @ (weights.T if rows == columns else weights)
            delta = np.multiply(pulled, tape.slopes[l - 2], out=tape.errors[l - 2])
        return tape.errors


FAULTS = {
    name: MUTANTS[name].backend
    for name in (
        "nothing_computed", "sign_in_layer", "biases_lost", "mean_twice", "value_for_slope",
        "slope_missing", "example_dropped", "another_cost", "errors_reversed",
    )
} | {"slightly_off": SlightlyOff(), "transposed": TransposedSquareWeight()}  # fmt: skip


def exact_tier(backend: Backend) -> list[str]:
    """What the exact tier says."""
    dense = [seed for seed in exact.SEEDS if exact.served(backend, seed) is False]
    complaints = (exact.disagreement(backend, seed, False, "float64") for seed in dense)
    return [complaint for complaint in complaints if complaint]


def outside_the_bounds(backend: Backend, dtype: str = "float64") -> bool:
    """What the propagated bounds say, on a network whose hidden weights are square."""
    net = makers.network(sizes=(4, 5, 5, 3), activations=("tanh", "sigmoid", "sine"), dtype=dtype)
    X, Y = makers.data(net)
    bound = bounds.propagated(net, X, Y)
    found, truth = (fm.gradient(net, X, Y, backend=each) for each in (backend, "per_neuron"))
    same_errors = all(
        delta.shape == mine.shape and bounds.within(delta - mine, 2 * E)
        for delta, mine, E in zip(truth.errors, found.errors, bound.errors, strict=True)
    )
    same_cost = abs(found.cost - truth.cost) <= 2 * bound.cost
    return not (bounds.within(found.vector - truth.vector, 2 * bound.vector) and same_errors and same_cost)


def test_the_correct_backend_is_not_accused():
    assert exact_tier(Hadamard()) == []
    assert not any(outside_the_bounds(Hadamard(), dtype) for dtype in makers.DTYPES)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_exact_tier_catches_it(fault):
    assert exact_tier(FAULTS[fault])


@pytest.mark.parametrize("dtype", makers.DTYPES)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_bounds_catch_it(fault, dtype):
    assert outside_the_bounds(FAULTS[fault], dtype)
