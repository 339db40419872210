"""The test problems of Moré, Garbow and Hillstrom: sums of squares, each with its standard starting point.

J. J. Moré, B. S. Garbow, K. E. Hillstrom, "Testing unconstrained optimization software", ACM Trans. Math. Softw. 7
(1981), 17–41. Their numbers stand in the comments.
"""

from __future__ import annotations

import numpy as np

from tests.audit.functions.elementary import arctan, cos, exp, log, sin, sqrt, stack
from tests.audit.functions.function import least_squares

__all__ = ["BEALE"]


def count(m):
    """1, 2, …, m."""
    return np.arange(1.0, m + 1)


def columns(*parts):
    """A matrix of these columns, each a vector or a number."""
    return np.stack(np.broadcast_arrays(*parts), axis=1)


# 1
least_squares(
    "rosenbrock",
    [-1.2, 1],
    lambda x: [10 * (x[1] - x[0] ** 2), 1 - x[0]],
    lambda x: [[-20 * x[0], 10], [-1, 0]],
    solution=[1, 1],
    values=True,
)
# 2
least_squares(
    "freudenstein_roth",
    [0.5, -2],
    lambda x: [-13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1], -29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1]],
    lambda x: [[1, 10 * x[1] - 3 * x[1] ** 2 - 2], [1, 3 * x[1] ** 2 + 2 * x[1] - 14]],
    solution=[5, 4],
    values=True,
)
# 3
least_squares(
    "powell_badly_scaled",
    [0, 1],
    lambda x: [1e4 * x[0] * x[1] - 1, exp(-x[0]) + exp(-x[1]) - 1.0001],
    lambda x: [[1e4 * x[1], 1e4 * x[0]], [-exp(-x[0]), -exp(-x[1])]],
)
# 4
least_squares(
    "brown_badly_scaled",
    [1, 1],
    lambda x: [x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2],
    lambda x: [[1, 0], [0, 1], [x[1], x[0]]],
    solution=[1e6, 2e-6],
)
# 5
BEALE = least_squares(
    "beale",
    [1, 1],
    lambda x: [1.5 - x[0] * (1 - x[1]), 2.25 - x[0] * (1 - x[1] ** 2), 2.625 - x[0] * (1 - x[1] ** 3)],
    lambda x: [[x[1] - 1, x[0]], [x[1] ** 2 - 1, 2 * x[0] * x[1]], [x[1] ** 3 - 1, 3 * x[0] * x[1] ** 2]],
    solution=[3, 0.5],
)
# 6
least_squares(
    "jennrich_sampson",
    [0.3, 0.4],
    lambda x: 2 + 2 * count(10) - (exp(count(10) * x[0]) + exp(count(10) * x[1])),
    lambda x: columns(-count(10) * exp(count(10) * x[0]), -count(10) * exp(count(10) * x[1])),
)
# 7
least_squares(
    "helical_valley",
    [-1, 0, 0],
    lambda x: [
        10 * (x[2] - 10 * (arctan(x[1] / x[0]) / (2 * np.pi) + (0.5 if x[0] < 0 else 0))),
        10 * (sqrt(x[0] ** 2 + x[1] ** 2) - 1),
        x[2],
    ],
    lambda x: [
        [50 / np.pi * x[1] / (x[0] ** 2 + x[1] ** 2), -50 / np.pi * x[0] / (x[0] ** 2 + x[1] ** 2), 10],
        [10 * x[0] / np.hypot(x[0], x[1]), 10 * x[1] / np.hypot(x[0], x[1]), 0],
        [0, 0, 1],
    ],
    solution=[1, 0, 0],
    values=True,
)
# 8
BARD = np.array([0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39])
U, V, W = count(15), 16 - count(15), np.minimum(count(15), 16 - count(15))
least_squares(
    "bard",
    [1, 1, 1],
    lambda x: BARD - (x[0] + U / (V * x[1] + W * x[2])),
    lambda x: columns(-1.0, U * V / (V * x[1] + W * x[2]) ** 2, U * W / (V * x[1] + W * x[2]) ** 2),
    values=True,
)
# 9
BELL = np.array([0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989])
BELL = np.append(BELL, BELL[-2::-1])
HALVES = (8 - count(15)) / 2


def bell(x):
    return exp(-x[1] * (HALVES - x[2]) ** 2 / 2)


