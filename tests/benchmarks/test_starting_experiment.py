"""The measurement of starts: what it shows. Times are measured, never asserted."""

from __future__ import annotations

import json

import pytest

from benchmarks.experiments.starting import LIMITED, Start, Starts, draw_starts, measure_starts
from formulations.display import Ratio, save_figure


def test_every_start_is_measured_beside_the_first():
    pytest.importorskip("resource")
    found = measure_starts({"nothing": ["-c", "pass"], "an import": ["-c", "import json"]}, rounds=2)
    first, second = found.rows
    assert (first.name, first.ratio) == ("nothing", Ratio.exactly(1.0))
    assert second.seconds > 0 and json.loads(json.dumps(found.to_dict()))["rows"][1]["name"] == "an import"
    assert "an import" in str(found)


def test_the_limit_is_judged_and_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    rows = (Start("imports", 0.1, Ratio.exactly(1.0)), Start(LIMITED[0], 0.13, Ratio(1.3, 1.2, 1.4)))
    slow = Start(LIMITED[1], 0.14, Ratio(1.31, 1.2, 1.4))
    assert Starts(rows)
    assert not Starts((*rows, slow)) and f"{slow.name} takes more than 1.3 times" in str(Starts((*rows, slow)))
    save_figure(draw_starts(Starts(rows)), str(tmp_path / "starts.svg"))
