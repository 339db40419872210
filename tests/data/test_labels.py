"""Labels and their unit vectors."""

from __future__ import annotations

import numpy as np
import pytest

import formulations as fm
from formulations.data import encode_labels, is_labels
from formulations.exceptions import InvalidInput, Refused, WrongShape, WrongType

SPECIES = np.array(["setosa", "virginica", "setosa"])
LABELS = {
    "strings": SPECIES,
    "a list of strings": SPECIES.tolist(),
    "objects": SPECIES.astype(object),
    "bytes": SPECIES.astype("S"),
    "strings of any length": SPECIES.astype(np.dtypes.StringDType()),
    "a tuple": tuple(SPECIES.tolist()),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_strings_of_any_kind_are_the_same_labels(labels):
    assert is_labels(labels)
    classes, indices = encode_labels(labels)
    assert classes.tolist() == ["setosa", "virginica"] and classes.dtype.kind == "U"
    assert indices.tolist() == [0, 1, 0] and indices.dtype == np.intp
    assert fm.one_hot(labels).tolist() == [[1, 0], [0, 1], [1, 0]]


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "uint64", object])
def test_integers_of_any_size_are_the_same_labels(dtype):
    classes, indices = encode_labels(np.array([9, 3, 9], dtype))
    assert (classes.tolist(), classes.dtype, indices.tolist()) == ([3, 9], np.int64, [1, 0, 1])


def test_booleans_are_labels_of_their_own():
    classes, indices = encode_labels([True, np.False_, True])
    assert (classes.tolist(), classes.dtype, indices.tolist()) == ([False, True], np.bool_, [1, 0, 1])


def test_an_integer_means_the_classes_below_it_and_a_list_their_order():
    encoded = fm.one_hot([1, 0, 2], classes=4, dtype="float32")
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]]
    assert fm.one_hot([1], classes=np.int64(2)).tolist() == [[0, 1]]
    assert fm.one_hot(["b", "a"], classes=["c", "b", "a"]).tolist() == [[0, 1, 0], [0, 0, 1]]
    assert encode_labels(["b", "a"], ["c", "b", "a"])[0].tolist() == ["c", "b", "a"]


def test_a_single_class_has_one_column():
    assert fm.one_hot([7, 7]).tolist() == [[1], [1]]


@pytest.mark.parametrize(
    "targets", [[0.5, 1.0], [[0, 1]], np.eye(2), None, 3, [[0], [1, 2]], [], [0.5, None], np.zeros((2, 1), int), [1j]]
)
def test_other_targets_are_not_labels(targets):
    assert not is_labels(targets)


def test_labels_with_a_fault_are_labels_so_that_the_fault_can_be_named():
    assert is_labels(["a", None]) and is_labels([1, "a"]) and is_labels(np.array([1, None]))


