"""Other packages that compute the same gradient, each in the way that its manual recommends for speed.

Each gets the same numbers in its own kind of arrays, made beforehand, and returns C and the gradient with respect to
all parameters in such arrays. There is one file per package, and a package is imported only if it takes part.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from importlib import import_module

from formulations.arrays import by_name
from formulations.comparison.race.contestant import Contestant, Kind, Ready
from formulations.data import Problem

__all__ = ["PEERS", "read_peers"]


def _peer(name: str, module: str, function: str = "enter", *, alone: bool = False) -> Contestant[Problem]:
    return Contestant(name, Kind.PEER, partial(_enter, module, function), alone=alone)


def _enter(module: str, function: str, problem: Problem) -> Ready:
    ready: Ready = getattr(import_module(f"formulations.comparison.race.peers.{module}"), function)(problem)
    return ready


PEERS = {
    peer.name: peer
    for peer in (
        _peer("torch", "torch", alone=True),
        _peer("torch.compile", "torch", "enter_compiled", alone=True),
        _peer("jax", "jax", alone=True),
        _peer("autograd", "autograd"),
        _peer("sklearn", "sklearn"),
    )
}
"""The peers by name. Those that multiply with NumPy need no process of their own."""


def read_peers(names: Iterable[str] | None) -> list[Contestant[Problem]]:
    """Return the peers of these names; all of them for None.

    Raises
    ------
    UnknownName
        If a peer does not exist.
    WrongType
        If the names are not a list.
    """
    return list(by_name(PEERS, names, "peer", "against", some=False).values())
