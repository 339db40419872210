"""Files of examples for the command line."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from formulations.arrays import use_budget
from formulations.data import read_examples, read_table
from formulations.exceptions import InvalidInput, Refused

X, Y = np.arange(6.0).reshape(3, 2), np.array(["a", "b", "a"])


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".CSV", ".csv.gz"])
def test_text_is_read_as_a_table(suffix, tmp_path):
    path, text = tmp_path / f"examples{suffix}", b"x,y,kind\n0,1,a\n2,3,b\n4,5,a\n"
    path.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
    found = read_table(path, "kind")
    assert (found.X == X).all() and (found.Y == Y).all() and found.columns == ("x", "y")
    assert read_table(str(path)).label == "kind"


@pytest.mark.parametrize("suffix", [".npz", ".npz.gz"])
def test_arrays_are_read_with_their_labels(suffix, tmp_path):
    path = tmp_path / f"examples{suffix}"
    np.savez(tmp_path / "plain.npz", X=X, Y=Y)
    content = (tmp_path / "plain.npz").read_bytes()
    path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    found = read_table(path)
    assert (found.X == X).all() and (found.Y == Y).all() and found[2:] == (None, None)
    assert read_table(path, None).Y is None
    assert [array.tolist() for array in read_examples(path)] == [X.tolist(), Y.tolist()]
    with pytest.raises(InvalidInput, match="array Y, got the name of a column, 'kind'"):
        read_table(path, "kind")


def test_only_the_examples_are_needed_without_labels(tmp_path):
    np.savez(tmp_path / "X.npz", X=X)
    assert (read_table(tmp_path / "X.npz", None).X == X).all()
    with pytest.raises(InvalidInput, match="must hold X, Y, and lacks Y"):
        read_table(tmp_path / "X.npz")


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"must end in .csv, .tsv, .txt or .npz, .* got '.*examples.xlsx'"):
        read_table(tmp_path / "examples.xlsx")


def test_decompression_is_bounded(tmp_path):
    (tmp_path / "zeros.npz.gz").write_bytes(gzip.compress(bytes(10**7)))
    with use_budget(memory="1MB"), pytest.raises(Refused, match="must fit the budget of 1 MB"):
        read_examples(tmp_path / "zeros.npz.gz")
