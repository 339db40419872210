"""The digits: the contents of the file, the split, and the script that made the file."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import formulations as fm
from formulations.data.digits import reader as digits
from formulations.exceptions import WrongType

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(digits.__file__).parent / "digits.npz"
MAKER = ROOT / "benchmarks" / "make_digits.py"
COUNTS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)
DTYPES = ("float32", "float64", "longdouble")


def stored():
    with np.load(FILE, allow_pickle=False) as archive:
        return archive["images"], archive["labels"]


def members(content: bytes):
    """Names, dates and uncompressed bytes, which do not depend on the version of zlib."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(info.filename, info.date_time, archive.read(info)) for info in archive.infolist()]


def rows(X, Y):
    """Each example in sixteenths with its label, to compare parts as multisets."""
    return Counter((np.rint(x * 16).astype(np.uint8).tobytes(), int(y.argmax())) for x, y in zip(X, Y, strict=True))


def test_file_is_small_and_holds_two_plain_arrays():
    assert FILE.stat().st_size <= 100_000
    assert [name for name, _, _ in members(FILE.read_bytes())] == ["images.npy", "labels.npy"]
    images, labels = stored()
    assert (images.dtype, images.shape) == (np.uint8, (1797, 64))
    assert (labels.dtype, labels.shape) == (np.uint8, (1797,))


def test_pixels_and_class_counts_are_those_of_the_source():
    images, labels = stored()
    assert (images.min(), images.max()) == (0, 16)
    assert tuple(np.bincount(labels)) == COUNTS
    # The first image is the 0 that introductions to these data print.
    assert images[0, :16].tolist() == [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0]
    assert labels[:10].tolist() == list(range(10))


def test_file_is_what_its_script_makes():
    pytest.importorskip("sklearn", reason="scikit-learn holds the copy that the digits were made from")
    spec = importlib.util.spec_from_file_location("make_digits", MAKER)
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    made = maker.archive(maker.source_arrays())
    assert made == maker.archive(maker.source_arrays())
    assert members(made) == members(FILE.read_bytes())


@pytest.mark.parametrize("dtype", DTYPES)
def test_shapes_and_dtypes(dtype):
    data = digits.load_digits(dtype)
    assert [part.shape for part in data] == [(1437, 64), (1437, 10), (360, 64), (360, 10)]
    assert {part.dtype for part in data} == {np.dtype(dtype)}
    assert all(part.flags.c_contiguous and part.flags.owndata for part in data)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pixels_are_exact_sixteenths(dtype):
    for part in (digits.load_digits(dtype).X_train, digits.load_digits(dtype).X_test):
        sixteenths = part * 16
        assert np.array_equal(sixteenths, np.rint(sixteenths))
        assert (sixteenths.min(), sixteenths.max()) == (0, 16)


def test_every_label_is_one_unit_vector():
    data = digits.load_digits()
    for part in (data.Y_train, data.Y_test):
        assert np.array_equal(np.unique(part), [0, 1])
        assert np.array_equal(part.sum(axis=1), np.ones(len(part)))


def test_split_is_disjoint_and_complete():
    data = digits.load_digits()
    images, labels = stored()
    train, test = rows(data.X_train, data.Y_train), rows(data.X_test, data.Y_test)
    assert not train & test
    assert train + test == rows(images / 16, fm.one_hot(labels))


def test_split_is_shuffled():
    data = digits.load_digits()
    images, labels = stored()
    assert rows(data.X_test, data.Y_test) != rows(images[-360:] / 16, fm.one_hot(labels[-360:]))


def test_split_is_pinned():
    digest = hashlib.sha256()
    for part in digits.load_digits():
        digest.update(part.astype("<f8").tobytes())
    assert digest.hexdigest() == "6ddec3f4d6c911aec85737c682b62dd408a305696a77f1da5080499e37e90b84"


def test_arrays_are_fresh():
    spoilt = digits.load_digits()
    for part in spoilt:
        part[...] = -1
    assert all(part.min() == 0 for part in digits.load_digits())


@pytest.mark.parametrize(
    ("call", "exception", "message"),
    [
        (
            lambda: digits.load_digits("float16"),
            WrongType,
            "dtype must be float32, float64 or longdouble, got 'float16'",
        ),
        (lambda: digits.load_digits("foo"), WrongType, "dtype must be .* got 'foo'; choose one of these"),
        (lambda: digits.load_digits("(2,"), WrongType, "dtype must be .* got"),
        (lambda: digits.load_digits({"names": ["a"]}), WrongType, "dtype must be .* got"),
        (lambda: digits.load_digits(object()), WrongType, "dtype must be .* got <object"),
        (lambda: digits.load_digits("c16"), WrongType, "got 'c16'"),
    ],
)
def test_refusals_say_what_came(call, exception, message):
    with pytest.raises(exception, match=message) as refusal:
        call()
    assert str(refusal.value).endswith(".")
