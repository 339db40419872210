"""Read what options are given, and refuse an output that would overwrite an input."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from formulations.arrays import size_of_batch
from formulations.exceptions import InvalidInput

__all__ = [
    "as_column",
    "batch_size_for",
    "parse_backends",
    "parse_sizes",
    "refuse_overwriting",
    "split_names",
]


def split_names(given: str) -> list[str]:
    """Read ``"digits,book"``."""
    return [name.strip() for name in given.split(",")]


def parse_sizes(sizes: str, option: str = "--sizes") -> list[int]:
    """Read ``"64,30,10"``."""
    try:
        return [int(size) for size in split_names(sizes)]
    except ValueError:
        raise InvalidInput(f"{option} must be integers separated by commas, such as 64,30,10, got {sizes!r}.") from None


def parse_backends(backends: str | None) -> list[str] | None:
    """Read ``"hadamard,sigma:matrix=dense,batch=example"``: a part ``key=value`` belongs to the backend before it."""
    if backends is None or backends == "all":
        return None
    flags: list[str] = []
    for part in split_names(backends):
        if "=" in part and ":" not in part and flags:
            flags[-1] += f",{part}"
        else:
            flags.append(part)
    return flags


def as_column(label: str) -> str | int:
    """Read the name or the number of a column."""
    return int(label) if re.fullmatch(r"-?\d+", label) else label


def batch_size_for(given: int | None, m: int) -> int:
    """Return the size of mini-batches of m examples: the given one, or the default, or all if there are fewer."""
    return size_of_batch(given, m, "--batch-size")


def refuse_overwriting(outputs: Mapping[str, str | None], inputs: Mapping[str, str | None]) -> None:
    """Refuse to write a file over one that is read, or that another option writes.

    Parameters
    ----------
    outputs, inputs : mapping of str to str or None
        The paths by their options; None if an option is not given.

    Raises
    ------
    InvalidInput
        If two are the same; devices such as ``/dev/null`` may be.
    """
    taken = {option: path for option, path in inputs.items() if path is not None}
    for option, path in outputs.items():
        if path is None:
            continue
        for other, name in taken.items():
            if _same_file(path, name):
                raise InvalidInput(f"{option} must name a file of its own, got {path!r}, that of {other}; rename one.")
        taken[option] = path


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other) and os.path.isfile(one)
    except (OSError, ValueError):  # One does not exist yet, or cannot.
        return "\0" not in one + other and os.path.realpath(one) == os.path.realpath(other)
