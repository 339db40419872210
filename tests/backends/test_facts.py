"""The facts of the backends: those of the file are what the backends themselves declare."""

from __future__ import annotations

import makers
import pytest

import formulations as fm
from benchmarks.make_facts import facts
from formulations.backends import _table, backend_facts


def test_the_file_has_the_built_in_backends_in_their_order():
    assert [each.name for each in backend_facts()] == list(_table.BUILT_IN)


@pytest.mark.parametrize("position", range(len(_table.BUILT_IN)), ids=_table.BUILT_IN)
def test_the_file_holds_what_a_backend_declares(position):
    held = backend_facts()[position]
    makers.skip_absent(held.name)
    assert held._asdict() == facts(held.name), "run python -m benchmarks.make_facts"


class Mine(makers.HadamardWrapper):
    name = "mine"
    summary = "one of another package"
    operators = ()
    no_operators = "it is an example"


@pytest.mark.usefixtures("clean_registry")
@pytest.mark.parametrize("entry_point", [False, True])
def test_those_of_other_packages_follow(monkeypatch, entry_point):
    if entry_point:
        point = type("Point", (), {"name": "mine", "load": lambda _: Mine})
        monkeypatch.setattr(_table, "declared", lambda: [point()])
    else:
        fm.register(Mine)
    *_, last = backend_facts()
    assert (last.name, last.summary, last.multiplications) == ("mine", "one of another package", 47_800)
    assert last.options == {"batch": ["whole", "example"]} and last.no_operators == "it is an example"
