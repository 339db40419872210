"""The race: who takes part, that a wrong gradient is not timed, and what its numbers are made of."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from importlib.util import find_spec
from itertools import chain, repeat
from types import SimpleNamespace

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.comparison.race import heat as heat_module
from formulations.comparison.race import isolated
from formulations.comparison.race import race as race_module
from formulations.comparison.race.book import BOOK
from formulations.comparison.race.cells import CELLS, Cell
from formulations.comparison.race.contestant import Kind
from formulations.comparison.race.floor import FLOOR, products_of
from formulations.comparison.race.ours import CONTROL, NULL, default_flags, one_call, planned
from formulations.comparison.race.peers.table import PEERS
from formulations.comparison.race.race import run_race
from formulations.comparison.race.results import Heat, RaceRow
from formulations.comparison.timing import Timing
from formulations.display import Ratio
from formulations.exceptions import InvalidInput, MissingExtra, Refused, UnknownName, WrongType

SMALL = Cell("small", (5, 4, 3), 6)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(CELLS, "small", SMALL)


def packages(name):
    return {"torch.compile": "torch"}.get(name, name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_computes_the_same_gradient_and_cost(name, dtype):
    if find_spec(packages(name)) is None:
        with pytest.raises(MissingExtra):
            PEERS[name].enter(SMALL.problem(dtype))
        pytest.skip(f"{packages(name)} is not installed")
    if name == "torch.compile":
        pytest.skip("it compiles for half a minute; the recorded form runs the same lines")
    problem = SMALL.problem(dtype)
    ready = PEERS[name].enter(problem)
    result = ready.call()
    assert ready.judge(result).status == "equal"
    mine = fm.gradient(problem.network, problem.X, problem.Y)
    # The sum of 18 squares, each of a difference that three roundings and the forward pass have moved.
    assert result[0].item() == pytest.approx(float(mine.cost), rel=200 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_refuses_what_it_is_not_written_for(name):
    if find_spec(packages(name)) is None:
        pytest.skip(f"{packages(name)} is not installed")
    problem = SMALL.problem("float64")
    tanh = fm.Network.random(SMALL.sizes, "tanh", seed=0)
    other = type(problem)(tanh, problem.X, problem.Y)
    with pytest.raises(Refused, match="sigmoid neurons and the quadratic cost"):
        PEERS[name].enter(other)


@pytest.mark.parametrize("contestant", [BOOK, CONTROL, planned("sigma:matrix=dense"), one_call("hadamard")])
def test_what_computes_a_gradient_is_judged(contestant):
    ready = contestant.enter(SMALL.problem("float64"))
    assert ready.judge(ready.call()).status == "equal"


def test_the_book_by_hand():
    network = fm.Network([[[0.0]]], [[0.0]], "sigmoid")
    problem = type(SMALL.problem("float64"))(network, np.ones((2, 1)), np.array([[0.0], [0.5]]))
    cost, of_biases, of_weights = BOOK.enter(problem).call()
    # a = ½ for both: C = ½·¼ and 0, δ = ½·¼ and 0, averaged over two.
    assert (cost, of_biases[0][0, 0], of_weights[0][0, 0]) == (1 / 16, 1 / 16, 1 / 16)


def test_the_floor_is_every_product_of_a_gradient_and_no_other():
    shapes = [(left.shape, right.shape) for left, right, _ in products_of(SMALL.problem("float32"))]
    forward, back = [((6, 5), (5, 4)), ((6, 4), (4, 3))], [((6, 3), (3, 4))]
    assert shapes == [*forward, *back, ((4, 6), (6, 5)), ((3, 6), (6, 4))]
    assert FLOOR.enter(SMALL.problem("float32")).judge is None


@pytest.mark.usefixtures("small")
def test_rows_and_ratios():
    found = run_race(["small"], ["float64"], ["sigma"], [], budget=0.02)
    heat = found.heat("small", "float64")
    names = [row.name for row in heat.rows]
    assert names == ["floor", "null", "hadamard", "sigma", "control", "gradient(hadamard)", "book's loop"]
    assert all(row.timing is not None and row.first > 0 for row in heat.rows)
    assert heat.ratio("floor", "floor").median == 1
    assert heat.best_peer is None
    assert found
    document = json.loads(json.dumps(found.to_dict()))
    assert [row["status"] for row in document["heats"][0]["rows"]] == ["–", "–", *["equal"] * 5]
    assert {"processor", "date", "packages", "blas", "threads"} <= set(document["machine"])
    assert "small: 5-4-3, m = 6, float64" in str(found)


def test_figures_compare_with_the_floor_or_the_fastest():
    def timed(name, seconds):
        return RaceRow(name, Kind.PLAN).with_timing(Timing(seconds, Ratio.exactly(1.0), (seconds,)))

    rows = timed("slow", 3.0), timed("fast", 1.0), timed("other", 2.0), RaceRow("not timed", Kind.PLAN)
    assert Heat(SMALL, "float64", rows).base == "fast"
    assert Heat(SMALL, "float64", (*rows, timed(FLOOR.name, 4.0))).base == FLOOR.name
    assert Heat(SMALL, "float64", rows[3:]).base is None


@pytest.mark.slow
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["autograd", "torch"])
def test_a_peer_is_timed_in_its_process_or_says_what_is_missing(name):
    found = run_race(["small"], ["float64"], [], [name], budget=0.01)
    row = next(row for row in found.heats[0].rows if row.kind is Kind.PEER)
    if find_spec(name) is None:
        assert row.timing is None
        assert "is not installed; install it with: pip install " in row.reason
        assert found.heats[0].best_peer is None
    else:
        assert row.status == "equal"
        assert row.timing.seconds > 0
        assert found.heats[0].best_peer == name
    assert not multiprocessing.active_children()


class Halved(makers.HadamardWrapper):
    """Half of the gradient, in no time."""

    name = "halved"

    def gradient(self, network, tape, gradient):
        super().gradient(network, tape, gradient)
        gradient.vector[...] /= 2


@pytest.mark.usefixtures("small")
def test_a_wrong_gradient_is_not_timed(monkeypatch):
    monkeypatch.setattr(race_module, "default_flags", lambda: [Halved()])
    found = run_race(["small"], ["float32"], None, [], budget=0.02)
    row = next(row for row in found.heats[0].rows if row.name == "halved")
    assert (row.status, row.timing) == ("different", None)
    assert row.reason
    assert not found


@pytest.mark.usefixtures("small")
def test_a_wrong_baseline_leaves_nothing_to_time(monkeypatch):
    monkeypatch.setattr(race_module, "BASELINE", "halved")
    monkeypatch.setattr(race_module, "planned", lambda flag: planned(Halved() if flag == "halved" else flag))
    monkeypatch.setattr(race_module, "one_call", lambda _: one_call("hadamard"))
    found = run_race(["small"], ["float32"], ["sigma"], [], budget=0.02)
    assert not found
    assert {row.timing for row in found.heats[0].rows} == {None}
    assert "different" in str(found)


@pytest.mark.usefixtures("small")
def test_what_is_much_slower_is_not_timed(monkeypatch):
    # The baseline is first, and what comes after it seems to take so much longer.
    seconds = chain([1.0], repeat(61.0))
    monkeypatch.setattr(heat_module, "quickest", lambda _: next(seconds))
    found = run_race(["small"], ["float32"], ["per_neuron"], [], budget=0.02)
    rows = {row.name: row for row in found.heats[0].rows}
    assert rows["hadamard"].timing is not None
    assert rows["per_neuron"].timing is None
    assert rows["per_neuron"].reason == "it takes 61 times as long as hadamard; it is not timed"


@pytest.mark.parametrize(("threads", "flags"), [(1, " --xla_cpu_multi_thread_eigen=false"), (2, ""), (None, "")])
def test_the_process_of_a_peer_starts_jax_with_one_thread_if_it_is_asked_for(monkeypatch, threads, flags):
    monkeypatch.setenv("XLA_FLAGS", "")
    sent = []

    def enter(_):
        raise Refused(f"flags{os.environ['XLA_FLAGS']}.")

    isolated._serve(SimpleNamespace(send=sent.append), enter, SMALL, "float32", threads)
    assert sent == [f"flags{flags}."]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals cannot be blocked there")
def test_ctrl_c_in_a_terminal_does_not_reach_the_process_of_a_peer(monkeypatch):
    ready_of = isolated._ready

    def interrupted(name, connection):
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGINT)
        return ready_of(name, connection)

    monkeypatch.setattr(isolated, "_ready", interrupted)
    peer = isolated.isolate(FLOOR, SMALL, "float64", 1)
    ready = peer.__enter__()
    (process,) = multiprocessing.active_children()
    assert ready.call() > 0
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    caught = KeyboardInterrupt()
    assert not peer.__exit__(KeyboardInterrupt, caught, None)
    # It ended at once, whatever it computed.
    assert process.exitcode == -signal.SIGTERM


def test_every_backend_and_all_three_faces_of_sigma_are_raced():
    flags = default_flags()
    names = {fm.get_backend(flag).name for flag in flags}
    assert names == {name for name in fm.list_backends() if not name.startswith("autodiff_")}
    assert {"sigma", "sigma:matrix=sparse", "sigma:matrix=dense", "hadamard:batch=example"} <= set(flags)
    assert planned("hadamard:batch=example").kind is Kind.LOOP
    assert NULL.enter(SMALL.problem("float64")).judge is None


@pytest.mark.parametrize(
    ("options", "exception", "text"),
    [
        ({"cells": ["boook"]}, UnknownName, "valid names are book"),
        ({"dtypes": ["longdouble"]}, InvalidInput, "float32 or float64"),
        ({"backends": ["hadamrd"]}, UnknownName, "hadamard"),
        ({"against": ["tensorflow"]}, UnknownName, "valid names are torch"),
        ({"cells": 3}, WrongType, r"cells must be a list, got 3; pass one such as \['book'\]"),
        ({"cells": []}, InvalidInput, "cells must not be empty"),
        ({"dtypes": 32}, WrongType, "dtypes must be a list"),
        ({"dtypes": []}, InvalidInput, "dtypes must not be empty"),
        ({"backends": 3}, WrongType, "backends must be a list"),
        ({"against": 3}, WrongType, "against must be a list"),
        ({"threads": 0}, InvalidInput, "threads"),
        ({"cpu_time": True, "threads": 2}, InvalidInput, "one thread, got threads=2"),
        ({"budget": -1}, InvalidInput, "budget"),
    ],
)
def test_bad_input(options, exception, text):
    with pytest.raises(exception, match=text):
        run_race(**options)
