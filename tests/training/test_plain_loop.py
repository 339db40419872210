"""An epoch against the plain loop w ← w − η∇C, within a bound that follows the rounding from step to step."""

from __future__ import annotations

import pickle

import bounds
import makers
import numpy as np
import pytest

import formulations as fm
from formulations.arrays import quiet
from formulations.functions import get_cost
from formulations.training import Trainer

ETA, L2 = 0.5, 0.25


def on_weights(net):
    """Return 1 for each weight and 0 for each bias."""
    layers = zip(net.weights, net.biases, strict=True)
    return np.concatenate([np.r_[np.ones(w.size), np.zeros(b.size)] for w, b in layers]).astype(net.dtype)


def growth(net, X, Y, weights, l2):
    """Return how much a step may enlarge a deviation e of the parameters: ‖I − ηH‖, to first order in e.

    The second order is below e², and so below the rounding of e.
    """
    curvature = fm.hessian(net, X, Y, sample_weight=weights).to_dense() + l2 * np.diag(on_weights(net))
    return np.linalg.norm(np.eye(len(curvature)) - ETA * curvature, 2)


def plain_step(net, X, Y, weights=None, l2=0.0, backend="hadamard"):
    """Take the step w ← w − η(∇C + l2·w on the weights), and return by how much another's may differ from it."""
    u = bounds.unit(net.dtype)
    gradient = fm.gradient(net, X, Y, sample_weight=weights)
    tape = net.forward(X, Y, sample_weight=weights)
    apart = sum(bounds.distance(flag, net, X, Y, sample_weight=weights) for flag in (backend, "hadamard"))
    # What (BP3) and (BP4) sum: a share that is multiplied by −η is rounded up to three times more.
    summed = [
        (np.abs(delta).T @ np.abs(a), np.abs(delta).sum(axis=0))
        for delta, a in zip(gradient.errors, tape.activations, strict=False)
    ]
    sums = np.concatenate([part.ravel() for pair in summed for part in pair])
    penalty = l2 * on_weights(net) * net.vector
    change = -ETA * (gradient.vector + penalty)
    # At most four roundings of each summand of the step, and one of its sum, in either loop.
    rounding = ETA * (apart + bounds.gamma(3, net.dtype) * sums)
    rounding += 2 * (bounds.gamma(4, net.dtype) * ETA * (np.abs(gradient.vector) + np.abs(penalty)))
    rounding += 2 * u * (np.abs(net.vector) + np.abs(change))
    net.vector[...] += change
    return rounding


@pytest.mark.parametrize("weighted", [False, True])
def test_an_epoch_is_the_plain_loop(backend, weighted):
    start = makers.network(backend, sizes=(3, 4, 2))
    X, Y = makers.data(start, 8)
    weights, l2 = (np.array([1.0, 0.5, 0.0, 2.0, 1.5, 0.25, 3.0, 1.0]), L2) if weighted else (None, 0.0)
    order = np.array([5, 0, 7, 1, 2, 6, 4, 3])
    plain, deviation = start.copy(), 0.0
    for i in range(0, 8, 3):
        chosen = order[i : i + 3]
        batch = X[chosen], Y[chosen]
        given = None if weights is None else weights[chosen]
        deviation *= growth(plain, *batch, given, l2)
        deviation += np.linalg.norm(plain_step(plain, *batch, given, l2, backend))
    trained = start.copy()
    trainer = Trainer(
        trained, X, Y, cost=get_cost("quadratic"), batch_size=3, rate=ETA, backend=backend, l2=l2, sample_weight=weights
    )
    for _ in trainer.steps(order):
        pass
    assert np.abs(trained.vector - plain.vector).max() <= deviation
    assert deviation < 1e-4 * np.abs(plain.vector - start.vector).max()


