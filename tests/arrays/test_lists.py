"""Lists of names, backends, dtypes and numbers: read in one way by everything that takes them."""

from __future__ import annotations

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.arrays.lists import by_name, integers, items, precisions
from formulations.backends._registry import chosen_backends
from formulations.comparison.race.cells import CELLS, read_cells, read_dtypes
from formulations.comparison.race.peers.table import PEERS, read_peers
from formulations.comparison.relative_errors import measure_relative_errors
from formulations.exceptions import InvalidInput, UnknownName, WrongType

TABLE = {"book": 1, "digits": 2}
NO_LISTS = {"a number": 3, "an array of no dimension": np.array("book"), "bytes": b"book", "a type": str}


def check(**options):
    return fm.check_backend("hadamard", **options)


def compare(backends):
    return fm.compare(fm.Network.random([2, 1], seed=0), [[0.0, 1.0]], [[1.0]], backends=backends)


READERS = {
    "by_name": lambda given: by_name(TABLE, given, "cell", "cells"),
    "chosen_backends": chosen_backends,
    "precisions": precisions,
    "integers": lambda given: integers(given, "counts"),
    "cells": read_cells,
    "dtypes of a race": read_dtypes,
    "laws": lambda given: check(laws=given),
    "scenarios": lambda given: check(scenarios=given),
    "dtypes of a check": lambda given: check(dtypes=given),
    "backends to compare": compare,
    "backends to measure": lambda given: measure_relative_errors(given),
    "scenarios to measure": lambda given: measure_relative_errors(scenarios=given),
    "dtypes to measure": lambda given: measure_relative_errors(dtypes=given),
    "backends to explain": lambda given: fm.explain(backends=given),
}
READERS_OF_NAMES = [name for name in READERS if name not in ("integers", "backends to explain")]


@pytest.mark.parametrize("given", NO_LISTS)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_list_is_refused(reader, given):
    with pytest.raises(WrongType, match=r"must be a list, got .*; pass one such as"):
        READERS[reader](NO_LISTS[given])


@pytest.mark.parametrize("given", [[], (), {}, np.array([]), iter(())], ids=lambda given: type(given).__name__)
@pytest.mark.parametrize("reader", [name for name in READERS if name != "backends to explain"])
def test_what_names_nothing_is_refused(reader, given):
    with pytest.raises(InvalidInput, match="must not be empty; pass a list such as"):
        READERS[reader](given)


@pytest.mark.parametrize("given", [[["book"]], np.array([["book"]]), [3], [None, {}]], ids=repr)
@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS_OF_NAMES)
def test_what_is_no_name_is_refused(reader, given):
    with pytest.raises((UnknownName, WrongType, InvalidInput), match=r"unknown|must be|is chosen by|is run in"):
        READERS[reader](given)


def test_one_name_is_a_list_of_one():
    assert by_name(TABLE, "book", "cell", "cells") == {"book": 1}
    assert precisions("float32") == read_dtypes("float32") == ["float32"]
    assert read_cells("book") == [CELLS["book"]]
    assert read_peers("torch") == [PEERS["torch"]]
    backend = fm.get_backend("sigma")
    assert list(chosen_backends("sigma")) == list(chosen_backends(backend)) == list(chosen_backends([backend]))
    assert [row.backend for row in compare("sigma").rows] == ["sigma"]
    with pytest.raises(WrongType, match="counts must be a list, got '10'"):
        integers("10", "counts")


def test_each_is_taken_once_in_the_order_given():
    assert list(by_name(TABLE, ["digits", "book", "digits"], "cell", "cells")) == ["digits", "book"]
    assert by_name(TABLE, None, "cell", "cells") == TABLE
    assert by_name(TABLE, np.array(["digits"]), "cell", "cells") == {"digits": 2}
    assert by_name(TABLE, (), "cell", "cells", some=False) == {}
    assert precisions([np.float64, "float32", float]) == ["float64", "float32"]
    assert integers((3, 1, 3), "counts") == (1, 3)
    assert items(iter([1, 2]), "sizes", "[1]") == [1, 2]


def test_two_backends_of_one_label_are_refused_everywhere():
    class Other(makers.HadamardWrapper):
        name = "hadamard"

    for read in (chosen_backends, compare):
        with pytest.raises(InvalidInput, match="two different backends are both called 'hadamard'"):
            read(["hadamard", Other()])
