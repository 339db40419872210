"""The check of a plain function: what it serves, by its author's claim or a first probe, and what it is not asked."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
from scipy.special import expit, softmax

import formulations as fm
from formulations.exceptions import InvalidInput, UnknownName, WrongType
from formulations.verification.conformance.laws.table import LAWS
from formulations.verification.conformance.report import Outcome, Standing
from formulations.verification.conformance.subjects import problems_of, read_subject

FUNCTIONS = {
    "sigmoid": (expit, lambda a: a * (1 - a)),
    "tanh": (np.tanh, lambda a: 1 - a * a),
    "relu": (lambda z: np.maximum(z, 0), lambda a: (a > 0).astype(a.dtype)),
}
SHAPES = ["one_example", "three_examples", "square_weights", "one_wide", "more_examples", "single_layer", "deep"]


def backprop(net, X, Y, names=None, slope=None, error=None):
    """The book's algorithm, for the activations of the network or others."""
    pairs = [FUNCTIONS[name] for name in names or [each.name for each in net.activations]]
    a, weights, biases = [X], [], []
    for w, b, (f, _) in zip(net.weights, net.biases, pairs, strict=True):
        a.append(f(a[-1] @ w.T + b))
    delta = error(a[-1], Y) if error else (a[-1] - Y) * pairs[-1][1](a[-1])
    delta = delta / np.asarray(len(X), X.dtype)
    for l in range(len(pairs), 0, -1):
        weights.insert(0, delta.T @ a[l - 1])
        biases.insert(0, delta.sum(axis=0))
        delta = delta @ net.weights[l - 1] * (slope or pairs[l - 2][1])(a[l - 1])
    return weights, biases


def by_names(net, X, Y):
    return backprop(net, X, Y)


def sigmoid_quadratic(net, X, Y):
    return backprop(net, X, Y, ["sigmoid"] * len(net.weights))


def cross_entropy(net, X, Y):
    return backprop(net, X, Y, ["sigmoid"] * len(net.weights), error=lambda a, y: a - y)


def without_slope(net, X, Y):
    return backprop(net, X, Y, ["sigmoid"] * len(net.weights), slope=lambda a: a)


def twice(net, X, Y):
    weights, biases = sigmoid_quadratic(net, X, Y)
    return [2 * w for w in weights], [2 * b for b in biases]


def relu_softmax(net, X, Y):
    """Rectifiers in hidden layers, softmax outputs, log-likelihood."""
    a, weights, biases = [X], [], []
    for w, b in zip(net.weights, net.biases, strict=True):
        a.append(np.maximum(a[-1] @ w.T + b, 0))
    outputs = softmax(a[-2] @ net.weights[-1].T + net.biases[-1], axis=1)
    delta = (outputs * Y.sum(axis=1, keepdims=True) - Y) / np.asarray(len(X), X.dtype)
    for l in range(len(net.weights), 0, -1):
        weights.insert(0, delta.T @ a[l - 1])
        biases.insert(0, delta.sum(axis=0))
        delta = delta @ net.weights[l - 1] * (a[l - 1] > 0)
    return weights, biases


def asked(report):
    return {result.scenario for result in report.results if result.outcome in (Outcome.HELD, Outcome.BROKEN)}


@pytest.fixture(scope="module")
def report():
    return fm.check_backend(sigmoid_quadratic, dtypes=["float64"])


def test_a_right_sigmoid_and_quadratic_function_passes_by_one_call(report):
    assert report.passed, str(report)
    assert {"digits", "single_neuron", "vanishing_chain"} < asked(report)
    assert {f"sigmoid_sigmoid_quadratic_{shape}" for shape in SHAPES} < asked(report)
    assert not {"relu", "activation_tanh", "cross_entropy", "linear_regression", "sparse"} & asked(report)


def test_what_it_is_not_asked_is_said_once(report):
    said = " ".join(str(report).split())
    assert "it is asked for sigmoid in every layer, with the quadratic cost" in said
    assert said.count("it returns the same bits as for sigmoid in every layer") == 1
    assert said.count("it does not get sample weights") == 2  # a law, and the problems that have them
    assert report.to_dict()["not_asked"] == report.not_asked and sum(report.not_asked.values()) > 30


