"""The book's network as an object: plain lists, the global random numbers, and methods that a program overrides."""

from __future__ import annotations

import copy
import pickle
import random
import re
from types import SimpleNamespace

import bounds
import numpy as np
import pytest

import formulations as fm
from benchmarks import book_network
from formulations import nielsen
from formulations.exceptions import InvalidInput, NotFinite, Refused, UnknownName, WrongShape, WrongType
from formulations.training import Trainer

OVERRIDABLE = ("update_mini_batch", "backprop", "cost_derivative", "evaluate", "feedforward")


def examples(m=12, seed=0):
    generator = np.random.default_rng(seed)
    return [(generator.random((4, 1)), np.eye(3)[:, [i % 3]]) for i in range(m)]


def classified(m=12, seed=1):
    return [(x, int(y.argmax())) for x, y in examples(m, seed)]


def seeded(module=nielsen, sizes=(4, 5, 3), **options):
    np.random.seed(7)  # noqa: NPY002 - the book's generator
    random.seed(8)
    return module.Network(list(sizes), **options)


def same(net, other):
    return all(
        np.array_equal(mine, its)
        for mine, its in zip((*net.weights, *net.biases), (*other.weights, *other.biases), strict=True)
    )


def test_the_random_numbers_are_the_books():
    ours, theirs = seeded(), seeded(book_network)
    assert same(ours, theirs)
    assert (ours.sizes, ours.num_layers) == (theirs.sizes, theirs.num_layers)
    mine, its = examples(), examples()
    ours.SGD(mine, 2, 5, 1.0)
    after = random.random()
    seeded(book_network).SGD(its, 2, 5, 1.0)
    assert [x.tolist() for x, _ in mine] == [x.tolist() for x, _ in its] != [x.tolist() for x, _ in examples()]
    assert random.random() == after


def test_a_network_tells_its_sizes_and_backend():
    class Own(nielsen.Network):
        def __init__(self):
            pass

    assert repr(nielsen.Network([4, 5, 3])) == "<Network 4-5-3 of the book>"
    assert repr(nielsen.Network(np.array([4, 3]), backend="sigma")) == "<Network 4-3 of the book, by sigma>"
    assert repr(nielsen.Network([4, 3], fm.get_backend("product"))) == "<Network 4-3 of the book, by product>"
    assert repr(Own()) == "<Own of the book>"
    assert dir(nielsen) == nielsen.__all__


@pytest.mark.parametrize(
    "tests", [None, [], iter([]), classified(4), zip(*zip(*classified(4), strict=True), strict=True)]
)
def test_the_lines_are_the_books(tests, capsys):
    tests = tests if tests is None else list(tests)
    seeded(book_network).SGD(examples(), 2, 5, 1.0, test_data=tests)
    expected = capsys.readouterr().out
    seeded().SGD(examples(), 2, 5, 1.0, test_data=None if tests is None else iter(tests))
    assert capsys.readouterr().out == expected


def test_any_iterable_is_a_list_of_examples():
    ours = seeded()
    ours.SGD(zip(*zip(*examples(), strict=True), strict=True), 2, 5, 1.0)
    singles = [(x.astype(np.float32), y.astype(np.float32)) for x, y in examples()]
    rounded = [(x.astype(np.float64), y) for x, y in singles]
    mine, its = seeded(), seeded()
    mine.SGD(singles, 2, 5, 1.0)
    random.seed(8)
    its.SGD(rounded, 2, 5, 1.0)
    assert same(mine, its)
    for data in (tuple(examples()), [list(pair) for pair in examples()]):
        other = seeded()
        other.SGD(data, 2, 5, 1.0)
        assert same(ours, other)
    theirs = seeded()
    as_lists = [(x.tolist(), y.astype(int).tolist()) for x, y in examples()]
    theirs.SGD(as_lists, 2, 5, 1.0)
    assert same(ours, theirs)


def test_one_example_may_stand_in_the_list_twice():
    data = examples(3)
    ours, theirs = seeded(), seeded()
    ours.SGD(data + data, 1, 2, 1.0)
    random.seed(8)
    theirs.SGD(data + [(x.copy(), y.copy()) for x, y in data], 1, 2, 1.0)
    assert same(ours, theirs)


