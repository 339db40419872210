"""Tables in text files: comma-separated values, and others like them."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple
from unicodedata import decimal

import numpy as np
from numpy.typing import DTypeLike

from formulations.arrays import Array, as_dtype, current_budget, format_dtype, quiet
from formulations.data.opening import check_memory, name_of, open_data, read_at_most
from formulations.display import counted
from formulations.exceptions import InvalidInput, NotFinite, UnknownName, WrongShape, WrongType

__all__ = ["Table", "read_columns", "read_csv", "read_text"]

DELIMITERS = "\t;|,"
"""Those that are recognised; the comma comes last, because it may be a decimal comma."""
SAMPLE, SAMPLE_ROWS = 1 << 16, 32
"""The bytes and rows by which the delimiter is recognised."""
CELLS = 1 << 15
"""The cells that are converted together."""
PER_ROW = 160
"""The bytes of memory for a row besides its numbers: its label and the number of its line."""
PER_CHARACTER = 64
"""The bytes of memory for a character of a line, if each cell is as short as can be."""
MISSING = ("", "na", "n/a", "nan", "null", "none", "?", "-")
"""Cells, in lower case, that stand for a missing number."""
DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+(e[+-]?\d+)?\s*", re.IGNORECASE)
THOUSANDS = re.compile(r"[+-]?\d{1,3}([,.'_ \u00a0\u202f])\d{3}(\1\d{3})*([.,]\d+)?")
"""Numbers whose digits are separated; with one point alone it is a decimal point."""
INTEGER = re.compile(r"[+-]?\d+")
SMALLEST, LARGEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


class Table(NamedTuple):
    """Examples and their targets, from a file.

    Attributes
    ----------
    X : ndarray of shape (m, n₁)
        The features, one example a row.
    Y : ndarray of shape (m,), or None
        Labels (integers, strings or booleans) or real numbers; None if there is no label column.
    columns : tuple of str, or None
        The names of the features; None if the file has none.
    label : str, or None
        The name of the label column.
    """

    X: Array
    Y: Array | None
    columns: tuple[str, ...] | None
    label: str | None

    def __repr__(self) -> str:
        kind = f"{counted(len(self.X), 'example')}: {counted(math.prod(self.X.shape[1:]), 'feature')}"
        if self.Y is None:
            return f"<Table of {kind}>"
        named = "label" if self.label is None else f"label {self.label!r}"
        numbers = self.Y.ndim > 1 or self.Y.dtype.kind == "f"
        return f"<Table of {kind}, {named} of {'numbers' if numbers else counted(len(np.unique(self.Y)), 'class')}>"


def read_csv(
    path: str | os.PathLike[str],
    label: str | int | None = -1,
    *,
    delimiter: str | None = None,
    header: bool | None = None,
    dtype: DTypeLike = "float64",
) -> Table:
    r"""Read a table of numbers, with a column of labels or of targets, from a text file.

    Parameters
    ----------
    path : str or path-like
        The file, in UTF-8; it may be compressed by gzip.
    label : str, int or None, default -1
        The name or the index of the label column, counted from 0, or from the end if it is negative; None if there is
        none. All other columns are features.
    delimiter : str, optional
        The character between two cells; by default a tab, a semicolon, a vertical bar or a comma, by the first rows.
    header : bool, optional
        Whether the first row holds the names of the columns; by default if none of its cells is a number, or the
        label is given by its name. A row that may be either is refused: see the notes.
    dtype : dtype-like, default "float64"
        The dtype of the features and of real targets: float32, float64 or longdouble.

    Returns
    -------
    Table
        ``X, Y, columns, label``. Y holds integers if all labels are integers, booleans if all are ``true`` or
        ``false``, real numbers if all are numbers, and otherwise strings.

    Raises
    ------
    InvalidInput
        If the file cannot be read or is empty, a cell is missing or is not a number, rows have unequal numbers of
        cells, or names repeat; with the line and the column.
    NotFinite
        If a number is infinite, or too large for the dtype.
    UnknownName
        If no column has the name of the label.
    WrongShape
        If there is no column of features.
    WrongType
        If an argument is of another type.
    Refused
        If the table needs more memory than the budget allows.

    Notes
    -----
    Cells may be quoted by ``"``. Spaces around a cell and blank lines are ignored. Numbers have a decimal point.

    Names may be numbers, such as years. Without ``header`` a first row of distinct numbers is therefore refused if

    - its label is text that no other row has,
    - its cells are 0, 1, 2, …, the names that pandas gives,
    - its cells are quoted, and those of the second row are not, or
    - its cells are integers, and their columns hold no others.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "iris.csv")
    >>> _ = path.write_text("length,width,species\n5.1,3.5,setosa\n6.3,2.9,virginica\n")
    >>> read_csv(path)
    <Table of 2 examples: 2 features, label 'species' of 2 classes>
    """
    return read_text(path, label, delimiter=delimiter, header=header, dtype=dtype)


@quiet
def read_text(
    path: str | os.PathLike[str],
    label: str | int | None = -1,
    *,
    delimiter: str | None = None,
    header: bool | None = None,
    dtype: DTypeLike = "float64",
    verbal: bool = False,
) -> Table:
    """Read a table as :func:`read_csv` does; ``verbal`` labels stay strings, also if they look like another type."""
    target, name = as_dtype(dtype), name_of(path)
    _check_options(label, delimiter, header)
    with _rows(path, delimiter) as (rows, size, quoted):
        line, first = next(rows)
        named = _is_header(first, f"{name}, line {line}", label) if header is None else header
        columns = _columns(f"{name}, line {line}", first, label, named=named)
        cells = [cell.strip() for cell in first]
        if not named:
            rows = chain([(line, first)], rows)
        features, labels, numbers, alone = _read(rows, name, columns, target, size)
    if not numbers:
        raise InvalidInput(f"{name} must hold at least one example, got only a row of names; write one example a row.")
    k = columns.label
    if header is None and not named and _may_be_names(cells, k, labels, numbers, quoted, alone):
        raise _ambiguous(f"{name}, line {line}", cells)
    Y = None
    if k is not None:
        Y = np.array([cell.strip() for cell in labels]) if verbal else _targets(labels, numbers, name, columns, target)
    return Table(
        X=np.concatenate(features).reshape(len(numbers), -1),
        Y=Y,
        columns=None if columns.names is None else tuple(each for j, each in enumerate(columns.names) if j != k),
        label=None if columns.names is None or k is None else columns.names[k],
    )


@quiet
def read_columns(
    path: str | os.PathLike[str], header: bool | None = None, delimiter: str | None = None
) -> tuple[tuple[str, ...] | None, int]:
    """Return the names of the columns of a text file, None if it has none, and their number, as :func:`read_csv` does.

    Raises
    ------
    InvalidInput
        If the file cannot be read, is empty, or ``header`` must be given.
    Refused
        If the file needs more memory than the budget allows.
    """
    _check_options(None, delimiter, header)
    with _rows(path, delimiter) as (rows, _, _):
        line, first = next(rows)
    named = _is_header(first, f"{name_of(path)}, line {line}", None) if header is None else header
    return tuple(cell.strip() for cell in first) if named else None, len(first)


@contextmanager
def _rows(
    path: str | os.PathLike[str], delimiter: str | None
) -> Iterator[tuple[Iterator[tuple[int, list[str]]], int, list[bool]]]:
    """Yield the rows of a file, at least one, each with its line; the file's size; and which of the first are quoted.

    Whether each of the first two rows has quotes around all of its cells is known once they have been taken.

    Raises
    ------
    InvalidInput
        If there is no row, or the file cannot be read; see :func:`read_csv`.
    """
    name = name_of(path)
    with open_data(path, "a CSV file") as stream:
        data = read_at_most(stream, current_budget().memory)
    check_memory(name, len(data))
    if b"\0" in data:
        raise InvalidInput(f"{name} must be text in UTF-8, got a file with null bytes; save it as CSV in UTF-8.")
    mark = delimiter or _delimiter_of(data)
    lines = _Lines(io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline=""), name)
    reader = csv.reader(lines, delimiter=mark, skipinitialspace=mark != " ", strict=True)
    quoted: list[bool] = []

    def rows() -> Iterator[tuple[int, list[str]]]:
        for row in reader:
            if not row or (len(row) == 1 and not lines.last.strip()):
                continue
            if len(quoted) < 2:
                quoted.append(lines.last.count('"') >= 2 * len(row))
            yield reader.line_num, row
        if not quoted:
            raise InvalidInput(f"{name} must hold a table, got an empty file; write one example a row.")

    with _reading(name, data, reader):
        yield rows(), len(data), quoted


def _is_header(first: Sequence[str], place: str, label: str | int | None) -> bool:
    """Return whether the first row holds names: no cell is a number, or the label is named there."""
    cells = [cell.strip() for cell in first]
    if isinstance(label, str) and label in cells:
        return True
    if any(map(_is_number, cells)):
        return False
    if isinstance(label, int | np.integer) and -len(cells) <= label < len(cells) and len(cells) > 1:
        del cells[label]
    if all(cell and cell.lower() in MISSING for cell in cells):
        raise _ambiguous(place, first)
    return True


def _may_be_names(
    cells: list[str], label: int | None, labels: list[str], numbers: list[int], quoted: list[bool], alone: bool
) -> bool:
    """Return whether a first row of numbers, which was read as an example, may hold the names of the columns.

    Parameters
    ----------
    cells : list of str
        The first row.
    label : int or None
        Which of them is the label.
    labels, numbers
        The labels and lines of all rows.
    quoted : list of bool
        Whether all cells of the first and of the second row are quoted.
    alone : bool
        Whether its features are the only integers of their columns.
    """
    if len(numbers) < 2 or len(set(cells)) < len(cells):
        return False
    if label is not None and _kind_of(cells[label]) == "string":
        return cells[label] not in (cell.strip() for cell in labels[1:])
    if label is not None:
        alone = alone and not any(INTEGER.fullmatch(cell.strip()) for cell in labels[1:])
        alone = alone and INTEGER.fullmatch(cells[label]) is not None
    in_order = len(cells) > 1 and cells == list(map(str, range(len(cells))))
    return in_order or alone or quoted == [True, False]


def _ambiguous(place: str, cells: Sequence[str]) -> InvalidInput:
    shown = ", ".join(map(repr, cells[:5])) + (", …" if len(cells) > 5 else "")
    return InvalidInput(
        f"{place}: the first row must be clearly names or an example, got {shown}; pass header=True (--header) if it "
        "holds names, or header=False (--no-header)."
    )


@dataclass(frozen=True)
class _Columns:
    """The columns of a table: how many, their names if they have any, and which one holds the labels."""

    count: int
    names: list[str] | None
    label: int | None

    def place(self, name: str, line: int, j: int) -> str:
        """Return where a cell is."""
        column = f"column {j + 1} of {self.count}" if self.names is None else f"column {self.names[j]!r}"
        return f"{name}, line {line}, {column}"


def _check_options(label: Any, delimiter: Any, header: Any) -> None:
    if isinstance(label, bool) or not isinstance(label, str | int | np.integer | None):
        raise WrongType(
            f"label must be the name or the index of a column, or None, got {label!r}; pass -1 for the last."
        )
    if delimiter is not None and (
        not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '\r\n"' or delimiter.isalnum()
    ):
        raise InvalidInput(f"delimiter must be one character such as ';', got {delimiter!r}; leave it out to guess it.")
    if not isinstance(header, bool | None):
        raise WrongType(f"header must be True, False or None, got {header!r}; leave it out to guess it.")


def _delimiter_of(data: bytes) -> str:
    """Return the delimiter that splits each of the first rows into the same number of cells, above one.

    If several do, it is the one that makes the largest share of numbers; if none does, the one that makes most cells of
    the first row.
    """
    lines = list(io.StringIO(data[:SAMPLE].decode("utf-8-sig", "replace"), newline=""))
    whole = lines[:-1] if len(data) > SAMPLE and len(lines) > 1 else lines
    even, first = {}, {}
    for mark in DELIMITERS:
        try:
            rows = [row for row in islice(csv.reader(whole, delimiter=mark, skipinitialspace=True), SAMPLE_ROWS) if row]
        except csv.Error:  # The next reading says where.
            continue
        widths = {len(row) for row in rows}
        if len(widths) == 1 and widths != {1}:
            cells = list(chain.from_iterable(rows[1:] or rows))
            # With a decimal comma it is a number too, although one that is refused.
            even[mark] = sum(bool(_is_number(cell) or DECIMAL_COMMA.fullmatch(cell)) for cell in cells) / len(cells)
        first[mark] = len(rows[0]) if rows else 0
    return max(even, key=even.__getitem__) if even else max(reversed(DELIMITERS), key=lambda mark: first.get(mark, 0))


class _Lines(Iterator[str]):
    """Lines, none of which takes more memory in cells than the budget allows; the last one is kept."""

    def __init__(self, lines: Iterator[str], name: str) -> None:
        self._lines, self._name, self.last = lines, name, ""

    def __next__(self) -> str:
        self.last = next(self._lines)
        if len(self.last) > CELLS:
            check_memory(self._name, PER_CHARACTER * len(self.last))
        return self.last


@contextmanager
def _reading(name: str, data: bytes, reader: Any) -> Iterator[None]:
    """Convert the exceptions of the csv module and of the decoder into InvalidInput."""
    try:
        yield
    except csv.Error as caught:
        raise InvalidInput(
            f"{name}, line {reader.line_num}: a row must be cells, each plain or in double quotes, got one that cannot "
            f"be read ({caught}); close its quotes, and double each quote inside quotes."
        ) from None
    except UnicodeDecodeError:
        line = data[: _first_undecodable(data)].count(b"\n") + 1
        raise InvalidInput(
            f"{name}, line {line}: the text must be in UTF-8, got other bytes; save it in UTF-8."
        ) from None


def _first_undecodable(data: bytes) -> int:
    try:
        data.decode()
    except UnicodeDecodeError as caught:
        return caught.start
    return len(data)


def _columns(place: str, first: list[str], label: str | int | None, *, named: bool) -> _Columns:
    """Return the columns of a table after checking their names, and find the label's."""
    names = [cell.strip() for cell in first] if named else None
    for j, each in enumerate(names or ()):
        if not each:
            raise InvalidInput(
                f"{place}: each column must have a name, got none for column {j + 1} of {len(first)}; name it, or "
                "leave it out (pandas writes its index there unless index=False)."
            )
    if names is not None and len(set(names)) < len(names):
        twice = next(each for each in names if names.count(each) > 1)
        raise InvalidInput(f"{place}: the columns must have distinct names, got {twice!r} twice; rename one.")
    columns = _Columns(len(first), names, _index_of(label, place, len(first), names))
    if len(first) == 1 and columns.label is not None:
        raise WrongShape(
            f"{place}: a table must have a column of features besides the label, got one column; pass label=None if it "
            "holds a feature, or the delimiter if it holds several cells."
        )
    return columns


