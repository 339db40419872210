"""The IDX files of MNIST: arrays of any number of dimensions, with a header of their type and shape.

The format is that of http://yann.lecun.com/exdb/mnist/: two zero bytes, a byte for the type, a byte for the number of
dimensions, the length of each dimension in four bytes, and then the entries, all with the highest byte first.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from formulations.arrays import Array, check_finite, quiet
from formulations.data.opening import check_memory, name_of, open_data, read_at_most
from formulations.exceptions import InvalidInput, WrongShape, WrongType

__all__ = ["read_idx"]

TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
LARGEST_PIXEL, LARGEST_NDIM = 255, 32


@quiet
def read_idx(
    images: str | os.PathLike[str], labels: str | os.PathLike[str] | None = None
) -> tuple[Array, Array | None]:
    """Read images, and their labels, from the IDX files in which MNIST comes.

    Parameters
    ----------
    images : str or path-like
        A file of two dimensions or more, such as ``train-images-idx3-ubyte.gz``; it may be compressed by gzip.
    labels : str or path-like, optional
        A file of one dimension, such as ``train-labels-idx1-ubyte.gz``.

    Returns
    -------
    X : ndarray of float64, shape (m, rows · columns)
        One image a row. Unsigned bytes are pixels and are divided by 255, which gives values from 0 to 1; the values
        of the other types are kept.
    labels : ndarray of int64 of shape (m,), or None
        The labels, if there is a file of them.

    Raises
    ------
    InvalidInput
        If a file is not an IDX file, or is shorter or longer than its header says.
    WrongShape
        If a file has another number of dimensions, or there are not as many labels as images.
    WrongType
        If the labels are real numbers, or an argument is not a path.
    NotFinite
        If a value is not finite.
    Refused
        If the images need more memory than the budget allows.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "images")
    >>> _ = path.write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 255]))  # one image of 1 × 2
    >>> read_idx(path)
    (array([[0., 1.]]), None)
    """
    pixels = _read(images, "images")
    if pixels.ndim < 2 or not pixels.size:
        raise WrongShape(
            f"{name_of(images)} must hold images, in two dimensions or more and at least one, got shape {pixels.shape}"
            "; pass the file of images first and that of labels second."
        )
    X = pixels.reshape(len(pixels), -1).astype(np.float64)
    if pixels.dtype == TYPES[0x08]:
        X /= LARGEST_PIXEL
    check_finite(X, name_of(images))
    if labels is None:
        return X, None
    found = _read(labels, "labels")
    if found.shape != (len(X),):
        raise WrongShape(
            f"{name_of(labels)} must hold one label for each of the {len(X)} images, got shape {found.shape}; pass the "
            "files of the same part."
        )
    if found.dtype.kind == "f":
        raise WrongType(f"{name_of(labels)} must hold integers, got {found.dtype.name}; pass the file of labels.")
    return X, found.astype(np.int64)


def _read(path: str | os.PathLike[str], what: str) -> Array:
    """Return the array of a file, which is read no further than its header says."""
    name = name_of(path)
    with open_data(path, f"an IDX file of {what}") as stream:
        magic = stream.read(4)
        if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or not 0 < magic[3] <= LARGEST_NDIM:
            raise InvalidInput(
                f"{name} must be an IDX file, which begins with 00 00, a type from 08 to 0e and the number of "
                f"dimensions, got {magic.hex(' ') or 'nothing'}; pass the file of {what} as distributed."
            )
        dtype, ndim = TYPES[magic[2]], magic[3]
        lengths = stream.read(4 * ndim)
        shape = tuple(np.frombuffer(lengths[: len(lengths) // 4 * 4], ">u4").tolist())
        size = math.prod(shape) * dtype.itemsize
        check_memory(name, size + math.prod(shape) * np.dtype(np.float64).itemsize)
        data = read_at_most(stream, size)
    if len(shape) < ndim or len(data) != size:
        came = "a shorter file" if len(shape) < ndim or len(data) < size else "a longer one"
        raise InvalidInput(
            f"{name} must hold {size} bytes after its header, for shape {shape}, got {came}; it is incomplete or "
            "damaged: copy it again."
        )
    found: Array = np.frombuffer(data, dtype).reshape(shape)
    return found
