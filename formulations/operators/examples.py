r"""The gradients of single examples, and what follows from them without forming them.

The gradient of one example's cost is an outer product in each layer, ∂C_x/∂w^l = δ^{x,l} (a^{x,l−1})ᵀ by (BP4), and
δ^{x,l} for the biases by (BP3). Norms and inner products of outer products factor:

.. math::

    \left\lVert \frac{\partial C_x}{\partial w^l} \right\rVert^2
        = \lVert \delta^{x,l} \rVert^2 \, \lVert a^{x,l-1} \rVert^2, \qquad
    \left\langle \frac{\partial C_x}{\partial w^l}, \frac{\partial C_y}{\partial w^l} \right\rangle
        = \langle \delta^{x,l}, \delta^{y,l} \rangle \, \langle a^{x,l-1}, a^{y,l-1} \rangle

and the biases add 1 to the factor of a. So one forward and one backward pass over all examples are enough, without the
m·P numbers of the gradients themselves. A sparse weight has entries on its pattern only, where the sums do not factor:
they run over the stored entries.

Source: Goodfellow, "Efficient per-example gradient computations", arXiv:1510.01799; Abadi et al., "Deep learning with
differential privacy", arXiv:1607.00133, for the clipped mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from formulations.arrays import Array, Pattern, current_budget, format_bytes, higher, positive_number, quiet
from formulations.backends import BackendLike, khatri_rao
from formulations.exceptions import NotFinite, Refused
from formulations.functions import Cost
from formulations.network import Batch, Gradient, Network, Tape, check_gradient, check_network
from formulations.plans import errors_by_chunk

__all__ = ["clipped_gradient", "gradient_cosines", "gradient_gram", "per_example_gradients", "per_example_norms"]

ENTRIES = 2**20
"""The numbers that are formed at a time for the stored entries of a sparse weight."""


@quiet
def per_example_gradients(
    net: Network, X: Any, Y: Any, cost: str | Cost = "quadratic", backend: BackendLike = None
) -> Array:
    r"""Compute the gradient of every example's own cost: vec ∂C_x/∂w^l = δ^{x,l} ⊗ a^{x,l−1}, ∂C_x/∂b^l = δ^{x,l}.

    One forward and one backward pass give all of them, by (BP1)–(BP4) without the sums.

    Parameters
    ----------
    net, X, Y, cost
        As in :func:`formulations.gradient`.
    backend : str, Backend or None
        The formulation that computes the errors δ; see :func:`formulations.get_backend`.

    Returns
    -------
    ndarray of shape (m, P)
        Row x is the gradient of C_x, in the order of ``network.vector``; the mean of the rows is the gradient of C.

    Raises
    ------
    WrongShape, WrongType, InvalidInput
        If the data cannot be used.
    NotFinite
        If the data or the gradients hold NaN or infinity.
    UnknownName
        If no cost or backend has this name.
    Refused
        If the m·P numbers exceed the budget of :func:`formulations.use_budget`, or the backend cannot serve the network
        or computes no δ.

    Notes
    -----
    Norms, inner products and clipped means do not need the matrix: see :func:`formulations.per_example_norms`,
    :func:`formulations.gradient_gram` and :func:`formulations.clipped_gradient`.

    Examples
    --------
    >>> net = Network(weights=[[[2.0]]], biases=[[1.0]], activations="identity")
    >>> per_example_gradients(net, [[3.0], [1.0]], [[5.0], [0.0]])  # z = 7 and 3, δ = 2 and 3
    array([[6., 2.],
           [3., 3.]])
    """
    batch, ones = _single_examples(net, X, Y, cost)
    layout, m = net.layout, len(batch.X)
    _check_memory(f"the gradients of {m} examples by {layout.count} parameters", m * layout.count, net)
    gradients = np.empty((m, layout.count), net.dtype)
    for rows, plan, errors in errors_by_chunk(net, batch, ones, backend):
        layers = zip(errors, plan.tape.activations, layout.patterns, layout.slices, strict=False)
        for delta, a, pattern, (weights, biases) in layers:
            khatri_rao(delta, a, pattern, gradients[rows, weights])
            gradients[rows, biases] = delta
    finite = np.isfinite(gradients)
    if not finite.all():
        x, position = (int(i) for i in np.argwhere(~finite)[0])
        raise NotFinite(_not_finite(f"∂C_x/∂{layout.locate(position)} = {gradients[x, position]}", x))
    return gradients


@quiet
def per_example_norms(
    net: Network, X: Any, Y: Any, cost: str | Cost = "quadratic", backend: BackendLike = None
) -> Array:
    r"""Compute the norm of every example's gradient, without forming the gradients.

    .. math:: \lVert \nabla C_x \rVert^2 = \sum_l \lVert \delta^{x,l} \rVert^2 (\lVert a^{x,l-1} \rVert^2 + 1)

    Parameters
    ----------
    net, X, Y, cost, backend
        As in :func:`formulations.per_example_gradients`.

    Returns
    -------
    ndarray of shape (m,)
        The Euclidean norm of the gradient of each C_x with respect to all weights and biases.

    Raises
    ------
    WrongShape, WrongType, InvalidInput
        If the data cannot be used.
    NotFinite
        If the data or a norm hold NaN or infinity.
    UnknownName
        If no cost or backend has this name.
    Refused
        If the backend cannot serve the network or computes no δ.

    Notes
    -----
    There is no ``sample_weight``, since each norm belongs to one example's own cost.

    It costs less than a gradient, since (BP4) is not computed, and takes the examples in chunks that fit the budget of
    :func:`formulations.use_budget`. Squares are not formed where they would overflow or underflow, so the relative
    error does not depend on the scale of the gradients.

    Examples
    --------
    >>> net = Network(weights=[[[2.0]]], biases=[[1.0]], activations="identity")
    >>> per_example_norms(net, [[0.0], [1.0]], [[3.0], [0.0]])  # the gradients are (0, −2) and (3, 3)
    array([2.        , 4.24264069])
    """
    batch, ones = _single_examples(net, X, Y, cost)
    norms = np.empty(len(batch.X), net.dtype)
    for rows, plan, errors in errors_by_chunk(net, batch, ones, backend):
        norms[rows] = _norms(plan.tape, errors, rows.start)
    return norms


@quiet
def clipped_gradient(
    net: Network,
    X: Any,
    Y: Any,
    max_norm: float,
    cost: str | Cost = "quadratic",
    backend: BackendLike = None,
    sample_weight: Any = None,
) -> Gradient:
    r"""Compute the mean of the examples' gradients, each scaled down to a largest norm.

    .. math:: \sum_x s_x \min\left(1, \frac{c}{\lVert \nabla C_x \rVert}\right) \nabla C_x

    with c = ``max_norm`` and :math:`s_x` the share of the example in the mean. The rows of δ are scaled before (BP3)
    and (BP4), so the single gradients are never formed.

    Parameters
    ----------
    net, X, Y, cost, backend
        As in :func:`formulations.per_example_gradients`.
    max_norm : float
        c, positive: the largest norm that an example's gradient keeps.
    sample_weight : array_like of shape (m,), optional
        Weights of the examples in the mean; they do not change what is clipped.

    Returns
    -------
    Gradient
        ``weights`` and ``biases`` of the clipped mean, and ``cost``, the mean cost; ``errors`` is None. If no example
        is clipped, it is the gradient.

    Raises
    ------
    WrongShape, WrongType, InvalidInput
        If the data or ``max_norm`` cannot be used.
    NotFinite
        If the data or a gradient hold NaN or infinity.
    UnknownName
        If no cost or backend has this name.
    Refused
        If the backend cannot serve the network or computes no δ.

    Examples
    --------
    >>> net = Network(weights=[[[2.0]]], biases=[[1.0]], activations="identity")
    >>> X, Y = [[0.0], [0.75]], [[3.0], [-1.5]]  # the gradients are (0, −2) and (3, 4)
    >>> clipped_gradient(net, X, Y, max_norm=2.5).vector  # the mean of (0, −2) and (1.5, 2)
    array([0.75, 0.  ])
    """
    check_network(net)
    limit = positive_number(max_norm, "max_norm")
    batch = net.check_examples(X, Y, cost=cost, sample_weight=sample_weight).counted()
    shares = batch.shares
    if shares is None:
        shares = np.full((len(batch.X), 1), net.dtype.type(1) / len(batch.X))
    total, cost_value, label = None, net.dtype.type(0), ""
    for rows, plan, errors in errors_by_chunk(net, batch, shares, backend):
        norms = _norms(plan.tape, errors, rows.start)
        # Errors contain the shares, and so does the limit. It may be beyond float32.
        allowed = limit * shares[rows, 0].astype(np.promote_types(net.dtype, np.float64))
        clipped = norms > allowed
        factors = np.ones_like(norms)
        factors[clipped] = allowed[clipped] / norms[clipped]
        part = plan.backend.allocate(net)
        plan.backend.collect(plan.tape, [delta * factors[:, None] for delta in errors], part)
        total = part.vector if total is None else total + part.vector.astype(higher(net.dtype) or net.dtype)
        cost_value += plan.tape.cost_value
        label = plan.backend.label
    result = Gradient(net.layout, np.asarray(total, net.dtype), cost=cost_value, backend=label)
    check_gradient(result)
    return result


@quiet
def gradient_gram(net: Network, X: Any, Y: Any, cost: str | Cost = "quadratic", backend: BackendLike = None) -> Array:
    r"""Compute the inner products of all pairs of examples' gradients, without forming the gradients.

    .. math:: K = \sum_l (\Delta^l \Delta^{l\mathsf T}) \odot (A^{l-1} A^{l-1\mathsf T} + 1)

    with one example a row in :math:`\Delta^l` and :math:`A^{l-1}`.

    Parameters
    ----------
    net, X, Y, cost, backend
        As in :func:`formulations.per_example_gradients`.

    Returns
    -------
    ndarray of shape (m, m)
        ⟨∇C_x, ∇C_y⟩ of the examples' own costs: symmetric and, up to rounding, positive semidefinite.

    Raises
    ------
    WrongShape, WrongType, InvalidInput
        If the data cannot be used.
    NotFinite
        If the data or an inner product hold NaN or infinity.
    UnknownName
        If no cost or backend has this name.
    Refused
        If the matrix exceeds the budget of :func:`formulations.use_budget`, or the backend cannot serve the network or
        computes no δ.

    Notes
    -----
    Inner products below the smallest number of the network's dtype become 0, like every product of small numbers;
    :func:`formulations.gradient_cosines` does not depend on the scale of the gradients.

    Examples
    --------
    >>> net = Network(weights=[[[2.0]]], biases=[[1.0]], activations="identity")
    >>> gradient_gram(net, [[3.0], [1.0]], [[5.0], [0.0]])  # the gradients are (6, 2) and (3, 3)
    array([[40., 24.],
           [24., 18.]])
    """
    batch, ones = _single_examples(net, X, Y, cost)
    _check_pairs(net, len(batch.X))
    for _, plan, errors in errors_by_chunk(net, batch, ones, backend, whole=True):
        gram = _inner_products(plan.tape, errors, np.zeros(len(batch.X), int))
    finite = np.isfinite(gram)
    if not finite.all():
        x, y = (int(i) for i in np.argwhere(~finite)[0])
        raise NotFinite(_not_finite(f"⟨∇C_x, ∇C_y⟩ = {gram[x, y]} with example y = {y}", x))
    return gram


@quiet
def gradient_cosines(
    net: Network, X: Any, Y: Any, cost: str | Cost = "quadratic", backend: BackendLike = None
) -> Array:
    r"""Compute the cosine of the angle between all pairs of examples' gradients, without forming the gradients.

    .. math:: \frac{\langle \nabla C_x, \nabla C_y \rangle}{\lVert \nabla C_x \rVert \, \lVert \nabla C_y \rVert}

    It is near 1 if the two examples want the same change of the parameters, and negative if a step for one of them
    makes the other worse.

    Parameters
    ----------
    net, X, Y, cost, backend
        As in :func:`formulations.per_example_gradients`.

    Returns
    -------
    ndarray of shape (m, m)
        The cosine similarities, from −1 to 1: symmetric. The row and the column of an example whose gradient is zero
        are NaN, since it has no direction.

    Raises
    ------
    WrongShape, WrongType, InvalidInput
        If the data cannot be used.
    NotFinite
        If the data or a gradient hold NaN or infinity.
    UnknownName
        If no cost or backend has this name.
    Refused
        If the matrix exceeds the budget of :func:`formulations.use_budget`, or the backend cannot serve the network or
        computes no δ.

    Examples
    --------
    >>> net = Network(weights=[[[1.0]]], biases=[[0.0]], activations="identity")
    >>> gradient_cosines(net, [[0.75], [-0.75], [1.0]], [[0.0], [0.0], [1.0]])  # (9, 12)/16, (9, −12)/16, (0, 0)
    array([[ 1.  , -0.28,   nan],
           [-0.28,  1.  ,   nan],
           [  nan,   nan,   nan]])
    """
    batch, ones = _single_examples(net, X, Y, cost)
    _check_pairs(net, len(batch.X))
    for _, plan, errors in errors_by_chunk(net, batch, ones, backend, whole=True):
        norms = _norms(plan.tape, errors)
        cosines = _inner_products(plan.tape, errors, np.frexp(norms)[1])
    lengths = np.sqrt(cosines.diagonal())
    cosines /= lengths[:, None] * lengths
    # Rounding must not leave the range of a cosine.
    return np.clip(cosines, -1, 1, out=cosines)


def _single_examples(net: Network, X: Any, Y: Any, cost: str | Cost) -> tuple[Batch, Array]:
    """Return the checked examples, and shares of 1, so that δ belongs to each one's own cost and not to the mean."""
    check_network(net)
    batch = net.check_examples(X, Y, cost=cost)
    return batch, np.ones((len(batch.X), 1), net.dtype)


