"""The bounds of operators: right results are within them, and planted faults are not."""

from __future__ import annotations

import os
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from audit.random_networks import random_problem
from makers import CUMULATIVE

import formulations as fm
from formulations.backends import Tier
from formulations.functions import curvature_term, get_cost, through
from formulations.network.point import Point
from formulations.verification.operators import OperatorReference, evaluate, judge_operator
from formulations.verification.operators.enclosed_point import enclosed_on_tape

OPERATORS = ("jacobian", "hessian", "gauss_newton")
COUNT = int(os.environ.get("FORMULATIONS_NETWORKS", 50))
"""The random networks: FORMULATIONS_NETWORKS=300 takes about six times as long."""


def judged(net, X, Y, operator, cost="quadratic", sample_weight=None, *, backend="hadamard", result=None, seed=0):
    """Return the verdict on a backend's result, or on another one, judged as if it were the backend's."""
    batch = net.check_examples(X, Y, cost=cost, sample_weight=sample_weight)
    v = np.random.default_rng(seed).standard_normal(net.layout.count).astype(net.dtype)
    backend, point = fm.get_backend(backend), Point(net, batch)
    with np.errstate(all="ignore"):
        if result is None:
            candidate = backend.linearize(point)
            found = evaluate(candidate, operator, v)
        else:
            candidate, found = SimpleNamespace(backend=backend, point=point), result(point, v)
        return judge_operator(candidate, found, OperatorReference(operator, Point(net, batch), v))


def right_networks(numbers):
    """Return the verdicts on the results of hadamard on random networks of every depth, activation and cost."""
    found = []
    for number in numbers:
        problem = random_problem(number)
        cost = get_cost(problem.cost)
        for operator in OPERATORS:
            if fm.get_backend("hadamard").why_not_operator(operator, problem.network, cost) is None:
                given = problem.network, problem.X, problem.Y, operator, problem.cost, problem.sample_weight
                found.append((number, operator, judged(*given, seed=number)))
    return found


def test_right_results_of_random_networks_are_never_different():
    found = right_networks(range(6))
    assert [case for case in found if case[2].status == "different"] == []
    assert sum(verdict.status == "equal" for *_, verdict in found) >= len(found) / 2


@pytest.mark.slow
def test_right_results_of_many_random_networks_are_never_different():
    found = right_networks(range(6, COUNT))
    assert [case for case in found if case[2].status == "different"] == []
    assert sum(verdict.status == "equal" for *_, verdict in found) >= 0.7 * len(found)


# The products written by hand, one example a row, with a switch for every fault.


def tangents(point, v):
    """Return ż², …, ż^L and ȧ¹, …, ȧ^L."""
    net, tape, V = point.network, point.tape, point.network.with_vector(v)
    tangent_z, tangent_a = [], [np.zeros_like(tape.X)]
    for i, slope in enumerate(tape.slopes):
        tangent_z.append(tape.activations[i] @ V.weights[i].T + V.biases[i] + tangent_a[-1] @ net.weights[i].T)
        tangent_a.append(slope @ tangent_z[-1] if net.activations[i].coupled else slope * tangent_z[-1])
    return tangent_z, tangent_a


def hessian_product(point, v, fault=""):
    """Pearlmutter's R-operator; a fault leaves one term out, or changes it."""
    net, tape, V = point.network, point.tape, point.network.with_vector(v)
    (tangent_z, tangent_a), parts = tangents(point, v), []
    moved = point.output_curvature(tangent_z[-1] if point.output_at == "z" else tangent_a[-1])
    moved = moved * {"∇²C twice": 2, "wrong 1/m": point.m}.get(fault, 1)
    if point.output_at == "a":
        moved = through(tape.slopes[-1], moved)
        if fault != "no σ″ at the output":
            moved = moved + curvature_term(point.curvatures[-1], tangent_z[-1], tape.cost_gradient)
    delta = point.errors[-1]
    for i in reversed(range(len(net.weights))):
        weights = moved.T @ tape.activations[i] + (0 if fault == "no δȧ" else delta.T @ tangent_a[i])
        parts = [weights.ravel(), moved.sum(axis=0), *parts]
        if i:
            g, tangent_g = delta @ net.weights[i], 0
            tangent_g += 0 if fault == "no wᵀδ̇" else moved @ net.weights[i]
            tangent_g += 0 if fault == "no ẇᵀδ" else delta @ V.weights[i]
            delta, moved = through(tape.slopes[i - 1], g), through(tape.slopes[i - 1], tangent_g)
            moved = moved + (0 if fault == "no σ″" else curvature_term(point.curvatures[i - 1], tangent_z[i - 1], g))
    return np.concatenate(parts)


