"""T4 by exact Jacobians: every computation layer by layer keeps it, it is sharp in deep networks, faults exceed it."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from makers import Case

import formulations as fm
from formulations.arrays.roundoff import Precision
from formulations.backends._base.tiers import Tier
from formulations.functions.costs.table import get_cost
from formulations.verification.conformance.law import answer
from formulations.verification.oracles.reference import reference_gradient
from formulations.verification.tolerances.forward_bounds import forward_checks, local_forward_checks
from formulations.verification.tolerances.jacobians import Backwards, Forwards
from formulations.verification.tolerances.judging import judge
from formulations.verification.tolerances.propagation import Propagation, propagate_bounds
from formulations.verification.tolerances.verdict import Status, conclude
from tests.audit.random_networks import random_problem

U = 2.0**-24


def deep(seed: int = 0, depth: int = 10, activations: Any = "tanh", cost: str = "quadratic") -> Case:
    random = np.random.default_rng(seed)
    net = fm.Network.random([6] * depth, activations, seed=seed, dtype="float32")
    for b in net.biases:
        b[...] = random.normal(scale=0.3, size=b.shape)
    X, Y = random.standard_normal((2, 6)).astype("float32"), random.random((2, 6)).astype("float32")
    return Case(net, X, Y, cost)


def bounds_of(case: Case, *, exactly: bool) -> Propagation:
    plan, _ = case.computed("sigma")
    with np.errstate(all="ignore"):
        bounds = propagate_bounds(reference_gradient(plan.tape), exactly=exactly)
        # Propagated when first read.
        assert bounds.errors and bounds.weights and bounds.biases
    return bounds


def displaced(case: Case, k: float, signs: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return δ and ∂C/∂w in float64, each step off by k times what float32 is allowed, with the given signs."""
    net, a = case.net, case.X.astype(float)
    activations, slopes = [a], []
    for w, b, activation in zip(net.weights, net.biases, net.activations, strict=True):
        w, b, n = w.astype(float), b.astype(float), w.shape[1]
        z = a @ w.T + b
        z = z + k * (n + 2) * U * (np.abs(a) @ np.abs(w.T) + np.abs(b)) * signs(z)
        a, d = activation.value(z), activation.slope(z)
        slopes.append(d + k * 8 * U * (np.abs(d) + np.abs(a)) * signs(d))
        a = a + k * 8 * U * np.abs(a) * signs(a)
        activations.append(a)
    delta = (a - case.Y) / len(case.X) * slopes[-1]
    deltas = [delta + k * 5 * U * np.abs(delta) * signs(delta)]
    for w, slope in zip(net.weights[:0:-1], slopes[-2::-1], strict=True):
        w, n = w.astype(float), w.shape[0]
        pulled = deltas[0] @ w
        pulled = pulled + k * (n + 2) * U * (np.abs(deltas[0]) @ np.abs(w)) * signs(pulled)
        deltas.insert(0, pulled * slope * (1 + k * U * signs(pulled)))
    return deltas, [delta.T @ a for delta, a in zip(deltas, activations, strict=False)]


def signs_of(random: np.random.Generator) -> Any:
    return lambda v: random.choice([-1.0, 1.0], v.shape)


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "sine", "relu", "elu", "softplus"])
def test_no_displacement_exceeds_it(activation: str) -> None:
    for seed in range(20):
        case, random = deep(seed, activations=activation), np.random.default_rng(seed)
        bounds = bounds_of(case, exactly=True)
        exact = displaced(case, 0, np.ones_like)
        for trial in range(10):
            found = displaced(case, 1, [np.sign, np.ones_like][trial] if trial < 2 else signs_of(random))
            for moved, right, bound in zip(found[0], exact[0], bounds.errors, strict=True):
                assert (np.abs(moved - right) <= bound).all(), f"seed {seed}, trial {trial}"
            for moved, right, flat in zip(found[1], exact[1], bounds.weights, strict=True):
                assert (np.abs(moved - right).ravel() <= flat).all(), f"seed {seed}, trial {trial}"


