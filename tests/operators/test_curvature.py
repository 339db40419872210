"""The Hessian and the Gauss–Newton matrix: against differences, their own dense form, and what SciPy makes of them."""

from __future__ import annotations

import copy
import gc
import pickle
import tracemalloc
from itertools import pairwise

import makers
import numpy as np
import pytest
from makers import TAPE_READING
from scipy.sparse import csr_array, eye_array
from scipy.sparse.linalg import ArpackError, aslinearoperator, cg, expm_multiply, minres, svds

import formulations as fm
from formulations.arrays import gamma, unit_roundoff
from formulations.functions import get_cost
from formulations.operators import Trace

KINDS = ("hessian", "gauss_newton")
INTEGERS = {
    "one layer": ([3, 2], "identity"),
    "identity": ([3, 4, 3, 2], "identity"),
    "square": ([3, 4, 2], ["square", "identity"]),
    "relu": ([3, 4, 3, 2], ["relu", "square", "relu"]),
    "sparse": ([3, 4, 3, 2], ["square", "identity", "identity"]),
    "curved output": ([2, 3, 2], ["identity", "square"]),
}
"""Networks of small integers: with four examples of shares 1/4, or 1/2 and 1/8, nothing is rounded."""


def integers(name, dtype="float64"):
    """Return a network of small integers with its examples."""
    sizes, activations = INTEGERS[name]
    random = np.random.default_rng(sum(map(ord, name)))
    weights = [random.integers(-2, 3, (n, k)).astype(dtype) for k, n in pairwise(sizes)]
    if name == "sparse":
        weights = [csr_array(weights[0]), *weights[1:-1], csr_array(weights[-1])]
    biases = [random.integers(-2, 3, n).astype(dtype) for n in sizes[1:]]
    X, Y = (random.integers(-2, 3, (4, n)).astype(dtype) for n in (sizes[0], sizes[-1]))
    return fm.Network(weights, biases, activations), X, Y


def made(kind, *given, **options):
    """Return the operator of this kind."""
    return getattr(fm, kind)(*given, **options)


def rounded(k, of):
    """Return γ_k in the dtype of a network or an operator."""
    return gamma(k, unit_roundoff(of.dtype))


@pytest.fixture(params=KINDS)
def kind(request):
    """Each operator."""
    return request.param


@pytest.fixture
def digits():
    """A sigmoid network with more parameters than ARPACK's Krylov space has vectors, and its examples."""
    data = fm.load_digits()
    return fm.Network.random([64, 4, 10], seed=3), data.X_train[:20], data.Y_train[:20]


# What the matrices are.


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize("name", ["square", "curved output", "sparse"])
def test_a_hessian_product_is_the_derivative_of_the_gradient(name, dtype):
    # Along a line, the gradient is a polynomial of degree at most 7. The difference of order 12 gives its derivative
    # exactly, and times 27720 its coefficients are integers. In float32 only the product is exact.
    net, X, Y = integers(name)
    v = np.random.default_rng(5).integers(-1, 2, net.layout.count).astype(net.dtype)
    stencil = {1: 23760, 2: -7425, 3: 2200, 4: -495, 5: 72, 6: -5}
    slope = sum(
        c * (fm.gradient(moved(net, t * v), X, Y).vector - fm.gradient(moved(net, -t * v), X, Y).vector)
        for t, c in stencil.items()
    )
    H = fm.hessian(net.astype(dtype), X, Y)
    product = H @ v
    assert product.dtype == np.dtype(dtype)
    assert np.array_equal(27720 * product.astype(float), slope)


def moved(net, step):
    """Return the network at another point."""
    return net.with_vector(net.vector + step)


