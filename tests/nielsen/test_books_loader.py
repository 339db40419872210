"""MNIST's files, read as the book's loader reads its own."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from formulations import nielsen
from formulations.exceptions import InvalidInput, WrongShape

PIXELS, LABELS = np.random.default_rng(0).integers(0, 256, (9, 28, 28)), np.arange(9)


def write(folder, part, pixels, labels, *, compressed=False):
    for kind, array in (("images-idx3", pixels), ("labels-idx1", labels)):
        header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
        content = header + array.astype(np.uint8).tobytes()
        name = folder / f"{part}-{kind}-ubyte{'.gz' if compressed else ''}"
        name.write_bytes(gzip.compress(content) if compressed else content)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Nine training images and four test images, the last three training images for validation."""
    monkeypatch.setattr(nielsen, "VALIDATION", 3)
    write(tmp_path, "train", PIXELS, LABELS)
    write(tmp_path, "t10k", PIXELS[:4], LABELS[:4], compressed=True)
    return tmp_path


def test_the_parts_are_the_books(folder):
    training, validation, test = nielsen.load_data_wrapper(folder)
    assert [len(part) for part in (training, validation, test)] == [6, 3, 4]
    # 1/256 of a byte, exactly, as in the book's file.
    columns = (PIXELS / 256).reshape(9, 784, 1)
    assert all(np.array_equal(x, column) for (x, _), column in zip((*training, *validation), columns, strict=True))
    assert [y for _, y in (*validation, *test)] == [6, 7, 8, 0, 1, 2, 3]
    assert [y.shape for _, y in training] == [(10, 1)] * 6
    assert [int(y.argmax()) for _, y in training] == list(range(6))
    # Each desired output is an array of its own.
    assert not np.shares_memory(training[0][1], training[1][1])


def test_the_chapters_program_runs_on_the_files(folder, capsys, monkeypatch):
    (folder.parent / "src").mkdir()
    folder.rename(folder.parent / "data")
    monkeypatch.chdir(folder.parent / "src")
    training_data, _, test_data = nielsen.load_data_wrapper()
    net = nielsen.Network([784, 30, 10])
    net.SGD(training_data, 2, 10, 3.0, test_data=test_data)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:8] for line in lines] == ["Epoch 0:", "Epoch 1:"] and lines[0].endswith(" / 4")


def test_what_is_missing_is_named(folder, monkeypatch):
    with pytest.raises(InvalidInput, match=r"must hold train-images-idx3-ubyte or train-images-idx3-ubyte\.gz"):
        nielsen.load_data_wrapper(folder / "elsewhere")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InvalidInput, match=r"t10k-labels-idx1-ubyte\.gz, got no such file; put the four files"):
        nielsen.load_data_wrapper(folder)
    write(folder, "t10k", PIXELS[:4], LABELS[:3])
    with pytest.raises(WrongShape, match="one label for each of the 4 images"):
        nielsen.load_data_wrapper(folder)
    write(folder, "t10k", PIXELS[:4], LABELS[:4])
    write(folder, "train", PIXELS, LABELS + 5)
    with pytest.raises(InvalidInput, match="a digit must be an integer from 0 to 9, got 10"):
        nielsen.load_data_wrapper(folder)
    monkeypatch.setattr(nielsen, "VALIDATION", 9)
    with pytest.raises(InvalidInput, match=r"more than 9 training images.*got 9"):
        nielsen.load_data_wrapper(folder)
