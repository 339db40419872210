"""The measurement of Hessian products: what it shows. Times are measured, never asserted."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks.experiments import hessians
from benchmarks.experiments.hessians import CELLS, GRADIENT, LINEARIZE, RIVALS, draw_hessians, measure_hessians
from formulations.backends import Tier
from formulations.comparison.race.cells import Cell
from formulations.display import Ratio, save_figure
from formulations.exceptions import UnknownName

SMALL = Cell("small", (4, 3, 2), 5)


@pytest.fixture(scope="module")
def found():
    pytest.importorskip("numba")
    return measure_hessians([SMALL], ["float64"], rivals=[], budget=1e-3)


def test_every_row_is_measured_beside_a_gradient(found):
    assert [row.name for row in found.rows] == [GRADIENT, "hadamard", "fused"]
    assert all(row.seconds > 0 for row in found.rows)
    assert found.rows[0].gradients == Ratio.exactly(1.0)
    assert [row.fused is None for row in found.rows] == [False, False, True]
    document = json.loads(json.dumps(found.to_dict()))
    assert document["rows"][1]["gradients"]["ratio"] == found.rows[1].gradients.median


def test_the_targets_are_judged(found):
    gradient, hadamard, fused = (replace(row, gradients=Ratio.exactly(2.0)) for row in found.rows)
    rival = replace(hadamard, name=LINEARIZE, hadamard=Ratio.exactly(1.5), fused=Ratio.exactly(1.0))
    assert replace(found, rows=(gradient, hadamard, fused, rival))
    slow = replace(hadamard, gradients=Ratio.exactly(2.1))
    missed = replace(found, rows=(gradient, slow, fused, replace(rival, fused=Ratio.exactly(1.1))))
    assert not missed and "hadamard takes more than 2 gradients" in str(missed)
    assert f"{LINEARIZE} is faster than hadamard and fused" in str(missed)
    assert not replace(found, refused=("a row: not installed",))


def test_a_wrong_product_is_not_timed(monkeypatch):
    pytest.importorskip("numba")
    judged = hessians.judged
    monkeypatch.setattr(hessians, "judged", lambda problem, tier, product: judged(problem, tier, 1.001 * product))
    found = measure_hessians([SMALL], ["float64"], rivals=[], budget=1e-3)
    assert [row.name for row in found.rows] == [GRADIENT]
    assert all("its product is different" in said for said in found.refused) and len(found.refused) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", RIVALS)
def test_the_products_of_rivals_are_right(name):
    pytest.importorskip(name.partition(".")[0].partition(",")[0])
    problem = SMALL.problem("float64")
    product = RIVALS[name](problem).call()
    assert hessians.judged(problem, Tier.ELSEWHERE, product).status == "equal"


def test_an_unknown_rival_is_refused():
    with pytest.raises(UnknownName, match=r"jax\.linearise"):
        measure_hessians(CELLS, rivals=["jax.linearise"])


def test_the_figure(found, tmp_path):
    pytest.importorskip("matplotlib")
    save_figure(draw_hessians(found), str(tmp_path / "hessians.svg"))