@pytest.mark.parametrize(
    ("activations", "cost"),
    [
        (["tanh", "sigmoid"], "quadratic"),
        (["sigmoid", "sigmoid"], "binary_cross_entropy"),
        (["softplus", "softmax"], "log_likelihood"),
        (["silu", "tanh"], "quadratic"),
        (["softmax", "tanh"], "quadratic"),
        (["softmax", "softmax"], "quadratic"),
    ],
)
def test_a_hessian_product_agrees_with_differences_of_the_gradient(activations, cost):
    random = np.random.default_rng(7)
    net = fm.Network.random([5, 6, 3], activations, seed=8)
    X, Y = random.normal(size=(6, 5)), np.eye(3)[random.integers(0, 3, 6)]
    shares, v = random.random(6), random.normal(size=net.layout.count)
    # Where a softmax is not combined with its cost, hadamard refuses.
    backend = "sigma" if "softmax" in activations and cost == "quadratic" else "hadamard"
    product = fm.hessian(net, X, Y, cost, backend, shares) @ v

    def quotient(h):
        ends = [fm.gradient(moved(net, s * h * v), X, Y, cost, backend, shares).vector for s in (1, -1)]
        return (ends[0] - ends[1]) / (2 * h)

    # Truncation is ch² + O(h⁴): the difference of two quotients is three times that of the finer one. Each gradient
    # rounds its sums of at most 50 terms, through three layers, by less than γ of 200 of its largest entry.
    h = 2.0**-12
    fine, coarse = quotient(h), quotient(2 * h)
    noise = rounded(200, net) * np.abs(fm.gradient(net, X, Y, cost, backend).vector).max() / h
    residual = np.abs(product - fine)
    assert np.all(residual <= np.abs(coarse - fine) + 2 * noise)
    assert np.abs(coarse - fine).max() + 2 * noise < 1e-4 * np.abs(product).max()


@pytest.mark.parametrize("weight", [None, [4, 1, 2, 1]])
@pytest.mark.parametrize("name", INTEGERS)
def test_it_is_symmetric_and_gauss_newton_has_no_negative_form(kind, name, weight):
    net, X, Y = integers(name)
    A = made(kind, net, X, Y, sample_weight=weight)
    dense = A.to_dense()
    assert np.array_equal(dense, dense.T)
    assert A.T is A
    assert A.H is A
    if kind == "gauss_newton":
        V = np.random.default_rng(1).integers(-3, 4, (net.layout.count, 50)).astype(float)
        assert np.all(np.einsum("pk,pk->k", V, A @ V) >= 0)


def test_gauss_newton_is_definite_only_as_its_cost():
    net, X, Y = integers("square")
    concave = fm.cost(
        lambda A, Y: -((A - Y) ** 2).sum(axis=1) / 2, lambda A, Y: Y - A, curvature=lambda A, _: -np.ones_like(A)
    )
    assert np.array_equal(fm.gauss_newton(net, X, Y, concave).to_dense(), -fm.gauss_newton(net, X, Y).to_dense())


def test_without_curved_activations_both_matrices_have_the_same_blocks():
    for name in ("one layer", "identity"):
        net, X, Y = integers(name)
        H, G = fm.hessian(net, X, Y), fm.gauss_newton(net, X, Y)
        for mine, other in zip(H.blocks(), G.blocks(), strict=True):
            assert np.array_equal(mine.to_dense(), other.to_dense())
        # A single layer has no mixed derivatives of two layers; a deeper network does, even if it is linear.
        assert np.array_equal(H.to_dense(), G.to_dense()) == (name == "one layer")


@pytest.mark.slow
def test_with_a_softmax_and_its_cost_gauss_newton_is_the_fisher_matrix():
    jax = pytest.importorskip("jax", reason="the extra peers is not installed")
    from jax import numpy as jnp

    # Integers and halves below the softmax: only its own roundings and the sums behind it count. No z is at the kink.
    random = np.random.default_rng(3)
    weights = [random.integers(-1, 2, shape).astype(float) for shape in ((4, 3), (3, 4))]
    net = fm.Network(weights, [np.full(4, 0.5), np.ones(3)], ["relu", "softmax"])
    X, Y = random.integers(-1, 2, (4, 3)).astype(float), np.eye(3)[[0, 1, 2, 0]]
    layout = net.layout

    def logits(vector, x):
        for i, (of_weights, of_biases) in enumerate(layout.slices):
            x = vector[of_weights].reshape(layout.shapes[i]) @ x + vector[of_biases]
            x = jnp.maximum(x, 0) if i == 0 else x
        return x

    with jax.enable_x64(True):
        vector = jnp.asarray(net.vector)
        J = np.stack([jax.jacrev(logits)(vector, jnp.asarray(x)) for x in X])
        log_p = [jax.nn.log_softmax(logits(vector, jnp.asarray(x))) for x in X]
        scores = np.stack([jax.jacrev(lambda v, x=x: jax.nn.log_softmax(logits(v, x)))(vector, x) for x in X])
        p = np.exp(np.stack(log_p))
    fisher = np.einsum("mc,mcp,mcq->pq", p, scores, scores) / 4
    # Each score is J minus its mean under p; the terms of both matrices are at most those of |J|ᵀ(diag p + 3ppᵀ)|J|.
    # An entry rounds fewer than 12 operations for p, 3 + 3 + 4 sums of products of four, and 4 examples.
    size = np.einsum(
        "mcp,mcd,mdq->pq", np.abs(J), 3 * p[:, :, None] * p[:, None] + p[:, :, None] * np.eye(3), np.abs(J)
    )
    found = fm.gauss_newton(net, X, Y, "log_likelihood").to_dense()
    assert np.all(np.abs(found - fisher) <= 2 * rounded(64, net) * size / 4)


