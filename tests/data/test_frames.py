"""Frames, dask collections and sparse arrays become arrays of real numbers, or are refused with the place."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from formulations.data import as_matrix, column_names
from formulations.exceptions import InvalidInput, NotFinite, WrongShape, WrongType

DENSE = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]])
FRAME = {"width": [1.5, 2.5], "count": [1, 2], "large": [True, False]}


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_sparse_examples_become_one_format(form, kind):
    found = as_matrix(getattr(sparse, f"{form}_{kind}")(DENSE))
    assert isinstance(found, sparse.csr_array) and found.has_canonical_format
    assert (found.toarray() == DENSE).all() and column_names(found) is None


def test_entries_that_are_stored_twice_are_added_in_a_copy():
    given = sparse.csr_array((np.array([1.0, 2.0]), np.array([0, 0]), np.array([0, 2])), shape=(1, 2))
    assert as_matrix(given).toarray().tolist() == [[3, 0]]
    assert given.data.tolist() == [1, 2]


def test_invalid_sparse_indices_are_refused():
    given = sparse.csr_array(DENSE)
    given.indices[0] = 7
    with pytest.raises(InvalidInput, match="X must be a valid sparse array, got one whose"):
        as_matrix(given)
    with pytest.raises(WrongType, match="got dtype complex128"):
        as_matrix(sparse.csr_array(DENSE * 1j))
    with pytest.raises(WrongShape, match=r"two dimensions, got shape \(3,\)"):
        as_matrix(sparse.coo_array(DENSE[0]))


def test_arrays_are_not_copied():
    assert as_matrix(DENSE) is DENSE and column_names(DENSE) is None
    with pytest.raises(WrongType, match="X must hold real numbers"):
        as_matrix([["a"]])


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_frame_of_numbers_is_a_matrix_with_names(package):
    frame = pytest.importorskip(package).DataFrame(FRAME)
    assert column_names(frame) == ("width", "count", "large")
    assert as_matrix(frame).tolist() == [[1.5, 1, 1], [2.5, 2, 0]]
    assert as_matrix(frame).dtype == np.float64
    assert as_matrix(frame[["count"]]).dtype == np.int64


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_column_that_is_no_numbers_is_named(package):
    frame = pytest.importorskip(package).DataFrame({"width": [1.0, 2.0], "species": ["setosa", "virginica"]})
    with pytest.raises(WrongType, match="each column of X must hold numbers, got 'setosa' in column 'species'"):
        as_matrix(frame)
    with pytest.raises(WrongType, match=r"got 'setosa' in column 'species'; pass the column, Y\['species'\], if it h"):
        as_matrix(frame[["species"]], "Y")


@pytest.mark.parametrize("package", ["pandas", "polars"])
@pytest.mark.parametrize(("value", "came"), [(None, "no value"), (np.nan, "no value"), (-np.inf, "-inf")])
def test_missing_and_infinite_entries_are_refused_with_their_place(package, value, came):
    frame = pytest.importorskip(package).DataFrame({"width": [1.0, 2.0], "height": [3.0, value]})
    with pytest.raises(NotFinite, match=f"got {came} in row 1, column 'height'"):
        as_matrix(frame)


def test_nullable_columns_of_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": pandas.array([1, 2], "Int64"), "b": pandas.array([True, False], "boolean")})
    assert as_matrix(frame).tolist() == [[1, 1], [2, 0]]
    frame["c"] = pandas.array([0.5, pandas.NA], "Float32")
    with pytest.raises(NotFinite, match="got no value in row 1, column 'c'"):
        as_matrix(frame)
    # A column of Python objects is read value by value.
    assert as_matrix(pandas.DataFrame({"a": [1, 2.5]}, dtype=object)).tolist() == [[1], [2.5]]
    with pytest.raises(NotFinite, match="got no value in row 0, column 'a'"):
        as_matrix(pandas.DataFrame({"a": [pandas.NaT, 2.5]}, dtype=object))


def test_names_of_a_frame():
    pandas = pytest.importorskip("pandas")
    unnamed = pandas.DataFrame(DENSE)
    assert column_names(unnamed) is None and (as_matrix(unnamed) == DENSE).all()
    assert column_names(pandas.DataFrame(DENSE, columns=["a", "b", 3])) == ("a", "b", "3")
    with pytest.raises(InvalidInput, match="distinct names, got 'a' twice"):
        column_names(pandas.DataFrame(DENSE, columns=["a", "b", "a"]))
    with pytest.raises(WrongShape, match="a frame without columns"):
        as_matrix(pandas.DataFrame(index=[0, 1]))


def test_a_lazy_frame_of_polars_is_collected():
    polars = pytest.importorskip("polars")
    lazy = polars.DataFrame(FRAME).lazy()
    assert column_names(lazy) == ("width", "count", "large")
    assert as_matrix(lazy).tolist() == [[1.5, 1, 1], [2.5, 2, 0]]


@pytest.mark.slow  # importing dask takes seconds
def test_dask_collections_are_computed():
    array = pytest.importorskip("dask.array")
    assert (as_matrix(array.from_array(DENSE, chunks=1)) == DENSE).all()
    pandas, frames = pytest.importorskip("pandas"), pytest.importorskip("dask.dataframe")
    frame = frames.from_pandas(pandas.DataFrame(FRAME), npartitions=2)
    assert column_names(frame) == ("width", "count", "large")
    assert as_matrix(frame).tolist() == [[1.5, 1, 1], [2.5, 2, 0]]
