"""The steps of a training run: optimizers, penalties, weights, sparse examples."""

from __future__ import annotations

import numpy as np
import pytest
from makers import data, network, skip_absent
from scipy.sparse import csr_array

import formulations as fm
from formulations.exceptions import InvalidInput, UnknownName, WrongType
from formulations.functions import get_cost
from formulations.training import Adam, GradientDescent, Trainer, get_optimizer
from formulations.training.steps.optimizers import Updates

EPS = np.finfo("float64").eps


def trainer_for(net, X, Y, **options):
    return Trainer(net, X, Y, **{"cost": get_cost("quadratic"), "batch_size": X.shape[0], "rate": 0.5, **options})


def step(trainer, chosen):
    """Take one step on the examples in these rows."""
    ((costs, weights),) = trainer.steps(chosen)
    return costs.item(), weights.item()


def by_hand(net, X, Y, optimizer, steps, rate=0.5):
    """Yield the parameters after each step, in extended precision after each float64 gradient."""
    net = net.copy()
    w = net.vector.astype(np.longdouble)
    v = m = s = np.zeros_like(w)
    for t in range(1, steps + 1):
        net.vector[...] = w
        g = fm.gradient(net, X, Y).vector.astype(np.longdouble)
        if isinstance(optimizer, Adam):
            m = optimizer.beta_1 * m + (1 - optimizer.beta_1) * g
            s = optimizer.beta_2 * s + (1 - optimizer.beta_2) * g * g
            of_mean, of_square = m / (1 - optimizer.beta_1**t), s / (1 - optimizer.beta_2**t)
            # ε stands outside the correction.
            w = w - rate * of_mean / (np.sqrt(of_square) + optimizer.epsilon / np.sqrt(1 - optimizer.beta_2**t))
        else:
            v = optimizer.momentum * v - rate * g
            w = w + (optimizer.momentum * v - rate * g if optimizer.nesterov else v)
        yield w


@pytest.mark.parametrize(
    "optimizer", [GradientDescent(), GradientDescent(0.9), GradientDescent(0.9, nesterov=True), Adam(), Adam(0.5, 0.9)]
)
@pytest.mark.parametrize("backend", ["hadamard", "fused", "fused:batch=example"])
def test_steps_are_those_of_the_formulas(optimizer, backend):
    skip_absent(backend)
    net = network()
    X, Y = data(net, 6)
    expected = list(by_hand(net, X, Y, optimizer, 3))
    trainer = trainer_for(net, X, Y, optimizer=optimizer, backend=backend)
    assert (trainer.updates.compiled is None) == (backend == "hadamard")
    for wanted in expected:
        before = np.abs(net.vector).max()
        step(trainer, np.arange(6))
        # At most twelve roundings a step, each relative to the parameters or to a step no larger than 3η.
        assert np.all(np.abs(net.vector - wanted) <= 3 * 12 * EPS * (before + 1.5) * 8)