def test_each_law_is_asked_of_it_or_says_nothing_about_functions(report):
    says_nothing = [law.name for law in LAWS.values() if law.of_backends]
    assert set(report.not_checked) == {*says_nothing, "exact", "errors_belong"}  # nothing is exact, and it has no δ
    for result in report.results:
        if result.law in says_nothing:
            assert result.outcome is Outcome.NOT_ASKED and result.complaint


@pytest.mark.slow
def test_a_function_that_knows_some_activations_by_name_is_asked_for_these():
    report = fm.check_backend(by_names, laws=["equal"], dtypes=["float64"])
    assert report.passed, str(report)
    assert {"digits", "more_examples", "square_weights", "deep"} < asked(report)
    assert "it is asked for sigmoid, tanh and relu in every layer" in " ".join(str(report).split())
    assert "it raised KeyError: 'gelu'" in report.not_asked
    # Claimed, it must serve it.
    claimed = fm.check_backend(by_names, serves={"activations": ["relu", "gelu"]}, laws=["equal"], dtypes=["float64"])
    (complaint,) = {result.complaint for results in claimed.broken.values() for result in results}
    assert complaint == "it raised KeyError: 'gelu'"
    assert asked(claimed) >= {"gelu_gelu_quadratic", "relu_relu_quadratic_deep"}


@pytest.mark.parametrize("result", [np.nan, pytest.param(np.inf, marks=pytest.mark.slow)])
def test_nan_excuses_only_what_is_not_claimed(result):
    def nan_for_tanh(net, X, Y):
        weights, biases = by_names(net, X, Y)
        if any(each.name == "tanh" for each in net.activations):
            biases[0][:] = result
        return weights, biases

    few = {"laws": ["equal"], "scenarios": ["digits", "square_weights"], "dtypes": ["float64"]}
    report = fm.check_backend(nan_for_tanh, **few)
    assert report.passed and report.not_asked == {"it returned NaN or infinity": 1}
    claimed = fm.check_backend(nan_for_tanh, serves={"activations": ["sigmoid", "tanh"]}, **few)
    assert [result.scenario for result in claimed.broken["equal"]] == ["square_weights"]


@pytest.mark.slow
def test_a_function_that_takes_what_it_does_not_know_for_something_else_is_not_asked_for_it():
    def otherwise_sigmoid(net, X, Y):
        names = [each.name if each.name in FUNCTIONS else "sigmoid" for each in net.activations]
        return backprop(net, X, Y, names)

    report = fm.check_backend(otherwise_sigmoid, laws=["equal"], dtypes=["float64"])
    assert report.passed, str(report)
    assert "digits" in asked(report) and not {"activation_gelu", "per_neuron", "hidden_softmax"} & asked(report)
    reasons = " ".join(report.not_asked)
    assert "the same bits as for tanh in hidden layers and sigmoid in the output layer, and does not tell" in reasons
    assert "the same bits as for sigmoid in every layer, though a layer has several functions" in reasons


def test_a_wrong_gradient_is_never_excused():
    def wrong_relu(net, X, Y):
        weights, biases = by_names(net, X, Y)
        if net.activations[0].name == "relu":
            weights[0] = weights[0] * 1.0001
        return weights, biases

    report = fm.check_backend(wrong_relu, laws=["equal"], dtypes=["float64"])
    assert {result.scenario for result in report.broken["equal"]} == {"relu_relu_quadratic"}


@pytest.mark.slow
@pytest.mark.parametrize("function", [without_slope, twice], ids=["slope missing", "twice"])
def test_a_wrong_function_for_fixed_activations_is_asked_for_the_nearest(function):
    report = fm.check_backend(function, laws=["equal"], dtypes=["float64"])
    assert report.standing is Standing.NOT_KEPT
    assert "digits" in {result.scenario for result in report.broken["equal"]}
    assert not {"activation_relu", "square_weights"} & asked(report)
    assert "The nearest are sigmoid in every layer" in " ".join(str(report).split())


