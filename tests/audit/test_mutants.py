"""Every planted fault is found, and a certificate names the place and the cause if there is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import formulations as fm
from formulations.verification.certification.causes.mistakes import MISTAKES
from formulations.verification.conformance.laws import LAWS
from formulations.verification.tolerances.verdict import Status
from tests.audit.kills import CERTIFY, Kill, KillTable, kill_table, main, standard_problem
from tests.audit.mutants import MUTANTS, Written
from tests.audit.wrong_gradients import KINDS

pytestmark = pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning")

FEW = ("weighted_examples", "square_weights", "hidden_softmax")
PLACED = [mutant for mutant in MUTANTS.values() if mutant.equation is not None]
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "mutants.md"


@pytest.mark.slow
def test_no_check_kills_the_correct_backward_pass():
    assert fm.check_backend(Written()).passed
    assert fm.certify(*standard_problem(), Written())


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_the_suite_kills_it(name):
    # A few problems kill most of them.
    assert any(fm.check_backend(MUTANTS[name].backend, scenarios=of, fail_fast=True).broken for of in (FEW, None)), name


@pytest.mark.parametrize("mutant", PLACED, ids=lambda mutant: mutant.name)
def test_a_certificate_names_the_place_and_the_cause(mutant):
    c = fm.certify(*standard_problem(), mutant.backend)
    assert (c.status, c.layer, c.equation) == (Status.DIFFERENT, mutant.layer, mutant.equation)
    assert (c.cause.name if c.cause else None) == mutant.cause


@pytest.mark.parametrize("mutant", PLACED, ids=lambda mutant: mutant.name)
@pytest.mark.slow
def test_without_errors_the_place_and_the_cause_are_the_same(mutant):
    def by_hand(net, X, Y):
        return fm.gradient(net, X, Y, backend=mutant.backend).vector

    if mutant.name.startswith("one_") and mutant.name != "one_entry" and mutant.name != "one_billionth":
        pytest.skip("the library's own call refuses a gradient that is not finite")
    c = fm.certify(*standard_problem(), by_hand)
    assert (c.status, c.layer) == (Status.DIFFERENT, mutant.layer)
    assert (c.cause.name if c.cause else None) == mutant.cause
    if mutant.name not in ("sum_for_mean", "layers_reversed"):
        assert c.equation == mutant.equation


def test_there_are_enough_of_every_kind():
    assert len(MUTANTS) >= 60
    assert {mutant.equation for mutant in PLACED} == {"BP1", "BP2", "BP3", "BP4"}


def test_every_known_mistake_is_planted():
    planted = {mutant.cause for mutant in PLACED} - {None}
    planted |= {cause for kind in KINDS.values() for cause in kind.causes}
    assert planted == {mistake.name for mistake in MISTAKES}


@pytest.mark.slow
def test_the_table_adds_up():
    table = kill_table(["biases_lost", "passes_not_counted"])
    assert table.survivors == []
    assert table
    lost, passes = table.kills
    assert (lost.certificate.layer, lost.certificate.equation) == (4, "BP3")
    assert lost.certificate.cause.name == "biases_lost"
    assert passes.checks == ("counted_passes",)
    assert (table.counts["counted_passes"], table.counts["certify"], table.counts["threads"]) == (1, 1, 0)
    assert "2 of 2 mutants are killed, 1 of them by a single check." in str(table)
    assert table.to_markdown().count("\n| `") == 2
    survivor = KillTable((Kill("none", ()),))
    assert not survivor
    assert "NONE" in str(survivor)


def test_the_page_has_all_of_them():
    assert re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.M) == list(MUTANTS)


def test_the_page_counts_every_law():
    total = PAGE.read_text(encoding="utf-8").split("\nKilled by: ")[1].split("\n\n")[0]
    assert sorted(re.findall(r"[a-z_]{5,}", total.replace("Kills none", ""))) == sorted([*LAWS, CERTIFY])


def test_the_command_prints_the_table_and_names_the_mutants(capsys, monkeypatch):
    monkeypatch.setattr(
        "tests.audit.kills.killed", lambda name: Kill(name, ("exact",) if name == "biases_lost" else ())
    )
    assert main(["biases_lost", "--markdown"]) == 0
    assert "| `biases_lost` | ∂C/∂b = 0. |  |  | exact |" in capsys.readouterr().out
    assert main(["biases_lost", "sign"]) == 1
    with pytest.raises(SystemExit, match="2"):
        main(["nonsense"])
    assert "unknown mutant 'nonsense'; valid names are one_example_alone, " in capsys.readouterr().err
