"""Budgets: what is refused before it begins, to the very second and byte."""

from __future__ import annotations

import math

import makers
import pytest

import formulations as fm
from formulations.arrays.budget import Budget, current_budget
from formulations.exceptions import InvalidInput, Refused, WrongType
from formulations.plans.admission import seconds_for, unreasonable


def test_exactly_the_budget_is_allowed_and_anything_less_is_not(backend):
    found, net = fm.get_backend(backend), makers.network(backend)
    estimate = found.estimate(net, 8)
    seconds, memory = seconds_for(estimate), estimate.bytes
    assert unreasonable(found, net, 8, Budget(seconds, memory)) is None
    assert "more than the budget" in unreasonable(found, net, 8, Budget(math.nextafter(seconds, 0), memory))
    assert "more than the budget" in unreasonable(found, net, 8, Budget(seconds, memory - 1))


def test_operations_on_arrays_count_as_well_as_multiplications():
    few = fm.Estimate(multiplications=10**6, bytes=0, forward_passes=1, calls=1)
    many = fm.Estimate(multiplications=10**6, bytes=0, forward_passes=1, calls=10**6)
    assert seconds_for(many) > 100 * seconds_for(few)


def test_a_budget_holds_inside_its_block_and_nests():
    before = current_budget()
    with fm.use_budget(seconds=5):
        with fm.use_budget(memory=7):
            assert current_budget() == Budget(5, 7)
        assert current_budget() == Budget(5, before.memory)
    assert current_budget() == before


def test_refusals_say_how_to_allow_it_and_which_says_so_too():
    net = makers.network()
    with fm.use_budget(seconds=1e-12):
        with pytest.raises(Refused, match=r"use_budget\(seconds=\.\.\., memory=\.\.\.\)"):
            fm.prepare(net, 8)
        assert "more than the budget" in fm.which(net, batch_size=8)["hadamard"]
        assert fm.which(net)["hadamard"] is None
        assert {row.status for row in fm.compare(net, *makers.data(net)).rows} <= {"skipped", "refused"}


@pytest.mark.parametrize(
    ("limits", "exception"),
    [({"seconds": 0}, InvalidInput), ({"memory": -1}, InvalidInput), ({"seconds": "long"}, WrongType)],
)
def test_limits_that_are_none(limits, exception):
    with pytest.raises(exception, match="must be"), fm.use_budget(**limits):
        pass
