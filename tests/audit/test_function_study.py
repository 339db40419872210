"""``certify_function`` raises no false alarm in the study, and misses no fault that it says it sees."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.audit.functions import FUNCTIONS
from tests.audit.functions.__main__ import main
from tests.audit.functions.checkers import CERTIFY, CHECKERS, Case, Verdict, judge
from tests.audit.functions.faults import FAULTS, SIZES, faults
from tests.audit.functions.study import Outcome, Study, claims, study

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "function-certificates.md"
KINDS = list(dict.fromkeys(function.kind for function in FUNCTIONS.values()))
OTHERS = {"torch gradcheck": "torch", "JAX check_grads": "jax"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_false_alarm_and_no_miss(kind):
    found = study([name for name, function in FUNCTIONS.items() if function.kind == kind], [CERTIFY])
    assert not found.wrong, str(found)
    right = found.of(CERTIFY, right=True)
    assert sum(each.verdict is Verdict.EQUAL for each in right) > 0.7 * len(right)


@pytest.mark.parametrize(
    "checker", [pytest.param(name, marks=pytest.mark.slow) if name in OTHERS else name for name in CHECKERS]
)
@pytest.mark.parametrize("name", ["beale", "waves", "layer_norm"])
def test_every_checker_tells_the_right_gradient_from_its_negative(checker, name):
    if checker in OTHERS:
        pytest.importorskip(OTHERS[checker])
    if (checker, name) == ("check_grad, 1e-6", "beale"):
        pytest.skip("the error of a forward difference alone is above 1e-6")
    case = Case(FUNCTIONS[name], FUNCTIONS[name].points[1])
    assert judge(checker, case, case.gradient).verdict is Verdict.EQUAL
    assert judge(checker, case, -case.gradient).verdict is Verdict.DIFFERENT


def test_what_a_function_raises_near_x_is_no_verdict():
    case = Case(FUNCTIONS["barrier"], FUNCTIONS["barrier"].points[0])
    assert judge("scipy.differentiate", case, case.gradient).verdict is Verdict.UNDECIDED
    large = Case(FUNCTIONS["large_quadratic"], FUNCTIONS["large_quadratic"].points[0])
    assert judge("scipy.differentiate", large, large.gradient).verdict is Verdict.NOT_APPLIED


def test_faults_are_faults():
    right = np.array([3.0, -2.0, 0.0, 1e-9])
    planted = {fault.name: fault.gradient for fault in faults(right, "f", 3.0)}
    assert set(planted) == set(FAULTS) - {"transposed"}
    assert all(not np.array_equal(wrong, right) for wrong in planted.values())
    for size in SIZES:
        wrong = planted[f"one entry off by {size:.0e}"]
        assert np.count_nonzero(wrong != right) == 1
        assert np.max(np.abs(wrong - right)) == pytest.approx(size * 3, rel=0.5)
    vanishing = [fault.name for fault in faults(1e-15 * right, "f", 3.0)]
    assert vanishing == [f"one entry off by {size:.0e}" for size in SIZES]
    assert "transposed" in [fault.name for fault in faults(np.array([[1.0, 2], [3, 4]]), "f", 4.0)]
    # Entries that are equal cannot be swapped, nor rotated.
    assert {"two entries swapped", "entries rotated"}.isdisjoint(f.name for f in faults(np.ones(3), "f", 1.0))


def test_the_table_adds_up():
    right = Outcome("f", CERTIFY, 0, None, Verdict.EQUAL)
    seen = Outcome("f", CERTIFY, 0, "sign", Verdict.DIFFERENT, 1e9)
    small = Outcome("f", CERTIFY, 0, "half", Verdict.EQUAL, 0.9)
    undecided = Outcome("f", CERTIFY, 0, "zeros", Verdict.UNDECIDED)
    good = Study((right, seen, small, undecided))
    assert good
    assert f"| {CERTIFY} | 1 | 0 | 0 | 1 | 0 | 1 | 1 |" in good.to_markdown()
    assert "1 functions, 1 right gradients, 3 wrong ones." in str(good)

    miss = Outcome("f", CERTIFY, 0, "half", Verdict.EQUAL, 1.1)
    alarm = Outcome("g", CERTIFY, 2, None, Verdict.DIFFERENT)
    # A checker that refuses the right gradient too has not told them apart.
    blind = Outcome("g", CERTIFY, 2, "sign", Verdict.DIFFERENT)
    bad = Study((right, miss, alarm, blind))
    assert not bad
    assert f"| {CERTIFY} | 1 | 1 | 0 | 0 | 1 | 0 | 1 |" in bad.to_markdown()
    assert "missed half: f, point 0" in str(bad)
    assert "called a right gradient different: g, point 2" in str(bad)
    assert not Study(())
    # The false alarms and misses of others are theirs.
    assert Study((right, Outcome("f", "torch gradcheck", 0, None, Verdict.DIFFERENT)))


@pytest.mark.slow
def test_the_page_has_every_checker_and_fault_and_counts_the_functions():
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \|", page, re.M)
    assert [row for row in rows if row in CHECKERS] == list(CHECKERS)
    assert [row for row in rows if row in FAULTS] == list(FAULTS)
    right = sum(len(function.points) for function in FUNCTIONS.values())
    planted = sum(fault is not None for name in FUNCTIONS for _, fault, _ in claims(name))
    assert f"{len(FUNCTIONS)} functions, {right:,} right gradients, {planted:,} wrong ones." in page
    counts = re.search(
        rf"^\| {CERTIFY} \| ([\d,]+) \| 0 \| ([\d,]+) \| ([\d,]+) \| 0 \| ([\d,]+) \| ([\d,]+) \|", page, re.M
    )
    equal, undecided, *wrong = (int(count.replace(",", "")) for count in counts.groups())
    assert equal + undecided == right and sum(wrong) == planted


def test_the_command_prints_the_table_and_names_the_functions(capsys, monkeypatch):
    answers = {"beale": Verdict.EQUAL, "wood": Verdict.DIFFERENT}
    monkeypatch.setattr(
        "tests.audit.functions.study.outcomes",
        lambda name, checkers: [Outcome(name, checkers[0], 0, None, answers[name])],
    )
    assert main(["beale", "--markdown"]) == 0
    assert f"| {CERTIFY} | 1 | 0 | 0 |" in capsys.readouterr().out
    assert main(["beale", "wood"]) == 1
    assert "called a right gradient different: wood, point 0" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main(["nonsense"])
    assert "unknown function 'nonsense'; valid names are himmelblau, " in capsys.readouterr().err
