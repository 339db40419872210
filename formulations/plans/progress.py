"""The progress of a sum over sources."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

from formulations.display import StatusLine, counted, format_seconds
from formulations.exceptions import WrongType, described

__all__ = ["ChunksDone", "Meter", "check_progress"]


class ChunksDone(NamedTuple):
    """The progress of a sum over sources.

    Attributes
    ----------
    chunks : int
        The chunks that are done; a callable counts as one.
    of : int or None
        The number of all chunks; None if it is unknown, as with a generator or with callables that this process reads.
    examples : int
        The examples that are done.
    seconds : float
        The time since the beginning.
    """

    chunks: int
    of: int | None
    examples: int
    seconds: float


def check_progress(progress: Any) -> None:
    """Raise an exception if a :class:`Meter` cannot use this.

    Raises
    ------
    WrongType
        If it is neither a bool, nor callable, nor None.
    """
    if progress is not None and not isinstance(progress, bool) and not callable(progress):
        raise WrongType(
            f"progress must be True or a function of chunks done, got {described(progress)}; pass True for a line "
            "on standard error, or a function."
        )


class Meter:
    """Counts chunks, and reports them to a function or in a line on standard error.

    Parameters
    ----------
    progress : bool, callable or None
        True for the line; a function of :class:`ChunksDone`; or neither.

    Raises
    ------
    WrongType
        If it is something else.
    """

    def __init__(self, progress: Any) -> None:
        check_progress(progress)
        self._line = StatusLine() if progress is True else None
        self._tell: Callable[[ChunksDone], object] | None = progress if callable(progress) else None
        self._begun = perf_counter()
        self._chunks = self._examples = 0
        self.of: int | None = None

    def add(self, chunks: int, examples: int) -> None:
        """Count chunks and examples."""
        self._chunks += chunks
        self._examples += examples
        if self._line is None and self._tell is None:
            return
        done = ChunksDone(self._chunks, self.of, self._examples, perf_counter() - self._begun)
        if self._tell is not None:
            self._tell(done)
        else:
            assert self._line is not None
            self._line.show(done.chunks, done.of, done.seconds, lambda: _text(done))

    def close(self) -> None:
        """End the line."""
        if self._line is not None:
            self._line.close()


def _text(done: ChunksDone) -> str:
    chunks = counted(done.chunks, "chunk") if done.of is None else f"chunk {done.chunks}/{done.of}"
    parts = [chunks, counted(done.examples, "example")]
    if done.of is None or done.chunks in (0, done.of):
        parts.append(format_seconds(done.seconds))
    else:
        parts.append(f"{format_seconds(done.seconds / done.chunks * (done.of - done.chunks))} left")
    return ", ".join(parts)
