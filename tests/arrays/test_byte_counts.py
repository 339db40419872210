"""Amounts of memory, as they are read and written."""

from __future__ import annotations

import math

import numpy as np
import pytest

import formulations as fm
from formulations.arrays.budget import current_budget
from formulations.arrays.byte_counts import as_bytes
from formulations.exceptions import InvalidInput, WrongType

READ = {
    "512MB": 512e6, "1.5GiB": 1.5 * 2**30, " 64 kib ": 2**16, "2tb": 2e12, ".5MB": 5e5, "1.GB": 1e9, "100B": 100,
    7: 7, np.int64(7): 7, 4e9: 4e9, math.inf: math.inf,
}  # fmt: skip


@pytest.mark.parametrize("value", READ, ids=str)
def test_amounts(value):
    assert as_bytes(value, "memory") == READ[value]


WRONG = ["", "512", "MB", "512 M", "-1MB", "0MB", "1e9B", "1iB5", "1,5GB", "1ib", 0, -5, math.nan, None, True, [1], 1j]


@pytest.mark.parametrize("value", WRONG)
def test_anything_else_is_refused_with_the_remedy(value):
    kind = InvalidInput if isinstance(value, str | int | float) and value is not True else WrongType
    for read in (lambda: as_bytes(value, "memory"), lambda: allowed(value)):
        with pytest.raises(kind, match=r"'512MB' or '1\.5GiB', got .*; pass for instance memory='512MB'\.$"):
            read()


def allowed(value):
    # None leaves a budget unchanged, so a budget does not refuse it.
    return as_bytes(value, "memory") if value is None else fm.use_budget(memory=value).__enter__()


def test_a_budget_reads_text_too():
    with fm.use_budget(memory="2GiB"):
        assert current_budget().memory == 2**31
