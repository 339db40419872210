"""Sources: examples described by where they are, so that they travel as a description and never as data."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from formulations.arrays import positive_integer
from formulations.exceptions import WrongShape, WrongType, described
from formulations.plans.evaluator import Examples
from formulations.plans.stored import Stored, stored_array, stored_file

__all__ = ["Described", "Source", "as_source", "check_files", "sources"]


class Source:
    """Examples that are read when they are needed: rows of files or of lazily sliced arrays.

    Made by :func:`formulations.sources`. A source is pickled as its description.

    Attributes
    ----------
    X, Y, sample_weight
        What is sliced; ``sample_weight`` may be None.
    start, stop : int
        The rows.
    rows : int
        Their number.
    in_memory : bool
        Whether an array is in memory, so that the source cannot travel to another process.
    """

    def __init__(self, X: Any, Y: Any, sample_weight: Any, start: int, stop: int) -> None:
        self.X, self.Y, self.sample_weight, self.start, self.stop = X, Y, sample_weight, start, stop

    @property
    def rows(self) -> int:
        """The number of examples."""
        return self.stop - self.start

    @property
    def in_memory(self) -> bool:
        """Whether an array is in memory."""
        return any(_in_memory(each) for each in (self.X, self.Y, self.sample_weight))

    def __repr__(self) -> str:
        names = list(dict.fromkeys(_name(each) for each in (self.X, self.Y, self.sample_weight) if each is not None))
        return f"<Source rows {self.start} to {self.stop} of {' and '.join(names)}>"


Described: TypeAlias = Source | Callable[[], Any]
"""What a worker gets: a description, or a function that returns the examples."""


def sources(X: Any, Y: Any, sample_weight: Any = None, rows: int | None = None) -> list[Source]:
    """Describe examples in files, or in lazily sliced arrays, for ``over`` and its relatives.

    Parameters
    ----------
    X : path, (path, key), memmap, or anything with a shape, a dtype and slices, of shape (m, n₁)
        The path of an ``.npy`` file, or of an ``.npz`` file and the name of an uncompressed array in it; or a Dask or
        Zarr array.
    Y : as X, of shape (m, n_L)
        The targets.
    sample_weight : as X, of shape (m,), optional
        Weights of the examples in the mean.
    rows : int, optional
        The number of examples in a source; by default there is one source. Whoever evaluates them divides large
        sources by itself, so small ones only serve to name a place more precisely.

    Returns
    -------
    list of Source

    Raises
    ------
    InvalidInput
        If a file does not exist.
    WrongShape
        If the arrays do not fit each other.
    WrongType
        If they are in memory, or hold no real numbers.
    Refused
        If an array is compressed, and so cannot be read in pieces.

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
    if any(map(_in_memory, arrays)):
        raise WrongType(
            "X and Y must be described by where they are, got arrays in memory; write them with numpy.save and pass "
            "the paths, or pass (X, Y) itself as a source, which executors of threads accept."
        )
    for array, name in zip(arrays, ("X", "Y"), strict=False):
        if len(array.shape) != 2:
            raise WrongShape(
                f"{name} must have shape (m, n), one example a row, got shape {tuple(array.shape)} in {_name(array)}; "
                "reshape it before it is written."
            )
    X, Y, weights = arrays
    found = Examples(X, Y, weights, (X.shape[1], Y.shape[1]))
    m = found.count
    step = m if rows is None else positive_integer(rows, "rows")
    return [Source(X, Y, weights, start, min(start + step, m)) for start in range(0, m, step)]


def check_files(source: Source) -> None:
    """Raise an exception if a file is not as it was when it was described.

    Raises
    ------
    InvalidInput
        If it has vanished.
    Refused
        If it has changed.
    """
    for each in (source.X, source.Y, source.sample_weight):
        if isinstance(each, Stored):
            each.check()


def as_source(given: Any, sizes: tuple[int, ...]) -> Described:
    """Return what a user passed as a description whose shapes fit the network; arrays in memory stay what they are.

    Raises
    ------
    WrongType
        If it is no source.
    InvalidInput, WrongShape
        If its arrays do not fit each other, or layers of these sizes.
    """
    if isinstance(given, Source):
        # It has been read, so to say, and its arrays fit each other.
        Examples(given.X, given.Y, given.sample_weight, sizes)
        return given
    if isinstance(given, tuple | list) and len(given) in (2, 3):
        X, Y, weights = (*given, None)[:3]
        found = Examples(_located(X, "X"), _located(Y, "Y"), _located(weights, "sample_weight"), sizes)
        return Source(found.X, found.Y, found.weights, 0, found.count)
    if callable(given):
        read: Callable[[], Any] = given
        return read
    raise WrongType(
        "there must be (X, Y) or (X, Y, sample_weight), a source of formulations.sources, or a callable that returns "
        f"such a tuple, got {type(given).__name__}{f' of {len(given)}' if isinstance(given, tuple | list) else ''}; "
        "yield such tuples, and pass the arrays of a single batch as plan(X, Y)."
    )


def _located(data: Any, name: str) -> Any:
    """Return data as what is sliced: files described, lazy arrays and arrays in memory unchanged."""
    if isinstance(data, str | os.PathLike):
        return stored_file(data, name)
    if isinstance(data, tuple) and len(data) == 2 and all(isinstance(each, str | os.PathLike) for each in data):
        return stored_file(data, name)
    if isinstance(data, np.ndarray):
        found = stored_array(data, name)
        return data if found is None else found
    return data


def _in_memory(data: Any) -> bool:
    """Whether data are an array in memory, which is pickled as its entries."""
    if data is None or isinstance(data, Stored):
        return False
    # What is lazily sliced has none of these protocols.
    return not hasattr(data, "dtype") or hasattr(data, "__dlpack__") or hasattr(data, "__array_interface__")


def _name(data: Any) -> str:
    return data.path if isinstance(data, Stored) else described(data)
