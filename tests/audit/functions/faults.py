"""Faults planted in a right gradient."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["FAULTS", "SIZES", "Fault", "faults"]

SIZES = tuple(10.0**-k for k in range(2, 10))
"""The sizes of the faults in a single entry, relative to that entry."""

FAULTS = (
    *("sign", "factor 2", "half", "0.1 % too large", "zeros", "entries rotated", "transposed"),
    *("one entry lost", "one sign", "two entries swapped"),
    *(f"one entry off by {size:.0e}" for size in SIZES),
)
"""The name of every fault."""


@dataclass(frozen=True)
class Fault:
    """A wrong gradient.

    Attributes
    ----------
    name : str
        One of ``FAULTS``.
    gradient : ndarray
        The wrong gradient (n,), or the wrong Jacobian matrix (k, n).
    """

    name: str
    gradient: np.ndarray


def faults(gradient: np.ndarray, name: str, size: float) -> Iterator[Fault]:
    """Yield the wrong gradients that differ from the right one.

    Parameters
    ----------
    gradient : ndarray of shape (n,) or (k, n)
        A right gradient.
    name : str
        The name of the function, from which the places are drawn, among the entries of at least a thousandth of the
        largest.
    size : float
        The largest entry of the gradient at the function's starting point. A gradient that vanishes, but for rounding
        errors of that size, is given one wrong entry, whose size is relative to it.

    Yields
    ------
    Fault
    """
    random = np.random.default_rng(zlib.crc32(name.encode()))
    for fault, wrong in _wrong(gradient, random, size):
        # What rounds to the right gradient, and what permutes equal entries, is no fault.
        if wrong.shape == gradient.shape and _differs(wrong, gradient):
            yield Fault(fault, wrong.astype(gradient.dtype))


def _differs(wrong: np.ndarray, gradient: np.ndarray) -> bool:
    largest = np.max(np.abs(gradient))
    return bool(np.max(np.abs(wrong - gradient)) > 4 * np.finfo(gradient.dtype).eps * largest)


def _wrong(gradient: np.ndarray, random: np.random.Generator, size: float) -> Iterator[tuple[str, np.ndarray]]:
    sizes = np.abs(gradient)
    vanishes = np.max(sizes) <= 1e-12 * size
    places = np.argwhere(sizes >= 1e-3 * np.max(sizes))
    order = random.permutation(places)
    place, other = tuple(order[0]), tuple(order[-1])
    unit = (size or 1.0) if vanishes else gradient[place]

    def with_entry(value: float) -> np.ndarray:
        wrong = gradient.copy()
        wrong[place] = value
        return wrong

    for each in SIZES:
        yield f"one entry off by {each:.0e}", with_entry(gradient[place] + each * unit)
    if vanishes:
        return
    yield "sign", -gradient
    yield "factor 2", 2 * gradient
    yield "half", gradient / 2
    yield "0.1 % too large", 1.001 * gradient
    yield "zeros", 0 * gradient
    yield "entries rotated", np.roll(gradient, 1, axis=-1)
    if gradient.ndim == 2:
        yield "transposed", gradient.T
    yield "one entry lost", with_entry(0)
    yield "one sign", with_entry(-gradient[place])
    swapped = with_entry(gradient[other])
    swapped[other] = gradient[place]
    yield "two entries swapped", swapped