@pytest.mark.slow
def test_a_function_near_to_no_activations_is_asked_for_everything():
    def noise(net, *_):
        return np.cos(np.arange(net.vector.size) ** 2.0)

    report = fm.check_backend(noise, laws=["equal"], dtypes=["float64"])
    assert {"digits", "activation_relu", "square_weights"} < asked(report) and report.broken
    assert "serves= says what it must serve, such as" in " ".join(str(report).split())


@pytest.mark.slow
def test_the_gradient_of_another_cost_is_wrong_unless_the_cost_is_claimed():
    report = fm.check_backend(cross_entropy, laws=["equal"], dtypes=["float64"])
    assert report.standing is Standing.NOT_KEPT
    claim = {"activations": ["sigmoid"], "outputs": ["sigmoid"], "costs": ["binary_cross_entropy"]}
    assert f"pass serves={claim}." in " ".join(str(report).split())
    for serves in (claim, {"costs": "binary_cross_entropy"}):
        report = fm.check_backend(cross_entropy, serves=serves, laws=["equal"], dtypes=["float64"])
        assert report.passed, str(report)
        assert asked(report) > {"cross_entropy", "sigmoid_sigmoid_binary_cross_entropy_deep"}
        assert "digits" not in asked(report)


def test_a_claimed_cost_may_have_a_factor():
    def squared_error(net, X, Y):
        return twice(net, X, Y)

    claim = {"activations": "sigmoid", "costs": "2 quadratic"}
    few = {"laws": "equal", "dtypes": "float64", "scenarios": ["digits", "sigmoid_sigmoid_2_quadratic_single_layer"]}
    report = fm.check_backend(squared_error, serves=claim, **few)
    assert report.passed, str(report)
    assert asked(report) == {"sigmoid_sigmoid_2_quadratic_single_layer"}
    assert fm.check_backend(sigmoid_quadratic, serves=claim, **few).broken


@pytest.mark.slow
def test_softmax_outputs_with_their_cost_are_found_in_every_shape():
    report = fm.check_backend(relu_softmax, laws=["equal"], dtypes=["float64"])
    claim = {"activations": ["relu"], "outputs": ["softmax"], "costs": ["log_likelihood"]}
    assert not report.passed and f"pass serves={claim}." in " ".join(str(report).split())
    for serves in (claim, {"costs": ["log_likelihood"]}):
        report = fm.check_backend(relu_softmax, serves=serves, laws=["equal"], dtypes=["float64"])
        assert report.passed, str(report)
        assert asked(report) > {f"relu_softmax_log_likelihood_{shape}" for shape in SHAPES}


@pytest.mark.parametrize(
    ("scenario", "claim", "backend", "outcome"),
    [
        pytest.param("hidden_softmax", {}, "hadamard", Outcome.NOT_ASKED, marks=pytest.mark.slow),
        ("hidden_softmax", {"coupled": True}, "hadamard", Outcome.BROKEN),
        pytest.param("hidden_softmax", {"coupled": True}, "sigma", Outcome.HELD, marks=pytest.mark.slow),
        pytest.param("hidden_softmax", {"coupled": False}, "sigma", Outcome.NOT_ASKED, marks=pytest.mark.slow),
        ("hidden_softmax", {"activations": ["tanh", "softmax", "sigmoid"]}, "hadamard", Outcome.BROKEN),
        pytest.param("sparse", {}, "hadamard", Outcome.HELD, marks=pytest.mark.slow),
        ("sparse", {"sparse": False}, "hadamard", Outcome.NOT_ASKED),
        pytest.param("sparse", {"outputs": ["tanh"]}, "hadamard", Outcome.NOT_ASKED, marks=pytest.mark.slow),
        pytest.param("sparse", {"sizes": [[3, 2]]}, "hadamard", Outcome.NOT_ASKED, marks=pytest.mark.slow),
        ("per_neuron", {"activations": ["tanh", "sigmoid"]}, "hadamard", Outcome.NOT_ASKED),
        ("per_neuron", {"activations": ["tanh", "sigmoid", "sine"]}, "hadamard", Outcome.HELD),
    ],
)
def test_what_is_claimed_is_asked_and_what_a_list_leaves_out_is_not(scenario, claim, backend, outcome):
    def by_backend(net, X, Y):
        return fm.gradient(net, X, Y, backend=backend).vector

    report = fm.check_backend(by_backend, serves=claim, laws="equal", scenarios=scenario, dtypes="float64")
    assert [result.outcome for result in report.results] == [outcome], report


