"""The page on performance quotes what the commands printed, and nothing else has numbers of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/performance.md").read_text("utf-8")
RESULTS = ROOT / "benchmarks/results"
QUOTED = re.findall(r"\(\.\./\.\./benchmarks/results/(\w+)\.txt\)[^`]*```text\n(.*?)```", PAGE, re.DOTALL)


def test_every_result_is_quoted():
    assert sorted({name for name, _ in QUOTED}) == sorted(path.stem for path in RESULTS.glob("*.txt"))


@pytest.mark.parametrize(("name", "block"), QUOTED, ids=[name for name, _ in QUOTED])
def test_a_quotation_is_what_was_printed(name, block):
    assert block.strip() in (RESULTS / f"{name}.txt").read_text("utf-8")


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_result_says_on_what_machine_and_when(path):
    machine = json.loads(path.read_text("utf-8"))["machine"]
    assert machine["processor"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", machine["date"])
    assert machine["packages"]["numpy"]
    assert (RESULTS / f"{path.stem}.txt").exists()
