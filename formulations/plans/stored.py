"""Arrays in files, described by where they are, and read piece by piece.

Files are read, not mapped: a process that touches a mapped page after its file has been cut short is killed by the
system, whereas a short read can be reported.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from formulations.arrays import Array, open_archive
from formulations.exceptions import InvalidInput, Refused, WrongType

__all__ = ["Stored", "stored_array", "stored_file"]


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
        lowest = self.offset + start * self.strides[0]
        row, *column = self.strides
        width = column[0] * (shape[1] - 1) if column else 0
        self.check()
        with self._opened() as file:
            if column and abs(column[0]) * shape[1] > abs(row):
                # By columns, as in Fortran.
                array = np.empty(shape, self.dtype)
                for j in range(shape[1]):
                    array[:, j] = self._line(file, lowest + j * column[0], shape[0], row)
            elif abs(row) > 2 * (abs(width) + self.dtype.itemsize):
                # Every so many rows, or some columns of many.
                array = np.empty(shape, self.dtype)
                for i in range(shape[0]):
                    array[i] = (
                        self._line(file, lowest + i * row, *(shape[1], column[0]))
                        if column
                        else self._line(file, lowest + i * row, 1, row)[0]
                    )
            else:
                array = self._block(file, lowest, shape)
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

    def _line(self, file: Any, position: int, count: int, stride: int) -> Array:
        """Read entries at a constant distance."""
        return self._read(file, position, (count,), (stride,))

    def _block(self, file: Any, position: int, shape: tuple[int, ...]) -> Array:
        return self._read(file, position, shape, self.strides)

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
        except FileNotFoundError:
            raise _absent(self.path) from None

    def _changed(self) -> Refused:
        return Refused(
            f"{self.path} must not change while it is a source, and its size or time of change is not what it was; "
            "describe it again with formulations.sources once it is complete."
        )

    def __repr__(self) -> str:
        return f"<{' × '.join(map(str, self.shape))} {self.dtype} in {self.path}>"


def stored_file(path: Any, name: str) -> Stored:
    """Describe the array of an ``.npy`` file, or an uncompressed one of an ``.npz`` file.

    Parameters
    ----------
    path : str, path-like, or pair of such and a key
        The file, and the name of its array if it is an ``.npz``.
    name : str
        What the array is, for messages.

    Raises
    ------
    InvalidInput
        If there is no such file, or it holds no such array.
    Refused
        If the array is compressed.
    WrongType
        If it holds no real numbers.
    """
    key = None
    if isinstance(path, tuple):
        path, key = path
    place = str(Path(path).absolute())
    size, modified = _state(place)
    if key is not None:
        with open_archive(place, "an .npz file", "write one with numpy.savez") as archive:
            offset, dtype, shape, fortran = archive.place(key)
    else:
        try:
            mapped = np.lib.format.open_memmap(place, mode="r") if size else None
        except (ValueError, EOFError) as caught:
            raise InvalidInput(f"{place} must be an .npy file of numbers, ({caught})") from caught
        if mapped is None:
            raise InvalidInput(f"{place} must be an .npy file, got an empty file")
        offset, dtype, shape, fortran = mapped.offset, mapped.dtype, mapped.shape, not mapped.flags.c_contiguous
        del mapped
    _check_real(dtype, name, place)
    return Stored(place, offset, dtype, shape, _strides(dtype, shape, fortran), size, modified)


def stored_array(array: Array, name: str) -> Stored | None:
    """Describe an array that is mapped from a file; None if it is in memory."""
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    filename = getattr(root, "filename", None)
    # Changes of a copy on write are in memory alone.
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
    except FileNotFoundError:
        raise _absent(path) from None
    return found.st_size, found.st_mtime_ns


def _absent(path: str) -> InvalidInput:
    return InvalidInput(
        f"a source must be a file that each worker can read, and there is no file {path!r}; give its path, "
        "or for an object store a Zarr or Dask array or a callable that reads it."
    )


def _check_real(dtype: np.dtype[Any], name: str, path: str) -> None:
    if dtype.kind not in "biuf":
        raise WrongType(
            f"{name} must hold real numbers (bool, integer or float), got dtype {dtype} in {path}; "
            "write them as an array of such a dtype."
        )
