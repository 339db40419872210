"""Plans: reused, with smaller batches, for another network, and without allocating; views that stay views."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import makers
import numpy as np
import pytest
from scipy.sparse import csr_array

import formulations as fm
from formulations.exceptions import InvalidInput, Refused, StalePlan, WrongShape, WrongType

LIMIT = 64 * 1024
WITHOUT_ALLOCATION = ("hadamard", "sigma")


def test_a_plan_gives_what_gradient_gives(backend):
    net = makers.network(backend)
    plan = fm.prepare(net, 8, backend=backend)
    for seed in range(3):
        X, Y = makers.data(net, seed=seed)
        assert np.array_equal(plan(X, Y).vector, fm.gradient(net, X, Y, backend=backend).vector)


def test_a_smaller_last_batch_runs_in_the_same_plan(backend):
    net = makers.network(backend)
    X, Y = makers.data(net)
    plan = fm.prepare(net, 8, backend=backend)
    for m in (8, 3, 8, 3, 1, 3, 7, 8):
        assert np.array_equal(plan(X[:m], Y[:m]).vector, fm.gradient(net, X[:m], Y[:m], backend=backend).vector), m


def test_weighted_examples_leave_no_trace_in_the_plan(backend):
    net = makers.network(backend)
    X, Y = makers.data(net)
    plan = fm.prepare(net, 8, backend=backend)
    before = plan(X, Y).copy()
    plan(X, Y, np.arange(8.0))
    assert np.array_equal(plan(X, Y).vector, before.vector)


def test_more_examples_than_prepared_are_refused(backend):
    net = makers.network(backend)
    X, Y = makers.data(net, 9)
    with pytest.raises(StalePlan, match=r"batch_size ✗ prepared for at most 8, got 9; prepare another"):
        fm.prepare(net, 8, backend=backend)(X, Y)


def test_a_plan_takes_on_another_network(backend):
    net, other = (makers.network(backend, seed=seed) for seed in (0, 1))
    X, Y = makers.data(net)
    plan = fm.prepare(net, 8, backend=backend)
    plan(X, Y)
    plan(X[:3], Y[:3])
    expected = fm.gradient(other, X, Y, backend=backend).vector
    assert np.array_equal(plan(X, Y, network=other).vector, expected)
    assert np.array_equal(plan(X, Y).vector, expected)
    assert np.array_equal(plan(X[:3], Y[:3]).vector, fm.gradient(other, X[:3], Y[:3], backend=backend).vector)


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"sizes": (4, 6, 3)}, "sizes"),
        ({"activations": ("tanh", "tanh")}, "activations"),
        ({"dtype": "float32"}, "dtype"),
    ],
)
def test_a_stale_plan_says_which_field_differs(options, wrong):
    plan = fm.prepare(makers.network(), 8)
    other = makers.network(**options)
    X, Y = makers.data(other)
    with pytest.raises(StalePlan) as caught:
        plan(X, Y, network=other)
    message = str(caught.value)
    assert f"{wrong} ✗" in message
    for field in {"sizes", "activations", "dtype"} - {wrong}:
        assert f"{field} ✓" in message


def test_a_plan_for_one_pattern_refuses_another():
    plan = fm.prepare(makers.sparse_network(seed=0), 8)
    other = makers.sparse_network(seed=1)
    with pytest.raises(StalePlan, match="pattern ✗"):
        plan(*makers.data(other), network=other)


def test_the_result_lives_in_the_plan_until_copied(backend):
    net = makers.network(backend)
    X, Y = makers.data(net)
    plan = fm.prepare(net, 8, backend=backend)
    g = plan(X, Y)
    kept = g.copy()
    again = plan(2 * X, Y)
    assert np.shares_memory(g.vector, again.vector)
    assert not np.shares_memory(kept.vector, again.vector)
    assert not np.array_equal(kept.vector, again.vector)
    for delta, mine in zip(kept.errors or (), again.errors or (), strict=True):
        assert not np.shares_memory(delta, mine)


def test_a_plan_refuses_what_is_no_network():
    net = makers.network()
    with pytest.raises(WrongType, match=r"expected a formulations\.Network, got str"):
        fm.prepare(net, 8)(*makers.data(net), network="another")


def test_a_plan_sees_what_a_step_changes(backend):
    net = makers.network(backend)
    X, Y = makers.data(net)
    plan = fm.prepare(net, 8, backend=backend)
    for _ in range(3):
        net.vector -= 0.5 * plan(X, Y).vector
    assert np.array_equal(plan(X, Y).vector, fm.gradient(net.copy(), X, Y, backend=backend).vector)


def scipy_products(net: fm.Network, m: int, flag: str) -> int:
    """Bytes of two of the largest vectors that SciPy's products return: one is read while the next is made."""
    return 2 * m * max(net.sizes[1:]) * net.dtype.itemsize if flag == "sigma" else 0


