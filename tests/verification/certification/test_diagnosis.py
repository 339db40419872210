"""Every mistake that is known is named, with its layer, in a gradient that other code has computed."""

from __future__ import annotations

import re

import handwritten
import numpy as np
import pytest

import formulations as fm
from formulations.verification.certification.mistakes import MISTAKES
from formulations.verification.tolerances.verdict import Status

# mistake -> the layers of a 4-4-4-4 network where it could be, and the equation; None is every layer, or none
EXPECTED = {
    "nothing_computed": ([None], "BP1"),
    "sign": ([None], "BP1"),
    "factor_two": ([None], "BP1"),
    "half": ([None], "BP1"),
    "sum_for_mean": ([None], "BP4"),
    "mean_twice": ([None], "BP4"),
    "slope_missing": ([4, 3, 2, None], "BP2"),
    "value_for_slope": ([4, 3, 2, None], "BP2"),
    "slope_at_activation": ([4, 3, 2, None], "BP2"),
    "logistic_slope": ([3, 2], "BP2"),
    "slope_of_other_layer": ([4, 3], "BP2"),
    "weights_transposed": ([3, 2, None], "BP2"),
    "weights_of_other_layer": ([3, 2], "BP2"),
    "sign_in_layer": ([3, 2], "BP2"),
    "biases_lost": ([4, 3, 2, None], "BP3"),
    "weights_lost": ([4, 3, 2, None], "BP4"),
    "sign_of_biases": ([4, 3, 2, None], "BP3"),
    "sign_of_weights": ([4, 3, 2, None], "BP4"),
    "example_dropped": ([None], "BP4"),
    "one_example": ([None], "BP4"),
    "input_of_next_layer": ([4, 3, 2], "BP4"),
    "gradient_transposed": ([4, 3, 2, None], "BP4"),
    "layers_reversed": ([None], "BP4"),
    "weighted_input_for_activation": ([4, 3, None], "BP4"),
}
PLANTED = [(mistake, layer) for mistake, (layers, _) in EXPECTED.items() for layer in layers]


def case(seed=0, dtype="float64", activations=("tanh", "sine", "sigmoid"), m=5):
    random = np.random.default_rng(seed)
    net = fm.Network.random([4, 4, 4, 4], list(activations), seed=seed, dtype=dtype)
    for b in net.biases:
        b[...] = random.normal(scale=0.5, size=b.shape)
    return net, random.standard_normal((m, 4)).astype(dtype), random.random((m, 4)).astype(dtype)


def equation_of(mistake, layer):
    equation = EXPECTED[mistake][1]
    return "BP1" if equation == "BP2" and layer == 4 else equation


def cites_the_place(c):
    assert c.cause.equation == c.equation
    assert re.findall(r"layer (\d), \((BP\d)\)", c.cause.sentence) == [(str(c.layer), c.equation)]
    assert re.findall(r"BP\d", c.cause.sentence) == [c.equation]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("mistake", "layer"), PLANTED)
def test_a_planted_mistake_is_named(mistake, layer, seed):
    net, X, Y = case(seed)
    c = fm.certify(net, X, Y, handwritten.gradient(net, X, Y, mistake, layer))
    assert c.status is Status.DIFFERENT
    assert (c.cause.name, c.cause.layer) == (mistake, layer)
    cites_the_place(c)
    assert c.cause.sentence in str(c)
    assert c.cause.remedy in str(c)
    if layer is not None:
        assert (c.layer, c.equation) == (layer, equation_of(mistake, layer))


@pytest.mark.parametrize(("mistake", "layer"), PLANTED)
def test_in_single_precision_too(mistake, layer):
    net, X, Y = case(1, "float32")
    c = fm.certify(net, X, Y, lambda *given: handwritten.gradient(*given, mistake, layer))
    assert (c.cause.name, c.cause.layer) == (mistake, layer)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_right_gradient_is_equal(seed, dtype):
    net, X, Y = case(seed, dtype, np.random.default_rng(seed).choice(["tanh", "sine", "sigmoid"], 3))
    c = fm.certify(net, X, Y, handwritten.gradient)
    assert (c.status, c.cause, c.layer, c.notes) == (Status.EQUAL, None, None, ())
    assert 0 < c.detectable < {"float32": 1e-3, "float64": 1e-11}[dtype]


