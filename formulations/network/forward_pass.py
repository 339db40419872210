"""The forward pass, Equation (25), over all examples at once or over some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse

from formulations.arrays import Array
from formulations.network.tape import Tape

if TYPE_CHECKING:
    from formulations.network.network import Network

__all__ = ["examples_in_one_pass", "forward", "passes"]

IN_ONE_PASS = 2**18
"""The numbers that a layer of a forward pass may hold; more examples are taken in several passes."""


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
            # SciPy takes several times as long to multiply from the right, or by an array that is not contiguous.
            z[...] = (w @ a.T.copy()).T
        b, evaluate = biases[i], activations[i].evaluate
        for z_block, a_block, slope_block, parts in blocks:
            for part in parts:
                np.add(part, b, part)
            evaluate(z_block, a_block, slope_block)
    tape.evaluate_cost(gradient=slopes)
    tape.forward_passes += 1


def examples_in_one_pass(network: Network, m: int) -> int:
    """Return how many of m examples a forward pass takes at a time."""
    return min(m, max(1, IN_ONE_PASS // max(network.sizes)))


def passes(
    network: Network, X: Any, Y: Array | None = None, *, tape: Tape | None = None
) -> Iterator[tuple[slice, Tape]]:
    """Yield the forward passes, without slopes, over some examples at a time.

    Parameters
    ----------
    network : Network
        The network.
    X : ndarray or csr_array of shape (m, n₁)
        The inputs; sparse ones become dense in part only.
    Y : ndarray of shape (m, n_L), optional
        The targets.
    tape : Tape, optional
        A tape to use, also for its size and its cost.

    Yields
    ------
    rows : slice
        The examples of the pass.
    tape : Tape
        Its tape, which the next pass overwrites.
    """
    m = X.shape[0]
    if tape is None:
        tape = Tape(network, None, examples_in_one_pass(network, m))
    for start in range(0, m, tape.m):
        rows = slice(start, min(start + tape.m, m))
        part = tape if rows.stop - start == tape.m else tape.first(rows.stop - start)
        part.load(X[rows].toarray() if issparse(X) else X[rows], None if Y is None else Y[rows])
        forward(network, part, slopes=False)
        yield rows, part
