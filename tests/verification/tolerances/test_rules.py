"""The table of rules serves the judge, the certificate, the comparison and the page on tolerances."""

from __future__ import annotations

from pathlib import Path

import pytest
from makers import plain_case

import formulations as fm
from formulations.verification.tolerances.judging import CHECKS, FURTHER
from formulations.verification.tolerances.rules import RULES

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "tolerances.md"


def test_every_rule_that_judges_is_in_the_table() -> None:
    judging = {rule for rule, _ in (*CHECKS.values(), *(each for others in FURTHER.values() for each in others))}
    assert set(RULES) == judging
    assert all(name == rule.name for name, rule in RULES.items())


def test_the_page_has_the_table() -> None:
    rows = [
        f"| {rule.name} | {rule.bound} | {'on its own tape, ' * rule.on_tape}{rule.judges} |" for rule in RULES.values()
    ]
    assert "\n".join(rows) in PAGE.read_text(encoding="utf-8")


def test_certificate_and_comparison_use_its_words() -> None:
    case = plain_case()
    assert "judged on its own tape, as a product over layers (T2)." in str(
        fm.certify(case.net, case.X, case.Y, "product")
    )
    assert "judged against a forward pass in a higher precision (T4)." in str(
        fm.certify(case.net, case.X, case.Y, "per_neuron")
    )
    compared = str(fm.compare(case.net, case.X, case.Y, backends=["hadamard", "product"]))
    assert "T1 each equation by itself; T2 as a product over layers." in " ".join(compared.split())


@pytest.mark.parametrize("backend", ["hadamard", "product", "per_neuron", "finite_difference"])
def test_a_verdict_says_whether_it_judges_the_equation_itself(backend: str) -> None:
    case = plain_case()
    lines = fm.certify(case.net, case.X, case.Y, backend).layers
    assert {line.local for line in lines} == {backend == "hadamard"}
    assert {line.equation for line in lines if line.local} <= {"BP1", "BP2", "BP3", "BP4"}
    assert {line.equation for line in lines if not line.local} <= {"δ", "∂C/∂w", "∂C/∂b"}
