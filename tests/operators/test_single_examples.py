"""The gradients of single examples without forming them, against the formed ones, by derived bounds."""

from __future__ import annotations

import math
import tracemalloc

import bounds
import makers
import numpy as np
import pytest
from scipy.sparse import csr_array

import formulations as fm
from formulations.exceptions import InvalidInput, NotFinite, Refused, WrongType
from formulations.plans import chunks

CASES = {
    "two layers": lambda dtype: (makers.network(dtype=dtype), "quadratic", "hadamard"),
    "sparse": lambda dtype: (makers.sparse_network(dtype=dtype), "quadratic", "hadamard"),
    "combined": lambda dtype: (makers.network(dtype=dtype), "binary_cross_entropy", "hadamard"),
    "coupled": lambda dtype: (fm.Network.random([4, 5, 3], "softmax", seed=0, dtype=dtype), "quadratic", "kronecker"),
    "deep": lambda dtype: (fm.Network.random([4] * 9, "tanh", seed=0, dtype=dtype), "quadratic", "sigma"),
}


@pytest.fixture(params=CASES)
def case(request, dtype):
    net, cost, backend = CASES[request.param](dtype)
    return net, *makers.data(net), cost, backend


@pytest.fixture(params=makers.DTYPES)
def dtype(request):
    return request.param


def widest(net):
    """The terms in the longest sum: one factor of a layer's δ, one of its inputs and the bias, and the layers."""
    return max(a + b for a, b in zip(net.sizes, net.sizes[1:], strict=False)) + 1 + len(net.sizes)


def wide(rows):
    return rows.astype(np.longdouble)


def gamma(k, net):
    """γ_k of the network's dtype, and the rounding of the sums of the test itself."""
    return bounds.gamma(k, net.dtype) + bounds.gamma(net.layout.count + 8, np.longdouble)


def in_chunks_of(size, net):
    backend = fm.get_backend("hadamard")
    memory = chunks.bytes_for(backend, net, size)
    assert chunks.chunk_size(backend, net, memory) == size
    return fm.use_budget(memory=memory)


def test_norms_are_those_of_the_gradients(case):
    net, X, Y, *how = case
    rows = wide(fm.per_example_gradients(net, X, Y, *how))
    norms = fm.per_example_norms(net, X, Y, *how)
    assert norms.dtype == net.dtype and norms.shape == (8,)
    # All terms are positive, so the errors are relative: γ of the longest sum of squares, and at most 2u for each
    # root, product and hypot, of which there are six in a layer, and 2u for what the rows have lost.
    truth = np.sqrt((rows**2).sum(axis=1))
    assert bounds.within(norms - truth, gamma(widest(net) + 14, net) * truth)


def test_inner_products_are_those_of_the_gradients(case):
    net, X, Y, *how = case
    rows = wide(fm.per_example_gradients(net, X, Y, *how))
    gram = fm.gradient_gram(net, X, Y, *how)
    assert gram.dtype == net.dtype and np.array_equal(gram, gram.T)
    # γ of both sums, their product, the sum over the layers, and the rounding of both rows.
    assert bounds.within(gram - rows @ rows.T, gamma(widest(net) + 4, net) * np.abs(rows) @ np.abs(rows.T))


def test_cosines_are_those_of_the_gradients(case):
    net, X, Y, *how = case
    rows = wide(fm.per_example_gradients(net, X, Y, *how))
    cosines = fm.gradient_cosines(net, X, Y, *how)
    assert np.array_equal(cosines, cosines.T) and np.abs(cosines).max() <= 1
    units = rows / np.sqrt((rows**2).sum(axis=1, keepdims=True))
    # The bound of an inner product for the numerator and for the squared length, and five roundings.
    assert bounds.within(cosines - units @ units.T, gamma(2 * widest(net) + 13, net))


