"""Arrays in files: described by where they are, read in pieces, and refused if the file has changed."""

from __future__ import annotations

import builtins
import errno
import os
import pickle

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.exceptions import InvalidInput, Refused, WrongShape, WrongType
from formulations.plans.stored import Stored, stored_array, stored_file

ARRAY = np.arange(60.0).reshape(12, 5)


def views(array):
    """Every way to take some of an array that keeps two dimensions."""
    return {
        "whole": array, "rows": array[3:9], "columns": array[:, 1:4], "one column": array[:, 4:],
        "every other": array[::2], "backwards": array[::-1], "mirrored": array[:, ::-1], "transposed": array.T,
        "few": array[::5, ::3], "row": array[2:3],
    }  # fmt: skip


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float64", ">f4", "int8", "bool"])
@pytest.mark.parametrize("view", views(ARRAY))
def test_slices_of_any_mapped_view_are_read_from_the_file(tmp_path, dtype, order, view):
    np.save(tmp_path / "a.npy", np.asarray(ARRAY, dtype, order=order))
    expected = views(ARRAY.astype(dtype))[view]
    mapped = views(np.load(tmp_path / "a.npy", mmap_mode="r"))[view]
    found = pickle.loads(pickle.dumps(stored_array(mapped, "X")))
    assert isinstance(found, Stored) and found.shape == expected.shape and found.dtype == np.dtype(dtype)
    for rows in (slice(0, len(expected)), slice(1, 4), slice(len(expected) - 1, len(expected))):
        assert np.array_equal(found[rows], expected[rows])


@pytest.mark.parametrize("order", ["C", "F"])
def test_files_of_numpy_are_read_from_their_path(tmp_path, order):
    array, weights = np.asarray(ARRAY, order=order), np.arange(12.0)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "b.npz", first=np.zeros(3), array=array, weights=weights)
    assert np.array_equal(stored_file(tmp_path / "a.npy", "X")[2:7], ARRAY[2:7])
    assert np.array_equal(stored_file((str(tmp_path / "b.npz"), "array"), "X")[2:7], ARRAY[2:7])
    assert np.array_equal(stored_file((tmp_path / "b.npz", "weights"), "sample_weight")[2:7], weights[2:7])


def test_what_is_read_is_what_was_asked_for(tmp_path):
    # A column of a wide file must not take the memory of the file.
    wide = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", shape=(10, 1000))
    wide[...] = np.arange(10_000).reshape(10, 1000)
    wide.flush()
    sizes = []

    class Counted(Stored):
        def _read(self, file, position, shape, strides):
            found = super()._read(file, position, shape, strides)
            sizes.append(len(found.base))
            return found

    for view, longest in ((wide[:, 3:5], 16), (wide[::3], 8000), (wide[4:6], 16_000)):
        sizes.clear()
        described = stored_array(view, "X")
        assert np.array_equal(Counted(**described.__dict__)[0 : len(view)], view)
        assert max(sizes) == longest
    np.save(tmp_path / "f.npy", np.asfortranarray(wide))
    sizes.clear()
    Counted(**stored_file(tmp_path / "f.npy", "X").__dict__)[2:4]
    assert sizes == [16] * 1000


def test_arrays_that_are_in_memory_are_not_described(tmp_path):
    np.save(tmp_path / "a.npy", ARRAY)
    assert stored_array(ARRAY, "X") is None and stored_array(ARRAY[::2], "X") is None
    # Changes of a copy on write would be lost.
    assert stored_array(np.load(tmp_path / "a.npy", mmap_mode="c"), "X") is None
    with open(tmp_path / "a.npy", "rb") as file:
        file.seek(0)
        assert stored_array(np.asarray(np.memmap(file, np.uint8, "r")), "X").path == str(tmp_path / "a.npy")


def test_a_file_that_changes_or_vanishes_is_refused_with_the_remedy(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, ARRAY)
    found = stored_file(path, "X")
    os.utime(path, ns=(0, 10**18))
    with pytest.raises(
        Refused, match=r"a\.npy must not change while it is a source.*describe it again with formulations"
    ):
        found[0:1]
    found = stored_file(path, "X")
    with open(path, "r+b") as file:
        file.truncate(200)
    os.utime(path, ns=(0, found.modified))
    with pytest.raises(Refused, match="must not change"):
        found[0:1]
    path.unlink()
    with pytest.raises(InvalidInput, match=r"there is no file .*a\.npy.*; give its path"):
        found[0:1]


