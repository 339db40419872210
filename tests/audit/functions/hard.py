"""Functions that are hard to differentiate numerically: noise, steps, offsets, scales, and many coordinates."""

from __future__ import annotations

import hashlib
import zlib

import numpy as np
import scipy

from tests.audit.functions.elementary import cos, exp, log, sin, sqrt
from tests.audit.functions.function import function, mapping
from tests.audit.functions.learning import log_sum_exp, softmax
from tests.audit.functions.more_garbow_hillstrom import BEALE

__all__: list[str] = []

NOISY = "noise and steps"
SCALED = "offsets and scales"
LARGE = "many coordinates"
START = BEALE.points[0]


def noise(x):
    """A number in [−1, 1] that depends on every bit of x."""
    digest = hashlib.blake2b(np.ascontiguousarray(x).tobytes(), digest_size=8).digest()
    return int.from_bytes(digest, "little") / 2**63 - 1


def patterned_noise(x):
    """The same with a check sum, whose values at neighbouring numbers depend on each other."""
    return zlib.crc32(np.ascontiguousarray(x).tobytes()) / 2**31 - 1


for exponent in (3, 6, 9, 12):
    function(
        f"noise_1e-{exponent}",
        NOISY,
        START,
        lambda x, size=10.0**-exponent: BEALE.f(x) + size * noise(x),
        BEALE.gradient,
        exact=BEALE.f,
    )
function(
    "patterned_noise_1e-6",
    NOISY,
    START,
    lambda x: BEALE.f(x) + 1e-6 * patterned_noise(x),
    BEALE.gradient,
    exact=BEALE.f,
)
function(
    "relative_noise_1e-8",
    NOISY,
    [0.5, -1.5, 2],
    lambda x: np.exp(x).sum() * (1 + 1e-8 * noise(x)),
    np.exp,
    exact=lambda x: exp(x).sum(),
)
function(
    "noise_in_one_coordinate",
    NOISY,
    [0.5, -1.5, 2],
    lambda x: np.exp(x).sum() + 1e-7 * noise(x[:1]),
    np.exp,
    exact=lambda x: exp(x).sum(),
)
function("rounded_to_six_decimals", NOISY, START, lambda x: round(float(BEALE.f(x)), 6), BEALE.gradient, exact=BEALE.f)
function("printed_with_six_digits", NOISY, START, lambda x: float(f"{BEALE.f(x):.6g}"), BEALE.gradient, exact=BEALE.f)
function(
    "single_precision_inside",
    NOISY,
    [0.5, -1.5, 2],
    lambda x: float(np.exp(x.astype(np.float32)).sum()),
    np.exp,
    exact=lambda x: exp(x).sum(),
)
function(
    "rounded_argument",
    NOISY,
    [0.5, -1.5, 2],
    lambda x: float(np.exp(np.round(x, 5)).sum()),
    np.exp,
    exact=lambda x: exp(x).sum(),
)


# The series of −ln(1 − x), cut off as soon as a term is small: a polynomial, now of one degree, now of another.
def terms(x):
    """The number of terms, none where the series diverges."""
    if not abs(x) < 1:
        return 0
    return int(np.ceil(np.log(1e-10) / np.log(abs(x))))


def cut_off(x):
    counts = [terms(float(each)) for each in x]
    if 0 in counts:
        return float("nan")
    return sum(each**k / k for each, count in zip(x, counts, strict=True) for k in range(1, count + 1))


function(
    "cut_off_series",
    NOISY,
    [0.9, 0.4],
    cut_off,
    lambda x: (1 - x ** [terms(each) for each in x]) / (1 - x),
)


