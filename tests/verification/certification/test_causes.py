"""A certificate names every known mistake with its layer, and the equation in which it shows."""

from __future__ import annotations

import handwritten
import numpy as np
import pytest

import formulations as fm
from formulations.verification.certification.causes.backward import slope_missing, value_for_slope
from formulations.verification.certification.causes.case import Case
from formulations.verification.oracles import reference_gradient
from formulations.verification.tolerances.verdict import Status
from tests.audit.mutants import MUTANTS, fault

PLANTED = [(name, layer) for name, mutant in MUTANTS.items() if mutant.cause for layer in mutant.layers]
NEEDS_DIGITS = ("single_precision_sums", "one_entry", "one_billionth")
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


@pytest.mark.parametrize("weights", [[1, 2, 3, 4, 5], [1, 2, 0, 4, 0]], ids=["positive", "some are zero"])
def test_sample_weights_ignored(weights):
    net, X, Y = case(4)
    c = fm.certify(net, X, Y, handwritten.gradient, sample_weight=weights)
    assert c.cause.name == "sample_weights_ignored"
    # Beside a sum for the mean, too.
    summed = [[5 * g for g in part] for part in handwritten.gradient(net, X, Y)]
    cause = fm.certify(net, X, Y, summed, sample_weight=weights).cause
    assert (cause.name, cause.also.name) == ("sample_weights_ignored", "sum_for_mean")


@pytest.mark.parametrize(
    ("size", "divisor", "said"),
    [(1.0, 1, "Σ sample_weight = 6.5"), (1.0, 5, "Σ sample_weight/m = 1.3"), (0.5, 5, "Σ sample_weight/m = 0.65")],
)
def test_weighted_examples_that_are_not_divided_by_the_sum_of_the_weights(size, divisor, said):
    net, X, Y = case(4)
    weights = size * np.array([1.0, 2.0, 0.0, 0.5, 3.0])
    summed = fm.gradient(net, X, Y, sample_weight=weights).vector * weights.sum()
    cause = fm.certify(net, X, Y, summed / divisor, sample_weight=weights).cause
    assert cause.name == "multiple" and said in cause.sentence


def test_other_sample_weights_are_found():
    net, X, Y = case(4)
    wrong = fm.gradient(net, X, Y, sample_weight=[3.0, 1.0, 0.5, 2.0, 0.5]).vector
    cause = fm.certify(net, X, Y, wrong, sample_weight=[1.0, 0.5, 2.0, 0.5, 3.0]).cause
    assert cause.sentence == (
        "the examples have other weights than sample_weight: 3 for example 0, 1 for example 1, 0.5 for example 2, "
        "2 for example 3, 0.5 for example 4"
    )


@pytest.mark.parametrize(
    ("factor", "said"), [("quadratic", "1/cost.factor = 1.54545"), ("121/289 quadratic", "cost.factor")]
)
def test_a_factor_of_the_cost_that_is_missing_or_there_twice(factor, said):
    net, X, Y = case(4)
    cause = fm.certify(net, X, Y, fm.gradient(net, X, Y, factor).vector, "11/17 quadratic").cause
    assert cause.name == "multiple" and f"multiplied by {said}" in cause.sentence


def test_an_example_of_weight_zero_is_told_without_roundoff():
    net, X, Y = case(4)
    wrong = fm.gradient(net, X, Y, sample_weight=[1.0, 2.0, 0.0, 3.5, 1.0]).vector
    cause = fm.certify(net, X, Y, wrong).cause
    assert cause.name == "examples_weighted" and ", 0 for example 2, " in cause.sentence


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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(5))
def test_a_weight_decay_that_belongs_there_is_judged_exactly(seed, dtype):
    net, X, Y = case(seed, dtype)
    l2, plain = 0.037, fm.gradient(net, X, Y)
    right = [dw + net.dtype.type(l2) * w for dw, w in zip(plain.weights, net.weights, strict=True)]
    c = fm.certify(net, X, Y, (right, plain.biases), l2=l2)
    assert (c.status, c.cause) == (Status.EQUAL, None)
    assert c.title.endswith(f"{dtype}, l2 = 0.037")
    # Judged equation by equation, if it has δ, and with its cost.
    assert fm.certify(net, X, Y, (right, plain.biases, plain.errors), l2=l2)
    plain.cost = plain.cost + l2 / 2 * sum((w**2).sum() for w in net.weights)
    for dw, w in zip(plain.weights, net.weights, strict=True):
        dw += net.dtype.type(l2) * w
    assert fm.certify(net, X, Y, plain, l2=l2).cost.status is Status.EQUAL
    assert fm.certify(net, X, Y, plain).status is Status.DIFFERENT
    # The bound is as sharp as without it.
    right[0][1, 2] *= 1 + (1e-2 if dtype == "float32" else 1e-10)
    c = fm.certify(net, X, Y, (right, plain.biases), l2=l2)
    assert (c.layer, c.equation, c.cause.name) == (2, "BP4", "single_entry")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_roundoff_of_a_large_weight_decay_is_allowed_for(dtype):
    net, X, Y = case(1, dtype)
    plain = fm.gradient(net, X, Y)
    right = [dw + net.dtype.type(1e4 / 3) * w for dw, w in zip(plain.weights, net.weights, strict=True)]
    assert fm.certify(net, X, Y, (right, plain.biases), l2=1e4 / 3)


