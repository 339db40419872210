"""Schedules of the learning rate, early stopping, and what a history says of them."""

from __future__ import annotations

import numpy as np
import pytest

import formulations as fm
from formulations.exceptions import InvalidInput, UnknownName, WrongType
from formulations.training import (
    ConstantRate,
    EarlyStopping,
    ExponentialDecay,
    History,
    InverseScaling,
    Plateau,
    StepDecay,
)

X = np.linspace(-1, 1, 12)[:, None]
Y = 2 * X
HELD_OUT = (X[:3] + 0.1, Y[:3])


def neuron():
    return fm.Network([[[0.0]]], [[0.0]], "identity")


def train(net=None, **options):
    return fm.sgd(
        neuron() if net is None else net, X, Y, **{"batch_size": 4, "learning_rate": 0.5, "seed": 0} | options
    )


def rates(history):
    return [epoch.learning_rate for epoch in history.epochs]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (None, [0.5] * 4),
        ("constant", [0.5] * 4),
        (ConstantRate(), [0.5] * 4),
        ("invscaling", [0.5, 0.5 * 2**-0.5, 0.5 * 3**-0.5, 0.25]),
        (InverseScaling(1.0), [0.5, 0.25, 0.5 * 3**-1, 0.125]),
        (ExponentialDecay(0.5), [0.5, 0.25, 0.125, 0.0625]),
        (StepDecay(0.5, every=2), [0.5, 0.5, 0.25, 0.25]),
        (lambda epoch, rate: rate / epoch, [0.5, 0.25, 0.25 / 3, 0.25 / 3 / 4]),
    ],
)
def test_rates_of_the_epochs(schedule, expected):
    assert rates(train(epochs=4, schedule=schedule)) == expected


def test_each_epoch_steps_at_its_rate():
    one, other = neuron(), neuron()
    train(one, epochs=2, batch_size=12, schedule=ExponentialDecay(0.5))
    train(other, epochs=1, batch_size=12)
    train(other, epochs=1, batch_size=12, learning_rate=0.25)
    assert one.vector == pytest.approx(other.vector, rel=16 * np.finfo(float).eps)


def plateau(costs, **settings):
    """Return the rates that a plateau gives for these costs of the validation examples."""
    given = Plateau(**settings).rates(1.0)
    found = [next(given)]
    for cost in costs:
        try:
            found.append(given.send(fm.training.Epoch(1, 0.0, None, 0.0, validation_cost=cost)))
        except StopIteration:
            return [*found, "end"]
    return found


def test_a_plateau_halves_the_rate_and_ends_the_training():
    assert plateau([3, 2, 2, 2, 2, 2], patience=2) == [1, 1, 1, 1, 0.5, 0.5, 0.25]
    # The lowest cost counts, also after a drop, and an improvement must exceed min_delta.
    assert plateau([3, 4, 5, 4, 2, 2], patience=2) == [1, 1, 1, 0.5, 0.5, 0.5, 0.5]
    assert plateau([3, 2.5, 2.4], patience=1, min_delta=0.5) == [1, 1, 0.5, 0.25]
    assert plateau([1] * 9, patience=1)[-2:] == [1 / 64, "end"]
    assert plateau([1] * 3, patience=1, stop_at=0.25) == [1, 1, 0.5, "end"]


def test_a_training_ends_with_its_schedule():
    history = train(epochs=40, schedule=Plateau(patience=1, stop_at=0.5, min_delta=1e9), validation=HELD_OUT)
    assert (len(history.epochs), history.stopped_by) == (2, "schedule")
    assert history.ending == "stopped by the schedule after 2 epochs"


def overfitted(**options):
    """Train on noise, so that the cost of other examples rises after some epochs."""
    random = np.random.default_rng(0)
    net = fm.Network.random([3, 20, 1], ["tanh", "identity"], seed=0)
    x, y = random.normal(size=(20, 3)), random.normal(size=(20, 1))
    held_out = random.normal(size=(20, 3)), random.normal(size=(20, 1))
    kept = []
    options = {"epochs": 60, "batch_size": 5, "learning_rate": 0.1, "seed": 0} | options
    history = fm.sgd(net, x, y, validation=held_out, progress=lambda _: kept.append(net.vector.copy()), **options)
    return net, history, kept