function("offset_1e8", SCALED, START, lambda x: 1e8 + BEALE.f(x), BEALE.gradient, others=([3, 0.5],))
function(
    "offset_1e8_of_small_values", SCALED, START, lambda x: 1e8 + 1e-3 * BEALE.f(x), lambda x: 1e-3 * BEALE.gradient(x)
)
function("scale_1e-12", SCALED, START, lambda x: 1e-12 * BEALE.f(x), lambda x: 1e-12 * BEALE.gradient(x))
function("scale_1e12", SCALED, START, lambda x: 1e12 * BEALE.f(x), lambda x: 1e12 * BEALE.gradient(x))
function("scale_1e-200", SCALED, START, lambda x: 1e-200 * BEALE.f(x), lambda x: 1e-200 * BEALE.gradient(x))
function(
    "argument_1e-12", SCALED, 1e-12 * START, lambda x: BEALE.f(x * 1e12), lambda x: 1e12 * BEALE.gradient(x * 1e12)
)
function(
    "argument_1e12", SCALED, 1e12 * START, lambda x: BEALE.f(x * 1e-12), lambda x: 1e-12 * BEALE.gradient(x * 1e-12)
)
UNITS = np.array([1e-9, 1.0, 1e9])
function(
    "mixed_units",
    SCALED,
    UNITS * [0.3, 1.7, -0.6],
    lambda x: exp((x / UNITS).sum()) + sin(x / UNITS).prod(),
    lambda x: (
        (
            np.exp((x / UNITS).sum())
            + np.cos(x / UNITS) * np.array([np.delete(np.sin(x / UNITS), j).prod() for j in range(3)])
        )
        / UNITS
    ),
)
function(
    "argument_far_from_zero",
    SCALED,
    [1e6 + 0.25, 1e6 - 3],
    lambda x: (x[0] - 1e6) ** 2 + cos(x[1] - 1e6),
    lambda x: np.array([2 * (x[0] - 1e6), -np.sin(x[1] - 1e6)]),
    typical=1.0,
    around=0,
)
BOX = np.array([1.0, 2, 3])
function(
    "barrier",
    SCALED,
    [0.999, 1, -2.9999],
    lambda x: -(log(BOX - x) + log(BOX + x)).sum(),
    lambda x: 1 / (BOX - x) - 1 / (BOX + x),
    around=0,
)
function("root_near_zero", SCALED, [1e-8, 1], lambda x: sqrt(x).sum(), lambda x: 0.5 / np.sqrt(x), typical=1.0)
function(
    "quadratic_at_minimum",
    SCALED,
    [0.3, -2, 7],
    lambda x: ((x - [0.3, -2, 7]) ** 2).sum(),
    lambda x: 2 * (x - [0.3, -2, 7]),
)
function(
    "saddle",
    SCALED,
    [0.0, 0.0],
    lambda x: x[0] * x[0] - x[1] * x[1] + x[0] * x[1] ** 3,
    lambda x: np.array([2 * x[0] + x[1] ** 3, -2 * x[1] + 3 * x[0] * x[1] ** 2]),
    around=1,
)
function(
    "small_among_large",
    SCALED,
    [0.7, -0.4, 1.1],
    lambda x: 1e6 * exp(x[0]) + sin(x[1]) + 1e-6 * x[2] ** 3,
    lambda x: np.array([1e6 * np.exp(x[0]), np.cos(x[1]), 3e-6 * x[2] ** 2]),
)
function(
    "single_precision_exponentials",
    SCALED,
    np.array([0.5, -1.5, 2, 3], dtype=np.float32),
    lambda x: exp(x).sum(),
    np.exp,
)
function(
    "single_precision_quadratic",
    SCALED,
    np.array([0.3, -2, 7, 0.01, 100], dtype=np.float32),
    lambda x: (x * x).sum() / 2 + x[0] * x[4],
    lambda x: x + np.array([x[4], 0, 0, 0, x[0]], dtype=np.float32),
)
mapping(
    "values_of_many_scales",
    [0.5, 1.2],
    lambda x: [1e8 * exp(x[0]), 1e-8 * sin(x[0] * x[1]), x[1] ** 2, 1e8 + x[0] * x[1]],
    lambda x: [
        [1e8 * np.exp(x[0]), 0],
        [1e-8 * x[1] * np.cos(x[0] * x[1]), 1e-8 * x[0] * np.cos(x[0] * x[1])],
        [0, 2 * x[1]],
        [x[1], x[0]],
    ],
)


def extended_rosenbrock(x):
    return (100 * (x[1::2] - x[::2] ** 2) ** 2 + (1 - x[::2]) ** 2).sum()


def extended_rosenbrock_gradient(x):
    gradient = np.empty_like(x)
    apart = x[1::2] - x[::2] ** 2
    gradient[::2] = -400 * x[::2] * apart - 2 * (1 - x[::2])
    gradient[1::2] = 200 * apart
    return gradient