def test_a_wrong_error_is_placed_although_there_is_weight_decay():
    net, X, Y = case(2)
    wrong = fm.gradient(net, X, Y, backend=fault("slope_missing", 3))
    weights = [dw + 0.1 * w for dw, w in zip(wrong.weights, net.weights, strict=True)]
    c = fm.certify(net, X, Y, (weights, wrong.biases, wrong.errors), l2=0.1)
    assert [(line.layer, line.equation) for line in c.layers if line.status is not Status.EQUAL] == [(3, "BP2")]
    assert c.cause.name == "slope_missing"


def test_mistakes_in_the_weight_decay_are_named():
    net, X, Y = case()
    plain = fm.gradient(net, X, Y)

    def cause(of_weights, of_biases=0.0, l2=0.01):
        weights = [dw + of_weights * w for dw, w in zip(plain.weights, net.weights, strict=True)]
        biases = [db + of_biases * b for db, b in zip(plain.biases, net.biases, strict=True)]
        return fm.certify(net, X, Y, (weights, biases), l2=l2).cause

    missing, twice, biases = cause(0.0), cause(0.02), cause(0.01, 0.01)
    assert (missing.name, missing.sentence) == ("decay_missing", "the weight decay λw is missing")
    assert missing.readings == ()
    assert twice.name == "decay_of_weights"
    assert twice.sentence == "the gradient contains the weight decay λw with λ = 0.02"
    assert biases.name == "decay_of_all"
    assert cause(5e-4, l2=0.0).remedy == "Leave λw out, or say that it belongs there: l2=0.0005"
    right = fm.gradient(net, X, Y, backend=fault("slope_missing", 3))
    weights = [dw + 0.01 * w for dw, w in zip(right.weights, net.weights, strict=True)]
    pair = fm.certify(net, X, Y, (weights, right.biases), l2=0.01)
    assert (pair.cause.name, pair.cause.also) == ("slope_missing", None)


def test_weight_decay_that_is_no_number_or_belongs_to_no_backend_is_refused():
    net, X, Y = case()
    with pytest.raises(fm.exceptions.InvalidInput, match=r"without weight decay, got l2=0\.1; leave it out"):
        fm.certify(net, X, Y, "hadamard", l2=0.1)
    with pytest.raises(fm.exceptions.InvalidInput, match="l2"):
        fm.certify(net, X, Y, fm.gradient(net, X, Y), l2=-1)


def test_every_reading_of_a_factor_is_named():
    net, X, Y = case(m=2)
    cause = fm.certify(net, X, Y, 2 * fm.gradient(net, X, Y).vector).cause
    assert cause.names == ("factor_two", "sum_for_mean", "calls_accumulated")
    assert str(cause).count("The same gradient results if") == 2
    assert "a factor of m too large: divide by the number of examples once" in str(cause)
    net, X, Y = case(m=3)
    cause = fm.certify(net, X, Y, -fm.gradient(net, X, Y).vector / 6).cause
    assert (cause.name, cause.sentence) == ("multiple", "every entry is multiplied by −2/m/n_L = −1/2/m = −0.166667")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_two_mistakes_are_both_named(dtype):
    net, X, Y = case(1, dtype)
    wrong = fm.gradient(net, X, Y, backend=fault("slope_missing", 3)).vector
    cause = fm.certify(net, X, Y, 5 * wrong).cause
    assert (cause.name, cause.layer, cause.also.name) == ("slope_missing", 3, "sum_for_mean")
    assert str(cause).startswith(
        "σ′(z³) is missing, and the examples are summed, not averaged: a factor of m too large"
    )
    assert "The gradient with both mistakes agrees" in str(cause)


