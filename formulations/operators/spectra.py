r"""The singular values of the Jacobian from the input to each layer.

A change in the inputs grows or shrinks on its way through the network by a factor between the smallest and the largest
singular value of :math:`\partial a^l / \partial x`. If all of them stay near 1 (dynamical isometry), neither signals
nor errors vanish or explode.

The Jacobians are multiplied layer by layer, from the input. A rotation of the inputs leaves singular values as they
are, so a matrix with more columns than rows is replaced by the triangular factor of its transpose's QR decomposition:
the products stay as narrow as the narrowest layer so far.

Source: Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
networks", ICLR 2014; Pennington, Schoenholz and Ganguli, "Resurrecting the sigmoid in deep learning through dynamical
isometry", NeurIPS 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.arrays import (
    SINGLE_AND_DOUBLE,
    Array,
    check_finite,
    current_budget,
    format_bytes,
    format_dtype,
    positive_integer,
    quiet,
)
from formulations.backends import Linearization, get_backend
from formulations.display import counted, draw_by_layer, format_brief, format_table, html_table, html_text, html_view
from formulations.exceptions import Refused
from formulations.functions import get_cost
from formulations.network import Batch, Network, Point, check_network, check_parameters, remark_on_kinks
from formulations.operators.arpack import singular_values
from formulations.operators.jacobian_operators import JacobianOperator

__all__ = ["LayerSpectrum", "Spectrum", "spectrum"]

BLOCK = 2**22
"""The numbers of the largest matrices in a block of examples: 32 MiB in float64."""

CAPTION = "Singular values of ∂a/∂x"
REMARK = "Medians over the examples; a value within roundoff of 0, 2u·max(n_l, n₁) times the largest, counts as 0."
NUMBERS = (0, 1, 3, 4, 5, 6)
"""The columns of numbers: all but the activation."""


@dataclass(frozen=True, eq=False)
class LayerSpectrum:
    """The singular values of ∂a^l/∂x.

    Attributes
    ----------
    layer : int
        l, from 2 to L.
    neurons : int
        n_l.
    activation : str
        The name of its activation.
    values : ndarray of shape (m, k)
        The values of each example, the largest first: k = min(n_l, n₁) of them, or as many of the largest as were asked
        for. Those beyond the width of the narrowest layer so far are exactly 0.
    inputs : int
        n₁.
    """

    layer: int
    neurons: int
    activation: str
    values: Array
    inputs: int

    @property
    def largest(self) -> Array:
        """The largest value of each example, shape (m,): the spectral norm ‖∂a^l/∂x‖₂."""
        largest: Array = self.values[:, 0]
        return largest

    @property
    @quiet
    def smallest(self) -> Array:
        """The smallest value of each example, shape (m,); 0 if it is within roundoff of 0."""
        smallest: Array = np.where(self.values[:, -1] > self.roundoff, self.values[:, -1], 0)
        return smallest

    @property
    @quiet
    def roundoff(self) -> Array:
        r"""The largest value indistinguishable from 0, for each example: :math:`2u \max(n_l, n_1) \sigma_{\max}`.

        Roundoff u in the entries of J changes a singular value by at most :math:`u \lVert J \rVert_F \le
        u \max(n_l, n_1) \sigma_{\max}`, and the decomposition may change it by as much again. It is the rule of
        :func:`numpy.linalg.matrix_rank`.
        """
        roundoff: Array = self.largest * (max(self.neurons, self.inputs) * np.finfo(self.values.dtype).eps)
        return roundoff

    @property
    @quiet
    def rms(self) -> Array:
        """The root mean square of each example's values, shape (m,)."""
        # Scaled, since squares may underflow.
        scale = np.where(self.largest > 0, self.largest, 1)[:, None]
        rms: Array = scale[:, 0] * np.sqrt(np.mean((self.values / scale) ** 2, axis=1))
        return rms


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum:
    """The result of :func:`formulations.spectrum`; printed, it is a table.

    Attributes
    ----------
    title : str
        The network and the number of examples.
    layers : tuple of LayerSpectrum
        From the second layer to the last.
    complete : bool
        Whether all values were computed, or only some of the largest.
    kinks : int
        How many weighted inputs lie on a kink of their activation, such as relu's 0. There the slope is the left one.
    """

    title: str
    layers: tuple[LayerSpectrum, ...]
    complete: bool
    kinks: int = 0

    @property
    def values(self) -> tuple[Array, ...]:
        """The singular values of ∂a^l/∂x at ``values[l-2]``, shape (m, k), the largest first."""
        return tuple(layer.values for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        layers = [
            {
                "layer": layer.layer,
                "neurons": layer.neurons,
                "activation": layer.activation,
                "values": layer.values.astype(float).tolist(),
            }
            for layer in self.layers
        ]
        return {"title": self.title, "complete": self.complete, "kinks": self.kinks, "layers": layers}

    @quiet
    def plot(self, ax: Any = None) -> Any:
        """Draw the largest value, the root mean square and the smallest one in each layer, medians over the examples.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default in a new figure.

        Returns
        -------
        matplotlib Figure
            The new figure, or that of ``ax``.

        Raises
        ------
        MissingExtra
            If matplotlib is not installed.
        WrongType
            If ``ax`` is not a matplotlib Axes.
        """
        return draw_by_layer(self._medians(), f"{CAPTION}: {self.title}", ax, ylabel="singular value")

    def _medians(self) -> dict[str, list[float]]:
        """Return the medians over the examples, by layer."""
        what = {"largest": "largest", "rms": "root mean square", "smallest": "smallest"}
        if not self.complete:
            what = {"largest": "largest"}
        return {
            heading: [float(np.median(getattr(layer, name))) for layer in self.layers] for name, heading in what.items()
        }

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Return the header and the rows of the table."""
        medians = self._medians()
        rows = [
            [
                str(layer.layer),
                str(layer.neurons),
                layer.activation,
                str(layer.values.shape[1]),
                *(format_brief(line[i]) for line in medians.values()),
            ]
            for i, layer in enumerate(self.layers)
        ]
        return ["layer", "neurons", "activation", "values", *medians], rows

    def __str__(self) -> str:
        header, rows = self._table()
        remarks = filter(None, [REMARK, remark_on_kinks(self.kinks)])
        return "\n".join([f"{CAPTION}: {self.title}", format_table(header, rows, right=NUMBERS), *remarks])

    def _repr_html_(self) -> str:
        header, rows = self._table()
        table = html_table(header, rows, right=NUMBERS)
        remarks = html_text(f"{REMARK}\n{remark_on_kinks(self.kinks)}", "small")
        return html_view(html_text(f"{CAPTION}: {self.title}", "title"), table, remarks)

    def __repr__(self) -> str:
        return f"<Spectrum of {self.title}>"


@quiet
def spectrum(net: Network, X: Any, largest: int | None = None) -> Spectrum:
    """Compute the singular values of the Jacobian from the input to each layer, per example.

    Parameters
    ----------
    net : Network
        The network; its slopes may be coupled.
    X : array_like of shape (m, n₁)
        One example a row.
    largest : int, optional
        How many of the largest values to compute for each example and layer, by ARPACK, which does not form the
        Jacobian. By default all are computed, from the matrices.

    Returns
    -------
    Spectrum
        ``values[l-2]`` holds those of ∂a^l/∂x, shape (m, min(n_l, n₁)), the largest first; in the network's dtype, or
        in float64 for longdouble, since LAPACK supports nothing wider.

    Raises
    ------
    WrongShape, WrongType, InvalidInput
        If the data cannot be used, or ``largest`` is not a positive integer.
    NotFinite
        If the data or a Jacobian hold NaN or infinity.
    Refused
        If the matrices of one example exceed the memory of :func:`formulations.use_budget`, or if the largest values do
        not converge.

    Notes
    -----
    The values are those of the computed Jacobian. Roundoff changes each by up to about 2u·max(n_l, n₁) times the
    largest, so a smaller one has no correct digit: ``LayerSpectrum.smallest``, the table and the plot treat it as 0.
    The smallest value of a softmax layer no wider than the input is always 0, since its outputs sum to 1.

    Examples
    --------
    >>> net = Network(weights=[[[3.0, 0.0], [0.0, 4.0]], [[0.0, 1.0]]], biases=[[0.0, 0.0], [0.0]],
    ...               activations="identity")
    >>> found = spectrum(net, [[0.0, 0.0]])
    >>> [values.tolist() for values in found.values]
    [[[4.0, 3.0]], [[4.0]]]
    """
    check_network(net)
    X = net.check_examples(X, targets=False).X
    check_parameters(net)
    if largest is not None:
        largest = positive_integer(largest, "largest")
    counted_examples, dtype = counted(len(X), "example"), format_dtype(net.dtype)
    if net.dtype not in SINGLE_AND_DOUBLE:
        net, X = net.astype("float64"), X.astype("float64")
    if largest is None:
        values, kinks = _all_values(net, X)
    else:
        values, kinks = _largest_values(net, X, largest)
    layers = zip(net.sizes[1:], net.activations, values, strict=True)
    return Spectrum(
        title=f"{net.layout}, {net.activation_names}, {counted_examples}, {dtype}",
        layers=tuple(
            LayerSpectrum(l, n, each.name, found, net.sizes[0]) for l, (n, each, found) in enumerate(layers, start=2)
        ),
        complete=largest is None,
        kinks=kinks,
    )


def _all_values(net: Network, X: Array) -> tuple[list[Array], int]:
    """Return the singular values of every layer, shape (m, min(n_l, n₁)), and how many z lie on a kink."""
    first, sizes = net.sizes[0], net.sizes[1:]
    values = [np.zeros((len(X), min(n, first)), net.dtype) for n in sizes]
    numbers = max(n * min(first, *net.sizes[:i]) for i, n in enumerate(net.sizes) if i)
    if (wanted := 3 * numbers * net.dtype.itemsize) > (allowed := current_budget().memory):
        raise Refused(
            f"the Jacobians of one example must fit the budget of {format_bytes(allowed)}, and take "
            f"{format_bytes(wanted)}; pass largest=1 for the norms alone, without matrices, or allow it with "
            "formulations.use_budget(memory=...)."
        )
    block, kinks = max(1, BLOCK // numbers), 0
    for start in range(0, len(X), block):
        rows = slice(start, start + block)
        linearization = _linearized(net, X[rows])
        kinks += linearization.point.kinks
        for out, found in zip(values, _by_layer(linearization), strict=True):
            # The others are 0, since the rank is lower.
            out[rows, : found.shape[1]] = found
    return values, kinks


def _by_layer(linearization: Linearization) -> Iterator[Array]:
    """Yield the singular values of ∂a²/∂x, ∂a³/∂x, …, as many as the narrowest layer so far is wide."""
    product = linearization.jacobian(2, 1)
    for l in range(2, linearization.point.network.layout.last + 1):
        if l > 2:
            product = linearization.push(product.transpose(2, 0, 1), l, l - 1).transpose(1, 2, 0)
        check_finite(product, f"the Jacobian of layer {l}")
        if product.shape[2] > product.shape[1]:
            triangular: Array = np.asarray(np.linalg.qr(product.transpose(0, 2, 1), mode="r"))
            product = triangular.transpose(0, 2, 1)
        yield np.linalg.svd(product, compute_uv=False)


def _largest_values(net: Network, X: Array, count: int) -> tuple[list[Array], int]:
    """Return the largest singular values of every layer, shape (m, count), and how many z lie on a kink."""
    widths = [min(n, net.sizes[0]) for n in net.sizes[1:]]
    values, kinks = [np.zeros((len(X), min(count, width)), net.dtype) for width in widths], 0
    for x, example in enumerate(X):
        linearization = _linearized(net, example[None])
        kinks += linearization.point.kinks
        for l, out in enumerate(values, start=2):
            # The others are 0, since the rank is lower, and ARPACK does not converge to them.
            k = min(count, *net.sizes[:l])
            out[x, :k] = _largest_of(net, linearization, l, k, count)
    for l, found in enumerate(values, start=2):
        check_finite(found, f"the singular values of layer {l}")
    return values, kinks


def _largest_of(net: Network, linearization: Linearization, l: int, k: int, count: int) -> Array:
    """Return the k largest singular values of ∂a^l/∂x of one example, without forming it if they are few."""
    # A Krylov space of ARPACK's size would be the whole space.
    if max(2 * count + 1, 20) >= min(net.sizes[l - 1], net.sizes[0]):
        matrix = linearization.jacobian(l, 1)[0]
        check_finite(matrix, f"the Jacobian of layer {l}")
        found: Array = np.linalg.svd(matrix, compute_uv=False)[:k]
        return found
    return singular_values(JacobianOperator(net, linearization, l, 1), k, np.random.default_rng(0))


def _linearized(net: Network, X: Array) -> Linearization:
    """Return the Jacobians of some examples as products of factors, which serve coupled slopes too.

    In the optimal order, a product with a vector forms no matrix.
    """
    return get_backend("product:order=optimal").linearize(Point(net, Batch(X, None, None, get_cost("quadratic"))))
