"""Other packages that compute the same gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.comparison.race.peers.problem import flattened as flattened
    from formulations.comparison.race.peers.problem import parameters_of as parameters_of
    from formulations.comparison.race.peers.problem import quadratic as quadratic
    from formulations.comparison.race.peers.problem import weighted_output as weighted_output
    from formulations.comparison.race.peers.sklearn import quadratic_perceptron as quadratic_perceptron
    from formulations.comparison.race.peers.table import PEERS as PEERS
    from formulations.comparison.race.peers.table import read_peers as read_peers
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "problem": ["flattened", "parameters_of", "quadratic", "weighted_output"],
            "sklearn": ["quadratic_perceptron"],
            "table": ["PEERS", "read_peers"],
        },
    )
