r"""What the forward and the backward pass of a mini-batch do in each layer.

With s_x the share of example x in the mean cost and δ_x the error of its own cost, a root mean square is
:math:`\sqrt{\sum_x s_x \lVert v_x \rVert^2 / n}`, and a share of neurons weights each example by s_x. In the same norm,
(BP2) consists of two steps:

.. math::

    \frac{\lVert \delta^l \rVert}{\lVert \delta^{l+1} \rVert} =
    \underbrace{\frac{\lVert (w^{l+1})^T \delta^{l+1} \rVert}{\lVert \delta^{l+1} \rVert}}_{\text{by weights}} \cdot
    \underbrace{\frac{\lVert \delta^l \rVert}{\lVert (w^{l+1})^T \delta^{l+1} \rVert}}_{\text{by slopes}}

g_abs is the gradient with :math:`|w|, |\sigma'|, |\nabla_a C|` and :math:`|a|`: the sum over all paths (53) without
cancellation. The backward pass rounds each path K times, so that :math:`|\hat g - g| \le \gamma_K g_{abs}` (Higham,
section 3.1). A precision suffices for a layer if :math:`\gamma_K \lVert g_{abs} \rVert < \lVert g \rVert`: then
:math:`\langle \hat g, g \rangle > 0`, and a small enough step against the computed gradient lowers the cost. The bound
ignores that most roundings cancel, so a precision may suffice although this does not show it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array, issparse

from formulations.arrays import DTYPES, Array, euclidean_norm, format_dtype, gamma, unit_roundoff
from formulations.exceptions import Refused
from formulations.functions import Activation, CoupledSlope
from formulations.network import Batch, Gradient, Network, Point, Tape, check_gradient
from formulations.operators.spectra import spectrum

__all__ = ["LayerDiagnosis", "Measured", "measure"]

EXAMPLES, WORK = 32, 2e10
"""The most examples whose singular values are computed, and about the most multiplications: a few seconds."""


@dataclass(frozen=True)
class LayerDiagnosis:
    """The figures of one layer; :data:`QUANTITIES` ties each to a statement of the chapter.

    Attributes
    ----------
    layer : int
        l, from 2 to L.
    neurons : int
        n_l.
    distinct : int
        How many of the neurons differ. Two hidden neurons are equal if their activation, the weights into and out of
        them, and their biases are: then their gradients are equal too, and no step makes them differ. All neurons of
        the output layer, and of a coupled activation, count as different.
    activation : str
        The name of its activation.
    largest_slope : float
        The supremum of |σ′|; where it is unknown or infinite, the largest slope on these examples.
    saturated : float
        The share of the slopes, over neurons and examples, that are 0 or below ``saturation`` times that supremum.
    dead : float
        The share of the neurons whose slope is 0 on every example.
    activation_rms, error_rms, gradient_rms : float
        The root mean squares of a^l, of the errors δ^l of the examples' own costs, and of the entries of ∂C/∂w^l and
        ∂C/∂b^l.
    by_weights : float or None
        ‖(w^{l+1})ᵀδ^{l+1}‖/‖δ^{l+1}‖; None in the output layer, and if δ^{l+1} is 0.
    by_slopes : float or None
        ‖δ^l‖/‖(w^{l+1})ᵀδ^{l+1}‖, in the output layer ‖δ^L‖/‖∇_aC‖; None if cost and output are combined, so that σ′
        cancels, and if the divisor is 0.
    speed : float
        ‖∂C/∂b^l‖.
    relative_speed : float
        Its ratio to the largest of all layers; 0 if all are 0.
    largest_singular_value, smallest_singular_value : float or None
        Of the Jacobian ∂a^l/∂a¹, as :func:`formulations.spectrum` prints them: the medians over the examples. A value
        within roundoff of 0 counts as 0. None if the layers are too wide.
    conditioning : float or None
        ‖g_abs‖/‖g‖ of the layer's weights and biases; None if g is 0.
    precision : str or None
        The coarsest dtype that suffices; None if none is shown to suffice, and if g is 0.
    learns : bool
        Whether the speed is at least ``slow`` times the largest of all layers, or the root mean square of the errors
        is, since errors may cancel in ∂C/∂b^l; and the slopes of the outputs, unless they cancel, scale ∇_aC by at
        least ``slow`` times their supremum; and the neurons are not all equal.
    """

    layer: int
    neurons: int
    distinct: int
    activation: str
    largest_slope: float
    saturated: float
    dead: float
    activation_rms: float
    error_rms: float
    gradient_rms: float
    by_weights: float | None
    by_slopes: float | None
    speed: float
    relative_speed: float
    largest_singular_value: float | None
    smallest_singular_value: float | None
    conditioning: float | None
    precision: str | None
    learns: bool


class Measured(NamedTuple):
    """The figures of all layers.

    Attributes
    ----------
    layers : tuple of LayerDiagnosis
        From the second layer to the last.
    cost_value : float
        C.
    input_rms : float
        The root mean square of the inputs.
    combined : bool
        Whether σ′ of the outputs cancels in the cost.
    examples : int
        How many examples the singular values are computed for; 0 if there are none.
    kinks : int
        How many weighted inputs lie on a kink.
    """

    layers: tuple[LayerDiagnosis, ...]
    cost_value: float
    input_rms: float
    combined: bool
    examples: int
    kinks: int


def measure(net: Network, batch: Batch, saturation: float, slow: float) -> Measured:
    """Run one forward and one backward pass and return the figures of each layer.

    Parameters
    ----------
    net : Network
        The network.
    batch : Batch
        Checked examples with targets.
    saturation, slow : float
        As :func:`formulations.diagnose` takes them.

    Raises
    ------
    NotFinite
        If the cost or the gradient is not finite.
    """
    point = Point(net, batch)
    tape, shares = point.tape, point.tape.mean_shares
    gradient = Gradient(net.layout, np.zeros(net.layout.count, net.dtype), cost=tape.cost_value)
    tape.collect(point.errors, gradient)
    check_gradient(gradient)
    parts = [[gradient.vector[part] for part in pair] for pair in net.layout.slices]
    of_weights, speeds = ([euclidean_norm(part) for part in each] for each in zip(*parts, strict=True))
    slopes = [_own_slopes(slope) for slope in tape.slopes]
    suprema = [_suprema(activation, slope) for activation, slope in zip(net.activations, slopes, strict=True)]
    factors = _factors(point)
    passed = factors[-1][1]
    blocked = passed is not None and passed < slow * suprema[-1].max()
    sizes = [_rms(_of_own_cost(delta, shares), shares) for delta in point.errors]
    relative, uncancelled = _over_largest(speeds), _over_largest(sizes)
    absolute = _absolute_norms(tape)
    spread, taken = _singular_values(point.network, tape.X)
    found = []
    for i, (activation, slope) in enumerate(zip(net.activations, slopes, strict=True)):
        small = (slope == 0) | (np.abs(slope) < saturation * suprema[i])
        alive = (slope[shares[:, 0] > 0] != 0).any(axis=0)
        norm = math.hypot(of_weights[i], speeds[i])
        distinct = _distinct(net, i + 2)
        gradient_rms = norm / math.sqrt(sum(part.size for part in parts[i]))
        found.append(
            LayerDiagnosis(
                layer=i + 2,
                neurons=slope.shape[1],
                distinct=distinct,
                activation=activation.name,
                largest_slope=float(suprema[i].max()),
                saturated=float(np.average(small.mean(axis=1), weights=shares[:, 0])),
                dead=1 - float(alive.mean()),
                activation_rms=_rms(tape.activations[i + 1], shares),
                error_rms=sizes[i],
                gradient_rms=gradient_rms,
                by_weights=factors[i][0],
                by_slopes=factors[i][1],
                speed=speeds[i],
                relative_speed=relative[i],
                largest_singular_value=None if spread is None else spread[i][0],
                smallest_singular_value=None if spread is None else spread[i][1],
                conditioning=max(1.0, absolute[i][0] / norm) if norm > 0 else None,
                precision=_sufficient(*absolute[i], norm, gradient_rms),
                learns=max(relative[i], uncancelled[i]) >= slow and not blocked and distinct >= min(2, slope.shape[1]),
            )
        )
    return Measured(
        tuple(found), float(tape.cost_value), _rms(tape.X, shares), tape.combined is not None, taken, point.kinks
    )


def _distinct(net: Network, l: int) -> int:
    """Return how many neurons of layer l differ in their activation, weights in and out, or bias."""
    activation, biases = net.activations[l - 2], net.biases[l - 2]
    if l == net.layout.last or activation.coupled:
        return len(biases)
    into, out_of = _rows(net.weights[l - 2]), _rows(net.weights[l - 1].T)
    functions = map(activation.neuron, range(len(biases)))
    return len(set(zip(into, out_of, biases.tolist(), functions, strict=True)))


def _rows(matrix: Any) -> list[Hashable]:
    """Return the rows of a matrix as keys, which are equal if and only if the rows are."""
    if not issparse(matrix):
        return list(map(_key, matrix))
    rows = csr_array(matrix, copy=True)
    rows.sort_indices()
    parts = (slice(*ends) for ends in zip(rows.indptr, rows.indptr[1:], strict=False))
    return [(rows.indices[part].tobytes(), _key(rows.data[part])) for part in parts]


def _key(values: Array) -> Hashable:
    # Adding 0 turns −0 into 0; a longdouble has padding bytes without a meaning.
    return (values + 0).tobytes() if values.itemsize <= 8 else tuple(values.tolist())


def _over_largest(norms: Sequence[float]) -> list[float]:
    return [norm / max(norms) if norm > 0 else 0.0 for norm in norms]


def _factors(point: Point) -> list[tuple[float | None, float | None]]:
    """Return the two factors of every layer by which (BP2), or (BP1), scales the error."""

    def norm(values: Array) -> float:
        return _rms(_of_own_cost(values, point.shares), point.shares) * math.sqrt(values.shape[1])

    after = [norm(delta) for delta in point.errors]
    between = [None if values is None else norm(values) for values in point.pulled]
    by_weights = [*map(_ratio, between[:-1], after[1:]), None]
    return list(zip(by_weights, map(_ratio, after, between), strict=True))


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def _of_own_cost(values: Array, shares: Array) -> Array:
    """Return derivatives of C as those of each example's own cost; 0 for an example of share 0."""
    return np.divide(values, shares, out=np.zeros_like(values), where=shares > 0)


