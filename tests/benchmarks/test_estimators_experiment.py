"""The estimators beside scikit-learn's. No duration is asserted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn")

from benchmarks.experiments import estimators as module
from benchmarks.experiments.estimators import (
    ELSEWHERE,
    TARGETS,
    Accuracies,
    Accuracy,
    cells,
    draw,
    measure_accuracy,
    measure_time,
)
from formulations.display import Ratio


def test_accuracies_are_compared_seed_by_seed():
    theirs, ours = np.array([0.5, 0.7, 0.6]), np.array([0.6, 0.7, 0.8])
    row = Accuracy.of("made up", theirs, ours)
    assert (row.theirs, row.ours) == pytest.approx((0.6, 0.7))
    assert (row.theirs_deviation, row.ours_deviation) == pytest.approx((0.1, 0.1))
    assert (row.difference, row.error) == pytest.approx((0.1, 0.1 / 3**0.5))
    assert row and not Accuracy.of("made up", theirs, theirs + np.array([0.1, 0.1, 0.11]))
    assert Accuracy.of("made up", theirs, theirs), "no difference is within no noise"


def test_both_are_measured_on_the_same_examples(monkeypatch):
    monkeypatch.setattr(module, "FAST", "sigma")
    found = measure_accuracy(["iris"], seeds=2, epochs=3)
    (row,) = found.rows
    assert row.theirs == row.ours and row.difference == row.error == 0 and found
    assert "iris" in str(found) and "met" in str(found) and found.to_dict()["rows"][0]["data"] == "iris"
    pytest.importorskip("matplotlib")
    draw(found)


def test_a_cell_is_timed_at_equal_epochs(monkeypatch):
    monkeypatch.setattr(module, "STEPS", 3)
    found = measure_time([("iris", "hadamard", "sgd", 200), ("iris", "hadamard", "lbfgs", None)], budget=1e-3)
    mini, full = found.rows
    assert (mini.epochs, mini.batch_size, full.batch_size) == (3, 200, None)
    assert mini.target == full.target == ELSEWHERE and mini.seconds > 0
    slow = replace(found, rows=(replace(mini, speed=Ratio.exactly(0.9)), replace(full, speed=Ratio.exactly(0.95))))
    assert not slow and "Missed: iris, hadamard, sgd, batches of 200." in str(slow) and "0.95× missed" in str(slow)
    assert slow.to_dict()["rows"][0]["speed"] == 0.9
    pytest.importorskip("matplotlib")
    draw(found)


def test_every_target_is_timed():
    assert {(solver, size) for data, _, solver, size in cells() if data == "digits" and size} == set(TARGETS)
    assert isinstance(measure_accuracy([], seeds=2), Accuracies)
