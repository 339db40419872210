"""The measurement of the book's program: what it shows. Times are measured, never asserted."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks.experiments.book_program import BOOK, CEILING, draw_book_program, measure_book_program
from formulations.display import Ratio, save_figure
from formulations.exceptions import UnknownName


@pytest.fixture(scope="module")
def found():
    return measure_book_program(["hadamard", "sigma"], examples=25, budget=1e-3)


def test_every_row_is_measured_and_prints_the_books_lines(found):
    assert [row.name for row in found.rows] == [CEILING, "hadamard", "sigma", BOOK]
    assert [row.same_lines for row in found.rows] == [None, True, True, True]
    assert all(row.seconds > 0 and row.speed.median > 0 and row.share.median > 0 for row in found.rows)
    assert found.rows[-1].speed == found.rows[0].share == Ratio.exactly(1.0)
    document = json.loads(json.dumps(found.to_dict()))
    assert document["examples"] == 25 and set(document["rows"][1]["speed"]) == {"ratio", "spread"}


def test_the_targets_are_judged(found):
    rows = [replace(row, speed=Ratio.exactly(5.0), share=Ratio.exactly(0.5)) for row in found.rows]
    best = replace(rows[2], share=Ratio.exactly(0.6))
    met = replace(found, rows=(*rows[:2], best, rows[3]))
    assert met and str(met).endswith("met.")
    for row in (
        replace(best, share=Ratio.exactly(0.59)),
        replace(best, speed=Ratio.exactly(4.9)),
        replace(best, same_lines=False),
    ):
        missed = replace(found, rows=(*rows[:2], row, rows[3]))
        assert not missed and str(missed).endswith("missed.")


@pytest.mark.slow
def test_the_figure(found, tmp_path):
    pytest.importorskip("matplotlib")
    save_figure(draw_book_program(found), str(tmp_path / "book.svg"))


def test_an_unknown_backend_is_refused():
    with pytest.raises(UnknownName, match="hadamrd"):
        measure_book_program(["hadamrd"], examples=10)
