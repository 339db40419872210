"""Functions with decompositions, splines, quadrature, convolutions and special functions."""

from __future__ import annotations

import numpy as np
import scipy

from tests.audit.functions.elementary import (
    cholesky,
    cos,
    eigenvalues,
    erf,
    exp,
    expm,
    gammaln,
    i0,
    inverse,
    log,
    sin,
    sqrt,
)
from tests.audit.functions.function import function, mapping

__all__: list[str] = []

KIND = "linear algebra, splines, integrals"
RANDOM = np.random.default_rng(16)


def symmetric(n, shift):
    a = RANDOM.standard_normal((n, n))
    return (a + a.T) / 2 + shift * np.eye(n)


# log det of a positive definite matrix, whose Cholesky factor does not exist everywhere.
BASIS = [symmetric(5, 4), *(symmetric(5, 0) for _ in range(3))]


def combined(x):
    return BASIS[0] + sum(x[i] * BASIS[i + 1] for i in range(3))


def log_determinant_gradient(x):
    inverted = np.linalg.inv(combined(x))
    return np.array([np.sum(inverted * each) for each in BASIS[1:]])


function(
    "cholesky_log_determinant",
    KIND,
    [0.2, -0.3, 0.1],
    lambda x: 2 * log(np.diag(cholesky(combined(x)))).sum(),
    log_determinant_gradient,
)

INPUTS = np.sort(RANDOM.uniform(0, 5, 12))
APART = (INPUTS[:, None] - INPUTS) ** 2
OBSERVED = np.sin(INPUTS)


def covariance(x):
    return exp(2 * x[0]) * exp(-APART / (2 * exp(2 * x[1]))) + exp(2 * x[2]) * np.eye(12)


def marginal_likelihood(x):
    factor = cholesky(covariance(x))
    return log(np.diag(factor)).sum() + OBSERVED @ (inverse(covariance(x)) @ OBSERVED) / 2


def marginal_likelihood_gradient(x):
    inverted = np.linalg.inv(covariance(x))
    weights = inverted - np.outer(inverted @ OBSERVED, inverted @ OBSERVED)
    kernel = np.exp(2 * x[0]) * np.exp(-APART / (2 * np.exp(2 * x[1])))
    parts = [2 * kernel, kernel * APART * np.exp(-2 * x[1]), 2 * np.exp(2 * x[2]) * np.eye(12)]
    return np.array([np.sum(weights * part) / 2 for part in parts])


function("gaussian_process", KIND, [0.1, 0.2, -1.2], marginal_likelihood, marginal_likelihood_gradient)
function(
    "determinant",
    KIND,
    symmetric(4, 1).ravel(),
    lambda x: np.linalg.det(x.reshape(4, 4)),
    lambda x: (np.linalg.det(x.reshape(4, 4)) * np.linalg.inv(x.reshape(4, 4)).T).ravel(),
    exact=lambda x: _determinant(x.reshape(4, 4)),
)


def _determinant(a):
    """By the first row."""
    if len(a) == 1:
        return a[0, 0]
    return sum((-1) ** j * a[0, j] * _determinant(np.delete(a[1:], j, axis=1)) for j in range(len(a)))


QUADRATIC = symmetric(8, 3)
function(
    "rayleigh_quotient",
    KIND,
    RANDOM.standard_normal(8),
    lambda x: (x @ QUADRATIC @ x) / (x @ x),
    lambda x: 2 * (QUADRATIC @ x - (x @ QUADRATIC @ x) / (x @ x) * x) / (x @ x),
    others=(np.linalg.eigh(QUADRATIC)[1][:, -1],),
)

LOWER = np.tril_indices(4)


def filled(x):
    """The symmetric matrix with this lower triangle."""
    a = np.zeros((4, 4), dtype=x.dtype)
    a[LOWER] = x
    return a + np.tril(a, -1).T


def largest_eigenvalue_gradient(x):
    v = np.linalg.eigh(filled(x))[1][:, -1]
    return (2 * np.outer(v, v) - np.diag(v * v))[LOWER]


