"""The race with an executor: it judges, and everything is timed here afterwards."""

from __future__ import annotations

import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import makers
import pytest
from click.testing import CliRunner

from formulations.cli.commands import formulations
from formulations.cli.options import processes
from formulations.comparison import timing
from formulations.comparison.race import contestant as contestant_module
from formulations.comparison.race import heat as heat_module
from formulations.comparison.race import ours as ours_module
from formulations.comparison.race import race as race_module
from formulations.comparison.race.cells import CELLS, Cell
from formulations.comparison.race.race import run_race
from formulations.exceptions import Refused, WrongType


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setitem(CELLS, "small", Cell("small", (5, 4, 3), 6))


class Halved(makers.HadamardWrapper):
    """Half of the gradient."""

    name = "halved"

    def gradient(self, network, tape, gradient):
        super().gradient(network, tape, gradient)
        gradient.vector[...] /= 2


def untimed(race):
    return [(row.name, row.status, row.judged_by, row.timing is None) for heat in race.heats for row in heat.rows]


def test_the_rows_are_the_same_and_timed_here(monkeypatch):
    monkeypatch.setattr(race_module, "default_flags", lambda: ["sigma", Halved(), "linear"])
    given = ["small"], ["float32", "float64"], None, []
    alone = run_race(*given, budget=0.01)
    judged, timed, told = [], [], []

    def interleave(*calls, **settings):
        timed.append(threading.current_thread())
        return timing.interleave(*calls, **settings)

    monkeypatch.setattr(heat_module, "interleave", interleave)

    def watched(judge):
        def watching(*arguments, **named):
            judged.append(threading.current_thread())
            return judge(*arguments, **named)

        return watching

    monkeypatch.setattr(ours_module, "judge_backend", watched(ours_module.judge_backend))
    monkeypatch.setattr(contestant_module, "judge", watched(contestant_module.judge))
    with ThreadPoolExecutor(2) as executor:
        found = run_race(*given, budget=0.01, executor=executor, progress=told.append)
    assert untimed(found) == untimed(alone) and not found
    assert {row.status for row in found.heats[0].rows} == {"equal", "different", "not raced", "–"}
    here = threading.current_thread()
    assert timed == [here, here] and judged and here not in judged
    assert told[:2] == ["small float32: judging 9 rows", "small float64: judging 9 rows"]


def test_what_would_take_minutes_is_not_started_there():
    class Endless(makers.HadamardWrapper):
        name = "endless"

        def estimate(self, network, m):
            return replace(super().estimate(network, m), multiplications=10**15)

        def errors(self, *_):
            raise AssertionError("it was started")

    with ThreadPoolExecutor(1) as executor:
        found = run_race(["small"], ["float32"], [Endless()], [], budget=0.01, executor=executor)
    (row,) = (row for row in found.heats[0].rows if row.name == "endless")
    assert row.status == "not raced" and "would take about" in row.reason


def test_what_fails_there_alone_is_not_raced():
    here = threading.current_thread()

    class Absent(makers.HadamardWrapper):
        name = "absent"

        def errors(self, *given):
            if threading.current_thread() is not here:
                raise Refused("it is not installed there")
            return super().errors(*given)

    with ThreadPoolExecutor(1) as executor:
        found = run_race(["small"], ["float32"], [Absent()], [], budget=0.01, executor=executor)
    (row,) = (row for row in found.heats[0].rows if row.name == "absent")
    assert (row.status, row.reason) == ("not raced", "it is not installed there")


@pytest.mark.slow
def test_processes_judge_the_same():
    given = ["digits"], ["float32"], ["sigma", "product"], []
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        assert untimed(run_race(*given, budget=0.01, executor=executor)) == untimed(run_race(*given, budget=0.01))


def test_what_cannot_judge_is_refused():
    with pytest.raises(WrongType, match="executor must be None or an executor"):
        run_race(["digits"], ["float32"], [], [], executor=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "bench --cells digits --dtype float32 --backend sigma --against none --budget 0.01",
        "compare --backends hadamard,sigma,product",
    ],
)
def test_the_command_line_has_processes(command):
    found = CliRunner().invoke(formulations, [*command.split(), "--jobs", "2"])
    assert found.exit_code == 0, found.output
    assert "equal" in found.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("bench --jobs 0", "--jobs must be"),
        ("compare --jobs 0", "--jobs must be"),
        ("bench --epoch --jobs 2", "--jobs must be left out with --epoch"),
    ],
)
def test_numbers_of_processes_that_cannot_be_used(options, message):
    found = CliRunner().invoke(formulations, options.split())
    assert found.exit_code == 2 and message in " ".join(found.output.split())


@pytest.mark.slow
def test_an_interruption_ends_the_processes_at_once():
    def interrupted():
        with processes(2) as executor:
            # Longer than anyone waits.
            sleeping = executor.submit(time.sleep, 1000)
            assert executor.submit(int).result() == 0
            assert sleeping.running()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not multiprocessing.active_children()
