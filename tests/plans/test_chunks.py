"""Batches larger than memory: the same gradient, chunk by chunk, in memory that does not grow."""

from __future__ import annotations

import copy
import pickle
import weakref
from fractions import Fraction

import bounds
import exact
import makers
import numpy as np
import pytest

import formulations as fm
from benchmarks.experiments.memory import peak_bytes
from formulations.arrays.dtypes import higher
from formulations.exceptions import InvalidInput, NotFinite, Refused, WrongShape, WrongType
from formulations.plans.chunks import FEWEST, MOST, TAPE_BYTES, bytes_for


def in_chunks(net, size, flag=None, cost="quadratic") -> fm.ChunkedPlan:
    """Return a plan that takes so many examples at once, because its memory allows no more."""
    plan = fm.prepare(net, "auto", cost, flag, memory=bytes_for(fm.get_backend(flag), net, size))
    assert plan.batch_size == size
    return plan


def uneven(X, Y, sample_weight=None, sizes=(1, 3, 2, 7)):
    """Yield the examples in chunks of these sizes, then what is left."""
    start = 0
    for size in (*sizes, len(X)):
        rows = slice(start, start + size)
        if len(X[rows]):
            yield (X[rows], Y[rows]) if sample_weight is None else (X[rows], Y[rows], sample_weight[rows])
        start += size


def wrongs(found: fm.Gradient, truth) -> list:
    return [i for i, (a, b) in enumerate(zip([*found.vector, found.cost], [*truth.vector, truth.cost], strict=True))
            if Fraction(*a.as_integer_ratio()) != b]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("dtype", makers.DTYPES)
def test_on_small_integers_it_is_exact_however_the_batch_is_divided(analytic, dtype):
    if not makers.serves(analytic, makers.network("linear", dtype=dtype)):
        pytest.skip(f"it does not serve {dtype}")
    linear = {seed: exact.served(analytic, seed) for seed in exact.SEEDS}
    for seed in [seed for seed in exact.SEEDS if linear[seed] is not None][: 4 if ":" in analytic else 8]:
        made, _ = exact.case(seed, linear[seed])
        net, X, Y = made.network(dtype), np.array(made.X), np.array(made.Y)
        weights = None if made.sample_weight is None else np.array(made.sample_weight)
        truth = fm.exact_gradient(net, X, Y, sample_weight=weights)
        for size in (1, 2, 4):
            plan = in_chunks(net, size, analytic)
            assert not wrongs(plan(X, Y, weights), truth), (seed, size)
            assert not wrongs(plan.over(uneven(X, Y, weights)), truth), (seed, size)
            assert plan(X, Y, weights).vector.dtype == net.dtype


def parts_of(m: int, sizes) -> list[slice]:
    ends = np.cumsum([0, *sizes])
    return [slice(int(a), int(b)) for a, b in zip(ends, [*ends[1:], m], strict=True) if a < m]


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_differs_from_the_one_batch_by_rounding_alone(backend, dtype, weighted):
    net = makers.network(backend, dtype=dtype)
    if not makers.serves(backend, net):
        pytest.skip(f"it does not serve {dtype}")
    X, Y = makers.data(net, 21)
    weights = np.random.default_rng(7).random(21) * 100 if weighted else None
    whole = fm.gradient(net, X, Y, backend=backend, sample_weight=weights)
    # The derivation is in formulations/plans/chunks.py: each chunk's own bound, then 2⌈log₂ n⌉ + k roundings in the
    # wide precision and the last one, here all of them on both sides; noise() counts m + 3 roundings for shares and
    # sums of m terms.
    W, counts = (21.0, np.ones(21)) if weights is None else (weights.sum(), weights)
    for sizes in ([4, 4, 4, 4, 4], [1, 3, 2, 7]):
        parts = parts_of(21, sizes)
        own, absolute = np.zeros_like(whole.vector), np.zeros_like(whole.vector)
        for part in parts:
            chosen, share = None if weights is None else weights[part], counts[part].sum() / W
            noise = bounds.noise(backend, net, X[part], Y[part], sample_weight=chosen)
            found = fm.gradient(net, X[part], Y[part], backend=backend, sample_weight=chosen)
            own += share * noise
            absolute += share * (np.abs(found.vector) + noise)
        wide = bounds.gamma(2 * (len(parts) - 1).bit_length() + 7, higher(np.dtype(dtype)) or dtype)
        bound = own + (wide + 2 * bounds.unit(dtype)) * absolute
        bound += bounds.noise(backend, net, X, Y, sample_weight=weights)
        plan = in_chunks(net, 4, backend)
        mine = plan(X, Y, weights) if sizes[0] == 4 else plan.over(uneven(X, Y, weights, sizes))
        assert bounds.within(mine.vector - whole.vector, bound)
        # Both costs are sums of terms of one sign.
        assert bounds.within(mine.cost - whole.cost, 2 * bounds.propagated(net, X, Y, sample_weight=weights).cost)
        assert mine.backend == whole.backend and mine.errors is None and mine.dtype == whole.dtype


