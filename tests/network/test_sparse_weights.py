"""Sparse weights to their end: what is taken, gradients by every backend, training, files, judging and memory."""

from __future__ import annotations

import pickle
import tracemalloc

import bounds
import makers
import numpy as np
import pytest
from scipy.sparse import (
    bsr_array,
    coo_array,
    csc_array,
    csr_array,
    csr_matrix,
    dia_array,
    dok_array,
    lil_array,
    random_array,
)

import formulations as fm
from formulations.exceptions import Refused, WrongShape, WrongType
from formulations.functions import COSTS
from formulations.network import forward

DENSE = np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0], [0.0, 3.0, 0.0], [4.0, 5.0, 0.0]])


def pair(flag="hadamard", dtype="float64"):
    """Return a network whose weights are all sparse, and the dense one with the same numbers, that a backend serves.

    One neuron has no weights, one has none that lead on, and a stored entry is 0.
    """
    dense = makers.network(flag, sizes=(4, 5, 6, 3), activations=("tanh", "sine", "sigmoid"), dtype=dtype)
    random, kept = np.random.default_rng(0), []
    for w in dense.weights:
        places = random.random(w.shape) < 0.5
        places[1], places[:, 2], places[0, 0] = False, False, True
        w *= places
        kept.append(csr_array(np.where(places, w, 0)))
    kept[1].data[0] = dense.weights[1][0, 0] = 0
    sparse = fm.Network(kept, dense.biases, dense.activations)
    return sparse, dense


def on_pattern(sparse: fm.Network, gradient: fm.Gradient) -> np.ndarray:
    """Return the entries of a dense gradient that are parameters of the sparse network."""
    parts = []
    for w, b, pattern in zip(gradient.weights, gradient.biases, sparse.layout.patterns, strict=True):
        parts += [w[pattern.rows, pattern.indices], b]
    return np.concatenate(parts)


@pytest.mark.slow
def test_every_backend_agrees_with_hadamard_on_dense_weights(analytic):
    sparse, dense = pair(analytic)
    if not makers.serves(analytic, sparse):
        assert fm.get_backend(analytic).inner.name == "fused"
        return
    X, Y = makers.data(dense)
    found, expected = fm.gradient(sparse, X, Y, backend=analytic), fm.gradient(dense, X, Y)
    # A sum over fewer terms rounds less than the dense one, so each is within the bound of the dense network.
    bound = bounds.propagated(dense, X, Y)
    scattered = fm.Gradient(dense.layout, bound.vector)
    assert bounds.within(found.vector - on_pattern(sparse, expected), 2 * on_pattern(sparse, scattered))
    for mine, other, E in zip(found.errors or (), expected.errors or (), bound.errors, strict=False):
        assert bounds.within(mine - other, 2 * E)


def test_only_compiled_code_needs_dense_weights():
    assert [name for name in fm.list_backends() if not fm.get_backend(name).serves_sparse] in ([], ["fused"])


@pytest.mark.parametrize("engine", ["autodiff_torch", "autodiff_jax"])
def test_an_engine_that_makes_weights_dense_is_estimated_so(engine):
    sparse, dense = pair()
    backend, hadamard = fm.get_backend(engine), fm.get_backend("hadamard")
    assert backend.estimate(sparse, 8).multiplications == backend.estimate(dense, 8).multiplications
    added = backend.estimate(sparse, 8).bytes - hadamard.estimate(sparse, 8).bytes
    assert added == 2 * 8 * (dense.vector.size - sparse.vector.size)


@pytest.mark.parametrize("taken", [csr_array, csr_matrix])
def test_compressed_rows_are_taken_as_they_are(taken):
    matrix = taken(DENSE)
    net = fm.Network([matrix], [np.zeros(4)])
    assert isinstance(net.weights[0], csr_array) and np.array_equal(net.weights[0].data, matrix.data)
    assert not np.shares_memory(net.vector, matrix.data)


@pytest.mark.parametrize("other", [coo_array, csc_array, bsr_array, lil_array, dok_array, dia_array])
def test_other_formats_are_refused(other):
    matrix = other(DENSE)
    with pytest.raises(WrongType) as caught:
        fm.Network([DENSE.T, matrix], [np.zeros(3), np.zeros(4)])
    assert str(caught.value) == (
        "weights[1] must be sparse in compressed rows (csr), whose stored entries are the parameters, "
        f"got {matrix.format}; pass weights[1].tocsr()."
    )


def test_a_conversion_would_drop_stored_zeros():
    """Why formats are not converted: the stored zero of a diagonal is a parameter, and SciPy drops it."""
    assert dia_array((np.array([[1.0, 0.0]]), [0]), shape=(2, 2)).tocsr().nnz == 1


