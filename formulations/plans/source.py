"""Sources: examples described by where they are, so that they travel as a description and never as data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, TypeAlias

import numpy as np

from formulations.arrays import positive_integer
from formulations.exceptions import WrongShape, WrongType, described
from formulations.plans.evaluator import Examples
from formulations.plans.stored import Stored, stored_array, stored_file

__all__ = ["Described", "Source", "as_source", "check_dtypes", "examples_of", "narrowed", "sources", "travelling"]


class Source:
    """Examples that are read when they are needed: rows of files, or of arrays that are read when they are sliced.

    Made by :func:`formulations.sources`. A source is pickled as its description.

    Attributes
    ----------
    X, Y, sample_weight
        What is sliced; ``sample_weight`` may be None.
    start, stop : int
        Its rows there.
    cut : int
        The rows that were cut off before what is sliced, for messages.
    """

    def __init__(self, X: Any, Y: Any, sample_weight: Any, start: int, stop: int, cut: int = 0) -> None:
        self.X, self.Y, self.sample_weight = X, Y, sample_weight
        self.start, self.stop, self.cut = start, stop, cut

    @property
    def rows(self) -> int:
        """The number of examples."""
        return self.stop - self.start

    @property
    def in_memory(self) -> bool:
        """Whether an array is in memory, so that the source cannot go to another process."""
        return any(isinstance(each, np.ndarray) for each in _arrays(self).values())

    @property
    def place(self) -> str:
        """Where the examples are; empty if they are in memory."""
        if self.in_memory:
            return ""
        # X and Y may be columns of one file.
        names = dict.fromkeys(
            each.path if isinstance(each, Stored) else described(each) for each in _arrays(self).values()
        )
        return f"rows {self.cut + self.start} to {self.cut + self.stop} of {' and '.join(names)}"

    def __repr__(self) -> str:
        return f"<Source {self.place or f'of {self.rows} examples in memory'}>"


Described: TypeAlias = Source | Callable[[], Any]
"""What a worker gets: a description, or a function that returns the examples."""


def sources(X: Any, Y: Any, sample_weight: Any = None, rows: int | None = None) -> list[Source]:
    """Describe examples in files, or in arrays that are read when they are sliced, for ``plan.over``.

    Parameters
    ----------
    X : path, (path, key), memmap, or any object with a shape, a dtype and slices, of shape (m, n₁)
        The path of an ``.npy`` file; that of an ``.npz`` file and the name of an array in it that is not compressed; an
        array mapped from a file; or an array of Dask or Zarr.
    Y : as X, of shape (m, n_L)
        The targets.
    sample_weight : as X, of shape (m,), optional
        Weights of the examples in the mean.
    rows : int, optional
        The number of examples in each source; by default all are in one. Large sources are divided among workers in any
        case, so smaller ones only make messages more precise.

    Returns
    -------
    list of Source
        The sources, in the order of their rows.

    Raises
    ------
    InvalidInput
        If a file does not exist, or holds no such array.
    WrongShape
        If the arrays do not fit each other.
    WrongType
        If they are in memory, or hold no real numbers.
    Refused
        If an array is compressed, and so cannot be read in pieces.

    Notes
    -----
    The description of a file includes its size and the time of its last change. If either differs when the file is
    read, the source is refused.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = tempfile.TemporaryDirectory()
    >>> x, y = (pathlib.Path(folder.name) / name for name in ("x.npy", "y.npy"))
    >>> np.save(x, np.ones((1000, 4)))
    >>> np.save(y, np.ones((1000, 2)))
    >>> [source.rows for source in sources(x, y, rows=300)]
    [300, 300, 300, 100]
    >>> folder.cleanup()
    """
    arrays = [_located(X, "X"), _located(Y, "Y"), _located(sample_weight, "sample_weight")]
    for array, name in zip(arrays, ("X", "Y"), strict=False):
        if not hasattr(array, "dtype") or isinstance(array, np.ndarray | np.generic):
            in_memory = isinstance(array, np.ndarray | np.generic | list)
            remedy = 'pass the path of an .npy file, or (path, "X") for an array of an .npz file'
            if in_memory:
                remedy = (
                    "write it with numpy.save and pass the path, or let (X, Y) itself be the source, which an executor "
                    "of threads accepts"
                )
            raise WrongType(
                f"{name} must be described by where it is, such as by the path of a file, got {described(array)}"
                f"{' in memory' if in_memory else ''}; {remedy}."
            )
        if len(array.shape) != 2:
            labels = name == "Y" and len(array.shape) == 1
            raise WrongShape(
                f"{name} must have shape (m, n), one example a row, got shape {tuple(array.shape)} in "
                f"{getattr(array, 'path', described(array))}; "
                f"{'write formulations.one_hot(labels) if these are labels' if labels else 'write it in this shape'}."
            )
    X, Y, weights = arrays
    m = Examples(X, Y, weights, (X.shape[1], Y.shape[1])).count
    step = m if rows is None else positive_integer(rows, "rows")
    return [Source(X, Y, weights, start, min(start + step, m)) for start in range(0, m, step)]


def as_source(given: Any, sizes: tuple[int, ...]) -> Described:
    """Return what a user passed as a description whose shapes fit the network; arrays in memory stay what they are.

    Raises
    ------
    WrongType
        If it is not a source.
    InvalidInput, WrongShape
        If its arrays do not fit each other, or layers of these sizes.
    """
    if isinstance(given, Source):
        examples_of(given, sizes)
        return given
    if isinstance(given, tuple | list) and len(given) in (2, 3):
        X, Y, weights = (*given, None)[:3]
        found = Examples(_located(X, "X"), _located(Y, "Y"), _located(weights, "sample_weight"), sizes)
        return Source(found.X, found.Y, found.weights, 0, found.count)
    if callable(given):
        read: Callable[[], Any] = given
        return read
    raise WrongType(
        "there must be (X, Y) or (X, Y, sample_weight), a source from formulations.sources, or a callable that returns "
        f"one, got {type(given).__name__}{f' of {len(given)}' if isinstance(given, tuple | list) else ''}; "
        "yield such tuples, and pass the arrays of a single batch as plan(X, Y)."
    )


def check_dtypes(source: Source, first: dict[str, tuple[int, np.dtype[Any]]], number: int) -> None:
    """Raise an exception if an array that is not in memory has another dtype than that of the sources before.

    Files of one data set have one dtype: another is a sign of a file that belongs elsewhere. Arrays in memory are
    converted, as everywhere.

    Parameters
    ----------
    source : Source
        The source.
    first : dict of str to (int, dtype)
        For each array, the number of the first source that has it and its dtype, which this call adds to.
    number : int
        The number of the source.

    Raises
    ------
    WrongType
        If it has.
    """
    for name, array in _arrays(source).items():
        if isinstance(array, np.ndarray):
            continue
        before, dtype = first.setdefault(name, (number, array.dtype))
        if array.dtype.newbyteorder("=") != dtype.newbyteorder("="):
            raise WrongType(
                f"{name} must have the dtype that it has in source {before}, {dtype}, got {array.dtype}; convert one "
                "of them, or read it by a callable."
            )


def examples_of(source: Source, sizes: tuple[int, ...]) -> Examples:
    """Return the examples of a source, of which only some rows may belong to it.

    Raises
    ------
    InvalidInput
        If a file has vanished.
    WrongShape
        If they do not fit layers of these sizes.
    Refused
        If a file has changed.
    """
    arrays = _arrays(source)
    for each in arrays.values():
        if isinstance(each, Stored):
            each.check()
    return Examples(source.X, source.Y, source.sample_weight, sizes)


def narrowed(source: Source, start: int, stop: int) -> Source:
    """Return the rows from start to before stop of a source, for a task."""
    X, Y, weights = arrays = source.X, source.Y, source.sample_weight
    start, stop = source.start + start, source.start + stop
    # The others would be read.
    if not all(each is None or hasattr(each, "__dask_graph__") for each in arrays):
        return Source(X, Y, weights, start, stop, source.cut)
    X, Y, weights = (None if each is None else _culled(each[start:stop]) for each in arrays)
    return Source(X, Y, weights, 0, stop - start, source.cut + start)


def travelling(source: Source) -> Iterator[Any]:
    """Yield what must be pickled with a source and is not ours."""
    return (each for each in _arrays(source).values() if not isinstance(each, Stored | np.ndarray))


def _arrays(source: Source) -> dict[str, Any]:
    named = {"X": source.X, "Y": source.Y, "sample_weight": source.sample_weight}
    return {name: array for name, array in named.items() if array is not None}


def _culled(data: Any) -> Any:
    """Return a slice of a Dask array without what other slices need, which would travel with it."""
    rebuild, arguments = data.__dask_postpersist__()
    keys = data.__dask_keys__()
    while keys and isinstance(keys[0], list):
        keys = list(chain.from_iterable(keys))
    # As one layer, since layers that have been culled cannot be sliced again.
    return rebuild(dict(data.__dask_graph__().cull(keys)), *arguments)


def _located(data: Any, name: str) -> Any:
    """Return data as what is sliced: files described, arrays in memory and others as they are."""
    if isinstance(data, str | os.PathLike):
        return stored_file(data, name)
    if isinstance(data, tuple) and len(data) == 2 and all(isinstance(each, str | os.PathLike) for each in data):
        return stored_file(data, name)
    if isinstance(data, np.ndarray):
        found = stored_array(data, name)
        return data if found is None else found
    return data
