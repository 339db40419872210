"""Other packages that compute the same gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.comparison.race.peers.table import ALONE as ALONE
    from formulations.comparison.race.peers.table import PEERS as PEERS
    from formulations.comparison.race.peers.table import read_peers as read_peers
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "table": ["ALONE", "PEERS", "read_peers"],
        },
    )