def test_forward_passes_are_those_of_all_chunks(backend):
    net = makers.network(backend)
    X, Y = makers.data(net, 8)
    one = fm.gradient(net, X[:4], Y[:4], backend=backend).forward_passes
    assert in_chunks(net, 4, backend)(X, Y).forward_passes == 2 * one


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_are_kept_in_the_next_higher_precision(dtype):
    wide = higher(np.dtype(dtype))
    if wide is None:
        pytest.skip("the platform has none")
    net = fm.Network([[[1.0]]], [[0.0]], "identity", dtype=dtype)
    big, n = 2 / net.dtype.type(np.finfo(dtype).eps), 4096
    Y = np.full((n, 1), -1, dtype)
    Y[0] = -big
    # C = ½(a − y)² with a = 0, so ∂C/∂b = −y: to 2/eps, a 1 is added in vain in the network's own precision.
    found = in_chunks(net, 1)(np.zeros((n, 1), dtype), Y)
    assert found.biases[0][0] == net.dtype.type((wide.type(big) + (n - 1)) / n) != net.dtype.type(big / n)


def test_coupled_activations_sparse_weights_and_fused_costs():
    sparse = makers.sparse_network(activations=("tanh", "sigmoid"))
    softmax = makers.network("sigma", activations=("softmax", "softmax"))
    for net, cost in [(sparse, "binary_cross_entropy"), (softmax, "quadratic"), (softmax, "log_likelihood")]:
        X, Y = makers.data(net, 12)
        Y /= Y.sum(axis=1, keepdims=True)
        three = [fm.gradient(net, X[i : i + 4], Y[i : i + 4], cost, "sigma") for i in (0, 4, 8)]
        # Four examples weigh 1/4 each without rounding, so not a bit may differ from the mean of three such gradients.
        wide = higher(net.dtype) or net.dtype
        found = in_chunks(net, 4, "sigma", cost)(X, Y)
        for mine, parts in [(found.vector, [g.vector for g in three]), (found.cost, [g.cost for g in three])]:
            assert np.array_equal(mine, (np.sum(np.asarray(parts, wide), axis=0) / wide.type(3)).astype(net.dtype))


def test_weights_of_any_size_are_weighed_as_in_one_batch():
    net = fm.Network([[[1.0]]], [[0.0]], "identity", dtype="float32")
    X, Y = np.zeros((4, 1)), np.array([[-1.0], [-2.0], [-3.0], [-4.0]])
    largest = np.finfo(np.float64).max
    plan = in_chunks(net, 1)
    for weights, expected in [
        ([largest, largest, largest, largest], 2.5),
        ([1e-300, 1e-300, 1e-300, 1e-300], 2.5),
        ([0, 0, 1e-310, 0], 3),
        ([1e-300, largest, 1, largest], 3),
        ([largest, 1, 0, largest], 2.5),
        ([False, True, True, False], 2.5),
    ]:
        assert plan(X, Y, weights).biases[0][0] == expected
        assert plan.over(uneven(X, Y, weights, (2, 1))).biases[0][0] == expected