@pytest.mark.slow
@pytest.mark.parametrize("activation", makers.ELEMENTWISE)
@pytest.mark.parametrize("flag", WITHOUT_ALLOCATION)
def test_steady_state_allocates_next_to_nothing(flag, activation):
    net = fm.Network.random([784, 256, 10], activation, seed=0, init="glorot")
    X, Y = makers.data(net, 256)
    plan = fm.prepare(net, 256, backend=flag)
    for _ in range(3):
        plan(X, Y)
    tracemalloc.start()
    try:
        plan(X, Y)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        plan(X, Y)
        peak = tracemalloc.get_traced_memory()[1] - before
        settled = tracemalloc.get_traced_memory()[0]
        for _ in range(50 if activation == "sigmoid" else 5):
            plan(X, Y)
        growth = tracemalloc.get_traced_memory()[0] - settled
    finally:
        tracemalloc.stop()
    # σ′ and δ of 256 neurons of 256 examples alone would be 512 KB each.
    assert peak <= LIMIT + scipy_products(net, 256, flag)
    assert growth <= 4096


def test_views_are_views_of_the_vector():
    for net in (makers.network(), makers.sparse_network()):
        for thing in (net, fm.gradient(net, *makers.data(net))):
            arrays = [getattr(w, "data", w) if hasattr(w, "indptr") else w for w in thing.weights]
            assert all(np.shares_memory(array, thing.vector) for array in [*arrays, *thing.biases])
            assert sum(array.size for array in [*arrays, *thing.biases]) == thing.vector.size


def test_in_place_steps_reach_the_vector():
    net = makers.network()
    before = net.vector.copy()
    net.weights[0] -= 1
    net.biases[1] *= 2
    net.weights[1][0, 0] = 7
    net.vector += 1
    assert net.weights[1][0, 0] == 8
    assert np.array_equal(net.vector[:20], before[:20] - 1 + 1)
    assert np.array_equal(net.biases[1], 2 * before[-3:] + 1)


def test_in_place_steps_reach_a_sparse_weight():
    net = makers.sparse_network()
    net.weights[0].data[...] = 5
    assert (net.vector[: net.weights[0].nnz] == 5).all()
    net.weights[0].data -= 1
    assert (net.vector[: net.weights[0].nnz] == 4).all()


@pytest.mark.parametrize("attribute", ["weights", "biases"])
@pytest.mark.parametrize("make", [makers.network, makers.sparse_network])
def test_rebinding_is_refused_with_the_remedy(make, attribute):
    net = make()
    remedy = r"change its entries instead: network\.weights\[i\]\[\.\.\.\] = new_values\.$"
    with pytest.raises(InvalidInput, match=remedy):
        getattr(net, attribute)[0] = np.zeros(net.biases[0].shape)
    with pytest.raises(InvalidInput, match=remedy):
        setattr(net, attribute, [])
    with pytest.raises(InvalidInput, match=r"network\.vector\[\.\.\.\] = new_values\.$"):
        net.vector = np.zeros_like(net.vector)


ROUND_TRIPS = {
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "method": lambda thing: thing.copy(),
}


