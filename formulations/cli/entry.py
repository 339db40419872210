"""The entry point of the command line."""

from __future__ import annotations

import io
import os
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from formulations.exceptions import MissingExtra, why_absent

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["main"]


class _Drain(io.FileIO):
    """A file that drops what is written after its reader has closed it, as ``head`` does."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return len(memoryview(data).cast("B"))


def _until_closed(stream: TextIO) -> TextIO:
    """Return a stream that writes to a pipe until its reader closes it, which is not a failure of the command."""
    try:
        is_pipe = stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
    except (OSError, AttributeError):
        return stream
    if not is_pipe:
        return stream
    file = _Drain(stream.fileno(), "wb", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(file), encoding=stream.encoding, errors=stream.errors)


def main() -> None:
    """Run the command ``formulations``.

    It exits with status 2 and one sentence if the extra ``cli`` is not installed or the output cannot be written, and
    with status 130 if Ctrl-C interrupts it before its command has begun.
    """
    try:
        _run()
    except KeyboardInterrupt:
        with suppress(OSError):
            print("formulations: interrupted by Ctrl-C.", file=sys.stderr)
        sys.exit(130)


def _run() -> None:
    for name in ("stdout", "stderr"):
        # Python sets a stream to None if the caller has closed it.
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - open until the end
    try:
        for package in ("click", "rich"):
            if why_absent(package) is not None:
                raise MissingExtra("the command line", package, "cli")
    except MissingExtra as missing:
        print(f"formulations: {missing}", file=sys.stderr)
        sys.exit(2)
    from formulations.cli.commands import formulations

    sys.stdout = _until_closed(sys.stdout)
    for stream in (sys.stdout, sys.stderr):
        # The encoding of a pipe on Windows, for instance, may lack σ and ∂.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        formulations()
    except OSError as caught:
        if caught.filename is not None:
            raise
        with suppress(OSError):
            print(f"formulations: the output cannot be written ({caught}); redirect it elsewhere.", file=sys.stderr)
        # At exit Python flushes the streams, which would fail again and change the status.
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        sys.exit(2)
