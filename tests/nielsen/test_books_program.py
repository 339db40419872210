"""The book's programs, run with one import changed: the same lines, and the same parameters within rounding."""

from __future__ import annotations

import io
import random
from contextlib import redirect_stdout
from functools import cache
from itertools import pairwise

import makers
import numpy as np
import pytest
from bounds import gamma, propagated

import formulations as fm
from benchmarks import book_network
from formulations import nielsen

BACKENDS = ("hadamard", "sigma", "per_neuron", "fused")

CHAPTER_1 = """
training_data, validation_data, test_data = load_data_wrapper()
net = Network([64, 30, 10])
net.SGD(training_data, 3, 10, 3.0, test_data=test_data)
net.SGD(training_data, 1, 10, 3.0)
"""

CHAPTER_2 = """
class MatrixNetwork(Network):
    def update_mini_batch(self, mini_batch, eta):
        X = np.hstack([x for x, y in mini_batch])
        Y = np.hstack([y for x, y in mini_batch])
        nabla_b, nabla_w = self.backprop(X, Y)
        self.weights = [w - (eta / len(mini_batch)) * nw for w, nw in zip(self.weights, nabla_w)]
        self.biases = [b - (eta / len(mini_batch)) * nb for b, nb in zip(self.biases, nabla_b)]

    def backprop(self, X, Y):
        activations, zs = [X], []
        for b, w in zip(self.biases, self.weights):
            zs.append(np.dot(w, activations[-1]) + b)
            activations.append(sigmoid(zs[-1]))
        delta = self.cost_derivative(activations[-1], Y) * sigmoid_prime(zs[-1])
        nabla_b, nabla_w = [delta], [np.dot(delta, activations[-2].T)]
        for l in range(2, self.num_layers):
            delta = np.dot(self.weights[-l + 1].T, delta) * sigmoid_prime(zs[-l])
            nabla_b.insert(0, delta)
            nabla_w.insert(0, np.dot(delta, activations[-l - 1].T))
        return [b.sum(axis=1, keepdims=True) for b in nabla_b], nabla_w

training_data, validation_data, test_data = load_data_wrapper()
net = MatrixNetwork([64, 30, 10])
net.SGD(training_data, 2, 10, 3.0, test_data=test_data)
"""
"""The chapter's exercise: backpropagation for all examples of a mini-batch at once."""


def pairs(X, Y):
    return list(zip(X[:, :, None], Y[:, :, None], strict=True))


@cache
def book_data():
    """Training, validation and test data of the shape of the book's, from the embedded digits."""
    X_train, Y_train, X_test, Y_test = fm.load_digits()
    tests = list(zip(X_test[:, :, None], Y_test.argmax(axis=1), strict=True))
    return pairs(X_train, Y_train)[:200], tests[100:], tests[:100]


def run(program, module, *, listed=True):
    """Run a program with the names of a module, and return what it prints and its network."""
    np.random.seed(1)  # noqa: NPY002 - the book's generator
    random.seed(2)

    def load_data_wrapper():
        return tuple(list(part) if listed else zip(*zip(*part, strict=True), strict=True) for part in book_data())

    names, printed = {"np": np, "load_data_wrapper": load_data_wrapper}, io.StringIO()
    with redirect_stdout(printed):
        exec(f"from {module.__name__} import Network, sigmoid, sigmoid_prime\n{program}", names)
    return printed.getvalue(), names["net"]


@cache
def by_the_book(program):
    return run(program, book_network)


