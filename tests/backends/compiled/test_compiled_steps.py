"""Training in compiled runs: each step against its formula, by derived bounds, and everything else bit for bit."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from bounds import gamma, unit
from hypothesis import given
from hypothesis import strategies as st
from makers import data
from scipy.sparse import csr_array
from strategies import seeds

import formulations as fm
from formulations.backends._shared.compiled.forms import COMPILED, OUTPUTS
from formulations.exceptions import NotFinite
from formulations.functions import get_cost
from formulations.training import Adam, GradientDescent, Trainer
from formulations.verification.oracles import reference_gradient
from formulations.verification.tolerances.propagation import propagate_bounds

pytest.importorskip("numba")

from formulations.backends._shared.compiled.products import THIN, add_outer_products, inner_products, product

OPTIMIZERS = {
    "descent": GradientDescent(),
    "momentum": GradientDescent(0.9),
    "nesterov": GradientDescent(0.9, nesterov=True),
    "adam": Adam(),
}
# The output activation of a cost without a combined form is free.
COSTS = [(kind.name, output or "tanh") for kind, output in OUTPUTS]
WEIGHTS = np.array([1, 0, 2, 1, 0.5, 3, 1, 0, 1, 1, 0.25])


def trainer_for(net, X, Y, backend="fused", **options):
    options = {"cost": get_cost("quadratic"), "batch_size": 4, "rate": 0.5} | options
    return Trainer(net, X, Y, backend=backend, **options)


def one_by_one(trainer):
    """Return the same trainer without compiled runs."""
    trainer._compiled = None
    return trainer


def take(trainer, order):
    """Take the steps, and return costs and weights of all of them."""
    return np.hstack([np.array(run) for run in trainer.steps(order)])


def case(output="sigmoid", dtype="float64", m=11, sizes=(5, 7, 6, 3), hidden=("tanh", "leaky_relu")):
    net = fm.Network.random(list(sizes), [*hidden, output], seed=0, dtype=dtype)
    for b in net.biases:
        b[...] = 0.25
    return net, *data(net, m)


class Expected:
    """One step from the present state of a trainer, by the formulas in a higher precision, and how far off it may be.

    The gradient is that of the reference, known to within the bound of T4. u is the unit roundoff. A sum of k terms
    loses γ_k of their magnitudes; an update that is part of the product for ∂C/∂w is a sum of m products and at most
    three other terms, each of which has been multiplied at most three times: m + 8 roundings are more than there are.
    """

    def __init__(self, trainer, rows, l2, l1):
        net, dtype = trainer.network, trainer.network.dtype
        weights = None if trainer.sample_weight is None else trainer.sample_weight[rows]
        X, Y = trainer.X[rows], trainer.Y[rows]
        if weights is not None:
            # As a weighted mean over the others, which an excluded example does not change.
            X, Y, weights = X[weights > 0], Y[weights > 0], weights[weights > 0]
        self.weight = float(len(rows)) if weights is None else float(weights.sum())
        tape = net.forward(X, Y, cost=trainer.plan.cost, sample_weight=weights)
        reference = reference_gradient(tape)
        wide, bounds = reference.dtype, propagate_bounds(reference)
        w = net.vector.astype(wide)
        on_weights, of_gradient, size = np.zeros(w.shape), np.zeros(w.shape, wide), np.zeros(w.shape, wide)
        for i, (of_weights, of_biases) in enumerate(net.layout.slices):
            on_weights[of_weights] = 1
            of_gradient[of_weights], of_gradient[of_biases] = bounds.weights[i].ravel(), bounds.biases[i]
            delta, a = np.abs(reference.errors[i]), np.abs(reference.activations[i])
            size[of_weights], size[of_biases] = (delta.T @ a).ravel(), delta.sum(axis=0)
        divisor = self.weight if trainer._per_batch else 1.0
        penalised = w * on_weights
        g = reference.vector + l2 / divisor * penalised + l1 / divisor * np.sign(penalised)
        size += (l2 * np.abs(penalised) + l1 * on_weights) / divisor
        k = gamma(len(rows) + 8, dtype)
        self.of_gradient = of_gradient + k * size
        penalty = (0.5 * l2 * (penalised**2).sum() + l1 * np.abs(penalised).sum()) / divisor
        self.cost = self.weight * (float(reference.cost) + float(penalty))
        self.of_cost = self.weight * (bounds.cost + gamma(w.size + 4, dtype) * float(penalty)) + 4 * unit(
            "float64"
        ) * abs(self.cost)
        self._update(trainer, w, g, size, k)

    def _update(self, trainer, w, g, size, k):
        dtype, eta = trainer.network.dtype, trainer.rate
        state = {name: array.astype(g.dtype) for name, array in trainer.updates.state.items()}
        kind, E = trainer.updates.rule().kind, self.of_gradient
        factors = trainer.updates.rule().factors.astype(dtype).astype(g.dtype)
        u, tiny = unit(dtype), float(np.finfo(dtype).smallest_subnormal)
        if kind == "descent":
            self.parameters, self.bound = w - eta * g, eta * E + k * (np.abs(w) + eta * size)
            return
        if kind != "adam":
            mu, v = factors[0], state["velocity"]
            changed = mu * v - eta * g
            of_velocity = eta * E + k * (mu * np.abs(v) + eta * size)
            step, of_step = changed, of_velocity
            if kind == "nesterov":
                step, of_step = mu * changed - eta * g, mu * of_velocity + eta * E
            reach = np.abs(w) + np.abs(v) + np.abs(changed) + eta * size
            self.parameters, self.bound = w + step, of_step + gamma(4, dtype) * reach
            return
        beta_1, rest_1, beta_2, rest_2, epsilon = factors
        settings, t = trainer.updates._settings, int(state["count"]) + 1
        by_rate = eta * np.sqrt(1 - settings.beta_2**t) / (1 - settings.beta_1**t)
        mean = beta_1 * state["mean"] + rest_1 * g
        square = beta_2 * state["square"] + rest_2 * g * g
        of_mean = rest_1 * E + 4 * u * (beta_1 * np.abs(state["mean"]) + rest_1 * (np.abs(g) + E)) + tiny
        of_square = rest_2 * (2 * np.abs(g) * E + E * E) + 5 * u * (square + rest_2 * E * E) + 2 * tiny
        low = np.sqrt(np.maximum(square - of_square, 0)) + epsilon
        quotient = mean / (np.sqrt(square) + epsilon)
        largest = (np.abs(mean) + of_mean) / low
        corners = [
            (mean + s * of_mean) / (np.sqrt(np.maximum(square + r * of_square, 0)) + epsilon)
            for s in (-1, 1)
            for r in (-1, 1)
        ]
        spread = np.max(np.abs(np.array(corners) - quotient), axis=0)
        # The powers of β are known to an ulp, of which 1 − β^t keeps a part.
        of_rate = 2 * np.finfo("float64").eps * (1 / (1 - settings.beta_1) + 1 / (1 - settings.beta_2)) + 3 * u
        of_step = by_rate * (spread + (of_rate + 4 * u) * largest)
        self.parameters, self.bound = w - by_rate * quotient, of_step + 2 * u * (np.abs(w) + by_rate * largest)

    def check(self, trainer, found):
        """Hold a step that a trainer has taken against this one."""
        parameters = trainer.network.vector
        assert np.all(np.abs(parameters - self.parameters) <= self.bound)
        assert found.shape == (2, 1)
        assert abs(found[1, 0] - self.weight) <= gamma(trainer.batch_size, "float64") * self.weight
        assert abs(found[0, 0] - self.cost) <= self.of_cost


def follow(trainer, others, order, **penalty):
    """Take one step after the other by all trainers from the same state, and hold each against its formula."""
    size = trainer.batch_size
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        expected = Expected(trainer, rows, **penalty)
        for other in others:
            other.network.vector[...] = trainer.network.vector
            for name, array in trainer.updates.state.items():
                other.updates.state[name][...] = array
        for each in (trainer, *others):
            expected.check(each, take(each, rows))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("cost", "output"), COSTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_step_is_that_of_its_formula_and_of_the_steps_one_by_one(optimizer, cost, output, dtype):
    net, X, Y = case(output, dtype)
    options = {"cost": get_cost(cost), "optimizer": OPTIMIZERS[optimizer], "rate": 0.125}
    penalty = {"l2": 0.25, "l1": 0.125}
    Y[1] = 1e30 if output == "tanh" else 1.0
    trainers = [
        trainer_for(net.copy(), X, Y, backend, sample_weight=WEIGHTS, penalty_per_batch=True, **penalty, **options)
        for backend in ("fused", "fused", "hadamard")
    ]
    assert trainers[0]._compiled is not None
    assert trainers[2]._compiled is None
    one_by_one(trainers[1])
    follow(trainers[0], trainers[1:], np.array([3, 1, 4, 2, 6, 5, 9, 8, 10, 0, 7]), **penalty)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_so_is_one_of_many_examples(optimizer, dtype):
    m, penalty = THIN + 8, {"l2": 0.25, "l1": 0.125}
    net, X, Y = case("tanh", dtype, m + 5)
    options = {"optimizer": OPTIMIZERS[optimizer], "batch_size": m, **penalty}
    trainer = trainer_for(net.copy(), X, Y, **options)
    assert trainer._compiled is not None
    follow(trainer, [trainer_for(net.copy(), X, Y, "hadamard", **options)], np.arange(m + 5), **penalty)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("optimizer", ["descent", "momentum", "nesterov"])
@pytest.mark.parametrize("m", [4, 10, THIN + 8])
def test_a_decay_below_the_unit_roundoff_is_kept_on_average(m, optimizer, penalty):
    """A weight in [1, 2) that changes by decay ± noise is rounded by at most an ulp to either side, with mean 0.

    Two steps from the same state, with the penalty and without, differ by the decay and by the roundings of both, four
    at most of each weight. By Hoeffding's inequality, the mean of N differences of two roundings exceeds
    ulp·√(2 ln(2/p)/N) with the probability p.
    """
    random, eta, ulp = np.random.default_rng(0), 2.0**-14, 2.0**-23
    factor = 0.375 * ulp / eta
    w = random.choice([-1, 1], (60, 100)) * random.uniform(1.1, 1.9, (60, 100))
    net = fm.Network([w.astype("float32")], [np.zeros(60, "float32")], ["identity"])
    X, Y = random.normal(size=(20 * m, 100)).astype("float32"), random.normal(size=(20 * m, 60)).astype("float32")
    options = {"batch_size": m, "rate": eta, "optimizer": OPTIMIZERS[optimizer]}
    trainers = [trainer_for(net.copy(), X, Y, **options, **given) for given in ({}, {penalty: factor})]
    w, decays = net.weights[0].astype(float), []
    for start in range(0, len(X), m):
        for trainer in trainers:
            assert trainer._compiled is not None
            trainer.network.vector[...] = net.vector
            for array in trainer.updates.state.values():
                array[...] = 0
            take(trainer, np.arange(start, start + m))
        free, penalised = (trainer.network.weights[0].astype(float) for trainer in trainers)
        assert np.all((np.abs(free) >= 1) & (np.abs(free) < 2))
        decays.append((free - penalised) * np.sign(w))
    wanted = eta * factor * (np.abs(w) if penalty == "l2" else np.ones_like(w))
    by_nesterov = 1 + OPTIMIZERS[optimizer].momentum if optimizer == "nesterov" else 1
    bound = 4 * ulp * np.sqrt(2 * np.log(2 / 1e-9) / np.size(decays))
    assert abs(np.mean(decays) - by_nesterov * np.mean(wanted)) <= bound <= 0.25 * np.mean(wanted)


@st.composite
def runs(draw):
    """Draw a trainer with compiled steps, the order of its examples, and the penalty."""
    sizes = draw(st.lists(st.integers(1, 9), min_size=2, max_size=4))
    cost, output = draw(st.sampled_from(COSTS))
    names = draw(st.lists(st.sampled_from(COMPILED[:-1]), min_size=len(sizes) - 2, max_size=len(sizes) - 2))
    seed, dtype = draw(seeds), draw(st.sampled_from(["float32", "float64"]))
    net = fm.Network.random(sizes, [*names, output], seed=seed, dtype=dtype)
    net.vector[...] *= net.dtype.type(10.0 ** draw(st.integers(-2, 0)))
    m, random = draw(st.integers(1, 12) | st.integers(THIN, THIN + 6)), np.random.default_rng(seed)
    X, Y = random.normal(size=(m, sizes[0])).astype(dtype), random.uniform(size=(m, sizes[-1])).astype(dtype)
    penalty = {name: draw(st.sampled_from([0.0, 0.01, 0.3])) for name in ("l2", "l1")}
    trainer = Trainer(
        net,
        X,
        Y,
        cost=get_cost(cost),
        batch_size=draw(st.integers(1, m)),
        rate=draw(st.sampled_from([0.01, 0.3])),
        backend="fused",
        optimizer=OPTIMIZERS[draw(st.sampled_from(list(OPTIMIZERS)))],
        sample_weight=draw(st.none() | st.just(random.uniform(0.1, 1, m))),
        penalty_per_batch=draw(st.booleans()),
        **penalty,
    )
    return trainer, random.permutation(m), penalty


@given(runs())
def test_steps_of_random_networks_are_those_of_their_formulas(run):
    trainer, order, penalty = run
    assert trainer._compiled is not None
    follow(trainer, [], order, **penalty)


@pytest.mark.parametrize("optimizer", ["descent", "momentum", "nesterov"])
@pytest.mark.parametrize("penalty", [{}, {"l2": 0.5}, {"l1": 1.0}, {"l2": 0.5, "l1": 1.0, "penalty_per_batch": True}])
def test_where_arithmetic_is_exact_the_steps_are_those_of_whole_numbers(optimizer, penalty):
    random = np.random.default_rng(0)
    sizes = (6, 7, 5)
    shapes = list(zip(sizes[1:], sizes, strict=False))
    weights = [random.integers(-2, 3, shape).astype(float) for shape in shapes]
    net = fm.Network(weights, [random.integers(-2, 3, n).astype(float) for n in sizes[1:]], ["relu", "identity"])
    X, Y = random.integers(-3, 4, (8, 6)).astype(float), random.integers(-3, 4, (8, 5)).astype(float)
    momentum = {"descent": 0.0}.get(optimizer, 0.5)
    options = {
        "optimizer": GradientDescent(momentum, nesterov=optimizer == "nesterov"),
        "rate": 0.5,
        "sample_weight": np.array([1.0, 2, 0, 1, 1, 1, 1, 1]),
        **penalty,
    }
    kept = net.copy()
    fast = trainer_for(net, X, Y, **options)
    assert fast._compiled is not None
    found = take(fast, np.arange(8))
    wide = kept.astype("longdouble")
    for other, kind in ((kept, float), (wide, np.longdouble)):
        trainer = trainer_for(other, X.astype(kind), Y.astype(kind), "hadamard", **options)
        assert np.array_equal(take(trainer, np.arange(8)), found)
        assert np.array_equal(other.vector, net.vector)
    assert not np.array_equal(net.vector, np.rint(net.vector))


def lengths(monkeypatch, first, seconds):
    monkeypatch.setattr("formulations.training.steps.trainer.FIRST", first)
    monkeypatch.setattr("formulations.training.steps.trainer.RUN", seconds)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_results_do_not_depend_on_the_lengths_of_the_runs(optimizer, monkeypatch):
    options = {"optimizer": OPTIMIZERS[optimizer], "l2": 0.01, "l1": 0.01, "sample_weight": WEIGHTS}
    results = []
    # A run of one step takes more than no time, and all steps less than an hour.
    for first, seconds, expected in ((1, 0.0, [1] * 9), (2, 3600.0, [2, 1, 3, 3]), (100, 3600.0, [3, 3, 3])):
        lengths(monkeypatch, first, seconds)
        net, X, Y = case()
        trainer, record, runs = trainer_for(net, X, Y, **options), np.empty((2, 3)), []
        taken = []
        for epoch in range(3):
            order = np.random.default_rng(epoch).permutation(11)
            for costs, weights in trainer.steps(order, record):
                runs.append(len(costs))
                assert np.shares_memory(costs, record)
                assert len(costs) == len(weights)
            taken.append(record.copy())
        assert runs == expected
        results.append((net.vector, np.hstack(taken), *trainer.updates.state.values()))
    for parts in zip(*results, strict=True):
        assert np.array_equal(parts[0], parts[1])
        assert np.array_equal(parts[0], parts[2])


def test_examples_may_lie_in_any_order_in_memory():
    order, vectors = np.array([7, 0, 10, 2, 5, 1, 9]), []
    for change in (lambda A: A, np.asfortranarray, lambda A: np.repeat(np.repeat(A, 2, 0), 3, 1)[::2, ::3]):
        net, X, Y = case()
        X, Y = change(X), change(Y)
        for array in (X, Y):
            array.flags.writeable = False
        weights = np.repeat(WEIGHTS, 2)[::2]
        trainer = trainer_for(net, X, Y, sample_weight=weights)
        assert trainer._compiled is not None
        take(trainer, np.repeat(order, 2)[::2])
        vectors.append(net.vector)
    assert np.array_equal(vectors[0], vectors[1])
    assert np.array_equal(vectors[0], vectors[2])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_batch_without_weight_changes_nothing(optimizer):
    net, X, Y = case()
    options = {"optimizer": OPTIMIZERS[optimizer], "l2": 1.0, "l1": 1.0}
    weights = np.array([1.0, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1])
    trainer = trainer_for(net.copy(), X, Y, sample_weight=weights, **options)
    found = take(trainer, np.arange(11))
    assert found[:, 1].tolist() == [0, 0]
    other = trainer_for(net.copy(), X, Y, sample_weight=weights, **options)
    wanted = np.hstack([take(other, np.arange(4)), take(other, np.arange(8, 11))])
    assert np.array_equal(found[:, [0, 2]], wanted)
    assert np.array_equal(trainer.network.vector, other.network.vector)
    for name, array in trainer.updates.state.items():
        assert np.array_equal(array, other.updates.state[name])


def test_what_is_not_served_goes_step_by_step():
    net, X, Y = case()
    assert trainer_for(net, csr_array(X), Y)._compiled is None
    assert trainer_for(net, X, Y, "fused:batch=example")._compiled is None
    quartic = fm.cost(lambda A, Y: ((A - Y) ** 4).sum(axis=1), lambda A, Y: 4 * (A - Y) ** 3, name="quartic")
    assert trainer_for(net, X, Y, cost=quartic)._compiled is None
    wide, X, Y = case(sizes=(600, 70, 4, 3), m=60)
    # 2¹⁸ multiplications are the most that one thread takes.
    assert trainer_for(wide, X, Y, batch_size=6)._compiled is not None
    assert trainer_for(wide, X, Y, batch_size=7)._compiled is None

    class Slower(GradientDescent):
        def start(self, parameters):
            updates = super().start(parameters)
            updates.rule = lambda **_: None
            return updates

    assert trainer_for(wide, X, Y, batch_size=6, optimizer=Slower())._compiled is None


@pytest.mark.skipif(os.name == "nt", reason="a process cannot send itself SIGINT there")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_ctrl_c_stops_at_the_end_of_a_run_and_a_checkpoint_goes_on_from_there(optimizer, monkeypatch, tmp_path):
    lengths(monkeypatch, 2, 0.0)
    net, X, Y = case(m=40)
    options = {"batch_size": 4, "epochs": 3, "seed": 0, "backend": "fused", "optimizer": OPTIMIZERS[optimizer]}
    whole = net.copy()
    history = fm.sgd(whole, X, Y, learning_rate=0.1, **options)
    made, calls = type(fm.get_backend("fused")).compiled_steps, []

    def watched(self, *given):
        steps = made(self, *given)

        def take(*given):
            steps(*given)
            calls.append(len(given[-1]))
            if sum(calls) == 14:
                os.kill(os.getpid(), signal.SIGINT)

        return take

    monkeypatch.setattr(type(fm.get_backend("fused")), "compiled_steps", watched)
    options["checkpoint"] = tmp_path / "run.npz"
    stopped = net.copy()
    first = fm.sgd(stopped, X, Y, learning_rate=0.1, **options)
    assert first.interrupted
    assert (sum(calls), len(first.epochs)) == (14, 1)
    monkeypatch.undo()
    resumed = net.copy()
    rest = fm.sgd(resumed, X, Y, learning_rate=0.1, **options)
    assert np.array_equal(resumed.vector, whole.vector)
    assert rest.costs == history.costs
    assert not np.array_equal(stopped.vector, whole.vector)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divergence_is_reported_as_without_compiled_runs(dtype):
    said = []
    for backend in ("fused", "hadamard"):
        net, X, Y = case("square", dtype, hidden=("square", "square"))
        with pytest.raises(NotFinite) as caught:
            fm.sgd(net, X, Y, epochs=3, batch_size=4, learning_rate=1e3, backend=backend, seed=0)
        said.append(str(caught.value))
        assert not np.isfinite(net.vector).all()
    assert said[0] == said[1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_are_exact_in_whole_numbers(dtype):
    random, number = np.random.default_rng(0), np.dtype(dtype).type

    def whole(*shape):
        return random.integers(-9, 10, shape).astype(dtype)

    for m, n, k in [
        (1, 1, 1),
        (2, 4, 5),
        (3, 5, 9),
        (5, 3, 10),
        (7, 6, 33),
        (4, 1, 70),
        (THIN, 7, 6),
        (THIN + 1, 7, 6),
    ]:
        A, B, D, held = whole(m, k), whole(n, k), whole(m, n), whole(n, k)
        out, right = np.full((m, n), np.nan, dtype), np.ascontiguousarray(B.T)
        inner_products(A, B, out)
        assert np.array_equal(out, A.astype(int) @ B.T.astype(int))
        out = np.full((m, n), np.nan, dtype)
        product(A, right, out)
        assert np.array_equal(out, A.astype(int) @ B.T.astype(int))
        for alpha, beta, decay in ((-1, 1, -2), (3, -2, 0), (2, 3, 5), (1, 0, 0)):
            spare = np.empty((n, k), dtype)
            out = held.copy() if beta else np.full((n, k), np.nan, dtype)
            add_outer_products(number(alpha), D, A, number(beta), number(decay), out, spare if beta else out)
            assert np.array_equal(out, alpha * (D.T.astype(int) @ A.astype(int)) + (beta + decay) * held.astype(int))