def test_only_a_prediction_within_its_bound_explains():
    net, X, Y = case()
    wrong = fm.gradient(net, X, Y, backend=fault("slope_missing", 3))
    weights = [w.copy() for w in wrong.weights]
    assert fm.certify(net, X, Y, (weights, wrong.biases)).cause.name == "slope_missing"
    # To ten digits, far better than half of them, but not within roundoff.
    weights[0][0, 0] *= 1 + 1e-10
    assert fm.certify(net, X, Y, (weights, wrong.biases)).cause is None


def test_a_right_function_that_adds_up_or_answers_from_memory_is_noted():
    net, X, Y = case()
    total = np.zeros(net.vector.size)

    def accumulates(net, X, Y):
        total[...] += fm.gradient(net, X, Y).vector
        return total.copy()

    c = fm.certify(net, X, Y, accumulates)
    assert c
    assert c.notes[1:] == (
        "Each call adds its gradient to that of the call before: start every call from zero, as with zero_grad().",
    )
    first = fm.gradient(net, X, Y).vector
    c = fm.certify(net, X, Y, lambda *_: first)
    assert c
    assert c.notes == ("The function returns the same gradient for other examples: compute it anew in every call.",)


def test_an_answer_that_fits_other_examples_or_is_zero_is_not_called_one_from_memory():
    net, X, Y = case()
    # All examples are the first one, so its gradient is that of all.
    same = np.tile(X[:1], (5, 1)), np.tile(Y[:1], (5, 1))
    c = fm.certify(net, *same, lambda net, X, Y: fm.gradient(net, X[:1], Y[:1]).vector)
    assert (c.status, c.notes) == (Status.EQUAL, ())
    c = fm.certify(net, X, Y, lambda *_: np.zeros(net.vector.size))
    assert c.status is Status.DIFFERENT
    assert "cached_answer" not in c.cause.names and not any("compute it anew" in note for note in c.notes)


class ForOneHot(fm.Cost):
    """The quadratic cost, for targets that add up to 1."""

    name = "for_one_hot"

    def evaluate(self, A, Y, gradient=None):
        if not (Y.sum(axis=1) == 1).all():
            raise ZeroDivisionError("no one-hot targets")
        if gradient is not None:
            gradient[...] = A - Y
        return 0.5 * ((A - Y) ** 2).sum(axis=1)


def test_a_cost_that_raises_for_other_targets_is_no_obstacle():
    net, X, _ = case()
    Y, cost = np.eye(4)[[0, 1, 2, 3, 0]], ForOneHot()
    right = fm.gradient(net, X, Y, cost).vector
    assert fm.certify(net, X, Y, -right, cost).cause.name == "sign"
    assert fm.certify(net, X, Y, right * np.linspace(1, 2, right.size), cost).cause is None
    shifted = fm.gradient(net, X, np.roll(Y, 1, axis=1), cost).vector
    assert fm.certify(net, X, Y, shifted, cost).cause.name == "labels_shifted_by_class"


def test_a_slope_in_all_layers_is_named_although_it_is_right_in_one():
    net, X, Y = case(activations=("tanh", "sigmoid", "sine"))
    cause = fm.certify(net, X, Y, faulty("logistic_slope")).cause
    assert (cause.name, cause.layer) == ("logistic_slope", None)


def test_a_combined_output_has_no_slope_that_can_be_wrong():
    net, X, Y = classifier()
    for cost, layers in (("log_likelihood", {2}), ("quadratic", {2, 3, None})):
        reference = reference_gradient(net.record(net.check_examples(X, Y, cost=cost)))
        case = Case(reference, -reference.vector)
        for mistake in (slope_missing, value_for_slope):
            assert {variant.layer for variant in mistake(case)} == layers


def test_examples_of_zeros_that_fill_up_a_batch_of_labels_are_of_class_0():
    net = fm.Network.random([3, 4, 3], ["tanh", "softmax"], seed=0)
    random = np.random.default_rng(0)
    X, labels = random.standard_normal((5, 3)), np.array([0, 2, 1, 1, 2])
    padded = np.vstack([X, np.zeros((3, 3))]), fm.one_hot(np.append(labels, [0, 0, 0]), 3)
    cause = fm.certify(net, X, labels, fm.gradient(net, *padded, "log_likelihood").vector, "log_likelihood").cause
    assert cause.sentence == "the mini-batch is filled up with 3 examples of zeros and class 0"