def test_a_mini_batch_larger_than_the_data_is_all_of_them():
    ours, theirs = seeded(), seeded()
    ours.SGD(examples(), 1, 10**9, 1.0)
    random.seed(8)
    theirs.SGD(examples(), 1, 12, 1.0)
    assert same(ours, theirs)


@pytest.mark.parametrize("block", [1, 100])
def test_the_size_of_a_block_changes_nothing(monkeypatch, capsys, block):
    ours, theirs = seeded(), seeded()
    ours.SGD(examples(23), 2, 5, 1.0, test_data=classified(23))
    printed = capsys.readouterr().out
    random.seed(8)
    monkeypatch.setattr(nielsen, "BLOCK", block)
    theirs.SGD(examples(23), 2, 5, 1.0, test_data=classified(23))
    assert same(ours, theirs) and capsys.readouterr().out == printed


# The lists are the network.


def test_what_was_read_before_a_training_keeps_its_values():
    net = seeded()
    lists, kept = [net.weights, net.biases], copy.deepcopy([net.weights, net.biases])
    net.SGD(examples(), 1, 5, 1.0)
    for values, before in zip(lists, kept, strict=True):
        assert all(np.array_equal(array, old) for array, old in zip(values, before, strict=True))
    assert net.weights is not lists[0] and not np.array_equal(net.weights[0], kept[0][0])
    assert [type(net.weights), type(net.biases)] == [list, list]
    # Each array is its own, as in the book.
    assert all(array.base is None for array in (*net.weights, *net.biases))


def replaced(net):
    net.weights[0] = np.full((5, 4), 0.25)


def edited(net):
    net.weights[0][...] = 0.25


def assigned(net):
    net.weights = [np.full((5, 4), 0.25), net.weights[1]]


def as_lists(net):
    net.weights[0] = [[0.25] * 4] * 5


@pytest.mark.parametrize("change", [replaced, edited, assigned, as_lists])
def test_a_change_of_the_lists_takes_effect(change):
    net = seeded()
    x, y = examples(1)[0]
    # The network has been used before.
    net.backprop(x, y)
    net.feedforward(x)
    net.SGD(examples(), 1, 5, 1.0)
    change(net)
    flat = fm.Network([np.full((5, 4), 0.25), net.weights[1]], [b[:, 0] for b in net.biases])
    assert np.array_equal(net.feedforward(x)[:, 0], flat(x.T)[0])
    nabla_b, nabla_w = net.backprop(x, y)
    expected = fm.gradient(flat, x.T, y.T)
    assert all(np.array_equal(a, b) for a, b in zip(nabla_w, expected.weights, strict=True))
    assert all(np.array_equal(a[:, 0], b) for a, b in zip(nabla_b, expected.biases, strict=True))
    random.seed(8)
    net.SGD(examples(12), 1, 12, 1.0)
    data = examples(12)
    random.seed(8)
    random.shuffle(data)
    step = fm.gradient(flat, *(np.hstack(columns).T for columns in zip(*data, strict=True)))
    assert np.array_equal(net.weights[0], 0.25 - step.weights[0])


def test_the_lists_may_become_another_network():
    net, other = seeded(), seeded(sizes=(4, 6, 2, 3))
    net.SGD(examples(), 1, 5, 1.0)
    net.weights, net.biases = copy.deepcopy([other.weights, other.biases])
    random.seed(9)
    net.SGD(examples(), 2, 5, 1.0)
    random.seed(9)
    other.SGD(examples(), 2, 5, 1.0)
    assert same(net, other)


def test_nothing_raises_under_the_callers_errstate():
    net = seeded()
    net.weights[1] *= 1e3
    with np.errstate(all="raise"):
        net.SGD(examples(), 1, 5, 1.0, test_data=classified())
        net.update_mini_batch([(x * 1e-300, y) for x, y in examples()], 1e-10)
        net.feedforward(examples()[0][0])
        nielsen.sigmoid_prime(np.array([-1000.0, 0.0, 700.0]))