def test_rotations_come_near_it() -> None:
    # Rotations without biases, every displacement to one side: the bound is wider by a small factor only.
    half = 0.5**0.5
    weights = [[[half, -half], [half, half]]] * 40
    net = fm.Network(weights, [[0.0, 0.0]] * 40, "identity", dtype="float32")
    case = Case(net, np.float32([[1.0, 0.5]]), np.float32([[2.0, 1.0]]))
    sharp, wide = bounds_of(case, exactly=True), bounds_of(case, exactly=False)
    found, exact = (displaced(case, k, np.sign)[0] for k in (1, 0))
    assert max(np.max(np.abs(f - e) / b) for f, e, b in zip(found, exact, sharp.errors, strict=True)) > 0.03
    # |w| of a rotation has the norm 2^(1/2), in each of 80 steps.
    assert np.max(sharp.errors[0]) < 1e-3 < 1e3 < np.max(wide.errors[0])


@pytest.mark.parametrize("last", ["tanh", "softmax"])
def test_it_is_never_wider(last: str) -> None:
    for seed in range(10):
        case = deep(
            seed, 6, ["tanh", "softmax", "relu", "sine", last], "log_likelihood" if last == "softmax" else "quadratic"
        )
        sharp, wide = bounds_of(case, exactly=True), bounds_of(case, exactly=False)
        for name in ("errors", "weights", "biases"):
            for mine, theirs in zip(getattr(sharp, name), getattr(wide, name), strict=True):
                assert (mine <= theirs * (1 + 1e-9)).all()


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 100, 50))
def test_no_right_gradient_exceeds_it(start: int) -> None:
    for number in range(start, start + 50):
        problem = random_problem(number, seed=4)
        flag = ("per_neuron", "hadamard:batch=example", "sigma:batch=example")[number % 3]
        if fm.get_backend(flag).why_not(problem.network, get_cost(problem.cost)):
            continue
        with np.errstate(all="ignore"):
            given = answer(fm.get_backend(flag), problem)
            reference = reference_gradient(given.plan.tape)
            for rule in (forward_checks, local_forward_checks):
                found = conclude("T4", rule(given.gradient, reference, exactly=True), 0.0)
                assert found.status is not Status.DIFFERENT, f"network {number}, {flag}: {found.reason}"


def test_curvature_counts() -> None:
    # At the top of a sine the slope is 0, so a rounded z has an effect of second order only; δ³ = a − y is 0.
    half = np.float32(np.pi / 2)
    net = fm.Network([[[1.0, 1.0]], [[1.0]]], [[half], [0.0]], ["sine", "identity"], dtype="float32")
    case = Case(net, np.float32([[1e5, -1e5]]), np.float32([[np.sin(half)]]))
    bounds, exact = bounds_of(case, exactly=True), displaced(case, 0, np.ones_like)
    for signs in (np.ones_like, lambda v: -np.ones_like(v)):
        found = displaced(case, 1, signs)
        for moved, right, bound in zip(found[0], exact[0], bounds.errors, strict=True):
            assert 0.1 * bound < np.abs(moved - right) <= bound


