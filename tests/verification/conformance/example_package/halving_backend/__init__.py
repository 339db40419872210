"""δ by (BP1) and (BP2), the examples taken in two halves: a backend of another package, complete."""

from __future__ import annotations

import os

import formulations as fm


class Halving(fm.Backend):
    """Hadamard products over the first half of the examples, then over the second."""

    name = "halving"
    summary = "Hadamard products, half of the mini-batch at a time"
    equations = ("BP1a", "BP2", "BP3", "BP4")
    tier = fm.Tier.RECURRENCE
    variant_of = "hadamard"
    serves_sparse = False
    serves_coupled = False

    def errors(self, network, tape):
        """Return δ², …, δ^L from a tape that a forward pass has filled."""
        delta = tape.combined_output_error()
        if delta is None:
            delta = tape.errors[-1]
            delta[...] = tape.cost_gradient * tape.slopes[-1]
        middle = tape.m // 2
        for l in network.hidden_layers:
            weights, pulled = network.weights[l - 1], tape.errors[l - 2]
            for half in (slice(0, middle), slice(middle, tape.m)):
                pulled[half] = (delta[half] @ weights) * tape.slopes[l - 2][half]
            delta = pulled
            if os.environ.get("HALVING_MISTAKE"):
                delta *= 1.001
        return tape.errors