def test_duplicates_are_added_and_rows_sorted_and_the_given_matrix_is_unchanged():
    data, indices, indptr = np.array([5, 100, 2, 100, 9], "int8"), np.array([2, 0, 1, 0, 0]), np.array([0, 2, 4])
    matrix = csr_array((data, indices, indptr), shape=(2, 3))
    # The constructor cuts off what no row refers to.
    matrix.data, matrix.indices = data, indices
    net = fm.Network([matrix], [np.zeros(2)], "identity")
    assert net.weights[0].indices.tolist() == [0, 2, 0, 1] and net.weights[0].data.tolist() == [100, 5, 100, 2]
    doubled = csr_array((data[:4], np.array([0, 0, 0, 0]), indptr), shape=(2, 3))
    # 5 + 100 and 2 + 100 fit int8; 100 + 100 does not.
    twice = csr_array((np.array([100, 100], "int8"), [0, 0], [0, 2, 2]), shape=(2, 3))
    assert fm.Network([doubled], [np.zeros(2)]).weights[0].data.tolist() == [105, 102]
    assert fm.Network([twice], [np.zeros(2)]).weights[0].data.tolist() == [200]
    assert matrix.indices.tolist() == [2, 0, 1, 0, 0] and twice.nnz == 2
    g = fm.gradient(fm.Network([twice], [np.zeros(2)], "identity"), [[1.0, 2.0, 3.0]], [[0.0, 0.0]])
    assert g.weights[0].data.tolist() == [200.0] and g.biases[0].tolist() == [200.0, 0.0]


def test_a_sparse_vector_is_no_matrix():
    with pytest.raises(WrongShape, match=r"weights\[0\] must have shape"):
        fm.Network([csr_array(np.ones(3))], [np.zeros(3)])


def test_a_matrix_without_entries_has_no_weights():
    net = fm.Network([csr_array((2, 3)), np.ones((1, 2))], [np.ones(2), np.zeros(1)], "tanh")
    g = fm.gradient(net, np.ones((2, 3)), np.zeros((2, 1)))
    assert g.vector.size == 2 + 2 + 1 and g.weights[0].nnz == 0 and g.weights[0].shape == (2, 3)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "momentum"])
def test_training_changes_the_stored_entries_alone(optimizer):
    sparse, dense = pair()
    X, Y = makers.data(dense, 12)
    options = {"adam": {"optimizer": "adam"}, "momentum": {"momentum": 0.9}}.get(optimizer, {})
    before = sparse.vector.copy()
    history = fm.sgd(sparse, X, Y, epochs=5, batch_size=5, learning_rate=0.1, seed=0, l2=1e-3, **options)
    assert history.costs[-1] < history.costs[0] and not np.array_equal(sparse.vector, before)
    assert [w.nnz for w in sparse.weights] == [pattern.indices.size for pattern in pair()[0].layout.patterns]
    assert sparse.weights[1].data[0] != 0, "a stored zero learns"


def test_one_epoch_takes_the_steps_of_the_dense_network_with_masked_gradients():
    sparse, dense = pair()
    X, Y = makers.data(dense)
    fm.sgd(sparse, X, Y, epochs=1, batch_size=8, learning_rate=0.5, seed=0)
    g = fm.gradient(dense, X, Y)
    expected = on_pattern(sparse, fm.Gradient(dense.layout, dense.vector - 0.5 * g.vector))
    E = on_pattern(sparse, fm.Gradient(dense.layout, bounds.propagated(dense, X, Y).vector))
    rounding = 4 * np.finfo(float).eps * (np.abs(expected) + np.abs(on_pattern(sparse, g)))
    assert bounds.within(sparse.vector - expected, 2 * 0.5 * E + rounding)


def test_a_plan_follows_the_weights_also_when_it_has_been_copied_by_pickle():
    sparse, _ = pair()
    X, Y = makers.data(sparse)
    plan = fm.prepare(sparse, 8)
    plan(X, Y)
    sparse.vector[...] *= -2
    expected = fm.gradient(sparse.copy(), X, Y).vector
    assert np.array_equal(plan(X, Y).vector, expected)
    again = pickle.loads(pickle.dumps(plan.tape))
    again.network.vector[...] *= -0.5
    fresh = fm.gradient(again.network.copy(), X, Y)
    forward(again.network, again)
    again.output_error()
    assert np.array_equal(again.pull_back(3, again.errors[-1]) * again.slopes[1], fresh.errors[1])