def test_early_stopping_restores_the_best_parameters():
    net, history, kept = overfitted(early_stopping=5)
    costs = [epoch.validation_cost for epoch in history.epochs]
    best = int(np.argmin(costs))
    assert history.best_epoch == best + 1 < len(costs) - 1
    assert len(costs) == best + 1 + 5
    assert history.stopped_by == "early_stopping" and not history.interrupted
    assert np.array_equal(net.vector, kept[best]) and not np.array_equal(net.vector, kept[-1])
    ending = f"stopped by early stopping after {len(costs)} epochs; the parameters are those of epoch {best + 1}"
    assert history.ending == ending and str(history).endswith(ending) and ending in history._repr_html_()


def test_the_best_parameters_are_restored_if_all_epochs_are_run():
    net, history, kept = overfitted(early_stopping=EarlyStopping(100))
    assert history.stopped_by is None and len(history.epochs) == 60
    assert np.array_equal(net.vector, kept[history.best_epoch - 1])
    assert history.best_epoch < 60


def test_a_training_that_went_back_one_epoch_has_changed():
    _, history, _ = overfitted(early_stopping=1)
    assert history.best_epoch == len(history.epochs) - 1
    assert not history.unchanged


def test_a_run_that_went_back_to_good_parameters_has_not_diverged():
    net = fm.Network([[[0.9]]], [[0.0]], "identity")
    history = fm.sgd(net.copy(), X, X, 9, 12, 30.0, seed=0, validation=(X, X), early_stopping=2)
    assert (history.best_epoch, len(history.epochs)) == (1, 3)
    assert not history.diverged and history.failure is None
    assert fm.sgd(net, X, X, 3, 12, 30.0, seed=0, validation=(X, X)).diverged


def test_small_improvements_add_up_and_the_lowest_cost_is_the_best():
    _, history, _ = overfitted(early_stopping=EarlyStopping(3, min_delta=10.0))
    assert len(history.epochs) == 4  # The first cost improves on none.
    costs = [epoch.validation_cost for epoch in history.epochs]
    assert history.best_epoch == int(np.argmin(costs)) + 1


def test_accuracy_is_that_of_the_parameters_that_the_network_has():
    x = np.array([[-3.0], [-1.0], [1.0], [3.0]])
    labels = np.array([0, 0, 1, 1])
    net = fm.Network([[[-1.0]]], [[0.0]], "sigmoid")
    history = fm.sgd(net, x, labels, 9, 4, 0.5, seed=0, validation=(x, 1 - labels), early_stopping=9)
    assert history.best_epoch == 1
    assert history.accuracy == history.epochs[0].accuracy == fm.training.accuracy(net, x, 1 - labels)
    assert history.epochs[-1].accuracy != history.accuracy