def test_a_clipped_gradient_is_the_mean_of_clipped_gradients(case):
    net, X, Y, *how = case
    # Shares of powers of two, which scale δ exactly.
    weights = np.array([1, 1, 2, 4, 0, 0, 4, 4])
    rows = wide(fm.per_example_gradients(net, X, Y, *how))
    norms = fm.per_example_norms(net, X, Y, *how)
    limit = float(np.median(norms))
    found = fm.clipped_gradient(net, X, Y, limit, *how, sample_weight=weights)
    factors = weights[:, None] / 16 * np.minimum(1, limit / np.sqrt((rows**2).sum(axis=1, keepdims=True)))
    assert (factors < weights[:, None] / 16).any() and not (factors < weights[:, None] / 16).all()
    steps = widest(net) + 14 + len(X) + 5
    bound = gamma(steps, net) * (factors * np.abs(rows)).sum(axis=0)
    assert bounds.within(found.vector - (factors * rows).sum(axis=0), bound)
    assert found.cost == fm.gradient(net, X, Y, *how, sample_weight=weights).cost
    assert found.errors is None and found.backend == how[1]


def test_without_clipping_it_is_the_gradient(case):
    net, X, Y, *how = case
    weights = [3, 1, 0, 2, 1, 1, 5, 1]
    for given in (None, weights):
        found = fm.clipped_gradient(net, X, Y, 1e300, *how, sample_weight=given)
        assert np.array_equal(found.vector, fm.gradient(net, X, Y, *how, sample_weight=given).vector)


COMPILED = ("autodiff_torch", "autodiff_jax", "fused")


@pytest.mark.parametrize(
    "flag",
    [pytest.param(flag, marks=[pytest.mark.slow] * flag.startswith(COMPILED)) for flag in makers.ANALYTIC],
)
def test_every_formulation_with_errors_gives_the_same(flag):
    makers.skip_absent(flag)
    net = makers.network(flag)
    X, Y = makers.data(net)
    if fm.gradient(net, X, Y, backend=flag).errors is None:
        with pytest.raises(Refused, match=rf"{flag}.* computes a gradient without them; take .* 'hadamard'"):
            fm.per_example_norms(net, X, Y, backend=flag)
        return
    # Not every backend leaves activations on the tape.
    for a in net._spare[1].tape.activations[1:]:
        a[...] = np.nan
    rows = fm.per_example_gradients(net, X, Y, backend=flag)
    for x, row in enumerate(rows):
        alone = [part[x : x + 1] for part in (X, Y)]
        bound = bounds.propagated(net, *alone).vector
        assert bounds.within(row - fm.gradient(net, *alone).vector, 2 * bound)
    norms = fm.per_example_norms(net, X, Y, backend=flag)
    truth = np.sqrt((wide(rows) ** 2).sum(axis=1))
    assert bounds.within(norms - truth, gamma(widest(net) + 14, net) * truth)
    clipped = fm.clipped_gradient(net, X, Y, 1e300, backend=flag)
    assert bounds.within(clipped.vector - fm.gradient(net, X, Y).vector, 2 * bounds.propagated(net, X, Y).vector)


def test_integers_are_exact(dtype):
    weights, biases = [np.array([[1, -1], [2, 0]]), np.array([[1, -2]])], [[0, 1], [1]]
    net = fm.Network(weights, biases, ["square", "identity"], dtype=dtype)
    X, Y = np.array([[1, 1], [2, -1], [0, 3], [1, 0]]), np.array([[1], [0], [2], [-1]])
    rows = fm.per_example_gradients(net, X, Y)
    assert np.array_equal(fm.gradient_gram(net, X, Y), rows @ rows.T)


def test_a_sparse_weight_has_a_gradient_on_its_pattern_only(monkeypatch):
    # The first neuron receives 3 and the second 4: the gradients of their weights are 2·3 and 5·4, of six 0 else.
    pattern = csr_array((np.ones(2), ([0, 1], [0, 2])), shape=(3, 3))
    net = fm.Network([pattern], [[0.0, 0.0, 0.0]], "identity")
    X, Y = [[3.0, 100.0, 4.0]], [[1.0, -1.0, 0.0]]
    assert fm.per_example_gradients(net, X, Y).tolist() == [[6.0, 20.0, 2.0, 5.0, 0.0]]
    assert fm.gradient_gram(net, X, Y).tolist() == [[36 + 400 + 4 + 25]]
    monkeypatch.setattr("formulations.operators.examples.ENTRIES", 1)
    assert fm.gradient_gram(net, X, Y).tolist() == [[36 + 400 + 4 + 25]]
    assert fm.per_example_norms(net, X, Y) == pytest.approx([465**0.5], rel=8 * 2**-53)


