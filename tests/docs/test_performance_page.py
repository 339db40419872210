"""Pages quote measurements only as the commands printed them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUOTING = (
    "explanation/performance.md",
    "how-to/larger-than-a-machine.md",
    "how-to/scikit-learn.md",
    "how-to/sparse-weights.md",
)
PAGES = [(ROOT / "docs" / name).read_text("utf-8") for name in QUOTING]
TARGETS = (ROOT / "benchmarks/targets.md").read_text("utf-8")
RESULTS = ROOT / "benchmarks/results"
LINKED = re.compile(r"\(\.\./\.\./benchmarks/results/(\w+)\.txt\)[^`(]*```text\n(.*?)```", re.DOTALL)
QUOTED = [found for page in PAGES for found in LINKED.findall(page)]


def test_every_result_is_linked():
    linked = re.findall(r"\(results/(\w+)\.txt\)", TARGETS)
    assert sorted(linked) == sorted(path.stem for path in RESULTS.glob("*.txt"))


def test_every_table_stands_behind_the_link_to_its_result():
    for page in PAGES:
        assert len(LINKED.findall(page)) == page.count("```text") > 0


@pytest.mark.parametrize(("name", "block"), QUOTED, ids=[name for name, _ in QUOTED])
def test_quoted_lines_are_printed_in_this_order(name, block):
    printed = iter([line.strip() for line in (RESULTS / f"{name}.txt").read_text("utf-8").splitlines()])
    # A page may leave out the last columns. `any` consumes the iterator up to the line, so each line is sought behind
    # the one before.
    quoted = [line.strip() for line in block.strip().splitlines()]
    assert [line for line in quoted if not any(f"{each}  ".startswith(f"{line}  ") for each in printed)] == []


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_result_says_on_what_machine_and_when(path):
    machine = json.loads(path.read_text("utf-8"))["machine"]
    assert machine["processor"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", machine["date"])
    assert machine["packages"]["numpy"]
    assert (RESULTS / f"{path.stem}.txt").exists()
