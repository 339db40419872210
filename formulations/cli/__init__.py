"""The command line: argument parsing and tables only."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command ``formulations``; without the ``cli`` extra, say what is missing and exit with status 2."""
    try:
        import click  # noqa: F401
        import rich  # noqa: F401
    except ImportError as missing:
        print(
            f"formulations: the command line needs {missing.name}; install it with: pip install 'formulations[cli]'",
            file=sys.stderr,
        )
        sys.exit(2)
    from formulations.cli.commands import formulations

    formulations()
