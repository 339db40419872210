"""The command line: argument parsing and tables only."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

from formulations.exceptions import MissingExtra, needs

__all__ = ["main"]


def main() -> None:
    """Run the command ``formulations``.

    Without the ``cli`` extra, or if the output cannot be written, it says so and exits with status 2.
    """
    for name in ("stdout", "stderr"):
        # Python has no stream where the caller has closed one.
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - open until the end
    try:
        for package in ("click", "rich"):
            needs("cli", package, "the command line")
    except MissingExtra as missing:
        print(f"formulations: {missing}", file=sys.stderr)
        sys.exit(2)
    from formulations.cli.commands import formulations

    for stream in (sys.stdout, sys.stderr):
        # A pipe on Windows, for one, has letters for neither σ nor ∂.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        formulations()
    except OSError as caught:
        if caught.filename is not None:
            raise
        with suppress(OSError):
            print(f"formulations: the output cannot be written ({caught}); check where it goes.", file=sys.stderr)
        # At exit Python writes what is left, which would fail once more and change the status.
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        sys.exit(2)
