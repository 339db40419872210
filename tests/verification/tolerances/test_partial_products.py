"""T3: every right product keeps it, the worst possible roundoff nearly reaches it, and faults exceed it."""

from __future__ import annotations

import numpy as np
import pytest
from makers import CUMULATIVE, Case, plain_case
from scipy.sparse import csr_array

import formulations as fm
from formulations.arrays.roundoff import gamma
from formulations.functions.costs.table import get_cost
from formulations.verification.conformance.law import answer
from formulations.verification.tolerances.judging import judge_backend
from formulations.verification.tolerances.partial import partial_checks
from formulations.verification.tolerances.path import path_checks
from formulations.verification.tolerances.verdict import Status, conclude
from tests.audit.random_networks import random_problem

FROM_THE_FRONT = ["product:order=forward", "tangent"]


def deep(depth: int = 20, seed: int = 0, dtype: str = "float32", activation: str = "tanh") -> Case:
    random = np.random.default_rng(seed)
    net = fm.Network.random([10] * depth, activation, seed=seed, dtype=dtype)
    X, Y = (random.standard_normal((3, 10)).astype(dtype) for _ in range(2))
    return Case(net, X, Y)


def partial(case: Case, flag: str) -> fm.certificate.Verdict:
    """Return the verdict of T3 alone."""
    plan, gradient = case.computed(flag)
    return conclude("T3", partial_checks(plan.tape, gradient), 0.0)


@pytest.mark.parametrize("flag", FROM_THE_FRONT)
def test_deep_float32_is_confirmed_by_partial_products(flag: str) -> None:
    verdict = deep().verdict(flag)
    assert (verdict.status, verdict.rule) == (Status.EQUAL, "T3"), verdict.reason


@pytest.mark.parametrize("flag", FROM_THE_FRONT)
def test_gradients_far_below_one_are_confirmed(flag: str) -> None:
    # δ² is about 1e-33: far below 1, but far above the subnormal numbers too.
    random = np.random.default_rng(15)
    net = fm.Network.random([3, *[5] * 12, 2], "sigmoid", dtype="float32", seed=15)
    net.vector[...] *= np.float32(0.01)
    X, Y = random.normal(size=(4, 3)).astype("float32"), random.normal(size=(4, 2)).astype("float32")
    verdict = Case(net, X, Y).verdict(flag)
    assert (verdict.status, verdict.rule) == (Status.EQUAL, "T3"), verdict.reason


def test_from_the_front_a_wide_layer_is_summed_over_before_the_next_one_cancels() -> None:
    # δ³ = M₃δ⁴ = 0, so the sums over layer 3 in M₂δ³ are exact, but M₂M₃ = (200, −200) takes 200 roundings.
    weights = [np.ones((1, 1)), np.ones((200, 1)), np.outer([1.0, -1.0], np.ones(200))]
    net = fm.Network(weights, [np.zeros(len(w)) for w in weights], "identity", dtype="float32")
    case = Case(net, np.ones((1, 1), "float32"), np.array([[199.0, -201.0]], "float32"))
    plan, gradient = case.computed("hadamard")
    delta = (gradient.errors or ())[0]
    assert delta == 0
    delta[...] = 400 * gamma(200, 2.0**-24)
    (found,) = (check for check in partial_checks(plan.tape, gradient) if (check.layer, check.equation) == (2, "δ"))
    assert found.verdict().ratio < 1


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 150, 50))
def test_no_right_product_exceeds_it(start: int) -> None:
    for number in range(start, start + 50):
        problem = random_problem(number, seed=3)
        flag = ("product", *FROM_THE_FRONT)[number % 3]
        if fm.get_backend(flag).why_not(problem.network, get_cost(problem.cost)) or problem.network.layout.count > 2000:
            continue
        with np.errstate(all="ignore"):
            given = answer(fm.get_backend(flag), problem)
            found = conclude("T3", partial_checks(given.plan.tape, given.gradient), 0.0)
        assert found.status is not Status.DIFFERENT, f"network {number}, {flag}: {found.reason}"


