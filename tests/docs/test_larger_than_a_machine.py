"""The script of the page on data larger than a machine runs, with fewer examples; so does what resumes it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "larger-than-a-machine.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
[SCRIPT] = [block for block in BLOCKS if block.startswith('"""Train')]
PACKAGES = ("distributed", "matplotlib", "threadpoolctl")


@pytest.mark.slow
def test_the_script_survives_a_killed_worker_and_goes_on_where_it_stopped(tmp_path):
    for package in PACKAGES:
        pytest.importorskip(package)
    path = tmp_path / "train.py"
    path.write_text(SCRIPT, "utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def run(steps):
        command = [sys.executable, str(path), str(tmp_path), "30000", str(steps)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = run(7)
    assert "from step 0 " in first and "killing worker" in first
    second = run(2)
    assert "from step 7 " in second and "killing worker" not in second
    costs = [float(cost) for cost in re.findall(r": cost ([\d.]+)", first + second)]
    assert len(costs) == 9 and costs == sorted(costs, reverse=True)
    assert all("the same bits without workers: True" in printed for printed in (first, second))
    assert (tmp_path / "costs.png").stat().st_size > 5000


@pytest.mark.slow
def test_files_that_are_not_complete_are_written_again(tmp_path, monkeypatch):
    for package in PACKAGES:
        pytest.importorskip(package)
    names = {"__name__": "train"}
    exec(SCRIPT, names)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(names, "range", interrupted)
        with pytest.raises(KeyboardInterrupt):
            names["write"](tmp_path, 3)
    assert not (tmp_path / "Y.npy").exists()
    names["write"](tmp_path, 3)
    assert np.load(tmp_path / "Y.npy").sum(axis=1).tolist() == [1, 1, 1]


def test_every_block_of_the_page_compiles():
    for block in BLOCKS:
        if not block.startswith(">>>"):
            compile(block, str(PAGE), "exec")