def test_precision_is_the_books():
    net = seeded()
    net.weights, net.biases = ([part.astype(np.float32) for part in parts] for parts in (net.weights, net.biases))
    net.SGD(examples(), 1, 5, 1.0)
    assert {part.dtype for part in (*net.weights, *net.biases)} == {np.dtype(np.float64)}
    net.weights = [w.astype(np.longdouble) for w in net.weights]
    net.SGD(examples(), 1, 5, 1.0)
    assert {part.dtype for part in (*net.weights, *net.biases)} == {np.dtype(np.longdouble)}


def test_copies_and_pickles_are_networks_of_their_own():
    net = Doubled([4, 5, 3])
    net.SGD(examples(), 1, 5, 0.5)
    for other in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        other.factor = 0.0
        x, y = examples(1)[0]
        assert not np.any(other.backprop(x, y)[1][0]) and np.any(net.backprop(x, y)[1][0])


# Methods that a program overrides.


class Doubled(nielsen.Network):
    """Twice the cost: with half the learning rate, every bit is the same."""

    factor = 2.0

    def cost_derivative(self, output_activations, y):
        assert output_activations.shape == y.shape == (3, 1)
        return self.factor * (output_activations - y)


class OwnBackprop(nielsen.Network):
    def backprop(self, x, y):
        nabla_b, nabla_w = super().backprop(x, y)
        return [2.0 * b for b in nabla_b], [2.0 * w for w in nabla_w]


class OwnUpdate(nielsen.Network):
    """Reads and binds the lists at every step, as the book's chapter 3 does for weight decay."""

    def update_mini_batch(self, mini_batch, eta):
        before = self.weights
        super().update_mini_batch(mini_batch, 2.0 * eta)
        assert self.weights is not before


def of_class(monkeypatch):
    monkeypatch.setattr(nielsen.Network, "cost_derivative", lambda _, a, y: 2.0 * (a - y))
    return seeded()


def of_instance(_):
    net = seeded()
    net.cost_derivative = lambda a, y: 2.0 * (a - y)
    return net


def of_subclass(kind):
    def make(_):
        np.random.seed(7)  # noqa: NPY002
        random.seed(8)
        return kind([4, 5, 3])

    return make


@pytest.mark.parametrize(
    "make", [of_class, of_instance, of_subclass(Doubled), of_subclass(OwnBackprop), of_subclass(OwnUpdate)]
)
def test_an_overridden_method_is_obeyed(make, monkeypatch):
    plain = seeded()
    # One example a step, whose gradient is the same however the examples of a mini-batch are summed.
    plain.SGD(examples(), 3, 1, 1.0)
    net = make(monkeypatch)
    net.SGD(examples(), 3, 1, 0.5)
    assert same(net, plain)


def spied(module, name, calls):
    """Return a class of the book's network that notes the calls of one method, with the parameters at that time."""

    def method(self, *args):
        calls.append((name, [np.shape(each) for each in args if not isinstance(each, list)], self.weights[0].shape))
        return getattr(super(kind, self), name)(*args)

    kind = type("Network", (module.Network,), {name: method})
    return kind


@pytest.mark.parametrize("name", OVERRIDABLE)
def test_a_method_is_called_as_often_as_by_the_book(name, capsys):
    calls = {}
    for module in (nielsen, book_network):
        calls[module] = []
        np.random.seed(7)  # noqa: NPY002
        random.seed(8)
        spied(module, name, calls[module])([4, 5, 3]).SGD(examples(), 2, 5, 1.0, test_data=classified())
    assert calls[nielsen] == calls[book_network] != []
    first, second = np.array_split(capsys.readouterr().out.splitlines(), 2)
    assert list(first) == list(second)


def test_parameters_change_at_every_step_for_an_overridden_method():
    seen = []

    class Watching(nielsen.Network):
        def cost_derivative(self, output_activations, y):
            seen.append(self.weights[0][0, 0])
            return output_activations - y

    Watching([4, 5, 3]).SGD(examples(), 1, 5, 1.0)
    assert [len(set(seen[k : k + 5])) for k in (0, 5, 10)] == [1, 1, 1] and len(set(seen)) == 3


