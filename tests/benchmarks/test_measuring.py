"""What experiments with rivals share."""

from __future__ import annotations

from time import sleep

from benchmarks.experiments.measuring import ProcessorTime, prepare_rows
from formulations.comparison.race.contestant import Ready
from formulations.comparison.timing import Stopwatch
from formulations.exceptions import CandidateFailed


def test_the_time_of_the_processor_leaves_out_what_only_waits():
    calls = []
    waiting = ProcessorTime(lambda: calls.append(sleep(0.05)))
    assert isinstance(waiting, Stopwatch)
    assert waiting.timed(2) < 0.05 and len(calls) == 2
    waiting()
    assert len(calls) == 3


def test_a_call_settles_for_as_long_as_the_processor_works():
    calls = []
    assert ProcessorTime(lambda: calls.append(sum(range(1000)))).settle(1e-3) >= 1e-3
    assert calls


def test_a_row_that_is_refused_leaves_the_others_to_be_timed():
    def refuse():
        raise CandidateFailed("it is different.")

    steps = []
    calls, refused = prepare_rows({"a": lambda: Ready(int, None), "b": refuse}, "here", steps.append)
    assert calls == {"a": int}
    assert refused == ["here: b: it is different."]
    assert steps == ["here: a", "here: b"]