def _index_of(label: str | int | None, place: str, count: int, names: list[str] | None) -> int | None:
    if isinstance(label, str):
        if names is None:
            raise InvalidInput(
                f"{place}: the label {label!r} must be the name of a column, got a table without names; pass the index "
                "of its column, or header=True."
            )
        if label not in names:
            raise UnknownName("column", label, names)
        return names.index(label)
    if label is None:
        return None
    if not -count <= label < count:
        raise InvalidInput(f"{place}: the label must be from {-count} to {count - 1}, got {label}; count from 0.")
    return int(label) % count


def _read(
    rows: Iterable[tuple[int, list[str]]], name: str, columns: _Columns, target: np.dtype[Any], size: int
) -> tuple[list[Array], list[str], list[int], bool]:
    """Return the numbers of all rows, in parts, their labels, and the number of the line that each row ends in.

    Return also whether each feature of the first row is the only integer of its column.
    """
    features: list[Array] = []
    labels: list[str] = []
    numbers: list[int] = []
    alone = True
    for part in _parts(rows, name, columns):
        numbers += [line for line, _ in part]
        # Its parts are joined at the end.
        check_memory(name, size + len(numbers) * (2 * columns.count * target.itemsize + PER_ROW))
        if columns.label is not None:
            labels += [row.pop(columns.label) for _, row in part]
        begin = 0 if features else 1
        alone = alone and (begin == 0 or all(INTEGER.fullmatch(cell.strip()) for cell in part[0][1]))
        alone = alone and not any(INTEGER.fullmatch(cell.strip()) for _, row in part[begin:] for cell in row)
        features.append(_converted(part, name, columns, target))
    return features, labels, numbers, alone