def classifier(m=8):
    """A network with softmax outputs, inputs and one-hot targets of three classes."""
    random = np.random.default_rng(7)
    net = fm.Network.random([4, 5, 3], ["tanh", "softmax"], seed=7)
    return net, random.standard_normal((m, 4)), np.eye(3)[np.arange(m) % 3]


def binary(m=6):
    """A network with one output, inputs and targets 0 and 1."""
    random = np.random.default_rng(8)
    net = fm.Network.random([4, 5, 1], ["tanh", "sigmoid"], seed=8)
    return net, random.standard_normal((m, 4)), np.array([0.0, 1, 1, 0, 1, 0])[np.arange(m) % 6, None]


def cause_of(problem, candidate, cost="quadratic", **options):
    return fm.certify(*problem, candidate, cost, **options).cause


def test_only_a_cost_with_a_factor_of_a_half_can_lack_it():
    problem = classifier()
    right = fm.gradient(*problem, "log_likelihood").vector
    twice, half = (cause_of(problem, factor * right, "log_likelihood") for factor in (2, 0.5))
    assert (twice.name, "factor_two" in twice.names) == ("calls_accumulated", False)
    assert half.name == "half"
    assert "½(a" not in str(half)
    # Nor has the mean of squares, as PyTorch's MSELoss.
    problem = case()
    twice = cause_of(problem, 2 * fm.gradient(*problem, "2/4 quadratic").vector, "2/4 quadratic")
    # With 4 outputs, n_L/2 is 2, too.
    assert twice.names == ("outputs_summed", "calls_accumulated")


@pytest.mark.parametrize(
    ("cost", "factor", "words"),
    [
        ("2/3 quadratic", 24, "the cost is summed over the examples and the outputs: a factor of m·n_L = 24"),
        ("2/3 quadratic", 3, "the cost is summed over the outputs: a factor of n_L = 3"),
        ("2/3 quadratic", 1.5, "the cost is summed over the outputs: a factor of n_L/2 = 1.5"),
        ("1/3 quadratic", 6, "the cost is summed over the outputs: a factor of 2n_L = 6"),
        ("1/3 binary_cross_entropy", 3, "the cost is summed over the outputs: a factor of n_L = 3"),
    ],
)
def test_only_a_mean_over_the_outputs_can_be_summed(cost, factor, words):
    net, X, Y = classifier()
    problem = fm.Network(net.weights, net.biases, ["tanh", "sigmoid"]), X, Y
    cause = cause_of(problem, factor * fm.gradient(*problem, cost).vector, cost)
    assert (cause.name, cause.sentence) == ("outputs_summed", words)
    plain = cost.split()[1]
    assert "outputs_summed" not in cause_of(problem, 3 * fm.gradient(*problem, plain).vector, plain).names
    third = fm.gradient(*problem, plain).vector / 3
    assert cause_of(problem, third, plain).name == "outputs_averaged"
    averaged = cause_of(problem, fm.gradient(*problem, cost).vector / 3, cost)
    assert "outputs_averaged" not in averaged.names


def test_factors_have_the_number_that_they_are_known_to_be():
    net, X, Y = classifier()
    problem = net.astype("float32"), X.astype("float32"), Y.astype("float32")
    right = fm.gradient(*problem, "log_likelihood").vector
    for factor, words in ((65536, "65536"), (-1024, "−1024"), (0.0009765625, "0.0009765625"), (1234, "1234")):
        cause = cause_of(problem, right * np.float32(factor) * np.float32(1 + 2e-7), "log_likelihood")
        assert cause.sentence == f"every entry is multiplied by {words}"
    # No more digits than are known.
    cause = cause_of(problem, right * np.float32(np.pi), "log_likelihood")
    assert 2 < len(cause.sentence.removeprefix("every entry is multiplied by 3.14")) + 3 < 9


def test_three_quarters_are_eight_examples_for_six_rather_than_a_learning_rate():
    problem = binary()
    right = fm.gradient(*problem).vector
    assert cause_of(problem, 0.75 * right).names == ("batch_size",)
    assert cause_of(problem, 0.1 * right).name == "step"
    assert cause_of(problem, -0.75 * right).name == "step"