def test_an_example_without_weight_may_have_an_infinite_cost():
    net = makers.network()
    X, Y = makers.data(net, 8)
    weights = np.array([1, 0, 2, 1, 1, 1, 1, 0.5])
    plan = in_chunks(net, 4)
    expected = plan(X, Y, weights).copy()
    Y[1] = 1e300
    found = plan(X, Y, weights)
    assert found.cost == expected.cost and np.array_equal(found.vector, expected.vector)


def test_the_smallest_weight_still_counts_after_none():
    net = fm.Network([[[1.0]]], [[0.0]], "identity", dtype="float32")
    found = in_chunks(net, 1)([[0], [0]], [[-1.0], [-0.1]], [0, 5e-324])
    assert found.biases[0][0] == np.float32(0.1)


def test_chunks_without_weights_count_one_an_example():
    net = fm.Network([[[1.0]]], [[0.0]], "identity")
    plan = in_chunks(net, 2)
    chunks = [([[0]], [[-1]]), ([[0], [0]], [[-4], [-5]], [3, 0]), ([[0]] * 3, [[0]] * 3, [0, 0, 0]),
              ([[0]], [[0]], None)]  # fmt: skip
    assert plan.over(chunks).biases[0][0] == (1 + 3 * 4) / 5


def test_sums_do_not_overflow_if_the_mean_does_not():
    net = fm.Network([[[1.0]]], [[0.0]], "identity", dtype="float32")
    X, Y = np.zeros((1000, 1), np.float32), np.full((1000, 1), -(2.0**63.5), np.float32)
    found = in_chunks(net, 128)(X, Y)
    assert found.biases[0][0] == -Y[0, 0] and np.isfinite(found.cost)
    assert found.cost == fm.gradient(net, X[:1], Y[:1]).cost


@pytest.mark.slow
@pytest.mark.parametrize("memory", ["least", "1MB"])
def test_it_stays_within_its_memory(backend, memory):
    net = fm.Network.random([3, 4, 2], "sine", seed=0)
    if not makers.serves(backend, net):
        net = fm.Network.random([3, 4, 2], "identity", seed=0)
    X, Y = (np.ones((2500, n), np.int8) for n in (3, 2))
    m = 100 if backend.startswith(("path_sum", "tangent")) or "example" in backend else 2500
    least = bytes_for(fm.get_backend(backend), net, 1)
    if memory == "least":
        memory, m = least, 20
    # Once before, so that what is compiled is.
    fm.prepare(net, "auto", backend=backend, memory=memory)(X[:m], Y[:m])
    allowed = {least: least, "1MB": 1_000_000}[memory]

    def call():
        return fm.prepare(net, "auto", backend=backend, memory=memory)(X[:m], Y[:m])

    # Other threads, such as the test runner's, may allocate during a call.
    assert any(peak_bytes(call) <= allowed for _ in range(3))


