"""The command line: argument parsing and tables only."""

from __future__ import annotations

import io
import sys

from formulations.exceptions import MissingExtra, needs

__all__ = ["main"]


def main() -> None:
    """Run the command ``formulations``; without the ``cli`` extra, say what is missing and exit with status 2."""
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
    formulations()