def test_numbers_below_zero_have_a_minus_sign():
    net, X, Y = case()
    plain = fm.gradient(net, X, Y)
    weights = [dw - 0.01 * w for dw, w in zip(plain.weights, net.weights, strict=True)]
    cause = fm.certify(net, X, Y, (weights, plain.biases)).cause
    assert (cause.sentence, cause.remedy) == (
        "the gradient contains the weight decay λw with λ = −0.01",
        "Leave λw out",
    )
    weights = [-0.3, 1.2, 0.7, 1.6, 2.2]
    gradients = fm.per_example_gradients(net, X, Y)
    cause = fm.certify(net, X, Y, gradients.T @ weights / 5).cause
    assert cause.name == "examples_weighted"
    assert "−0.3 for example 0" in cause.sentence


def test_labels_of_two_classes_are_swapped_or_have_other_numbers():
    net, X, Y = binary()
    swapped = cause_of((net, X, Y), fm.gradient(net, X, 1 - Y, "binary_cross_entropy").vector, "binary_cross_entropy")
    assert (swapped.name, swapped.sentence) == ("labels_recoded", "the labels are 1 − y instead of y")
    assert (swapped.seen_in, swapped.equation) == (3, "BP1")
    signs = cause_of((net, X, Y), fm.gradient(net, X, 2 * Y - 1).vector)
    assert signs.sentence == "the labels are 2y − 1 instead of y"
    for words, targets in (("−y", 1 - 2 * Y), ("(y + 1)/2", Y)):
        cause = cause_of((net, X, 2 * Y - 1), fm.gradient(net, X, targets).vector)
        assert cause.sentence == f"the labels are {words} instead of y"


def test_targets_that_are_broadcast_against_the_outputs():
    net, X, Y = binary()
    a = net.forward(X).activations[-1]
    # ∂/∂a of the mean of ½(a_x − y_k)² over all x and k.
    errors = (a - Y.T).mean(axis=1, keepdims=True)
    wrong = fm.gradient(net, X, a - errors).vector
    cause = cause_of((net, X, Y), wrong)
    assert (cause.name, cause.equation) == ("targets_broadcast", "BP1")
    assert "y.unsqueeze(1)" in cause.remedy


@pytest.mark.parametrize("kept", [slice(None, -2), slice(None, -3), slice(2, None), slice(3, None)])
def test_several_dropped_examples_are_found_although_there_is_one_output(kept):
    net, X, Y = binary(40)
    assert len(X) > net.vector.size
    for factor in (1, len(X[kept]) / len(X)):
        cause = cause_of((net, X, Y), factor * fm.gradient(net, X[kept], Y[kept]).vector)
        first, last = (len(X[kept]), 39) if kept.start is None else (0, kept.start - 1)
        assert (cause.name, cause.sentence) == ("example_dropped", f"examples {first}–{last} are left out")


def test_which_example_is_left_out_and_which_alone_counts_is_said():
    net, X, Y = case()
    only = cause_of((net, X, Y), fm.gradient(net, X[2:3], Y[2:3]).vector)
    assert (only.name, only.sentence) == ("one_example", "only example 2 counts")
    others = [0, 1, 3, 4]
    without = cause_of((net, X, Y), fm.gradient(net, X[others], Y[others]).vector)
    assert (without.name, without.sentence) == ("example_dropped", "example 2 is left out")


def test_classes_are_weighted_or_ignored_and_examples_are_counted():
    net, X, Y = classifier()
    labels = Y.argmax(axis=1)

    def sentence(weights):
        wrong = fm.gradient(net, X, Y, "log_likelihood", sample_weight=weights).vector
        return cause_of((net, X, Y), wrong, "log_likelihood").sentence

    by_class = np.array([1, 2, 3.5])[labels]
    assert sentence(by_class) == "the examples are weighted by class: 1 for class 0, 2 for class 1, 3.5 for class 2"
    assert sentence(labels < 2) == "examples 2, 5 are left out, which are all of class 2"
    assert sentence([1, 1, 1, 1, 1, 1, 2, 2]) == "examples 6–7 count 2 times as much as the others"
    assert sentence([2, 2, 2, 2, 2, 2, 3, 3]) == "examples 6–7 count 1.5 times as much as the others"
    assert sentence([1, 1, 2, 3, 4, 1, 1, 1]) == (
        "example 2 counts 2 times, example 3 counts 3 times and example 4 counts 4 times as much as the others"
    )
    assert sentence([1, 3, 1, 2, 1, 1, 2, 1]) == (
        "examples 3, 6 count 2 times and example 1 counts 3 times as much as the others"
    )


