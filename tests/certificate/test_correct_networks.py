"""No correct gradient is ever called different, whatever the network."""

from __future__ import annotations

import numpy as np
import pytest

import formulations as fm
from formulations.certificate import Status, judge, reference_gradient
from tests.certificate.nets import Case, plain_case, random_case

BOUNDS = {"R": "T1", "Q": "T2", "F": "T4", "P": "P"}


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize("backend", fm.list_backends())
def test_random_networks(backend: str, dtype: str) -> None:
    form = fm.get_backend(backend)
    slow = form.tier is fm.Tier.PERTURBATION
    equal = 0
    for seed in range(20 if slow else 60):
        case = random_case(seed, dtype, widest=4, deepest=4) if slow else random_case(seed, dtype)
        if form.why_not(case.net, fm.prepare(case.net, 1, cost=case.cost).cost) is not None:
            continue
        verdict = case.verdict(backend)
        assert verdict.bound == BOUNDS[form.tier.value]
        assert verdict.status is not Status.DIFFERENT, f"seed {seed}: {verdict.reason}"
        equal += verdict.status is Status.EQUAL
    # Half of float32's digits are lost in a difference quotient, more than a verdict of equality asks for.
    assert equal or backend == "linear" or (slow and dtype == "float32")


@pytest.mark.parametrize("backend", ["hadamard", "product", "per_neuron", "finite_difference"])
def test_one_example_at_a_time(backend: str) -> None:
    verdict = plain_case().verdict(f"{backend}:batch=example")
    assert verdict.status is Status.EQUAL, verdict.reason


@pytest.mark.parametrize("scheme", ["central", "forward"])
@pytest.mark.parametrize("step", [1e-5, 1e-2])
def test_difference_quotients_of_any_step_are_never_different(scheme: str, step: float) -> None:
    for seed in range(20):
        verdict = random_case(seed, "float64", widest=4, deepest=3).verdict(
            f"finite_difference:scheme={scheme},step={step}"
        )
        assert verdict.status is not Status.DIFFERENT, f"seed {seed}: {verdict.reason}"


@pytest.mark.parametrize("backend", ["hadamard", "sigma", "product", "per_neuron"])
def test_integers_agree_to_the_last_digit(backend: str) -> None:
    # Units at z = 0 sit on relu's kink, where no bound for a forward pass of its own is sharp; agreement needs none.
    net = fm.Network([[[1, -1], [2, 1]], [[1, 3]]], [[0, 1], [2]], ["relu", "identity"])
    plan, gradient = Case(net, np.array([[1.0, 1.0], [2.0, 0.0]]), np.array([[1.0], [2.0]])).computed(backend)
    verdict = judge(plan.backend, plan.tape, gradient)
    assert verdict.status is Status.EQUAL, verdict.reason
    assert verdict.ratio == verdict.difference == 0


def test_one_reference_serves_many() -> None:
    plan, gradient = plain_case().computed("hadamard")
    reference = reference_gradient(plan.tape)
    assert judge(plan.backend, plan.tape, gradient, reference) == judge(plan.backend, plan.tape, gradient)


def test_a_smaller_batch_is_judged_on_its_own_tape() -> None:
    case = plain_case()
    plan = fm.prepare(case.net, 5)
    plan(case.X, case.Y)
    gradient = plan(case.X[:2], case.Y[:2])
    tape = plan.tape
    assert judge(plan.backend, tape, gradient).status is Status.EQUAL
