"""Checks that apply to every user-supplied function."""

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
# Vectorised and scalar loops, and sums over one row or many, may round differently by this much.
_FORGIVEN = 64 * np.finfo(np.float64).eps


def interval(domain: Any) -> tuple[float, float]:
    """Return the interval on which functions are checked.

    Raises
    ------
    InvalidInput
        If ``domain`` is not a pair of finite numbers, the lower one first.

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

    Each smooth piece gets its share of the points, at least four, in the middle of equal intervals. One more point lies
    next to 0, where most kinks are: so close that every stencil crosses 0, but off centre, since a symmetric stencil
    sees no kink.
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
    # Steps are shorter by one part in 2^20, so that rounding cannot move a stencil beyond the end.
    return np.concatenate(points), np.minimum(np.concatenate(steps) * (1 - 2.0**-20), (high - low) / 16)


def called(what: str, function: Callable[..., Any], *arguments: Array, remedy: str) -> Any:
    """Call a user-supplied function; turn what NumPy and Python raise in it into one of our exceptions.

    Parameters
    ----------
    what : str
        The name of the function in the message.
    function : callable
        Called with the arguments. Exceptions of user-defined classes propagate.
    arguments : ndarray
        All of one dtype; the message names the shape of the first.
    remedy : str
        What to do if the call fails.

    Raises
    ------
    InvalidInput
        If the call fails, with the original exception as the cause.

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
    """Call the function with copies of the arguments.

    Raises
    ------
    InvalidInput
        If the function writes into its arguments.
    """
    copies = [argument.copy() for argument in arguments]
    with np.errstate(all="ignore"):
        result = function(*copies).copy()
    if not all(map(np.array_equal, copies, arguments)):
        raise InvalidInput(f"{what} must leave its arguments unchanged, but wrote into them; work on copies.")
    return result


def first_mixed(
    function: Callable[..., Array], arguments: tuple[Array, ...], whole: Array, groups: Iterable[Array]
) -> int | None:
    """Return the first entry whose result depends on other entries, or None.

    Parameters
    ----------
    function : callable
        Should map the entries along the first axis independently.
    arguments : tuple of ndarray of shape (m, …)
        The arguments.
    whole : ndarray of shape (m, …)
        Its result for all entries together.
    groups : iterable of ndarray of int
        The entries to call it with again, one group at a time.
    """
    forgiven = _FORGIVEN * np.max(np.abs(whole))
    for group in groups:
        with np.errstate(all="ignore"):
            part = function(*(argument[group] for argument in arguments))
        mixed = ~(np.abs(part - whole[group]) <= forgiven)
        if mixed.any():
            return int(group[np.argwhere(mixed)[0, 0]])
    return None