@pytest.mark.parametrize("coupled", [False, True])
def test_errors_are_carried_by_products_of_jacobians(coupled: bool) -> None:
    random, precision = np.random.default_rng(0), Precision.of(np.dtype("float32"))
    sizes = [3, 2, 4, 3]
    weights = [random.standard_normal((after, before)) for before, after in pairwise(sizes)]
    slopes = [random.standard_normal((2, n, n) if coupled else (2, n)) for n in sizes[1:]]
    matrices = slopes if coupled else [slope[:, :, None] * np.eye(slope.shape[1]) for slope in slopes]
    reference: Any = SimpleNamespace(
        slopes=[SimpleNamespace(matrix=slope) for slope in slopes], activations=[np.zeros((2, 3))], dtype=np.float64
    )
    own, still, e = ([random.random((2, n)) for n in sizes[1:]] for _ in range(3))
    forwards = Forwards(weights, reference, precision)
    ways: list[tuple[np.ndarray, np.ndarray]] = []

    def total() -> np.ndarray:
        return sum((np.einsum("mjk,mk->mj", np.abs(way), local) for way, local in ways), np.zeros(1))

    for i, n in enumerate(sizes[1:]):
        eye = np.broadcast_to(np.eye(n), (2, n, n))
        ways = [(weights[i] @ way, local) for way, local in ways] + [(eye, own[i])]
        assert np.allclose(forwards.weighted_inputs(i, own[i]), total(), rtol=1e-12, atol=0)
        of_d = random.random(slopes[i].shape)
        moved = np.einsum("mjk,mk->mj", of_d, e[i]) if coupled else of_d * e[i]
        ways = [(matrices[i] @ way, local) for way, local in ways] + [(eye, still[i] + moved)]
        assert np.allclose(forwards.activations(i, still[i], e[i], of_d), total(), rtol=1e-12, atol=0)
    backwards, ways = Backwards(weights, reference, precision, own[-1]), [(eye, own[-1])]
    for l in (3, 2):
        ways = [(weights[l - 1].T @ way, local) for way, local in ways]
        assert np.allclose(backwards.pulled(l), total(), rtol=1e-12, atol=0)
        eye = np.broadcast_to(np.eye(sizes[l - 1]), (2, sizes[l - 1], sizes[l - 1]))
        ways = [(matrices[l - 2].swapaxes(1, 2) @ way, local) for way, local in ways] + [(eye, still[l - 2])]
        assert np.allclose(backwards.errors(l, still[l - 2]), total(), rtol=1e-12, atol=0)


FAULTS = {
    "first layer sign": lambda g: np.negative(g.weights[0], out=g.weights[0]),
    "first layer zero": lambda g: g.weights[0].fill(0),
    "off by 0.5 %": lambda g: np.multiply(g.weights[1], np.float32(1.005), out=g.weights[1]),
    "one entry off by 2 %": lambda g: g.weights[0].__setitem__(
        (1, 2), g.weights[0][1, 2] + 0.02 * abs(g.weights[0]).max()
    ),
    "bias lost": lambda g: g.biases[3].fill(0),
    "one entry NaN": lambda g: g.weights[2].__setitem__((0, 0), np.nan),
}


def test_deep_float32_without_errors_is_confirmed() -> None:
    confirmed = 0
    for seed in range(10):
        plan, gradient = deep(seed, 20).computed("hadamard:batch=example")
        gradient.errors = None
        with np.errstate(all="ignore"):
            coarse = conclude("T4", forward_checks(gradient, reference_gradient(plan.tape)), 0.0)
        fine = judge(plan.tape, gradient, Tier.FORWARD)
        confirmed += coarse.status is Status.INCONCLUSIVE and fine.status is Status.EQUAL
    assert confirmed >= 8


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_is_called_equal(name: str) -> None:
    for seed in range(10):
        plan, gradient = deep(seed, 20).computed("hadamard:batch=example")
        gradient.errors = None
        FAULTS[name](gradient)
        assert judge(plan.tape, gradient, Tier.FORWARD).status is not Status.EQUAL, f"seed {seed}"


def test_large_networks_are_skipped() -> None:
    case = Case(fm.Network.random([2, 600, 600, 600], "tanh", seed=0), np.ones((1, 2)), np.ones((1, 600)))
    plan, gradient = case.computed("hadamard")
    reference = reference_gradient(plan.tape)
    assert forward_checks(gradient, reference, exactly=True) == []
    assert local_forward_checks(gradient, reference, exactly=True) == []