least_squares(
    "gaussian",
    [0.4, 1, 0],
    lambda x: x[0] * bell(x) - BELL,
    lambda x: bell(x)[:, None] * columns(1.0, -x[0] * (HALVES - x[2]) ** 2 / 2, x[0] * x[1] * (HALVES - x[2])),
)
# 10
THERMISTOR = np.array(
    [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872.0]
)
KELVIN = 45 + 5 * count(16)
least_squares(
    "meyer",
    [0.02, 4000, 250],
    lambda x: x[0] * exp(x[1] / (KELVIN + x[2])) - THERMISTOR,
    lambda x: (
        exp(x[1] / (KELVIN + x[2]))[:, None] * columns(1.0, x[0] / (KELVIN + x[2]), -x[0] * x[1] / (KELVIN + x[2]) ** 2)
    ),
)
# 11
SHARES = count(20) / 100
TIMES = 25 + (-50 * np.log(SHARES)) ** (2 / 3)


def gulf(x):
    return exp(-((TIMES - x[1]) ** x[2]) / x[0])


least_squares(
    "gulf",
    [5, 2.5, 0.15],
    lambda x: gulf(x) - SHARES,
    lambda x: (
        (gulf(x) * (TIMES - x[1]) ** x[2] / x[0])[:, None]
        * columns(1 / x[0], x[2] / (TIMES - x[1]), -log(TIMES - x[1]))
    ),
    solution=[50, 25, 1.5],
)
# 12
TENTHS = count(10) / 10
least_squares(
    "box",
    [0, 10, 20],
    lambda x: exp(-TENTHS * x[0]) - exp(-TENTHS * x[1]) - x[2] * (np.exp(-TENTHS) - np.exp(-10 * TENTHS)),
    lambda x: columns(
        -TENTHS * exp(-TENTHS * x[0]), TENTHS * exp(-TENTHS * x[1]), np.exp(-10 * TENTHS) - np.exp(-TENTHS)
    ),
    solution=[1, 10, 1],
)
# 13
least_squares(
    "powell_singular",
    [3, -1, 0, 1],
    lambda x: [x[0] + 10 * x[1], 5**0.5 * (x[2] - x[3]), (x[1] - 2 * x[2]) ** 2, 10**0.5 * (x[0] - x[3]) ** 2],
    lambda x: [
        [1, 10, 0, 0],
        [0, 0, 5**0.5, -(5**0.5)],
        [0, 2 * (x[1] - 2 * x[2]), -4 * (x[1] - 2 * x[2]), 0],
        [2 * 10**0.5 * (x[0] - x[3]), 0, 0, -2 * 10**0.5 * (x[0] - x[3])],
    ],
    solution=[0, 0, 0, 0],
)
# 14
least_squares(
    "wood",
    [-3, -1, -3, -1],
    lambda x: [
        10 * (x[1] - x[0] ** 2),
        1 - x[0],
        90**0.5 * (x[3] - x[2] ** 2),
        1 - x[2],
        10**0.5 * (x[1] + x[3] - 2),
        10**-0.5 * (x[1] - x[3]),
    ],
    lambda x: [
        [-20 * x[0], 10, 0, 0],
        [-1, 0, 0, 0],
        [0, 0, -2 * 90**0.5 * x[2], 90**0.5],
        [0, 0, -1, 0],
        [0, 10**0.5, 0, 10**0.5],
        [0, 10**-0.5, 0, -(10**-0.5)],
    ],
    solution=[1, 1, 1, 1],
)
# 15
ENZYME = np.array([0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246])
DOSES = np.array([4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])


def kowalik_osborne(x):
    top, bottom = DOSES**2 + DOSES * x[1], DOSES**2 + DOSES * x[2] + x[3]
    share = top / bottom
    return -columns(share, x[0] * DOSES / bottom, -x[0] * share * DOSES / bottom, -x[0] * share / bottom)


least_squares(
    "kowalik_osborne",
    [0.25, 0.39, 0.415, 0.39],
    lambda x: ENZYME - x[0] * (DOSES**2 + DOSES * x[1]) / (DOSES**2 + DOSES * x[2] + x[3]),
    kowalik_osborne,
    values=True,
)
# 16
FIFTHS = count(20) / 5


def brown_dennis(x):
    left, right = x[0] + FIFTHS * x[1] - np.exp(FIFTHS), x[2] + x[3] * np.sin(FIFTHS) - np.cos(FIFTHS)
    return 2 * columns(left, FIFTHS * left, right, np.sin(FIFTHS) * right)


