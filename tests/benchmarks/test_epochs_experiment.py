"""The targets of epochs: what is met, what is missed, and what was never measured."""

from __future__ import annotations

from benchmarks.experiments.epochs import EpochTargets, targets_of_epochs
from formulations.comparison.epochs.course import EPOCH_CELLS, TRAINING
from formulations.comparison.race.cells import RACE_DTYPES
from formulations.comparison.race.contestant import Kind
from formulations.comparison.race.results import Heat, Race, RaceRow
from formulations.comparison.timing import Timing
from formulations.display import Ratio

TIMES = {"floor": 1.0, "hadamard": 1.1, "fused": 1.0, "jax.scan": 3.1, "sklearn": 23.0}
KINDS = {"floor": Kind.FLOOR, "jax.scan": Kind.PEER, "sklearn": Kind.PEER}


def race(**changed):
    times = {**TIMES, **changed}
    rows = tuple(
        RaceRow(name, KINDS.get(name, Kind.PLAN), "equal", first=1.0, timing=Timing(s, Ratio.exactly(s), (s, 2 * s, s)))
        for name, s in times.items()
        if s is not None
    )
    heats = tuple(Heat(cell, dtype, rows) for cell in [*EPOCH_CELLS.values(), TRAINING] for dtype in RACE_DTYPES)
    return Race(heats, {"processor": "abacus", "cores": 1, "blas": [], "date": "1986-01-01"}, "legend")


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
    assert missed(race(sklearn=19.9)) == {("sgd with fused over MLPClassifier", "training", d) for d in RACE_DTYPES}


def test_what_was_not_measured_is_not_met():
    found = EpochTargets(tuple(targets_of_epochs(race(fused=None))), race(fused=None))
    assert not found
    assert "not measured" in str(found)
    assert "8 of 20 targets are met." in str(found)
    assert len(found.to_dict()["targets"]) == 20
