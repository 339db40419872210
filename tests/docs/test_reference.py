"""The reference pages list every activation, cost, command and exception, and no others."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import formulations as fm
from formulations import exceptions
from formulations.backends import OPERATORS
from formulations.cli.commands import formulations as command
from formulations.functions.activations.table import ACTIVATIONS
from formulations.functions.costs.table import COSTS

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
TABLES = (REFERENCE / "activations-and-costs.md").read_text(encoding="utf-8")
COMMANDS = (REFERENCE / "command-line.md").read_text(encoding="utf-8")
TREE = (REFERENCE / "exceptions.md").read_text(encoding="utf-8")


def rows(text, title):
    """Return the rows of the table under a title, by their first cell."""
    section = text.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {cells[0].strip().strip("`"): [cell.strip() for cell in cells[1:]] for cells in lines}


def test_every_activation_and_every_cost_has_its_line():
    assert set(rows(TABLES, "Activations")) == set(ACTIVATIONS)
    assert set(rows(TABLES, "Costs")) == set(COSTS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_kinks_and_ranges_are_the_activations_own(name):
    *_, kinks, interval = rows(TABLES, "Activations")[name]
    activation = ACTIVATIONS[name]
    assert kinks == (", ".join(f"{kink:g}" for kink in activation.kinks) or "none")
    ends = re.match(r"[\[(](.*?), (.*?)[\])]", interval)
    low, high = (float(end.replace("−", "-").replace("∞", "inf")) for end in ends.groups())
    # Coupled activations need neurons with different weighted inputs.
    values = activation.value(np.linspace(-30, 30, 3001)[:, None] * [1.0, -1.0, 0.5])
    # The page rounds the ends, hence the thousandth.
    assert values.min() >= low - 1e-3 and values.max() <= high
    if math.isfinite(low):
        assert values.min() <= low + 0.1
    if math.isfinite(high):
        assert values.max() >= high - 0.1


@pytest.mark.parametrize("name", sorted(command.commands))
def test_every_command_has_an_example_and_its_exit_statuses(name):
    section = COMMANDS.split(f"## `{name}`\n")[1].split("\n## ")[0]
    assert re.search(rf"^.*formulations {name}\b", section, re.MULTILINE)
    assert "Status 0" in section


def test_no_command_is_named_that_there_is_not():
    assert sorted(re.findall(r"^## `(\w+)`$", COMMANDS, re.MULTILINE)) == sorted(command.commands)


def test_every_exception_is_drawn_with_what_it_derives_from():
    drawn = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", TREE, re.MULTILINE))
    public = {name: getattr(exceptions, name) for name in exceptions.__all__}
    # A warning is not one of them.
    raised = {name for name, held in public.items() if isinstance(held, type) and not issubclass(held, Warning)}
    assert set(drawn) == raised
    for name, base in drawn.items():
        assert base in {parent.__name__ for parent in getattr(exceptions, name).__mro__[1:]}


def test_the_table_of_operators_is_that_of_the_registry():
    page = (REFERENCE / "operators.md").read_text(encoding="utf-8")
    printed = CliRunner().invoke(command, ["list", "--operators", "--markdown"]).output
    table = "".join(line + "\n" for line in page.splitlines() if line.startswith("|"))
    assert table == printed, "print it with: formulations list --operators --markdown"


def test_no_cell_of_the_table_of_operators_is_without_a_reason():
    for backend in map(fm.get_backend, fm.list_backends()):
        if set(backend.operators) != set(OPERATORS):
            assert backend.no_operators[:1].islower() and not backend.no_operators.endswith("."), backend.name