least_squares(
    "brown_dennis",
    [25, 5, -5, -1],
    lambda x: (x[0] + FIFTHS * x[1] - np.exp(FIFTHS)) ** 2 + (x[2] + x[3] * np.sin(FIFTHS) - np.cos(FIFTHS)) ** 2,
    brown_dennis,
)
# 17
DECAY = np.fromstring(
    "844 908 932 936 925 908 881 850 818 784 751 718 685 658 628 603 580 558 538 522 506 490 478 467 457 448 438 431 "
    "424 420 414 411 406",
    sep=" ",
)
TENS = 10 * (count(33) - 1)


def osborne_1(x):
    slow, fast = exp(-TENS * x[3]), exp(-TENS * x[4])
    return -columns(1.0, slow, fast, -TENS * x[1] * slow, -TENS * x[2] * fast)


least_squares(
    "osborne_1",
    [0.5, 1.5, -1, 0.01, 0.02],
    lambda x: DECAY / 1000 - (x[0] + x[1] * exp(-TENS * x[3]) + x[2] * exp(-TENS * x[4])),
    osborne_1,
)
# 18
MORE = count(13) / 10
SUM = np.exp(-MORE) - 5 * np.exp(-10 * MORE) + 3 * np.exp(-4 * MORE)


def biggs(x):
    a, b, c = exp(-MORE * x[0]), exp(-MORE * x[1]), exp(-MORE * x[4])
    return columns(-MORE * x[2] * a, MORE * x[3] * b, a, -b, -MORE * x[5] * c, c)


least_squares(
    "biggs_exp6",
    [1, 2, 1, 1, 1, 1],
    lambda x: x[2] * exp(-MORE * x[0]) - x[3] * exp(-MORE * x[1]) + x[5] * exp(-MORE * x[4]) - SUM,
    biggs,
    solution=[1, 10, 1, 5, 4, 3],
)
# 19
PEAKS = np.fromstring(
    "1366 1191 1112 1013 991 885 831 847 786 725 746 679 608 655 616 606 602 626 651 724 649 649 694 644 624 661 612 "
    "558 533 495 500 423 395 375 372 391 396 405 428 429 523 562 607 653 672 708 633 668 645 632 591 559 597 625 739 "
    "710 729 720 636 581 428 292 162 98 54",
    sep=" ",
)
PLACES = (count(65) - 1) / 10


def osborne_2(x):
    first = exp(-PLACES * x[4])
    bells = [exp(-((PLACES - x[8 + i]) ** 2) * x[5 + i]) for i in range(3)]
    widths = [-x[1 + i] * (PLACES - x[8 + i]) ** 2 * bells[i] for i in range(3)]
    centres = [2 * x[1 + i] * x[5 + i] * (PLACES - x[8 + i]) * bells[i] for i in range(3)]
    return -columns(first, *bells, -PLACES * x[0] * first, *widths, *centres)


