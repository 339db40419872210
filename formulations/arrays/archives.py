"""Read ``.npz`` archives, checking the header of each array before its data."""

from __future__ import annotations

import io
import os
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import prod
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.lib import format as npy
from numpy.lib.npyio import NpzFile

from formulations.arrays.dtypes import Array
from formulations.exceptions import InvalidInput, Refused

__all__ = ["HEADER", "Archive", "File", "Header", "npy_header", "open_archive"]

File: TypeAlias = str | os.PathLike[str] | IO[bytes] | NpzFile
"""What an archive is read from."""

HEADER = 12 + 10_000
"""The bytes of the longest header that NumPy reads from an untrusted file."""
FIELDS = {
    name: re.compile(rf"""['"]{name}['"]\s*:\s*({value})\s*,?\s*""", re.ASCII)
    for name, value in {
        "descr": r"""['"][<>|=]?[?biufcSUVOmM]\d*(?:\[\w+\])?['"]|\[.*\]""",
        "fortran_order": r"True|False",
        "shape": r"\([\d,\s]*\)",
    }.items()
}
"""The fields of a header, with the values of plain arrays; the dtype of records is a list."""


@contextmanager
def open_archive(file: File, what: str, remedy: str) -> Iterator[Archive]:
    """Open an ``.npz`` file of plain arrays, without reading any of them.

    Parameters
    ----------
    file : str, path-like, file or NpzFile
        The path, a file opened for reading bytes, or the result of ``numpy.load``; the last two stay open.
    what : str
        A description of the file, for the message if it does not exist.
    remedy : str
        How to write such a file, for all other messages.

    Yields
    ------
    Archive

    Raises
    ------
    InvalidInput
        If the file does not exist or is not an archive.
    """  # noqa: DOC501 - it is made by a function
    name = os.fspath(file) if isinstance(file, str | os.PathLike) else "the archive"
    if isinstance(file, NpzFile):
        if file.zip is None:
            raise _unreadable(name, "it is closed", remedy)
        yield Archive(file.zip, name, remedy)
        return
    try:
        with _reading(name, remedy):
            opened = zipfile.ZipFile(file)
    except FileNotFoundError:
        raise InvalidInput(f"there is no file {name!r}; give the path of {what}.") from None
    with opened:
        yield Archive(opened, name, remedy)