def test_a_subclass_need_not_call_init():
    class Own(nielsen.Network):
        def __init__(self):
            self.sizes, self.num_layers = [4, 3], 2
            self.weights, self.biases = [np.zeros((3, 4))], [np.zeros((3, 1))]
            self.monitor = []

        def evaluate(self, _):
            self.monitor.append(self.weights[0].copy())
            return "seen"

    net = Own()
    net.SGD(examples(), 2, 5, 1.0, test_data=classified())
    assert len(net.monitor) == 2 and not np.array_equal(*net.monitor)


def test_what_evaluate_changes_takes_effect():
    class Restarting(nielsen.Network):
        def evaluate(self, _):
            if not restarted:
                restarted.append(self.weights)
                self.weights, self.biases = [2.0 * w for w in start.weights], start.biases
            return 0

    start, restarted = seeded(), []
    net, data = Restarting([4, 5, 3]), examples()
    random.seed(9)
    net.SGD(data, 2, 5, 1.0, test_data=classified())
    plain, data = seeded(), examples()
    random.seed(9)
    plain.SGD(data, 1, 5, 1.0)
    plain.weights, plain.biases = [2.0 * w for w in start.weights], start.biases
    plain.SGD(data, 1, 5, 1.0)
    assert same(net, plain)


def wider(net):
    """Give the hidden layer a sixth neuron."""
    (w2, w3), (b2, b3) = net.weights, net.biases
    net.weights = [np.vstack([w2, np.full((1, 4), 0.25)]), np.hstack([w3, np.full((3, 1), 0.5)])]
    net.biases = [np.vstack([b2, [[0.125]]]), b3]


def extended(net):
    net.weights = [w.astype(np.longdouble) for w in net.weights]


@pytest.mark.parametrize("change", [wider, extended])
def test_a_network_that_grows_between_two_epochs_trains_on(change):
    class Growing(nielsen.Network):
        def evaluate(self, _):
            if not grown:
                grown.append(change(self))
            return 0

    grown = []
    net, plain = seeded(SimpleNamespace(Network=Growing)), seeded()
    random.seed(9)
    net.SGD(examples(), 2, 5, 1.0, test_data=classified())
    data = examples()
    random.seed(9)
    plain.SGD(data, 1, 5, 1.0)
    change(plain)
    plain.SGD(data, 1, 5, 1.0)
    assert same(net, plain)
    assert [w.dtype for w in net.weights] == [w.dtype for w in plain.weights]


def test_data_that_evaluate_changes_are_checked_again():
    class Spoiling(nielsen.Network):
        def evaluate(self, _):
            # The lengths add up to those of two columns.
            data[0], data[1] = (np.ones((3, 1)), data[0][1]), (np.ones((5, 1)), data[1][1])
            return 0

    data = examples(4)
    with pytest.raises(WrongShape, match=r"training_data\[0\]\[0\] must be a column of shape \(4, 1\)"):
        Spoiling([4, 5, 3]).SGD(data, 2, 4, 1.0, test_data=classified())


# Backends.


@pytest.mark.parametrize("backend", fm.list_backends())
def test_every_backend_obeys_an_overridden_derivative_or_says_why_not(backend):
    plain, net = seeded(backend=backend), of_subclass(Doubled)(None)
    net.backend = backend
    x, y = examples(1)[0]
    try:
        expected = plain.backprop(x, y)
        found = net.backprop(x, y)
    except Refused as caught:
        reason = str(caught)
    else:
        vectors = [
            np.concatenate([np.r_[w.ravel(), b.ravel()] for b, w in zip(*each, strict=True)])
            for each in (found, expected)
        ]
        if backend == "fused":
            # It compiles the products only with a cost that has a compiled form.
            same_network = fm.Network(plain.weights, [b[:, 0] for b in plain.biases])
            assert bounds.within(vectors[0] - 2.0 * vectors[1], 4.0 * bounds.propagated(same_network, x.T, y.T).vector)
        else:
            assert np.array_equal(vectors[0], 2.0 * vectors[1])
        return
    assert re.search("needs the value of the cost|cannot serve", reason)


