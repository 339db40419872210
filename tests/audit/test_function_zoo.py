"""The gradients that the study of ``certify_function`` takes for right are right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.audit.functions import FUNCTIONS
from tests.audit.functions.function import flatten, leaves, rebuild
from tests.audit.functions.proof import EVERY, disagreement

# A gradient by hand has the rounding errors of its own dtype, and here and there some cancellation.
TOLERANCE = {False: 1e-12, True: 1e-6}
KINDS = list(dict.fromkeys(function.kind for function in FUNCTIONS.values()))
QUICK = [name for name, function in FUNCTIONS.items() if function.size <= 5][::8]


def proved(name, points):
    pytest.importorskip("mpmath")
    function = FUNCTIONS[name]
    return all(disagreement(function, x) <= TOLERANCE[function.single] for x in points)


@pytest.mark.parametrize("name", QUICK)
def test_a_gradient_by_hand_is_right(name):
    assert proved(name, FUNCTIONS[name].points[:1])


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_gradient_is_right_at_every_point(name):
    assert proved(name, FUNCTIONS[name].points)


@pytest.mark.parametrize(
    "name",
    [
        "beale",
        "waves",
        "noise_1e-3",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("attention", "large_log_sum_exp")),
    ],
)
@pytest.mark.parametrize("place", [0, -1])
def test_the_proof_finds_one_wrong_entry(name, place):
    pytest.importorskip("mpmath")
    function = FUNCTIONS[name]

    def wrong(x):
        gradient = function.gradient(x)
        flat = flatten(gradient).copy()
        flat[place] += 1e-8 * np.max(np.abs(flat))
        return rebuild(flat, gradient)

    x = function.points[0]
    assert disagreement(function, x) < 1e-12
    assert 1e-9 < disagreement(replace(function, gradient=wrong), x) < 1e-7


def test_there_are_enough_of_every_kind():
    assert len(FUNCTIONS) >= 60
    sizes = {function.size for function in FUNCTIONS.values()}
    assert min(sizes) == 1 and max(sizes) == 10_000 and any(EVERY < size < 10_000 for size in sizes)
    assert sum(function.kind == "Moré–Garbow–Hillstrom" for function in FUNCTIONS.values()) >= 30
    assert sum(function.nested for function in FUNCTIONS.values()) >= 5
    assert sum(function.single for function in FUNCTIONS.values()) >= 3
    assert sum(np.ndim(function.f(function.points[0])) == 1 for function in FUNCTIONS.values()) >= 10
    small = [function for function in FUNCTIONS.values() if not function.nested and function.size <= 10]
    assert sum(any(not np.any(function.gradient(x)) for x in function.points) for function in small) >= 10


@pytest.mark.parametrize("kind", KINDS)
def test_a_function_leaves_x_and_is_the_same_again(kind):
    for function in FUNCTIONS.values():
        if function.kind != kind:
            continue
        x = function.points[-1]
        before = flatten(x).copy()
        assert np.array_equal(function.f(x), function.f(x)), function.name
        gradient = function.gradient(x)
        assert np.array_equal(flatten(x), before), function.name
        if function.nested:
            assert [leaf.shape for leaf in leaves(gradient)] == [leaf.shape for leaf in leaves(x)]
        else:
            assert np.shape(gradient) == (*np.shape(function.f(x)), *x.shape), function.name