def gauss_newton_product(point, v, fault=""):
    """JᵀBJv; a fault splits it elsewhere, or changes it."""
    if fault == "Hessian":
        return hessian_product(point, v)
    net, tape = point.network, point.tape
    (tangent_z, tangent_a), parts = tangents(point, v), []
    if point.output_at == "z" and fault != "split at a":
        moved = point.output_curvature(tangent_z[-1])
    else:
        curved = tape.known_cost.curvature_product(tape.output, tape.targets, tangent_a[-1]) * point.shares
        moved = through(tape.slopes[-1], curved)
    moved = moved * (point.m if fault == "wrong 1/m" else 1)
    for i in reversed(range(len(net.weights))):
        parts = [(moved.T @ tape.activations[i]).ravel(), moved.sum(axis=0), *parts]
        moved = through(tape.slopes[i - 1], moved @ net.weights[i]) if i else moved
    return np.concatenate(parts)


COSTS = {
    "quadratic": ("tanh", "sigmoid"), "binary_cross_entropy": ("tanh", "sigmoid"),
    "log_likelihood": ("softmax", "softmax"),
}  # fmt: skip
FAULTS = (
    "", "no σ″", "no δȧ", "no wᵀδ̇", "no ẇᵀδ", "wrong 1/m", "∇²C twice", "no σ″ at the output",
)  # fmt: skip


TIERS = {"sigma": "T2", "per_neuron": "T4"}
"""A backend of the tiers R and F, and the bound that judges it."""

# Combined with its cost, an output has no σ″; the quadratic cost is split at a.
HESSIANS = [(fault, cost) for fault in FAULTS for cost in COSTS if fault[-6:] != "output" or cost == "quadratic"]
GAUSS_NEWTONS = [(fault, cost) for fault in ("", "wrong 1/m", "Hessian") for cost in COSTS]
GAUSS_NEWTONS += [("split at a", "binary_cross_entropy"), ("split at a", "log_likelihood")]


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize(("fault", "cost"), HESSIANS)
@pytest.mark.parametrize("backend", TIERS)
def test_a_planted_fault_of_the_r_operator_is_different(fault, cost, dtype, backend):
    random = np.random.default_rng(3)
    net = fm.Network.random([4, 5, 4, 3], [*COSTS[cost], COSTS[cost][-1]], seed=1, dtype=dtype)
    X, Y = random.normal(size=(6, 4)), np.eye(3)[random.integers(3, size=6)]
    verdict = judged(net, X, Y, "hessian", cost, backend=backend, result=partial(hessian_product, fault=fault))
    assert verdict.status == ("different" if fault else "equal"), verdict.reason
    assert fault or verdict.rule == TIERS[backend]


@pytest.mark.parametrize(("fault", "cost"), GAUSS_NEWTONS)
@pytest.mark.parametrize("backend", TIERS)
def test_a_planted_fault_of_the_gauss_newton_product_is_different(fault, cost, backend):
    random = np.random.default_rng(3)
    net = fm.Network.random([4, 5, 4, 3], [*COSTS[cost], COSTS[cost][-1]], seed=1)
    X, Y = random.normal(size=(6, 4)), np.eye(3)[random.integers(3, size=6)]
    verdict = judged(
        net, X, Y, "gauss_newton", cost, backend=backend, result=partial(gauss_newton_product, fault=fault)
    )
    assert verdict.status == ("different" if fault else "equal"), verdict.reason
    assert fault or verdict.rule == TIERS[backend]


