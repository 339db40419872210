"""The race of epochs: who takes part, that wrong steps are not timed, and what a row says."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest
from scipy.special import expit, log_softmax

import formulations as fm
from formulations.comparison import limited_threads
from formulations.comparison.epochs import engine, ours
from formulations.comparison.epochs import run as run_module
from formulations.comparison.epochs.course import EPOCH_CELLS, TRAINING, EpochCell
from formulations.comparison.epochs.engine import LONGEST, enter_epoch, enter_training, reached
from formulations.comparison.epochs.ours import EPOCH_FLOOR, Steps, stepping, training
from formulations.comparison.epochs.peers import EPOCH_PEERS
from formulations.comparison.epochs.peers.costs import cost_of
from formulations.comparison.epochs.reference import measure_reference
from formulations.comparison.epochs.run import run_epochs
from formulations.comparison.race import Contestant, Kind, draw_race
from formulations.comparison.race import heat as heat_module
from formulations.comparison.race.peers.problem import parameters_of
from formulations.data import make_problem
from formulations.display import format_seconds
from formulations.exceptions import InvalidInput, MissingExtra, Refused, UnknownName, WrongType

SMALL = EpochCell("small", (5, 4, 3), 4, 40)
PACKAGES = {"torch.compile": "torch", "jax.scan": "jax"}


def course(dtype):
    found = SMALL.problem(dtype)
    return replace(found, reference=measure_reference(found.problem, found.batch_size, found.rate, found.order))


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(EPOCH_CELLS, "small", SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", EPOCH_PEERS)
def test_a_peer_takes_the_same_steps(name, dtype):
    package = PACKAGES.get(name, name)
    if find_spec(package) is None:
        with pytest.raises(MissingExtra):
            EPOCH_PEERS[name].make(SMALL.problem(dtype))
        pytest.skip(f"{package} is not installed")
    if name == "torch.compile":
        pytest.skip("it compiles for half a minute; the recorded form runs the same lines")
    ready = enter_epoch(EPOCH_PEERS[name].make, course(dtype))
    verdict = ready.judge(ready.call())
    assert (verdict.status, verdict.reason) == ("equal", "")


@pytest.mark.parametrize(
    ("activations", "cost"), [("sigmoid", "quadratic"), (["sigmoid", "softmax"], "log_likelihood")]
)
def test_the_cost_of_peers_is_that_of_the_library(activations, cost):
    problem = make_problem((5, 4, 3), activations, cost, dtype="float64", count=40).first(7)
    found = cost_of(problem, expit, partial(log_softmax, axis=1))(parameters_of(problem), problem.X, problem.Y)
    expected = fm.gradient(problem.network, problem.X, problem.Y, cost).cost
    # Fewer than a hundred roundings.
    assert found == pytest.approx(float(expected), rel=100 * np.finfo(float).eps)


@pytest.mark.slow
@pytest.mark.parametrize("name", EPOCH_PEERS)
def test_a_peer_trains_the_digits_as_sgd_does(name, monkeypatch):
    package = PACKAGES.get(name, name)
    if find_spec(package) is None or name == "torch.compile":
        pytest.skip(f"{package} is not installed, or compiles for half a minute")
    for module in (engine, ours):
        monkeypatch.setattr(module, "TRAINING", replace(TRAINING, goal=0.85))
    mine = training("hadamard").enter(TRAINING.problem("float64")).call()
    assert mine[0] > 1
    ready = enter_training(EPOCH_PEERS[name].make, TRAINING.problem("float64"))
    with limited_threads(1):
        assert ready.call() == mine
        # Again from the start.
        assert ready.call() == mine
    assert ready.judge(mine).status == "equal"


@pytest.mark.slow
@pytest.mark.parametrize("name", EPOCH_PEERS)
def test_a_peer_refuses_what_it_is_not_written_for(name):
    if find_spec(PACKAGES.get(name, name)) is None:
        pytest.skip("it is not installed")
    found = SMALL.problem("float64")
    tanh = replace(found, problem=replace(found.problem, network=fm.Network.random(SMALL.sizes, "tanh", seed=0)))
    with pytest.raises(Refused, match="peers need sigmoid neurons, with the quadratic cost"):
        EPOCH_PEERS[name].make(tanh)


def test_the_steps_of_a_trainer_are_those_of_sgd(monkeypatch):
    for module in (engine, ours):
        monkeypatch.setattr(module, "TRAINING", replace(TRAINING, goal=0.9))
    ready = enter_training(lambda found: Steps("hadamard", found), TRAINING.problem("float64"))
    mine = training("hadamard").enter(TRAINING.problem("float64"))
    epochs, right = ready.call()
    assert (epochs, right) == mine.call()
    # Again from the start.
    assert ready.call() == (epochs, right)
    assert 1 < epochs < 30
    assert 0.9 <= right < 1


def test_a_training_that_does_not_arrive_is_not_timed():
    assert reached((13, 0.97)).status == "equal"
    verdict = reached((60, 0.9699))
    assert (verdict.status, verdict.reason) == ("different", "after 60 epochs, only 96.99% are right.")


def test_the_floor_multiplies_and_gathers_as_often_as_an_epoch(monkeypatch):
    # A trainer then gathers three mini-batches of 4 · (5 + 3) numbers at once.
    monkeypatch.setattr("formulations.training.steps.trainer.GATHERED", 100)
    products, rows = [], []
    monkeypatch.setattr(np, "dot", lambda left, right, out: products.append((left.shape, right.shape, out.shape)))
    found = SMALL.problem("float64")

    class Rows(np.ndarray):
        def take(self, chosen, *others):
            rows.append(chosen)
            return super().take(chosen, *others)

    watched = replace(found.problem, X=found.problem.X.view(Rows), Y=found.problem.Y)
    EPOCH_FLOOR.enter(replace(found, problem=watched)).call()
    assert len(products) == 5 * SMALL.steps
    assert list(map(len, rows)) == [12, 12, 12, 4]
    assert np.array_equal(np.concatenate(rows), found.order)


def test_every_cell_holds_whole_mini_batches():
    for cell in EPOCH_CELLS.values():
        assert cell.examples % cell.m == 0
    assert TRAINING.examples % TRAINING.m == 0
    found = TRAINING.problem("float32")
    assert len(found.problem.X) == TRAINING.examples
    # η is a number of the dtype, so that no contestant rounds it.
    assert np.float32(found.rate) == found.rate != 0.3


@pytest.mark.usefixtures("small")
def test_rows_and_times_of_a_step(monkeypatch):
    asked = {}
    monkeypatch.setattr(heat_module, "SILENCE", 1e-6)
    timed = heat_module.interleave
    monkeypatch.setattr(heat_module, "interleave", lambda calls, **how: asked.update(how) or timed(calls, **how))
    found = run_epochs(["small"], ["float64"], ["sigma"], [], budget=0.005)
    assert (asked["silence"], asked["pauses"]) == (1e-6, True)
    heat = found.heat("small", "float64")
    assert [row.name for row in heat.rows] == ["floor", "hadamard", "sigma", "control"]
    assert {row.status for row in heat.rows[1:]} == {"equal"}
    assert found
    text = str(found)
    per_step = format_seconds(heat.timing("hadamard").seconds / 10)
    assert re.search(rf"^ *hadamard  .* {per_step} ", text, re.MULTILINE)
    assert "small: 5-4-3, an epoch of 40 examples in mini-batches of 4, float64" in text
    assert max(map(len, text.removesuffix(found.legend).splitlines()[2:])) <= 80
    assert "a step: " in found.legend and "reached in: " not in found.legend
    document = json.loads(json.dumps(found.to_dict()))["heats"][0]
    assert (document["batch_size"], document["examples"], document["steps"]) == (4, 40, 10)
    row = document["rows"][1]
    assert row["seconds"] == heat.timing("hadamard").seconds
    assert row["seconds_per_step"] == row["seconds"] / 10


class Wrong(Steps):
    """Takes the mini-batches in another order."""

    def epoch(self, order):
        super().epoch(order[::-1])


@pytest.mark.usefixtures("small")
def test_wrong_steps_are_not_timed(monkeypatch):
    wrong = Contestant("wrong", Kind.PLAN, lambda found: enter_epoch(lambda each: Wrong("hadamard", each), found))
    monkeypatch.setattr(run_module, "stepping", lambda flag: wrong if flag == "sigma" else stepping(flag))
    found = run_epochs(["small"], ["float64"], ["sigma"], [], budget=0.005)
    row = next(row for row in found.heats[0].rows if row.name == "wrong")
    assert (row.status, row.timing) == ("different", None)
    assert "further than roundoff explains" in str(found)
    assert not found


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("flag", ["finite_difference", "node_perturbation"])
def test_approximate_gradients_take_no_part(flag):
    found = run_epochs(["small"], ["float64"], [flag], [], budget=0.005)
    row = found.heats[0].rows[2]
    assert (row.name, row.status) == (flag, "not raced")
    assert "judged by a bound of roundoff" in row.reason
    assert found


@pytest.mark.usefixtures("small")
def test_the_time_of_the_processor_leaves_out_what_only_waits(monkeypatch):
    class Waiting(Steps):
        def epoch(self, order):
            super().epoch(order)
            time.sleep(0.02)

    waiting = Contestant("waiting", Kind.PLAN, lambda found: enter_epoch(lambda each: Waiting("sigma", each), found))
    monkeypatch.setattr(run_module, "stepping", lambda flag: waiting if flag == "sigma" else stepping(flag))
    found = run_epochs(["small"], ["float64"], ["sigma"], [], threads=1, budget=0.005, cpu_time=True)
    assert found.heats[0].timing("waiting").seconds < 0.02
    assert "; CPU time" in str(found)
    assert found.to_dict()["machine"]["clock"] == "cpu"


@pytest.mark.slow
def test_rows_of_a_training(monkeypatch):
    for module in (engine, ours):
        monkeypatch.setattr(module, "TRAINING", replace(TRAINING, goal=0.85))
    against = ["sklearn"] if find_spec("sklearn") else []
    found = run_epochs(["training"], ["float64"], [], against, budget=0.01)
    heat = found.heats[0]
    assert [row.name for row in heat.rows] == ["hadamard", *against]
    assert len({row.judged_by for row in heat.rows}) == 1
    assert "epochs" in heat.rows[0].judged_by
    row = json.loads(json.dumps(found.to_dict()))["heats"][0]["rows"][0]
    assert row["epochs"] in range(1, LONGEST)
    assert (row["judged_by"], row["seconds_per_step"]) == ("", None)
    assert row["seconds"] == heat.timing("hadamard").seconds
    assert "over the floor" not in str(found)
    assert "reached in: " in found.legend and "a step: " not in found.legend
    pytest.importorskip("matplotlib")
    assert draw_race(found).axes[0].get_xlabel() == f"time over that of {heat.base}"


@pytest.mark.parametrize(
    ("options", "exception", "text"),
    [
        ({"cells": ["deep"]}, UnknownName, "valid names are digits, book, medium, training"),
        ({"dtypes": ["longdouble"]}, InvalidInput, "float32 or float64"),
        ({"backends": ["hadamrd"]}, UnknownName, "hadamard"),
        ({"against": ["autograd"]}, UnknownName, "valid names are jax.scan"),
        ({"backends": 3}, WrongType, "backends must be a list"),
        ({"threads": 0}, InvalidInput, "threads"),
        ({"cpu_time": True}, InvalidInput, "one thread, got threads=None; pass threads=1"),
        ({"budget": -1}, InvalidInput, "budget"),
    ],
)
def test_bad_input(options, exception, text):
    with pytest.raises(exception, match=text):
        run_epochs(**options)