def _rms(values: Array, shares: Array) -> float:
    """Return the root mean square over examples and neurons, each example weighted by its share."""
    return euclidean_norm(values * np.sqrt(shares)) / math.sqrt(values.shape[1])


def _own_slopes(slope: Any) -> Array:
    """Return ∂a_j/∂z_j, shape (m, n): all of a diagonal Σ′, and the diagonal of a coupled one."""
    if not isinstance(slope, CoupledSlope):
        array: Array = slope
        return array
    found = np.empty_like(slope.z)
    for j in range(found.shape[1]):
        unit = np.zeros_like(slope.z)
        unit[:, j] = 1
        found[:, j] = (slope @ unit)[:, j]
    return found


def _suprema(activation: Activation, slopes: Array) -> Array:
    """Return the supremum of |σ′| of each neuron; the layer's largest slope where it is unknown or infinite."""
    largest = float(np.abs(slopes).max())
    bounds = [activation.neuron(j).slope_bound for j in range(slopes.shape[1])]
    return np.array([largest if bound is None else bound for bound in bounds])


def _absolute_norms(tape: Tape) -> list[tuple[float, int]]:
    """Return ‖g_abs‖ and K of every layer from the second on."""
    net, layout, m = tape.network, tape.network.layout, tape.m
    working = np.promote_types(net.dtype, np.float64)
    size, k = _absolute_output_error(tape, working)
    found: list[tuple[float, int]] = []
    for l in range(layout.last, 1, -1):
        if l < layout.last:
            size = _through_absolute(tape, l, size @ abs(net.weights[l - 1]).astype(working))
            k += layout.sizes[l] + 1 + _extra_roundings(tape.slopes[l - 2])
        a, pattern = np.abs(tape.activations[l - 2]).astype(working), layout.patterns[l - 2]
        if pattern is None:
            of_weights = size.T @ a
        else:
            of_weights = sum(error[pattern.rows] * each[pattern.indices] for error, each in zip(size, a, strict=True))
        norm = math.hypot(euclidean_norm(of_weights), euclidean_norm(size.sum(axis=0)))
        found.insert(0, (norm, k + m + 3))
    return found