def _check_memory(what: str, count: int, net: Network) -> None:
    """Raise an exception if so many numbers exceed the budget."""
    wanted, allowed = count * net.dtype.itemsize, current_budget().memory
    if wanted > allowed:
        raise Refused(
            f"{what} must fit the budget of {format_bytes(allowed)}, and take {format_bytes(wanted)}; take fewer "
            "examples at once, or allow it with formulations.use_budget(memory=...)."
        )


def _check_pairs(net: Network, m: int) -> None:
    # The result, and two products of the same shape.
    _check_memory(f"the inner products of the gradients of {m} examples", 3 * m * m, net)


def _not_finite(what: str, x: int) -> str:
    return (
        f"every example's gradient must be finite, got {what} for example {x}; scale weights, inputs and targets down, "
        "or take a cost that has a form combined with the output activation."
    )


def _norms(tape: Tape, errors: Sequence[Array], start: int = 0) -> Array:
    """Return each example's √Σ_l ‖δ^l‖²(‖a^{l−1}‖² + 1), shape (m,), for the examples from ``start`` on.

    Raises
    ------
    NotFinite
        If one of them is not finite.
    """
    factors: list[tuple[Array, Array]] = []
    for delta, a, pattern in zip(errors, tape.activations, tape.network.layout.patterns, strict=False):
        if pattern is not None:
            # Each neuron of a sparse layer has inputs of its own.
            delta, a = delta * np.hypot(1, _norms_on(pattern, a)), a[:, :0]
        factors.append((delta, a))
    squares = np.empty((2, len(factors), tape.m), tape.network.dtype)
    for l, (delta, a) in enumerate(factors):
        np.vecdot(delta, delta, squares[0, l])
        np.vecdot(a, a, squares[1, l])
    of_errors = squares[0]
    norms: Array = np.sqrt(((1 + squares[1]) * of_errors).sum(axis=0))
    # Squares that underflow lose at most n·η, which is below u of a sum of at least n·tiny.
    smallest = max(tape.network.sizes) * np.finfo(norms.dtype).tiny
    if not (of_errors.min() >= smallest and norms.max() < np.inf):
        rows = ~((of_errors >= smallest).all(axis=0) & (norms < np.inf))
        # hypot never squares anything large or small, and takes several times as long.
        lengths = [[np.hypot.reduce(v[rows], axis=1, initial=0) for v in pair] for pair in factors]
        norms[rows] = np.hypot.reduce([delta * np.hypot(1, a) for delta, a in lengths], axis=0)
        finite = np.isfinite(norms)
        if not finite.all():
            x = int(np.argmin(finite))
            raise NotFinite(_not_finite(f"‖∇C_x‖ = {norms[x]}", start + x))
    return norms


