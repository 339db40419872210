"""The progress of a training: one line in a terminal or a notebook, a line now and then in a file."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from time import perf_counter
from typing import Any, TextIO

from formulations.display import announcements_shown, format_seconds, format_share, terminal_width
from formulations.training.history import Epoch, format_cost

__all__ = ["Progress"]

REDRAWN_EVERY = 0.1
"""Seconds between two drawings of the line in a terminal or a notebook."""
LINES = 10
"""The lines, evenly spaced, that a run writes to a file or a pipe, if none takes longer than ``LINE_AFTER``."""
LINE_AFTER = 60.0
"""Seconds after which the next epoch writes a line to a file or a pipe in any case."""


class Progress:
    """Writes how far a training is, to standard error.

    A terminal shows one line that is redrawn, a notebook one output that is updated, and anything else about ten lines
    in all. Announcements, such as of compilation, have lines of their own.

    Parameters
    ----------
    epochs : int
        The number of epochs.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._stream: TextIO = sys.stderr
        self._notebook = _notebook()
        self._terminal = self._notebook is None and self._stream.isatty()
        self._first: Epoch | None = None
        self._waiting: Epoch | None = None
        self._drawn = self._written = float("-inf")
        self._handle: Any = None
        self._announcements = ExitStack()
        self._announcements.enter_context(announcements_shown(self._announce))

    def __call__(self, epoch: Epoch) -> None:
        """Show an epoch."""
        if self._first is None:
            self._first = epoch
        if self._terminal or self._notebook is not None:
            now = perf_counter()
            self._waiting = epoch
            if now >= self._drawn + REDRAWN_EVERY:
                self._drawn = now
                self._draw()
            return
        tenth = epoch.epoch * LINES // self._epochs > (epoch.epoch - 1) * LINES // self._epochs
        if epoch is self._first or tenth or epoch.seconds >= self._written + LINE_AFTER:
            self._written = epoch.seconds
            print(self._line(epoch), file=self._stream, flush=True)

    def close(self) -> None:
        """Show the last epoch, end the line that is redrawn, and show no more announcements."""
        self._announcements.close()
        self._draw()
        if self._terminal and self._first is not None:
            print(file=self._stream, flush=True)

    def _announce(self, text: str) -> None:
        """Write an announcement, in a terminal over the line that is redrawn."""
        print(f"\r{text}\x1b[K" if self._terminal else text, file=self._stream, flush=True)

    def _draw(self) -> None:
        if self._waiting is None:
            return
        line, self._waiting = self._line(self._waiting), None
        if self._terminal:
            # The rest of a longer line before it is erased.
            width = terminal_width() - 1
            print(f"\r{line[:width]}\x1b[K", end="", file=self._stream, flush=True)
            return
        content = {"text/plain": line}
        if self._handle is None:
            self._handle = self._notebook(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)

    def _line(self, epoch: Epoch) -> str:
        parts = [f"epoch {epoch.epoch}/{self._epochs}", f"cost {format_cost(epoch.cost)}"]
        if epoch.validation_cost is not None:
            parts.append(f"validation {format_cost(epoch.validation_cost)}")
        if epoch.accuracy is not None:
            parts.append(f"accuracy {format_share(epoch.accuracy)}")
        assert self._first is not None
        done, left = epoch.epoch - self._first.epoch, self._epochs - epoch.epoch
        # Not both times, so that the line fits 80 columns.
        if done and left:
            parts.append(f"{format_seconds((epoch.seconds - self._first.seconds) / done * left)} left")
        else:
            parts.append(format_seconds(epoch.seconds))
        return ", ".join(parts)


def _notebook() -> Any:
    """Return the function that displays in a notebook, if this is one; IPython is not imported for that."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if getattr(shell, "kernel", None) is None:
        return None
    return ipython.display.display  # type: ignore[union-attr]
