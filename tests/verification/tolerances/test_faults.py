"""Planted faults are found, with the layer and the equation."""

from __future__ import annotations

import numpy as np
import pytest
from makers import Case, plain_case

import formulations as fm
from formulations.functions.activations.coupled import through
from formulations.verification.tolerances.judging import judge_backend
from formulations.verification.tolerances.verdict import Status


def spoil_error(tape: fm.Tape, gradient: fm.Gradient, l: int, error: np.ndarray) -> None:
    """Replace δ^l by a wrong one, and compute the rest correctly from it."""
    errors = list(gradient.errors or ())
    errors[l - 2][...] = error
    for k in range(l - 1, 1, -1):
        errors[k - 2][...] = through(tape.slopes[k - 2], errors[k - 1] @ tape.network.weights[k - 1])
    for i, delta in enumerate(errors):
        gradient.weights[i][...] = delta.T @ tape.activations[i]
        gradient.biases[i][...] = delta.sum(axis=0)


def one_entry(array: np.ndarray, factor: float) -> np.ndarray:
    changed = array.copy()
    changed.flat[np.argmax(np.abs(array))] *= factor
    return changed


# name -> (layer, δ^l from the tape, the errors and l)
WRONG_ERRORS = {
    "output sign": (4, lambda _, e: -e[2]),
    "output without slope": (4, lambda t, _: t.cost_gradient),
    "output zero": (4, lambda _, e: 0 * e[2]),
    "output example dropped": (4, lambda _, e: np.r_[e[2][:-1], 0 * e[2][-1:]]),
    "sigma for slope": (3, lambda t, e: (e[2] @ t.network.weights[2]) * t.activations[2]),
    "slope missing": (3, lambda t, e: e[2] @ t.network.weights[2]),
    "transposed": (3, lambda t, e: (e[2] @ t.network.weights[2].T) * t.slopes[1]),
    "first layer sign": (2, lambda _, e: -e[0]),
    "first layer zero": (2, lambda _, e: 0 * e[0]),
    "off by 0.05 %": (2, lambda _, e: 1.0005 * e[0]),
    "one entry off by 1e-6": (2, lambda _, e: one_entry(e[0], 1 + 1e-6)),
    "one entry NaN": (3, lambda _, e: one_entry(e[1], np.nan)),
}


@pytest.mark.parametrize("scale", [1.0, 1e-3], ids=["plain", "vanishing"])
@pytest.mark.parametrize(("backend", "bound"), [("hadamard", "T1"), ("product", "T2")])
@pytest.mark.parametrize("name", WRONG_ERRORS)
def test_wrong_error(name: str, backend: str, bound: str, scale: float) -> None:
    layer, wrong = WRONG_ERRORS[name]
    plan, gradient = plain_case(scale=scale).computed(backend)
    spoil_error(plan.tape, gradient, layer, wrong(plan.tape, gradient.errors))
    verdict = judge_backend(plan.backend, plan.tape, gradient)
    assert verdict.status is Status.DIFFERENT
    assert not verdict.ratio <= 1
    equation = "δ" if bound == "T2" else "BP1" if layer == 4 else "BP2"
    assert verdict.reason.startswith(f"layer {layer}, {equation}: errors[{layer - 2}][")
    if bound == "T1" and "NaN" not in name:
        # T1 blames this equation alone: everything computed from the wrong δ is right.
        blamed = [(line.layer, line.equation) for line in verdict.layers if line.status is not Status.EQUAL]
        assert blamed == [(layer, equation)]


# name -> (layer, weights or biases, the values written to the gradient)
WRONG_SUMS = {
    "all zero": (4, "w", lambda _, g: g.vector.fill(0)),
    "first layer zero": (2, "w", lambda _, g: g.weights[0].fill(0)),
    "first layer sign": (2, "w", lambda _, g: np.negative(g.weights[0].copy(), out=g.weights[0])),
    "mean for sum": (4, "w", lambda t, g: np.divide(g.vector, t.m, out=g.vector)),
    "transposed": (3, "w", lambda _, g: np.copyto(g.weights[1], g.weights[1].T.copy())),
    "bias lost": (4, "b", lambda _, g: [b.fill(0) for b in g.biases]),
    "one entry off by 1e-6": (3, "w", lambda _, g: np.copyto(g.weights[1], one_entry(g.weights[1], 1 + 1e-6))),
    "one entry NaN": (3, "w", lambda _, g: g.weights[1].__setitem__((1, 2), np.nan)),
    "one entry infinite": (2, "b", lambda _, g: g.biases[0].__setitem__(1, np.inf)),
}
# With δ, the equations are judged separately.
EQUATIONS = dict.fromkeys(("hadamard", "per_neuron", "hadamard:batch=example"), ("BP4", "BP3"))


