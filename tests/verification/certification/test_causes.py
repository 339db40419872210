"""A certificate names every known mistake with its layer, and the equation in which it shows."""

from __future__ import annotations

import handwritten
import numpy as np
import pytest

import formulations as fm
from formulations.verification.tolerances.verdict import Status
from tests.audit.mutants import MUTANTS, fault

PLANTED = [(name, layer) for name, mutant in MUTANTS.items() if mutant.cause for layer in mutant.layers]
NEEDS_DIGITS = ("single_precision_sums", "one_entry")
"""Faults of roundoff, which single precision has everywhere."""


def case(seed=0, dtype="float64", activations=("tanh", "sine", "sigmoid"), m=5):
    random = np.random.default_rng(seed)
    net = fm.Network.random([4, 4, 4, 4], list(activations), seed=seed, dtype=dtype)
    for b in net.biases:
        b[...] = random.normal(scale=0.5, size=b.shape)
    return net, random.standard_normal((m, 4)).astype(dtype), random.random((m, 4)).astype(dtype)


def faulty(name, layer=None):
    """A function whose gradient has a planted fault in one layer, or in all that can have it."""
    backend = fault(name, layer)
    return lambda net, X, Y: fm.gradient(net, X, Y, backend=backend).vector


def equation_of(mutant, layer):
    return mutant.equation if mutant.equation in ("BP3", "BP4") else "BP1" if layer == 4 else "BP2"


def cites_the_place(c):
    assert (c.cause.seen_in, c.cause.equation) == (c.layer, c.equation)
    assert str(c.cause).count(f"in layer {c.layer}, ({c.equation})") == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "layer"), PLANTED)
def test_a_planted_mistake_is_named(name, layer, seed):
    net, X, Y = case(seed)
    mutant = MUTANTS[name]
    c = fm.certify(net, X, Y, faulty(name, layer)(net, X, Y))
    assert c.status is Status.DIFFERENT
    assert c.cause.name == mutant.cause
    if name not in NEEDS_DIGITS:
        assert c.cause.layer == layer
        cites_the_place(c)
    if layer is not None:
        assert (c.layer, c.equation) == (layer, equation_of(mutant, layer))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "layer"), [each for each in PLANTED if each[0] not in NEEDS_DIGITS])
def test_in_single_precision_too(name, layer):
    net, X, Y = case(1, "float32")
    c = fm.certify(net, X, Y, faulty(name, layer))
    assert (c.cause.name, c.cause.layer) == (MUTANTS[name].cause, layer)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_right_gradient_is_equal(seed, dtype):
    net, X, Y = case(seed, dtype, np.random.default_rng(seed).choice(["tanh", "sine", "sigmoid"], 3))
    c = fm.certify(net, X, Y, handwritten.gradient)
    assert (c.status, c.cause, c.layer, c.notes) == (Status.EQUAL, None, None, ())
    assert 0 < c.detectable < {"float32": 1e-3, "float64": 1e-11}[dtype]


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
    g = fm.gradient(net, X, Y, backend=fault("slope_missing", 3))
    assert fm.certify(net, X, Y, (list(g.weights), [3 * b for b in g.biases])).cause is None


def test_certify_and_compare_give_one_network_the_same_title():
    net, X, Y = case(activations=("tanh", "sigmoid", "tanh"))
    certificate = fm.certify(net, X, Y, "hadamard")
    assert certificate.title == fm.compare(net, X, Y, backends=["hadamard"], budget=0.01).title
    assert certificate.title == "4-4-4-4, tanh, sigmoid, tanh, quadratic cost, 5 examples, float64"


def test_facts_of_a_cause_are_fields_and_its_sentence_holds_no_other():
    net, X, Y = case()
    cause = fm.certify(net, X, Y, faulty("value_for_slope", 3)).cause
    assert (cause.name, cause.layer, cause.seen_in, cause.equation) == ("value_for_slope", 3, 3, "BP2")
    assert cause.sentence == "σ(z³) is used instead of σ′(z³)"
    assert 0 < cause.misfit < 1e-12
    assert str(cause).startswith(
        f"{cause.sentence}, in layer 3, (BP2). The gradient with this mistake agrees with the "
    )
    assert str(cause).endswith(" Use the derivative of the activation.")
