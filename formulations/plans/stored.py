"""Arrays in files, described by where they are, and read piece by piece.

Files are read, not mapped: a process that touches a mapped page after its file has been cut short is killed by the
system, whereas a short read can be reported.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from formulations.arrays import HEADER, Array, Header, npy_header, open_archive
from formulations.exceptions import InvalidInput, Refused, WrongType

__all__ = ["Stored", "stored_array", "stored_file"]

REAL = "biuf"
"""The kinds of dtypes of real numbers."""


@dataclass(frozen=True)
class Stored:
    """An array in a file; slices of its rows are read from there.

    Attributes
    ----------
    path : str
        The absolute path.
    offset : int
        The position of the first entry in the file, in bytes.
    dtype : dtype
        The dtype of the entries, with their byte order.
    shape, strides : tuple of int
        As of an array.
    size, modified : int
        The size of the file, and the time of its last change in nanoseconds, when it was described.
    """

    path: str
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    size: int
    modified: int

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> Array:
        """Read some rows.

        Raises
        ------
        InvalidInput
            If the file has vanished.
        Refused
            If it has changed.
        """
        start, stop, _ = rows.indices(self.shape[0])
        shape = (stop - start, *self.shape[1:])
        row, *columns = self.strides
        first = self.offset + start * row
        with self._opened() as file:
            if columns and abs(columns[0]) * shape[1] > abs(row):
                # By columns, as in Fortran.
                array = np.empty(shape, self.dtype)
                for j in range(shape[1]):
                    array[:, j] = self._read(file, first + j * columns[0], shape[:1], (row,))
            elif abs(row) > 2 * self.dtype.itemsize * prod(shape[1:]):
                # Some columns of many, or every so many rows.
                array = np.empty(shape, self.dtype)
                for i in range(shape[0]):
                    array[i] = self._read(file, first + i * row, shape[1:], tuple(columns))
            else:
                array = self._read(file, first, shape, self.strides)
        # After reading, so that a change in the meantime is noticed, too.
        self.check()
        return array

    def check(self) -> None:
        """Raise an exception if the file is not as it was when it was described.

        Raises
        ------
        InvalidInput
            If it has vanished.
        Refused
            If it has changed.
        """
        size, modified = _state(self.path)
        if (size, modified) != (self.size, self.modified):
            raise self._changed()

    def _read(self, file: Any, position: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
        """Read the bytes from the first to the last entry, and return a view of the entries."""
        reach = [(n - 1) * stride for n, stride in zip(shape, strides, strict=True)]
        before, after = -sum(min(each, 0) for each in reach), sum(max(each, 0) for each in reach)
        data = bytearray(before + after + self.dtype.itemsize)
        file.seek(position - before)
        if file.readinto(data) != len(data):
            raise self._changed()
        return np.ndarray(shape, self.dtype, data, before, strides)

    def _opened(self) -> Any:
        try:
            return open(self.path, "rb")
        except OSError as caught:
            raise _unreadable(self.path, caught) from None

    def _changed(self) -> Refused:
        return Refused(
            f"{self.path} must not change while it is a source, and its size or time of change is not what it was; "
            "describe it again with formulations.sources once it is complete."
        )

    def __repr__(self) -> str:
        return f"<{' × '.join(map(str, self.shape)) or 'one'} {self.dtype} in {self.path}>"


def stored_file(path: Any, name: str) -> Stored:
    """Describe the array of an ``.npy`` file, or an uncompressed one of an ``.npz`` file.

    Parameters
    ----------
    path : str, path-like, or pair of such and a key
        The file, and the name of its array if it is an ``.npz``.
    name : str
        What the array is, for messages.

    Returns
    -------
    Stored
        Where its numbers are, with the file's size and the time of its last change.

    Raises
    ------
    InvalidInput
        If there is no such file, or it holds no such array.
    Refused
        If the array is compressed.
    WrongType
        If it holds no real numbers.
    """
    path, key = path if isinstance(path, tuple) else (path, None)
    place = str(Path(path).absolute())
    size, modified = _state(place)
    if key is None:
        offset, header = _header(place, size)
    else:
        with open_archive(
            place, "an .npz file", "pass the name of an array in a file written by numpy.savez"
        ) as archive:
            offset, header = archive.place(key)
    _check_real(header.dtype, name, place)
    strides = _strides(header.dtype, header.shape, header.fortran_order)
    return Stored(place, offset, header.dtype, header.shape, strides, size, modified)


def _header(path: str, size: int) -> tuple[int, Header]:
    """Return where the data of an ``.npy`` file begin, and its header."""
    try:
        with open(path, "rb") as file:
            data = file.read(HEADER)
    except OSError as caught:
        raise _unreadable(path, caught) from None
    if data.startswith(b"PK"):
        raise InvalidInput(f'an .npz file must be given with the name of an array, got {path}; pass (path, "X").')
    try:
        header = npy_header(data)
        # Records and objects have no size here, and are refused as such.
        if header.dtype.kind in REAL and size != header.length + prod(header.shape) * header.dtype.itemsize:
            raise ValueError("it has another size than its header says")
    except (ValueError, KeyError, TypeError) as caught:
        raise InvalidInput(
            f"{path} must be an .npy file of plain numbers ({caught}); write it with numpy.save."
        ) from caught
    return header.length, header


def stored_array(array: Array, name: str) -> Stored | None:
    """Describe an array that is mapped from a file; None if it is in memory."""
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    filename = getattr(root, "filename", None)
    # Changes to a copy-on-write map exist in memory only.
    if not isinstance(root, np.memmap) or filename is None or root.mode == "c":
        return None
    place = str(Path(filename).absolute())
    _check_real(array.dtype, name, place)
    first, base = (each.__array_interface__["data"][0] for each in (array, root))
    size, modified = _state(place)
    return Stored(place, root.offset + first - base, array.dtype, array.shape, array.strides, size, modified)


def _strides(dtype: np.dtype[Any], shape: tuple[int, ...], fortran: bool) -> tuple[int, ...]:
    """Return the strides of a contiguous array."""
    order = range(len(shape)) if fortran else reversed(range(len(shape)))
    strides, step = [0] * len(shape), dtype.itemsize
    for axis in order:
        strides[axis] = step
        step *= shape[axis]
    return tuple(strides)


def _state(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except (OSError, ValueError) as caught:  # ValueError for a null character
        raise _unreadable(path, caught) from None
    return found.st_size, found.st_mtime_ns


def _unreadable(path: str, caught: OSError | ValueError) -> InvalidInput:
    if not isinstance(caught, FileNotFoundError):
        why = getattr(caught, "strerror", caught)
        return InvalidInput(
            f"a source must be a file that can be read, got {path!r} ({why}); pass the path of an .npy file that you "
            "may read."
        )
    return InvalidInput(
        f"a source must be a file that each worker can read, and there is no file {path!r}; give its path, "
        "or for an object store a Zarr or Dask array or a callable that reads it."
    )


def _check_real(dtype: np.dtype[Any], name: str, path: str) -> None:
    if dtype.kind not in REAL:
        got = "records" if dtype.kind == "V" else f"dtype {dtype}"
        raise WrongType(
            f"{name} must hold real numbers (bool, integer or float), got {got} in {path}; "
            "write them as an array of such a dtype."
        )
