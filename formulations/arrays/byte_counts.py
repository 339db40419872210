"""Amounts of memory as text, such as 512MB or 1.5GiB."""

from __future__ import annotations

import re
from typing import Any

from formulations.arrays.checks import positive_number
from formulations.exceptions import InvalidInput, WrongType, described

__all__ = ["as_bytes", "format_bytes"]

PREFIXES = "kmgt"
PATTERN = re.compile(r"(\d+\.?\d*|\.\d+)\s*(?:([kmgt])(i?))?b", re.IGNORECASE)


def as_bytes(value: Any, name: str) -> float:
    """Return an amount of memory in bytes; infinity stands for no limit.

    Parameters
    ----------
    value : int, float or str
        Bytes, or a number with a unit: B, kB, MB, GB and TB count in thousands, KiB, MiB, GiB and TiB in 1024s.
    name : str
        The name of the argument, for the message.

    Raises
    ------
    WrongType
        If it is neither a number nor text.
    InvalidInput
        If it is not positive, or text that is not an amount of memory.

    Examples
    --------
    >>> as_bytes("512MB", "memory"), as_bytes("1.5 GiB", "memory"), as_bytes(4096, "memory")
    (512000000.0, 1610612736.0, 4096.0)
    """
    try:
        return positive_number(_counted(value) if isinstance(value, str) else value, name, finite=False)
    except (InvalidInput, WrongType) as caught:
        raise type(caught)(
            f"{name} must be a positive number of bytes, or text such as '512MB' or '1.5GiB', got {described(value)}; "
            f"pass for instance {name}='512MB'."
        ) from None


def _counted(text: str) -> float:
    match = PATTERN.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(text)
    number, prefix, binary = match.groups("")
    power = PREFIXES.index(prefix.lower()) + 1 if prefix else 0
    return float(number) * float((1024 if binary else 1000) ** power)


def format_bytes(count: float) -> str:
    """Return an amount of memory as text, with three digits and a suitable unit.

    Examples
    --------
    >>> format_bytes(640), format_bytes(65_432), format_bytes(5.12e8), format_bytes(4e9)
    ('640 B', '65.4 kB', '512 MB', '4 GB')
    """
    unit, size = next((u, s) for u, s in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 0)) if count >= s)
    number = count / (size or 1)
    return f"{number:.0f} {unit}" if number >= 99.95 else f"{number:.3g} {unit}"