@pytest.mark.parametrize(
    "optimizer", [GradientDescent(0.9), GradientDescent(0.9, nesterov=True), Adam(), Adam(0.5, 0.9, 1e-3)]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_steps_differ_from_those_of_numpy_by_rounding_only(optimizer, dtype):
    skip_absent("fused")
    random = np.random.default_rng(0)
    start, gradients = random.normal(size=1001).astype(dtype), random.normal(size=(3, 1001)).astype(dtype)
    rate, ways = np.array(0.25, dtype), []
    for compiled in (None, fm.get_backend("fused").compiled_updates()):
        updates = optimizer.start(start.copy())
        updates.compiled = compiled
        for gradient in gradients:
            updates.step(gradient.copy(), rate)
        ways.append([updates._parameters, *updates.state.values()])
    for plain, fast in zip(*ways, strict=True):
        assert fast.dtype == plain.dtype
        # At most twelve roundings a step, each relative to a number no larger than this.
        size = 1 + np.abs(plain).max()
        assert np.all(np.abs(fast - plain) <= 3 * 12 * np.finfo(dtype).eps * size)


def test_the_penalty_moves_weights_and_never_biases():
    net = network()
    X, Y = data(net, 6)
    free, bound = net.copy(), net.copy()
    step(trainer_for(free, X, Y), np.arange(6))
    cost, weight = step(trainer_for(bound, X, Y, l2=0.25), np.arange(6))
    for i in range(len(net.weights)):
        assert np.array_equal(free.biases[i], bound.biases[i])
        # Equation (93): w → (1 − ηλ/n)w − η∇C.
        assert free.weights[i] - 0.5 * 0.25 * net.weights[i] == pytest.approx(
            bound.weights[i], rel=8 * EPS, abs=8 * EPS
        )
    squares = sum(float((w**2).sum()) for w in net.weights)
    assert weight == 6
    assert cost / weight == pytest.approx(float(fm.gradient(net, X, Y).cost) + 0.125 * squares, rel=64 * EPS)


def test_the_absolute_penalty_moves_weights_by_their_sign():
    net = network()
    net.weights[0][0, 0] = 0.0
    X, Y = data(net, 6)
    free, bound = net.copy(), net.copy()
    step(trainer_for(free, X, Y), np.arange(6))
    step(trainer_for(bound, X, Y, l1=0.25), np.arange(6))
    for i in range(len(net.weights)):
        assert np.array_equal(free.biases[i], bound.biases[i])
        assert free.weights[i] - 0.125 * np.sign(net.weights[i]) == pytest.approx(
            bound.weights[i], rel=8 * EPS, abs=8 * EPS
        )


@pytest.mark.parametrize("weights", [None, np.array([1.0, 0.5, 0.0, 2.0, 0.25, 0.75])])
@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_the_penalty_of_a_batch_is_divided_by_its_weight(penalty, weights):
    net = network()
    X, Y = data(net, 6)
    one, other = net.copy(), net.copy()
    weight = 6 if weights is None else weights.sum()
    step(trainer_for(one, X, Y, **{penalty: 0.5}, sample_weight=weights), np.arange(6))
    whole = {penalty: 0.5 * weight}
    step(trainer_for(other, X, Y, **whole, penalty_per_batch=True, sample_weight=weights), np.arange(6))
    assert np.array_equal(one.vector, other.vector)


def test_weighted_examples_count_as_often_as_repeated_ones():
    net = network()
    X, Y = data(net, 4)
    weights = np.array([1.0, 0.0, 2.0, 1.0])
    one, other = net.copy(), net.copy()
    Y[1] = 1e300  # its cost is infinite
    cost, weight = step(trainer_for(one, X, Y, sample_weight=weights), np.arange(4))
    chosen = np.array([0, 2, 2, 3])
    wanted, size = step(trainer_for(other, X, Y), chosen)
    assert weight == size == 4
    assert cost == pytest.approx(wanted, rel=64 * EPS)
    assert one.vector == pytest.approx(other.vector, rel=64 * EPS, abs=64 * EPS)


def test_a_batch_without_weight_is_skipped():
    net = network()
    X, Y = data(net, 4)
    before = net.vector.copy()
    trainer = trainer_for(net, X, Y, sample_weight=np.zeros(4), optimizer=GradientDescent(0.9), l2=1.0)
    assert step(trainer, np.arange(4)) == (0.0, 0.0)
    assert np.array_equal(net.vector, before)


def test_sparse_examples_give_the_bits_of_dense_ones():
    net = network()
    X, Y = data(net, 5)
    X[X < 0.5] = 0.0
    one, other = net.copy(), net.copy()
    for chosen in (np.array([3, 0, 1]), np.array([4, 2])):
        dense, sparse = (trainer_for(net, x, Y, batch_size=3) for net, x in ((one, X), (other, csr_array(X))))
        assert step(dense, chosen) == step(sparse, chosen)
    assert np.array_equal(one.vector, other.vector)


@pytest.mark.parametrize("backend", ["hadamard", "fused"])
def test_the_state_restores_a_run(backend):
    skip_absent(backend)
    net = network()
    X, Y = data(net, 6)
    for optimizer in (GradientDescent(0.9), Adam()):
        kept = net.copy()
        trainer = trainer_for(kept, X, Y, optimizer=optimizer, backend=backend)
        step(trainer, np.arange(6))
        again = trainer_for(kept.copy(), X, Y, optimizer=optimizer, backend=backend)
        for name, array in trainer.updates.state.items():
            again.updates.state[name][...] = array
        for each in (trainer, again):
            step(each, np.arange(6))
        assert np.array_equal(trainer.network.vector, again.network.vector)


@pytest.mark.parametrize(
    ("make", "exception", "part"),
    [
        (lambda: GradientDescent(1.0), InvalidInput, "momentum must be at least 0 and below 1, got 1.0"),
        (lambda: GradientDescent("much"), WrongType, "momentum must be a number, got 'much'"),
        (lambda: GradientDescent(nesterov=True), InvalidInput, "pass momentum=0.9"),
        (lambda: Adam(beta_2=-0.1), InvalidInput, "beta_2"),
        (lambda: Adam(epsilon=0), InvalidInput, "epsilon must be positive"),
        (lambda: get_optimizer("adma"), UnknownName, "sgd, adam"),
        (lambda: get_optimizer("adam", momentum=0.9), InvalidInput, "settings of optimizer='sgd'"),
        (lambda: get_optimizer(3), WrongType, "got 3; pass 'sgd' or 'adam'"),
    ],
)
def test_settings_out_of_range_are_refused(make, exception, part):
    with pytest.raises(exception, match=part):
        make()


@pytest.mark.parametrize(
    ("optimizer", "part"),
    [
        (GradientDescent(1 - 1e-9), "momentum must be below 1 in float32, in which 0.999999999 is 1"),
        (Adam(1 - 1e-9), "beta_1 must be below 1 in float32"),
        (Adam(beta_2=1 - 1e-9), "beta_2 must be below 1 in float32"),
        (Adam(epsilon=1e-50), "epsilon must be positive and finite in float32, in which 1e-50 is 0; pass"),
        (Adam(epsilon=1e50), "epsilon must be positive and finite in float32, in which 1e[+]50 is inf; pass"),
    ],
)
def test_settings_are_checked_in_the_dtype_of_the_network(optimizer, part):
    net = network(dtype="float32")
    before = net.vector.copy()
    with pytest.raises(InvalidInput, match=part):
        fm.sgd(net, *data(net), 1, 4, 0.1, optimizer=optimizer)
    assert np.array_equal(net.vector, before)
    double = network()
    fm.sgd(double, *data(double), 1, 4, 0.1, optimizer=optimizer)


@pytest.mark.parametrize("numbers", [1, 60, 10**6])
@pytest.mark.parametrize("sparse", [False, True])
def test_mini_batches_that_are_gathered_together_are_single_steps(numbers, sparse, monkeypatch):
    monkeypatch.setattr("formulations.training.steps.trainer.GATHERED", numbers)
    net = network()
    X, Y = data(net, 8)
    weights = np.arange(8.0)
    order = np.array([5, 0, 7, 1, 2, 6, 4, 3, 3, 5, 1])
    one, other = net.copy(), net.copy()
    options = {"batch_size": 3, "sample_weight": weights, "optimizer": GradientDescent(0.9)}
    runs = list(trainer_for(one, csr_array(X) if sparse else X, Y, **options).steps(order))
    found = [pair for costs, weights in runs for pair in zip(costs, weights, strict=True)]
    single = trainer_for(other, X, Y, **options)
    assert found == [step(single, order[i : i + 3]) for i in range(0, 11, 3)]
    assert np.array_equal(one.vector, other.vector)


@pytest.mark.parametrize("backend", ["hadamard", "fused"])
def test_runs_fill_the_record_one_after_the_other(backend):
    skip_absent(backend)
    net = network()
    X, Y = data(net, 8)
    trainer = trainer_for(net, X, Y, batch_size=3, backend=backend)
    record, taken = np.full((2, trainer.count(8)), np.nan), 0
    for costs, weights in trainer.steps(np.arange(8), record):
        assert len(costs) == len(weights) > 0
        assert np.shares_memory(costs, record[0, taken:]) and np.shares_memory(weights, record[1, taken:])
        taken += len(costs)
    assert taken == record.shape[1] == 3
    assert record[1].tolist() == [3, 3, 2]


@pytest.mark.parametrize(
    ("optimizer", "kind", "factors", "state"),
    [
        (GradientDescent(), "descent", [], set()),
        (GradientDescent(0.25), "momentum", [0.25], {"velocity"}),
        (GradientDescent(0.25, nesterov=True), "nesterov", [0.25], {"velocity"}),
        (Adam(0.25, 0.75, 1e-3), "adam", [0.25, 0.75, 0.75, 0.25, 1e-3], {"mean", "square", "count"}),
    ],
)
def test_the_optimizers_of_the_library_are_rules_for_compiled_code(optimizer, kind, factors, state):
    updates = optimizer.start(np.zeros(3, np.float32))
    rule = updates.rule(l2=2.0, l1=3.0, per_batch=True)
    assert (rule.kind, rule.factors.tolist(), rule.l2, rule.l1, rule.per_batch) == (kind, factors, 2.0, 3.0, True)
    assert rule.factors.dtype == np.float64
    # The arrays themselves, which compiled code changes in place.
    assert rule.state is updates.state and set(rule.state) == state


def test_an_optimizer_of_a_user_is_no_rule():
    class Signs(Updates):
        """Steps by the gradient's sign."""

        def step(self, gradient, rate):
            pass

    assert Signs().rule() is None
