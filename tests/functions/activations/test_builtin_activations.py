from __future__ import annotations

import math
import pickle
import tracemalloc
import warnings

import mpmath as mp
import numpy as np
import pytest
from activation_oracle import CLAMP, FLOATS, ORACLE, SIZE, exact

from formulations.backends._shared.compiled.forms import COMPILED, number_of
from formulations.exceptions import InvalidInput, Refused, UnknownName, WrongType
from formulations.functions.activations.base import Activation
from formulations.functions.activations.logistic import Sigmoid, Tanh
from formulations.functions.activations.piecewise import LeakyReLU
from formulations.functions.activations.table import ACTIVATIONS, get_activation, is_built_in

# A coupled activation is not a function of one z.
ELEMENTWISE = [name for name, activation in ACTIVATIONS.items() if not activation.coupled]
BUILT_IN = pytest.mark.parametrize("name", ELEMENTWISE)
DTYPE = pytest.mark.parametrize("dtype", FLOATS, ids=lambda dtype: np.dtype(dtype).name)
QUANTITIES = ("value", "slope", "curvature")

# The rounding errors, in u, that the docstrings allow for value, slope and curvature; in float32, whose exp has larger
# errors, those with an exponential have two more.
ROUNDINGS = {
    "sigmoid": (4, 6, 10),
    "tanh": (4, 6, 11),
    "relu": (0, 0, 0),
    "leaky_relu": (2, 1, 0),
    "elu": (3, 3, 3),
    "softplus": (5, 4, 6),
    "silu": (5, 8, 12),
    "gelu": (6, 6, 6),
    "identity": (0, 0, 0),
    "square": (1, 0, 0),
    "sine": (2, 2, 2),
}


def served(name, dtype):
    activation = ACTIVATIONS[name]
    reason = activation.why_not(dtype)
    if reason is not None:
        assert (name, dtype) == ("gelu", np.longdouble)
        pytest.skip(reason)
    return activation


def sample(dtype, seed=0):
    """Moderate, tiny, saturated and huge z of both signs, and the points where two pieces meet."""
    rng, t, info = np.random.default_rng(seed), CLAMP[dtype], np.finfo(dtype)
    bands = (
        rng.uniform(-10, 10, 120),
        rng.uniform(-40, 40, 60),
        rng.uniform(-t, t, 60),
        10.0 ** rng.uniform(-30, -3, 40) * rng.choice([-1, 1], 40),
        [0.0, -0.0, -1.278464542761074, -0.7517915247, t, -t, t / 2, -t / 2, -5.0, 5.0, 1e3, -1e3],
    )
    extreme = np.array([info.smallest_normal, info.smallest_subnormal, info.max / 3, info.max], dtype)
    return np.concatenate([np.concatenate(bands).astype(dtype), extreme, -extreme])[None]


def legitimate(name, z):
    """z² and 2z overflow as they should: those z are not compared."""
    return z[np.abs(z) < np.sqrt(np.finfo(z.dtype).max)][None] if name == "square" else z


@pytest.mark.slow
@BUILT_IN
@DTYPE
def test_value_slope_and_curvature_agree_with_sixty_digits(name, dtype):
    activation, t = served(name, dtype), CLAMP[dtype]
    z, info = legitimate(name, sample(dtype)), np.finfo(dtype)
    u, tiny, subnormal = mp.mpf(float(info.eps)) / 2, exact(info.smallest_normal), exact(info.smallest_subnormal)
    for quantity, true, roundings in zip(QUANTITIES, ORACLE[name], ROUNDINGS[name], strict=True):
        if dtype is np.float32 and roundings > 2:
            roundings += 2
        got = getattr(activation, quantity)(z)
        assert got.dtype == dtype and got.shape == z.shape
        size = SIZE.get((name, quantity), true)
        for x, g in zip(z[0], got[0], strict=True):
            exact_z = exact(x)
            # x = z/√2 is rounded twice and x² once more: 5u of the exponent z²/2.
            factor = roundings + (2.5 * min(exact_z**2, 2 * t) if name == "gelu" else 0)
            # If an exponential is not a normal number, the error is bounded by the smallest normal number, and by z
            # times it if z multiplies it.
            faded = 2 * tiny * ((1 + t) if name in ("silu", "gelu") else 1)
            at_end = abs(exact_z) > {"tanh": t / 2 - 1, "silu": t - 46, "gelu": math.sqrt(2 * t) - 1}.get(name, t - 1)
            bound = factor * u * abs(size(exact_z)) + (8 * faded if at_end else 0) + subnormal * (roundings > 0)
            difference = abs(exact(g) - true(exact_z))
            assert difference <= bound, (quantity, x, g, float(difference / bound))