# Diagonals, traces and blocks.


@pytest.mark.parametrize("weight", [None, [4, 1, 2, 1]])
@pytest.mark.parametrize("name", INTEGERS)
def test_the_diagonal_is_that_of_the_dense_matrix(kind, name, weight):
    net, X, Y = integers(name)
    A = made(kind, net, X, Y, sample_weight=weight)
    dense = A.to_dense()
    assert np.array_equal(A.diagonal(), dense.diagonal())
    assert A.trace() == Trace(dense.trace())
    for l, block in enumerate(A.blocks(), start=2):
        part = slice(net.layout.slices[l - 2][0].start, net.layout.slices[l - 2][1].stop)
        assert np.array_equal(block.to_dense(), dense[part, part])
        assert np.array_equal(block.diagonal(), dense.diagonal()[part])
        assert repr(block).startswith(f"<{A.what} of layer {l} ({block.shape[0]} × ")


@pytest.mark.slow
@pytest.mark.parametrize("flag", [flag for flag in TAPE_READING if fm.get_backend(flag).operators])
def test_the_diagonal_is_the_same_in_every_formulation(flag, kind):
    for name in INTEGERS:
        net, X, Y = integers(name)
        if fm.get_backend(flag).why_not_operator(kind, net, get_cost("quadratic")) is None:
            found = made(kind, net, X, Y, backend=flag).diagonal()
            assert np.array_equal(found, made(kind, net, X, Y).diagonal())


def test_the_diagonal_is_the_same_for_stacks_of_one_unit(kind, monkeypatch):
    for name in INTEGERS:
        A = made(kind, *integers(name))
        whole = A.diagonal()
        assert whole.any()
        with monkeypatch.context() as patched:
            patched.setattr("formulations.operators.diagonals.STACK", 1)
            assert np.array_equal(A.diagonal(), whole)


@pytest.mark.parametrize("cost", ["quadratic", "log_likelihood"])
def test_the_diagonal_of_a_softmax(cost):
    # hadamard refuses a softmax without its own cost.
    backend = "hadamard" if cost == "log_likelihood" else "sigma"
    net = fm.Network.random([3, 4, 3], ["tanh", "softmax"], seed=1)
    X, Y = np.random.default_rng(2).normal(size=(4, 3)), np.eye(3)[[0, 1, 2, 0]]
    G = fm.gauss_newton(net, X, Y, cost, backend=backend)
    # The entry is Σ_x a² eᵀJᵀBJe: two formulas for sums of products of the same numbers. In |B|, every entry of the
    # softmax's blocks is at most 1, so at most 3 in ∇²C Σ′Σ′; an entry of J at most that of |W³|σ′.
    tape = net.forward(X, Y, cost=cost)
    a = [np.square(np.abs(each)) for each in tape.activations]
    J = np.abs(net.weights[1]).sum(axis=0) * tape.slopes[0]
    sizes = [np.ones((4, 3)), np.square(J)]
    top = np.concatenate([(sizes[0].T @ a[1]).ravel(), sizes[0].sum(axis=0)])
    low = np.concatenate([(sizes[1].T @ a[0]).ravel(), sizes[1].sum(axis=0)])
    bound = 2 * rounded(64, net) * 3 * np.concatenate([low, top])
    assert np.all(np.abs(G.diagonal() - G.to_dense().diagonal()) <= bound)