def test_the_table_knows_no_other_mistakes_than_those_that_are_planted_here():
    elsewhere = {"other_cost", "diagonal_slope", "sample_weights_ignored", "gelu_by_tanh"}
    assert {mistake.name for mistake in MISTAKES} == {*EXPECTED, *elsewhere}


@pytest.mark.parametrize("layers", [(3,), (2, 3, 4)], ids=["one layer", "all"])
@pytest.mark.parametrize(("kind", "equation"), [("weights", "BP4"), ("biases", "BP3")])
def test_the_cause_cites_where_the_mean_is_taken_twice(kind, equation, layers):
    net, X, Y = case(6)
    parts = dict(zip(("weights", "biases"), handwritten.gradient(net, X, Y), strict=True))
    for l in layers:
        parts[kind][l - 2] = parts[kind][l - 2] / len(X)
    c = fm.certify(net, X, Y, (parts["weights"], parts["biases"]))
    assert (c.cause.name, c.layer, c.equation) == ("mean_twice", layers[-1], equation)
    cites_the_place(c)


def test_the_error_of_another_cost():
    net, X, Y = case(2)
    found = handwritten.gradient(net, X, Y, cost="binary_cross_entropy")
    assert fm.certify(net, X, Y, found, "binary_cross_entropy")
    # The quadratic cost has σ′ at the output, which cancels against the cross-entropy.
    assert fm.certify(net, X, Y, found).cause.name == "slope_missing"
    quadratic = fm.certify(net, X, Y, handwritten.gradient(net, X, Y), "binary_cross_entropy").cause
    assert (quadratic.name, quadratic.layer, quadratic.equation) == ("other_cost", 4, "BP1")


def test_softmax_by_its_diagonal_alone():
    net, X, Y = case(3, activations=("tanh", "softmax", "sigmoid"))
    tape, right = net.forward(X, Y), fm.gradient(net, X, Y, backend="sigma")
    a = tape.activations[2]
    errors = [(right.errors[2] @ net.weights[2]) * a * (1 - a), right.errors[2]]
    errors.insert(0, (errors[0] @ net.weights[1]) * tape.slopes[0])
    wrong = [d.T @ a for d, a in zip(errors, tape.activations, strict=False)], [d.sum(axis=0) for d in errors]
    found = fm.certify(net, X, Y, wrong)
    # With a(1 − a) for the diagonal, a softmax is taken for a sigmoid, and both mistakes say the same.
    assert found.cause.name in ("logistic_slope", "diagonal_slope")
    assert (found.layer, found.equation, found.cause.layer) == (3, "BP2", 3)


def test_sample_weights_ignored():
    net, X, Y = case(4)
    c = fm.certify(net, X, Y, handwritten.gradient, sample_weight=[1, 2, 3, 4, 5])
    assert c.cause.name == "sample_weights_ignored"


def test_one_entry_and_single_precision():
    net, X, Y = case(5)
    weights, biases = handwritten.gradient(net, X, Y)
    weights[1][2, 3] *= 1 + 1e-6
    c = fm.certify(net, X, Y, (weights, biases))
    assert (c.cause.name, c.layer, c.equation) == ("single_entry", 3, "BP4")
    assert "weights[1][2, 3]" in str(c)
    weights, biases = handwritten.gradient(net.astype("float32"), X.astype("float32"), Y.astype("float32"))
    c = fm.certify(net, X, Y, ([w.astype(float) for w in weights], [b.astype(float) for b in biases]))
    assert c.cause.name == "single_precision"


@pytest.mark.parametrize("seed", range(5))
def test_noise_and_two_mistakes_at_once_are_explained_by_nothing(seed):
    net, X, Y = case(seed)
    noise = np.random.default_rng(seed).standard_normal(net.vector.size)
    assert fm.certify(net, X, Y, noise).cause is None
    weights, biases = handwritten.gradient(net, X, Y, "slope_missing", 3)
    assert fm.certify(net, X, Y, (weights, [3 * b for b in biases])).cause is None
