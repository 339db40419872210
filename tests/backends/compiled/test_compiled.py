"""What is compiled, against NumPy in a higher precision: within a few roundings, wherever a neuron saturates."""

from __future__ import annotations

import numpy as np
import pytest

from formulations.backends._shared.compiled.forms import COMPILED, OUTPUTS, number_of, parameter_of
from formulations.functions.activations.coupled import Softmax
from formulations.functions.activations.logistic import clamp
from formulations.functions.activations.piecewise import LeakyReLU
from formulations.functions.activations.table import ACTIVATIONS

pytest.importorskip("numba")

from numba import njit

from formulations.backends._shared.compiled.activations import SOFTMAX, evaluate
from formulations.backends._shared.compiled.addresses import matrix_at, vector_at
from formulations.backends._shared.compiled.elementwise import activate, by_slope
from formulations.backends._shared.compiled.exponential import reduced_logarithm
from formulations.backends._shared.compiled.outputs import output_error, quadratic_gradient

DTYPES = (np.float32, np.float64)
FUNCTIONS = [*(ACTIVATIONS[name] for name in COMPILED if name != "softmax"), LeakyReLU(0.25)]
COMBINED = [pair for pair in OUTPUTS if pair[1]]
NAMES = [f"{cost.name} of {activation}" for cost, activation in COMBINED]


def sample(dtype):
    random, t = np.random.default_rng(0), 87 if dtype is np.float32 else 708
    bands = (
        random.uniform(-10, 10, 400),
        random.uniform(-t, t, 400),
        10.0 ** random.uniform(-30, -3, 100) * random.choice([-1, 1], 100),
        [0.0, -0.0, t, -t, t / 2, -t / 2, 1e3, -1e3, 1e15, -1e15],
    )
    return np.concatenate(bands).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_value_and_slope_keep_their_digits(function, dtype):
    z = sample(dtype)
    a, d = np.empty_like(z), np.empty_like(z)
    evaluate(number_of(function), dtype(parameter_of(function, z.dtype)), z, a, d)
    wide = z.astype(np.longdouble)
    value, slope = np.empty_like(wide), np.empty_like(wide)
    function.evaluate(wide, value, slope)
    u, faded = np.finfo(dtype).eps / 2, 4 * np.finfo(dtype).smallest_normal
    # An exponential below the normal numbers is replaced by 0; tanh′ is four of them.
    assert (np.abs(a - value) <= 8 * u * np.abs(value) + faded).all()
    assert (np.abs(d - slope) <= 8 * u * np.abs(slope) + faded).all()


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_nan_stays(function):
    z = np.array([1.0, np.nan, -1.0])
    a, d = np.empty_like(z), np.empty_like(z)
    evaluate(number_of(function), parameter_of(function, z.dtype), z, a, d)
    assert np.isnan(a).tolist() == [False, True, False]


def rows_of(dtype, n=7):
    """Weighted inputs of an output layer, from all alike to saturated beyond every exponential."""
    random, scales = np.random.default_rng(n), [0, 1e-3, 1, 30, 300, 1e4, np.finfo(dtype).max / 2]
    rows = np.concatenate([scale * random.uniform(-1, 1, (40, n)) for scale in scales])
    rows[::40, 1:] = -np.finfo(dtype).max / 2  # One neuron is above the others.
    rows[::39, 0] = -np.inf
    return rows.astype(dtype)


def activated(function, z):
    """The activation and slope of a layer without biases, by compiled code; ``z`` stays as it is."""
    a, d = np.full_like(z, 3), np.full_like(z, 3)
    parameter = z.dtype.type(parameter_of(function, z.dtype))
    activate(number_of(function), parameter, np.zeros_like(z[0]), z.copy(), a, a if function.coupled else d)
    return a, d


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 7, 500])
def test_a_softmax_keeps_its_digits(n, dtype):
    z = rows_of(dtype, n)
    # The largest input of an example is finite.
    z[:, -1] = np.where(np.isfinite(z).any(axis=1), z[:, -1], 0)
    a, _ = activated(Softmax(), z)
    value = Softmax().value(z.astype(np.longdouble))
    # z rounds when the largest is subtracted, n exponentials are added, and a small one is replaced by 0.
    u, faded = np.finfo(dtype).eps / 2, 4 * np.finfo(dtype).smallest_normal
    less = np.minimum(np.abs(z.astype(np.longdouble) - z.max(axis=1, keepdims=True)), 800)
    assert (np.abs(a - value) <= (n + 8 + less) * u * value + faded).all()