def _absolute_output_error(tape: Tape, working: np.dtype[Any]) -> tuple[Array, int]:
    """Return the magnitude on which rounding acts in δ^L, shape (m, n_L), and the number of roundings."""
    if tape.combined is None:
        last = tape.network.layout.last
        size = _through_absolute(tape, last, np.abs(tape.cost_gradient).astype(working))
        return size, 5 + _extra_roundings(tape.slopes[-1])
    output, targets = tape.output.astype(working), tape.targets.astype(working)
    size, k = tape.combined.rounding(tape.weighted_inputs[-1], output, targets)
    return tape.share_column.astype(working) * size, k


def _through_absolute(tape: Tape, l: int, v: Array) -> Array:
    """Return |Σ′(z^l)|ᵀv; a coupled Σ′ has the entries that rounding acts on, which may be larger."""
    slope = tape.slopes[l - 2]
    if not isinstance(slope, CoupledSlope):
        scaled: Array = np.abs(slope) * v
        return scaled
    # One example at a time, since its matrix may be large.
    rows = range(tape.m)
    blocks = (slope.activation.magnitude(slope.z[x : x + 1], slope.a[x : x + 1])[0] for x in rows)
    return np.array([block.T @ v[x] for x, block in zip(rows, blocks, strict=True)])


def _extra_roundings(slope: Any) -> int:
    return slope.roundings if isinstance(slope, CoupledSlope) else 0


def _sufficient(absolute: float, roundings: int, norm: float, rms: float) -> str | None:
    """Return the coarsest dtype in which γ_K‖g_abs‖ < ‖g‖ and the entries of g are normal numbers."""
    for dtype in DTYPES:
        # Below the smallest normal number a rounding is no longer relative.
        if gamma(roundings, unit_roundoff(dtype)) * absolute < norm and rms >= np.finfo(dtype).smallest_normal:
            return format_dtype(dtype)
    return None


def _singular_values(net: Network, X: Array) -> tuple[list[tuple[float, float]] | None, int]:
    """Return medians of the largest and the smallest singular value of ∂a^l/∂a¹, and the number of their examples."""
    ranks = accumulate(net.sizes, min)
    work = sum(14 * n * before * min(n, before) for n, before in zip(net.sizes[1:], ranks, strict=False))
    # The examples are evenly spaced.
    taken = min(len(X), EXAMPLES, int(WORK // work))
    rows = np.unique(np.linspace(0, len(X) - 1, taken).round().astype(int))
    if not taken:
        return None, 0
    try:
        layers = spectrum(net, X[rows]).layers
    except Refused:
        return None, 0
    return [(float(np.median(layer.largest)), float(np.median(layer.smallest))) for layer in layers], len(rows)
