"""The diagnosis names planted mistakes, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.audit.diagnoses import Diagnosed, HitRates, diagnosed, hit_rates, main
from tests.audit.mutants import MUTANTS
from tests.audit.wrong_gradients import KINDS, random_case

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "diagnoses.md"

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


# Tests of the mutants name those, too.
EACH = [pytest.param(name, marks=[pytest.mark.slow] * (name in MUTANTS)) for name in KINDS]


@pytest.mark.parametrize("kind", EACH)
def test_each_kind_is_named_and_nothing_else_is(kind):
    # The first network with several examples and layers that can have it.
    found = next(filter(None, (diagnosed(number, [kind]) for number in range(3, 40))), [])
    assert [each.hit for each in found] == [bool(KINDS[kind].causes)], found
    assert all(each.named == () for each in found if not KINDS[kind].causes)


@pytest.mark.slow
def test_no_mistake_of_eight_networks_is_given_the_name_of_another():
    rates = hit_rates(8, seed=1)
    assert rates.wrong == []
    assert rates
    assert sum(each.hit for each in rates.diagnosed if KINDS[each.kind].causes) > 450
    assert "are named and 0.0% given the name of another" in str(rates)


def test_the_networks_differ_in_depth_size_dtype_cost_and_examples():
    cases = [random_case(number) for number in range(60)]
    assert {len(case.net.sizes) for case in cases} == {2, 3, 4, 5, 6, 9, 17}
    assert {case.net.dtype.name for case in cases} == {"float32", "float64"}
    assert {case.cost for case in cases} == {"quadratic", "binary_cross_entropy", "log_likelihood"}
    assert {len(case.X) for case in cases} == {1, 2, 3, 5, 8, 13, 32}


def test_rates_count_hits_and_list_wrong_names():
    found = HitRates(
        (
            Diagnosed("sign", 0, ("sign",), True, True),
            Diagnosed("sign", 1, ("step",), False, False),
            Diagnosed("noise", 0, (), False, False),
        ),
        2,
    )
    assert not found
    assert re.search(r"^sign +2 +50% +50% +0% +step 1", str(found), re.M)
    assert "| `noise` | 1 | – | – | 100% | – |" in found.to_markdown()
    assert "Of 2 mistakes of 1 kinds, 50.0% are named and 50.0% given the name of another." in str(found)
    assert "Of 1 mistakes that no kind covers, 0 are given a name." in str(found)


def test_the_page_has_every_kind():
    table = PAGE.read_text(encoding="utf-8").split("| planted | networks |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `([\w, ]+)` \|", table, re.M) == list(KINDS)


def test_the_command_names_the_kinds(capsys):
    assert main(["sign", "--networks", "1"]) == 0
    assert "Of 1 mistakes of 1 kinds, 100.0% are named" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main(["nonsense"])
    assert "unknown kind 'nonsense'; valid names are sign, " in capsys.readouterr().err