def test_the_flag_chooses_the_formulation(monkeypatch):
    used = []
    plan = Trainer.__init__

    def spy(self, *args, backend, **options):
        plan(self, *args, backend=backend, **options)
        used.append(self.plan.backend.name)

    monkeypatch.setattr(Trainer, "__init__", spy)
    net = seeded(backend="sigma")
    net.SGD(examples(), 1, 5, 1.0)
    net.SGD(examples(), 1, 5, 1.0, backend="product")
    assert net.backend == "sigma"
    net.backend = None
    net.SGD(examples(), 1, 5, 1.0)
    with fm.use_backend("per_neuron"):
        net.SGD(examples(), 1, 5, 1.0)
    assert used == ["sigma", "product", "hadamard", "per_neuron"]
    with pytest.raises(UnknownName, match="valid names are"):
        nielsen.Network([4, 5, 3], backend="sgima")
    with pytest.raises(UnknownName, match="valid names are"):
        net.SGD(examples(), 1, 5, 1.0, backend="sgima")
    assert net.backend is None


def test_a_new_backend_takes_effect_with_the_next_epoch(monkeypatch):
    class Changing(nielsen.Network):
        def evaluate(self, _):
            self.backend = "sigma"
            return 0

    used, step = [], Trainer.descend
    monkeypatch.setattr(
        Trainer, "descend", lambda self, *given: used.append(self.plan.backend.name) or step(self, *given)
    )
    net = seeded(SimpleNamespace(Network=Changing))
    net.SGD(examples(), 3, 12, 1.0, test_data=classified())
    assert used == ["hadamard", "sigma", "sigma"]


def test_methods_of_a_subclass_use_the_backend_of_the_training():
    class Watching(nielsen.Network):
        def update_mini_batch(self, mini_batch, eta):
            seen.append(self.backend)
            super().update_mini_batch(mini_batch, eta)

    seen = []
    net = Watching([4, 5, 3])
    net.SGD(examples(), 1, 12, 1.0, backend="sigma")
    assert (seen, net.backend) == (["sigma"], None)


# What goes wrong.


def test_an_interrupt_keeps_the_steps_that_were_taken(monkeypatch):
    net, plain = seeded(), seeded()
    step, taken = Trainer.descend, []

    def interrupted(self, *mini_batch):
        if len(taken) == 13:
            raise KeyboardInterrupt
        taken.append(mini_batch)
        return step(self, *mini_batch)

    monkeypatch.setattr(Trainer, "descend", interrupted)
    data = examples()
    with pytest.raises(KeyboardInterrupt):
        net.SGD(data, 2, 1, 1.0)
    monkeypatch.undo()
    # One epoch, and the first step of the second.
    random.seed(8)
    plain.SGD(examples(), 1, 1, 1.0)
    plain.SGD(data[:1], 1, 1, 1.0)
    assert same(net, plain)


def test_a_reader_in_another_thread_does_not_disturb_a_training(monkeypatch):
    plain, net = seeded(), seeded()
    plain.SGD(examples(), 1, 5, 1.0)
    step, x = Trainer.descend, examples(1)[0][0]

    def reading(self, *mini_batch):
        net.feedforward(x)
        return step(self, *mini_batch)

    monkeypatch.setattr(Trainer, "descend", reading)
    random.seed(8)
    net.SGD(examples(), 1, 5, 1.0)
    assert same(net, plain)


@pytest.mark.parametrize(("part", "value"), [(0, np.nan), (0, np.inf), (1, -np.inf)])
def test_data_that_are_not_finite_are_named_and_nothing_is_learnt(part, value):
    net, before = seeded(), seeded()
    data = examples()
    data[4][part][2, 0] = value
    with pytest.raises(NotFinite, match=rf"training_data\[\d+\]\[{part}\] must be finite, got {value} at .*\[2, 0\]"):
        net.SGD(data, 1, 5, 1.0)
    assert same(net, before)


