"""Planted bugs: each fault in a copy of a correct backend is caught, so that the tests that pass mean something."""

from __future__ import annotations

import bounds
import exact
import makers
import numpy as np
import pytest

import formulations as fm
from formulations.backends.hadamard import Hadamard
from formulations.contract import Backend


class Zero(Hadamard):
    """Nothing but zeros."""

    def gradient(self, tape, gradient):
        super().gradient(tape, gradient)
        gradient.vector[...] = 0


class Sign(Hadamard):
    """The first layer's error with the other sign."""

    def errors(self, tape):
        errors = super().errors(tape)
        errors[0] *= -1
        return errors


class TransposedSquareWeight(Hadamard):
    """w instead of its transpose, wherever the shapes do not give it away."""

    def errors(self, tape):
        delta = np.multiply(tape.cost_gradient, tape.slopes[-1], out=tape.errors[-1])
        for l in tape.hidden_layers:
            weights = tape.network.weights[l - 1]
            rows, columns = weights.shape
            pulled = delta @ (weights.T if rows == columns else weights)
            delta = np.multiply(pulled, tape.slopes[l - 2], out=tape.errors[l - 2])
        return tape.errors


class LostBias(Hadamard):
    """No gradient of the last layer's biases."""

    def gradient(self, tape, gradient):
        super().gradient(tape, gradient)
        gradient.biases[-1][...] = 0


class MeanForSum(Hadamard):
    """The errors, divided by m already, averaged instead of summed."""

    def gradient(self, tape, gradient):
        super().gradient(tape, gradient)
        gradient.vector[...] /= tape.m


class ValueForSlope(Hadamard):
    """σ where σ′ belongs, in the hidden layers."""

    def errors(self, tape):
        delta = np.multiply(tape.cost_gradient, tape.slopes[-1], out=tape.errors[-1])
        for l in tape.hidden_layers:
            delta = tape.pull_back(l, delta)
            delta *= tape.activations[l - 1]
        return tape.errors


class MissingSlope(Hadamard):
    """δ^L without σ′(z^L)."""

    def errors(self, tape):
        delta = tape.errors[-1]
        np.copyto(delta, tape.cost_gradient)
        for l in tape.hidden_layers:
            delta = tape.pull_back(l, delta)
            delta *= tape.slopes[l - 2]
        return tape.errors


class SlightlyOff(Hadamard):
    """The first layer's error, 0.05 % too large."""

    def errors(self, tape):
        errors = super().errors(tape)
        errors[0] *= tape.network.dtype.type(1.0005)
        return errors


class LastExampleDropped(Hadamard):
    """The last example of the mini-batch left out."""

    def errors(self, tape):
        errors = super().errors(tape)
        for delta in errors:
            delta[-1] = 0
        return errors


class WrongCost(Hadamard):
    """The gradient of one cost with twice its value."""

    def gradient(self, tape, gradient):
        super().gradient(tape, gradient)
        gradient.cost = 2 * gradient.cost


class StaleErrors(Hadamard):
    """δ of the hidden layers in the wrong order of layers."""

    def gradient(self, tape, gradient):
        super().gradient(tape, gradient)
        gradient.errors = gradient.errors[::-1]


FAULTS = [
    Zero, Sign, TransposedSquareWeight, LostBias, MeanForSum, ValueForSlope, MissingSlope, SlightlyOff,
    LastExampleDropped, WrongCost, StaleErrors,
]  # fmt: skip


def exact_tier(backend: Backend) -> list[str]:
    """What the exact tier says."""
    complaints = (exact.disagreement(backend, seed, False, "float64") for seed in exact.SEEDS)
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
    assert exact_tier(fault())


@pytest.mark.parametrize("dtype", makers.DTYPES)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_bounds_catch_it(fault, dtype):
    assert outside_the_bounds(fault(), dtype)


class RemembersTheFirstBatch(Hadamard):
    """The slopes of the first call, kept."""

    def errors(self, tape):
        if tape.workspace is None:
            tape.workspace = [slopes.copy() for slopes in tape.slopes]
        for slopes, kept in zip(tape.slopes, tape.workspace, strict=True):
            slopes[...] = kept
        return super().errors(tape)


class ChangesTheInputs(Hadamard):
    """Scales X in place."""

    def gradient(self, tape, gradient):
        super().gradient(tape, gradient)
        tape.X[...] *= 2


class DoublePrecision(Hadamard):
    """Returns the errors in float64 whatever came."""

    def errors(self, tape):
        return [delta.astype("float64") for delta in super().errors(tape)]


def test_a_plan_that_remembers_is_caught_by_a_second_batch():
    net = makers.network()
    plan = fm.prepare(net, 8, backend=RemembersTheFirstBatch())
    first, second = makers.data(net, seed=0), makers.data(net, seed=1)
    assert np.array_equal(plan(*first).vector, fm.gradient(net, *first).vector)
    assert not np.array_equal(plan(*second).vector, fm.gradient(net, *second).vector)


def test_changed_inputs_are_caught_by_read_only_arrays():
    net = makers.network()
    X, Y = makers.locked(*makers.data(net))
    with pytest.raises(ValueError, match="read-only"):
        fm.gradient(net, X, Y, backend=ChangesTheInputs())


def test_another_dtype_is_caught():
    net = makers.network(dtype="float32")
    with pytest.raises(ValueError, match="datatype"):
        fm.gradient(net, *makers.data(net), backend=DoublePrecision())