def extended_powell(x):
    a, b, c, d = x.reshape(-1, 4).T
    return ((a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4).sum()


def extended_powell_gradient(x):
    a, b, c, d = x.reshape(-1, 4).T
    first, second, third, fourth = 2 * (a + 10 * b), 10 * (c - d), 4 * (b - 2 * c) ** 3, 40 * (a - d) ** 3
    return np.column_stack([first + fourth, 10 * first + third, second - 2 * third, -second - fourth]).ravel()


# 21 and 22 of Moré, Garbow and Hillstrom, whose number of coordinates is free.
function(
    "extended_rosenbrock", LARGE, np.tile([-1.2, 1], 500), extended_rosenbrock, extended_rosenbrock_gradient, around=1
)
function("extended_powell", LARGE, np.tile([3.0, -1, 0, 1], 250), extended_powell, extended_powell_gradient, around=1)
SPACED = np.linspace(0.1, 10, 10_000)
function(
    "large_quadratic",
    LARGE,
    np.cos(np.arange(10_000.0)),
    lambda x: (SPACED * x * x).sum() / 2 + (x[1:] * x[:-1]).sum(),
    lambda x: SPACED * x + np.append(x[1:], 0) + np.append(0, x[:-1]),
    around=0,
)
function("large_log_sum_exp", LARGE, np.sin(np.arange(2000.0)), log_sum_exp, softmax, around=1)
PIXELS = np.random.default_rng(5).random((48, 48))
FILTER = np.outer([0.25, 0.5, 0.25], [0.2, 0.7, 0.1])


def blurred(x):
    return sum(FILTER[i, j] * x[2 - i : 48 - i, 2 - j : 48 - j] for i in range(3) for j in range(3))


function(
    "image_convolution",
    LARGE,
    PIXELS.ravel(),
    lambda x: ((scipy.signal.convolve2d(x.reshape(48, 48), FILTER, "valid") - 0.5) ** 2).sum() / 2,
    lambda x: scipy.signal.correlate2d(
        scipy.signal.convolve2d(x.reshape(48, 48), FILTER, "valid") - 0.5, FILTER, "full"
    ).ravel(),
    exact=lambda x: ((blurred(x.reshape(48, 48)) - 0.5) ** 2).sum() / 2,
    around=0,
)


def variation(x):
    x = x.reshape(48, 48)
    return sqrt((x[1:, :-1] - x[:-1, :-1]) ** 2 + (x[:-1, 1:] - x[:-1, :-1]) ** 2 + 1e-4).sum()


def variation_gradient(x):
    x = x.reshape(48, 48)
    down, right = x[1:, :-1] - x[:-1, :-1], x[:-1, 1:] - x[:-1, :-1]
    size = np.sqrt(down**2 + right**2 + 1e-4)
    gradient = np.zeros_like(x)
    gradient[1:, :-1] += down / size
    gradient[:-1, 1:] += right / size
    gradient[:-1, :-1] -= (down + right) / size
    return gradient.ravel()


function("total_variation", LARGE, PIXELS.ravel(), variation, variation_gradient, around=0)


PATTERNS = np.random.default_rng(6).standard_normal((16, 30))
CLASSES = np.eye(10)[np.random.default_rng(7).integers(10, size=16)]


def classifier(p):
    """The log-likelihood of a network with 20 rectified neurons, and biases that start at 0."""
    (w, b), (v, c) = p
    inputs = PATTERNS if w.dtype == object else PATTERNS.astype(w.dtype)
    scores = np.maximum(inputs @ w.T + b, 0) @ v.T + c
    largest = scores.max(axis=1, keepdims=True)
    return (log(exp(scores - largest).sum(axis=1)).sum() + largest.sum() - scores[CLASSES > 0].sum()) / 16


def classifier_gradient(p):
    (w, b), (v, c) = p
    inputs = PATTERNS.astype(w.dtype)
    hidden = np.maximum(inputs @ w.T + b, 0)
    output_error = ((softmax(hidden @ v.T + c) - CLASSES) / 16).astype(w.dtype)
    hidden_error = output_error @ v * (hidden > 0)
    return [(hidden_error.T @ inputs, hidden_error.sum(axis=0)), (output_error.T @ hidden, output_error.sum(axis=0))]


def glorot(dtype):
    random = np.random.default_rng(8)
    return [
        ((random.standard_normal((20, 30)) * 0.2).astype(dtype), np.zeros(20, dtype)),
        ((random.standard_normal((10, 20)) * 0.26).astype(dtype), np.zeros(10, dtype)),
    ]


function("large_network", LARGE, glorot(np.float64), classifier, classifier_gradient, around=1)
function("large_single_precision_network", LARGE, glorot(np.float32), classifier, classifier_gradient, around=1)
