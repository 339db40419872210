"""Other packages that take the same steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.comparison.epochs.peers.table import EPOCH_PEERS as EPOCH_PEERS
    from formulations.comparison.epochs.peers.table import Peer as Peer
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "table": ["EPOCH_PEERS", "Peer"],
        },
    )