def _parts(
    rows: Iterable[tuple[int, list[str]]], name: str, columns: _Columns
) -> Iterator[list[tuple[int, list[str]]]]:
    """Yield the rows, many at a time, after checking that each has as many cells as there are columns."""
    length, part = max(1, CELLS // columns.count), []
    for line, row in rows:
        if len(row) != columns.count:
            raise InvalidInput(
                f"{name}, line {line}: a row must have {columns.count} cells, as the first has, got {len(row)}; "
                "complete it, put a cell that holds the delimiter in double quotes, or pass delimiter=."
            )
        part.append((line, row))
        if len(part) == length:
            yield part
            part = []
    if part:
        yield part


def _converted(part: list[tuple[int, list[str]]], name: str, columns: _Columns, target: np.dtype[Any]) -> Array:
    """Return the features of some rows, whose labels have been taken out, as one flat array."""
    cells = list(chain.from_iterable(row for _, row in part))
    try:
        found = _rounded(cells, target)
    except ValueError:
        found = None
    # Python reads 1_000 as 1000.
    if found is None or not np.isfinite(found).all() or "_" in "".join(cells):
        for i, cell in enumerate(cells):
            row, j = divmod(i, columns.count - (columns.label is not None))
            if not _is_number(cell) or (found is not None and not np.isfinite(found[i])):
                j += columns.label is not None and j >= columns.label
                line = part[row][0]
                raise _no_number(
                    cell, columns.place(name, line, j), target, named=columns.names is not None or line > 1
                )
    assert found is not None
    return found


def _rounded(cells: Sequence[str], target: np.dtype[Any]) -> Array:
    """Return numbers, rounded once to the dtype, in the range of double precision."""
    if target.itemsize > np.dtype(np.float64).itemsize:
        return np.fromiter(map(_extended, cells), target, len(cells))
    return np.fromiter(map(float, cells), np.float64, len(cells)).astype(target)


def _extended(cell: str) -> Any:
    """Return a number in extended precision, in the range of double precision."""
    value = float(cell)
    if not math.isfinite(value) or not value:
        return value
    # NumPy reads ASCII digits alone, unlike float.
    return np.longdouble("".join(str(decimal(each, each)) for each in cell.strip()))


def _is_number(cell: str) -> bool:
    """Return whether a cell is a finite or infinite number."""
    try:
        return not math.isnan(float(cell)) and "_" not in cell
    except ValueError:
        return False


def _no_number(cell: str, place: str, target: np.dtype[Any], *, named: bool) -> InvalidInput:
    """Return what is wrong with a cell of a feature."""
    shown = repr(cell if len(cell) <= 40 else cell[:39] + "…")
    if _is_number(cell):
        return NotFinite(f"{place}: a number must be finite in {format_dtype(target)}, got {shown}; leave the row out.")
    if cell.strip().lower() in MISSING:
        found = f"{shown}, a missing value" if cell.strip() else "an empty cell"
        return InvalidInput(f"{place}: a feature must be a number, got {found}; leave the row out, or fill the cell.")
    remedy = "leave the column out, encode it as numbers, or pass label= if it holds the labels"
    if not named:
        remedy = f"pass header=True if the line holds names, {remedy}"
    if DECIMAL_COMMA.fullmatch(cell):
        remedy = "write numbers with a decimal point"
    return InvalidInput(f"{place}: a feature must be a number, got {shown}; {remedy}.")


def _targets(
    cells: Sequence[str], numbers: Sequence[int], name: str, columns: _Columns, target: np.dtype[Any]
) -> Array:
    """Return the column of labels as integers, booleans, real numbers or strings."""
    cells = [cell.strip() for cell in cells]
    kinds = {cell: _kind_of(cell) for cell in dict.fromkeys(cells)}
    found, label = set(kinds.values()), columns.label
    assert label is not None

    def place(kind: str) -> tuple[str, str]:
        i = next(i for i, cell in enumerate(cells) if kinds[cell] == kind)
        return columns.place(name, numbers[i], label), cells[i]

    if "missing" in found:
        where, cell = place("missing")
        raise InvalidInput(
            f"{where}: a label must not be missing, got {repr(cell) if cell else 'an empty cell'}; leave the row out, "
            "or fill the cell."
        )
    if not found & {"boolean", "string"}:
        for kind in sorted(found & {"infinite", "large", "separated"}):
            where, cell = place(kind)
            if kind == "separated":
                raise InvalidInput(
                    f"{where}: a label must be text or a number, got {cell!r}; write numbers with a decimal point."
                )
            if kind == "infinite":
                raise NotFinite(
                    f"{where}: a target must be finite in float64, got {cell[:40]}; leave the row out, or scale the "
                    "targets."
                )
            raise InvalidInput(
                f"{where}: a label must fit 64-bit integers, got {cell[:40]}; write a number with a point."
            )
    kinds = {cell: "string" if kind in ("infinite", "separated") else kind for cell, kind in kinds.items()}
    found = set(kinds.values())
    numeric, verbal = found & {"integer", "large", "real"}, found & {"boolean", "string"}
    if numeric and verbal:
        (one, text), (other, number) = place(min(verbal)), place(min(numeric))
        raise InvalidInput(
            f"{one}: labels must be all numbers or all text, got {text!r} here and {number} at {other}; write "
            "them alike."
        )
    if numeric == {"integer"}:
        return np.array([int(cell) for cell in cells], np.int64)
    if numeric:
        values = _rounded(cells, target)
        if (infinite := np.flatnonzero(~np.isfinite(values))).size:
            where = columns.place(name, numbers[infinite[0]], label)
            raise NotFinite(
                f"{where}: a target must be finite in {format_dtype(target)}, got {cells[infinite[0]]}; scale the "
                "targets, or pass dtype='float64'."
            )
        return values
    if verbal == {"boolean"}:
        return np.array([cell.lower() == "true" for cell in cells])
    return np.array(cells)


def _kind_of(cell: str) -> str:
    """Return what a label is."""
    if cell.lower() in ("", "nan"):
        return "missing"
    if cell.lower() in ("true", "false"):
        return "boolean"
    if INTEGER.fullmatch(cell):
        # Python refuses to convert thousands of digits.
        fits = len(cell) <= 20 and SMALLEST <= int(cell) <= LARGEST
        return "integer" if fits else "large"
    if _is_number(cell):
        return "real" if math.isfinite(float(cell)) else "infinite"
    return "separated" if DECIMAL_COMMA.fullmatch(cell) or THOUSANDS.fullmatch(cell) else "string"