@pytest.mark.parametrize(("dtype", "reach", "roundings"), [(np.float32, 85, 8), (np.float64, 700, 6)])
def test_sigma_prime_keeps_its_digits_in_saturation(dtype, reach, roundings):
    z = np.random.default_rng(1).uniform(-reach, reach, (1, 1500)).astype(dtype)
    u = np.finfo(dtype).eps / 2
    value, slope = np.empty_like(z), np.empty_like(z)
    Sigmoid().evaluate(z, value, slope)
    for quantity, got in ((0, value), (1, slope)):
        for x, g in zip(z[0], got[0], strict=True):
            true = ORACLE["sigmoid"][quantity](exact(x))
            assert abs(exact(g) - true) <= roundings * u * true, (x, g)


@BUILT_IN
@DTYPE
def test_no_warning_and_no_nan_up_to_the_largest_number(name, dtype):
    activation, z = served(name, dtype), legitimate(name, sample(dtype))
    before = z.copy()
    with warnings.catch_warnings(), np.errstate(over="raise", invalid="raise", divide="raise", under="ignore"):
        warnings.simplefilter("error")
        for quantity in QUANTITIES:
            assert np.isfinite(getattr(activation, quantity)(z)).all(), quantity
    assert np.array_equal(z, before)


@BUILT_IN
@DTYPE
def test_nan_propagates_and_stays_where_it_is(name, dtype):
    activation = served(name, dtype)
    z = np.array([[0.5, np.nan, -0.5]], dtype)
    value = activation.value(z)
    assert np.isnan(value).tolist() == [[False, True, False]]
    if not name.startswith("identity"):
        assert np.isnan(activation.slope(z)).tolist() == [[False, True, False]]


@BUILT_IN
@DTYPE
def test_value_alone_has_the_same_bits(name, dtype):
    activation, z = served(name, dtype), legitimate(name, sample(dtype))
    alone, value, slope = (np.empty_like(z) for _ in range(3))
    activation.evaluate(z, alone)
    activation.evaluate(z, value, slope)
    assert np.array_equal(alone, value) and np.array_equal(np.signbit(alone), np.signbit(value))
    assert np.array_equal(activation.slope(z), slope)


@BUILT_IN
@pytest.mark.parametrize("with_slope", [False, True])
def test_nothing_of_the_layers_size_is_allocated(name, with_slope):
    z = np.random.default_rng(2).standard_normal((512, 1024))
    value, slope = np.empty_like(z), np.empty_like(z) if with_slope else None
    ACTIVATIONS[name].evaluate(z, value, slope)
    tracemalloc.start()
    try:
        ACTIVATIONS[name].evaluate(z, value, slope)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024


@pytest.mark.parametrize(
    ("name", "value_parity", "slope_parity"), [("tanh", -1, 1), ("sine", -1, 1), ("square", 1, -1)]
)
@DTYPE
def test_odd_and_even_functions_are_so_bit_by_bit(name, value_parity, slope_parity, dtype):
    z = legitimate(name, sample(dtype))
    activation = ACTIVATIONS[name]
    assert np.array_equal(activation.value(-z), value_parity * activation.value(z))
    assert np.array_equal(activation.slope(-z), slope_parity * activation.slope(z))


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if ACTIVATIONS[name].slope_bound is not None])
def test_slope_bound_is_the_supremum(name):
    grid = np.linspace(-40, 40, 800_001)
    if name == "softmax":
        # The first of two outputs is the logistic function of the difference.
        z = np.stack([grid, np.zeros_like(grid)], axis=1)
        slope = (ACTIVATIONS[name].slope(z) @ np.eye(2)[:1])[:, 0]
    else:
        slope = ACTIVATIONS[name].slope(grid[None])
    bound = ACTIVATIONS[name].slope_bound
    # As below for the curvature.
    assert bound * (1 - 1e-6) <= np.abs(slope).max() <= bound * (1 + 1e-14)


