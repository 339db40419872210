"""What a backend declares, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["ESTIMATED_EXAMPLES", "ESTIMATED_SIZES", "BackendFacts"]

ESTIMATED_SIZES, ESTIMATED_EXAMPLES = (64, 30, 10), 10
"""The network and the mini-batch of the estimates."""


class BackendFacts(NamedTuple):
    """What a backend declares, and what a gradient of a small network costs by its estimate.

    Attributes
    ----------
    name, kind, summary : str
        As the backend's.
    equations : sequence of str
        The numbers of the equations that it computes.
    tier : str
        The value of its tier.
    options : mapping of str to list of str, or to str
        The choices of each option, the default first, or the name of its type.
    multiplications, forward_passes, other_passes, detail
        Of its estimate; None if it serves neither a sigmoid nor a linear network.
    operators, orders : sequence of str
        As the backend's.
    no_operators : str
        Why it does not provide every operator; empty if it does.
    """

    name: str
    kind: str
    summary: str
    equations: Sequence[str]
    tier: str
    options: Mapping[str, Sequence[str] | str]
    multiplications: int | None
    forward_passes: int | None
    other_passes: tuple[int, str] | None
    detail: str | None
    operators: Sequence[str]
    orders: Sequence[str]
    no_operators: str