def test_a_run_goes_on_from_its_checkpoint(tmp_path):
    X, Y = makers.data(pair()[0], 12)
    options = {"batch_size": 5, "learning_rate": 0.1, "seed": 0, "momentum": 0.9}
    whole, parted = pair()[0], pair()[0]
    fm.sgd(whole, X, Y, epochs=4, **options)
    fm.sgd(parted, X, Y, epochs=2, checkpoint=tmp_path / "run.npz", **options)
    again = pair()[0]
    fm.sgd(again, X, Y, epochs=4, checkpoint=tmp_path / "run.npz", **options)
    assert np.array_equal(again.vector, whole.vector)
    other = fm.Network([csr_array(np.ones(w.shape)) for w in again.weights], again.biases, again.activations)
    with pytest.raises(Refused, match=r"network was 4-5-6-3, .* digest .*, and is 4-5-6-3, .* digest"):
        fm.sgd(other, X, Y, epochs=4, checkpoint=tmp_path / "run.npz", **options)


def test_a_network_of_sparse_weights_comes_back_from_its_file(tmp_path):
    sparse, _ = pair()
    fm.save(sparse, tmp_path / "net.npz")
    again = fm.load(tmp_path / "net.npz")
    assert again.layout.patterns == sparse.layout.patterns and np.array_equal(again.vector, sparse.vector)


def test_a_candidate_for_sparse_weights_is_judged_in_every_form(tmp_path):
    sparse, _ = pair()
    X, Y = makers.data(sparse)
    g = fm.gradient(sparse, X, Y)
    np.savez(tmp_path / "g.npz", vector=g.vector)
    stored = [w.data for w in g.weights]
    arrays = {f"weights_{l}": w for l, w in enumerate(stored, 2)} | {
        f"biases_{l}": b for l, b in enumerate(g.biases, 2)
    }
    np.savez(tmp_path / "layers.npz", **arrays)
    unsorted = [csc_array(w) for w in g.weights]
    for candidate in (
        g, g.vector, (list(g.weights), list(g.biases)), (stored, list(g.biases)), (unsorted, list(g.biases)),
        lambda net, X, Y: fm.gradient(net, X, Y), tmp_path / "g.npz", tmp_path / "layers.npz",
    ):  # fmt: skip
        assert fm.certify(sparse, X, Y, candidate), candidate
    wrong = g.vector.copy()
    wrong[sparse.layout.slices[1][0].start] *= 1 + 2.0**-20
    found = fm.certify(sparse, X, Y, wrong)
    assert not found and (found.layer, found.equation) == (3, "BP4")


@pytest.mark.slow
def test_comparing_all_backends_finds_them_equal():
    sparse, _ = pair()
    found = fm.compare(sparse, *makers.data(sparse))
    refused = {"fused", "linear", "linear_collapse"}
    unequal = {row.backend for row in found.rows if row.status != "equal" and "not installed" not in row.reason}
    assert unequal <= refused, found


def wide(density, dtype="float64"):
    """Return the weights of a network 10000-100000-10."""
    random, shapes = np.random.default_rng(0), ((100_000, 10_000), (10, 100_000))
    return [random_array(shape, density=density, format="csr", rng=random, dtype=dtype) for shape in shapes]


def peak(call):
    """Return the most that was allocated at a time during a call, and its result."""
    tracemalloc.start()
    result = call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most, result


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_layer_of_100_000_neurons_trains_in_memory_proportional_to_its_entries(dtype):
    random, peaks, entries = np.random.default_rng(0), [], []
    X, Y = random.normal(size=(16, 10_000)).astype(dtype), np.full((16, 10), 0.5, dtype)

    def train(weights):
        net = fm.Network(weights, [np.zeros(100_000, dtype), np.zeros(10, dtype)], ["tanh", "sigmoid"])
        return fm.sgd(net, X, Y, epochs=2, batch_size=8, learning_rate=0.1, seed=0)

    for density in (0.0005, 0.001):
        weights = wide(density, dtype)
        most, history = peak(lambda weights=weights: train(weights))
        peaks.append(most)
        entries.append(sum(w.nnz for w in weights))
        assert history.costs[1] < history.costs[0]
    number, index = np.dtype(dtype).itemsize, 4
    # Each stored entry has a column and a row, and is a number in the parameters, the gradient and at most two more
    # vectors of a step; 1 % for what else is allocated.
    assert (peaks[1] - peaks[0]) <= 1.01 * (4 * number + 2 * index) * (entries[1] - entries[0])
    assert peaks[1] < 100_000 * 10_000 * number / 50


@pytest.mark.slow
def test_a_hessian_product_takes_memory_proportional_to_the_entries():
    X, Y, peaks, entries = np.ones((4, 10_000)), np.full((4, 10), 0.5), [], []
    for density in (0.0005, 0.001):
        net = fm.Network(wide(density), [np.zeros(100_000), np.zeros(10)], ["tanh", "sigmoid"])
        v = np.ones(net.vector.size)
        most, product = peak(lambda net=net, v=v: fm.hessian(net, X, Y) @ v)
        peaks.append(most)
        entries.append(net.layout.weight_count)
        assert product.any()
    # The copy of the parameters at the point, the product and one more sum are numbers, v is copied, and the rows of
    # the pattern are indices.
    assert (peaks[1] - peaks[0]) <= 1.01 * (4 * 8 + 4) * (entries[1] - entries[0])


