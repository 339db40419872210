"""The reference of an epoch: what it calls equal, which faults it sees, and that roundoff is carried to the end."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from formulations.comparison.epochs import reference as reference_module
from formulations.comparison.epochs.course import EpochCell
from formulations.comparison.epochs.ours import Steps
from formulations.comparison.epochs.reference import measure_reference

SMALL = EpochCell("small", (5, 4, 3), 4, 40)


def measured(dtype, resolution=reference_module.RESOLUTION):
    course = SMALL.problem(dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference_module, "RESOLUTION", resolution)
        return course, measure_reference(course.problem, course.batch_size, course.rate, course.order)


@pytest.fixture(scope="module", params=[("float64", "T5"), ("float32", "T5"), ("float32", "S")], ids="-".join)
def judged(request):
    dtype, rule = request.param
    # The worst case is sharp after ten steps; finer than this, it is not.
    course, reference = measured(dtype, {"T5": 1e-3, "S": 4e-4}[rule])
    assert (reference.rule, reference.sharp) == (rule, True)
    return course, reference


def descended(course, order, rate=None):
    """Return the parameters after these steps, without anything of the library but its forward pass."""
    network = course.problem.network.copy()
    rate = network.dtype.type(course.rate if rate is None else rate)
    for rows in np.split(order, len(order) // course.batch_size):
        a1, y = course.problem.X[rows], course.problem.Y[rows]
        (w2, w3), (b2, b3) = network.weights, network.biases
        a2 = 1 / (1 + np.exp(-(a1 @ w2.T + b2)))
        a3 = 1 / (1 + np.exp(-(a2 @ w3.T + b3)))
        delta3 = (a3 - y) * a3 * (1 - a3) / network.dtype.type(len(y))
        delta2 = delta3 @ w3 * a2 * (1 - a2)
        for part, gradient in ((w3, delta3.T @ a2), (b3, delta3.sum(0)), (w2, delta2.T @ a1), (b2, delta2.sum(0))):
            part -= rate * gradient
    return network.vector


def test_right_steps_are_equal(judged):
    course, reference = judged
    verdict = reference.judge(descended(course, course.order))
    assert (verdict.status, verdict.reason) == ("equal", "")
    assert 0 < verdict.ratio < 1
    assert verdict.rule == reference.rule


@pytest.mark.parametrize("backend", ["hadamard", "sigma"])
def test_a_trainers_steps_are_equal(judged, backend):
    course, reference = judged
    steps = Steps(backend, course)
    steps.epoch(course.order)
    assert reference.judge(steps.vector()).status == "equal"


def swapped(order, *places):
    order = order.copy()
    order[list(places)] = order[list(places[::-1])]
    return order


@pytest.mark.parametrize(
    "fault",
    [
        lambda course: descended(course, swapped(course.order, 3, 4)),
        lambda course: descended(course, course.order[4:]),
        lambda course: descended(course, course.order[:-4]),
        lambda course: descended(course, np.sort(course.order)),
        lambda course: descended(course, course.order, course.rate * 1.001),
        lambda course: descended(course, course.order) + np.where(np.arange(39) == 38, 1e-4, 0),
        lambda _: np.full(39, np.nan),
    ],
    ids=["two examples", "first step", "last step", "order", "rate", "one entry", "nan"],
)
def test_faults_are_different(judged, fault):
    course, reference = judged
    verdict = reference.judge(fault(course).astype(course.problem.network.dtype))
    assert verdict.status == "different"
    assert "further than roundoff explains" in verdict.reason


def test_the_order_inside_a_mini_batch_does_not_matter(judged):
    course, reference = judged
    assert reference.judge(descended(course, swapped(course.order, 0, 1))).status == "equal"


def test_a_bound_that_is_too_wide_decides_nothing():
    course, reference = measured("float64", 1e-15)
    verdict = reference.judge(descended(course, course.order))
    assert (reference.rule, verdict.status) == ("S", "inconclusive")
    assert "too wide" in verdict.reason


@pytest.mark.parametrize(("dtype", "digits"), [("float32", 0), ("float64", 29)])
def test_no_epoch_is_equal_where_a_small_fault_would_be_equal_too(dtype, digits):
    """Smaller rates change the parameters less, until roundoff hides a fault of a hundredth of the change."""
    course = SMALL.problem(dtype)
    start, found = course.problem.network.vector, []
    for halved in (0, digits + 4, digits + 8, digits + 12):
        rate = float(course.rate) / 2**halved
        reference = measure_reference(course.problem, course.batch_size, rate, course.order)
        right = descended(course, course.order, rate)
        found.append(reference.judge(right).status)
        for part in (part for pair in reference.layout.slices for part in pair):
            fault = np.abs(reference.vector[part] - start[part]).max() / 100
            for entry in set(reference.entries) & set(range(part.start, part.stop)):
                wrong = right.copy()
                wrong[entry] += fault
                assert reference.judge(wrong).status != "equal"
    assert (found[0], found[-1]) == ("equal", "inconclusive")


def test_roundoff_of_every_step_is_carried_to_the_end():
    """Σ|P_tᵀc|ᵀr_t is reached to first order if each step errs by r_t in the direction of P_tᵀc."""
    course, reference = measured("float64")
    problem, entry, size = course.problem, int(reference.entries[0]), 1e-7
    count, steps = problem.network.layout.count, len(course.order) // course.batch_size
    # The derivative of the entry by the parameters after each step, by differences.
    after = [descended(course, course.order[: 4 * t]) for t in range(1, steps + 1)]

    def end(t, shift):
        later = SMALL.problem("float64")
        later.problem.network.vector[...] = after[t] + shift
        return descended(later, course.order[4 * (t + 1) :])[entry] if t + 1 < steps else (after[t] + shift)[entry]

    unit = size * np.eye(count)
    derivatives = [np.array([end(t, each) - end(t, -each) for each in unit]) / (2 * size) for t in range(steps)]
    before = [problem.network.vector, *after[:-1]]
    ones = [np.full(count, 1.0)] * steps
    signs, entries = np.ones(count), np.array([entry])
    carried = partial(reference_module._carried, problem, course.batch_size, course.rate, course.order, before)
    widest, typical = carried((ones, ones), entries, signs)
    assert widest[0] == pytest.approx(sum(np.abs(each).sum() for each in derivatives), rel=1e-6)
    assert typical[0] == pytest.approx(np.sqrt(sum(each.sum() ** 2 for each in derivatives)), rel=1e-6)


def test_the_bound_of_a_step_covers_its_own_roundoff():
    """A single step in float32 differs from one in float64 by less than its bound, entry by entry."""
    course, _ = measured("float32")
    one = course.order[:4]
    reference = measure_reference(course.problem, 4, course.rate, one)
    wide = EpochCell("small", (5, 4, 3), 4, 40).problem("float64")
    wide.problem.network.vector[...] = course.problem.network.vector
    wide.problem.X[...], wide.problem.Y[...] = course.problem.X, course.problem.Y
    exact = descended(wide, one, course.rate)
    assert reference.rule == "T5"
    distance = np.abs(descended(course, one) - exact)[reference.entries]
    assert (distance <= reference.bounds[:-1]).all()
    # Sharp enough that an error of the size of the largest bound in each entry would show.
    assert (reference.bounds[:-1] < 1e-5).all()
