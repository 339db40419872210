"""Opening files of data, compressed by gzip or not, and reading no more of them than is wanted."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from formulations.arrays import current_budget, format_bytes
from formulations.exceptions import InvalidInput, Refused, WrongType

__all__ = ["check_memory", "name_of", "open_data", "read_at_most"]

BLOCK = 1 << 20
GZIP = b"\x1f\x8b"


def name_of(path: Any) -> str:
    """Return the path of a file as text.

    Raises
    ------
    WrongType
        If it is not a path.
    """
    if not isinstance(path, str | os.PathLike):
        raise WrongType(f"a file must be given by its path, got {type(path).__name__}; pass one such as 'data.csv'.")
    return os.fsdecode(path)


@contextmanager
def open_data(path: str | os.PathLike[str], what: str) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Open a file for reading bytes, decompressed if it is compressed by gzip.

    Parameters
    ----------
    path : str or path-like
        The file.
    what : str
        A description of the file, for the messages.

    Yields
    ------
    file

    Raises
    ------
    InvalidInput
        If the file cannot be opened, read, or decompressed.
    """
    name = name_of(path)
    if "\0" in name:
        raise InvalidInput(f"there is no file {name!r}; give the path of {what}.")
    try:
        with open(name, "rb") as raw:
            if raw.peek(2)[:2] != GZIP:
                yield raw
                return
            with gzip.GzipFile(fileobj=raw, mode="rb") as inflated:
                yield inflated
    except FileNotFoundError:
        raise InvalidInput(f"there is no file {name!r}; give the path of {what}.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise InvalidInput(f"{name} must be {what}, got a broken gzip file; compress it again.") from None
    except OSError as caught:
        raise InvalidInput(f"{name} cannot be read ({caught.strerror or caught}); give the path of {what}.") from None


def read_at_most(stream: IO[bytes] | gzip.GzipFile, count: float) -> bytes:
    """Return the rest of a file, or its first ``count`` bytes and up to a block more.

    Memory is taken as it is filled, so that a file that is shorter than its header says takes none.
    """
    found = io.BytesIO()
    while found.tell() <= count and (block := stream.read(BLOCK)):
        found.write(block)
    return found.getvalue()


def check_memory(name: str, needed: float) -> None:
    """Refuse to read a file that needs more memory than the budget allows.

    Raises
    ------
    Refused
        If it does.
    """
    memory = current_budget().memory
    if needed > memory:
        raise Refused(
            f"reading {name} must fit the budget of {format_bytes(memory)}, got {format_bytes(needed)} or more; allow "
            "more with formulations.use_budget(memory=...)."
        )
