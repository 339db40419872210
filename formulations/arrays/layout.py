"""The layout of a flat vector: which part of it belongs to which layer's weights and biases."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from formulations.arrays.dtypes import Array
from formulations.exceptions import InvalidInput

__all__ = ["Layout", "Pattern"]


@dataclass(frozen=True, eq=False)
class Pattern:
    """Where a sparse weight matrix has entries, in compressed sparse rows.

    A stored zero is a parameter like any other and is never dropped.
    """

    indices: Array
    indptr: Array

    def __post_init__(self) -> None:
        # Patterns are shared, hence read-only.
        for name in ("indices", "indptr"):
            mine = np.array(getattr(self, name))
            mine.flags.writeable = False
            object.__setattr__(self, name, mine)

    def __eq__(self, other: object) -> bool:
        """Return whether two patterns store the same positions."""
        return (
            isinstance(other, Pattern)
            and np.array_equal(self.indptr, other.indptr)
            and np.array_equal(self.indices, other.indices)
        )

    def __reduce__(self) -> tuple[type[Pattern], tuple[Array, Array]]:
        # Call the constructor, so that an unpickled pattern is read-only too.
        return Pattern, (self.indices, self.indptr)

    def __hash__(self) -> int:
        return hash((self.indices.tobytes(), self.indptr.tobytes()))

    @cached_property
    def rows(self) -> Array:
        """Row of each stored entry, shape (entries,)."""
        return np.repeat(np.arange(self.indptr.size - 1, dtype=self.indices.dtype), np.diff(self.indptr))


@dataclass(frozen=True)
class Layout:
    """How the flat vector is divided among the layers.

    Parameters
    ----------
    shapes : tuple of (int, int)
        The shape (n_l, n_{l−1}) of each weight matrix, for l = 2, …, L.
    patterns : tuple of Pattern or None
        One for each layer: None if the matrix is dense.
    """

    shapes: tuple[tuple[int, int], ...]
    patterns: tuple[Pattern | None, ...]

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Neurons of each layer, from the input n₁ to the output n_L."""
        return (self.shapes[0][1], *(rows for rows, _ in self.shapes))

    @cached_property
    def slices(self) -> tuple[tuple[slice, slice], ...]:
        """Where each layer's weights and biases lie in the vector."""
        parts, start = [], 0
        for (rows, columns), pattern in zip(self.shapes, self.patterns, strict=True):
            middle = start + (rows * columns if pattern is None else pattern.indices.size)
            parts.append((slice(start, middle), slice(middle, middle + rows)))
            start = middle + rows
        return tuple(parts)

    @cached_property
    def count(self) -> int:
        """Length of the vector: weights and biases of all layers."""
        return int(self.slices[-1][1].stop)

    @cached_property
    def weight_count(self) -> int:
        """P, the number of weights that are parameters (only the stored ones of a sparse matrix)."""
        return sum(weights.stop - weights.start for weights, _ in self.slices)

    @property
    def neuron_count(self) -> int:
        """N, the number of neurons from layer 2 on, which is the number of biases."""
        return sum(self.sizes[1:])

    @property
    def last(self) -> int:
        """L, the number of the output layer, counting the input as 1."""
        return len(self.sizes)

    @cached_property
    def hidden_layers(self) -> range:
        """L−1, L−2, …, 2: the layers to which (BP2) carries the error, in that order."""
        return range(self.last - 1, 1, -1)

    def __str__(self) -> str:
        return "-".join(map(str, self.sizes))

    @property
    def is_sparse(self) -> bool:
        """Whether any weight matrix is sparse."""
        return any(pattern is not None for pattern in self.patterns)

    def locate(self, position: int) -> str:
        """Return the name of the parameter at a position of the vector, such as ``weights[0][2, 5]``."""
        kind, i, entry = self.indices(position)
        return f"{kind}[{i}][{', '.join(map(str, entry))}]"

    def indices(self, position: int) -> tuple[str, int, tuple[int, ...]]:
        """Return ``("weights", l − 2, (j, k))`` or ``("biases", l − 2, (j,))`` for a position of the vector."""
        for i, (weights, biases) in enumerate(self.slices):
            if position < weights.stop:
                entry, pattern = position - weights.start, self.patterns[i]
                if pattern is None:
                    return "weights", i, divmod(entry, self.shapes[i][1])
                return "weights", i, (int(pattern.rows[entry]), int(pattern.indices[entry]))
            if position < biases.stop:
                return "biases", i, (position - biases.start,)
        raise InvalidInput(f"a vector of {self.count} parameters has no position {position}.")
