"""The forward pass, Equation (25)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from formulations.network.network import Network
    from formulations.network.tape import Tape

__all__ = ["forward"]


def forward(network: Network, tape: Tape, *, slopes: bool = True) -> None:
    """Fill a loaded tape: z^l, a^l and σ′(z^l) of every layer by Equation (25), then C and ∇_aC.

    Parameters
    ----------
    network : Network
        The network whose parameters are used.
    tape : Tape
        A tape for this layout and these activations, loaded with examples.
    slopes : bool
        Whether to evaluate σ′ and ∇_aC. Without them the tape holds the outputs and the cost.
    """
    weights, biases, activations = network.weights, network.biases, network.activations
    patterns = network.layout.patterns
    for i, blocks in enumerate(tape.blocks(slopes=slopes)):
        a, w, z = tape.activations[i], weights[i], tape.weighted_inputs[i]
        if patterns[i] is None:
            np.dot(a, w.T, z)
        else:
            network.sparse_entries(i)
            z[...] = a @ w.T
        b, evaluate = biases[i], activations[i].evaluate
        for z_block, a_block, slope_block, parts in blocks:
            for part in parts:
                np.add(part, b, part)
            evaluate(z_block, a_block, slope_block)
    tape.evaluate_cost(gradient=slopes)
    tape.forward_passes += 1
