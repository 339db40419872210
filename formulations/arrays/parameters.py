"""Parameters and gradients: one flat vector, seen layer by layer.

Weights, biases and their gradients live in the same vector space, so they are the same kind of object: one
contiguous ``vector`` in the order w², b², w³, b³, …, with a view into it for each layer. A step of gradient
descent is one operation on the vector, and an optimiser gets it without a copy.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from scipy.sparse import csr_array

from formulations.arrays.dtypes import Array
from formulations.arrays.layout import Layout, Pattern
from formulations.exceptions import InvalidInput, WrongShape

__all__ = ["Array", "Layout", "Parameters", "Pattern", "Views"]


class Views(tuple[Any, ...]):
    """A layer's view each; what they show can be changed, the views themselves cannot be replaced."""

    __slots__ = ()

    def __setitem__(self, index: Any, value: Any) -> None:
        # `weights[0] -= step` changes the view in place and then assigns the same object.
        if value is not self[index]:
            _refuse_rebinding()


def _refuse_rebinding() -> NoReturn:
    raise InvalidInput(
        "a layer's array is a view into the flat vector and cannot be replaced by another array; "
        "change its entries instead: network.weights[i][...] = new_values."
    )


class Parameters:
    """A flat vector and the views of it that belong to the layers.

    Parameters
    ----------
    layout : Layout
        How the vector is divided.
    vector : ndarray of shape (layout.count,)
        Not copied.

    Attributes
    ----------
    vector : ndarray of shape (P + N,)
        w², b², w³, b³, … in one contiguous array.
    weights, biases : tuple of arrays
        ``weights[l-2]`` of shape (n_l, n_{l−1}) and ``biases[l-2]`` of shape (n_l,), views into ``vector``. A
        sparse weight is a ``csr_array`` whose ``data`` is such a view.
    """

    def __init__(self, layout: Layout, vector: Array) -> None:
        if vector.shape != (layout.count,) or not vector.flags.c_contiguous:
            raise WrongShape(
                f"the vector must be contiguous with {layout.count} entries, one for each parameter, "
                f"got shape {vector.shape}; pass numpy.ascontiguousarray(vector).ravel() of the right length."
            )
        self._layout = layout
        self._vector = vector
        # This runs for every gradient, so dense layers take the shortest path.
        weights: list[Any] = []
        entries: list[tuple[Array, Array, Array] | None] = []
        for (part, _), shape, pattern in zip(layout.slices, layout.shapes, layout.patterns, strict=True):
            stored = vector[part]
            weights.append(stored.reshape(shape) if pattern is None else _sparse_view(stored, pattern, shape))
            entries.append(None if pattern is None else _arrays_of(weights[-1]))
        self._weights = Views(weights)
        self._entries = tuple(entries)
        self._biases = Views([vector[part] for _, part in layout.slices])

    @property
    def layout(self) -> Layout:
        """How the vector is divided among the layers."""
        return self._layout

    @property
    def vector(self) -> Array:
        """All parameters as one array, shape (P + N,)."""
        return self._vector

    @vector.setter
    def vector(self, value: Array) -> None:
        # `network.vector -= step` assigns the same array again.
        if value is not self._vector:
            raise InvalidInput("the vector cannot be replaced; change its entries: network.vector[...] = new_values.")

    @property
    def weights(self) -> Views:
        """Each layer's weights, shape (n_l, n_{l−1}), as views into the vector."""
        return self._weights

    @weights.setter
    def weights(self, _: object) -> None:
        _refuse_rebinding()

    @property
    def biases(self) -> Views:
        """Each layer's biases, shape (n_l,), as views into the vector."""
        return self._biases

    @biases.setter
    def biases(self, _: object) -> None:
        _refuse_rebinding()

    def sparse_entries(self, i: int) -> Array:
        """Return the stored entries of a sparse ``weights[i]``, checking that its arrays are still the layout's.

        Raises
        ------
        InvalidInput
            If the ``data``, ``indices`` or ``indptr`` of ``weights[i]`` have been replaced.
        """
        data, indices, indptr = self._entries[i] or (None, None, None)
        if self.weights[i].data is not data:
            raise InvalidInput(
                f"weights[{i}].data is a view into the flat vector and has been replaced by another array; "
                f"change its entries instead: network.weights[{i}].data[...] = new_values."
            )
        if self.weights[i].indices is not indices or self.weights[i].indptr is not indptr:
            raise InvalidInput(
                f"weights[{i}] must keep the indices and indptr that the network was made with, got others; make a "
                "network of the new pattern with Network(weights, biases, activations)."
            )
        stored: Array = self.weights[i].data
        return stored

    def check_entries(self) -> None:
        """Raise an exception if an array of a sparse weight has been replaced; see :meth:`sparse_entries`."""
        for i, entries in enumerate(self._entries):
            if entries is not None:
                self.sparse_entries(i)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The one dtype of all parameters."""
        return self._vector.dtype


def _arrays_of(matrix: Any) -> tuple[Array, Array, Array]:
    return matrix.data, matrix.indices, matrix.indptr


def _sparse_view(data: Array, pattern: Pattern, shape: tuple[int, int]) -> Any:
    matrix = csr_array((data, pattern.indices, pattern.indptr), shape=shape)
    # The constructor copies a view that is smaller than half of its base.
    matrix.data = data
    return matrix