SCALES = {"errors that are tiny": (-1, 0), "errors that are huge": (1, 0), "inputs that are huge": (-1.5, 1)}


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(("dtype", "size"), [("float32", 25), ("float64", 200)])
@pytest.mark.parametrize("scale", SCALES)
def test_squares_neither_overflow_nor_underflow(scale, dtype, size, sparse):
    # The square of 10^size, or of its inverse, is no number of the dtype. The targets are 0, so δ = w a.
    of_weights, of_inputs = SCALES[scale]
    weights = 10 ** (of_weights * size) * np.array([[1.0, 1.0], [0.0, 1.0]])
    net = fm.Network([csr_array(weights) if sparse else weights], [np.zeros(2)], "identity", dtype=dtype)
    X, Y = np.array([[10.0 ** (of_inputs * size), 1.0], [0.5, -2.0]]), np.zeros((2, 2))
    rows = fm.per_example_gradients(net, X, Y).astype(float)
    truth = np.array([math.hypot(*row) for row in rows])
    assert bounds.within(fm.per_example_norms(net, X, Y) - truth, bounds.gamma(widest(net) + 15, dtype) * truth)
    units = rows / truth[:, None]
    cosines = fm.gradient_cosines(net, X, Y)
    assert bounds.within(cosines - units @ units.T, bounds.gamma(2 * widest(net) + 16, dtype))
    if of_inputs:
        # What is below the smallest number may become 0.
        lost = net.layout.count * float(np.finfo(dtype).tiny)
        bound = bounds.gamma(widest(net) + 5, dtype) * np.abs(rows) @ np.abs(rows.T) + lost
        assert bounds.within(fm.gradient_gram(net, X, Y) - rows @ rows.T, bound)
    if of_weights > 0:
        return  # The cost, a sum of squares, is infinite.
    limit = truth.max() / 2
    clipped = fm.clipped_gradient(net, X, Y, limit).vector
    kept = (np.minimum(truth, limit) / truth)[:, None] * rows / 2
    assert bounds.within(clipped - kept.sum(axis=0), bounds.gamma(widest(net) + 30, dtype) * np.abs(kept).sum(axis=0))


def test_a_gradient_of_zero_has_no_direction_and_is_not_clipped():
    net = fm.Network([[[1.0, 2.0]]], [[0.0]], "identity")
    X, Y = [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], [[1.0], [0.0], [0.0]]
    assert fm.per_example_norms(net, X, Y)[0] == 0
    cosines = fm.gradient_cosines(net, X, Y)
    assert np.isnan(cosines[0]).all() and np.isnan(cosines[:, 0]).all() and np.isfinite(cosines[1:, 1:]).all()
    assert fm.gradient_gram(net, X, Y)[0].tolist() == [0, 0, 0]
    # The gradients are 0, 3·(1, 1, 1) and 2·(0, 1, 1).
    expected = np.array([1, 1, 1]) * 1e-3 / 3**0.5 + np.array([0, 1, 1]) * 1e-3 / 2**0.5
    found = fm.clipped_gradient(net, X, Y, 1e-3).vector
    assert bounds.within(found - expected / 3, bounds.gamma(20, "float64") * expected)


def test_an_example_without_weight_cannot_spoil_a_clipped_gradient():
    net = fm.Network([[[1e100]]], [[0.0]], "identity")
    X, Y = [[1.0], [1e250]], [[0.0], [0.0]]
    found = fm.clipped_gradient(net, X, Y, 1.0, sample_weight=[1, 0])
    assert np.array_equal(found.vector, fm.clipped_gradient(net, X[:1], Y[:1], 1.0).vector)