def jacobian(point, _=None, fault=""):
    """The product of the matrices, from the input."""
    found = np.broadcast_to(np.eye(point.network.sizes[0]), (point.m, *[point.network.sizes[0]] * 2))
    for w, slope, activation in zip(point.network.weights, point.tape.slopes, point.network.activations, strict=True):
        found = w @ found
        blocks = slope.blocks() if activation.coupled else slope[:, :, None] * np.eye(len(w))
        found = (blocks.mT if fault == "Σ′ transposed" else blocks) @ found
    return found


@pytest.mark.parametrize("where", [(0, 0, 0), (2, 1, 3)])
def test_one_wrong_entry_of_a_jacobian_is_different_and_named(where):
    net = fm.Network.random([4, 5, 3], "tanh", seed=1)
    X, Y = np.random.default_rng(0).normal(size=(3, 4)), np.zeros((3, 3))

    def result(point, _):
        wrong = jacobian(point)
        wrong[where] *= 1 + 1e-12
        return wrong

    assert judged(net, X, Y, "jacobian", result=jacobian).status == "equal"
    verdict = judged(net, X, Y, "jacobian", result=result)
    assert verdict.status == "different"
    assert verdict.layers[0].entry == f"jacobian[{where[0]}, {where[1]}, {where[2]}]"
    assert verdict.layers[0].where == f"example {where[0]}, output {where[1]}, input {where[2]}"


@pytest.mark.parametrize("operator", ["hessian", "gauss_newton"])
def test_one_wrong_entry_of_a_product_is_different_and_named(operator):
    net = fm.Network.random([4, 5, 3], "tanh", seed=1)
    X, Y = np.random.default_rng(0).normal(size=(3, 4)), np.zeros((3, 3))
    product, symbol = {"hessian": (hessian_product, "Hv"), "gauss_newton": (gauss_newton_product, "Gv")}[operator]

    def result(point, v):
        wrong = product(point, v)
        wrong[net.layout.slices[1][0].start + 7] *= 1 + 1e-11
        return wrong

    (wrong,) = [line for line in judged(net, X, Y, operator, result=result).layers if line.status == "different"]
    assert (wrong.layer, wrong.equation) == (3, f"({symbol}) w")
    assert wrong.entry == f"({symbol}) weights[1][1, 2]" and wrong.where == "neuron 1, input 2"


def test_a_transposed_slope_of_a_coupled_activation_is_different():
    net = fm.Network.random([4, 4, 3], [CUMULATIVE, "identity"], seed=1)
    X, Y = np.random.default_rng(0).normal(size=(3, 4)), np.zeros((3, 3))
    assert judged(net, X, Y, "jacobian", backend="sigma", result=jacobian).status == "equal"
    wrong = judged(net, X, Y, "jacobian", backend="sigma", result=partial(jacobian, fault="Σ′ transposed"))
    assert wrong.status == "different"


def test_the_roundoff_of_a_coupled_curvature_is_unknown():
    net = fm.Network.random([4, 4, 3], [CUMULATIVE, "identity"], seed=1)
    X, Y = np.random.default_rng(0).normal(size=(3, 4)), np.zeros((3, 3))
    verdict = judged(net, X, Y, "hessian", backend="sigma", result=hessian_product)
    assert verdict.status == "inconclusive" and "no finite bound" in verdict.reason
    assert judged(net, X, Y, "gauss_newton", backend="sigma", result=gauss_newton_product).status == "equal"


def test_a_bound_that_is_too_wide_is_inconclusive_and_never_equal():
    net = fm.Network.random([6] * 30, "tanh", seed=0, dtype="float32")
    net.vector[...] *= 4
    X, Y = np.random.default_rng(0).normal(size=(2, 6)), np.zeros((2, 6))
    for operator in OPERATORS:
        verdict = judged(net, X, Y, operator)
        assert verdict.status == "inconclusive"
        assert "too wide to tell" in verdict.reason or "no finite bound" in verdict.reason