def test_an_explanation_of_wide_sparse_weights_is_refused():
    net = fm.Network([csr_array((300, 400))], [np.zeros(300)])
    with (
        fm.use_budget(memory="1MB"),
        pytest.raises(Refused, match=r"as dense matrices, .* the budget of 1 MB, and take 1.92 MB; explain a smaller"),
    ):
        fm.explain(net)


def test_a_model_of_sparse_weights_comes_back_from_its_file(tmp_path):
    sparse, _ = pair()
    X, labels = makers.data(sparse, 12)[0], np.arange(12) % 3
    network = fm.Network(list(sparse.weights), list(sparse.biases), ["tanh", "sine", "softmax"])
    model = fm.Model(network, classes=["a", "b", "c"])
    model.fit(X, np.array(["a", "b", "c"])[labels], epochs=2, seed=0)
    model.save(tmp_path / "model.npz")
    again = fm.Model.load(tmp_path / "model.npz")
    assert again.network.layout.patterns == sparse.layout.patterns
    assert np.array_equal(again.network.vector, model.network.vector)
    assert again.predict(X).tolist() == model.predict(X).tolist()


def integer_pair():
    """Return a sparse network of small integers, and the dense one: no operation on either rounds."""
    random = np.random.default_rng(7)
    shapes = [(4, 3), (3, 4), (2, 3)]
    weights = [random.integers(-2, 3, shape).astype(float) for shape in shapes]
    biases = [random.integers(-2, 3, n).astype(float) for n, _ in shapes]
    weights[1][0, 0] = 1
    kept = [csr_array(w) for w in weights]
    kept[1].data[0] = weights[1][0, 0] = 0
    names = ["square", "identity", "identity"]
    return fm.Network(kept, biases, names), fm.Network(weights, biases, names)


def integers():
    """Return examples of small integers for :func:`integer_pair`; four, so that their shares are exact."""
    X, Y = (np.random.default_rng(8).integers(-2, 3, (4, n)).astype(float) for n in (3, 2))
    return X, Y


def places(sparse, dense):
    """Return the positions in the dense network's vector of the sparse one's parameters."""
    return on_pattern(sparse, fm.Gradient(dense.layout, np.arange(dense.vector.size, dtype=float))).astype(int)


OPERATORS = {
    "jacobian": lambda net, X, _, name: fm.jacobian_operator(net, X, wrt="parameters", backend=name),
    "hessian": lambda net, X, Y, name: fm.hessian(net, X, Y, backend=name),
    "gauss_newton": lambda net, X, Y, name: fm.gauss_newton(net, X, Y, backend=name),
}


@pytest.mark.slow
@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_is_that_of_dense_weights_on_the_pattern(operator):
    sparse, dense = integer_pair()
    X, Y = integers()
    make, stored = OPERATORS[operator], places(sparse, dense)
    expected = make(dense, X, Y, "hadamard").to_dense()[:, stored]
    expected = expected if operator == "jacobian" else expected[stored]
    assert np.any(expected)
    backends = [fm.get_backend(name) for name in fm.list_backends()]
    serving = [each for each in backends if each.why_not_operator(operator, sparse, COSTS["quadratic"]) is None]
    exact = [each.name for each in serving if each.tier not in (fm.Tier.PERTURBATION, fm.Tier.ELSEWHERE)]
    assert {"hadamard", "sigma", "tangent"} <= set(exact)
    for name in exact:
        assert np.array_equal(make(sparse, X, Y, name).to_dense(), expected), name


def test_jacobians_between_layers_and_gradients_of_examples_are_those_of_dense_weights():
    sparse, dense = integer_pair()
    X, Y = integers()
    for order in ("optimal", "reverse", "forward"):
        assert np.array_equal(fm.jacobian(sparse, X, order=order), fm.jacobian(dense, X))
    assert np.array_equal(fm.input_gradient(sparse, X, Y), fm.input_gradient(dense, X, Y))
    expected = fm.per_example_gradients(dense, X, Y)[:, places(sparse, dense)]
    assert np.array_equal(fm.per_example_gradients(sparse, X, Y), expected)
    assert np.array_equal(fm.gradient_gram(sparse, X, Y), expected @ expected.T)
    norms = np.sqrt((expected**2).sum(axis=1))
    assert np.allclose(fm.per_example_norms(sparse, X, Y), norms, rtol=8 * np.finfo(float).eps, atol=0)
