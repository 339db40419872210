"""Estimates of the cost of a gradient, before it is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from formulations.network import Network

__all__ = ["Estimate", "backward_multiplications", "forward_multiplications", "tape_bytes"]


@dataclass(frozen=True)
class Estimate:
    """The estimated cost of a gradient.

    Attributes
    ----------
    multiplications : int
        Scalar multiplications of the matrix and Hadamard products, including forward passes, without those inside
        activations and costs and those by 1/m.
    bytes : int
        Memory beyond the parameters and their gradient.
    forward_passes : int
        Forward passes over the whole mini-batch.
    calls : int
        Array operations, which dominate the time of small networks.
    other_passes : (int, str) or None
        Number and kind of the passes that are not whole forward passes, such as ``(2260, "tangent")``.
    detail : str
        Further details, such as the number of paths.
    """

    multiplications: int
    bytes: int
    forward_passes: int
    calls: int
    other_passes: tuple[int, str] | None = None
    detail: str = ""

    def times(self, factor: float) -> Estimate:
        """Return the estimate of what takes this many times as many multiplications, calls and passes."""
        counts = (self.multiplications, self.forward_passes, self.calls)
        multiplications, forward_passes, calls = (math.ceil(count * factor) for count in counts)
        passes = self.other_passes and (math.ceil(self.other_passes[0] * factor), self.other_passes[1])
        return replace(
            self, multiplications=multiplications, forward_passes=forward_passes, calls=calls, other_passes=passes
        )


def forward_multiplications(network: Network, m: int) -> int:
    """Return the multiplications of one forward pass over m examples, m·P."""
    return m * network.layout.weight_count


def backward_multiplications(network: Network, m: int) -> int:
    """Return the multiplications of one recurrence: m·(P − n₁n₂) for wᵀδ, m·N for the slopes, m·P for (BP4)."""
    layout = network.layout
    first = layout.slices[0][0].stop
    return int(m * (2 * layout.weight_count - first + slope_multiplications(network)))


def slope_multiplications(network: Network) -> int:
    """Return the multiplications by σ′ of all layers for one example: n if a slope is diagonal, n² if coupled."""
    widths = zip(network.layout.sizes[1:], network.activations, strict=True)
    return sum(activation.slope_entries(n) for n, activation in widths)


def tape_bytes(network: Network, m: int) -> int:
    """Return the memory of a tape over m examples: z, a, σ′ and δ of every neuron."""
    return 4 * m * network.layout.neuron_count * network.dtype.itemsize
