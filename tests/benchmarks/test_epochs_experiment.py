"""The targets of epochs: what is met, what is missed, and what was never measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from races import made_race

from benchmarks.experiments import epochs
from benchmarks.experiments.epochs import FIT, EpochTargets, FitCell, measure_epochs, measure_fits, targets_of_epochs
from formulations.comparison.epochs.course import EPOCH_CELLS
from formulations.comparison.epochs.peers import EPOCH_PEERS
from formulations.comparison.race.cells import RACE_DTYPES
from formulations.comparison.race.contestant import Kind
from formulations.training import sgd

TIMES = {"floor": 1.0, "hadamard": 1.1, "fused": 1.0, "jax.scan": 3.1, "sklearn": 23.0}
KINDS = {"floor": Kind.FLOOR, "jax.scan": Kind.PEER, "sklearn": Kind.PEER}


def race(**changed):
    return made_race({**TIMES, **changed}, KINDS, [*EPOCH_CELLS.values(), FIT])


def missed(found):
    return {(target.what, target.cell, target.dtype) for target in targets_of_epochs(found) if not target.met}


def test_every_target_is_met_or_missed_by_its_own_row():
    assert missed(race()) == set()
    both = {("fused over the best peer", "digits", dtype) for dtype in RACE_DTYPES}
    slower = both | {("fused over the best peer", "book", "float64")}
    assert missed(race(fused=1.05)) == both
    assert missed(race(fused=1.108)) >= slower | {("fused over floor", "book", "float32")}
    assert missed(race(hadamard=1.11)) == {
        ("hadamard over floor", cell, dtype) for cell in ("book", "medium") for dtype in RACE_DTYPES
    }
    assert missed(race(sklearn=19.9)) == {("sgd with fused over MLPClassifier", "fit", d) for d in RACE_DTYPES}


def test_what_was_not_measured_is_not_met():
    found = EpochTargets(tuple(targets_of_epochs(race(fused=None))), race(fused=None))
    assert not found
    assert "not measured" in str(found)
    assert "8 of 20 targets are met." in str(found)
    assert len(found.to_dict()["targets"]) == 20


@pytest.mark.slow
def test_a_fit_takes_all_its_epochs_by_each():
    pytest.importorskip("sklearn")
    heats = measure_fits(["sklearn"], threads=1, budget=0.01, cpu_time=True, cell=FitCell(epochs=2))
    assert [heat.dtype for heat in heats] == list(RACE_DTYPES)
    for heat in heats:
        timed = [row for row in heat.rows if row.timing is not None]
        assert {"hadamard", "sklearn"} <= {row.name for row in timed}
        assert {(row.status, row.number) for row in timed} == {("equal", 2)}
        assert heat.to_dict()["epochs"] == 2


@pytest.mark.slow
def test_a_fit_that_ends_early_is_not_timed(monkeypatch):
    def hasty(net, X, Y, epochs, *arguments, **options):
        return sgd(net, X, Y, epochs - 1, *arguments, **options)

    monkeypatch.setattr(epochs, "sgd", hasty)
    row = measure_fits([], budget=0.01, cell=FitCell(epochs=3))[0].rows[0]
    assert (row.name, row.status, row.timing) == ("hadamard", "different", None)
    assert row.reason == "it ended after 2 of 3 epochs."


@pytest.mark.parametrize("against", [None, ["jax.scan"]])
def test_fits_follow_the_race(monkeypatch, against):
    whole = race()
    raced = replace(whole, heats=whole.heats[:-2], legend="of the race")
    asked = {}
    monkeypatch.setattr(epochs, "run_epochs", lambda **options: asked.update(options) or raced)
    monkeypatch.setattr(epochs, "measure_fits", lambda peers, **_: asked.update(fits=peers) or whole.heats[-2:])
    found = measure_epochs(against, threads=1)
    assert list(asked["fits"]) == list(asked["against"]) == (list(EPOCH_PEERS) if against is None else against)
    assert found
    assert found.race.heats == whole.heats
    assert "a fit: " in found.race.legend and "of the race" in found.race.legend
