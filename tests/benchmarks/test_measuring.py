"""What experiments with rivals share."""

from __future__ import annotations

from benchmarks.experiments.measuring import prepare_rows
from formulations.comparison.race.contestant import Ready
from formulations.exceptions import CandidateFailed


def test_a_row_that_is_refused_leaves_the_others_to_be_timed():
    def refuse():
        raise CandidateFailed("it is different.")

    steps = []
    calls, refused = prepare_rows({"a": lambda: Ready(int, None), "b": refuse}, "here", steps.append)
    assert calls == {"a": int}
    assert refused == ["here: b: it is different."]
    assert steps == ["here: a", "here: b"]