def test_a_tape_that_adds_products_in_place_can_be_pickled():
    tape = fm.prepare(makers.network(sizes=(784, 30, 3)), 10).tape
    assert tape.adds and ROUND_TRIPS["pickle"](tape).adds


def test_no_product_is_added_to_a_sparse_matrix():
    sparse = fm.Network([csr_array(np.eye(30, 784)), np.ones((3, 30))], [np.zeros(30), np.zeros(3)], "sigmoid")
    assert not fm.prepare(sparse, 10).tape.adds


@pytest.mark.parametrize("way", ROUND_TRIPS)
@pytest.mark.parametrize("make", [makers.network, makers.sparse_network])
@pytest.mark.parametrize("dtype", makers.DTYPES)
def test_a_copy_has_views_of_its_own(make, way, dtype):
    net = make(dtype=dtype)
    for thing in (net, fm.gradient(net, *makers.data(net))):
        other = ROUND_TRIPS[way](thing)
        assert other.vector.dtype == dtype
        assert np.array_equal(other.vector, thing.vector)
        assert not np.shares_memory(other.vector, thing.vector)
        first = other.weights[0]
        (first.data if hasattr(first, "indptr") else first)[...] = 3
        other.biases[-1][...] = 4
        assert other.vector[0] == 3 and other.vector[-1] == 4
        assert not np.array_equal(other.vector, thing.vector)


def test_a_copied_gradient_keeps_what_belongs_to_it():
    net = makers.network()
    g = fm.gradient(net, *makers.data(net), backend="sigma:matrix=dense")
    for way in ROUND_TRIPS.values():
        other = way(g)
        assert (other.cost, other.backend, other.forward_passes) == (g.cost, "sigma:matrix=dense", 1)
        assert all(np.array_equal(a, b) for a, b in zip(other.errors, g.errors, strict=True))


def test_sparse_weights_are_a_parameter_space_of_their_own():
    net = makers.sparse_network()
    full = fm.Network([net.weights[0].toarray(), net.weights[1]], list(net.biases), net.activations)
    X, Y = makers.data(net)
    thin, thick = fm.gradient(net, X, Y), fm.gradient(full, X, Y)
    assert thin.weights[0].nnz == net.weights[0].nnz
    assert thin.vector.size == net.vector.size < full.vector.size
    assert net.weights[0].data[0] == 0 and thin.weights[0].data[0] != 0
    assert thin.weights[0].shape == thick.weights[0].shape


def test_a_vector_that_is_not_flat_is_refused():
    net = makers.network()
    with pytest.raises(WrongShape, match="contiguous with 43 entries"):
        net.with_vector(np.zeros(86)[::2])
    with pytest.raises(WrongShape, match="contiguous with 43 entries"):
        net.with_vector(np.zeros(3))
    with pytest.raises(WrongType, match="must be an array, since it is not copied, got list"):
        net.with_vector([0.0] * 43)


def test_a_plan_checks_shapes_and_dtypes_at_every_call():
    net = makers.network()
    plan = fm.prepare(net, 8)
    X, Y = makers.data(net)
    with pytest.raises(WrongShape, match="Y must have shape"):
        plan(X, Y[:, 0])
    with pytest.raises(WrongType, match="complex"):
        plan(X + 0j, Y)


