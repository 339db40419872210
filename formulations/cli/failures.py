"""How an exception ends a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from formulations.exceptions import FormulationsException

__all__ = ["bad_usage"]


@contextmanager
def bad_usage() -> Iterator[None]:
    """Report the library's exceptions as bad usage: one sentence, exit status 2."""
    try:
        yield
    except FormulationsException as caught:
        raise click.UsageError(str(caught)) from None
    except MemoryError:
        raise click.UsageError(
            "this needs more memory than is available; use smaller --sizes, a smaller --batch-size or fewer data."
        ) from None