REFUSED = {
    "a null character": (lambda: encode_labels(["a", "a\0"]), InvalidInput, r"at labels\[1\]"),
    "one in bytes": (lambda: encode_labels([b"a\0"]), InvalidInput, "null characters"),
    "one in objects": (lambda: encode_labels(np.array(["a\0"], object)), InvalidInput, "null characters"),
    "one in a class": (lambda: encode_labels(["a"], ["a", "a\0"]), InvalidInput, r"at classes\[1\]"),
    "no labels": (lambda: encode_labels([]), InvalidInput, "at least one label, got none"),
    "numbers": (lambda: encode_labels([1.5]), WrongType, "labels must be integers, strings or booleans, got 1.5"),
    "an array of numbers": (lambda: encode_labels(np.ones(2)), WrongType, "strings or booleans, got dtype float64"),
    "integers and strings": (
        lambda: encode_labels([1, 2, "a"]), WrongType,
        r"of one type, got an integer, 1, at labels\[0\] and a string, 'a', at labels\[2\]",
    ),
    "integers and booleans": (lambda: encode_labels([1, True]), WrongType, r"a boolean, True, at labels\[1\]"),
    "objects of two types": (
        lambda: encode_labels(np.array(["a", 1], object)), WrongType, r"a string, 'a', at labels\[0\] and an integer",
    ),
    "a number among strings": (
        lambda: encode_labels(np.array(["a", 1.5], object)), WrongType, r"1.5, of type float, at labels\[1\]",
    ),
    "None": (lambda: encode_labels(["a", None]), InvalidInput, r"must not be missing, got None at labels\[1\]"),
    "NaN": (lambda: encode_labels([1, np.nan]), InvalidInput, r"must not be missing, got nan at labels\[1\]"),
    "NaN among strings": (
        lambda: encode_labels(np.array(["a", np.nan], object)), InvalidInput, r"missing, got nan at labels\[1\]",
    ),
    "a mask": (lambda: encode_labels(np.ma.array([1, 2], mask=[0, 1])), InvalidInput, r"masked entry at labels\[1\]"),
    "bytes that are no text": (lambda: encode_labels([b"\xff"]), WrongType, r"type bytes, at labels\[0\]"),
    "integers beyond 64 bits": (lambda: encode_labels([2**70, 1]), InvalidInput, "fit 64-bit integers"),
    "unsigned integers beyond": (lambda: encode_labels(np.array([2**63], "u8")), InvalidInput, "fit 64-bit integers"),
    "a column": (lambda: encode_labels([[1]]), WrongShape, r"labels must have shape \(m,\).*got \(1, 1\); flatten"),
    "an unseen label": (
        lambda: encode_labels(["a", "d"], ["a", "b"], "Y"), InvalidInput,
        r"Y must be among the classes 'a', 'b', got 'd' at Y\[1\]; leave such examples out",
    ),
    "an unseen last label": (lambda: encode_labels([5], range(20)[:5]), InvalidInput, "0, 1, 2, 3, 4, got 5"),
    "many classes": (lambda: encode_labels([-1], range(20)), InvalidInput, r"8, 9, … \(20 in total\), got -1"),
    "classes of another type": (lambda: encode_labels([1], ["a"]), WrongType, "strings like the classes 'a'"),
    "a class twice": (lambda: encode_labels([1], [1, 2, 1]), InvalidInput, "classes must be distinct, got 1 twice"),
    "ragged classes": (lambda: fm.one_hot([0], classes=[[0], [1, 2]]), WrongShape, "classes must be a rectangular"),
    "a NaN in single precision": (
        lambda: encode_labels(np.array(["a", np.float32("nan")], object)), InvalidInput, r"got .*nan.* at labels\[1\]",
    ),
    "no class": (lambda: encode_labels([1], []), InvalidInput, "classes must hold at least one"),
    "a label above": (
        lambda: fm.one_hot([0, 10], classes=10), InvalidInput, r"from 0 to 9, got 10 at labels\[1\]",
    ),
    "a label below": (lambda: fm.one_hot([0, 0, -1], classes=10), InvalidInput, r"got -1 at labels\[2\]"),
    "strings below an integer": (lambda: fm.one_hot(["a"], classes=2), WrongType, "must be integers .* got strings"),
    "no classes": (lambda: fm.one_hot([0], classes=0), InvalidInput, "classes must be at least 1, got 0"),
    "true classes": (lambda: fm.one_hot([0], classes=True), WrongType, "an integer, a list of classes or None, got T"),
    "a word as the classes": (lambda: fm.one_hot(["a"], classes="ab"), WrongType, "classes or None, got 'ab'"),
    "a dtype": (lambda: fm.one_hot([1], dtype="int64"), WrongType, "got 'int64'"),
    "vectors beyond the budget": (
        lambda: fm.one_hot([1], classes=10**12), Refused, "must fit the budget of 4 GB, got 1000000000000 classes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_say_what_came(name):
    call, exception, part = REFUSED[name]
    with pytest.raises(exception, match=part) as refusal:
        call()
    assert str(refusal.value).endswith(".")


def test_series_and_categories_of_pandas_are_labels():
    pandas = pytest.importorskip("pandas")
    for series in (
        pandas.Series(SPECIES),
        pandas.Series(SPECIES, dtype="category"),
        pandas.Series(SPECIES.astype(object), dtype=object),
        pandas.Series(SPECIES, dtype="string", index=[5, 6, 7]),
    ):
        assert is_labels(series) and encode_labels(series)[0].tolist() == ["setosa", "virginica"]
    assert encode_labels(pandas.Series([2, 1], dtype="Int64"))[0].tolist() == [1, 2]
    assert not is_labels(pandas.Series([0.5]))
    for missing in (pandas.NA, pandas.NaT, None, np.nan):
        with pytest.raises(InvalidInput, match=r"missing, got .* at labels\[1\]"):
            encode_labels(pandas.Series(["a", missing], dtype=object))
    with pytest.raises(InvalidInput, match=r"missing, got .* at labels\[1\]"):
        encode_labels(pandas.Series([1, None], dtype="Int64"))


def test_series_of_polars_are_labels():
    polars = pytest.importorskip("polars")
    for series in (polars.Series(SPECIES), polars.Series(SPECIES, dtype=polars.Categorical)):
        assert is_labels(series) and encode_labels(series)[0].tolist() == ["setosa", "virginica"]
    assert encode_labels(polars.Series([True, False]))[0].tolist() == [False, True]
    with pytest.raises(InvalidInput, match=r"missing, got nan at labels\[1\]"):
        encode_labels(polars.Series([1, None]))
