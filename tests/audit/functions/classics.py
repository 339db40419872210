"""Functions from optimisation, physics and geometry."""

from __future__ import annotations

import math

import numpy as np

from tests.audit.functions.elementary import arccos, arctan, cos, cosh, exp, log, sin, sqrt, stack, tanh
from tests.audit.functions.function import function, mapping

__all__: list[str] = []

KIND = "optimisation, physics, geometry"

function(
    "himmelblau",
    KIND,
    [1, 1],
    lambda x: (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2,
    lambda x: np.array(
        [
            4 * x[0] * (x[0] ** 2 + x[1] - 11) + 2 * (x[0] + x[1] ** 2 - 7),
            2 * (x[0] ** 2 + x[1] - 11) + 4 * x[1] * (x[0] + x[1] ** 2 - 7),
        ]
    ),
    others=([3, 2],),
)
function(
    "rastrigin",
    KIND,
    [0.4, -1.3, 2.2, 0.1],
    lambda x: (x * x - 10 * cos(2 * np.pi * x) + 10).sum(),
    lambda x: 2 * x + 20 * np.pi * np.sin(2 * np.pi * x),
    others=([0, 0, 0, 0],),
)


def ackley(x):
    return 20 + math.e - 20 * exp(-0.2 * sqrt((x * x).sum() / x.size)) - exp(cos(2 * np.pi * x).sum() / x.size)


def ackley_gradient(x):
    radius = np.sqrt(np.mean(x * x))
    waves = np.exp(np.mean(np.cos(2 * np.pi * x)))
    return (4 * np.exp(-0.2 * radius) * x / radius + 2 * np.pi * np.sin(2 * np.pi * x) * waves) / x.size


function("ackley", KIND, [1.5, -0.7, 0.2], ackley, ackley_gradient)

ROOTS = np.sqrt(np.arange(1.0, 7))
function(
    "griewank",
    KIND,
    [3, -2, 5, 1, -4, 2],
    lambda x: 1 + (x * x).sum() / 4000 - cos(x / ROOTS).prod(),
    lambda x: (
        x / 2000 + np.array([np.delete(np.cos(x / ROOTS), j).prod() for j in range(6)]) * np.sin(x / ROOTS) / ROOTS
    ),
)
function(
    "styblinski_tang",
    KIND,
    [-2.9, 0.3, 1.2, 4.0],
    lambda x: (x**4 - 16 * x * x + 5 * x).sum() / 2,
    lambda x: 2 * x**3 - 16 * x + 2.5,
)


# Exponents of a few hundred, as in chemical kinetics.
function(
    "arrhenius",
    KIND,
    [1e13, 1.2e5, 350],
    lambda x: x[0] * exp(-x[1] / (8.314 * x[2])),
    lambda x: (
        x[0] * math.exp(-x[1] / (8.314 * x[2])) * np.array([1 / x[0], -1 / (8.314 * x[2]), x[1] / (8.314 * x[2] ** 2)])
    ),
)

PAIRS = np.triu_indices(5, 1)


def distances(x):
    apart = (x.reshape(5, 3)[PAIRS[0]] - x.reshape(5, 3)[PAIRS[1]]) ** 2
    return sqrt(apart[:, 0] + apart[:, 1] + apart[:, 2])


def pull(x, forces):
    """The gradient of a sum over pairs with these derivatives by their distances."""
    places, gradient = x.reshape(5, 3), np.zeros((5, 3))
    along = (places[PAIRS[0]] - places[PAIRS[1]]) * (forces / distances(x))[:, None]
    np.add.at(gradient, PAIRS[0], along)
    np.add.at(gradient, PAIRS[1], -along)
    return gradient.ravel()


ATOMS = np.array([[0, 0, 0], [1.1, 0, 0], [0, 1.2, 0.1], [0.2, 0.1, 1.3], [1.0, 1.1, 0.9]]).ravel()
CHARGES = np.array([1.0, -2, 1, 1.5, -1])
CHARGES = CHARGES[PAIRS[0]] * CHARGES[PAIRS[1]]
TARGETS = np.linspace(0.5, 2, 10)
function(
    "lennard_jones",
    KIND,
    ATOMS,
    lambda x: (4 * (distances(x) ** -12 - distances(x) ** -6)).sum(),
    lambda x: pull(x, 4 * (-12 * distances(x) ** -13 + 6 * distances(x) ** -7)),
    # Two atoms at a tenth of their distance: 10^12 times the energy of the others.
    others=(ATOMS * np.repeat([1, 0.1, 1, 1, 1], 3),),
)
function(
    "coulomb",
    KIND,
    ATOMS,
    lambda x: (CHARGES / distances(x)).sum(),
    lambda x: pull(x, -CHARGES / distances(x) ** 2),
)
function(
    "stress",
    KIND,
    ATOMS,
    lambda x: ((distances(x) - TARGETS) ** 2).sum(),
    lambda x: pull(x, 2 * (distances(x) - TARGETS)),
)


def catenary_gradient(x):
    reach = (0.7 - x[1]) / x[0]
    return np.array([np.cosh(reach) - reach * np.sinh(reach), -np.sinh(reach), 1])


function(
    "catenary",
    KIND,
    [2, 0.3, -1],
    lambda x: x[0] * cosh((0.7 - x[1]) / x[0]) + x[2],
    catenary_gradient,
)


def kepler(x):
    """The eccentric anomaly E of E − e sin E = M by Newton's iteration."""
    anomaly = x[0] + x[1] * sin(x[0])
    for _ in range(12):
        anomaly = anomaly - (anomaly - x[1] * sin(anomaly) - x[0]) / (1 - x[1] * cos(anomaly))
    return anomaly


function(
    "kepler",
    KIND,
    [0.8, 0.6],
    kepler,
    lambda x: np.array([1, np.sin(kepler(x))]) / (1 - x[1] * np.cos(kepler(x))),
    others=([0.05, 0.97],),
)


def logistic_growth(x):
    """The population after 20 steps of the classical Runge–Kutta method."""
    rate, population = x
    for _ in range(20):
        a = rate * population * (1 - population)
        b = rate * (population + a / 20) * (1 - population - a / 20)
        c = rate * (population + b / 20) * (1 - population - b / 20)
        d = rate * (population + c / 10) * (1 - population - c / 10)
        population = population + (a + 2 * b + 2 * c + d) / 60
    return population


def logistic_growth_gradient(x):
    rate, population = x
    moved = np.array([0.0, 1.0])
    unit = np.array([1.0, 0.0])

    def slope(y, dy):
        return rate * y * (1 - y), unit * y * (1 - y) + rate * (1 - 2 * y) * dy

    for _ in range(20):
        a, da = slope(population, moved)
        b, db = slope(population + a / 20, moved + da / 20)
        c, dc = slope(population + b / 20, moved + db / 20)
        d, dd = slope(population + c / 10, moved + dc / 10)
        population = population + (a + 2 * b + 2 * c + d) / 60
        moved = moved + (da + 2 * db + 2 * dc + dd) / 60
    return moved


function("runge_kutta", KIND, [1.3, 0.1], logistic_growth, logistic_growth_gradient)

# Written for numbers, with the functions of Python's math: it takes no complex ones.
function(
    "great_circle",
    KIND,
    [0.9, 0.2, 0.7, -1.3],
    lambda x: math.acos(
        math.sin(x[0]) * math.sin(x[2]) + math.cos(x[0]) * math.cos(x[2]) * math.cos(x[1] - x[3])
    ),
    lambda x: (
        -np.array(
            [
                np.cos(x[0]) * np.sin(x[2]) - np.sin(x[0]) * np.cos(x[2]) * np.cos(x[1] - x[3]),
                -np.cos(x[0]) * np.cos(x[2]) * np.sin(x[1] - x[3]),
                np.sin(x[0]) * np.cos(x[2]) - np.cos(x[0]) * np.sin(x[2]) * np.cos(x[1] - x[3]),
                np.cos(x[0]) * np.cos(x[2]) * np.sin(x[1] - x[3]),
            ]
        )
        / np.sqrt(1 - (np.sin(x[0]) * np.sin(x[2]) + np.cos(x[0]) * np.cos(x[2]) * np.cos(x[1] - x[3])) ** 2)
    ),
    exact=lambda x: arccos(sin(x[0]) * sin(x[2]) + cos(x[0]) * cos(x[2]) * cos(x[1] - x[3])),
)  # fmt: skip

mapping(
    "robot_arm",
    [0.3, 0.9, -0.5],
    lambda x: [
        2 * cos(x[0]) + 1.5 * cos(x[0] + x[1]) + cos(x.sum()),
        2 * sin(x[0]) + 1.5 * sin(x[0] + x[1]) + sin(x.sum()),
    ],
    lambda x: [
        -np.cumsum([np.sin(x.sum()), 1.5 * np.sin(x[0] + x[1]), 2 * np.sin(x[0])])[::-1],
        np.cumsum([np.cos(x.sum()), 1.5 * np.cos(x[0] + x[1]), 2 * np.cos(x[0])])[::-1],
    ],
)
mapping(
    "spherical_coordinates",
    [2, 0.7, -0.4],
    lambda x: [x[0] * sin(x[1]) * cos(x[2]), x[0] * sin(x[1]) * sin(x[2]), x[0] * cos(x[1])],
    lambda x: [
        [np.sin(x[1]) * np.cos(x[2]), x[0] * np.cos(x[1]) * np.cos(x[2]), -x[0] * np.sin(x[1]) * np.sin(x[2])],
        [np.sin(x[1]) * np.sin(x[2]), x[0] * np.cos(x[1]) * np.sin(x[2]), x[0] * np.sin(x[1]) * np.cos(x[2])],
        [np.cos(x[1]), -x[0] * np.sin(x[1]), 0],
    ],
)
CORNERS = np.array([[0.1, 0.2], [0.9, 0.1], [0.8, 1.1], [-0.3, 0.7], [0.5, 0.5]])


def homography(h):
    u, v = CORNERS.T
    bottom = h[6] * u + h[7] * v + 1
    return stack((h[0] * u + h[1] * v + h[2]) / bottom, (h[3] * u + h[4] * v + h[5]) / bottom)


def homography_jacobian(h):
    u, v = CORNERS.T
    bottom, values, none = h[6] * u + h[7] * v + 1, homography(h), np.zeros(5)
    own = np.column_stack([u, v, np.ones(5)]) / bottom[:, None]
    nothing = np.column_stack([none] * 3)
    shared = -np.column_stack([u, v]) / bottom[:, None]
    return np.block(
        [[own, nothing, values[:5, None] * shared], [nothing, own, values[5:, None] * shared]],
    )


mapping("homography", [1.1, 0.1, 0.3, -0.2, 0.9, 0.1, 0.05, -0.1], homography, homography_jacobian)

SUBSTRATE = np.array([0.1, 0.5, 1, 2, 5, 10, 50])
mapping(
    "michaelis_menten",
    [3, 0.8],
    lambda x: x[0] * SUBSTRATE / (x[1] + SUBSTRATE),
    lambda x: np.column_stack([SUBSTRATE / (x[1] + SUBSTRATE), -x[0] * SUBSTRATE / (x[1] + SUBSTRATE) ** 2]),
)


# One variable.
function("exponential", KIND, [1.0], lambda x: exp(x[0]), lambda x: np.exp(x))
function("sine_far_out", KIND, [1e6], lambda x: sin(x[0]), lambda x: np.cos(x), around=0)
function("saturated_tanh", KIND, [9.0], lambda x: tanh(x[0]), lambda x: 1 / np.cosh(x) ** 2)
function("cube_at_inflection", KIND, [0.0], lambda x: x[0] ** 3, lambda x: 3 * x * x, typical=1.0)
function("fast_wave", KIND, [0.3], lambda x: sin(1000 * x[0]), lambda x: 1000 * np.cos(1000 * x))
function(
    "chirp",
    KIND,
    [0.02],
    lambda x: sin(1 / x[0]),
    lambda x: -np.cos(1 / x) / x**2,
)
function(
    "arctangent_step",
    KIND,
    [1e-4],
    lambda x: arctan(1e4 * x[0]),
    lambda x: 1e4 / (1 + (1e4 * x) ** 2),
    typical=1.0,
)
function(
    "logarithm_near_its_end",
    KIND,
    [1e-6],
    lambda x: log(x[0]),
    lambda x: 1 / x,
    typical=1.0,
)
# (x − 1)(x − 2) … (x − 12) from its coefficients, whose rounding errors are far above those of the value; they are
# integers, so that the product, which has none, is the same function.
WILKINSON = [float(c) for c in np.poly(np.arange(1, 13))]


def wilkinson(x):
    value = 0
    for c in WILKINSON:
        value = value * x[0] + c
    return value


def wilkinson_gradient(x):
    factors = x - np.arange(1, 13)
    return np.array([sum(np.delete(factors, j).prod() for j in range(12))])


function("wilkinson_polynomial", KIND, [3.4], wilkinson, wilkinson_gradient, others=([11.5],))
