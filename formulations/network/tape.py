"""The tape: what a forward pass records, and the operations of a backward pass.

All formulations of the backward pass read the same tape, so a difference between two of them comes from the backward
pass alone. The tape is also the workspace: filling it again allocates nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from formulations.arrays import Adder, Array, Block, Parameters, Pattern, blocks_of, product_adder
from formulations.display import counted
from formulations.exceptions import InvalidInput
from formulations.functions import Cost, through

if TYPE_CHECKING:
    from formulations.network.network import Network

__all__ = ["Tape", "outer_sums"]


class Tape:
    """Weighted inputs, activations, slopes and cost gradient of one forward pass over a mini-batch.

    Parameters
    ----------
    network : Network
        The network whose layers it records. The tape reads its parameters at each call and never calls it.
    cost : Cost or None
        The cost; None for a forward pass without targets.
    m : int
        The number of examples.

    Attributes
    ----------
    X, Y : ndarray of shape (m, n₁) and (m, n_L)
        The examples, one a row.
    shares : ndarray of shape (m, 1) or (), or None
        Each example's share of the mean, () if they are equal; None if each has 1/m. An example of share 0 is
        recorded as a copy of the one with the largest share. Shares of any sign and sum scale C and its gradient.
        Formulations multiply by ``share_column``, which has the cost's factor, too.
    weighted_inputs : list of ndarray
        ``weighted_inputs[l-2]`` is z^l, shape (m, n_l).
    activations : list of ndarray
        ``activations[l-1]`` is a^l, shape (m, n_l); ``activations[0]`` is X.
    slopes : list of ndarray
        ``slopes[l-2]`` is σ′(z^l), shape (m, n_l); for a coupled activation a :class:`CoupledSlope`.
    cost_gradient : ndarray of shape (m, n_L)
        ∇_aC of the mean cost, already divided by m. Not computed if cost and activation have a combined form.
    errors : list of ndarray
        Buffers for δ^l at ``errors[l-2]``, shape (m, n_l).
    cost_value : scalar
        C, the (weighted) mean of the examples' costs.
    workspace : Any
        What the backend prepared for this tape.
    forward_passes : int
        The number of forward passes recorded so far.
    """

    def __init__(self, network: Network, cost: Cost | None, m: int, *, rows_of: Tape | None = None) -> None:
        self.network = network
        self.cost = cost
        self.m = m
        self.combined = None if cost is None else cost.combined(network.activations[-1])
        self.workspace: Any = None
        self.forward_passes = 0
        self.cost_value: Any = None
        self.shares: Array | None = None
        self.Y: Array | None = None
        self._rows_of = rows_of
        self.weighted_inputs = self._buffers(lambda tape: tape.weighted_inputs)
        self.activations: list[Array] = [
            np.empty((0, network.layout.sizes[0]), network.dtype),
            *self._buffers(lambda tape: tape.activations[1:]),
        ]

    def _buffers(self, of: Callable[[Tape], list[Array]]) -> list[Array]:
        """Return an array for each layer from the second on: new, or the first rows of a larger tape's."""
        if self._rows_of is not None:
            return [array[: self.m] for array in of(self._rows_of)]
        # One allocation, so that compiled code can treat the buffers of all layers as one array.
        m, sizes = self.m, self.network.layout.sizes[1:]
        flat, ends = np.empty(m * sum(sizes), self.network.dtype), accumulate(sizes)
        return [flat[m * (end - n) : m * end].reshape(m, n) for n, end in zip(sizes, ends, strict=True)]

    def blocks(self, *, slopes: bool) -> list[list[Block]]:
        """Return each layer's blocks of examples, small enough to stay in the cache."""
        return self._blocks_with_slopes if slopes else self._blocks_without

    @cached_property
    def _blocks_with_slopes(self) -> list[list[Block]]:
        return [self._parted(i, slope) for i, slope in enumerate(self.slopes)]

    @cached_property
    def _blocks_without(self) -> list[list[Block]]:
        return [self._parted(i, None) for i in range(len(self.weighted_inputs))]

    def __getstate__(self) -> dict[str, Any]:
        # Blocks are views, a backend's workspace refers to this tape's buffers, and functions cannot be pickled: a copy
        # has none of them.
        views = ("_blocks", "_transposed", "_adders")
        kept = {name: held for name, held in self.__dict__.items() if not name.startswith(views)}
        return kept | {"workspace": None}

    def _parted(self, i: int, slope: Any) -> list[Block]:
        coupled = self.network.activations[i].coupled
        return blocks_of(self.weighted_inputs[i], self.activations[i + 1], slope, coupled=coupled)

    # Buffers that only a backward pass needs are allocated on first use.

    @cached_property
    def slopes(self) -> list[Any]:
        """σ′(z^l) at ``slopes[l-2]``, shape (m, n_l), or a :class:`CoupledSlope`."""
        buffer = self._buffers(lambda tape: tape.slopes)
        layers = zip(self.network.activations, self.weighted_inputs, self.activations[1:], buffer, strict=True)
        return [activation.slope_buffer(z, a, array) for activation, z, a, array in layers]

    @cached_property
    def errors(self) -> list[Array]:
        """Buffers for δ^l at ``errors[l-2]``, shape (m, n_l)."""
        return self._buffers(lambda tape: tape.errors)

    @cached_property
    def cost_gradient(self) -> Array:
        """∇_aC of the mean cost, shape (m, n_L)."""
        if self._rows_of is not None:
            return self._rows_of.cost_gradient[: self.m]
        return np.empty((self.m, self.network.layout.sizes[-1]), self.network.dtype)

    @property
    def X(self) -> Array:
        """The inputs a¹, shape (m, n₁)."""
        return self.activations[0]

    @property
    def output(self) -> Array:
        """The outputs a^L, shape (m, n_L)."""
        return self.activations[-1]

    def first(self, m: int) -> Tape:
        """Return a tape for fewer examples that uses the first rows of this one's buffers."""
        return Tape(self.network, self.cost, m, rows_of=self)

    @property
    def targets(self) -> Array:
        """The targets y, shape (m, n_L)."""
        if self.Y is None:
            raise InvalidInput("this tape has no targets; load it with Y, as network.forward(X, Y) does.")
        return self.Y

    @property
    def known_cost(self) -> Cost:
        """The cost; raises an exception if the tape has none."""
        if self.cost is None:
            raise InvalidInput("this tape has no cost; load it with Y, as network.forward(X, Y) does.")
        return self.cost

    @property
    def share_column(self) -> Array:
        """What multiplies each example's C_x in C, shape (m, 1): its share of the mean times the cost's factor."""
        shares = self._uniform_or_shares
        return shares if shares.ndim else np.full((self.m, 1), shares)

    @property
    def mean_shares(self) -> Array:
        """Each example's share of the mean, shape (m, 1), without the cost's factor."""
        shares = self.network.dtype.type(1) / self.m if self.shares is None else self.shares
        return shares if shares.ndim else np.full((self.m, 1), shares)

    def load(self, X: Array, Y: Array | None, shares: Array | None = None) -> None:
        """Load a mini-batch; the arrays are neither copied nor written to."""
        self.activations[0] = X
        self.Y = Y
        self.shares = shares

    def evaluate_cost(self, *, gradient: bool = True) -> None:
        """Compute C and, unless there is a combined form, ∇_aC from the outputs."""
        if self.cost is None or self.Y is None:
            return
        if self.combined is None:
            buffer = self.cost_gradient if gradient else None
            self.cost_value = self.cost.average(self.output, self.Y, self._uniform_or_shares, buffer)
        else:
            values = self.combined.value(self.weighted_inputs[-1], self.Y)
            self.cost_value = np.dot(values, self.share_column[:, 0])

    def combined_output_error(self) -> Array | None:
        """Return δ^L if cost and output activation have a combined form, else None.

        The combined form has no σ′, and therefore no 0·∞ if an output neuron saturates.
        """
        if self.combined is None:
            return None
        delta = self.errors[-1]
        self.combined.error(self.weighted_inputs[-1], self.output, self.targets, delta)
        np.multiply(delta, self._uniform_or_shares, delta)
        return delta

    def output_error(self) -> Array:
        """Return δ^L: the combined form if there is one, else Σ′(z^L)ᵀ∇_aC, which for a diagonal Σ′ is (BP1)."""
        delta = self.combined_output_error()
        return self.through_slope(self.network.layout.last, self.cost_gradient) if delta is None else delta

    def through_slope(self, l: int, v: Array) -> Array:
        """Return Σ′(z^l)ᵀ v, shape (m, n_l), in the buffer of δ^l; for a diagonal slope this is σ′(z^l) ⊙ v."""
        return through(self.slopes[l - 2], v, out=self.errors[l - 2])

    def pull_back(self, l: int, delta: Array) -> Array:
        """Return (w^{l+1})ᵀ δ^{l+1}, shape (m, n_l), in the buffer of δ^l."""
        weights, out = self.network.weights[l - 1], self.errors[l - 2]
        if self._patterns[l - 1] is None:
            np.dot(delta, weights, out)
        else:
            out[...] = (self._transposed[l - 1] @ delta.T.copy()).T
        return out

    def collect(self, errors: Sequence[Array], gradient: Parameters, *, add_to: Parameters | None = None) -> None:
        """Write ∂C/∂b^l = δ^l (BP3) and ∂C/∂w^l_{jk} = a^{l−1}_k δ^l_j (BP4), summed over the mini-batch.

        Parameters
        ----------
        errors : sequence of ndarray of shape (m, n_l)
            δ², …, δ^L.
        gradient : Parameters
            Where to write.
        add_to : Parameters, optional
            Where to add the gradient instead; ``gradient`` is then a buffer for parts of it.
        """
        of_weights, of_biases = gradient.weights, gradient.biases
        for i, delta in enumerate(errors):
            np.dot(self._ones, delta, of_biases[i])
            pattern = self._patterns[i]
            if add_to is not None and (add := self._adders[i]):
                add(delta, self.activations[i], add_to.weights[i])
            elif pattern is None:
                np.dot(delta.T, self.activations[i], of_weights[i])
            else:
                outer_sums(delta, self.activations[i], pattern, of_weights[i].data)
        if add_to is not None:
            for part in self._written:
                sums = add_to.vector[part]
                np.add(sums, gradient.vector[part], sums)

    def __repr__(self) -> str:
        cost = "" if self.cost_value is None else f", cost {self.cost_value:.6g}"
        return f"<Tape of {counted(self.m, 'example')} through {self.network.layout}{cost}>"

    def _repr_html_(self) -> str:
        from formulations.network.views import tape_html

        return tape_html(self)

    # Constants are arrays, which NumPy handles twice as fast as Python numbers.

    @cached_property
    def _share(self) -> Array:
        factor = 1 if self.cost is None else self.cost.factor
        return np.array(self.network.dtype.type(factor.numerator) / (factor.denominator * self.m))

    @cached_property
    def _factor(self) -> Array | None:
        """The cost's factor; None if it is 1."""
        if self.cost is None or self.cost.factor == 1:
            return None
        return np.array(self.network.dtype.type(self.cost.factor.numerator) / self.cost.factor.denominator)

    @property
    def _uniform_or_shares(self) -> Array:
        if self.shares is None:
            return self._share
        return self.shares if self._factor is None else np.asarray(self.shares * self._factor)

    @cached_property
    def _ones(self) -> Array:
        return np.ones(self.m, self.network.dtype)

    @cached_property
    def _transposed(self) -> tuple[Any, ...]:
        """The transposes of the sparse weights, which share their numbers."""
        made = [None if p is None else w.T for w, p in zip(self.network.weights, self._patterns, strict=True)]
        for weights, transposed in zip(self.network.weights, made, strict=True):
            if transposed is not None:
                # The constructor copies a view that is smaller than half of its base.
                transposed.data = weights.data
        return tuple(made)

    @property
    def adds(self) -> bool:
        """Whether :meth:`collect` can add to parameters faster than through a gradient."""
        return any(self._adders)

    @cached_property
    def _adders(self) -> tuple[Adder | None, ...]:
        """What adds ∂C/∂w^l to a matrix at once; None where a buffer takes it first."""
        layout, dtype = self.network.layout, self.network.dtype
        layers = zip(layout.shapes, self._patterns, strict=True)
        return tuple(product_adder(self.m, *shape, dtype) if p is None else None for shape, p in layers)

    @cached_property
    def _written(self) -> list[slice]:
        """The parts of a gradient that :meth:`collect` writes to the buffer although it adds."""
        parts, start = [], 0
        for (of_weights, _), add in zip(self.network.layout.slices, self._adders, strict=True):
            if add is not None:
                parts.append(slice(start, of_weights.start))
                start = of_weights.stop
        return [part for part in (*parts, slice(start, self.network.layout.count)) if part.start < part.stop]

    @cached_property
    def _patterns(self) -> tuple[Pattern | None, ...]:
        return self.network.layout.patterns


def outer_sums(delta: Array, a: Array, pattern: Pattern | None, out: Array | None = None) -> Array:
    """Return Σ_x δ_j a_k of every weight w_jk: shape (n_l, n_{l−1}), or with a pattern (entries,).

    Parameters
    ----------
    delta, a : ndarray of shape (m, n_l) and (m, n_{l−1})
        Two arrays over the examples, such as δ^l and a^{l−1} in (BP4).
    pattern : Pattern, optional
        The stored entries of a sparse weight.
    out : ndarray, optional
        Where to write the sums.
    """
    if pattern is None:
        return np.dot(delta.T, a, out)
    if out is None:
        out = np.empty(pattern.indices.size, delta.dtype)
    # With each neuron's numbers side by side, gathering them is several times faster.
    of_neurons, of_inputs = delta.T.copy(), a.T.copy()
    # A block of entries fits the cache, and memory does not grow with the number of entries.
    block = max(1, 2**16 // max(1, len(delta)))
    for start in range(0, out.size, block):
        part = slice(start, start + block)
        j, k = pattern.rows[part], pattern.indices[part]
        np.einsum("em,em->e", of_neurons.take(j, 0), of_inputs.take(k, 0), out=out[part])
    return out