class Archive:
    """The arrays of an open ``.npz`` file, by name; see :func:`open_archive`."""

    def __init__(self, opened: zipfile.ZipFile, name: str, remedy: str) -> None:
        self._opened, self.name, self._remedy = opened, name, remedy
        members = [info for info in opened.infolist() if info.filename.endswith(".npy")]
        self._members = {info.filename.removesuffix(".npy"): info for info in members}
        self._headers: dict[str, Header] = {}
        if len(self._members) < len(members):
            raise self.unreadable("two of its arrays have one name")

    @property
    def names(self) -> list[str]:
        """The names of the arrays, in the order of the file."""
        return list(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def shapes(self, names: Iterable[str]) -> dict[str, tuple[int, ...]]:
        """Return the shapes of arrays by their headers.

        Raises
        ------
        InvalidInput
            If one is absent, holds objects, or has another size than its header says.
        """
        wanted = list(names)
        if missing := [name for name in wanted if name not in self]:
            held = ", ".join(self._members) or "nothing"
            raise InvalidInput(
                f"{self.name} must hold {', '.join(wanted)}, and lacks {', '.join(missing)}; it holds {held}; "
                f"{self._remedy}."
            )
        return {name: self._header(name).shape for name in wanted}

    def read(self, names: Iterable[str], memory: float) -> dict[str, Array]:
        """Return arrays.

        Parameters
        ----------
        names : iterable of str
            Their names.
        memory : float
            The number of bytes that the compressed arrays may take together.

        Raises
        ------
        InvalidInput
            As :meth:`shapes`, and if the data are broken.
        Refused
            If they need more memory.
        """
        wanted = list(self.shapes(names))
        infos = map(self._members.__getitem__, wanted)
        size = sum(info.file_size for info in infos if info.compress_type != zipfile.ZIP_STORED)
        if size > memory:
            raise Refused(
                f"the compressed arrays of {self.name} must fit the budget of {memory / 1e6:.3g} MB, got "
                f"{size / 1e6:.3g} MB; allow more with formulations.use_budget(memory=...)."
            )
        return {name: self._array(name) for name in wanted}

    def place(self, name: str) -> tuple[int, Header]:
        """Return where an array that is not compressed begins in the file, in bytes, and its header.

        Raises
        ------
        InvalidInput
            As :meth:`shapes`.
        Refused
            If it is compressed.
        """
        self.shapes([name])
        info, header = self._members[name], self._header(name)
        if info.compress_type != zipfile.ZIP_STORED:
            raise Refused(
                f"an array must not be compressed to be read in pieces, and {name} of {self.name} is; write it with "
                "numpy.savez or numpy.save."
            )
        assert self._opened.fp is not None
        # The lengths of the two fields between the member's own header and its data; the directory's may differ.
        self._opened.fp.seek(info.header_offset + 26)
        lengths = self._opened.fp.read(4)
        before = 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        return info.header_offset + before + header.length, header

    def unreadable(self, reason: str) -> InvalidInput:
        """Return an exception that gives the reason why the file cannot be used."""
        return _unreadable(self.name, reason, self._remedy)

    def _array(self, name: str) -> Array:
        """Return an array whose header has been read."""
        header = self._header(name)
        array = np.empty(prod(header.shape), header.dtype)
        stream: Any
        with _reading(self.name, self._remedy), self._opened.open(self._members[name]) as stream:
            stream.read(header.length)
            rest = array.view(np.uint8) if array.nbytes else np.empty(0, np.uint8)
            # The checksum is compared when the last byte is read.
            while count := stream.readinto(rest):
                rest = rest[count:]
            if rest.size:
                raise EOFError
        if header.dtype.kind == "U" and array.size:
            # Python makes text of any code, and fails when the text is used.
            codes = array.view(np.dtype(np.uint32).newbyteorder(header.dtype.byteorder))
            if codes.size and codes.max() > sys.maxunicode:
                raise self.unreadable(f"{name} holds codes that are not characters")
        return array.reshape(header.shape, order="F" if header.fortran_order else "C")

    def _header(self, name: str) -> Header:
        """Return the header of an array after checking the array's size against it."""
        if name not in self._headers:
            self._headers[name] = self._read_header(name, self._members[name])
        return self._headers[name]

    def _read_header(self, name: str, info: zipfile.ZipInfo) -> Header:
        stored = info.compress_type == zipfile.ZIP_STORED
        # NumPy uses no other methods, and some of them have no limit on the inflated size.
        if not stored and info.compress_type != zipfile.ZIP_DEFLATED:
            raise self.unreadable(f"{name} is compressed by a method that NumPy does not write")
        with _reading(self.name, self._remedy), self._opened.open(info) as stream:
            # A header may claim a length of 4 GB.
            header = npy_header(stream.read(HEADER))
            size = header.length + prod(header.shape) * header.dtype.itemsize
        if header.dtype.hasobject:
            raise self.unreadable(f"{name} holds objects; pickles are refused")
        if header.dtype.kind == "V":
            raise self.unreadable(f"{name} holds records")
        assert self._opened.fp is not None
        if info.file_size != size or (stored and not size == info.compress_size <= self._opened.fp.seek(0, 2)):
            raise self.unreadable(f"{name} has another size than its header says")
        return header


class Header(NamedTuple):
    """The header of an array, and its length in bytes."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]
    length: int


def npy_header(data: bytes) -> Header:
    """Return the header at the beginning of an array's data, such as of an ``.npy`` file.

    NumPy reads it with Python's parser, which can print warnings and takes ten times as long.

    Raises
    ------
    ValueError
        If it is not a header as NumPy writes it.
    """
    head = io.BytesIO(data)
    width = {(1, 0): 2, (2, 0): 4}[npy.read_magic(head)]
    length = int.from_bytes(head.read(width), "little")
    text, found = head.read(length).decode("latin1"), {}
    if len(text) < length:
        raise ValueError("the header is longer than the array")
    for name, pattern in FIELDS.items():
        match = pattern.search(text)
        if match is None:
            raise ValueError(f"it has no {name} of a plain array")
        found[name] = match[1]
        text = text[: match.start()] + text[match.end() :]
    if "".join(text.split()) != "{}":
        raise ValueError(f"it also has {text}")
    return Header(
        shape=tuple(int(length) for length in found["shape"][1:-1].split(",") if length.strip()),
        fortran_order=found["fortran_order"] == "True",
        dtype=np.dtype(np.void if found["descr"].startswith("[") else found["descr"][1:-1]),
        length=head.tell(),
    )


def _unreadable(name: str, reason: str, remedy: str) -> InvalidInput:
    return InvalidInput(f"{name} cannot be read as an .npz file of plain arrays ({reason}); {remedy}.")


@contextmanager
def _reading(name: str, remedy: str) -> Iterator[None]:
    """Convert the exceptions that a broken archive raises into InvalidInput."""
    try:
        yield
    except (FileNotFoundError, MemoryError):
        raise
    except Exception as caught:  # zipfile, zlib, ast, tokenize and numpy have no common base for what they raise
        reason = caught.strerror if isinstance(caught, OSError) else None
        raise _unreadable(name, reason or "it is broken, or no archive; pickles are refused", remedy) from None