def test_the_diagonal_follows_coupled_activations_in_hidden_layers(kind):
    # It couples the neurons in integers, so that nothing is rounded.
    plain, X, Y = integers("identity")
    net = fm.Network(plain.weights, plain.biases, [makers.NEIGHBOURS, makers.NEIGHBOURS, "identity"])
    A = made(kind, net, X, Y, backend="sigma")
    dense = A.to_dense()
    assert np.array_equal(dense, dense.T)
    assert np.array_equal(A.diagonal(), dense.diagonal())


def test_hutchinson_is_the_mean_of_forms_with_random_signs(kind):
    net, X, Y = integers("square")
    A = made(kind, net, X, Y)
    signs = np.random.default_rng(9).choice([-1.0, 1.0], (16, net.layout.count))
    forms = np.einsum("sp,sp->s", signs, (A @ signs.T).T)
    found = A.trace(16, seed=9)
    assert found == A.trace(16, seed=9)
    assert found != A.trace(16, seed=10)
    assert found.estimate == float(found) == forms.mean()
    assert found.standard_error == forms.std(ddof=1) / 4
    assert found.samples == 16
    assert str(found).endswith("(16 samples)")


def test_the_standard_error_is_that_of_the_estimate():
    net, X, Y = integers("square")
    H = fm.hessian(net, X, Y)
    dense = H.to_dense()
    H._product = dense.__matmul__  # the same products, faster
    count = net.layout.count - 1
    found = [H.trace(count, seed=seed) for seed in range(400)]
    variance = 2 * (np.sum(dense**2) - np.sum(dense.diagonal() ** 2)) / count
    # The fourth moment of such a form is at most 81 times the square of its variance (hypercontractivity), so the mean
    # of 400 variances of 25 forms each lies within 6 standard deviations, 6·√(81/10⁴), of the true one.
    assert abs(np.mean([each.standard_error**2 for each in found]) / variance - 1) <= 6 * 9 / 100
    # Their mean has a standard error of √(variance/400).
    assert abs(np.mean([each.estimate for each in found]) - dense.trace()) <= 6 * np.sqrt(variance / 400)


def test_hutch_plus_plus_is_exact_for_a_low_rank():
    # One example with one output: G is the square of one gradient.
    net = fm.Network.random([5, 6, 1], "tanh", seed=1)
    G = fm.gauss_newton(net, [[1.0, -1.0, 0.5, 2.0, 1.0]], [[0.0]])
    exact, found = G.trace(), G.trace(6, method="hutch++")
    # The first column of Q is that gradient, up to the rounding of a Householder reflection in P numbers.
    bound = rounded(8 * net.layout.count, net) * exact.estimate
    assert abs(found.estimate - exact.estimate) <= bound
    assert found.standard_error <= bound
    assert G.trace(6).standard_error > 1e6 * bound


def test_a_trace_is_exact_if_the_samples_would_cost_as_much(kind):
    net, X, Y = integers("square")
    A = made(kind, net, X, Y)
    assert A.trace(A.shape[0]) == A.trace() == Trace(A.to_dense().trace())


def test_a_trace_is_a_number_that_knows_its_error():
    trace = Trace(3.0, 0.25, 90)
    assert (trace.estimate, trace.standard_error, trace.samples) == (3.0, 0.25, 90)
    assert type(trace.estimate) is float
    assert (trace / 2, trace - trace, trace < 3.5, f"{trace:.3f}") == (1.5, 0.0, True, "3.000")
    assert str(trace) == f"{trace}" == "3 ± 0.25 (90 samples)"
    assert str(Trace(3.0)) == f"{Trace(3.0)}" == "3"
    assert repr(trace) == "Trace(3.0, standard_error=0.25, samples=90)"
    for again in (pickle.loads(pickle.dumps(trace)), copy.deepcopy(trace)):
        assert repr(again) == repr(trace)


# Eigenpairs.


@pytest.mark.parametrize("which", ["LM", "SM", "LA", "SA", "BE"])
def test_eigenpairs_of_a_small_matrix_are_lapacks(kind, which):
    net, X, Y = integers("one layer")
    A = made(kind, net, X, Y)
    values, vectors = A.eigsh(3, which)
    every = np.linalg.eigh(A.to_dense())[0]
    by_size = np.sort(np.abs(every))
    expected = {"LA": every[-3:], "SA": every[:3], "BE": every[[0, -2, -1]]}
    if which in expected:
        assert np.array_equal(values, expected[which])
    else:
        assert np.array_equal(np.sort(np.abs(values)), by_size[-3:] if which == "LM" else by_size[:3])
    assert np.array_equal(values, np.sort(values))
    assert vectors.shape == (A.shape[0], 3)