class OnDisk:
    """What reads like an array of a file: a shape, a dtype and slices."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.longest = array, array.shape, array.dtype, 0

    def __getitem__(self, rows):
        self.longest = max(self.longest, len(self.array[rows]))
        return self.array[rows]

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("read as a whole")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [np.int8, np.float16, np.float64, np.bool_])
def test_files_and_other_dtypes_are_converted_chunk_by_chunk(tmp_path, kind):
    net = makers.network(dtype="float32")
    m = 3000
    mapped = [np.memmap(tmp_path / name, kind, "w+", shape=(m, n)) for name, n in (("X", 4), ("Y", 3))]
    for array in mapped:
        array[...] = np.random.default_rng(0).integers(0, 2, array.shape)
    lazy = [OnDisk(array) for array in mapped]
    plan = in_chunks(net, 256)
    whole = plan(*(np.array(array, np.float32) for array in mapped)).copy()
    buffer = 2 * 256 * (4 + 3) * (4 + 1) + 2**14
    for X, Y in (mapped, lazy, [array[::-1][::-1] for array in mapped]):
        plan(X, Y)
        assert peak_bytes(lambda X=X, Y=Y: plan(X, Y)) < buffer < m * 7 * 4
        assert np.array_equal(plan(X, Y).vector, whole.vector)
    assert [array.longest for array in lazy] == [256, 256]


def test_allocations_do_not_grow_with_the_batch():
    net = makers.network()
    plan = in_chunks(net, 64)
    X, Y = np.zeros((2**15, 4)), np.zeros((2**15, 3))
    plan(X, Y)
    few, many = (peak_bytes(lambda m=m: plan(X[:m], Y[:m])) for m in (2**10, 2**15))
    # The tree has five more levels, each with an entry of a dictionary.
    assert abs(many - few) <= 1024 + 5 * 128


def test_a_generator_may_reuse_the_buffer_of_the_chunk_before():
    net = makers.network()
    seen = []

    class Chunk(np.ndarray):
        """An array that can be watched."""

    def chunks():
        for _ in range(3):
            assert all(gone() is None for gone in seen)
            X, Y = (array.view(Chunk) for array in makers.data(net, 9))
            seen.extend(map(weakref.ref, (X, Y)))
            made = [(X, Y)]
            del X, Y
            yield made.pop()

    in_chunks(net, 4).over(chunks())
    assert len(seen) == 6 and all(gone() is None for gone in seen)


def test_neither_result_nor_failure_keeps_the_data_alive():
    net = makers.network()
    plan = in_chunks(net, 4)
    for spoilt in (False, True):
        X, Y = makers.data(net, 9)
        gone = weakref.ref(X)
        X[8] = np.nan if spoilt else 0
        try:
            plan(X, Y)
        except NotFinite:
            assert spoilt
        del X
        assert gone() is None


def test_the_result_lives_in_the_plan_and_follows_the_network():
    net = makers.network()
    X, Y = makers.data(net, 9)
    plan = in_chunks(net, 4)
    kept = plan(X, Y).copy()
    net.vector[...] *= 0.5
    again = plan(X, Y)
    assert np.shares_memory(again.vector, plan(X, Y).vector) and not np.shares_memory(kept.vector, again.vector)
    assert not np.array_equal(kept.vector, again.vector)
    assert np.array_equal(again.vector, in_chunks(net, 4)(X, Y).vector)


def test_the_same_call_gives_the_same_bits_also_after_weights_and_failures(backend):
    net = makers.network(backend)
    X, Y = makers.data(net, 9)
    plan = in_chunks(net, 4, backend)
    before = {m: plan(X[:m], Y[:m]).copy() for m in (4, 9)}
    plan(X, Y, np.arange(9))
    for m, expected in before.items():
        with pytest.raises(NotFinite):
            plan(np.where(np.arange(9)[:, None] == 8, np.nan, X), Y)
        found = plan(X[:m], Y[:m])
        assert np.array_equal(found.vector, expected.vector) and found.cost == expected.cost
        assert (found.forward_passes, plan.examples) == (expected.forward_passes, m)


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda plan: pickle.loads(pickle.dumps(plan))])
def test_copies_compute_the_same_in_memory_of_their_own(way):
    net = makers.network()
    X, Y = makers.data(net, 9)
    with fm.use_budget(seconds=123):
        plan = in_chunks(net, 4, "sigma")
    before = plan(X, Y)
    other = way(plan)
    found = other(X, Y)
    assert (other.batch_size, other.backend.label, other.budget) == (4, "sigma", plan.budget)
    assert np.array_equal(found.vector, before.vector) and not np.shares_memory(found.vector, before.vector)


def test_inputs_are_not_changed():
    net = makers.network()
    X, Y, weights = makers.locked(*makers.data(net, 9), np.arange(9.0))
    net.vector.flags.writeable = False
    in_chunks(net, 4)(X, Y, weights)


def test_chunks_are_as_large_as_is_fast_and_no_larger():
    sizes = {}
    for widths in ([2, 1], [8, 6, 2], [64, 30, 10], [784, 256, 10]):
        plan = fm.prepare(fm.Network.random(widths, seed=0), "auto")
        size = sizes[widths[0]] = plan.batch_size
        tape = plan.backend.estimate(plan.network, 1).bytes
        assert size in (FEWEST, MOST) or size * tape <= TAPE_BYTES < 2 * size * tape
    assert sizes == {2: MOST, 8: MOST, 64: 1024, 784: FEWEST}


def test_memory_for_one_example_and_not_a_byte_less(backend):
    net = makers.network(backend)
    X, Y = makers.data(net, 3)
    needed = bytes_for(fm.get_backend(backend), net, 1)
    assert in_chunks(net, 1, backend)(X, Y).vector.shape == net.vector.shape
    with pytest.raises(Refused, match=rf"for one example of .*, got .*B; pass memory={needed} or more\.$"):
        fm.prepare(net, "auto", backend=backend, memory=needed - 1)


def test_memory_is_that_of_the_budget_unless_it_is_given():
    net = makers.network()
    allowed = bytes_for(fm.get_backend("hadamard"), net, 2)
    with fm.use_budget(memory=allowed):
        assert fm.prepare(net, "auto").batch_size == 2
        assert fm.prepare(net, "auto", memory="1GB").batch_size == fm.prepare(net, "auto", memory=1e9).batch_size > 2


def test_the_remedy_for_a_batch_too_large_for_the_budget_is_chunks():
    net = makers.network()
    X, Y = makers.data(net, 9000)
    remedy = r"another backend, let formulations\.prepare\(net, 'auto'\) take them chunk by chunk, or allow it with"
    with fm.use_budget(memory=250_000):
        with pytest.raises(Refused, match=remedy):
            fm.gradient(net, X, Y)
        assert fm.prepare(net, "auto")(X, Y).errors is None
    # Chunks are not the remedy if they would not help.
    for limits in ({"seconds": 1e-9}, {"memory": 1000}, {"seconds": 1e-9, "memory": 250_000}):
        with fm.use_budget(**limits), pytest.raises(Refused, match=r"another backend, or allow it with"):
            fm.gradient(net, X, Y)


def test_what_would_take_too_long_is_refused_before_it_begins():
    net = makers.network()
    X, Y = makers.data(net, 2000)
    with fm.use_budget(seconds=1e-3):
        plan = in_chunks(net, 64)
    plan(X[:64], Y[:64])
    with pytest.raises(Refused, match=r"2000 examples would take about .* within formulations\.use_budget\(seconds="):
        plan(X, Y)
    with pytest.raises(Refused, match=r"^in source 1, backend 'hadamard' is refused"):
        plan.over([(X[:64], Y[:64]), (X, Y)])
    with fm.use_budget(seconds=1e-9), pytest.raises(Refused, match="1 example would take"):
        in_chunks(net, 64)


def test_a_number_of_examples_and_memory_exclude_each_other():
    with pytest.raises(InvalidInput, match=r"memory goes with batch_size='auto'.*got batch_size=8; leave one"):
        fm.prepare(makers.network(), 8, memory="1GB")
    with pytest.raises(WrongType, match=r"a positive integer or 'auto', got 'Auto'"):
        fm.prepare(makers.network(), "Auto")


def test_what_is_wrong_with_arrays_is_said_as_everywhere_and_where():
    net = makers.network()
    X, Y = makers.data(net, 9)
    plan = in_chunks(net, 4)
    spoilt, negative = X.copy(), np.ones(9)
    spoilt[2, 1], negative[6] = np.inf, -1
    whole = [
        (X.T, Y, None), (X, Y[:, 0], None), (X[:5], Y, None), (X + 0j, Y, None), (X[:0], Y[:0], None),
        (X, Y, np.ones(8)), (X, Y, np.zeros(9)), (X, Y, ["a"] * 9), (spoilt, Y, None),
    ]  # fmt: skip
    for X_, Y_, weights in whole:
        with pytest.raises((InvalidInput, WrongType)) as expected:
            fm.gradient(net, X_, Y_, sample_weight=weights)
        with pytest.raises(expected.type) as found:
            plan(X_, Y_, weights)
        assert str(found.value) == str(expected.value)
    with pytest.raises(
        InvalidInput, match=r"^chunk 1, counting rows from 4 on, sample_weight must not be negative.*weight\[2\]"
    ):
        plan(X, Y, negative)
    with pytest.raises(NotFinite, match=r"^chunk 1, counting rows from 4 on, X must be finite, got inf at X\[2, 1\]"):
        plan(np.concatenate([X[:4], spoilt]), np.concatenate([Y[:4], Y]))


def test_a_gradient_that_is_not_finite_is_refused_with_its_chunk():
    net = fm.Network([[[1.0]]], [[0.0]], "identity", dtype="float32")
    plan = in_chunks(net, 2)
    where = "^in source 1, chunk 2, counting rows from 2 on, "
    with pytest.raises(NotFinite, match=where + "the gradient must be finite, got"):
        plan.over([([[1.0]], [[1.0]]), ([[1.0], [1.0], [3e38]], [[0.0], [0.0], [-3e38]])])


def test_what_is_wrong_with_chunks_is_said_with_their_number():
    net = makers.network()
    X, Y = makers.data(net, 9)
    plan = in_chunks(net, 4)
    for chunks, exception, message in [
        ([], InvalidInput, "got none; a generator that has been read is empty"),
        (7, WrongType, r"sources must be an iterable of \(X, Y\) .*, got int"),
        ([(X, Y), (X[:, :3], Y)], WrongShape, "^in source 1, X must have 4 columns"),
        ([(X, Y), X], WrongType, r"^in source 1, there must be \(X, Y\) or .*, got ndarray; yield such tuples"),
        ([(X,)], WrongType, r"^in source 0, there must be .*, got tuple of 1; yield"),
        ([(X, Y), (X[:0], Y[:0])], WrongShape, "^in source 1, X must hold at least one example"),
        ([(X, Y, np.zeros(9)), (X, Y, np.zeros(9))], InvalidInput, "^sample_weight must not be zero everywhere"),
        ([(X, Y, np.ones(4))], WrongShape, r"^in source 0, sample_weight must have shape \(9,\)"),
    ]:
        with pytest.raises(exception, match=message):
            plan.over(chunks)
    with pytest.raises(ZeroDivisionError):
        plan.over((X, Y / (1 // 0)) for _ in range(2))


@pytest.mark.parametrize("rows", [slice(1, None), slice(None, None)], ids=["fewer", "more"])
def test_a_slice_without_the_requested_rows_is_refused(rows):
    class Sliced:
        def __init__(self, array):
            self.array, self.shape, self.dtype = array, array.shape, array.dtype

        def __getitem__(self, requested):
            return self.array[requested][rows] if rows.start else self.array

    net = fm.Network.random([3, 2], seed=0)
    plan = fm.prepare(net, "auto", memory="300kB")
    X, Y = np.ones((2 * plan.batch_size, 3)), np.ones((2 * plan.batch_size, 2))
    with pytest.raises(WrongShape, match=f"a slice of X must have {plan.batch_size} rows, as requested, "):
        plan(Sliced(X), Sliced(Y))