def test_a_class_whose_weight_is_roundoff_is_left_out_rather_than_weighted():
    net, X, Y = (part.astype("float32") for part in classifier())
    labels = Y.argmax(axis=1)
    for roundoff in (0, 1e-9, -1e-9):
        weights = np.array([1, 1, roundoff])[labels].astype("float32")
        wrong = fm.per_example_gradients(net, X, Y, "log_likelihood").T @ weights / np.float32(6)
        cause = cause_of((net, X, Y), wrong, "log_likelihood")
        assert (cause.name, cause.sentence) == (
            "example_dropped",
            "examples 2, 5 are left out, which are all of class 2",
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_weight_decay_beside_a_factor_is_told_as_it_was_added(dtype):
    net, X, Y = case(m=8, dtype=dtype)
    g, w = fm.gradient(net, X, Y).vector, net.vector

    def said(wrong):
        cause = fm.certify(net, X, Y, wrong).cause
        return cause.name, cause.also.sentence.removeprefix("the gradient contains the weight decay λθ with λ = ")

    a, b = (np.dtype(dtype).type(number) for number in (0.01, 0.02))
    assert said(-a * (g + b * w)) == ("step", "0.02 before this factor, of weights and biases")
    assert said(a * (g + b * w)) == ("step", "0.0002, or 0.02 before this factor, of weights and biases")
    assert said(8 * g + b * w) == ("sum_for_mean", "0.02, of weights and biases")
    assert said(a * w - g) == ("sign", "0.01, of weights and biases")
    name, words = said((g + b * w) * np.dtype(dtype).type(0.3141592))
    assert (name, words) == ("multiple", "0.02 before this factor, of weights and biases")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_label_smoothing_is_named_beside_a_weight_decay(dtype):
    net, X, labels = classifier()
    net, X, Y = (part.astype(dtype) for part in (net, X, labels))
    for b in net.biases:
        b[...] = 0.3
    smooth = fm.gradient(net, X, 0.9 * Y + np.dtype(dtype).type(0.1) / Y.shape[1], "log_likelihood").vector
    cause = cause_of((net, X, Y), smooth + np.dtype(dtype).type(0.01) * net.vector, "log_likelihood")
    assert (cause.sentence, cause.also.sentence) == (
        "the labels are smoothed with ε = 0.1",
        "the gradient contains the weight decay λθ with λ = 0.01, of weights and biases",
    )


def test_layers_that_the_backward_pass_does_not_reach_are_named():
    net, X, Y = case()
    right = fm.gradient(net, X, Y)
    for lost, words in (((0,), "layer 2"), ((0, 1), "layers 2 to 3"), ((1,), "layer 3"), ((2,), "layer 4")):
        weights, biases = (
            [array * (i not in lost) for i, array in enumerate(part)] for part in (right.weights, right.biases)
        )
        cause = fm.certify(net, X, Y, (weights, biases)).cause
        assert (cause.name, cause.sentence) == ("layers_lost", f"the gradient of {words} is zero")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_after_a_step_are_named_with_the_weight_decay_of_the_step(dtype):
    net, X, Y = case(3, dtype)
    g, rate, decay = fm.gradient(net, X, Y).vector, net.dtype.type(0.1), net.dtype.type(0.01)
    on_weights = net.vector.copy()
    for _, of_biases in net.layout.slices:
        on_weights[of_biases] = 0
    for words, decayed in (("λθ", net.vector), ("λw", on_weights)):
        cause = fm.certify(net, X, Y, net.vector - rate * (g + decay * decayed)).cause
        assert (cause.name, cause.also) == ("parameters_updated", None)
        assert cause.sentence == (
            "these are the parameters after a step of gradient descent with the learning rate 0.1 and the weight decay "
            f"{words} with λ = 0.01"
        )
    # The step of another optimizer.
    cause = fm.certify(net, X, Y, net.vector - rate / 50 * np.sign(g) * np.abs(g) ** net.dtype.type(0.1)).cause
    assert (cause.name, cause.misfit) == ("parameters_moved", None)


@pytest.mark.parametrize("biases", [True, False])
def test_the_norm_that_is_clipped_is_that_of_what_is_given(biases):
    net, X, Y = case(3)
    weights, of_biases = handwritten.gradient(net, X, Y)
    given = [*weights, *of_biases] if biases else weights
    factor = 1e-2 / np.sqrt(sum(np.sum(each**2) for each in given))
    clipped = [each * factor for each in weights], [each * factor for each in of_biases] if biases else None
    assert "norm_clipped" in fm.certify(net, X, Y, clipped).cause.names