def worst_roundoff(case: Case, k: int) -> tuple[fm.Tape, fm.Gradient, list[np.ndarray]]:
    """Return δ multiplied from the front in float64, every step off by γ_k in the worst direction."""
    plan, gradient = case.computed("hadamard")
    tape, factor = plan.tape, gamma(k, 2.0**-24)
    weights = [w.astype(float) for w in tape.network.weights]
    slopes = [slope.astype(float) for slope in tape.slopes]
    exact = [slopes[-1] * tape.cost_gradient.astype(float)]
    for w, slope in zip(weights[:0:-1], slopes[-2::-1], strict=True):
        exact.insert(0, (exact[0] @ w) * slope)
    for i in range(len(exact) - 1):
        rounded = np.broadcast_to(np.eye(exact[i].shape[1]), (tape.m, *[exact[i].shape[1]] * 2))
        for j in range(i, len(exact) - 1):
            step = slopes[j][:, :, None] * weights[j + 1].T
            size = np.abs(rounded) @ np.abs(step)
            rounded = rounded @ step + factor * size * np.sign(exact[j + 1])[:, None, :]
        last = gamma(k + 3, 2.0**-24) * np.einsum("mjk,mk->mj", np.abs(rounded), np.abs(exact[-1]))
        (gradient.errors or ())[i][...] = np.einsum("mjk,mk->mj", rounded, exact[-1]) + last
    return tape, gradient, exact


@pytest.mark.parametrize("depth", [3, 6, 12])
def test_the_worst_roundoff_nearly_reaches_it(depth: int) -> None:
    # The widths are 10, so that a step is allowed γ_12 and the last one γ_15; the last u is for float32's own digits.
    for seed in range(5):
        case = deep(depth, seed, activation="identity")
        tape, gradient, exact = worst_roundoff(case, 11)
        hidden = [check for check in partial_checks(tape, gradient) if check.equation == "δ" and check.layer < depth]
        for check, delta in zip(hidden, exact[-2::-1], strict=True):
            assert np.allclose(check.reference, delta, rtol=1e-12, atol=0)
            assert not check.verdict().ratio > 1, f"seed {seed}"
        assert hidden[-1].verdict().ratio > 0.85, f"seed {seed}"
        _, beyond, _ = worst_roundoff(case, 14)
        first = [check for check in partial_checks(tape, beyond) if check.equation == "δ"][-1]
        assert first.verdict().ratio > 1, f"seed {seed}"


# The sizes of w^3, w^4, w^5, b^3, b^5 and ∂C/∂a: products that are normal from the back underflow from the front.
# Only T2 calls a product different, so T2 has to allow for that.
UNDERFLOWING = {
    "products": (1e-15, 1e-15, 1e-14, 1.0, 1.0, 1e30),
    "factors": (1e25, 1e-21, 1.0, 1e-22, 1.0, 1e20),
    "late growth": (1e-20, 1e-22, 1e20, 1.0, 1.0, 1e10),
    "before the cost": (1e-12, 1e-12, 1e-11, 1.0, 1e-9, 1e38),
}


@pytest.mark.parametrize("flag", ["product", *FROM_THE_FRONT])
@pytest.mark.parametrize("name", UNDERFLOWING)
def test_underflow_is_no_fault_of_a_product(name: str, flag: str) -> None:
    third, fourth, fifth, bias, last, far = UNDERFLOWING[name]
    for seed in range(20):
        random = np.random.default_rng(seed)
        weights = [scale * random.standard_normal((2, 2)) for scale in (1.0, third, fourth, fifth)]
        biases = [np.zeros(2), bias * random.standard_normal(2), np.zeros(2), last * random.standard_normal(2)]
        net = fm.Network(weights, biases, ["identity", "square", "identity", "square"], dtype="float32")
        case = Case(net, np.zeros((3, 2), "float32"), np.float32(far) * random.random((3, 2)).astype("float32"))
        with np.errstate(all="ignore"):
            plan, gradient = case.computed(flag)
            found = conclude("T2", path_checks(plan.tape, gradient), 0.0)
        assert found.status is not Status.DIFFERENT, f"seed {seed}: {found.reason}"