@pytest.mark.parametrize("which", ["LM", "LA", "SA", "BE"])
def test_eigenpairs_of_a_larger_one_are_arpacks(digits, which):
    H = fm.hessian(*digits)
    values, vectors = H.eigsh(4, which)
    dense = H.to_dense()
    every, n = np.linalg.eigvalsh(dense), len(dense)
    chosen = {"LM": np.argsort(np.abs(every))[-4:], "LA": range(n - 4, n), "SA": range(4), "BE": [0, 1, n - 2, n - 1]}
    # Both are eigenvalues of a matrix within nu‖H‖ of H, for ARPACK once it has converged to tol=0.
    bound = 2 * n * rounded(1, H) * np.linalg.norm(dense)
    assert np.all(np.abs(values - np.sort(every[chosen[which]])) <= bound)
    assert np.all(np.linalg.norm(dense @ vectors - vectors * values, axis=0) <= bound)
    again = H.eigsh(4, which)
    assert np.array_equal(values, again[0])
    assert np.array_equal(vectors, again[1])


def test_eigenpairs_that_do_not_converge_are_refused_with_the_remedy(digits):
    H = fm.hessian(*digits)
    with pytest.raises(
        fm.exceptions.Refused, match=r"6 eigenpairs must converge within maxiter=1 restarts, and \d did; raise"
    ):
        H.eigsh(6, "SA", maxiter=1)


@pytest.mark.parametrize(("which", "k"), [("LM", 10), ("LA", 10), ("SA", 10), ("BE", 24)])
def test_multiple_eigenvalues_are_found_as_often_as_they_occur(kind, which, k):
    # A block for each output, all of them alike: every eigenvalue occurs ten times.
    random = np.random.default_rng(0)
    net = fm.Network.random([30, 10], "identity", seed=0)
    A = made(kind, net, random.standard_normal((50, 30)), random.standard_normal((50, 10)))
    dense = A.to_dense()
    every, n = np.linalg.eigvalsh(dense), len(dense)
    values, vectors = A.eigsh(k, which)
    expected = {"SA": every[:k], "BE": every[[*range(12), *range(n - 12, n)]]}.get(which, every[-k:])
    bound = 2 * n * rounded(1, A) * np.linalg.norm(dense)
    assert np.all(np.abs(values - expected) <= bound)
    assert np.all(np.linalg.norm(dense @ vectors - vectors * values, axis=0) <= bound)
    # The angle between two computed eigenvectors is off by their residuals over the gap between their eigenvalues.
    gap = np.diff(every[9::10]).min()
    assert np.all(np.abs(vectors.T @ vectors - np.eye(k)) <= bound / gap)


@pytest.mark.parametrize("seed", range(3))
def test_the_smallest_magnitudes_are_those_of_the_matrix(seed):
    # At least 8 of the 29 eigenvalues are 0: two examples and one output leave a matrix of low rank.
    net = fm.Network.random([3, 4, 2, 1], "tanh", seed=seed)
    random = np.random.default_rng(0)
    H = fm.hessian(net, random.standard_normal((2, 3)), random.standard_normal((2, 1)))
    dense = H.to_dense()
    values, vectors = H.eigsh(8, "SM")
    bound = len(dense) * rounded(1, H) * np.linalg.norm(dense)
    assert np.all(np.abs(values) <= bound)
    assert np.all(np.linalg.norm(dense @ vectors, axis=0) <= 2 * bound)
    wanted = 4 * 8 * H.shape[0] ** 2
    with fm.use_budget(memory=wanted):
        H.eigsh(8, "SM")
    with fm.use_budget(memory=wanted - 1):
        with pytest.raises(fm.exceptions.Refused, match=r"the matrix, which eigenvalues .* take a block\(l\), ask for"):
            H.eigsh(8, "SM")
        assert H.block(2).eigsh(1, "SM")[0].shape == (1,)