def test_divergence_is_an_exception_and_keeps_the_epochs_before():
    net = seeded(sizes=(4, 3))
    net.weights, net.biases = [np.zeros((3, 4))], [np.zeros((3, 1))]
    # The gradient at weights of 0 is as large as the inputs.
    with pytest.raises(NotFinite, match=r"training diverged.*use an eta below 1e\+308"):
        net.SGD([(1e6 * x, y) for x, y in examples()], 1, 5, 1e308)
    assert not np.any(net.weights[0]) and not np.any(net.biases[0])


@pytest.mark.parametrize(
    ("change", "exception", "message"),
    [
        ({"training_data": []}, InvalidInput, r"training_data must hold at least one example, got none"),
        ({"training_data": 5}, WrongType, r"training_data must be a list, got 5"),
        (
            {"training_data": [1.0]},
            WrongType,
            r"training_data must hold pairs \(x, y\), got float at training_data\[0\]",
        ),
        ({"training_data": [(1, 2, 3)]}, WrongType, r"pairs \(x, y\), got tuple"),
        (
            {"training_data": [*examples(1), (np.zeros(4), np.zeros((3, 1)))]},
            WrongShape,
            r"training_data\[1\]\[0\] must be a column of shape \(4, 1\), got shape \(4,\); .*reshape\(-1, 1\)",
        ),
        ({"training_data": [(np.zeros((1, 4)), np.zeros((3, 1)))]}, WrongShape, r"\(4, 1\), got shape \(1, 4\)"),
        (
            {"training_data": classified()},
            WrongShape,
            r"\[0\]\[1\] must be .*\(3, 1\), got shape \(\); .*vectorized_result",
        ),
        ({"training_data": [(np.zeros((4, 1), complex), np.zeros((3, 1)))]}, WrongType, r"\[0\]\[0\] must hold real"),
        ({"training_data": [(np.zeros((4, 1)), "abc")]}, WrongType, r"\[0\]\[1\] must hold real"),
        ({"epochs": 0}, InvalidInput, "epochs must be at least 1"),
        ({"epochs": 1.5}, WrongType, "epochs must be a positive integer"),
        ({"mini_batch_size": 0}, InvalidInput, "mini_batch_size must be at least 1"),
        ({"eta": 0.0}, InvalidInput, "eta must be positive"),
        ({"eta": "3"}, WrongType, "eta must be a positive number"),
        ({"test_data": examples(2)}, WrongShape, r"y in test_data must be a class, such as 3, got shape \(3, 1\)"),
        ({"test_data": [(np.zeros(4), 1)]}, WrongShape, r"test_data\[0\]\[0\] must be a column of shape \(4, 1\)"),
        ({"test_data": [(np.zeros((4, 1)), "a")]}, WrongType, "the classes in test_data must hold real numbers"),
        ({"backend": "linear"}, Refused, "backend 'linear' cannot serve"),
        ({"weights": [np.zeros((5, 4))]}, WrongShape, "one array for each layer from the second on, got 1 and 2"),
        ({"weights": [np.zeros((5, 4)), np.zeros((3, 6))]}, WrongShape, r"weights\[1\]"),
        ({"weights": [np.zeros((5, 4)), np.full((3, 5), np.nan)]}, NotFinite, r"weights\[1\] must be finite, got nan"),
        ({"weights": [np.zeros((5, 4)), np.zeros((3, 5), complex)]}, WrongType, r"weights\[1\] must hold real numbers"),
        ({"weights": [3.0, np.zeros((3, 5))]}, WrongShape, r"weights\[0\] must have two dimensions.*got shape \(\)"),
        ({"weights": None}, WrongType, "weights must be a list"),
        ({"biases": [np.zeros(5), np.zeros((3, 1))]}, WrongShape, r"biases\[0\] must be a column of shape \(5, 1\)"),
        (
            {"biases": [np.zeros((5, 1)), np.zeros((4, 1))]},
            WrongShape,
            r"biases\[1\] must be a column of shape \(3, 1\)",
        ),
    ],
)
def test_bad_input_is_one_exception_and_changes_nothing(change, exception, message):
    net, data = seeded(), examples()
    net.feedforward(data[0][0])
    arguments = {"training_data": data, "epochs": 1, "mini_batch_size": 5, "eta": 1.0}
    for name, value in change.items():
        if name in ("weights", "biases"):
            setattr(net, name, value)
        else:
            arguments[name] = value
    before = copy.copy([net.weights, net.biases])
    state = random.getstate()
    with pytest.raises(exception, match=message):
        net.SGD(**arguments)
    assert random.getstate() == state
    assert [net.weights, net.biases][0] is before[0] and net.biases is before[1] and net.backend is None


