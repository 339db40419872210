"""The engines of other packages, each in the way that its manual recommends for speed.

Each takes the same examples in the same order in its own kind of arrays, and computes the cost of every step. There is
one file per package, and a package is imported only if it takes part.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import NamedTuple

from formulations.comparison.epochs.course import Course
from formulations.comparison.epochs.engine import Engine

__all__ = ["EPOCH_PEERS", "Peer"]


class Peer(NamedTuple):
    """How a package takes steps.

    Attributes
    ----------
    make : callable (Course) -> Engine
        Makes its engine.
    alone : bool
        Whether it has its own threads.
    """

    make: Callable[[Course], Engine]
    alone: bool


def _peer(module: str, name: str, *, alone: bool = True) -> Peer:
    return Peer(partial(_made, module, name), alone)


def _made(module: str, name: str, course: Course) -> Engine:
    engine: Engine = getattr(import_module(f"formulations.comparison.epochs.peers.{module}"), name)(course)
    return engine


EPOCH_PEERS = {
    "jax.scan": _peer("jax", "Scan"),
    "jax": _peer("jax", "Loop"),
    "torch": _peer("torch", "recorded"),
    "torch.compile": _peer("torch", "compiled"),
    "sklearn": _peer("sklearn", "Perceptron", alone=False),
}
"""The peers by name. scikit-learn multiplies with NumPy, and needs no process of its own."""
