"""A softmax with one neuron far above the others: its slope, its curvature, and what the operators make of them keep
their digits. The truth has fifty digits."""

from __future__ import annotations

import bounds
import makers
import mpmath as mp
import numpy as np
import pytest

import formulations as fm
from formulations.backends import Tier
from formulations.functions import ACTIVATIONS, CoupledSlope, curvature_term, get_cost

SOFTMAX = ACTIVATIONS["softmax"]
# From where 1 − a_k has a few digits left, over where it is 0, to where the products a_i a_j are still normal numbers.
DISTANCES = {"float32": (10, 20, 38), "float64": (30, 40, 300), "longdouble": (40, 80, 2500)}
CASES = [(dtype, d) for dtype in DISTANCES for d in DISTANCES[dtype]]
PROVIDING = {
    operator: [flag for flag in makers.FLAGS if operator in fm.get_backend(flag).operators]
    for operator in ("jacobian", "gauss_newton")
}
# The others differentiate the softmax by themselves.
ON_THE_TAPE = [flag for flag in makers.FLAGS if fm.get_backend(flag).tier in (Tier.RECURRENCE, Tier.PRODUCT)]


def weighted_inputs(d, dtype):
    """Return z, each row with another dominant neuron, or with two of almost ½ each."""
    return np.array([[d, 0, -3, 1], [0, 1, d, -2], [-d, -d, -d, 2], [d, d, 0, -1]], dtype)


def vectors(m, n, dtype, seed=0):
    return np.round(64 * np.random.default_rng(seed).normal(size=(m, n))).astype(dtype) / 64


def exact(numbers):
    return [mp.mpf(int(p)) / int(q) for p, q in (entry.as_integer_ratio() for entry in numbers)]


def true_slope(z):
    """Return a and the rows of Σ′ in fifty digits; 1 − a_j is the sum of the others."""
    n = len(z)
    with mp.workdps(50):
        exponentials = [mp.exp(each) for each in exact(z)]
        total = mp.fsum(exponentials)
        a = [each / total for each in exponentials]
        rest = [mp.fsum(a[i] for i in range(n) if i != j) for j in range(n)]
        return a, [[a[j] * rest[j] if i == j else -a[j] * a[i] for i in range(n)] for j in range(n)]


def roundings(n):
    """A product with Σ′: a within 13 + n, twice, and 3(n + 5), as a_j(1 + a_j) ≤ 3a_j(1 − a_j) for a_j ≤ ½."""
    return 2 * (13 + n) + 3 * (n + 5)


@pytest.mark.parametrize(("dtype", "d"), CASES)
def test_its_slope_keeps_its_digits(dtype, d):
    z = weighted_inputs(d, dtype)
    v, (m, n) = vectors(*z.shape, dtype), z.shape
    slope = SOFTMAX.slope(z)
    blocks, products, transposed = slope.blocks(), slope @ v, slope.T @ v
    for x in range(m):
        _, rows = true_slope(z[x])
        for j, row in enumerate(rows):
            with mp.workdps(50):
                true = mp.fdot(row, exact(v[x]))
                limit = bounds.gamma(roundings(n), dtype) * mp.fdot(map(abs, row), map(abs, exact(v[x])))
                assert abs(exact(products[x])[j] - true) <= limit
                assert abs(exact(transposed[x])[j] - true) <= limit
                for found, entry in zip(exact(blocks[x, j]), row, strict=True):
                    assert abs(found - entry) <= bounds.gamma(roundings(n), dtype) * abs(entry)


@pytest.mark.parametrize(("dtype", "d"), CASES)
def test_its_curvature_keeps_its_digits(dtype, d):
    z = weighted_inputs(d, dtype)
    (m, n), v, u = z.shape, vectors(*z.shape, dtype), vectors(*z.shape, dtype, seed=1)
    term = curvature_term(SOFTMAX.curvature(z), v, u)
    for x in range(m):
        a, rows = true_slope(z[x])
        with mp.workdps(50):
            of_v, of_u = exact(v[x]), exact(u[x])
            moved = [mp.fdot(row, of_v) for row in rows]
            size = [mp.fdot(map(abs, row), map(abs, of_v)) for row in rows]
            mean, mean_size = mp.fdot(a, of_u), mp.fdot(a, map(abs, of_u))
            turned, turned_size = mp.fdot(moved, of_u), mp.fdot(size, map(abs, of_u))
            for j in range(n):
                true = moved[j] * (of_u[j] - mean) - a[j] * turned
                scale = size[j] * (abs(of_u[j]) + mean_size) + a[j] * turned_size
                # Σ′v, a, two sums over n, and the products.
                assert abs(exact(term[x])[j] - true) <= bounds.gamma(roundings(n) + 13 + 3 * n + 5, dtype) * scale


