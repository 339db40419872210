"""Checkpoints: a run that is resumed gives the bits of one that was not interrupted, and no other run is resumed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from makers import data, network, skip_absent, sparse_network
from scipy.sparse import csr_array

import formulations as fm
from formulations.exceptions import InvalidInput, Refused, WrongType
from formulations.functions import get_cost
from formulations.training import Adam, EarlyStopping, ExponentialDecay, GradientDescent, Plateau, checkpoints, loop
from formulations.training.checkpoints import Checkpoint
from formulations.training.steps import trainer

ROOT = Path(__file__).parents[2]
OPTIONS = {"epochs": 6, "batch_size": 3, "learning_rate": 0.3, "seed": 0}


class Stop(Exception):
    pass


class Failing(fm.Cost):
    """The quadratic cost, which fails in its n-th evaluation of mini-batches."""

    name = "failing"

    def __init__(self, at=None):
        self.at, self.calls = at, 0

    def evaluate(self, A, Y, gradient=None):
        training = gradient is not None and len(A) <= OPTIONS["batch_size"]
        self.calls += training
        if training and self.calls == self.at:
            raise Stop
        return get_cost("quadratic").evaluate(A, Y, gradient)


def plain(history):
    """Return a history without its times."""
    return replace(history, epochs=tuple(replace(epoch, seconds=0.0) for epoch in history.epochs))


CASES = {
    "plain": {},
    "momentum": {"momentum": 0.9, "nesterov": True},
    "adam": {"optimizer": "adam", "l1": 0.01},
    "schedule": {"schedule": ExponentialDecay(0.7), "sample_weight": np.arange(8)},
    "stopping": {"early_stopping": 2, "schedule": Plateau(patience=1), "learning_rate": 3.0},
    "generator": {},
}


@pytest.mark.parametrize("at", [*(pytest.param(at, marks=pytest.mark.slow) for at in (1, 8)), 4])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "make",
    [
        network,
        pytest.param(sparse_network, marks=pytest.mark.slow),
        pytest.param(lambda: network(dtype="float32"), marks=pytest.mark.slow),
    ],
)
def test_a_run_that_fails_anywhere_goes_on_from_its_checkpoint(case, at, make, tmp_path, monkeypatch):
    options = OPTIONS | CASES[case]
    # The state of the shuffles is in the file; another generator would begin with another order.
    seeds = iter([5, 5, 5 if at == 1 else 6, 7])
    monkeypatch.setattr(os, "fsync", lambda _: None)
    net, resumed, path = make(), make(), tmp_path / "run.npz"
    X, Y = data(net)
    options["validation"] = X[:4] + 0.25, Y[:4]

    def train(net, cost, path=None):
        seed = np.random.default_rng(next(seeds)) if case == "generator" else 0
        return fm.sgd(net, X, Y, cost=cost, checkpoint=path, **options | {"seed": seed})

    whole = train(net, Failing())
    # A checkpoint after every step.
    monkeypatch.setattr(Checkpoint, "_wait", lambda self: setattr(self, "due", float("-inf")))
    with pytest.raises(Stop):
        train(resumed, Failing(at), path)
    other = make()
    history = train(other, Failing(), path)
    assert np.array_equal(other.vector, net.vector)
    assert plain(history) == plain(whole)
    # Complete, it returns its result at once.
    third = make()
    again = train(third, Failing(1), path)
    assert again == history and np.array_equal(third.vector, net.vector)


def test_a_run_that_ctrl_c_stopped_goes_on_from_there(tmp_path, ctrl_c):
    net, resumed, path = network(), network(), tmp_path / "run.npz"
    X, Y = data(net)
    whole = fm.sgd(net, X, Y, momentum=0.5, **OPTIONS)
    presses = iter([False, True])
    stopped = fm.sgd(
        resumed, X, Y, momentum=0.5, checkpoint=path, checkpoint_every="1h", **OPTIONS,
        callback=lambda _: ctrl_c() if next(presses) else None,
    )  # fmt: skip
    assert stopped.interrupted and len(stopped.epochs) == 2
    history = fm.sgd(resumed, X, Y, momentum=0.5, checkpoint=path, **OPTIONS)
    assert plain(history) == plain(whole) and np.array_equal(resumed.vector, net.vector)


def test_more_epochs_continue_a_complete_run(tmp_path):
    net, longer, path = network(), network(), tmp_path / "run.npz"
    X, Y = data(net)
    whole = fm.sgd(net, X, Y, **OPTIONS)
    fm.sgd(longer, X, Y, checkpoint=path, **OPTIONS | {"epochs": 2})
    history = fm.sgd(longer, X, Y, checkpoint=path, **OPTIONS)
    assert plain(history) == plain(whole) and np.array_equal(longer.vector, net.vector)
    assert history.epochs[1].seconds <= history.epochs[2].seconds
    with pytest.raises(InvalidInput, match="6 epochs, more than the 2 asked for"):
        fm.sgd(longer, X, Y, checkpoint=path, **OPTIONS | {"epochs": 2})


def test_a_run_that_stopped_within_an_epoch_needs_this_epoch(tmp_path, ctrl_c):
    net, path = network(), tmp_path / "run.npz"
    X, Y = data(net)

    class Pressing(Failing):
        def evaluate(self, A, Y, gradient=None):
            try:
                return super().evaluate(A, Y, gradient)
            except Stop:
                ctrl_c()
                return super().evaluate(A, Y, gradient)

    # Three steps an epoch: the press is in the second step of the third.
    assert len(fm.sgd(net, X, Y, cost=Pressing(8), checkpoint=path, **OPTIONS).epochs) == 2
    kept = net.vector.copy()
    with pytest.raises(InvalidInput, match=r"3 epochs, the last incomplete, more than the 2.*pass epochs=3 or more"):
        fm.sgd(net, X, Y, cost=Failing(), checkpoint=path, **OPTIONS | {"epochs": 2})
    assert np.array_equal(net.vector, kept)
    assert len(fm.sgd(net, X, Y, cost=Failing(), checkpoint=path, **OPTIONS | {"epochs": 3}).epochs) == 3


def test_a_callback_may_draw_from_the_generator_of_the_shuffles(tmp_path):
    whole, resumed = network(), network()
    X, Y = data(whole)

    def train(net, epochs, path=None):
        generator = np.random.default_rng(0)
        options = OPTIONS | {"epochs": epochs, "seed": generator, "callback": lambda _: generator.random() > 2}
        return fm.sgd(net, X, Y, checkpoint=path, **options)

    train(whole, 4)
    for epochs in (2, 4):
        train(resumed, epochs, tmp_path / "run.npz")
    assert np.array_equal(resumed.vector, whole.vector)


@pytest.mark.parametrize("stop", ["callback", "early_stopping"])
def test_a_run_that_was_stopped_is_complete(stop, tmp_path):
    net = network()
    X, Y = data(net)
    options = OPTIONS | {"checkpoint": tmp_path / "run.npz", "validation": (X, -Y)}
    options |= {"early_stopping": 1} if stop == "early_stopping" else {"callback": lambda epoch: epoch.epoch == 2}
    history = fm.sgd(net, X, Y, **options)
    assert history.stopped_by == stop
    kept = net.vector.copy()
    again = fm.sgd(net, X, Y, **options | {"epochs": 50})
    assert again == history and np.array_equal(net.vector, kept)


class LooksAway:
    """An interruption that has been seen when it is looked at for the n-th time."""

    def __init__(self, n):
        self._looks = n

    @property
    def seen(self):
        self._looks -= 1
        return self._looks <= 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.mark.parametrize("backend", ["hadamard", "fused"])
@pytest.mark.parametrize("options", [{}, {"optimizer": "adam", "l2": 0.01}], ids=["descent", "adam"])
def test_a_run_that_stops_within_an_epoch_goes_on_there(backend, options, tmp_path, monkeypatch):
    skip_absent(backend)
    # Compiled runs of one step each, so that there is something within an epoch.
    monkeypatch.setattr(trainer, "FIRST", 1)
    monkeypatch.setattr(trainer, "RUN", 0.0)
    options = OPTIONS | options | {"backend": backend, "batch_size": 2}
    whole, resumed, path = network(), network(), tmp_path / "run.npz"
    X, Y = data(whole)
    expected = fm.sgd(whole, X, Y, **options)
    positions = []
    for n in (3, 4, 9):
        with monkeypatch.context() as patch:
            patch.setattr(loop, "Interruption", lambda n=n: LooksAway(n))
            fm.sgd(resumed, X, Y, checkpoint=path, **options)
        with np.load(path) as held:
            positions.append((len(json.loads(str(held["run"]))["epochs"]), len(held["steps"])))
        resumed.vector[...] = network().vector
    # Each look is before an epoch, or after a step.
    assert positions == [(0, 2), (1, 0), (2, 3)]
    assert plain(fm.sgd(resumed, X, Y, checkpoint=path, **options)) == plain(expected)
    assert np.array_equal(resumed.vector, whole.vector)


def counting(monkeypatch):
    written = []
    write = Checkpoint.write
    monkeypatch.setattr(
        Checkpoint,
        "write",
        lambda self, state, settings: written.append(len(state.epochs)) or write(self, state, settings),
    )
    return written


def test_checkpoints_come_every_few_epochs_and_at_the_end(tmp_path, monkeypatch):
    written = counting(monkeypatch)
    fm.sgd(network(), *data(network()), checkpoint=tmp_path / "run.npz", checkpoint_every="4 epochs", **OPTIONS)
    assert written == [4, 6]


def test_checkpoints_come_after_some_time_and_at_the_end(tmp_path, monkeypatch):
    written = counting(monkeypatch)
    times = iter(range(10**6))
    monkeypatch.setattr(checkpoints, "perf_counter", lambda: 0.0)
    monkeypatch.setattr("formulations.training.run.perf_counter", lambda: float(next(times)))
    # One second a look at the clock: one for the start, three for the steps of an epoch, and one for its end.
    monkeypatch.setattr(Checkpoint, "_wait", lambda self: setattr(self, "due", self.__dict__.get("due", 0.0) + 10))
    fm.sgd(network(), *data(network()), checkpoint=tmp_path / "run.npz", **OPTIONS)
    assert written[-1] == 6 and 2 <= len(written) <= 4


@pytest.mark.parametrize(
    ("every", "seconds", "epochs"),
    [("60s", 60, None), ("0.5 s", 0.5, None), ("5 min", 300, None), ("2h", 7200, None), ("1 hour", 3600, None),
     ("90 seconds", 90, None), ("10 epochs", float("inf"), 10), ("1epoch", float("inf"), 1), (None, 60, None)],
)  # fmt: skip
def test_how_often_is_text_with_a_unit(every, seconds, epochs, tmp_path):
    made = Checkpoint(tmp_path / "run.npz", every)
    assert (made._seconds, made.epochs) == (seconds, epochs)


@pytest.mark.parametrize(
    ("every", "exception"),
    [(60, WrongType), ("often", InvalidInput), ("0s", InvalidInput), ("1.5 epochs", InvalidInput),
     ("-1s", InvalidInput), ("10", InvalidInput), ("1 day", InvalidInput), ("9" * 400 + "s", InvalidInput)],
)  # fmt: skip
def test_other_frequencies_are_refused(every, exception, tmp_path):
    with pytest.raises(exception, match="'60s', '5 min' or '10 epochs'"):
        fm.sgd(network(), *data(network()), checkpoint=tmp_path / "run.npz", checkpoint_every=every)


def test_a_frequency_without_a_file_is_refused():
    with pytest.raises(InvalidInput, match="checkpoint_every goes with checkpoint"):
        fm.sgd(network(), *data(network()), checkpoint_every="60s")


def test_a_file_that_cannot_be_written_is_refused_before_training(tmp_path):
    net = network()
    before = net.vector.copy()
    with pytest.raises(InvalidInput, match="cannot be written"):
        fm.sgd(net, *data(net), checkpoint=tmp_path / "absent" / "run.npz")
    assert np.array_equal(net.vector, before)


def test_a_generator_whose_state_is_no_plain_number_is_refused(tmp_path):
    with pytest.raises(Refused, match="got MT19937; pass an integer as seed"):
        fm.sgd(
            network(), *data(network()), seed=np.random.Generator(np.random.MT19937(0)), checkpoint=tmp_path / "run.npz"
        )


def started(path, **options):
    net = network()
    X, Y = data(net)
    fm.sgd(net, X, Y, checkpoint=path, **OPTIONS | {"epochs": 2} | options)


X8, Y8 = data(network())


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"X": X8 + 1}, "X was 8×4 float64, digest .*, and is 8×4 float64, digest"),
        ({"Y": Y8[::-1]}, "Y was"),
        ({"X": X8[:4], "Y": Y8[:4]}, "X was 8×4.* and is 4×4"),
        ({"X": csr_array(X8)}, "X was"),
        ({"batch_size": 4}, "batch_size was 3, and is 4"),
        ({"learning_rate": 0.5}, "learning_rate was 0.3, and is 0.5"),
        ({"optimizer": "adam"}, "optimizer was GradientDescent.*, and is Adam"),
        ({"momentum": 0.5}, "optimizer was GradientDescent"),
        ({"l2": 0.1}, "l2 was 0.0, and is 0.1"),
        ({"l1": 0.1}, "l1 was 0.0, and is 0.1"),
        ({"seed": 1}, "seed was 0, and is 1"),
        ({"backend": "sigma"}, "backend was hadamard, and is sigma"),
        ({"sample_weight": np.arange(8)}, "weights was none, and is 8 float64"),
        ({"validation": (X8, Y8)}, "validation was none"),
        ({"schedule": "exponential"}, "schedule was ConstantRate.*, and is ExponentialDecay"),
        ({"cost": fm.cost(lambda A, Y: ((A - Y) ** 4).sum(axis=1), lambda A, Y: 4 * (A - Y) ** 3, name="quartic")},
         "cost was quadratic, and is quartic"),
        ({"net": fm.Network.random([4, 5, 3], "tanh", seed=0)}, "network was"),
        ({"net": network(dtype="float32")}, "network was .*float64.* and is .*float32"),
    ],
)  # fmt: skip
def test_a_checkpoint_of_another_run_is_refused_by_the_difference(change, part, tmp_path):
    path = tmp_path / "run.npz"
    started(path)
    net = change.pop("net", None) or network()
    before = net.vector.copy()
    given = {"X": X8, "Y": Y8} | OPTIONS | change
    with pytest.raises(Refused, match=part) as caught:
        fm.sgd(net, **given, checkpoint=path)
    assert "delete the file, or name another" in str(caught.value)
    assert np.array_equal(net.vector, before)


class Huber(fm.Cost):
    """Quadratic near the target, and linear from a distance on; its name does not say which."""

    name = "huber"

    def __init__(self, width):
        self.width = width

    def evaluate(self, A, Y, gradient=None):
        D = A - Y
        near = np.clip(D, -self.width, self.width)
        if gradient is not None:
            gradient[...] = near
        return (near * (D - near / 2)).sum(axis=1)


def scaled_tanh(factor, layer):
    """Return tanh(factor·z) under one name, for a layer of some kind."""
    made = fm.activation(
        lambda z: np.tanh(z.dtype.type(factor) * z),
        lambda z: z.dtype.type(factor) * (1 - np.tanh(z.dtype.type(factor) * z) ** 2),
        name="mine",
    )
    return fm.PerNeuron(["relu", made, made, "tanh", made]) if layer == "per neuron" else made


def test_costs_of_one_name_are_told_apart_by_their_values(tmp_path):
    net = fm.Network.random([4, 3], "identity", seed=0)
    options = OPTIONS | {"checkpoint": tmp_path / "run.npz", "learning_rate": 0.01}
    fm.sgd(net, X8, Y8, cost=Huber(100), **options | {"epochs": 1})
    with pytest.raises(Refused, match=r"cost was huber, digest [0-9a-f]{16}, and is huber, digest"):
        fm.sgd(net, X8, Y8, cost=Huber(99), **options)
    assert len(fm.sgd(net, X8, Y8, cost=Huber(100), **options).epochs) == OPTIONS["epochs"]


@pytest.mark.parametrize("layer", ["elementwise", "per neuron"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_of_one_name_are_told_apart_by_their_values(layer, dtype, tmp_path):
    def train(factor, epochs):
        net = fm.Network.random([4, 5, 3], [scaled_tanh(factor, layer), "identity"], seed=0, dtype=dtype)
        return fm.sgd(net, X8, Y8, **OPTIONS | {"epochs": epochs, "checkpoint": tmp_path / "run.npz"})

    train(0.5, 1)
    with pytest.raises(Refused, match=r"network was .* digest"):
        train(0.6, 2)
    assert len(train(0.5, 2).epochs) == 2


def test_labels_with_other_names_are_other_classes(tmp_path):
    net, path = fm.Network.random([4, 3], "softmax", seed=0), tmp_path / "run.npz"
    labels = np.arange(8) % 3
    fm.sgd(net, X8, labels, checkpoint=path, **OPTIONS | {"epochs": 1})
    with pytest.raises(Refused, match=r"classes was 3 int64, digest .*, and is 3 int64, digest"):
        fm.sgd(net, X8, labels + 5, checkpoint=path, **OPTIONS)


def test_two_differences_are_both_named(tmp_path):
    started(tmp_path / "run.npz")
    with pytest.raises(Refused, match=r"l2 was 0\.0, and is 1\.0; seed was 0, and is 3"):
        fm.sgd(network(), X8, Y8, checkpoint=tmp_path / "run.npz", **OPTIONS | {"l2": 1.0, "seed": 3})


def test_a_function_that_gives_other_rates_is_another_schedule(tmp_path):
    path = tmp_path / "run.npz"
    started(path, schedule=lambda epoch, rate: rate / epoch)
    with pytest.raises(InvalidInput, match=r"another learning rate in epoch 2 than 0\.15"):
        fm.sgd(network(), X8, Y8, checkpoint=path, schedule=lambda _, rate: rate, **OPTIONS)
    history = fm.sgd(network(), X8, Y8, checkpoint=path, schedule=lambda epoch, rate: rate / epoch, **OPTIONS)
    assert len(history.epochs) == 6


def test_settings_are_the_same_in_every_process(tmp_path):
    # An object whose representation is its address is described by its kind.
    class Own(fm.training.Optimizer):
        default_rate = 1.0

        def start(self, parameters):
            return GradientDescent().start(parameters)

    path = tmp_path / "run.npz"
    for epochs in (1, 2):
        options = {"optimizer": Own(), "schedule": lambda _, rate: rate, "seed": np.int64(0)}
        fm.sgd(network(), X8, Y8, checkpoint=path, **OPTIONS | options | {"epochs": epochs})
    assert "0x" not in str(np.load(path)["run"])
    history = fm.sgd(network(), X8, Y8, checkpoint=path, **OPTIONS | options | {"seed": 0})
    assert len(history.epochs) == 6


def test_a_complete_run_is_not_written_again(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    started(path)
    written = counting(monkeypatch)
    started(path)
    assert written == []


def test_longdouble_is_digested_by_its_numbers_alone():
    one = np.linspace(0, 1, 7, dtype=np.longdouble)
    other = one.copy()
    if np.finfo(np.longdouble).nmant == 63:  # Bytes that pad the 80 bits of a number have no meaning.
        other.view(np.uint8).reshape(len(one), -1)[:, 10:] ^= 0xFF
    assert np.array_equal(one, other)
    assert checkpoints.digest(one) == checkpoints.digest(other)
    assert checkpoints.digest(one) != checkpoints.digest(np.nextafter(one, 2, dtype=np.longdouble))


def changed(path, **arrays):
    """Replace arrays of a checkpoint, or remove them by None; ``run`` updates its text."""
    with np.load(path) as held:
        kept = dict(held)
    if isinstance(arrays.get("run"), dict):
        arrays["run"] = np.array(json.dumps(json.loads(str(kept["run"])) | arrays["run"]))
    kept |= arrays
    np.savez(path, **{name: array for name, array in kept.items() if array is not None})


SHUFFLE = {"bit_generator": "PCG64", "state": {"state": 1, "inc": 1}, "has_uint32": 0, "uinteger": 0}
EPOCH = {"epoch": 1, "cost": 0.5, "accuracy": None, "seconds": 0.0, "learning_rate": 0.3}


@pytest.mark.parametrize(
    ("arrays", "part"),
    [
        ({"parameters": np.zeros(3)}, r"parameters must have shape \(\d+,\), got \(3,\)"),
        ({"parameters": np.zeros(43, "float32")}, "parameters must have dtype float64, got float32"),
        ({"before": None}, "lacks before"),
        ({"optimizer_velocity": None}, "lacks optimizer_velocity"),
        ({"optimizer_velocity": np.zeros((43, 1))}, "optimizer_velocity must have shape"),
        ({"best": np.zeros(43)}, "best parameters do not belong"),
        ({"steps": np.zeros((1, 3))}, "two columns"),
        ({"steps": np.zeros(3)}, "two columns"),
        ({"steps": np.zeros((1, 2), int)}, "steps must be float64"),
        ({"steps": np.zeros((99, 2))}, "outside the epoch"),
        ({"run": None}, "not a checkpoint of a training run"),
        ({"run": np.array(["a", "b"])}, "not a checkpoint of a training run"),
        ({"run": np.array(3)}, "does not describe"),
        ({"run": np.array("{")}, "does not describe"),
        ({"run": np.array("[" * 10**5)}, "does not describe"),
        ({"run": np.array("[]")}, "does not describe"),
        ({"run": {"format": 2}}, "its format is 2, and this version reads 1"),
        ({"run": {"settings": {"X": 3}}}, "does not describe"),
        ({"run": {"settings": []}}, "does not describe"),
        ({"run": {"epochs": [{"epoch": 1}]}}, "does not describe"),
        ({"run": {"epochs": [EPOCH | {"cost": "low"}]}}, "does not describe"),
        ({"run": {"epochs": [EPOCH | {"accuracy": []}]}}, "does not describe"),
        ({"run": {"epochs": [EPOCH | {"epoch": 2}]}}, "does not describe"),
        ({"run": {"epochs": [EPOCH | {"epoch": True}]}}, "does not describe"),
        ({"run": {"epochs": [EPOCH | {"learning_rate": 9.0}]}}, "another learning rate in epoch 1"),
        ({"run": {"stopped_by": "hunger"}}, "does not describe"),
        ({"run": {"stopped_by": []}}, "does not describe"),
        ({"run": {"seconds": None}}, "does not describe"),
        ({"run": {"initial": "x"}}, "does not describe"),
        ({"run": {"shuffle": None}}, "the state of its shuffles"),
        ({"run": {"shuffle": {"bit_generator": "MT19937"}}}, "the state of its shuffles"),
        ({"run": {"shuffle": SHUFFLE | {"state": {"state": -1, "inc": 1}}}}, "the state of its shuffles"),
        ({"run": {"shuffle": SHUFFLE | {"uinteger": 2**99}}}, "the state of its shuffles"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_its_checkpoint_is_refused(arrays, part, tmp_path):
    path = tmp_path / "run.npz"
    started(path, momentum=0.5)
    changed(path, **arrays)
    net = network()
    with pytest.raises(InvalidInput, match=part):
        fm.sgd(net, X8, Y8, checkpoint=path, momentum=0.5, **OPTIONS)
    assert np.array_equal(net.vector, network().vector)


@pytest.mark.parametrize(
    "spoil", [lambda b: b[: len(b) // 2], lambda b: b[:-1], lambda b: b"PK\x03\x05" + b[4:-30], lambda _: b""]
)
def test_a_file_that_is_truncated_or_another_is_refused(spoil, tmp_path):
    path = tmp_path / "run.npz"
    started(path)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InvalidInput, match=r"cannot be read as an \.npz file.*delete the file, or name another"):
        fm.sgd(network(), X8, Y8, checkpoint=path, **OPTIONS)


def test_a_saved_network_is_no_checkpoint(tmp_path):
    path = tmp_path / "net.npz"
    fm.save(network(), path)
    kept = path.read_bytes()
    with pytest.raises(InvalidInput, match="it is not a checkpoint of a training run"):
        fm.sgd(network(), X8, Y8, checkpoint=path, **OPTIONS)
    assert path.read_bytes() == kept


def test_what_an_interrupted_write_left_behind_is_ignored_and_goes_away(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    fm.sgd(network(), X8, Y8, checkpoint=path, **OPTIONS | {"epochs": 1})
    one = path.read_bytes()
    short = []
    link = os.link
    monkeypatch.setattr(os, "link", lambda *given, **more: link(*given, **more) or short.append(given[1]))
    fm.sgd(network(), X8, Y8, checkpoint=path, **OPTIONS | {"epochs": 2})
    if not short:
        pytest.skip("this file system writes files under names of their own")
    # A process that is killed between the link and its renaming leaves a complete checkpoint under the short name.
    Path(short[0]).write_bytes(one)
    net = network()
    fm.sgd(net, X8, Y8, checkpoint=path, **OPTIONS)
    whole = network()
    fm.sgd(whole, X8, Y8, **OPTIONS)
    assert np.array_equal(net.vector, whole.vector)
    assert os.listdir(tmp_path) == ["run.npz"]


def test_parameters_that_are_not_finite_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoint, "_wait", lambda self: setattr(self, "due", float("-inf")))
    path = tmp_path / "run.npz"
    net = fm.Network([[[0.5]]], [[0.0]], "square")
    with pytest.raises(fm.exceptions.NotFinite):
        fm.sgd(net, [[1.0]], [[0.0]], epochs=50, batch_size=1, learning_rate=1e3, checkpoint=path)
    assert not np.isfinite(net.vector).all()
    with np.load(path) as held:
        assert np.isfinite(held["parameters"]).all()


def test_settings_are_told_apart_by_their_representation():
    for one, other in (
        (Adam(), Adam(0.8)),
        (GradientDescent(), GradientDescent(0.5)),
        (EarlyStopping(), EarlyStopping(3)),
    ):
        assert repr(one) == repr(replace(one)) != repr(other)


@pytest.mark.slow
def test_runs_that_are_killed_at_random_moments_give_the_bits_of_others(tmp_path):
    if not hasattr(os, "fork"):
        pytest.skip("it forks the interpreter")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.training.kills", "100", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    kills, runs, within, left = map(int, re.findall(r"\d+", done.stdout))
    assert kills >= 100 and runs >= 3 and within >= 10 and left <= 1
