"""What is compiled, against NumPy in a higher precision: within a few roundings, wherever a neuron saturates."""

from __future__ import annotations

import numpy as np
import pytest

from formulations.backends._shared.compiled.forms import COMPILED, number_of, parameter_of
from formulations.functions.activations.piecewise import LeakyReLU
from formulations.functions.activations.table import ACTIVATIONS

pytest.importorskip("numba")

from numba import njit

from formulations.backends._shared.compiled.activations import evaluate
from formulations.backends._shared.compiled.addresses import matrix_at, vector_at
from formulations.backends._shared.compiled.steps import activate, by_slope, quadratic_gradient

DTYPES = (np.float32, np.float64)
FUNCTIONS = [*(ACTIVATIONS[name] for name in COMPILED), LeakyReLU(0.25)]


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
    assert not (np.abs(a - value) > 8 * u * np.abs(value) + faded).any()
    assert not (np.abs(d - slope) > 8 * u * np.abs(slope) + faded).any()


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_nan_stays(function):
    z = np.array([1.0, np.nan, -1.0])
    a, d = np.empty_like(z), np.empty_like(z)
    evaluate(number_of(function), parameter_of(function, z.dtype), z, a, d)
    assert np.isnan(a).tolist() == [False, True, False]


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