def test_a_file_that_is_cut_short_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.npy"
    np.save(path, ARRAY)
    found = stored_file(path, "X")
    monkeypatch.setattr(Stored, "check", lambda _: None)
    with open(path, "r+b") as file:
        file.truncate(200)
    with pytest.raises(Refused, match="must not change"):
        found[0:12]


def test_a_change_between_the_first_and_the_last_byte_is_noticed(tmp_path, monkeypatch):
    path = tmp_path / "a.npy"
    np.save(path, ARRAY)
    found, read = stored_file(path, "X"), Stored._read

    def late(self, *arguments):
        array = read(self, *arguments)
        os.utime(path, ns=(0, 10**18))
        return array

    monkeypatch.setattr(Stored, "_read", late)
    with pytest.raises(Refused, match="must not change"):
        found[0:1]


def test_what_is_no_array_of_numbers_is_refused(tmp_path):
    path = tmp_path / "a.npy"
    for content, exception, message in [
        (np.array([{}], object), WrongType, "X must hold real numbers .*, got dtype object"),
        (np.zeros(2, [("a", float)]), WrongType, r"X must hold real numbers .*, got records in .*a\.npy"),
        (np.zeros((2, 2), complex), WrongType, "got dtype complex128"),
        (np.array([["a"]]), WrongType, "got dtype <U1"),
    ]:
        np.save(path, content, allow_pickle=True)
        with pytest.raises(exception, match=message):
            stored_file(path, "X")
    for content in (b"", b"no array", b"\x93NUMPY\x01\x00"):
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match=r"must be an \.npy file of plain numbers .*; write it with numpy\.save"):
            stored_file(path, "X")
    for size in (300, 2000):
        np.save(path, ARRAY)
        with open(path, "r+b") as file:
            file.truncate(size)
        with pytest.raises(InvalidInput, match=r"numbers \(it has another size than its header says\); write it with"):
            stored_file(path, "X")
    with pytest.raises(InvalidInput, match="there is no file"):
        stored_file(tmp_path / "b.npy", "X")
    with pytest.raises(InvalidInput, match="for an object store a Zarr or Dask array or a callable"):
        stored_file("s3://bucket/a.npy", "X")