@pytest.mark.slow
def test_sizes_are_claimed_and_asked_for():
    def of_one_size(net, X, Y):
        if net.sizes != (2, 5, 1):
            raise ValueError(net.sizes)
        return sigmoid_quadratic(net, X, Y)

    report = fm.check_backend(of_one_size, laws=["equal"])
    assert report.standing is Standing.NOT_CHECKED and not report.passed
    assert "it raised ValueError: (3, 4, 3)" in report.not_asked
    report = fm.check_backend(of_one_size, serves={"sizes": [[2, 5, 1]]}, laws=["equal", "exact"])
    assert report.passed, str(report)
    assert asked(report) == {"sigmoid_sigmoid_quadratic_2_5_1_m1", "sigmoid_sigmoid_quadratic_2_5_1_m4"}


@pytest.mark.slow
def test_a_function_for_one_hidden_layer_is_not_asked_for_others():
    def one_hidden(net, X, Y):
        _, _ = net.weights
        return sigmoid_quadratic(net, X, Y)

    report = fm.check_backend(one_hidden, laws=["equal"], dtypes=["float64"])
    assert report.passed and "digits" in asked(report) and not {"vanishing", "single_layer"} & asked(report)
    assert "it raised ValueError: too many values to unpack (expected 2)" in report.not_asked


@pytest.mark.slow
def test_a_function_that_fails_for_everything_has_not_passed():
    def broken(*_):
        raise RuntimeError("not finished.")

    report = fm.check_backend(broken, laws=["equal"])
    assert (report.passed, report.standing) == (False, Standing.NOT_CHECKED)
    assert "not checked, because nothing could be asked." in str(report)
    assert "it raised RuntimeError: not finished." in str(report)
    assert fm.check_backend(broken, serves={"activations": ["sigmoid"]}, laws=["equal"]).standing is Standing.NOT_KEPT


def test_a_function_that_refuses_what_it_claims_breaks_the_law():
    def refuses(*_):
        raise fm.exceptions.Refused("not today.")

    report = fm.check_backend(refuses, serves={"activations": ["sigmoid"]}, laws=["equal"], scenarios=["digits"])
    assert {each.complaint for each in report.broken["equal"]} == {"it raised Refused: not today."}


ROUNDS = count()


def changed(gradient, factor):
    return [[part * np.asarray(factor, part.dtype) for part in parts] for parts in gradient]


def negates(net, X, Y):
    found = sigmoid_quadratic(net, X, Y)
    np.negative(X, X)
    return found


FAULTS = {
    "inputs_unchanged": negates,
    "same_bits": lambda *given: changed(sigmoid_quadratic(*given), 1 + 1e-15 * (next(ROUNDS) % 7)),
    "mean_of_examples": lambda net, X, Y: changed(sigmoid_quadratic(net, X, Y), 1 + 0.001 * (len(X) > 1)),
    "order_of_examples": lambda net, X, Y: changed(sigmoid_quadratic(net, X, Y), 1 + 0.001 * (X[0, 0] > X[-1, 0])),
    "plan_reuse": lambda *given: changed(sigmoid_quadratic(*given), 1 + 1e-15 * (next(ROUNDS) % 7)),
    "dtype_kept": lambda *given: [[part.astype("float32") for part in parts] for parts in sigmoid_quadratic(*given)],
    "conclusive": lambda *given: changed(sigmoid_quadratic(*given), 1.01),
    "closed_form": lambda *given: changed(sigmoid_quadratic(*given), 1.01),
    "neurons_permuted": lambda net, X, Y: changed(sigmoid_quadratic(net, X, Y), 1 + 0.01 * (net.vector[0] > 0)),
}


