"""No correct gradient of a random network is called different."""

from __future__ import annotations

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.verification.tolerances.verdict import Status
from tests.audit.false_alarms import AlarmCount, Judged, count_false_alarms, judged, main
from tests.audit.random_networks import DEPTHS, random_problem

QUICK = [flag for flag in makers.FLAGS if not flag.startswith("autodiff_jax")]
TIERS = {tier: [flag for flag in QUICK if fm.get_backend(flag).tier is tier] for tier in fm.Tier}
RECURRENCES = TIERS[fm.Tier.RECURRENCE]
OTHERS = [flag for flag in QUICK if flag not in RECURRENCES and not flag.startswith("autodiff_")]


def alternating(flags, number):
    """Two of the backends, in turn."""
    return [flags[number % len(flags)], flags[(7 * number + 3) % len(flags)]]


def none_is_different(numbers, flags):
    found = [each for number in numbers for each in judged(number, alternating(flags, number))]
    wrong = [f"{each.number} {each.backend}: {each.reason}" for each in found if each.status is Status.DIFFERENT]
    assert not wrong
    return found


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 200, 100))
def test_two_hundred_networks(start):
    found = none_is_different(range(start, start + 100), QUICK)
    assert sum(each.status is Status.EQUAL for each in found) > len(found) / 2


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 500, 250))
def test_five_hundred_networks_by_recurrences(start):
    found = none_is_different(range(start, start + 250), RECURRENCES)
    inconclusive = sum(each.status is Status.INCONCLUSIVE for each in found)
    assert inconclusive <= 0.01 * len(found)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(200, 500, 100))
def test_three_hundred_networks_by_all_others(start):
    none_is_different(range(start, start + 100), OTHERS)


@pytest.mark.slow
def test_the_series_covers_depths_dtypes_costs_and_scales():
    drawn = [random_problem(number) for number in range(300)]
    for lowest, highest in DEPTHS:
        assert sum(lowest <= len(p.network.sizes) <= highest for p in drawn) == 60
    assert {p.network.dtype.name for p in drawn} == {"float32", "float64"}
    assert {p.cost for p in drawn} == {"quadratic", "binary_cross_entropy", "log_likelihood"}
    assert any(p.network.layout.is_sparse for p in drawn)
    assert any(p.sample_weight is not None for p in drawn)
    with np.errstate(all="ignore"):
        sizes = [
            np.max(np.abs(fm.prepare(p.network, len(p.X), p.cost, "sigma")(p.X, p.Y).weights[0].sum()))
            for p in drawn
            if not p.network.layout.is_sparse and p.network.dtype == np.float64
        ]
    assert min(size for size in sizes if size > 0) < 1e-12
    again = random_problem(17)
    assert np.array_equal(again.network.vector, drawn[17].network.vector)


def test_the_count_says_where_and_whose():
    found = count_false_alarms(10, ["hadamard", "product", "finite_difference"])
    assert found
    assert "10 networks" in str(found)
    assert "| recurrences (T1) | float32 |" in found.to_markdown()
    alarm = Judged(3, "hadamard", "recurrences (T1)", 4, "float64", Status.DIFFERENT, "layer 2, BP2: …")
    count = AlarmCount(1, 0, (alarm,))
    assert not count
    assert "Alarm: network 3, hadamard: layer 2, BP2: …" in str(count)
    assert not AlarmCount(0, 0, ())


def test_the_command_prints_the_table(capsys):
    assert main(["5", "hadamard", "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("| inconclusive | dtype | 2–4 layers |")
    with pytest.raises(SystemExit, match="2"):
        main(["0"])
    assert "expected a positive integer, got 0" in capsys.readouterr().err
