"""MNIST's files."""

from __future__ import annotations

import gzip
import math

import numpy as np
import pytest

import formulations as fm
from formulations.exceptions import InvalidInput, NotFinite, Refused, WrongShape, WrongType

CODES = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 4, 3)).astype("u1")
LABELS = np.array([7, 0, 9, 9, 1], "u1")


def idx(array, code=None, shape=None, dtype="u1"):
    shape = array.shape if shape is None else shape
    header = bytes([0, 0, CODES[dtype] if code is None else code, len(shape)])
    return header + np.array(shape, ">u4").tobytes() + array.astype(dtype).tobytes()


@pytest.fixture
def read(tmp_path):
    def reader(images, labels=None):
        for name, content in (("images", images), ("labels", labels)):
            (tmp_path / name).write_bytes(content or b"")
        return fm.read_idx(tmp_path / "images", None if labels is None else tmp_path / "labels")

    return reader


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_pixels_are_divided_by_255_and_labels_are_integers(pack, read):
    X, labels = read(pack(idx(PIXELS)), pack(idx(LABELS)))
    assert X.dtype == np.float64 and np.array_equal(X, PIXELS.reshape(5, 12) / 255)
    assert labels.dtype == np.int64 and labels.tolist() == LABELS.tolist()
    assert X.flags.writeable and read(idx(PIXELS))[1] is None


@pytest.mark.parametrize("dtype", [dtype for dtype in CODES if dtype != "u1"])
def test_values_of_the_other_types_are_kept(dtype, read):
    values = np.arange(-6.0, 6).reshape(3, 4)
    assert (read(idx(values, dtype=dtype))[0] == values).all()
    if dtype[1] != "f":
        assert read(idx(values, dtype=dtype), idx(values[:, 0], dtype=dtype))[1].tolist() == [-6, -2, 2]


REFUSED = {
    "a magic number": (b"\1" + idx(PIXELS)[1:], None, InvalidInput, r"begins with 00 00, .* got 01 00 08 03; pass"),
    "a type": (idx(PIXELS, code=0x0A), None, InvalidInput, "got 00 00 0a 03"),
    "no dimension": (idx(PIXELS[0, 0, 0], shape=()), None, InvalidInput, "got 00 00 08 00"),
    "an empty file": (b"", None, InvalidInput, "must be an IDX file, .* got nothing"),
    "a truncated header": (idx(PIXELS)[:10], None, InvalidInput, "got a shorter file"),
    "truncated images": (idx(PIXELS)[:-1], None, InvalidInput, r"60 bytes after its header, for shape \(5, 4, 3\)"),
    "trailing bytes": (idx(PIXELS) + b"\0", None, InvalidInput, "got a longer one"),
    "trailing megabytes": (gzip.compress(idx(PIXELS) + bytes(10**7)), None, InvalidInput, "got a longer one"),
    "truncated gzip": (gzip.compress(idx(PIXELS))[:-8], None, InvalidInput, "got a broken gzip file"),
    "a giant": (idx(PIXELS, shape=(2**32 - 1,) * 3), None, Refused, "must fit the budget of 4 GB, got"),
    "labels for images": (idx(LABELS), None, WrongShape, r"must hold images, .* got shape \(5,\); pass the file"),
    "no images": (idx(PIXELS[:0]), None, WrongShape, r"got shape \(0, 4, 3\)"),
    "images for labels": (idx(PIXELS), idx(PIXELS), WrongShape, r"one label for each of the 5 images, got shape \(5"),
    "other labels": (idx(PIXELS), idx(LABELS[:4]), WrongShape, r"each of the 5 images, got shape \(4,\)"),
    "real labels": (idx(PIXELS), idx(LABELS, dtype=">f4"), WrongType, "must hold integers, got float32"),
    "nan": (idx(np.full((2, 2), np.nan), dtype=">f8"), None, NotFinite, "must be finite, got nan"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_faults_are_refused(name, read):
    images, labels, exception, part = REFUSED[name]
    with pytest.raises(exception, match=part) as refusal:
        read(images, labels)
    assert type(refusal.value) is exception


def test_arguments_that_are_no_files(tmp_path):
    with pytest.raises(InvalidInput, match=r"there is no file .*; give the path of an IDX file of images"):
        fm.read_idx(tmp_path / "none")
    with pytest.raises(WrongType, match="by its path, got bytes"):
        fm.read_idx(idx(PIXELS))


def test_memory_is_that_of_the_budget(read):
    images = np.zeros((1000, 10, 10))
    needed = math.prod(images.shape) * 9
    with fm.use_budget(memory=needed):
        assert read(idx(images))[0].shape == (1000, 100)
    with fm.use_budget(memory=needed - 1), pytest.raises(Refused, match="must fit the budget"):
        read(idx(images))
