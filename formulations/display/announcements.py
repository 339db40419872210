"""Announcements: what the library does unasked and takes seconds, such as compilation.

They go to the logger ``formulations`` at level INFO, which Python shows nowhere unless it is told to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import INFO, Handler, LogRecord, getLogger

__all__ = ["announcements_shown"]


class _Shown(Handler):
    def __init__(self, show: Callable[[str], object]) -> None:
        super().__init__(INFO)
        self._show = show

    def emit(self, record: LogRecord) -> None:
        self._show(self.format(record))


@contextmanager
def announcements_shown(show: Callable[[str], object]) -> Iterator[None]:
    """Show announcements inside a ``with`` block.

    Parameters
    ----------
    show : callable (str) -> object
        Called with each.
    """
    logger, handler = getLogger("formulations"), _Shown(show)
    level = logger.level
    logger.addHandler(handler)
    if not logger.isEnabledFor(INFO):
        logger.setLevel(INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
