"""The stopwatch: who runs when, and what the ratios refer to. No duration is asserted."""

from __future__ import annotations

import gc
import math
import time

import pytest

from formulations.comparison import timing
from formulations.comparison.timing import CpuTimed, Stopwatch, interleave, quickest
from formulations.display.ratios import Ratio, paired
from formulations.display.tables import format_seconds, format_table

MOST = timing.MOST


@pytest.fixture(autouse=True, scope="module")
def _all_rounds():
    """Measure as outside tests, with the number of rounds that the module had when it was imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "MOST", MOST)
        yield


def clock(monkeypatch):
    """Replace the clock by one that only the calls themselves advance."""
    now = [0.0]
    monkeypatch.setattr(timing, "perf_counter", lambda: now[0])

    def advance_by(seconds):
        def call():
            now[0] += seconds

        return call

    return advance_by


def test_medians_and_paired_ratios(monkeypatch):
    takes = clock(monkeypatch)
    found = interleave({"slow": takes(0.003), "base": takes(0.001)}, baseline="base")
    assert found["slow"].seconds == pytest.approx(0.003)
    assert found["slow"].ratio.median == pytest.approx(3)
    assert found["base"].ratio == Ratio.exactly(1)
    assert list(found) == ["slow", "base"]


def test_any_two_calls_can_be_compared_round_by_round(monkeypatch):
    takes = clock(monkeypatch)
    found = interleave({"a": takes(0.004), "b": takes(0.002), "base": takes(0.001)}, baseline="base")
    ratio = found["a"].over(found["b"])
    assert (ratio.median, ratio.lower, ratio.upper) == pytest.approx((2, 2, 2))


def test_a_call_settles_before_it_is_measured(monkeypatch):
    takes, order = clock(monkeypatch), []
    steps = {name: takes(0.01) for name in "ab"}
    calls = {name: lambda name=name: (order.append(name), steps[name]()) for name in steps}
    interleave(calls, baseline="a", budget=0.03, settling=0.015)
    # Two calls of 0.01 s fill 0.015 s, the third is measured.
    assert order[4:] == [*"aaabbb"] * 3


class Elsewhere:
    """A call that keeps its own time."""

    def __call__(self):
        return None

    def timed(self, repeats):
        return 0.25 if repeats == 1 else 0.5

    def settle(self, seconds):
        return seconds


def test_a_call_elsewhere_keeps_its_own_time_with_silence_around_it(monkeypatch):
    takes, silences = clock(monkeypatch), []
    monkeypatch.setattr(timing, "sleep", silences.append)
    calls = {"a": takes(0.01), "b": takes(0.01), "elsewhere": Elsewhere()}
    found = interleave(calls, baseline="a", budget=0.03, silence=0.2)
    assert found["elsewhere"].seconds == 0.25
    # Before it in each of three rounds, and after it before the next round's first.
    assert silences == [0.2] * 5


def test_silence_before_every_call_of_one_process_if_it_is_asked_for(monkeypatch):
    takes, silences = clock(monkeypatch), []
    monkeypatch.setattr(timing, "sleep", silences.append)
    interleave({"a": takes(0.01), "b": takes(0.01)}, baseline="a", budget=0.03, silence=0.2, pauses=True)
    assert silences == [0.2] * 6


def test_a_slow_call_gets_three_rounds_and_a_fast_one_at_most_thirty_one(monkeypatch):
    takes = clock(monkeypatch)
    found = interleave({"slow": takes(10.0), "base": takes(1e-6)}, baseline="base")
    assert found["slow"].rounds == 3
    assert found["base"].rounds == 31


def test_a_fast_call_is_repeated_and_its_time_is_that_of_one(monkeypatch):
    takes = clock(monkeypatch)
    count = []
    step = takes(2.0**-14)

    def call():
        count.append(1)
        step()

    found = interleave({"base": call}, baseline="base")
    # 32 calls are the first power of two to take 0.001 s; one more warms up, and 1 + 2 + … + 32 look for it.
    assert len(count) == 64 + 32 * found["base"].rounds
    assert found["base"].seconds == 2.0**-14


@pytest.mark.parametrize("seconds", [1e-6, 3e-5, 1.5e-4, 0.01])
def test_a_clock_that_ticks_every_100_microseconds(monkeypatch, seconds):
    now, count = [0.0], []
    monkeypatch.setattr(timing, "perf_counter", lambda: math.floor(now[0] / 1e-4) * 1e-4)

    def call():
        count.append(1)
        assert len(count) < 100_000, "a call that reads as 0 s is repeated without end"
        now[0] += seconds

    found = interleave({"base": call}, baseline="base", budget=0.03)
    assert found["base"].seconds == pytest.approx(seconds, rel=0.1)


def test_rounds_are_interleaved(monkeypatch):
    takes = clock(monkeypatch)
    order = []

    def call(name):
        step = takes(0.01)

        def run():
            order.append(name)
            step()

        return run

    interleave({"a": call("a"), "b": call("b")}, baseline="b", budget=0.05)
    measured = order[4:]  # each was called once to warm up and once to see how long it takes
    assert measured == ["a", "b"] * (len(measured) // 2)


def test_the_collector_is_off_only_meanwhile():
    seen = []
    interleave({"base": lambda: seen.append(gc.isenabled()) or time.sleep(0.001)}, baseline="base", budget=0.005)
    assert not any(seen)
    assert gc.isenabled()


def test_seconds_have_three_digits():
    numbers = (1.5e-7, 9.99e-5, 9.996e-4, 0.1234, 12.0, 999.0)
    assert [format_seconds(s) for s in numbers] == ["0.15 µs", "99.9 µs", "1000 µs", "123 ms", "12 s", "999 s"]


def test_a_table_lines_up_if_letters_combine():
    lines = format_table(["a", "b"], [["x̂", "1"], ["yy", "22"]], right=[1]).splitlines()
    assert lines == ["a    b", "──  ──", "x̂    1", "yy  22"]


def test_ratios_are_of_the_same_round_with_their_quartiles():
    times = [2.0, 30.0, 4.0, 1.0, 60.0, 8.0, 7.0, 9.0]
    found = paired(times, [1.0, 10.0, 1.0, 1.0, 10.0, 1.0, 1.0])
    # 1, 2, 3, 4, 6, 7, 8: the eighth round has no other side.
    assert (found.lower, found.median, found.upper) == (2, 4, 7)


def test_what_else_runs_does_not_make_a_call_slow(monkeypatch):
    takes = clock(monkeypatch)
    calls = iter([takes(5.0), takes(2.0), takes(7.0)])
    assert quickest(lambda: next(calls)()) == 2


def test_the_time_of_the_processor_leaves_out_what_only_waits():
    calls = []
    waiting = CpuTimed(lambda: calls.append(time.sleep(0.05)))
    assert isinstance(waiting, Stopwatch)
    assert waiting.timed(2) < 0.05 and len(calls) == 2
    waiting()
    assert len(calls) == 3


def test_a_clock_coarser_than_a_call_never_gives_a_time_of_zero(monkeypatch):
    calls = []
    # It ticks at every fourth call.
    monkeypatch.setattr(timing, "process_time", lambda: 0.25 * (len(calls) // 4))
    timed = CpuTimed(lambda: calls.append(1))
    assert timed.timed(1) == 0.25 / 4 and timed.timed(2) == 0.25 / 4
    found = interleave({"a": timed, "b": timed}, baseline="a", budget=1e-4, sample=1e-5)
    assert found["b"].ratio.median == 1


def test_the_time_of_the_processor_is_that_of_one_call(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(timing, "process_time", lambda: now[0])

    def call():
        now[0] += 0.25

    assert CpuTimed(call).timed(4) == 0.25


def test_a_call_settles_for_as_long_as_the_processor_works():
    calls = []
    assert CpuTimed(lambda: calls.append(sum(range(1000)))).settle(1e-3) >= 1e-3
    assert calls
