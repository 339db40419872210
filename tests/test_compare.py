"""The comparison: rows, verdicts, reasons and times."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

import formulations as fm
from formulations.backends.hadamard import Hadamard
from formulations.compare import compare
from formulations.exceptions import InvalidInput, UnknownName, WrongType
from formulations.scenarios import SCENARIOS


class Halved(Hadamard):
    name = "halved"

    def errors(self, tape):
        errors = super().errors(tape)
        errors[0] *= 0.5
        return errors


class Endless(Hadamard):
    name = "endless"

    def predict(self, network, m):
        return dataclasses.replace(super().predict(network, m), forward_passes=10**12)


@pytest.fixture(scope="module")
def digits():
    return SCENARIOS["digits"]()


@pytest.fixture(scope="module")
def comparison(digits):
    return compare(digits.network, digits.X, digits.Y)


def test_on_the_digits_five_rows_are_equal_and_linear_says_why_not(comparison):
    assert [row.backend for row in comparison.rows] == fm.list_backends()
    found = {row.backend: row.status for row in comparison.rows}
    assert found.pop("linear") == "refused"
    assert set(found.values()) == {"equal"} and len(found) == 5
    assert comparison.equal
    reason = next(row.reason for row in comparison.rows if row.backend == "linear")
    assert "identity" in reason and "sigmoid" in reason


def test_on_an_identity_network_all_six_rows_are_equal(digits):
    net = fm.Network.random([64, 30, 10], "identity", seed=0)
    c = compare(net, digits.X, digits.Y)
    assert [row.status for row in c.rows] == ["equal"] * 6


def test_a_row_has_its_time_its_bound_and_its_passes(comparison):
    rows = {row.backend: row for row in comparison.rows}
    assert {name: row.bound for name, row in rows.items()} == {
        "hadamard": "T1", "sigma": "T1", "product": "T2", "linear": "", "per_neuron": "T4", "finite_difference": "P",
    }  # fmt: skip
    for name, row in rows.items():
        if name != "linear":
            assert row.seconds > 0 and row.relative_time > 0
            assert row.difference >= 0 and 0 <= row.ratio <= 1
    assert rows["hadamard"].relative_time == 1
    assert rows["finite_difference"].forward_passes == 2 * (64 * 30 + 30 + 30 * 10 + 10) + 1


def test_printed_it_is_a_table_with_a_line_for_each_row_and_its_reason(comparison):
    text = str(comparison)
    assert text.startswith("64-30-10, sigmoid, quadratic cost, 10 examples, float64\n")
    for row in comparison.rows:
        assert any(line.startswith(row.backend + " ") for line in text.splitlines())
    assert "linear: it needs the activation identity" in text
    assert text.endswith("5 equal, 1 refused.")


def test_json_has_everything(comparison):
    found = json.loads(json.dumps(comparison.to_dict()))
    assert found["equal"] is True
    assert [row["backend"] for row in found["rows"]] == fm.list_backends()


def test_a_different_row_is_named_and_not_timed(digits):
    c = compare(digits.network, digits.X, digits.Y, backends=["hadamard", Halved()])
    wrong = c.rows[1]
    assert wrong.status == "different" and not c.equal
    assert wrong.seconds is None and wrong.relative_time is None
    assert wrong.ratio > 1
    assert "layer 2" in wrong.reason


def test_a_backend_that_would_take_minutes_says_so_and_is_skipped_unless_asked_for(digits):
    c = compare(digits.network, digits.X, digits.Y, backends=[Endless()])
    assert c.rows[0].status == "skipped" and "1000000000000 forward passes" in c.rows[0].reason
    assert not c.equal
    c = compare(digits.network, digits.X, digits.Y, backends=[Endless()], budget=math.inf)
    assert c.rows[0].status == "equal"


def test_times_are_relative_to_hadamard_also_where_it_has_no_row(digits):
    c = compare(digits.network, digits.X, digits.Y, backends=["sigma"])
    assert len(c.rows) == 1 and c.rows[0].relative_time is not None


def test_progress_hears_every_backend(digits):
    heard = []
    compare(digits.network, digits.X, digits.Y, backends=["hadamard", "sigma"], progress=heard.append)
    assert heard == ["hadamard", "sigma", "timing"]


def test_sample_weights_and_costs_reach_every_row(digits):
    c = compare(
        digits.network, digits.X, digits.Y, "binary_cross_entropy", sample_weight=np.arange(10.0), backends="all"
    )
    assert [row.status for row in c.rows if row.backend != "linear"] == ["equal"] * 5


def test_options_and_instances_are_rows_of_their_own_and_doubles_are_one(digits):
    flags = ["hadamard", "sigma:matrix=dense", "hadamard:batch=example", "hadamard"]
    c = compare(digits.network, digits.X, digits.Y, backends=flags)
    assert [row.backend for row in c.rows] == flags[:3]
    assert [row.status for row in c.rows] == ["equal"] * 3


@pytest.mark.parametrize("dtype", ["float32", "longdouble"])
def test_other_dtypes_are_never_different(dtype):
    problem = SCENARIOS["digits"](dtype)
    c = compare(problem.network, problem.X, problem.Y)
    assert "different" not in {row.status for row in c.rows}
    assert {row.backend: row.status for row in c.rows}["hadamard"] == "equal"


def test_bad_input(digits):
    with pytest.raises(UnknownName, match="valid names are hadamard"):
        compare(digits.network, digits.X, digits.Y, backends=["hadamrd"])
    with pytest.raises(InvalidInput, match="names none"):
        compare(digits.network, digits.X, digits.Y, backends=[])
    with pytest.raises(WrongType, match="Network"):
        compare(None, digits.X, digits.Y)