def _norms_on(pattern: Pattern, a: Array) -> Array:
    """Return the norm of those a_k that each neuron of a sparse layer receives, shape (m, n_l)."""
    ones = np.ones(pattern.indices.size, a.dtype)
    stored = csr_array((ones, pattern.indices, pattern.indptr), shape=(pattern.indptr.size - 1, a.shape[1]))
    norms: Array = np.sqrt((stored @ (a * a).T).T)
    # Squares that underflow do not count beside the 1 of the bias, but one may overflow.
    filled = np.diff(pattern.indptr) > 0
    for x in np.flatnonzero(~np.isfinite(norms).all(axis=1)):
        norms[x, filled] = np.hypot.reduceat(np.abs(a[x, pattern.indices]), pattern.indptr[:-1][filled])
    return norms


def _inner_products(tape: Tape, errors: Sequence[Array], exponents: Array) -> Array:
    """Return ⟨∇C_x, ∇C_y⟩·2^−(k_x + k_y) for the exponents k, shape (m, m).

    Scaling by powers of two is exact, and no factor overflows unless the inner product nearly does.
    """
    m = len(exponents)
    total = np.zeros((m, m), tape.network.dtype)
    for delta, a, pattern in zip(errors, tape.activations, tape.network.layout.patterns, strict=False):
        if pattern is None:
            reach = np.frexp(np.maximum(1, np.abs(a).max(axis=1)))[1]
            D = np.ldexp(delta, (reach - exponents)[:, None])
            A = np.ldexp(np.concatenate([a, np.ones((m, 1), a.dtype)], axis=1), -reach[:, None])
            products = D @ D.T
            products *= A @ A.T
            total += products
            continue
        D = np.ldexp(delta, -exponents[:, None])
        total += D @ D.T
        block = max(1, ENTRIES // m)
        for start in range(0, pattern.indices.size, block):
            entries = slice(start, start + block)
            formed = D[:, pattern.rows[entries]] * a[:, pattern.indices[entries]]
            total += formed @ formed.T
    return total
