"""The experiments' commands: options, results and exit status. Nothing is measured here."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from importlib import import_module

import pytest

from benchmarks.experiments.pattern import Column, experiment, plain, table
from formulations.display import Ratio, new_figure
from formulations.exceptions import InvalidInput

pytest.importorskip("click")
from click.testing import CliRunner

NAMES = (
    "epochs",
    "book_program",
    "crossover",
    "estimators",
    "growth",
    "hessians",
    "jacobians",
    "optimizers",
    "scale",
    "single_examples",
    "sparse",
    "targets",
)


@dataclass(frozen=True)
class Record:
    name: str
    time: Ratio

    def __bool__(self):
        return self.name == "holds"

    def to_dict(self):
        return plain(self)


def command(name):
    @experiment(lambda _: new_figure(1, 1))
    def measure(progress):
        progress("a step")
        if name == "bad":
            raise InvalidInput("no such cell; take another.")
        return Record(name, Ratio(2.0, 1.0, 3.0))

    return measure


@pytest.mark.parametrize("name", NAMES)
def test_help_has_an_example_and_the_common_options(name):
    result = CliRunner().invoke(import_module(f"benchmarks.experiments.{name}").main, ["--help"])
    assert result.exit_code == 0, result.output
    assert f"\n    python -m benchmarks.experiments.{name}" in result.stdout
    assert all(option in result.stdout for option in ("--threads", "--plot", "--save", "--json"))


def test_a_result_is_printed_saved_and_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    saved, drawn = tmp_path / "found.json", tmp_path / "found.svg"
    result = CliRunner().invoke(command("holds"), ["--json", "--save", str(saved), "--plot", str(drawn)])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert (document["name"], document["time"], document["spread"]) == ("holds", 2.0, [1.0, 3.0])
    assert document["machine"]["threads"] is None and document["machine"]["cores"]
    assert json.loads(saved.read_text("utf-8")) == document
    assert "<svg" in drawn.read_text("utf-8")


def test_a_file_gets_the_first_step_and_the_last(monkeypatch):
    @experiment(lambda _: new_figure(1, 1))
    def measure(progress):
        for label in ("first", "second", "third"):
            progress(label)
        return Record("holds", Ratio.exactly(1.0))

    result = CliRunner().invoke(measure)
    assert [line.split(": ")[1] for line in result.stderr.splitlines()] == ["first …", "third …"]
    # A step that ends a minute has a line, too.
    monkeypatch.setattr("benchmarks.experiments.pattern.perf_counter", itertools.count(0, 61).__next__)
    assert CliRunner().invoke(measure).stderr.splitlines() == ["61 s: first …", "122 s: second …", "183 s: third …"]


def test_exit_status():
    assert CliRunner().invoke(command("fails")).exit_code == 1
    result = CliRunner().invoke(command("bad"))
    assert result.exit_code == 2 and "no such cell; take another." in result.stderr
    assert CliRunner().invoke(command("holds"), ["--threads", "0"]).exit_code == 2


def test_a_table_has_a_row_a_record_and_a_column_each():
    columns = [Column[Record]("name", lambda r: r.name, left=True), Column[Record]("×", lambda r: f"{r.time.median}")]
    records = [Record("a", Ratio.exactly(1.0)), Record("bcd", Ratio.exactly(10.5))]
    assert table(records, columns).splitlines() == ["name     ×", "────  ────", "a      1.0", "bcd   10.5"]
