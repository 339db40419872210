"""Gradients of functions that are no network: right ones are equal, wrong ones are found, the rest is said."""

from __future__ import annotations

import numpy as np
import pytest

import formulations as fm
from formulations.verification import Status


def rosenbrock(x):
    return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def rosenbrock_gradient(x):
    g = np.zeros_like(x)
    g[:-1] = -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
    g[1:] += 200 * (x[1:] - x[:-1] ** 2)
    return g


def fast(w):
    """A function that aliases at steps above 1/w."""
    return lambda x: np.sin(w * x[0]), lambda x: w * np.cos(w * x)


RIGHT = {
    "Rosenbrock": (rosenbrock, rosenbrock_gradient, [-1.2, 1.0, 0.7]),
    "Rosenbrock's minimum": (rosenbrock, rosenbrock_gradient, [1.0, 1.0, 1.0]),
    "Rosenbrock at 0": (rosenbrock, rosenbrock_gradient, [0.0, 0.0, 0.0]),
    "an offset of 1e8": (lambda x: 1e8 + np.exp(x[0]), np.exp, [0.3]),
    "a cancelled offset": (lambda x: (1e8 + np.exp(x[0])) - 1e8, np.exp, [0.3]),
    "a scale of 1e-12": (lambda x: np.exp(1e12 * x[0]), lambda x: 1e12 * np.exp(1e12 * x), [3e-13]),
    "scales 1e9 apart": (lambda x: x[0] + x[1] ** 2, lambda x: [1.0, 2 * x[1]], [1e-9, 1.0]),
    "no part of f": (lambda x: x[0] ** 2, lambda x: [2 * x[0], 0.0], [1.5, 1.0]),
    "a constant": (lambda _: 3.0, lambda _: [0.0], [1.0]),
    "near the edge of the domain": (lambda x: np.log(x[0] - 1), lambda x: 1 / (x - 1), [1.0001]),
    "beside a kink": (lambda x: abs(x[0] - 1.000001), lambda _: [-1.0], [1.0]),
    "steps of 1e-8": (lambda x: np.round(np.sin(x[0]), 8), np.cos, [1.0]),
    "inside float32": (lambda x: float(np.sin(np.float32(x[0]))), np.cos, [1.0]),
    **{f"aliasing at {w:g}": (*fast(w), [1.3]) for w in (1e2, 1e4, 1e6, 1e9)},
    "a fast ripple": (lambda x: x[0] + 1e-3 * np.sin(1e6 * x[0]), lambda x: 1 + 1e3 * np.cos(1e6 * x), [1.3]),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gradient_is_equal_and_a_fault_above_the_stated_size_is_different(name):
    f, gradient, x = RIGHT[name]
    x = np.array(x)
    right = np.array(gradient(x), dtype=float)
    found = fm.certify_function(f, right, x)
    assert found.status is Status.EQUAL, str(found)
    assert found.detectable < 2e-3 or not right.any()
    for i in range(x.size):
        wrong = right.copy()
        wrong[i] += max(2 * found.bounds[i], 1e-300)
        judged = fm.certify_function(f, wrong, x)
        assert judged.status is Status.DIFFERENT
        assert judged.worst[0].place == f"x[{i}]"
        assert judged.worst[0].claimed == wrong[i]


UNDECIDED = {
    "a kink": (lambda x: abs(x[0]), [0.0], [0.0], "kink"),
    "the end of the domain": (lambda x: np.sqrt(x[0]), [0.0], [0.0], "not smooth there, or not defined on both sides"),
    "steps of 0.01": (lambda x: np.round(np.sin(x[0]), 2), [np.cos(1)], [1.0], "too wide"),
}


@pytest.mark.parametrize("name", UNDECIDED)
def test_what_the_values_do_not_show_is_inconclusive(name):
    f, gradient, x, reason = UNDECIDED[name]
    found = fm.certify_function(f, gradient, x)
    assert found.status is Status.INCONCLUSIVE and not found
    assert reason in found.reason


def test_a_random_function_is_inconclusive():
    random = np.random.default_rng(0)
    found = fm.certify_function(lambda x: x @ x + random.normal(), [2.0], [1.0])
    assert found.status is Status.INCONCLUSIVE
    assert "repeats=" in found.reason