def test_what_is_not_finite_is_refused_with_its_example():
    net = fm.Network([[[1e200]]], [[0.0]], "identity")
    X, Y = [[1.0], [1.0], [1e200]], [[0.0]] * 3
    for call in (fm.per_example_norms, fm.gradient_cosines):
        with pytest.raises(NotFinite, match=r"got ‖∇C_x‖ = inf for example 2; scale"):
            call(net, X, Y)
    with pytest.raises(NotFinite, match="for example 2; scale"):
        fm.clipped_gradient(net, X, Y, 1.0)
    X, Y = [[1.0]] * 40 + [[1e200]], [[0.0]] * 41
    for call in (fm.per_example_norms, lambda *data: fm.clipped_gradient(*data, 1.0)):
        with in_chunks_of(16, net), pytest.raises(NotFinite, match="for example 40; scale"):
            call(net, X, Y)
    with pytest.raises(NotFinite, match=r"got ⟨∇C_x, ∇C_y⟩ = inf with example y = 0 for example 0"):
        fm.gradient_gram(net, X[-3:], Y[-3:])


@pytest.mark.parametrize(
    ("given", "exception"),
    [(0, InvalidInput), (-1.0, InvalidInput), (np.nan, InvalidInput), (np.inf, InvalidInput), ("1", WrongType)],
)
def test_the_largest_norm_must_be_a_positive_number(given, exception):
    net = makers.network()
    with pytest.raises(exception, match=r"max_norm must be .*pass a number"):
        fm.clipped_gradient(net, *makers.data(net), given)


def test_more_examples_than_fit_are_taken_in_chunks():
    net = fm.Network.random([2, 3, 2], seed=0)
    X, Y = makers.data(net, 100)
    weights = np.arange(100) + 1.0
    whole = fm.per_example_norms(net, X, Y), fm.clipped_gradient(net, X, Y, 0.1, sample_weight=weights)
    with in_chunks_of(16, net):
        norms = fm.per_example_norms(net, X, Y)
        rows = fm.per_example_gradients(net, X, Y)
        clipped = fm.clipped_gradient(net, X, Y, 0.1, sample_weight=weights)
    truth = np.sqrt((wide(rows) ** 2).sum(axis=1))
    assert bounds.within(norms - truth, gamma(widest(net) + 14, net) * truth)
    assert (whole[0] > 0.1).any() and (whole[0] < 0.1).any()
    shares, factors = weights[:, None] / weights.sum(), np.minimum(1, 0.1 / truth)[:, None]
    assert bounds.within(whole[0] - norms, 2 * gamma(widest(net) + 40, net) * truth)
    for found in (clipped, whole[1]):
        bound = gamma(widest(net) + 150, net) * (factors * shares * np.abs(rows)).sum(axis=0)
        assert bounds.within(found.vector - (factors * shares * rows).sum(axis=0), bound)
    assert abs(clipped.cost - whole[1].cost) <= bounds.gamma(200, "float64") * whole[1].cost


def test_pairs_that_do_not_fit_the_budget_are_refused():
    net = makers.network()
    X, Y = makers.data(net, 100)
    with fm.use_budget(memory=200_000):
        for call in (fm.gradient_gram, fm.gradient_cosines):
            with pytest.raises(Refused, match="the inner products of the gradients of 100 examples must fit"):
                call(net, X, Y)


def test_the_gradients_are_never_formed(monkeypatch):
    """Neither (BP4) nor the rows: a fiftieth of their memory is enough."""
    net = fm.Network.random([400, 50, 2], seed=0)
    X, Y = makers.data(net, 64)
    expected = np.linalg.norm(fm.per_example_gradients(net, X, Y), axis=1)
    monkeypatch.setattr(fm.Tape, "collect", lambda *_: pytest.fail("(BP4) is not needed"))
    tracemalloc.start()
    norms = fm.per_example_norms(net, X, Y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Sums of squares in two orders.
    assert bounds.within(norms - expected, 2 * bounds.gamma(net.layout.count + 4, float) * expected)
    assert peak < 64 * net.layout.count * 8 / 50 + net.vector.nbytes


def test_a_small_network_keeps_its_plan_and_not_its_examples():
    net = makers.network()
    X, Y = makers.data(net)
    fm.gradient(net, X, Y)
    _, plan = net._spare
    fm.per_example_norms(net, X, Y)
    assert net._spare[1] is plan and len(plan.tape.X) == 0
    assert np.array_equal(fm.gradient(net, X, Y).vector, fm.gradient(net.copy(), X, Y).vector)