def test_the_slope_of_the_square_alone_has_no_bound():
    assert {name for name in ACTIVATIONS if ACTIVATIONS[name].slope_bound is None} == {"square"}


@BUILT_IN
def test_curvature_bound_is_the_supremum(name):
    activation = ACTIVATIONS[name]
    size = np.abs(activation.curvature(np.linspace(-8, 8, 160_001)[None]))
    # The largest of 160,001 values falls short of a smooth maximum by at most |f''''|/2 · (grid/2)².
    assert activation.curvature_bound * (1 - 1e-6) <= size.max() <= activation.curvature_bound * (1 + 1e-14)


def test_conventions_at_the_seam_are_those_from_the_left():
    zero = np.zeros((1, 1))
    for name, slope in (("relu", 0.0), ("leaky_relu", 0.01), ("elu", 1.0)):
        assert ACTIVATIONS[name].slope(zero) == slope
    assert ACTIVATIONS["elu"].curvature(zero) == 1
    assert {name for name in ACTIVATIONS if ACTIVATIONS[name].kinks} == {"relu", "leaky_relu"}


@BUILT_IN
def test_built_ins_are_frozen_values(name):
    activation = ACTIVATIONS[name]
    copy = pickle.loads(pickle.dumps(activation))
    assert copy == activation and hash(copy) == hash(activation) and copy.name == name
    assert [other for other in ACTIVATIONS if ACTIVATIONS[other] == activation] == [name]
    assert activation.functions == (activation,) and activation.neuron(3) is activation
    assert not activation.coupled and activation.why_not_width(7) is None
    with pytest.raises(AttributeError):
        activation.anything = 1


@pytest.mark.parametrize("dtype", [np.float16, np.int64, np.complex128, object])
@BUILT_IN
def test_other_dtypes_are_refused_with_the_reason(name, dtype):
    assert np.dtype(dtype).name in ACTIVATIONS[name].why_not(dtype)
    with pytest.raises(WrongType, match=np.dtype(dtype).name):
        ACTIVATIONS[name].value(np.zeros((1, 1), dtype))


def test_gelu_says_why_it_has_no_longdouble():
    assert "error function" in ACTIVATIONS["gelu"].why_not(np.longdouble)
    assert ACTIVATIONS["gelu"].why_not(np.float32) is None


@pytest.mark.parametrize("negative_slope", [0, 0.2, 0.999])
@DTYPE
def test_leaky_relu_takes_its_parameter(negative_slope, dtype):
    leaky, z = LeakyReLU(negative_slope), np.array([[-2.0, 0.0, 3.0]], dtype)
    nu = dtype(negative_slope)
    assert leaky.value(z).tolist() == [[dtype(-2) * nu, 0, 3]]
    assert leaky.slope(z).tolist() == [[nu, nu, 1]]


def test_leaky_relus_differ_by_their_parameter_and_say_so():
    assert LeakyReLU(0.01) == ACTIVATIONS["leaky_relu"] != LeakyReLU(0.2)
    assert LeakyReLU(0.2).name == "leaky_relu(negative_slope=0.2)"


@pytest.mark.parametrize("negative_slope", [-0.1, 1, 1.5, math.nan, math.inf])
def test_leaky_relu_refuses_other_parameters(negative_slope):
    with pytest.raises(InvalidInput, match=r"\[0, 1\)"):
        LeakyReLU(negative_slope)