# LAPACK reads one triangle of a complex matrix as Hermitian: no complex step may be trusted here.
function(
    "largest_eigenvalue",
    KIND,
    symmetric(4, 0)[LOWER],
    lambda x: eigenvalues(filled(x))[-1],
    largest_eigenvalue_gradient,
)
function(
    "trace_of_exponential",
    KIND,
    RANDOM.standard_normal(9) / 2,
    lambda x: np.trace(expm(x.reshape(3, 3))),
    lambda x: scipy.linalg.expm(x.reshape(3, 3)).T.ravel(),
)
RIGHT = RANDOM.standard_normal(5)


def solve_gradient(x):
    inverted = np.linalg.inv(combined(x))
    return np.array([-(RIGHT @ inverted) @ each @ (inverted @ OBSERVED[:5]) for each in BASIS[1:]])


function(
    "linear_solve",
    KIND,
    [0.2, -0.3, 0.1],
    lambda x: RIGHT @ (inverse(combined(x)) @ OBSERVED[:5]),
    solve_gradient,
)
NORMS = RANDOM.standard_normal(10)
function("euclidean_norm", KIND, NORMS, lambda x: sqrt((x * x).sum()), lambda x: x / np.linalg.norm(x))
# The same by a function that takes absolute values, which is not analytic.
function(
    "norm_by_absolute_values",
    KIND,
    NORMS,
    lambda x: np.linalg.norm(x),
    lambda x: x / np.linalg.norm(x),
    exact=lambda x: sqrt((x * x).sum()),
)
# Linear, with a matrix whose entries span twelve orders of magnitude.
SPREAD = 10 ** np.linspace(-6, 6, 13)
function("linear", KIND, np.ones(13), lambda x: SPREAD @ x, lambda _: SPREAD)
function("constant", KIND, [1.0, 2.0], lambda x: 0 * x[0] + 7.0, lambda _: np.zeros(2))

KNOTS = np.linspace(0, 3, 10)
SPLINE = scipy.interpolate.CubicSpline(KNOTS, np.sin(2 * KNOTS))
STARTS = np.array([0.1, 0.77, 1.3, 2.2, 2.6])
MIXED = np.array([1.0, -2, 0.5, 1, 1])


def spline_exactly(x):
    pieces = np.array([np.searchsorted(KNOTS, float(each), side="right") - 1 for each in x])
    u = x - KNOTS[pieces]
    c = SPLINE.c[:, pieces]
    return MIXED @ (((c[0] * u + c[1]) * u + c[2]) * u + c[3])


function(
    "cubic_spline",
    KIND,
    STARTS,
    lambda x: MIXED @ SPLINE(x),
    lambda x: MIXED * SPLINE(x, 1),
    # 1e-9 to the left of a knot, across which the third derivative jumps.
    others=(np.append(STARTS[:4], KNOTS[5] - 1e-9),),
    exact=spline_exactly,
)
# The spline's integral is linear in the values at the knots, through the solution of a tridiagonal system.
INTEGRALS = scipy.interpolate.CubicSpline(KNOTS, np.eye(10)).integrate(0.2, 2.6)
function(
    "integral_of_spline",
    KIND,
    np.sin(2 * KNOTS),
    lambda x: scipy.interpolate.CubicSpline(KNOTS, x).integrate(0.2, 2.6),
    lambda _: INTEGRALS,
    exact=lambda x: INTEGRALS @ x,
)


def adaptive(integrand, low, high):
    return scipy.integrate.quad(integrand, low, high, epsabs=1e-13, epsrel=1e-13)[0]


def integral_exactly(x):
    import mpmath

    return mpmath.quad(lambda t: mpmath.exp(-x[0] * t) * mpmath.cos(x[1] * t), [0, 1])