@pytest.mark.slow
@pytest.mark.parametrize("law", FAULTS)
def test_a_fault_of_each_kind_breaks_its_law(law):
    few = ["digits", "single_neuron", "saturated", "single_layer"]
    claim = {"activations": ["sigmoid"]}
    report = fm.check_backend(FAULTS[law], serves=claim, laws=[law], scenarios=few, dtypes=["float64"])
    assert law in report.broken, str(report)


@pytest.mark.slow
def test_a_random_function_is_said_to_be_one():
    report = fm.check_backend(FAULTS["same_bits"], laws=["same_bits"], scenarios=["digits"], dtypes=["float64"])
    assert "Two identical calls gave different results" in str(report) and report.broken


def test_a_function_that_changes_its_arguments_is_told_which():
    few = {"laws": ["inputs_unchanged"], "scenarios": ["digits"], "dtypes": ["float64"]}
    assert "X must not change, but was changed." in str(fm.check_backend(negates, **few))


@pytest.mark.parametrize(
    ("serves", "exception", "message"),
    [
        (["sigmoid"], WrongType, "serves must be a dictionary, got"),
        ({"activation": "tanh"}, UnknownName, "unknown key 'activation' of serves; .* Did you mean 'activations'"),
        ({"activations": ["tahn"]}, UnknownName, "unknown activation 'tahn'"),
        ({"activations": []}, InvalidInput, r"serves\['activations'\] must not be empty"),
        ({"outputs": 3}, WrongType, r"serves\['outputs'\] must be a list"),
        ({"costs": ["mse"]}, UnknownName, "unknown cost 'mse'"),
        ({"costs": ["0.5 quadratic"]}, InvalidInput, "got '0.5'"),
        ({"costs": [0]}, WrongType, r"each of serves\['costs'\] must be the name of a cost, got 0"),
        ({"sparse": "yes"}, WrongType, r"serves\['sparse'\] must be True or False, got 'yes'"),
        (
            {"sizes": [64, 30, 10]},
            WrongType,
            r"each of serves\['sizes'\] must be a list, got 64; pass one",
        ),
        ({"sizes": [[64]]}, InvalidInput, "at least two layers"),
        ({"sizes": [[64, 0]]}, InvalidInput, "positive"),
        (
            {"activations": ["tanh"], "coupled": True},
            InvalidInput,
            "must agree with the activations, got True and tanh",
        ),
    ],
)
def test_what_is_no_claim(serves, exception, message):
    with pytest.raises(exception, match=message):
        fm.check_backend(sigmoid_quadratic, serves=serves)


def test_a_file_alone_names_no_function():
    with pytest.raises(InvalidInput, match=r"got 'mine\.py'; pass 'mine\.py:function'\."):
        fm.check_backend("mine.py")


def test_claims_are_for_functions():
    with pytest.raises(InvalidInput, match=r"serves= is for plain functions, got it for backend 'sigma'"):
        fm.check_backend("sigma", serves={"activations": ["sigmoid"]})


def test_a_function_in_a_file_finds_the_modules_beside_it(tmp_path):
    (tmp_path / "beside_mine.py").write_text("import formulations as fm\ngradient = fm.gradient\n")
    (tmp_path / "mine.py").write_text(
        "from beside_mine import gradient\ndef mine(net, X, Y):\n    return gradient(net, X, Y).vector\n"
    )
    subject = read_subject(f"{tmp_path}/mine.py:mine", {"activations": ["tanh"], "sparse": False})
    assert subject.name == "mine" and "tanh_tanh_quadratic_deep" in problems_of(subject)
    for path, message in ((f"{tmp_path}/mine.py:yours", "yours"), (f"{tmp_path}/nothing.py:mine", "nothing.py")):
        with pytest.raises(InvalidInput, match=f"cannot be loaded .*{message}"):
            read_subject(path)