def test_a_matrix_of_zeros_has_eigenvalues_of_zero(kind):
    net = fm.Network([np.zeros((5, 4)), np.zeros((2, 5))], [np.full(5, -1.0), np.zeros(2)], ["relu", "relu"])
    A = made(kind, net, np.ones((2, 4)), np.ones((2, 2)))
    assert A.shape[0] > 20
    for which in ("LM", "SM", "LA", "SA", "BE"):
        values, vectors = A.eigsh(2, which)
        assert not values.any()
        assert np.array_equal(vectors.T @ vectors, np.eye(2))


def test_one_eigenvalue_of_both_ends_is_the_largest(digits):
    for A in (fm.hessian(*digits), fm.hessian(*integers("one layer"))):
        assert np.array_equal(A.eigsh(1, "BE")[0], A.eigsh(1, "LA")[0])


@pytest.mark.parametrize("exponent", [-400, *(pytest.param(each, marks=pytest.mark.slow) for each in (-120, 400))])
def test_eigenvalues_do_not_depend_on_the_scale(digits, exponent):
    net, X, Y = digits
    plain, scaled = (
        fm.cost(
            lambda A, Y, s=s: s * ((A - Y) ** 2).sum(axis=1) / 2,
            lambda A, Y, s=s: s * (A - Y),
            curvature=lambda A, _, s=s: np.full_like(A, s),
        )
        for s in (1.0, 2.0**exponent)
    )
    values, vectors = fm.hessian(net, X, Y, plain).eigsh(3)
    found, same = fm.hessian(net, X, Y, scaled).eigsh(3)
    # Multiplication by a power of two rounds nothing.
    assert np.array_equal(found, np.ldexp(values, exponent))
    assert np.array_equal(same, vectors)


def test_what_stops_arpack_is_refused(digits, monkeypatch):
    def stop(*_, **__):
        raise ArpackError(-9999)

    monkeypatch.setattr("formulations.operators.arpack.eigsh", stop)
    with pytest.raises(
        fm.exceptions.Refused, match=r"find 2 eigenpairs, and stopped \(.*-9999.*\); raise maxiter, ask"
    ):
        fm.hessian(*digits).eigsh(2)


@pytest.mark.parametrize("k", [2, 20])
def test_eigenpairs_beyond_the_budget_are_refused(k):
    net, X, Y = integers("relu")
    H = fm.hessian(net, X, Y)
    n, basis = H.shape[0], max(2 * k + 1, 20)
    assert n > 20
    wanted = 8 * n * (basis + k if basis < n else 4 * n)
    with fm.use_budget(memory=wanted):
        H.eigsh(k, "LA", tol=1e-3)
    with fm.use_budget(memory=wanted - 1), pytest.raises(fm.exceptions.Refused, match=f"{k} eigenpairs.*ask for fewer"):
        H.eigsh(k, "LA", tol=1e-3)


def test_samples_of_hutch_plus_plus_beyond_the_budget_are_refused():
    net, X, Y = integers("relu")
    H, wanted = fm.hessian(net, X, Y), 8 * 4 * 4 * 39
    with fm.use_budget(memory=wanted):
        H.trace(10, method="hutch++")
    with fm.use_budget(memory=wanted - 1):
        H.trace(10)
        with pytest.raises(
            fm.exceptions.Refused, match=r"10 samples by hutch\+\+ must fit.*take fewer, or method='hutc"
        ):
            H.trace(10, method="hutch++")


def test_eigenpairs_and_hutch_plus_plus_need_a_dtype_of_lapack():
    net, X, Y = integers("square", "longdouble")
    H = fm.hessian(net, X, Y)
    assert H.diagonal().dtype == np.longdouble
    assert H.trace(6).samples == 6
    with pytest.raises(fm.exceptions.Refused, match="support float32 and float64, got longdouble"):
        H.trace(6, method="hutch++")
    with pytest.raises(fm.exceptions.Refused, match=r"float32 and float64, got longdouble; make the operator of netw"):
        H.eigsh(1)


# SciPy takes them.