least_squares(
    "osborne_2",
    [1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5],
    lambda x: (
        PEAKS / 1000
        - x[0] * exp(-PLACES * x[4])
        - sum(x[1 + i] * exp(-((PLACES - x[8 + i]) ** 2) * x[5 + i]) for i in range(3))
    ),
    osborne_2,
)
# 20
POWERS = (count(29) / 29)[:, None] ** np.arange(6)
SLOPES = np.column_stack([np.zeros(29), np.arange(1, 6) * POWERS[:, :5]])
least_squares(
    "watson",
    np.zeros(6),
    lambda x: stack(SLOPES @ x - (POWERS @ x) ** 2 - 1, x[0], x[1] - x[0] ** 2 - 1),
    lambda x: np.vstack(
        [SLOPES - 2 * (POWERS @ x)[:, None] * POWERS, np.eye(6)[0], np.eye(6)[1] - 2 * x[0] * np.eye(6)[0]]
    ),
)
# 23
least_squares(
    "penalty_1",
    count(10),
    lambda x: stack(1e-5**0.5 * (x - 1), (x * x).sum() - 0.25),
    lambda x: np.vstack([1e-5**0.5 * np.eye(10), 2 * x]),
)
# 24
PENALTIES = np.exp(count(4)[1:] / 10) + np.exp(count(4)[:-1] / 10)
least_squares(
    "penalty_2",
    np.full(4, 0.5),
    lambda x: stack(
        x[0] - 0.2,
        1e-5**0.5 * (exp(x[1:] / 10) + exp(x[:-1] / 10) - PENALTIES),
        1e-5**0.5 * (exp(x[1:] / 10) - np.exp(-0.1)),
        (np.arange(4, 0, -1) * x * x).sum() - 1,
    ),
    lambda x: np.vstack(
        [
            np.eye(4)[0],
            1e-5**0.5 / 10 * (np.eye(4)[1:] + np.eye(4)[:-1]) * exp(x / 10),
            1e-5**0.5 / 10 * np.eye(4)[1:] * exp(x / 10),
            2 * np.arange(4, 0, -1) * x,
        ]
    ),
)
# 25
least_squares(
    "variably_dimensioned",
    1 - count(10) / 10,
    lambda x: stack(x - 1, count(10) @ (x - 1), (count(10) @ (x - 1)) ** 2),
    lambda x: np.vstack([np.eye(10), count(10), 2 * (count(10) @ (x - 1)) * count(10)]),
    solution=np.ones(10),
)
# 26
least_squares(
    "trigonometric",
    np.full(10, 0.1),
    lambda x: 10 - cos(x).sum() + count(10) * (1 - cos(x)) - sin(x),
    lambda x: sin(x) + np.diag(count(10) * sin(x) - cos(x)),
)
# 27
least_squares(
    "brown_almost_linear",
    np.full(10, 0.5),
    lambda x: stack(x[:9] + x.sum() - 11, x.prod() - 1),
    lambda x: np.vstack([np.eye(10)[:9] + 1, [np.delete(x, j).prod() for j in range(10)]]),
    solution=np.ones(10),
    values=True,
)
# 28
GRID = count(10) / 11
least_squares(
    "discrete_boundary_value",
    GRID * (GRID - 1),
    lambda x: 2 * x - stack(0, x[:-1]) - stack(x[1:], 0) + (x + GRID + 1) ** 3 / 242,
    lambda x: 2 * np.eye(10) - np.eye(10, k=1) - np.eye(10, k=-1) + np.diag(3 * (x + GRID + 1) ** 2 / 242),
)
# 29
KERNEL = np.where(GRID[:, None] >= GRID, (1 - GRID[:, None]) * GRID, GRID[:, None] * (1 - GRID)) / 22
least_squares(
    "discrete_integral_equation",
    GRID * (GRID - 1),
    lambda x: x + KERNEL @ (x + GRID + 1) ** 3,
    lambda x: np.eye(10) + KERNEL * 3 * (x + GRID + 1) ** 2,
    values=True,
)
# 30
least_squares(
    "broyden_tridiagonal",
    np.full(10, -1.0),
    lambda x: (3 - 2 * x) * x - stack(0, x[:-1]) - 2 * stack(x[1:], 0) + 1,
    lambda x: np.diag(3 - 4 * x) - np.eye(10, k=-1) - 2 * np.eye(10, k=1),
    values=True,
)
# 31
BAND = np.triu(np.tri(10, k=1), k=-5) - np.eye(10)
least_squares(
    "broyden_banded",
    np.full(10, -1.0),
    lambda x: x * (2 + 5 * x * x) + 1 - BAND @ (x * (1 + x)),
    lambda x: np.diag(2 + 15 * x * x) - BAND * (1 + 2 * x),
)
# 32
TALL = np.eye(10, 5) - 0.2
least_squares("linear_full_rank", np.ones(5), lambda x: TALL @ x - 1, lambda _: TALL)
# 33
ONE = np.outer(count(10), count(5))
least_squares("linear_rank_one", np.ones(5), lambda x: ONE @ x - 1, lambda _: ONE)


# 35
def chebyshev(x):
    """T_i(2x_j − 1) and its derivative for i = 0, …, 8."""
    t, slopes = [1 + 0 * x, 2 * x - 1], [0 * x, 2 + 0 * x]
    for _ in range(7):
        slopes.append(4 * t[-1] + 2 * (2 * x - 1) * slopes[-1] - slopes[-2])
        t.append(2 * (2 * x - 1) * t[-1] - t[-2])
    return np.array(t), np.array(slopes)


MEANS = np.array([-1 / (i * i - 1) if i % 2 == 0 else 0 for i in range(2, 9)])
least_squares(
    "chebyquad",
    count(8) / 9,
    lambda x: chebyshev(x)[0][1:].sum(axis=1) / 8 - stack(0, MEANS),
    lambda x: chebyshev(x)[1][1:] / 8,
    values=True,
)