def test_get_activation():
    tanh = Tanh()
    assert get_activation("tanh") == tanh and get_activation(tanh) is tanh
    with pytest.raises(UnknownName, match=r"unknown activation 'sigmiod'.*Did you mean 'sigmoid'"):
        get_activation("sigmiod")
    with pytest.raises(WrongType, match="got ufunc"):
        get_activation(np.tanh)


@pytest.mark.parametrize("slope", [0.25, 1e-05, 0.3, 1 / 3])
def test_a_leaky_rectifier_with_any_slope_has_a_name_that_makes_it(slope):
    leaky = LeakyReLU(slope)
    assert get_activation(leaky.name) == leaky
    assert get_activation(f"leaky_relu(negative_slope={slope})").name == leaky.name


@pytest.mark.parametrize(
    "name", ["leaky_relu()", "leaky_relu(negative_slope=x)", "leaky_relu(negative_slope=.)", "relu(1)"]
)
def test_a_name_with_another_parameter_is_unknown(name):
    with pytest.raises(UnknownName, match="unknown activation"):
        get_activation(name)


def test_a_name_with_a_slope_of_no_leaky_rectifier_is_refused():
    with pytest.raises(InvalidInput, match=r"negative_slope must be in \[0, 1\), got 2\.0"):
        get_activation("leaky_relu(negative_slope=2)")


def test_an_activation_without_curvature_refuses_it():
    class Bare(Activation):
        name = "bare"

        def evaluate(self, z, value, slope=None):
            Sigmoid().evaluate(z, value, slope)

    with pytest.raises(Refused, match="curvature="):
        Bare().curvature(np.zeros((1, 1)))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8, 16, 64])
@BUILT_IN
def test_a_column_of_a_layer_gives_the_same_as_the_column_alone(name, width, dtype):
    # NumPy 2.4 negates some strided columns incorrectly when the output is a strided column.
    activation = ACTIVATIONS[name]
    if activation.why_not(dtype):
        pytest.skip("refused")
    z = np.linspace(-3, 3, 5 * width).astype(dtype).reshape(5, width)
    value, slope = np.empty_like(z), np.empty_like(z)
    for j in range(width):
        activation.evaluate(z[:, j], value[:, j], slope[:, j])
        alone, its_slope = activation.value(z[:, j].copy()), activation.slope(z[:, j].copy())
        # The vectorised loop and the scalar loop for strides may round differently, by a few units.
        u = np.finfo(dtype).eps
        assert np.all(np.abs(value[:, j] - alone) <= 8 * u * (1 + np.abs(alone)))
        assert np.all(np.abs(slope[:, j] - its_slope) <= 8 * u * (1 + np.abs(its_slope)))


def test_what_only_has_the_name_of_a_built_in_function_is_not_built_in_and_has_no_compiled_form():
    for function in (*ACTIVATIONS.values(), LeakyReLU(0.3)):
        namesake = type("Namesake", (Activation,), {"name": function.name, "evaluate": function.evaluate})()
        assert is_built_in(function) and not is_built_in(namesake)
        assert number_of(namesake) is None
    assert number_of(LeakyReLU(0.3)) == number_of(ACTIVATIONS["leaky_relu"]) == COMPILED.index("leaky_relu")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "power"), [("gelu", 1 / 2), ("silu", 1)])
def test_far_out_the_curvature_fades_below_the_normal_numbers(name, power, dtype):
    # σ′ is near e^(−|z|), and φ near e^(−z²/2); beyond the exponent 1.2t both are 0 times any z².
    far = (1.2 * (2 if name == "gelu" else 1) * -np.log(np.finfo(dtype).smallest_normal)) ** power
    z = np.array([[-np.finfo(dtype).max, -far, far, np.finfo(dtype).max]], dtype)
    assert (np.abs(ACTIVATIONS[name].curvature(z)) < np.finfo(dtype).smallest_normal).all()
    assert (np.abs(ACTIVATIONS[name].slope(z[:, :2])) < np.finfo(dtype).smallest_normal).all()