def test_a_softmax_of_numbers_that_are_not_finite_is_that_of_numpy():
    nan, inf = np.nan, np.inf
    z = np.array([[nan, 1, 2], [1, nan, 2], [1, 2, nan], [-inf, 0, 0], [-inf] * 3, [inf, 0, 1], [1e308, -1e308, 1e308]])
    with np.errstate(all="ignore"):
        expected = Softmax().value(z)
    assert np.array_equal(activated(Softmax(), z)[0], expected, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_logarithm_keeps_its_digits(dtype):
    @njit
    def logarithm(t, out):
        for i in range(t.size):
            out[i] = reduced_logarithm(t[i])

    random = np.random.default_rng(0)
    t = [random.uniform(0, 1, 5000), 10 ** -random.uniform(0, 30, 2000), [0, 1, 2**0.5 - 1]]
    t = np.concatenate(t).astype(dtype)
    found, expected = np.empty_like(t), np.log1p(t.astype(np.longdouble))
    logarithm(t, found)
    assert (np.abs(found - expected) <= 4 * np.finfo(dtype).eps / 2 * expected).all()
    logarithm(np.array([np.nan], dtype), found)
    assert np.isnan(found[0])


def output_of(number, function, z, Y, shares):
    """C, δ^L, its sum over the examples and a^L, by compiled code."""
    a, d = activated(function, z)
    G, delta, of_biases = np.full_like(z, 3), np.full_like(z, 3), np.full_like(z[0], 3)
    with np.errstate(all="ignore"):
        C = output_error(number, clamp(z.dtype), z, a, d, Y, shares, G, delta, of_biases)
    assert (G == 3).all()
    return C, delta, of_biases, a


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("cost", "activation"), COMBINED, ids=NAMES)
def test_a_combined_cost_keeps_its_digits_for_each_example(cost, activation, dtype):
    """No term of C or δ^L cancels, so each has a few roundings, wherever the outputs saturate."""
    number, function = OUTPUTS[cost, activation], ACTIVATIONS[activation]
    random, u, tiny = np.random.default_rng(0), np.finfo(dtype).eps / 2, np.finfo(dtype).smallest_normal
    z = rows_of(dtype)
    z = z[(np.abs(z) < 5000).all(axis=1)]
    Y = random.uniform(0, 1, z.shape).astype(dtype) * (random.random(z.shape) < 0.7)
    wide, y, n = z.astype(np.longdouble), Y.astype(np.longdouble), z.shape[1]
    if activation == "softmax":
        # ln Σ_j e^{z_j} − z_i, and the sum of the targets.
        others = [np.delete(np.exp(wide - wide[:, i : i + 1]), i, 1).sum(axis=1) for i in range(n)]
        terms = np.log1p(np.stack(others, axis=1))
        miss, total = 0, y.sum(axis=1, keepdims=True)
    else:
        terms, miss, total = np.log1p(np.exp(-wide)), np.log1p(np.exp(wide)), 1
    for x in range(len(z)):
        row = slice(x, x + 1)
        C, delta, of_biases, a = output_of(number, function, z[row], Y[row], np.ones((1, 1), dtype))
        expected = (y[x] * terms[x]).sum() + (0 if cost.name == "log_likelihood" else ((1 - y[x]) * miss[x]).sum())
        assert abs(C - expected) <= (n + 12) * u * expected + n * tiny
        if cost.name == "log_likelihood" and activation == "sigmoid":
            error = -y[x] / (1 + np.exp(wide[x]))
            assert (np.abs(delta[0] - error) <= 11 * u * np.abs(error) + 4 * tiny).all()
        else:
            size = a[0] * (total[x] if activation == "softmax" else 1), y[x]
            assert (np.abs(delta[0] - (size[0] - size[1])) <= (n + 5) * u * sum(size) + tiny).all()
        assert np.array_equal(of_biases, delta[0])


@pytest.mark.parametrize(("cost", "activation"), COMBINED, ids=NAMES)
def test_a_combined_cost_is_the_sum_over_the_examples_with_their_shares(cost, activation):
    number, function = OUTPUTS[cost, activation], ACTIVATIONS[activation]
    random = np.random.default_rng(0)
    z, Y, shares = random.normal(size=(5, 3)), random.integers(0, 2, (5, 3)).astype(float), 2.0 ** np.arange(5)[:, None]
    C, delta, of_biases, _ = output_of(number, function, z, Y, shares)
    alone = [output_of(number, function, z[x : x + 1], Y[x : x + 1], np.ones((1, 1))) for x in range(5)]
    assert np.array_equal(delta, shares * np.concatenate([each[1] for each in alone]))
    # Each has at most six roundings, which need not be in the same order.
    u = np.finfo(float).eps / 2
    assert abs(C - sum(share * each[0] for share, each in zip(shares[:, 0], alone, strict=True))) <= 12 * u * C
    assert (np.abs(of_biases - delta.sum(axis=0)) <= 10 * u * np.abs(delta).sum(axis=0)).all()


@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 5), (70, 129), (2, 5000)])
def test_steps_of_integers_are_exact(m, n):
    random = np.random.default_rng([m, n])
    z, b, G, Y = (random.integers(-9, 10, shape).astype(float) for shape in ((m, n), n, (m, n), (m, n)))
    kept = z.copy()
    a, d, delta, of_biases = np.empty_like(z), np.empty_like(z), np.empty_like(z), np.empty(n)
    activate(COMPILED.index("square"), 0.0, b, z, a, d)
    assert np.array_equal(z, kept + b)
    assert np.array_equal(a, z * z)
    assert np.array_equal(d, 2 * z)
    by_slope(G, d, delta, of_biases)
    assert np.array_equal(delta, G * d)
    assert np.array_equal(of_biases, delta.sum(axis=0))
    shares = random.integers(1, 5, (m, 1)).astype(float)
    assert quadratic_gradient(a, Y, shares, delta) == ((a - Y) ** 2 * shares).sum() / 2
    assert np.array_equal(delta, (a - Y) * shares)
    # A softmax adds the bias too, block by block.
    z = kept.copy()
    activate(SOFTMAX, 708.0, b, z, a, a)
    assert np.array_equal(z, kept + b)
    assert np.array_equal(a, activated(Softmax(), z)[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_at_an_address_are_the_same_numbers(dtype):
    """Compiled code reads and writes the array at the address that it is given."""
    numbers = np.arange(12, dtype=dtype)

    @njit
    def write(address, like):
        matrix_at(address, 3, 4, like)[1, 2] = 60
        vector_at(address + 11 * like.itemsize, 1, like)[0] = 110

    write(numbers.ctypes.data, numbers[:0])
    assert numbers.tolist() == [0, 1, 2, 3, 4, 5, 60, 7, 8, 9, 10, 110]
