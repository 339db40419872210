"""The curves of the optimizers: what they record and count. Which of them is best is measured, never asserted."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import formulations as fm
from benchmarks.experiments.optimizers import (
    DESCENTS,
    LEAST_SQUARES,
    METHODS,
    SETTINGS,
    draw_optimizers,
    measure_optimizers,
    multiplications,
)
from formulations.display import save_figure
from formulations.operators import Work

LIMIT = 6.0


@pytest.fixture(scope="module")
def found():
    return measure_optimizers(limit=LIMIT, hidden=3, examples=40)


def test_every_method_is_recorded_until_its_work_is_spent(found):
    softmax, sigmoid = found.settings.values()
    assert [curve.name for curve in softmax] == [*DESCENTS, *METHODS]
    assert [curve.name for curve in sigmoid] == [*DESCENTS, *METHODS, LEAST_SQUARES]
    for curve in found.curves:
        assert 0 <= curve.work[0] <= curve.work[-1] <= LIMIT
        assert np.all(np.diff(curve.work) >= 0) and np.all(np.diff(curve.costs) < 0)
        assert 0 <= curve.accuracy <= 1 and curve.seconds > 0
        assert curve.work_to(curve.costs[-1]) == curve.work[-1] and curve.work_to(0) is None
    # All start at the same network.
    for curves in found.settings.values():
        assert len({round(curve.costs[0], 12) for curve in curves}) == 1


def test_work_is_counted_in_multiplications():
    net = fm.Network.random([5, 4, 3, 2], seed=0)
    P, F = 20 + 12 + 6, 20
    assert multiplications(net, 7, Work(1, 0, 0, 0)) == 7 * P
    # (BP2) in two layers, and (BP4) in all.
    assert multiplications(net, 7, Work(0, 1, 0, 0)) == 7 * ((P - F) + P)
    assert multiplications(net, 7, Work(0, 0, 1, 0)) == 7 * ((2 * P - F) + 2 * (P - F) + (2 * P - F))
    assert multiplications(net, 7, Work(0, 0, 0, 2)) == 2 * 7 * (2 * P - F)


def test_it_holds_if_l_bfgs_ends_below_both_descents(found):
    def with_costs(costs):
        changed = [replace(curve, costs=[3.0, costs.get(curve.name, 2.0)]) for curve in found.curves]
        return replace(found, curves=tuple(changed))

    assert with_costs({"L-BFGS-B": 1.0})
    assert not with_costs({"L-BFGS-B": 2.0})
    assert not with_costs({"L-BFGS-B": 1.0, "gradient descent": 0.5})


@pytest.mark.slow
def test_the_result_is_shown_saved_and_drawn(found, tmp_path):
    pytest.importorskip("matplotlib")
    text = str(found)
    assert all(str(setting) in text for setting in SETTINGS) and "trust-krylov" in text
    assert json.loads(json.dumps(found.to_dict()))["curves"][0]["method"] == found.curves[0].method
    save_figure(draw_optimizers(found), str(tmp_path / "optimizers.svg"))