def test_scipys_solvers_take_it(digits):
    H, G = fm.hessian(*digits), fm.gauss_newton(*digits)
    n = H.shape[0]
    b = fm.gradient(*digits).vector
    damped = G + aslinearoperator(1e-2 * eye_array(n))
    x, failed = cg(damped, b, rtol=1e-8)
    assert not failed
    # The residual that cg updates drifts from the true one by rounding, at most a few u‖A‖‖x‖ a step.
    assert np.linalg.norm(damped @ x - b) <= 1.01e-8 * np.linalg.norm(b)
    shifted = H + aslinearoperator(1.0 * eye_array(n))
    x, failed = minres(shifted, b, rtol=1e-8)
    assert not failed
    # minres stops at ‖r‖ ≤ rtol·(‖A‖‖x‖ + ‖b‖).
    size = np.linalg.norm(H.to_dense() + np.eye(n), 2) * np.linalg.norm(x) + np.linalg.norm(b)
    assert np.linalg.norm(shifted @ x - b) <= 1.01e-8 * size
    singular = svds(H, 2, return_singular_vectors=False, random_state=0)
    values = np.abs(H.eigsh(2, "LM")[0])
    # svds takes the roots of the eigenvalues of H², which lose half the digits at most.
    assert np.all(np.abs(np.sort(singular) - np.sort(values)) <= 1e-7 * values.max())
    # Gradient flow of the quadratic model.
    flowed = expm_multiply(-0.5 * H, b, traceA=-0.5 * H.trace().estimate)
    every, vectors = np.linalg.eigh(H.to_dense())
    expected = vectors @ (np.exp(-0.5 * every) * (vectors.T @ b))
    assert np.linalg.norm(flowed - expected) <= n * rounded(8, H) * np.exp(-0.5 * every.min()) * np.linalg.norm(b)


# What it refuses and says.


def test_kinks_are_counted_and_said():
    net = fm.Network([np.eye(2), np.ones((1, 2))], [np.zeros(2), np.zeros(1)], ["relu", "identity"])
    X, Y = [[0.0, 1.0], [0.0, 0.0], [1.0, 2.0]], [[1.0], [1.0], [1.0]]
    for kind in KINDS:
        A = made(kind, net, X, Y)
        assert A.kinks == 3
        assert repr(A).endswith("by hadamard at 3 examples, 3 weighted inputs on a kink>")
    assert fm.hessian(net, X, Y, sample_weight=[1, 0, 1]).kinks == 1
    smooth = fm.Network(net.weights, net.biases, [fm.PerNeuron(["relu", "tanh"]), "identity"])
    assert fm.hessian(smooth, X, Y).kinks == 2
    assert "kink" not in repr(fm.hessian(net, X[2:], Y[2:]))


@pytest.mark.parametrize("samples", [None, 2, 10**6])
def test_a_seed_that_is_none_is_refused_even_where_the_trace_is_exact(samples):
    net, X, Y = integers("square")
    with pytest.raises(fm.exceptions.WrongType, match="seed"):
        fm.hessian(net, X, Y).trace(samples, seed="a")
    with pytest.raises(fm.exceptions.InvalidInput, match="seed"):
        fm.hessian(net, X, Y).trace(samples, seed=-1)


def test_costs_and_activations_without_curvature_are_refused():
    net, X, Y = integers("square")
    plain = fm.cost(lambda A, Y: ((A - Y) ** 2).sum(axis=1), lambda A, Y: 2 * (A - Y))
    for kind in KINDS:
        with pytest.raises(fm.exceptions.Refused, match=r"no curvature; pass one: cost\(value, gradient, curvature="):
            made(kind, net, X, Y, plain)
    cube = fm.activation(lambda z: z**3, lambda z: 3 * z**2)
    net = fm.Network(net.weights, net.biases, [cube, "identity"])
    with pytest.raises(fm.exceptions.Refused, match=r"in layer 2 has no curvature; pass one: activation\("):
        fm.hessian(net, X, Y)
    assert fm.gauss_newton(net, X, Y).shape == (net.layout.count,) * 2


def test_a_changed_network_makes_its_methods_stale(kind):
    net, X, Y = integers("square")
    A = made(kind, net, X, Y)
    net.biases[0][0] += 1
    for method in (A.diagonal, A.trace, lambda: A.trace(6), A.eigsh, A.block(2).diagonal, A.block(3).to_dense):
        with pytest.raises(fm.exceptions.StalePlan, match="make another at the new parameters"):
            method()


