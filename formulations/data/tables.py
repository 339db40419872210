"""Examples from any file that the command line takes: text, ``.npz``, and both compressed by gzip."""

from __future__ import annotations

import io
import os
from pathlib import PurePath

from formulations.arrays import Array, current_budget, open_archive
from formulations.data.delimited import Table, read_text
from formulations.data.opening import check_memory, name_of, open_data, read_at_most
from formulations.exceptions import InvalidInput

__all__ = ["format_of", "read_archive", "read_examples", "read_table"]

TEXT = (".csv", ".tsv", ".txt")
WHAT = "an .npz file with arrays X and Y"
REMEDY = "write it with numpy.savez(path, X=X, Y=Y)"


def format_of(path: str | os.PathLike[str]) -> str:
    """Return the suffix that says how a file is to be read, in lower case, without ``.gz``."""
    return PurePath(name_of(path).lower().removesuffix(".gz")).suffix


def read_table(
    path: str | os.PathLike[str],
    label: str | int | None = -1,
    *,
    delimiter: str | None = None,
    header: bool | None = None,
    verbal: bool = False,
) -> Table:
    """Read examples from a file, of the format that its suffix says.

    Parameters
    ----------
    path : str or path-like
        A file ``.csv``, ``.tsv`` or ``.txt``, which :func:`read_csv` reads, or ``.npz``, with arrays X and Y; each may
        have ``.gz`` after it.
    label : str, int or None, default -1
        The column of labels in a text file. In an ``.npz`` file the labels are Y; None leaves them out.
    delimiter : str, optional
        What separates the cells of a text file; guessed by default.
    header : bool, optional
        Whether a text file has names in its first row; see :func:`read_csv`.
    verbal : bool
        Whether the labels of a text file are strings, also if all look like numbers or booleans.

    Returns
    -------
    Table

    Raises
    ------
    InvalidInput
        If the suffix is another one, or the file or its label cannot be read.
    NotFinite, UnknownName, WrongShape, WrongType, Refused
        As :func:`read_csv`.
    """
    name, suffix = name_of(path), format_of(path)
    if suffix in TEXT:
        return read_text(path, label, delimiter=delimiter, header=header, verbal=verbal)
    if suffix != ".npz":
        raise InvalidInput(
            f"a file of examples must end in {', '.join(TEXT)} or .npz, or one of these with .gz, got {name!r}; "
            "rename or convert it."
        )
    if isinstance(label, str):
        raise InvalidInput(f"the labels of {name} are its array Y, got the name of a column, {label!r}; leave it out.")
    if delimiter is not None:
        raise InvalidInput(f"--delimiter goes with a text file, got {name!r}; leave it out.")
    if header is not None:
        raise InvalidInput(f"--header and --no-header go with a text file, got {name!r}; leave them out.")
    X, *targets = _read_archive(name, "X" if label is None else "XY")
    return Table(X, targets[0] if targets else None, None, None)


def read_archive(path: str | os.PathLike[str]) -> Table:
    """Read X from an ``.npz`` file of arrays, and Y if it has one.

    Raises
    ------
    InvalidInput, Refused
        As :func:`read_examples`.
    """
    X, *targets = _read_archive(name_of(path), "X", "Y")
    return Table(X, targets[0] if targets else None, None, None)


def read_examples(path: str | os.PathLike[str]) -> tuple[Array, Array]:
    """Read X and Y from an ``.npz`` file of arrays.

    Raises
    ------
    InvalidInput
        If the file cannot be read, is pickled, or lacks X or Y.
    Refused
        If X and Y are compressed and need more memory than the budget allows.
    """
    X, Y = _read_archive(name_of(path), "XY")
    return X, Y


def _read_archive(name: str, wanted: str, optional: str = "") -> list[Array]:
    source: str | io.BytesIO = name
    if name.lower().endswith(".gz"):
        with open_data(name, WHAT) as stream:
            source = io.BytesIO(read_at_most(stream, current_budget().memory))
        check_memory(name, source.getbuffer().nbytes)
    with open_archive(source, WHAT, REMEDY) as archive:
        wanted += "".join(each for each in optional if each in archive)
        if () in archive.shapes(wanted).values():
            raise archive.unreadable(f"{' and '.join(wanted)} must be arrays of examples, one per row")
        arrays = archive.read(wanted, current_budget().memory)
    return [arrays[each] for each in wanted]