@pytest.mark.parametrize(
    ("call", "exception", "message"),
    [
        (
            lambda net: net.feedforward(np.zeros(4)),
            WrongShape,
            r"a must be a column of shape \(4, 1\), got shape \(4,\)",
        ),
        (lambda net: net.feedforward(np.zeros((3, 1))), WrongShape, r"a must be a column"),
        (
            lambda net: net.backprop(np.zeros((3, 1)), np.zeros((3, 1))),
            WrongShape,
            r"x must be a column of shape \(4, 1\)",
        ),
        (lambda net: net.backprop(np.full((4, 1), np.nan), np.zeros((3, 1))), NotFinite, r"x must be finite, got nan"),
        (
            lambda net: net.update_mini_batch([*examples(1), (np.zeros((4, 1)), np.full((3, 1), np.inf))], 1.0),
            NotFinite,
            r"mini_batch\[1\]\[1\] must be finite, got inf at mini_batch\[1\]\[1\]\[0, 0\]",
        ),
        (
            lambda net: net.evaluate([*classified(1), (np.full((4, 1), np.nan), 0)]),
            NotFinite,
            r"test_data\[1\]\[0\] must be finite, got nan",
        ),
        (lambda net: net.update_mini_batch([], 1.0), InvalidInput, "mini_batch must hold at least one example"),
        (lambda net: net.evaluate([(np.zeros((3, 1)), 0)]), WrongShape, r"test_data\[0\]\[0\] must be a column"),
    ],
)
def test_bad_input_of_the_other_methods(call, exception, message):
    with pytest.raises(exception, match=message):
        call(seeded())


@pytest.mark.parametrize("sizes", [[4], 4, "42", [4, 0], [4, 1.5]])
def test_sizes_are_two_positive_integers_or_more(sizes):
    with pytest.raises((WrongShape, InvalidInput, WrongType), match="sizes"):
        nielsen.Network(sizes)


def test_a_derivative_of_another_shape_is_refused():
    net = seeded()
    net.cost_derivative = lambda a, y: (a - y)[:, 0]
    with pytest.raises(WrongShape, match=r"cost_derivative\(a, y\) must return a column of shape \(3, 1\)"):
        net.SGD(examples(), 1, 5, 1.0)


# The functions.


def test_outputs_of_several_columns():
    net, theirs = seeded(), seeded(book_network)
    X = np.hstack([x for x, _ in examples()])
    assert net.feedforward(X).shape == (3, 12)
    # Both are within a few units of the logistic function's rounding, whose slope is at most ¼.
    z = sum(np.abs(w).sum(axis=1).max() + np.abs(b).max() for w, b in zip(net.weights, net.biases, strict=True))
    assert np.abs(net.feedforward(X) - theirs.feedforward(X)).max() <= 16 * z * np.finfo(float).eps
    assert net.evaluate([]) == theirs.evaluate([]) == 0


@pytest.mark.parametrize("name", ["sigmoid", "sigmoid_prime"])
def test_the_functions_are_the_books_bit_for_bit(name):
    z = np.linspace(-40, 40, 101)[:, None]
    assert np.array_equal(getattr(nielsen, name)(z), getattr(book_network, name)(z))
    assert getattr(nielsen, name)(0.0) == getattr(book_network, name)(0.0)
    # Without the warning that NumPy gives for the book's.
    assert getattr(nielsen, name)(np.array([-1000.0])) == 0


def test_vectorized_result():
    with pytest.raises(InvalidInput, match="a digit must be an integer from 0 to 9, got 10"):
        nielsen.vectorized_result(10)
    with pytest.raises(InvalidInput, match=r"got 1\.5"):
        nielsen.vectorized_result(1.5)
    assert nielsen.vectorized_result(3).tolist() == [[0.0]] * 3 + [[1.0]] + [[0.0]] * 6