def test_what_exceeds_the_range_of_the_dtype_is_refused(kind):
    net = fm.Network.random([5, 30, 3], "square", seed=0, dtype="float32")
    net.vector[...] *= 1e12
    A = made(kind, net, np.ones((2, 5)), np.ones((2, 3)))
    for what, call in {
        "product with": lambda: A @ np.ones(A.shape[1]),
        "diagonal of": A.trace,
        "trace of": lambda: A.trace(3),
        "product with the": lambda: A.eigsh(2),
    }.items():
        with pytest.raises(fm.exceptions.NotFinite, match=f"the {what}.* must be finite, .* beyond float32; scale"):
            call()


@pytest.mark.parametrize(
    ("call", "exception", "message"),
    [
        (lambda H: H.block(1), "InvalidInput", "from 2 to 3, the output, got 1"),
        (lambda H: H.block(4), "InvalidInput", "from 2 to 3"),
        (lambda H: H.block(2.0), "WrongType", "layer must be a positive integer"),
        (lambda H: H.block(2).block(3), "InvalidInput", "the block of layer 2, got layer=3"),
        (lambda H: H.trace(1), "InvalidInput", "at least 2 for a standard error by hutchinson, got 1"),
        (lambda H: H.trace(5, method="hutch++"), "InvalidInput", "at least 6"),
        (lambda H: H.trace(5, method="hutch"), "UnknownName", "valid names are hutchinson, hutch"),
        (lambda H: H.trace(5, seed="a"), "WrongType", "seed must be"),
        (lambda H: H.eigsh(H.shape[0] + 1), "InvalidInput", "k must be at most the number of rows"),
        (lambda H: H.eigsh(0), "InvalidInput", "k must be at least 1"),
        (lambda H: H.eigsh(1, "LR"), "UnknownName", "valid names are LM, SM, LA, SA, BE"),
        (lambda H: H.eigsh(1, tol=-1), "InvalidInput", "tol must be"),
        (lambda H: H.eigsh(1, maxiter=0), "InvalidInput", "maxiter must be at least 1"),
    ],
)
def test_what_cannot_be_used_is_refused(call, exception, message):
    net, X, Y = integers("square")
    with pytest.raises(getattr(fm.exceptions, exception), match=message):
        call(fm.hessian(net, X, Y))


def test_a_product_within_a_product_has_buffers_of_its_own(kind):
    # As a product in another thread has: here the cost multiplies while the outer product waits for it.
    net, X, Y = integers("relu")
    waiting = []

    def curvature(A, _):
        if waiting:
            waiting.pop() @ np.ones(net.layout.count)
        return np.ones_like(A)

    halved = fm.cost(lambda A, Y: ((A - Y) ** 2).sum(axis=1) / 2, lambda A, Y: A - Y, curvature=curvature)
    operator, v = made(kind, net, X, Y, halved), np.arange(net.layout.count, dtype=float)
    waiting.append(operator)
    assert np.array_equal(operator @ v, made(kind, net, X, Y) @ v)
    assert not waiting


@pytest.mark.parametrize("flag", ["hadamard", "fused"])
def test_a_product_makes_buffers_if_another_thread_takes_the_last_ones(flag):
    makers.skip_absent(flag)

    class Taken(list):
        def pop(self):
            self.clear()
            return super().pop()

    net, X, Y = integers("relu")
    H, v = fm.hessian(net, X, Y, backend=flag), np.ones(net.layout.count)
    product = H @ v
    H.linearization._spare = Taken([None]), []
    assert np.array_equal(H @ v, product)


# What it costs.


@pytest.mark.slow
def test_memory_is_that_of_the_tape(kind):
    # P is a hundredth of the tape: x and y, and z, a, σ′ and δ of 40 neurons, for each example.
    net, m = fm.Network.random([10, 10, 10, 10, 10], "tanh", seed=1), 4_000
    random = np.random.default_rng(2)
    X, Y = random.normal(size=(m, 10)), random.normal(size=(m, 10))
    tape = (20 + 4 * 40) * m * X.itemsize
    made(kind, net, X[:10], Y[:10]).trace(2)
    gc.collect()
    tracemalloc.start()
    A = made(kind, net, X, Y)
    A @ np.ones(A.shape[1])
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    A.trace(4)
    A.diagonal()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A point also keeps g, σ″ and both together, and the buffers of a product are five numbers a neuron: eight times
    # 40 of the tape's 180. The diagonal adds a number for each neuron, its stacks and their temporary arrays.
    assert kept <= 2.8 * tape
    assert peak <= 4 * tape
