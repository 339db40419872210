"""The race of Jacobians: its rows, targets and verdicts. No duration is asserted."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.experiments import jacobians as module
from benchmarks.experiments.jacobians import Jacobians, Row, draw_jacobians, measure_jacobians
from formulations.comparison.race.cells import Cell
from formulations.display import Ratio
from formulations.exceptions import CandidateFailed

TINY = Cell("digits", (3, 4, 2), 5)


@pytest.fixture(scope="module")
def found():
    return measure_jacobians([TINY], ["float64"], rivals=(), budget=1e-6)


def test_every_order_is_timed_beside_the_optimal_one(found):
    rows = {row.name: row for row in found.rows}
    assert list(rows) == ["optimal", "reverse", "forward", "jacobian(hadamard)"]
    # J³ is scaled by its rows and columns, and multiplied to w²; or J² by its rows, multiplied to w³, and scaled.
    assert rows["optimal"].multiplications == min(2 * 4 + 2 * 4 + 2 * 4 * 3, 4 * 3 + 2 * 4 * 3 + 2 * 3)
    assert rows["optimal"].brackets == "J3J2"
    assert rows["optimal"].over.median == 1
    assert json.loads(json.dumps(found.to_dict()))["rows"][0]["cell"] == TINY.title
    # Without a rival, there is nothing to miss.
    assert found and not found.targets


def row(cell, name, median):
    return Row(f"{cell}: 1-1", "float64", name, "", None, 1.0, Ratio(median, median, median))


@pytest.mark.parametrize(
    ("cell", "median", "met"), [("digits", 1.1, True), ("digits", 0.9, False), ("deep", 0.9, True)]
)
def test_the_best_rival_decides(cell, median, met):
    rows = (row(cell, "optimal", 1.0), row(cell, "jax.jacrev", median), row(cell, "torch.func.jacrev", 3.0))
    found = Jacobians(rows, ())
    assert bool(found) is met
    assert ("met: " if met else "missed: ") + f"{cell}: 1-1, float64: over jax.jacrev" in str(found)
    assert not Jacobians(rows, ("deep: it failed",))


@pytest.mark.parametrize(("worst", "met"), [(5.0, True), (4.9, False)])
def test_the_worst_order_of_the_autoencoder_decides(worst, met):
    rows = (
        row("autoencoder", "optimal", 1.0),
        row("autoencoder", "reverse", worst),
        row("autoencoder", "forward", 2.0),
    )
    assert bool(Jacobians(rows, ())) is met


def test_a_wrong_jacobian_is_not_timed(monkeypatch):
    problem = TINY.problem("float64")
    right = module.enter_call(problem).call()
    with pytest.raises(CandidateFailed, match="its Jacobian is different from the reference"):
        module._agreeing(problem, lambda: right * (1 + 1e-9))
    monkeypatch.setattr(module, "enter_call", lambda problem: module._agreeing(problem, lambda: np.zeros((5, 2, 3))))
    found = measure_jacobians([TINY], ["float64"], rivals=(), budget=1e-6)
    assert len(found.rows) == 3
    assert "digits: 3-4-2, m = 5, float64: jacobian(hadamard): its Jacobian is different" in found.refused[0]


@pytest.mark.slow
def test_rivals_compute_the_same_in_their_own_processes():
    pytest.importorskip("jax")
    pytest.importorskip("torch")
    found = measure_jacobians([TINY], ["float32"], budget=1e-6)
    assert not found.refused
    assert {row.name for row in found.rows} > set(module.RIVALS)


def test_the_result_is_drawn(found):
    pytest.importorskip("matplotlib")
    assert draw_jacobians(found).axes[0].get_xlabel() == "time over that of the order optimal"
