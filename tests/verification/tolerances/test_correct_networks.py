"""No right gradient is called different."""

from __future__ import annotations

import numpy as np
import pytest
from makers import CUMULATIVE, FLAGS, PERTURBING, Case, plain_case, random_case, serves

import formulations as fm
from formulations.verification.oracles.reference import reference_gradient
from formulations.verification.tolerances.judging import judge_backend
from formulations.verification.tolerances.verdict import Status

RULES = {"R": "T1", "Q": "T2", "F": "T4", "P": "P"}
COUPLED = fm.Network.random([2, 3, 2], ["softmax", "tanh"], seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize("flag", FLAGS)
def test_random_networks(flag: str, dtype: str) -> None:
    form = fm.get_backend(flag)
    slow = form.tier is fm.Tier.PERTURBATION
    equal = served = 0
    # Compiling for each shape, walking every path, or a pass for each example or parameter takes long.
    few = form.name in ("autodiff_jax", "path_sum") or "batch=example" in flag
    small = slow or few or form.name == "complex_step"
    for seed in range(5 if few else 8 if ":" in flag and not slow else 15):
        case = random_case(seed, dtype, flag, widest=4, deepest=4) if small else random_case(seed, dtype, flag)
        if not serves(flag, case.net, case.cost):
            continue
        served += 1
        verdict = case.verdict(flag)
        # If T2 is too wide, a product is judged by T1 and T3.
        assert verdict.rule in (RULES[form.tier.value], *(["T1", "T3"] if form.tier is fm.Tier.PRODUCT else []))
        assert verdict.status is not Status.DIFFERENT, f"seed {seed}: {verdict.reason}"
        equal += verdict.status is Status.EQUAL
    if not served:
        pytest.skip(f"{flag} serves none of these networks in {dtype}")
    # A difference quotient loses half of float32's digits, too many to be called equal.
    assert equal or (slow and dtype == "float32")


@pytest.mark.parametrize("flag", FLAGS)
def test_a_plain_network_is_proved_equal(flag: str) -> None:
    activations = "identity" if flag.startswith("linear") else "sigmoid"
    verdict = plain_case(activations=activations).verdict(flag)
    assert verdict.status is Status.EQUAL, verdict.reason


@pytest.mark.parametrize("cost", ["quadratic", "log_likelihood"])
@pytest.mark.parametrize("hidden", ["softmax", CUMULATIVE], ids=["softmax", "custom"])
@pytest.mark.parametrize("flag", [flag for flag in FLAGS if serves(flag, COUPLED)])
def test_coupled_activations(flag: str, hidden: fm.Activation, cost: str) -> None:
    plain = plain_case(activations=["tanh", hidden, "softmax"])
    if not serves(flag, plain.net, cost):
        pytest.skip(f"{flag} does not serve {hidden}")
    verdict = Case(plain.net, plain.X, plain.Y, cost).verdict(flag)
    assert verdict.status is Status.EQUAL, verdict.reason


@pytest.fixture(scope="module")
def theirs() -> fm.Activation:
    """A user-defined softmax."""

    def value(Z: np.ndarray) -> np.ndarray:
        E = np.exp(Z - Z.max(axis=1, keepdims=True))
        return E / E.sum(axis=1, keepdims=True)

    def product(Z: np.ndarray, V: np.ndarray) -> np.ndarray:
        A = value(Z)
        return A * (V - (A * V).sum(axis=1, keepdims=True))

    return fm.coupled_activation(value, product, product, name="theirs")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize("flag", [flag for flag in FLAGS if serves(flag, COUPLED) and flag not in PERTURBING])
def test_a_saturated_user_defined_softmax_is_never_different(theirs: fm.Activation, flag: str, dtype: str) -> None:
    for seed in range(1 if ":" in flag else 0, 20, 3):
        plain = plain_case(seed, 1 + seed, dtype, ["tanh", theirs, theirs])
        if not serves(flag, plain.net):
            pytest.skip(f"{flag} does not serve {dtype}")
        verdict = Case(plain.net, plain.X, plain.Y).verdict(flag)
        assert verdict.status is not Status.DIFFERENT, f"seed {seed}: {verdict.reason}"


@pytest.mark.slow
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
    # At relu's kink, z = 0, no bound of T4 is sharp; exact agreement needs none.
    net = fm.Network([[[1, -1], [2, 1]], [[1, 3]]], [[0, 1], [2]], ["relu", "identity"])
    plan, gradient = Case(net, np.array([[1.0, 1.0], [2.0, 0.0]]), np.array([[1.0], [2.0]])).computed(backend)
    verdict = judge_backend(plan.backend, plan.tape, gradient)
    assert verdict.status is Status.EQUAL, verdict.reason
    assert verdict.ratio == verdict.difference == 0


def test_one_reference_serves_many() -> None:
    plan, gradient = plain_case().computed("hadamard")
    reference = reference_gradient(plan.tape)
    assert judge_backend(plan.backend, plan.tape, gradient, reference) == judge_backend(
        plan.backend, plan.tape, gradient
    )


def test_a_smaller_batch_is_judged_on_its_own_tape() -> None:
    case = plain_case()
    plan = fm.prepare(case.net, 5)
    plan(case.X, case.Y)
    gradient = plan(case.X[:2], case.Y[:2])
    tape = plan.tape
    assert judge_backend(plan.backend, tape, gradient).status is Status.EQUAL