def test_an_infinite_vector_makes_no_nan_that_it_did_not_make():
    a = np.array([[1.0, 1e-17, 1e-200], [0.75, 0.25, 0.0]])
    huge, inf = np.finfo(float).max, np.inf
    for entries in ([-huge, huge, huge], [huge, huge, -huge], [1, -inf, 2], [1, 2, -inf], [-inf, 1, 2]):
        v = np.array([entries, entries])
        with np.errstate(all="ignore"):
            product = SOFTMAX.jacobian_product(a, a, v)
            plain = a * (v - (a * v).sum(axis=1, keepdims=True))
        assert not (np.isnan(product) & ~np.isnan(plain)).any()
        assert not (np.isinf(product) & np.isfinite(plain)).any()


def saturated(d, dtype):
    """Return a network of one input and a softmax, and its truth Σ′ in the dtype of longdouble."""
    weights = np.array([[d], [0], [-3]], dtype)
    net = fm.Network([weights], [np.zeros(3, dtype)], "softmax")
    _, rows = true_slope(weights[:, 0])
    return net, np.array([[np.longdouble(mp.nstr(entry, 30)) for entry in row] for row in rows])


@pytest.mark.parametrize(
    "flag",
    [
        pytest.param(flag, marks=pytest.mark.slow if flag.startswith("autodiff") else ())
        for flag in PROVIDING["gauss_newton"]
        # A finite difference loses half of the digits of J.
        if not flag.startswith("finite_difference")
    ],
)
@pytest.mark.parametrize(("dtype", "d"), [("float32", 20), ("float64", 40)])
def test_gauss_newton_is_definite_and_keeps_its_digits(flag, dtype, d):
    makers.skip_absent(flag)
    net, sigma = saturated(d, dtype)
    if fm.get_backend(flag).why_not_operator("gauss_newton", net, get_cost("log_likelihood")):
        pytest.skip("it serves no softmax")
    G = fm.gauss_newton(net, [[1]], [[1, 0, 0]], "log_likelihood", flag).to_dense()
    true = np.tile(sigma, (2, 2))
    # The input is 1 and the targets sum to 1, so that only the products with Σ′, and a sum of two terms, round.
    limit = bounds.gamma(roundings(3) + 2, dtype)
    assert (np.abs(G - true) <= limit * np.abs(true)).all()
    assert G[0, 0] > 0
    eigenvalues = np.linalg.eigvalsh(G.astype(float) / float(sigma.max()))
    # An eigenvalue moves by at most the norm of the error, which its sum of absolute entries bounds.
    allowed = limit * float(np.abs(true).sum() / sigma.max()) + 6 * np.finfo(float).eps * eigenvalues.max()
    assert eigenvalues.min() >= -allowed > -1e-3


@pytest.mark.parametrize("flag", [flag for flag in PROVIDING["jacobian"] if flag in ON_THE_TAPE])
@pytest.mark.parametrize(("dtype", "d"), [("float32", 20), ("float64", 40)])
def test_a_jacobian_keeps_its_digits(flag, dtype, d):
    net, sigma = saturated(d, dtype)
    if fm.get_backend(flag).why_not_operator("jacobian", net, get_cost("quadratic")):
        pytest.skip("it serves no softmax")
    found = fm.jacobian(net, [[1]], backend=flag)[0, :, 0]
    w = net.weights[0][:, 0]
    assert (np.abs(found - sigma @ w) <= bounds.gamma(roundings(3) + 3, dtype) * (np.abs(sigma) @ np.abs(w))).all()


@pytest.mark.parametrize("flag", ON_THE_TAPE)
@pytest.mark.parametrize(("dtype", "d"), [("float32", 20), ("float64", 40)])
def test_a_hidden_softmax_learns_as_slowly_as_it_must(flag, dtype, d):
    first, sigma = saturated(d, dtype)
    above = np.array([[2, 1, -1]], dtype)
    net = fm.Network([first.weights[0], above], [first.biases[0], np.zeros(1, dtype)], ["softmax", "identity"])
    if fm.get_backend(flag).why_not(net, get_cost("quadratic")):
        pytest.skip("it serves no softmax in a hidden layer")
    gradient = fm.gradient(net, [[1]], [[1]], backend=flag)
    # The output is 2, up to rounding, so δ^L is 1: γ_8 for both.
    true, size = sigma @ above[0], np.abs(sigma) @ np.abs(above[0])
    assert (np.abs(gradient.biases[0] - true) <= bounds.gamma(roundings(3) + 8, dtype) * size).all()


def test_a_slope_of_two_neurons_of_one_half_is_symmetric():
    slope = CoupledSlope(SOFTMAX, *2 * [np.array([[0.5, 0.5]])])
    assert np.array_equal(slope.blocks(), [[[0.25, -0.25], [-0.25, 0.25]]])