def test_cancellation_along_paths_is_not_lost() -> None:
    # Products of rotations stay rotations; those of their absolute values grow as 2^(L/2).
    half = 0.5**0.5
    net = fm.Network([[[half, -half], [half, half]]] * 40, [[0.0, 0.0]] * 40, "identity", dtype="float64")
    case = Case(net, np.array([[1.0, 0.5]]), np.array([[2.0, 1.0]]))
    found = partial(case, "product:order=forward")
    assert max(line.detectable for line in found.layers) < 1e-12


FAULTS = {
    "first layer sign": lambda errors: np.negative(errors[0], out=errors[0]),
    "off by 0.5 %": lambda errors: np.multiply(errors[0], np.float32(1.005), out=errors[0]),
    "one entry zero": lambda errors: errors[3].__setitem__((1, 2), 0),
    "one example dropped": lambda errors: errors[5].__setitem__(2, 0),
    "two layers exchanged": lambda errors: errors[4].__setitem__(slice(None), errors[5].copy()),
    "one entry NaN": lambda errors: errors[2].__setitem__((0, 0), np.nan),
}


@pytest.mark.slow
@pytest.mark.parametrize("flag", FROM_THE_FRONT)
@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_is_called_equal(name: str, flag: str) -> None:
    for seed in range(5):
        plan, gradient = deep(seed=seed).computed(flag)
        FAULTS[name](gradient.errors or ())
        for i, (delta, a) in enumerate(zip(gradient.errors or (), plan.tape.activations, strict=False)):
            gradient.weights[i][...], gradient.biases[i][...] = delta.T @ a, delta.sum(axis=0)
        assert conclude("T3", partial_checks(plan.tape, gradient), 0.0).status is Status.DIFFERENT, f"seed {seed}"
        gradient.errors = None
        assert judge_backend(plan.backend, plan.tape, gradient).status is not Status.EQUAL, f"seed {seed}"


@pytest.mark.parametrize("layer", [0, 9, 18])
def test_without_errors_the_gradients_alone_are_judged(layer: int) -> None:
    plan, gradient = deep().computed("tangent")
    gradient.errors = None
    assert judge_backend(plan.backend, plan.tape, gradient).status is Status.EQUAL
    gradient.weights[layer][1, 2] += np.float32(0.01) * np.abs(gradient.weights[layer]).max()
    assert judge_backend(plan.backend, plan.tape, gradient).status is not Status.EQUAL


@pytest.mark.parametrize("activations", [["softmax"] * 3, ["tanh", CUMULATIVE, "sigmoid"]], ids=["softmax", "own"])
@pytest.mark.parametrize("cost", ["quadratic", "binary_cross_entropy"])
@pytest.mark.parametrize("flag", FROM_THE_FRONT)
def test_coupled_slopes_sparse_weights_and_combined_outputs(flag: str, cost: str, activations: list[str]) -> None:
    plain = plain_case(activations=activations)
    if cost != "quadratic" and activations[-1] != "sigmoid":
        cost = "log_likelihood"
    sparse = fm.Network([csr_array(np.where(w > -0.2, w, 0)) for w in plain.net.weights], plain.net.biases, activations)
    for net in (plain.net, sparse):
        found = partial(Case(net, plain.X, plain.Y, cost), flag)
        assert found.status is Status.EQUAL, found.reason
        assert found.ratio > 1e-3


def test_large_networks_are_skipped() -> None:
    case = Case(fm.Network.random([2, 600, 600, 600], "tanh", seed=0), np.ones((1, 2)), np.ones((1, 600)))
    plan, gradient = case.computed("product")
    assert partial_checks(plan.tape, gradient) == []
    gradient.errors = None
    gradient.vector *= 1.5
    assert case.verdict("product").rule == "T2"
    assert judge_backend(plan.backend, plan.tape, gradient).status is Status.DIFFERENT