def test_compressed_members_of_an_archive_are_refused_with_the_remedy(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", X=ARRAY)
    with pytest.raises(Refused, match=r"must not be compressed .* X of .*a\.npz is; write it with numpy\.savez"):
        stored_file((tmp_path / "a.npz", "X"), "X")
    np.savez(tmp_path / "a.npz", X=ARRAY, O=np.array([{}], object))
    with pytest.raises(InvalidInput, match="must hold Y, and lacks Y; it holds X"):
        stored_file((tmp_path / "a.npz", "Y"), "X")
    with pytest.raises(InvalidInput, match="holds objects; pickles are refused"):
        stored_file((tmp_path / "a.npz", "O"), "X")


def test_sources_are_cut_and_name_their_place(tmp_path):
    np.save(tmp_path / "x.npy", ARRAY)
    np.save(tmp_path / "y.npy", ARRAY[:, :2])
    cut = fm.sources(tmp_path / "x.npy", tmp_path / "y.npy", rows=5)
    assert [(source.start, source.stop, source.rows) for source in cut] == [(0, 5, 5), (5, 10, 5), (10, 12, 2)]
    assert repr(cut[1]) == f"<Source rows 5 to 10 of {tmp_path}/x.npy and {tmp_path}/y.npy>"
    assert len(fm.sources(tmp_path / "x.npy", tmp_path / "y.npy")) == 1
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    both = fm.sources(mapped[:, :3], mapped[:, 3:])
    assert repr(both[0]) == f"<Source rows 0 to 12 of {tmp_path}/x.npy>"
    # What travels is the description.
    assert len(pickle.dumps(both[0])) < 1000


def test_a_relative_path_is_that_of_the_folder_in_which_it_was_given(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", ARRAY)
    monkeypatch.chdir(tmp_path)
    found = stored_file("a.npy", "X")
    monkeypatch.chdir(tmp_path.parent)
    assert np.array_equal(found[2:7], ARRAY[2:7])


def test_what_is_wrong_with_sources_is_said(tmp_path):
    np.save(tmp_path / "x.npy", ARRAY)
    np.save(tmp_path / "short.npy", ARRAY[:4])
    np.save(tmp_path / "flat.npy", ARRAY.ravel())
    x, short, flat = (tmp_path / f"{name}.npy" for name in ("x", "short", "flat"))
    for arguments, exception, message in [
        ((x, short), WrongShape, "X and Y must hold the same number of examples, got 12 and 4"),
        ((flat, x), WrongShape, r"X must have shape \(m, n\), .*, got shape \(60,\) in .*; write it in this shape"),
        ((x, flat), WrongShape, r"Y must have shape .*, got shape \(60,\) in .*; write formulations.one_hot\(labels\)"),
        ((x, x, flat), WrongShape, r"sample_weight must have shape \(12,\)"),
        (
            (ARRAY, ARRAY),
            WrongType,
            r"X must be described by where it is, .* got an array of shape \(12, 5\) in memory",
        ),
        ((x, [[1.0]]), WrongType, r"Y must be described by where it is, .* got \[\[1\.0\]\] in memory"),
        ((None, x), WrongType, r"X must be described by where it is, .* got None; pass the path of an \.npy file"),
        (([str(x), "X"], x), WrongType, r"X must be described by where it is, .* got .* in memory; write it"),
        ((np.float64(3), x), WrongType, r"X must be described .* got np\.float64\(3\.0\) in memory; write it"),
        ((x, x, None, 0), InvalidInput, "rows must be at least 1, got 0"),
        ((x, x, None, 2.5), WrongType, "rows must be a positive integer, got 2.5"),
    ]:
        with pytest.raises(exception, match=message):
            fm.sources(*arguments)


def test_a_plan_takes_stored_examples_of_any_kind(tmp_path):
    net = makers.network()
    X, Y = makers.data(net, 700)
    weights = np.random.default_rng(3).random(700)
    plan = fm.prepare(net, "auto", memory="400kB")
    assert plan.batch_size < 350
    expected = plan(X, Y, weights).copy()
    np.save(tmp_path / "x.npy", np.asfortranarray(X))
    np.save(tmp_path / "y.npy", Y.astype(">f8"))
    np.savez(tmp_path / "w.npz", w=weights)
    found = plan.over(fm.sources(tmp_path / "x.npy", tmp_path / "y.npy", (tmp_path / "w.npz", "w")))
    assert np.array_equal(found.vector, expected.vector) and found.cost == expected.cost
    given = (str(tmp_path / "x.npy"), tmp_path / "y.npy", weights)
    assert np.array_equal(plan.over([given]).vector, expected.vector)


def test_a_folder_and_an_archive_without_a_name_are_refused(tmp_path):
    np.savez(tmp_path / "both.npz", X=np.ones((2, 2)))
    with pytest.raises(
        InvalidInput, match=r"must be a file that can be read, got .* \(Is a directory\); pass the path"
    ):
        fm.sources(tmp_path, tmp_path)
    with pytest.raises(InvalidInput, match=r"must be a file that can be read, got .* \(embedded null byte\)"):
        fm.sources("nu\0ll", tmp_path)
    with pytest.raises(InvalidInput, match="with the name of an array"):
        fm.sources(tmp_path / "both.npz", tmp_path / "both.npz")


def test_a_name_that_an_archive_lacks_is_told_with_those_that_it_holds(tmp_path):
    np.savez(tmp_path / "both.npz", X=np.ones((2, 2)))
    with pytest.raises(
        InvalidInput, match=r"must hold Q, and lacks Q; it holds X; pass the name of an array in a file"
    ):
        fm.sources((tmp_path / "both.npz", "Q"), (tmp_path / "both.npz", "X"))


def test_a_single_number_in_a_file_has_a_repr(tmp_path):
    np.save(tmp_path / "one.npy", np.float64(3))
    assert repr(stored_file(tmp_path / "one.npy", "X")) == f"<one float64 in {tmp_path / 'one.npy'}>"


def test_a_file_that_may_not_be_read_any_more_is_told(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.ones((4, 2)))
    stored = stored_file(tmp_path / "x.npy", "X")

    def denied(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(builtins, "open", denied)
    with pytest.raises(InvalidInput, match=r"must be a file that can be read, got .* \(Permission denied\); pass"):
        stored[0:2]