@pytest.mark.parametrize("name", ["hadamard", "sigma", "fused"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("sizes", "l2"), [((600, 30, 4), 0.0), ((600, 30, 4), L2), ((3, 4, 150, 120, 2), 0.0), ((700, 400, 2), 0.0)]
)
def test_steps_of_large_layers_are_plain_steps(name, dtype, sizes, l2):
    # The first layer, one in the middle, and one whose product is too large to be added in one thread.
    makers.skip_absent(name)
    net = makers.network(sizes=sizes, activations=["tanh"] * (len(sizes) - 2) + ["sigmoid"], dtype=dtype)
    X, Y = makers.data(net, 14)
    trainer = Trainer(net, X, Y, cost=get_cost("quadratic"), batch_size=10, rate=ETA, backend=name, l2=l2)
    for start in (0, 10):
        rows = np.arange(start, min(start + 10, 14))
        plain = net.copy()
        bound = plain_step(plain, X[rows], Y[rows], None, l2, name)
        for _ in trainer.steps(rows):
            pass
        assert np.all(np.abs(net.vector - plain.vector) <= bound)
    assert trainer.plan.tape.adds == (sizes != (700, 400, 2))
    # Functions of BLAS cannot be pickled, and a tape can.
    assert np.array_equal(pickle.loads(pickle.dumps(trainer.plan.tape)).X, trainer.plan.tape.X)


class OwnGradient(makers.HadamardWrapper):
    """A backend that writes the gradient by itself."""

    linear_in_shares, calls = True, 0

    def gradient(self, network, tape, gradient):
        """Write the gradient of hadamard."""
        self.calls += 1
        super().gradient(network, tape, gradient)


class OwnSums(makers.HadamardWrapper):
    """A backend that writes the sums over the examples by itself."""

    linear_in_shares, calls = True, 0

    def collect(self, tape, errors, gradient):
        """Write the sums of hadamard."""
        self.calls += 1
        super().collect(tape, errors, gradient)


@pytest.mark.parametrize("kind", [OwnGradient, OwnSums])
def test_a_gradient_that_a_backend_writes_by_itself_is_added_afterwards(kind):
    net = makers.network(sizes=(600, 30, 4), activations=["tanh", "sigmoid"])
    X, Y = makers.data(net, 10)
    backend = kind()
    trainer = Trainer(net, X, Y, cost=get_cost("quadratic"), batch_size=10, rate=ETA, backend=backend)
    assert trainer.plan.tape.adds
    plain = net.copy()
    wanted = float(fm.gradient(plain, X, Y).cost)
    bound = plain_step(plain, X, Y)
    ((costs, _),) = trainer.steps(np.arange(10))
    assert backend.calls == 1
    assert np.all(np.abs(net.vector - plain.vector) <= bound)
    # A difference, its square, the sum of four, the share and its product, and the sum of ten.
    assert abs(costs[0] / 10 - wanted) <= 2 * 20 * bounds.unit("float64") * wanted


def test_every_backend_of_the_library_computes_the_change_at_once():
    assert [name for name in fm.list_backends() if not fm.get_backend(name).linear_in_shares] == []


class OwnShares(makers.HadamardWrapper):
    """A backend that computes the mean by itself, whatever the shares on the tape are."""

    def errors(self, network, tape):
        """Return the errors of hadamard, from ∇_aC = (a − y)/m."""
        tape.cost_gradient[...] = (tape.output - tape.targets) / tape.m
        return super().errors(network, tape)


def test_a_backend_with_shares_of_its_own_computes_the_gradient():
    nets = [makers.network() for _ in range(2)]
    X, Y = makers.data(nets[0], 8)
    for net, backend in zip(nets, (OwnShares(), "hadamard"), strict=True):
        trainer = Trainer(net, X, Y, cost=get_cost("quadratic"), batch_size=3, rate=ETA, backend=backend)
        for _ in trainer.steps(np.arange(8)):
            pass
    # The steps are below 1, and so are the parameters' roundings; three steps grow them by at most (1 + 2η)³ = 8.
    assert np.abs(nets[0].vector - nets[1].vector).max() <= 3 * 8 * 64 * bounds.unit("float64")


@pytest.mark.parametrize("rate", [1e-40, 1e-30, 1e-12, 1e12, 3e38])
@quiet
def test_the_cost_keeps_its_digits_whatever_the_rate(rate):
    net = makers.network(dtype="float32")
    X, Y = makers.data(net, 6)
    Y *= 10
    wanted = float(fm.gradient(net, X, Y).cost)
    trainer = Trainer(net, X, Y, cost=get_cost("quadratic"), batch_size=6, rate=rate)
    ((costs, _),) = trainer.steps(np.arange(6))
    # The shares, their products with ½(a − y)² and the sum of six are at most twelve roundings.
    assert abs(costs[0] / 6 - wanted) <= 2 * 12 * bounds.unit("float32") * wanted
