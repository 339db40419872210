r"""The products with the Hessian and the Gauss–Newton matrix, every element-wise step of a layer in one pass.

What a product needs of the point stands in buffers, with a dot for what it computes:

==========  ============================  ========
of layer l                                shape
==========  ============================  ========
states      a^l above ȧ^l                 (2m, n_l)
errors      δ̇^l above δ^l                 (2m, n_l)
inputs      ż^l                           (m, n_l)
slopes      σ′(z^l)                       (m, n_l)
terms       σ″(z^l) ⊙ g^l                 (m, n_l)
==========  ============================  ========

So the two terms of a Hessian product in the weights, δ̇ᵀa + δᵀȧ, are one matrix product of errors and states. At the
output, ``slopes`` is the factor of ż^L in δ̇^L. Small products are taken by one compiled call, and large ones by NumPy,
as in a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from formulations.arrays import Array
from formulations.backends._shared.compiled.addresses import matrix_at
from formulations.backends._shared.compiled.buffers import address_of
from formulations.backends._shared.compiled.compiler import compiled
from formulations.backends._shared.compiled.elementwise import by_slope
from formulations.network import Network

__all__ = ["CurvatureBuffers", "by_layer", "whole"]

WIDTH, WEIGHTS, STATES, ERRORS, INPUTS, SLOPES, TERMS = range(7)
"""The columns of ``CurvatureBuffers.layers``."""


@dataclass(eq=False)
class CurvatureBuffers:
    """What the products at a point share: a list for each row of the table above, from layer 2 to L.

    Attributes
    ----------
    network : Network
        The network, whose weights are read at every product.
    X : ndarray of shape (m, n₁)
        The examples, C-contiguous.
    states, errors, inputs, slopes, terms : list of ndarray
        The last of ``states`` is a^L alone; the last of ``terms`` is not used.
    coupled : bool
        Whether the output is a softmax, whose ż^L enters as its difference from the mean by a^L.
    spare : ndarray of shape (m · largest n_l,)
        A buffer for the second term of a sum.
    layers : ndarray of shape (L − 1, 7)
        n_l, and the addresses of w^l and of the buffers.
    """

    network: Network
    X: Array
    states: list[Array]
    errors: list[Array]
    inputs: list[Array]
    slopes: list[Array]
    terms: list[Array]
    coupled: bool
    spare: Array = field(init=False)
    layers: Array = field(init=False)

    def __post_init__(self) -> None:
        buffers = (self.network.weights, self.states, self.errors, self.inputs, self.slopes, self.terms)
        rows = zip(self.network.sizes[1:], *buffers, strict=True)
        self.layers = np.array([[n, *map(address_of, arrays)] for n, *arrays in rows], np.int64)
        self.spare = np.empty(len(self.X) * max(self.network.sizes[1:]), self.X.dtype)


def whole(buffers: CurvatureBuffers, v: Array, product: Array, *, hessian: bool) -> None:
    """Write the product in one compiled call."""
    _whole(product, v, buffers.X, buffers.spare, buffers.layers, buffers.coupled, hessian)


@compiled
def _whole(product: Array, v: Array, X: Array, spare: Array, layers: Array, coupled: bool, hessian: bool) -> None:
    m, size, last = X.shape[0], X.itemsize, len(layers) - 1
    n_below, begin = X.shape[1], 0
    for l in range(last + 1):
        n = layers[l, WIDTH]
        end = begin + n * n_below
        z, slope = matrix_at(layers[l, INPUTS], m, n, X), matrix_at(layers[l, SLOPES], m, n, X)
        other = spare[: m * n].reshape(m, n)
        tangent_w, tangent_b = v[begin:end].reshape(n, n_below), v[end : end + n]
        if l == 0:
            np.dot(X, tangent_w.T, z)
        else:
            states = layers[l - 1, STATES]
            np.dot(matrix_at(states, m, n_below, X), tangent_w.T, z)
            tangent_a = matrix_at(states + m * n_below * size, m, n_below, X)
            np.dot(tangent_a, matrix_at(layers[l, WEIGHTS], n, n_below, X).T, other)
        written = layers[l, STATES] + m * n * size if l < last else layers[l, ERRORS]
        forward_step(z, other, l > 0, tangent_b, slope, matrix_at(written, m, n, X))
        n_below, begin = n, end + n
    n = n_below
    moved, z, factor = (
        matrix_at(layers[last, ERRORS], m, n, X),
        matrix_at(layers[last, INPUTS], m, n, X),
        matrix_at(layers[last, SLOPES], m, n, X),
    )
    end = product.size
    output_step(moved, z, factor, matrix_at(layers[last, STATES], m, n, X), coupled, product[end - n :])
    for l in range(last, -1, -1):
        n, n_below = layers[l, WIDTH], layers[l - 1, WIDTH] if l > 0 else X.shape[1]
        begin = end - n * (n_below + 1)
        of_weights = product[begin : end - n].reshape(n, n_below)
        errors = layers[l, ERRORS]
        moved = matrix_at(errors, m, n, X)
        if l == 0:
            np.dot(moved.T, X, of_weights)
            break
        states, of_biases = layers[l - 1, STATES], product[begin - n_below : begin]
        pulled, w = matrix_at(layers[l - 1, ERRORS], m, n_below, X), matrix_at(layers[l, WEIGHTS], n, n_below, X)
        slope = matrix_at(layers[l - 1, SLOPES], m, n_below, X)
        np.dot(moved, w, pulled)
        if hessian:
            np.dot(matrix_at(errors, 2 * m, n, X).T, matrix_at(states, 2 * m, n_below, X), of_weights)
            other = spare[: m * n_below].reshape(m, n_below)
            np.dot(matrix_at(errors + m * n * size, m, n, X), v[begin : end - n].reshape(n, n_below), other)
            z, term = matrix_at(layers[l - 1, INPUTS], m, n_below, X), matrix_at(layers[l - 1, TERMS], m, n_below, X)
            backward_step(pulled, other, slope, term, z, of_biases)
        else:
            np.dot(moved.T, matrix_at(states, m, n_below, X), of_weights)
            by_slope(pulled, slope, pulled, of_biases)
        end = begin


def by_layer(
    buffers: CurvatureBuffers,
    v: Array,
    product: Array,
    *,
    hessian: bool,
    at_output: Callable[[Array, Array], None] | None = None,
) -> None:
    """Write the product with NumPy's matrix products and compiled operations between them.

    ``at_output`` writes δ̇^L of ż^L, which it may overwrite, if the output has no compiled form.
    """
    weights, layout, m = buffers.network.weights, buffers.network.layout, len(buffers.X)
    states, errors, inputs, slopes = buffers.states, buffers.errors, buffers.inputs, buffers.slopes
    # The views of Parameters without its checks, which take longer than a small layer.
    cuts, last = list(zip(layout.slices, layout.shapes, strict=True)), layout.last - 2
    tangent_weights, of_weights = ([vector[w].reshape(shape) for (w, _), shape in cuts] for vector in (v, product))
    tangent_biases, of_biases = ([vector[b] for (_, b), _ in cuts] for vector in (v, product))
    for i, z in enumerate(inputs):
        other = buffers.spare[: z.size].reshape(z.shape)
        np.dot(buffers.X if i == 0 else states[i - 1][:m], tangent_weights[i].T, z)
        if i > 0:
            np.dot(states[i - 1][m:], weights[i].T, other)
        forward_step(z, other, i > 0, tangent_biases[i], slopes[i], states[i][m:] if i < last else errors[i][:m])
    moved = errors[last][:m]
    if at_output is None:
        output_step(moved, inputs[last], slopes[last], states[last], buffers.coupled, of_biases[last])
    else:
        at_output(inputs[last], moved)
        np.add.reduce(moved, axis=0, out=of_biases[last])
    for i in range(last, 0, -1):
        pulled = errors[i - 1][:m]
        np.dot(errors[i][:m], weights[i], pulled)
        if hessian:
            np.dot(errors[i].T, states[i - 1], of_weights[i])
            other = buffers.spare[: pulled.size].reshape(pulled.shape)
            np.dot(errors[i][m:], tangent_weights[i], other)
            backward_step(pulled, other, slopes[i - 1], buffers.terms[i - 1], inputs[i - 1], of_biases[i - 1])
        else:
            np.dot(errors[i][:m].T, states[i - 1][:m], of_weights[i])
            by_slope(pulled, slopes[i - 1], pulled, of_biases[i - 1])
    np.dot(errors[0][:m].T, buffers.X, of_weights[0])


@compiled
def forward_step(z: Array, other: Array, two: bool, b: Array, slope: Array, moved: Array) -> None:
    """Add ḃ and the second term, if there are two, to ż, and write its product with the slope, all of shape (m, n)."""
    for x in range(z.shape[0]):
        if two:
            for j in range(z.shape[1]):
                u = z[x, j] + other[x, j] + b[j]
                z[x, j] = u
                moved[x, j] = slope[x, j] * u
        else:
            for j in range(z.shape[1]):
                u = z[x, j] + b[j]
                z[x, j] = u
                moved[x, j] = slope[x, j] * u


@compiled
def output_step(moved: Array, z: Array, factor: Array, a: Array, coupled: bool, of_biases: Array) -> None:
    """Write δ̇^L and its sums: of a softmax factor ⊙ (ż − aᵀż), otherwise ``moved``, which is factor ⊙ ż already."""
    zero, half = z.dtype.type(0), z.dtype.type(0.5)
    of_biases[:] = zero
    for x in range(z.shape[0]):
        if coupled:
            k = 0
            for j in range(1, z.shape[1]):
                if a[x, j] > a[x, k]:
                    k = j
            rest, others = zero, zero
            for j in range(z.shape[1]):
                if j != k:
                    rest += a[x, j]
                    others += a[x, j] * z[x, j]
            mean = others + a[x, k] * z[x, k]
            for j in range(z.shape[1]):
                moved[x, j] = factor[x, j] * (z[x, j] - mean)
            # As in Softmax.jacobian_product: 1 − a_k is the sum of the others, which does not cancel.
            if a[x, k] > half:
                moved[x, k] = factor[x, k] * (rest * z[x, k] - others)
        for j in range(z.shape[1]):
            of_biases[j] += moved[x, j]


@compiled
def backward_step(moved: Array, other: Array, slope: Array, term: Array, z: Array, of_biases: Array) -> None:
    """Turn the first term of ẇᵀδ + wᵀδ̇ into δ̇, and write its sum over the examples."""
    of_biases[:] = z.dtype.type(0)
    for x in range(z.shape[0]):
        for j in range(z.shape[1]):
            error = slope[x, j] * (moved[x, j] + other[x, j]) + term[x, j] * z[x, j]
            moved[x, j] = error
            of_biases[j] += error
