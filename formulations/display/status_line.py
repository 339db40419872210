"""The progress of a computation: one line that is redrawn in a terminal or a notebook, some lines in a file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from time import perf_counter
from typing import Any, TextIO

from formulations.display.announcements import announcements_shown
from formulations.display.tables import terminal_width

__all__ = ["StatusLine"]

REDRAWN_EVERY = 0.1
"""Seconds between two drawings of the line in a terminal or a notebook."""
LINES = 10
"""The lines, evenly spaced, that are written to a file or a pipe, if none takes longer than ``LINE_AFTER``."""
LINE_AFTER = 60.0
"""Seconds after which the next step writes a line to a file or a pipe in any case."""


class StatusLine:
    """Writes the progress of a computation to standard error.

    A terminal shows one line that is redrawn, a notebook one output that is updated, and anything else about ten lines
    in all. Announcements, such as of compilation, have lines of their own.
    """

    def __init__(self) -> None:
        self._stream: TextIO = sys.stderr
        self._notebook = _notebook()
        self._terminal = self._notebook is None and self._stream.isatty()
        self._shown: int | None = None
        self._waiting: Callable[[], str] | None = None
        self._drawn = self._written = float("-inf")
        self._handle: Any = None
        self._announcements = ExitStack()
        self._announcements.enter_context(announcements_shown(self._announce))

    def show(self, done: int, of: int | None, seconds: float, line: Callable[[], str]) -> None:
        """Show a step.

        Parameters
        ----------
        done : int
            The number of steps done.
        of : int or None
            All steps, if known.
        seconds : float
            The time since the beginning.
        line : callable
            Returns the text.
        """
        before, self._shown = self._shown, done
        if self._terminal or self._notebook is not None:
            now = perf_counter()
            self._waiting = line
            if now >= self._drawn + REDRAWN_EVERY:
                self._drawn = now
                self._draw()
            return
        tenth = of is not None and before is not None and done * LINES // of > before * LINES // of
        self._waiting = line
        if before is None or tenth or seconds >= self._written + LINE_AFTER:
            self._written = seconds
            self._draw()

    def close(self) -> None:
        """Show the last step, end the line that is redrawn, and show no more announcements."""
        self._announcements.close()
        self._draw()
        if self._terminal and self._shown is not None:
            print(file=self._stream, flush=True)

    def _announce(self, text: str) -> None:
        """Write an announcement, in a terminal over the line that is redrawn."""
        print(f"\r{text}\x1b[K" if self._terminal else text, file=self._stream, flush=True)

    def _draw(self) -> None:
        if self._waiting is None:
            return
        line, self._waiting = self._waiting(), None
        if self._terminal:
            # The rest of a longer line before it is erased.
            width = terminal_width() - 1
            print(f"\r{line[:width]}\x1b[K", end="", file=self._stream, flush=True)
            return
        if self._notebook is None:
            print(line, file=self._stream, flush=True)
            return
        content = {"text/plain": line}
        if self._handle is None:
            self._handle = self._notebook(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


def _notebook() -> Any:
    """Return the function that displays in a notebook, if this is one; IPython is not imported for that."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if getattr(shell, "kernel", None) is None:
        return None
    return ipython.display.display  # type: ignore[union-attr]