def with_inputs_reversed(net, X, v, compute):
    """Return what comes of the same sums added up in another order."""
    other, first, turn = net.copy(), net.layout.slices[0][0], np.arange(net.layout.count)
    other.weights[0][...] = net.weights[0][:, ::-1]
    turn[first] = turn[first].reshape(net.weights[0].shape)[:, ::-1].ravel()
    found = compute(other, X[:, ::-1], v[turn])
    return found[..., ::-1] if found.ndim == 3 else found[turn]


@pytest.mark.parametrize("cost", ["quadratic", "binary_cross_entropy"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_cancellation_in_a_forward_pass_of_its_own_widens_the_bound(operator, cost):
    # The sums z are about 1, and their terms about 1000, so another order of adding them up changes the slopes.
    random = np.random.default_rng(2)
    net = fm.Network.random([8, 3, 2], ["tanh", "sigmoid"], seed=0, dtype="float32")
    net.weights[0][...] = random.normal(size=(3, 8)) * 1000
    net.weights[0][:, 4:] = random.normal(size=(3, 4)) * 0.1 - net.weights[0][:, :4]
    X = np.tile(random.normal(size=(4, 4)), 2).astype("float32")
    Y = random.uniform(size=(4, 2)).astype("float32")
    v = random.standard_normal(net.layout.count).astype("float32")
    compute = {
        "jacobian": lambda net, X, _: fm.jacobian(net, X),
        "hessian": lambda net, X, v: fm.hessian(net, X, Y, cost) @ v,
        "gauss_newton": lambda net, X, v: fm.gauss_newton(net, X, Y, cost) @ v,
    }[operator]
    found = with_inputs_reversed(net, X, v, compute)
    reference = OperatorReference(operator, Point(net, net.check_examples(X, Y, cost=cost)), v)
    by_tier = {
        name: judge_operator(SimpleNamespace(backend=fm.get_backend(name), point=reference.point), found, reference)
        for name in TIERS
    }
    assert by_tier["per_neuron"].status != "different", by_tier["per_neuron"].reason
    # On one tape the same difference would be a fault.
    assert (by_tier["sigma"].status, by_tier["sigma"].rule) == ("different", "T2")


@pytest.mark.parametrize("backend", TIERS)
def test_the_roundings_of_a_combined_error_count(backend):
    # Without weights, the product for w³ is δ³ȧ², and δ³ = s(y)a − y. Added up one by one, each small target rounds
    # s(y) up to the next number, by 0.4ε: 100 of them make an error of 40ε.
    eps, n = np.finfo("float32").eps, 101
    Y = np.full((1, n), 0.6 * eps, "float32")
    Y[0, 0] = 1
    net = fm.Network.random([3, 4, n], ["identity", "softmax"], seed=0, dtype="float32")
    net.vector[...] = 0
    net.biases[1][...] = np.log(Y[0])

    def one_by_one(point, v):
        total = np.cumsum(Y, axis=1, dtype="float32")[:, -1:]
        assert abs(total.item() - Y.sum(dtype=float)) > 39 * eps
        point.errors[-1][...] = total * point.tape.output - Y
        return hessian_product(point, v)

    X = np.random.default_rng(0).normal(size=(1, 3))
    for result in (hessian_product, one_by_one):
        verdict = judged(net, X, Y, "hessian", "log_likelihood", backend=backend, result=result)
        # Hardly a digit of δ³ is right.
        assert verdict.status == "inconclusive" and "too wide to tell" in verdict.reason


def test_the_bound_over_paths_is_the_wider_one():
    net = fm.Network.random([6] * 8, "tanh", seed=0)
    random = np.random.default_rng(0)
    X, Y, v = random.normal(size=(2, 6)), random.normal(size=(2, 6)), random.normal(size=net.layout.count)
    for operator in OPERATORS:
        reference = OperatorReference(operator, Point(net, net.check_examples(X, Y)), v)
        pairs = list(zip(reference.by_paths, reference.by_steps, strict=True))
        assert all((paths >= 0.999 * steps).all() for (_, paths), (_, steps) in pairs)
        assert max((paths / steps).max() for (_, paths), (_, steps) in pairs) > 1.2


def test_the_bound_step_by_step_confirms_and_never_says_different():
    net = fm.Network.random([8] * 10, "tanh", seed=3, dtype="float32")
    random = np.random.default_rng(0)
    X, Y = random.normal(size=(2, 8)).astype("float32"), random.normal(size=(2, 8)).astype("float32")
    verdict = judged(net, X, Y, "jacobian", backend="sigma", result=jacobian)
    assert (verdict.status, verdict.rule) == ("equal", "T3")
    reference = OperatorReference("jacobian", Point(net, net.check_examples(X, Y)))
    tape = enclosed_on_tape(reference.point)
    ((_, paths),), ((_, steps),) = (reference.pairs(tape, over_paths=over_paths) for over_paths in (True, False))
    entry = np.unravel_index(np.argmax(paths / steps), paths.shape)

    def beyond(point, _):
        found = jacobian(point)
        found[entry] += 0.9 * paths[entry]
        return found

    verdict = judged(net, X, Y, "jacobian", backend="sigma", result=beyond)
    assert (verdict.status, verdict.rule) == ("inconclusive", "T2")


@pytest.mark.parametrize("sizes", [[2, 5, 4], [5, 4, 2], [5, 2, 4], [5, 3, 2, 4, 6]])
def test_a_jacobian_is_bounded_from_its_narrowest_layer(sizes):
    net = fm.Network.random(sizes, "tanh", seed=0, dtype="float32")
    random = np.random.default_rng(0)
    X, Y = random.normal(size=(3, sizes[0])).astype("float32"), np.zeros((3, sizes[-1]), "float32")
    reference = OperatorReference("jacobian", Point(net, net.check_examples(X, Y)))
    exact = jacobian(Point(net.astype("float64"), net.astype("float64").check_examples(X, Y)))
    assert reference.value.shape == exact.shape
    assert np.abs(reference.value - exact).max() < 1e-14
    # Whatever the order, γ of the roundings of a path times the product of the absolute values is part of the bound.
    size = np.broadcast_to(np.eye(sizes[0]), (3, sizes[0], sizes[0]))
    for w, slope in zip(net.weights, reference.point.tape.slopes, strict=True):
        size = np.abs(slope)[:, :, None] * (np.abs(w).astype(float) @ size)
    u = np.finfo("float32").eps / 2
    ((_, bound),) = reference.pairs(enclosed_on_tape(reference.point), over_paths=True)
    assert (bound >= sum(sizes[1:-1]) * u * size).all()
    assert (bound <= 6 * sum(sizes) * u * size).all() and (bound <= reference.bound).all()


def by_torch(z):
    """Return softplus, its slope and its curvature as PyTorch approximates them."""
    s = 1 / (1 + np.exp(-z))
    far = z > 20
    return np.where(far, z, np.log1p(np.exp(z))), np.where(far, 1, s), np.where(far, 0, s * (1 - s))


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_approximation_from_elsewhere_is_inconclusive(operator):
    theirs = fm.activation(*(lambda z, i=i: by_torch(z)[i] for i in range(2)), curvature=lambda z: by_torch(z)[2])
    net = fm.Network.random([3, 3, 2], ["softplus", "identity"], seed=0)
    net.biases[0][...] = 21
    X, Y = np.random.default_rng(0).normal(size=(2, 3)) / 9, np.zeros((2, 2))
    other = fm.Network(list(net.weights), list(net.biases), [theirs, "identity"])
    v = np.random.default_rng(0).standard_normal(net.layout.count)
    found = {
        "jacobian": lambda: fm.jacobian(other, X),
        "hessian": lambda: fm.hessian(other, X, Y) @ v,
        "gauss_newton": lambda: fm.gauss_newton(other, X, Y) @ v,
    }[operator]()
    reference = OperatorReference(operator, Point(net, net.check_examples(X, Y)), v)
    for tier, status in ((Tier.FORWARD, "different"), (Tier.ELSEWHERE, "inconclusive")):
        verdict = judge_operator(
            SimpleNamespace(backend=SimpleNamespace(tier=tier), point=reference.point), found, reference
        )
        assert verdict.status == status
    assert "torch approximates softplus" in verdict.reason