@pytest.mark.parametrize(
    ("options", "exception", "part"),
    [
        ({"early_stopping": 3}, InvalidInput, r"early_stopping needs held-out examples.*formulations\.split"),
        ({"schedule": "plateau"}, InvalidInput, "this schedule needs held-out examples"),
        ({"early_stopping": 0, "validation": HELD_OUT}, InvalidInput, "patience must be at least 1"),
        ({"early_stopping": 2.5, "validation": HELD_OUT}, WrongType, "pass a number such as 10"),
        ({"early_stopping": True, "validation": HELD_OUT}, WrongType, "got True"),
        ({"schedule": "cosine"}, UnknownName, "constant, invscaling, exponential, step, plateau"),
        ({"schedule": 3}, WrongType, r"function \(epoch, rate\) -> rate, got 3"),
        ({"schedule": StepDecay}, WrongType, "got <class"),
        ({"schedule": lambda *_: 0}, InvalidInput, "the rate of epoch 1 must be positive"),
        ({"schedule": lambda *_: None}, WrongType, "the rate of epoch 1 must be a positive number"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_before_anything_changes(options, exception, part):
    net = neuron()
    with pytest.raises(exception, match=part):
        train(net, **options)
    assert not net.vector.any()


@pytest.mark.parametrize(
    ("make", "exception", "part"),
    [
        (lambda: EarlyStopping(0), InvalidInput, "patience"),
        (lambda: EarlyStopping(3, -1), InvalidInput, "min_delta"),
        (lambda: InverseScaling(-1), InvalidInput, "power"),
        (lambda: ExponentialDecay(1.5), InvalidInput, "at most 1"),
        (lambda: ExponentialDecay("a"), WrongType, "factor"),
        (lambda: StepDecay(0), InvalidInput, "factor must be above 0 and at most 1"),
        (lambda: StepDecay(every=0), InvalidInput, "every"),
        (lambda: Plateau(1.0), InvalidInput, "below 1"),
        (lambda: Plateau(patience=1.5), WrongType, "patience"),
        (lambda: Plateau(stop_at=1), InvalidInput, "stop_at"),
    ],
)
def test_settings_out_of_range_are_refused(make, exception, part):
    with pytest.raises(exception, match=part):
        make()


def test_a_rate_that_becomes_too_small_ends_with_the_remedy():
    net = neuron().astype("float32")
    with pytest.raises(InvalidInput, match="the rate of epoch 3 must be positive and finite in float32"):
        train(net, schedule=lambda epoch, rate: rate * 1e-30 if epoch > 1 else rate)
    assert np.isfinite(net.vector).all()


@pytest.mark.parametrize(
    ("schedule", "epochs"),
    [
        (ExponentialDecay(1e-30), 2),
        (StepDecay(1e-30, every=2), 4),
        (InverseScaling(1000), 1),
        (Plateau(1e-30, patience=1, stop_at=0, min_delta=1e9), 3),  # The first cost improves on none.
    ],
)
def test_a_training_ends_when_its_schedule_has_decayed_to_zero(schedule, epochs):
    history = train(neuron().astype("float32"), epochs=9, schedule=schedule, validation=HELD_OUT)
    assert (len(history.epochs), history.stopped_by) == (epochs, "schedule")


def test_a_function_that_runs_out_of_rates_is_told_so():
    rates = iter([0.5, 0.25])
    with pytest.raises(InvalidInput, match=r"got StopIteration in epoch 3; pass epochs=2") as caught:
        train(epochs=4, schedule=lambda *_: next(rates))
    assert isinstance(caught.value.__cause__, StopIteration)


def test_a_history_without_epochs_can_be_shown():
    history = History("hadamard", (), float("nan"), 1.0, True, True, stopped_by="interrupt", interrupted=True)
    assert (history.accuracy, history.diverged, history.dead, history.interrupted) == (None, False, False, True)
    assert "0 epochs" in repr(history) and "Ctrl-C after 0 epochs" in str(history) and history._repr_html_()
    assert history.to_dict()["stopped_by"] == "interrupt"


@pytest.mark.slow
def test_the_curves_of_training_and_validation():
    pytest.importorskip("matplotlib")
    labels = np.arange(12) % 2
    net = fm.Network.random([1, 2], "softmax", seed=0)
    history = fm.sgd(net, X, labels, 3, 4, 0.1, seed=0, validation=(X[:4], labels[:4]))
    cost, accuracy = history.plot().axes
    for axes, fields, training in (
        (cost, ("cost", "validation_cost"), "training"),
        (accuracy, ("training_accuracy", "accuracy"), "training (4 of 12)"),
    ):
        assert [line.get_label() for line in axes.get_lines()] == [training, "validation"]
        for line, field in zip(axes.get_lines(), fields, strict=True):
            assert line.get_ydata().tolist() == [getattr(epoch, field) for epoch in history.epochs]
    # As many training examples as there are validation examples, evenly spaced.
    assert history.epochs[-1].training_accuracy == fm.training.accuracy(net, X[::3], labels[::3])
    stopped = fm.sgd(net, X, labels, 3, 4, 0.1, seed=0, validation=(X[:4], labels[:4]), early_stopping=1)
    for axes in stopped.plot().axes:
        assert list(axes.get_lines()[-1].get_xdata()) == [stopped.best_epoch] * 2
    assert fm.History("hadamard", (), 0.0, None, True, False).plot().axes
