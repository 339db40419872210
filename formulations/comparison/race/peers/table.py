"""Peers: other packages that compute the same gradient, each as fast as its own manual would have it.

Each gets the same numbers in arrays of its own kind, made beforehand, and returns C and the gradient with respect to
all parameters in arrays of its own kind. One file a package; nothing is imported before it takes part.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from formulations.backends import by_name
from formulations.comparison.race.contestant import Contestant, Kind, Ready
from formulations.data import Problem

__all__ = ["ALONE", "PEERS", "read_peers"]


def _peer(name: str, module: str, function: str = "enter") -> Contestant:
    def enter(problem: Problem) -> Ready:
        ready: Ready = getattr(import_module(f"formulations.comparison.race.peers.{module}"), function)(problem)
        return ready

    return Contestant(name, Kind.PEER, enter)


PEERS = {
    peer.name: peer
    for peer in (
        _peer("torch", "torch"),
        _peer("torch.compile", "torch", "enter_compiled"),
        _peer("jax", "jax"),
        _peer("autograd", "autograd"),
        _peer("sklearn", "sklearn"),
    )
}
"""Who can be raced against, by name."""


ALONE = ("torch", "torch.compile", "jax")
"""Peers that bring threads of their own, and so get a process of their own; the others multiply with NumPy, as here."""


def read_peers(names: Iterable[str] | None) -> list[Contestant]:
    """Return the peers of these names; all of them for None.

    Raises
    ------
    UnknownName
        Where there is no such peer.
    WrongType
        Where the names are no list.
    """
    return list(by_name(PEERS, names, "peer", "against", some=False).values())