def from_another_thread(function, *arguments):
    """Return what a function returns in a thread that then ends; its exception is raised here."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function, *arguments).result()


@pytest.mark.parametrize("batch_size", [8, "auto"])
def test_a_plan_is_claimed_by_the_thread_that_calls_it_first(backend, batch_size):
    net = makers.network(backend)
    X, Y = makers.data(net)
    plan = fm.prepare(net, batch_size, backend=backend)
    # The thread that prepares it has no claim, so a plan can be passed to another thread.
    claimed = from_another_thread(plan, X, Y)
    kept = claimed.vector.copy()
    message = r"called by the thread that called it first, got a call from another thread.*copy\.copy\(plan\)\.$"
    # The claims of threads that have ended stand, although a new thread may have an old one's identifier.
    for call in (plan, lambda X, Y: from_another_thread(plan, X, Y)):
        with pytest.raises(Refused, match=message):
            call(X / 2, Y)
    if batch_size == "auto":
        with pytest.raises(Refused, match=message):
            plan.over([(X / 2, Y)])
    assert np.array_equal(claimed.vector, kept)
    mine = copy.copy(plan)
    assert np.array_equal(mine(X, Y).vector, kept)
    assert mine.network is net
    assert np.array_equal(from_another_thread(copy.copy(mine), X, Y).vector, kept)


def test_a_call_that_fails_claims_the_plan_and_leaves_it_ready():
    net = makers.network()
    X, Y = makers.data(net)
    plan = fm.prepare(net, 8)
    with pytest.raises(WrongShape):
        plan(X.T, Y)
    assert np.array_equal(plan(X, Y).vector, fm.gradient(net, X, Y).vector)
    with pytest.raises(Refused, match="called it first"):
        from_another_thread(plan, X, Y)


@pytest.mark.parametrize("batch_size", [8, "auto"])
def test_a_plan_called_within_its_own_call_is_refused(batch_size):
    calls = []

    def value(A, Y):
        for call in calls:
            call()
        return ((A - Y) ** 2).sum(axis=1) / 2

    cost = fm.cost(value, lambda A, Y: A - Y, name="nosy")
    net = makers.network()
    X, Y = makers.data(net)
    plan = fm.prepare(net, batch_size, cost=cost)
    expected = plan(X, Y).vector.copy()
    calls.append(lambda: plan(X / 2, Y))
    with pytest.raises(Refused, match=r"must finish a call before the next one.*another plan there, from .*\.$"):
        plan(X, Y)
    # What is remedied as the message says gives the same as before, and so does whatever else is called within.
    calls[:] = [lambda: fm.prepare(net, batch_size)(X / 2, Y), lambda: fm.gradient(net, X / 2, Y)]
    assert np.array_equal(plan(X, Y).vector, expected)
    assert np.array_equal(fm.gradient(net, X, Y, cost=cost).vector, expected)


def test_a_chunk_that_calls_the_plan_which_it_is_for_is_refused():
    net = makers.network()
    X, Y = makers.data(net)
    plan = fm.prepare(net, "auto")

    def chunks():
        yield X, Y
        plan(X, Y)

    with pytest.raises(Refused, match="must finish a call before the next one"):
        plan.over(chunks())
    assert np.array_equal(plan(X, Y).vector, copy.copy(plan)(X, Y).vector)


def test_threads_with_one_plan_are_refused_or_right():
    net = fm.Network.random([20, 30, 10], seed=0)
    batches = [makers.data(net, 16, seed=seed) for seed in range(8)]
    expected = [fm.gradient(net, *batch).vector for batch in batches]
    plan = fm.prepare(net, 16)
    refused = []

    def call(i):
        for _ in range(100):
            try:
                found = plan(*batches[i]).vector
            except Refused:
                refused.append(i)
            else:
                assert np.array_equal(found, expected[i])

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(call, range(8)))
    assert set(refused) < set(range(8))


@pytest.mark.parametrize("name", ["data", "indices", "indptr"])
def test_arrays_of_a_sparse_weight_that_have_been_replaced_are_refused(backend, name):
    net = makers.sparse_network()
    X, Y = makers.data(net)
    if not makers.serves(backend, net):
        pytest.skip("it does not serve sparse weights")
    plan = fm.prepare(net, 8, backend=backend)
    plan(X, Y)
    setattr(net.weights[0], name, getattr(net.weights[0], name).copy())
    message = "replaced by another array" if name == "data" else r"must keep the indices and indptr .* new pattern with"
    for call in (lambda: fm.gradient(net, X, Y, backend=backend), lambda: plan(X, Y)):
        with pytest.raises(InvalidInput, match=message):
            call()
    with pytest.raises(InvalidInput, match=message):
        net(X)