function(
    "adaptive_quadrature",
    KIND,
    [0.7, 3],
    lambda x: adaptive(lambda t: np.exp(-x[0] * t) * np.cos(x[1] * t), 0, 1),
    lambda x: np.array(
        [
            adaptive(lambda t: -t * np.exp(-x[0] * t) * np.cos(x[1] * t), 0, 1),
            adaptive(lambda t: -t * np.exp(-x[0] * t) * np.sin(x[1] * t), 0, 1),
        ]
    ),
    exact=integral_exactly,
)
NODES, MEASURES = np.polynomial.legendre.leggauss(20)
function(
    "gauss_quadrature",
    KIND,
    [0.7, 3],
    lambda x: MEASURES @ (exp(-x[0] * NODES) * cos(x[1] * NODES)),
    lambda x: np.array(
        [
            -MEASURES @ (NODES * np.exp(-x[0] * NODES) * np.cos(x[1] * NODES)),
            -MEASURES @ (NODES * np.exp(-x[0] * NODES) * np.sin(x[1] * NODES)),
        ]
    ),
)
function(
    "error_function",
    KIND,
    [0.4, 2.5],
    lambda x: erf(x[0]) * erf(x[1]),
    lambda x: 2 / np.sqrt(np.pi) * np.exp(-x * x) * scipy.special.erf(x[::-1]),
)
COUNTS = np.array([0.15, 0.4, 0.72, 0.9])
function(
    "beta_likelihood",
    KIND,
    [2, 3],
    lambda x: (
        4 * (gammaln(x[0]) + gammaln(x[1]) - gammaln(x[0] + x[1]))
        - (x[0] - 1) * np.log(COUNTS).sum()
        - (x[1] - 1) * np.log1p(-COUNTS).sum()
    ),
    lambda x: (
        4 * (scipy.special.digamma(x) - scipy.special.digamma(x.sum()))
        - np.array([np.log(COUNTS).sum(), np.log1p(-COUNTS).sum()])
    ),
    others=([1e-3, 5],),
)
ANGLES = np.array([0.1, -0.4, 0.8, 2.0])
function(
    "von_mises",
    KIND,
    [0.2, 1.7],
    lambda x: 4 * log(i0(x[1])) - x[1] * cos(ANGLES - x[0]).sum(),
    lambda x: np.array(
        [
            -x[1] * np.sin(ANGLES - x[0]).sum(),
            4 * scipy.special.i1(x[1]) / scipy.special.i0(x[1]) - np.cos(ANGLES - x[0]).sum(),
        ]
    ),
)

SIGNAL, FILTER = RANDOM.standard_normal(28), np.array([0.2, 0.5, -0.3, 0.1, 0.7])
BLURRED = np.convolve(SIGNAL, FILTER)
function(
    "deconvolution",
    KIND,
    0.5 * SIGNAL,
    lambda x: ((np.convolve(x, FILTER) - BLURRED) ** 2).sum() / 2,
    lambda x: np.correlate(np.convolve(x, FILTER) - BLURRED, FILTER, "valid"),
)
FOURIER = np.exp(-2j * np.pi * np.outer(np.arange(16), np.arange(16)) / 16)


def spectrum_gradient(x):
    transformed = np.fft.fft(x)
    return np.fft.fft(2 * np.conj(transformed) / (1 + np.abs(transformed) ** 2)).real


function(
    "log_spectrum",
    KIND,
    RANDOM.standard_normal(16),
    lambda x: np.log1p(np.abs(np.fft.fft(x)) ** 2).sum(),
    spectrum_gradient,
    exact=lambda x: log(1 + (FOURIER.real @ x) ** 2 + (FOURIER.imag @ x) ** 2).sum(),
)

mapping(
    "matrix_product",
    RANDOM.standard_normal(12),
    lambda x: (x[:6].reshape(2, 3) @ x[6:].reshape(3, 2)).ravel(),
    lambda x: np.hstack([np.kron(np.eye(2), x[6:].reshape(3, 2).T), np.kron(x[:6].reshape(2, 3), np.eye(2))]),
)
mapping(
    "discrete_cosine_transform",
    RANDOM.standard_normal(8),
    lambda x: scipy.fft.dct(x, norm="ortho"),
    lambda _: scipy.fft.dct(np.eye(8), norm="ortho", axis=0),
    exact=lambda x: COSINES @ x,
)
COSINES = np.sqrt(np.where(np.arange(8) == 0, 1, 2) / 8)[:, None] * np.cos(
    np.pi * np.outer(np.arange(8), 2 * np.arange(8) + 1) / 16
)
mapping(
    "waves",
    [0.3, 1.1],
    lambda x: [sin(x[0] * x[1]), exp(-x[0]) * cos(x[1]), x[0] ** 2 * x[1], 0 * x[0] + 1],
    lambda x: [
        [x[1] * np.cos(x[0] * x[1]), x[0] * np.cos(x[0] * x[1])],
        [-np.exp(-x[0]) * np.cos(x[1]), -np.exp(-x[0]) * np.sin(x[1])],
        [2 * x[0] * x[1], x[0] ** 2],
        [0, 0],
    ],
)
