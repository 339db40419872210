"""Every reader of files, given mutated files; and the fuzzer itself, given readers with a defect."""

from __future__ import annotations

import os
import sys
import time
import warnings

import numpy as np
import pytest

from formulations.exceptions import InvalidInput
from tests.audit import fuzz

COUNT, BLOCKS = int(os.environ.get("FORMULATIONS_FUZZ", 4_000)), 2
"""The files for each reader: FORMULATIONS_FUZZ=40000 takes about ten times as long."""


@pytest.mark.parametrize(("count", "read", "refused"), [(50, 0, 10), pytest.param(200, 1, 101, marks=pytest.mark.slow)])
@pytest.mark.parametrize("reader", fuzz.READERS)
def test_a_mutated_file_is_read_or_refused(reader, count, read, refused, tmp_path):
    outcome = fuzz.attack(reader, range(count), tmp_path / "file.npz")
    assert not outcome.defects, "\n".join(outcome.defects)
    # Some mutations leave a valid file, and most do not.
    assert outcome.counts["read"] >= read and outcome.counts["InvalidInput"] >= refused
    assert outcome.counts.total() == count


@pytest.mark.slow
@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("reader", fuzz.READERS)
def test_many_mutated_files(reader, block, tmp_path):
    size = COUNT // BLOCKS
    outcome = fuzz.attack(reader, range(block * size, (block + 1) * size), tmp_path / "file.npz", seed=1)
    assert not outcome.defects, f"{len(outcome.defects)} defects\n" + "\n".join(outcome.defects[:20])


def raising(path):
    with open(path, "rb") as file:
        if b"seto" not in file.read():
            raise KeyError("seto")


def warning(_):
    warnings.warn("deprecated", DeprecationWarning, stacklevel=1)


def greedy(_):
    np.empty(2 * fuzz.ADDRESSES, np.uint8)


def hanging(_):
    time.sleep(10)


def refusing(_):
    raise InvalidInput("refused")


PLANTED = {"raising": (raising, "KeyError"), "warning": (warning, "DeprecationWarning")}
if sys.platform == "linux":
    PLANTED |= {"greedy": (greedy, "MemoryError"), "hanging": (hanging, "TimeoutError")}


@pytest.fixture
def plant(monkeypatch):
    def planted(read):
        calls = iter([None])
        # The first call gets the valid file.
        reader = fuzz.Reader(lambda path: next(calls, read) and read(path), lambda: [b"length,species\n1,setosa\n"])
        monkeypatch.setitem(fuzz.READERS, "planted", reader)

    return planted


@pytest.mark.parametrize("name", PLANTED)
def test_a_reader_with_a_defect_is_found(name, plant, tmp_path, monkeypatch):
    read, exception = PLANTED[name]
    plant(read)
    if read is hanging:
        monkeypatch.setattr(fuzz, "SECONDS", 0.2)
    outcome = fuzz.attack("planted", range(1 if read is hanging else 50), tmp_path / "file.csv")
    assert outcome.defects and all(exception in defect for defect in outcome.defects)


def test_an_exception_of_the_library_is_no_defect(plant, tmp_path):
    plant(refusing)
    assert fuzz.attack("planted", range(5), tmp_path / "file.csv").counts == {"InvalidInput": 5}


def test_a_file_is_the_same_in_every_run_and_after_any_other(tmp_path):
    path = tmp_path / "file.csv"
    fuzz.attack("csv", range(19, 20), path)
    alone = path.read_bytes()
    fuzz.attack("csv", range(20), path)
    assert path.read_bytes() == alone
    fuzz.attack("csv", range(19, 20), path, seed=1)
    assert path.read_bytes() != alone