@pytest.mark.parametrize(
    "backend", ["hadamard", "product", "per_neuron", "hadamard:batch=example", "finite_difference"]
)
@pytest.mark.parametrize("name", WRONG_SUMS)
def test_wrong_gradient(name: str, backend: str) -> None:
    layer, kind, spoil = WRONG_SUMS[name]
    plan, gradient = plain_case().computed(backend)
    spoil(plan.tape, gradient)
    verdict = judge_backend(plan.backend, plan.tape, gradient)
    assert verdict.status is Status.DIFFERENT
    equation = EQUATIONS.get(backend, ("∂C/∂w", "∂C/∂b"))["wb".index(kind)]
    assert verdict.reason.startswith(f"layer {layer}, {equation}: ")


def test_last_example_dropped_from_the_sum() -> None:
    plan, gradient = plain_case().computed("hadamard")
    gradient.weights[2][...] = (gradient.errors or ())[2][:-1].T @ plan.tape.activations[2][:-1]
    assert judge_backend(plan.backend, plan.tape, gradient).reason.startswith("layer 4, BP4: weights[2][")


# name -> (layer, the replacement of Σ′ᵀv, from z, a and v)
WRONG_COUPLED_SLOPES = {
    "diagonal alone": (3, lambda a, v: a * (1 - a) * v),
    "minus forgotten": (3, lambda a, v: a * v),
    "value for slope": (2, lambda a, v: a + 0 * v),
    "off by 1e-9": (2, lambda a, v: (1 + 1e-9) * a * (v - (a * v).sum(axis=1, keepdims=True))),
}


@pytest.mark.parametrize(("backend", "equation"), [("sigma", "BP2"), ("product", "δ")])
@pytest.mark.parametrize("name", WRONG_COUPLED_SLOPES)
def test_wrong_product_with_a_coupled_slope(name: str, backend: str, equation: str) -> None:
    layer, product = WRONG_COUPLED_SLOPES[name]
    plan, gradient = plain_case(activations=["softmax", "softmax", "tanh"]).computed(backend)
    above = (gradient.errors or ())[layer - 1] @ plan.tape.network.weights[layer - 1]
    spoil_error(plan.tape, gradient, layer, product(plan.tape.activations[layer - 1], above))
    verdict = judge_backend(plan.backend, plan.tape, gradient)
    assert verdict.status is Status.DIFFERENT
    assert verdict.reason.startswith(f"layer {layer}, {equation}: ")


@pytest.mark.parametrize("cost", ["quadratic", "log_likelihood"])
@pytest.mark.parametrize("backend", ["sigma", "product", "sigma:batch=example"])
def test_softmax_output_without_the_sum_of_targets(backend: str, cost: str) -> None:
    plain = plain_case(activations=["tanh", "tanh", "softmax"])
    plan, gradient = Case(plain.net, plain.X, plain.Y, cost).computed(backend)
    wrong = (plan.tape.output - plain.Y) / 5
    (gradient.errors or ())[2][...] = wrong
    verdict = judge_backend(plan.backend, plan.tape, gradient)
    assert verdict.status is Status.DIFFERENT
    assert verdict.reason.startswith(f"layer 4, {'δ' if backend == 'product' else 'BP1'}: ")


def test_combined_output_off_by_an_example_share() -> None:
    case = plain_case()
    plan, gradient = Case(case.net, case.X, case.Y, "binary_cross_entropy").computed("sigma")
    spoil_error(plan.tape, gradient, 4, 5 * (gradient.errors or ())[2])
    assert judge_backend(plan.backend, plan.tape, gradient).reason.startswith("layer 4, BP1: ")


def test_allclose_would_not_have_seen_it() -> None:
    plan, gradient = plain_case(scale=1e-3).computed("hadamard")
    right = gradient.copy()
    spoil_error(plan.tape, gradient, 2, -(gradient.errors or ())[0])
    assert np.allclose(gradient.vector, right.vector)
    assert judge_backend(plan.backend, plan.tape, gradient).status is Status.DIFFERENT


def test_a_backend_that_is_off_by_a_billionth() -> None:
    class Off(type(fm.get_backend("per_neuron"))):  # type: ignore[misc]
        def gradient(self, network: fm.Network, tape: fm.Tape, gradient: fm.Gradient) -> None:
            super().gradient(network, tape, gradient)
            gradient.vector[...] *= 1 + 1e-9

    case = plain_case()
    plan = fm.prepare(case.net, 5, backend=Off())
    gradient = plan(case.X, case.Y)
    assert judge_backend(plan.backend, plan.tape, gradient).status is Status.DIFFERENT
