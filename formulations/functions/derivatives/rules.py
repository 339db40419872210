"""The rules for functions that users hand in: a domain, arguments left alone, finite results, nothing mixed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.exceptions import FormulationsException, InvalidInput

__all__ = ["call_untouched", "called", "first_mixed", "interval", "sample_points"]

_POINTS = 33
# Vectorised and scalar loops, and sums of one row or many, may round differently: that much is forgiven.
_FORGIVEN = 64 * np.finfo(np.float64).eps


def interval(domain: Any) -> tuple[float, float]:
    """Return the domain on which functions are checked.

    Raises
    ------
    InvalidInput
        Where it is not a pair of finite numbers, the lower one first.

    Examples
    --------
    >>> interval((-10, 10))
    (-10.0, 10.0)
    """
    try:
        low, high = (float(end) for end in domain)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InvalidInput(
            f"domain must be (low, high) with finite low < high, got {domain!r}; give for instance (0.1, 0.9)."
        )
    return low, high


def sample_points(domain: tuple[float, float], kinks: tuple[float, ...]) -> tuple[Array, Array]:
    """Return points spread over the domain and, for each, a step that crosses neither an end nor a kink.

    Each smooth piece gets its share of the points, at least four, at the middles of equal intervals. One more lies
    next to 0, where most kinks are: so near that every stencil crosses it, off centre because |z| looks flat at 0.
    """
    low, high = domain
    ends = [low, *sorted({kink for kink in kinks if low < kink < high}), high]
    points, steps = [], []
    for left, right in pairwise(ends):
        count = max(4, round(_POINTS * (right - left) / (high - low)))
        piece = left + (right - left) * (np.arange(count) + 0.5) / count
        if left < 0 < right:
            piece = np.append(piece[piece != 0], (right - left) * 2.0**-30)
        points.append(piece)
        steps.append(np.minimum(piece - left, right - piece))
    # One part in 2^20 is kept back, so that rounding cannot carry a stencil over the end.
    return np.concatenate(points), np.minimum(np.concatenate(steps) * (1 - 2.0**-20), (high - low) / 16)


def called(what: str, function: Callable[..., Any], *arguments: Array, remedy: str) -> Any:
    """Return what a user-supplied function returns; what NumPy and Python raise in it becomes one of our exceptions.

    Parameters
    ----------
    what : str
        What to call the function in the message.
    function : callable
        Called with the arguments. Its own classes of exceptions pass through.
    arguments : ndarray
        All of one dtype; the first one's shape is named.
    remedy : str
        What to do about a failure.

    Raises
    ------
    InvalidInput
        Where the call fails, with the original exception as the cause.

    Examples
    --------
    >>> called("f", lambda z: z @ z, np.ones((2, 3)), remedy="let it act element by element")
    Traceback (most recent call last):
        ...
    formulations.exceptions.InvalidInput: f must take arrays of shape (2, 3) and dtype float64, but raised ValueError
    (matmul: ...); let it act element by element.
    """  # noqa: DOC501 - those of a user's function pass through
    try:
        return function(*arguments)
    except FormulationsException:
        raise
    except (ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError) as caught:
        raise InvalidInput(
            f"{what} must take arrays of shape {arguments[0].shape} and dtype {arguments[0].dtype}, but raised "
            f"{type(caught).__name__} ({' '.join(str(caught).split()).rstrip('.')}); {remedy}."
        ) from caught


def call_untouched(what: str, function: Callable[..., Array], *arguments: Array) -> Array:
    """Return what the function returns for copies of the arguments.

    Raises
    ------
    InvalidInput
        Where the function writes into its arguments.
    """
    copies = [argument.copy() for argument in arguments]
    with np.errstate(all="ignore"):
        result = function(*copies).copy()
    if not all(map(np.array_equal, copies, arguments)):
        raise InvalidInput(f"{what} must leave its arguments unchanged, but wrote into them; let it work on copies.")
    return result


def first_mixed(
    function: Callable[..., Array], arguments: tuple[Array, ...], whole: Array, groups: Iterable[Array]
) -> int | None:
    """Return the first entry whose result depends on which others it came with, or None.

    Parameters
    ----------
    function : callable
        Maps the arguments entry by entry along their first axis.
    arguments : tuple of ndarray of shape (m, …)
        What it was called with.
    whole : ndarray of shape (m, …)
        What it returned for all entries together.
    groups : iterable of ndarray of int
        The entries to call it with again, a group at a time.
    """
    forgiven = _FORGIVEN * np.max(np.abs(whole))
    for group in groups:
        with np.errstate(all="ignore"):
            part = function(*(argument[group] for argument in arguments))
        mixed = ~(np.abs(part - whole[group]) <= forgiven)
        if mixed.any():
            return int(group[np.argwhere(mixed)[0, 0]])
    return None