@pytest.mark.parametrize("backend", BACKENDS)
def test_chapter_1_prints_the_same_lines(monkeypatch, backend):
    makers.skip_absent(backend)
    expected, theirs = by_the_book(CHAPTER_1)
    monkeypatch.setenv("FORMULATIONS_BACKEND", backend)
    printed, ours = run(CHAPTER_1, nielsen)
    assert printed == expected
    lines = printed.splitlines()
    assert len(lines) == 4 and lines[2].startswith("Epoch 2: ") and lines[2].endswith(" / 100")
    assert lines[3] == "Epoch 0 complete"
    assert [w.shape for w in (*ours.weights, *ours.biases)] == [w.shape for w in (*theirs.weights, *theirs.biases)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_chapter_2_prints_the_same_lines(monkeypatch, backend):
    makers.skip_absent(backend)
    expected, theirs = by_the_book(CHAPTER_2)
    monkeypatch.setenv("FORMULATIONS_BACKEND", backend)
    printed, ours = run(CHAPTER_2, nielsen)
    assert printed == expected
    # Every step is the program's own, so every bit is.
    assert all(np.array_equal(w, v) for w, v in zip(ours.weights, theirs.weights, strict=True))


def test_iterators_are_listed_once():
    # The last training would find an iterator at its end.
    program, lines = (text.splitlines()[:-1] for text in (CHAPTER_1, by_the_book(CHAPTER_1)[0]))
    printed, _ = run("\n".join(program), nielsen, listed=False)
    assert printed.splitlines() == lines


def test_a_gradient_of_one_example_is_right(analytic):
    np.random.seed(3)  # noqa: NPY002
    net = nielsen.Network([5, 4, 3], backend=analytic)
    x, y = np.linspace(-1, 1, 5)[:, None], np.array([[1.0], [0.0], [0.5]])
    flat = fm.Network(net.weights, [b.ravel() for b in net.biases])
    if reason := fm.get_backend(analytic).why_not(flat, fm.functions.get_cost("quadratic")):
        pytest.skip(reason)
    nabla_b, nabla_w = net.backprop(x, y)
    assert [b.shape for b in nabla_b] == [(4, 1), (3, 1)] and [w.shape for w in nabla_w] == [(4, 5), (3, 4)]
    found = np.concatenate([part.ravel() for pair in zip(nabla_w, nabla_b, strict=True) for part in pair])
    of_book = book_network.Network([5, 4, 3])
    of_book.weights, of_book.biases = net.weights, net.biases
    by_book = [part.ravel() for pair in zip(*of_book.backprop(x, y)[::-1], strict=True) for part in pair]
    # Both are within the bound of the exact gradient.
    assert (np.abs(found - np.concatenate(by_book)) <= 2 * propagated(flat, x.T, y.T).vector).all()


SIZES, ETA, BATCH, EPOCHS = [6, 5, 3], 3.0, 5, 3


def flattened(net):
    return np.concatenate([part.ravel() for pair in zip(net.weights, net.biases, strict=True) for part in pair])


def assign(net, vector):
    """Set the parameters of a network of the book from one vector."""
    net.weights, net.biases, start = [], [], 0
    for below, n in pairwise(net.sizes):
        net.weights.append(vector[start : start + n * below].reshape(n, below))
        net.biases.append(vector[start + n * below : start + n * below + n].reshape(n, 1))
        start += n * below + n


class Recording(book_network.Network):
    """The book's network, which keeps the parameters and the mini-batch of every step."""

    def __init__(self, sizes):
        super().__init__(sizes)
        self.steps = []

    def update_mini_batch(self, mini_batch, eta):
        self.steps.append((flattened(self), mini_batch))
        super().update_mini_batch(mini_batch, eta)


def step_and_slope(vector, mini_batch):
    """Return η∇C of a mini-batch, and the Jacobian I − ηH of the step, by complex steps of the book's program.

    The program is analytic, so Im ∇C(p + ihe)/h is the column of H without any cancellation.
    """
    net = book_network.Network(SIZES)

    def gradient(at):
        assign(net, at)
        sums = [sum(parts) for parts in zip(*(flat(net.backprop(x, y)) for x, y in mini_batch), strict=True)]
        return np.array(sums) / len(mini_batch)

    def flat(nablas):
        nabla_b, nabla_w = nablas
        return np.concatenate([part.ravel() for pair in zip(nabla_w, nabla_b, strict=True) for part in pair])

    h = 1e-100
    columns = [gradient(vector + 1j * h * e).imag / h for e in np.eye(len(vector))]
    return ETA * gradient(vector), np.eye(len(vector)) - ETA * np.column_stack(columns)


def bound_of_run(steps):
    """Return how far three epochs in float64 may end from those in exact arithmetic, entry by entry.

    A step p → p − η∇C(p) in float64 differs from the exact one by at most ρ = ηE + γ_3 η|∇C| + u|p′|, E the bound of
    the gradient's roundoff: one product with η, its quotient by m, and one difference. The later steps carry it on by
    their Jacobians I − ηH. To first order, the end is off by Σ_t |J_T ⋯ J_{t+1}| ρ_t; the rest is smaller by a factor
    like the bound itself.
    """
    u = np.finfo(np.float64).eps / 2
    carried, total = np.eye(len(steps[0][0])), 0
    for vector, mini_batch in reversed(steps):
        at = vector.astype(np.float64)
        moved, jacobian = step_and_slope(at, mini_batch)
        net = nielsen.Network(SIZES)
        assign(net, at)
        flat = fm.Network(net.weights, [b.ravel() for b in net.biases])
        X, Y = (np.hstack(columns).T for columns in zip(*mini_batch, strict=True))
        E = propagated(flat, X.astype(np.float64), Y.astype(np.float64)).vector
        rho = ETA * E + gamma(3, np.float64) * np.abs(moved) + u * np.abs(at - moved)
        total = total + np.abs(carried) @ rho
        carried = carried @ jacobian
    return total


@pytest.fixture(scope="module")
def long_run():
    """Three epochs of the book's program in longdouble: data, first and last parameters, and the bound of float64."""
    generator = np.random.default_rng(4)
    data = pairs(generator.random((13, SIZES[0])), np.eye(SIZES[-1])[generator.integers(0, SIZES[-1], 13)])
    np.random.seed(5)  # noqa: NPY002
    net = Recording(SIZES)
    first = flattened(net)
    assign(net, first.astype(np.longdouble))
    random.seed(6)
    wide = [(x.astype(np.longdouble), y.astype(np.longdouble)) for x, y in data]
    net.SGD(wide, EPOCHS, BATCH, np.longdouble(ETA))
    assert len(net.steps) == EPOCHS * 3 and len(net.steps[-1][1]) == 3
    # The longdouble run is itself off by a bound smaller by its own eps.
    sides = 1 + np.finfo(np.longdouble).eps / np.finfo(np.float64).eps
    return data, first, flattened(net), sides * bound_of_run(net.steps)


def distance(net, long_run):
    """Run three epochs and return how far the parameters end from the longdouble run's, over the bound."""
    data, first, expected, bound = long_run
    assign(net, first)
    random.seed(6)
    net.SGD(list(data), EPOCHS, BATCH, ETA)
    return float((np.abs(flattened(net) - expected) / bound).max())


def test_three_epochs_of_the_book_are_within_rounding(long_run):
    assert distance(book_network.Network(SIZES), long_run) <= 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_three_epochs_end_within_rounding_of_the_books(long_run, backend):
    makers.skip_absent(backend)
    assert distance(nielsen.Network(SIZES, backend), long_run) <= 1


def test_the_bound_sees_a_small_fault(long_run):
    class LastBatch(book_network.Network):
        def update_mini_batch(self, mini_batch, eta):
            super().update_mini_batch(mini_batch, eta * len(mini_batch) / BATCH)

    class Slope(book_network.Network):
        def cost_derivative(self, output_activations, y):
            return (output_activations - y) * (1 + 1e-10)

    assert distance(LastBatch(SIZES), long_run) > 1
    assert distance(Slope(SIZES), long_run) > 1
