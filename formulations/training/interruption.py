"""Ctrl-C during a training: it stops at the end of the step, so that nothing is left half done."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType

__all__ = ["Interruption"]


class Interruption:
    """A context in which the first Ctrl-C is noted, and the second one interrupts at once.

    It does nothing outside the main thread, or if the program handles or ignores the signal itself.

    Attributes
    ----------
    seen : bool
        Whether Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        self.seen = False
        self._installed = False

    def __enter__(self) -> Interruption:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            try:
                signal.signal(signal.SIGINT, self._handle)
                self._installed = True
            except ValueError:  # Only the main thread of the main interpreter may.
                pass
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.seen:
            signal.default_int_handler(number, frame)
        self.seen = True
