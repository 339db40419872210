"""The diagnosis: each figure against its definition, each finding on a network that has the symptom, and the cures."""

from __future__ import annotations

import json
import math
import re
from itertools import pairwise
from pathlib import Path

import bounds
import numpy as np
import pytest
from scipy import sparse

import formulations as fm
from formulations.exceptions import FormulationsException, NotFinite
from formulations.explanation.equations import EQUATIONS
from formulations.functions import LeakyReLU
from formulations.operators import QUANTITIES, LayerDiagnosis, Symptom

DEEP = [64, *[30] * 8, 10]
MIXED = fm.PerNeuron(["relu", "square", "tanh", "relu"])
NUMBERS = [name for name, field in LayerDiagnosis.__dataclass_fields__.items() if "float" in field.type]
NEVER_FLAT = "leaky_relu(negative_slope=0.25)"


@pytest.fixture(scope="module")
def digits():
    found = fm.load_digits()
    return found.X_train[:100], found.Y_train[:100]


@pytest.fixture(scope="module")
def deep(digits):
    return fm.diagnose(fm.Network.random(DEEP, seed=0), *digits)


def symptoms(found):
    return {finding.symptom for finding in found.findings}


def examples(net, m=7, seed=1):
    generator = np.random.default_rng(seed)
    X, Y = generator.normal(size=(m, net.sizes[0])), generator.random((m, net.sizes[-1]))
    return X.astype(net.dtype), Y.astype(net.dtype)


def rms(array):
    return math.sqrt(np.mean(np.square(array, dtype=float)))


# Each of two sides rounds fewer than 64 times: in sums of at most 49 squares, a root and a quotient.
ROUNDED = bounds.gamma(128, float)


def close(found, expected, rel=ROUNDED):
    assert found == pytest.approx(expected, rel=rel)


@pytest.mark.parametrize("activations", ["sigmoid", "tanh", ["relu", "tanh", "identity"]])
def test_each_figure_is_what_it_says(activations):
    net = fm.Network.random([5, 6, 4, 3], activations, seed=0, init="book")
    X, Y = examples(net)
    tape, gradient = net.forward(X, Y), fm.gradient(net, X, Y)
    m, found = len(X), fm.diagnose(net, X, Y)
    close(found.cost_value, gradient.cost)
    close(found.input_rms, rms(X))
    passed = [delta @ w for delta, w in zip(gradient.errors[1:], net.weights[1:], strict=True)] + [tape.cost_gradient]
    for i, layer in enumerate(found.layers):
        slope, supremum = tape.slopes[i], net.activations[i].slope_bound
        small = (np.abs(slope) < 0.1 * supremum) | (slope == 0)
        assert (layer.layer, layer.neurons, layer.activation) == (i + 2, net.sizes[i + 1], net.activations[i].name)
        assert layer.largest_slope == supremum
        close(layer.saturated, small.mean())
        close(layer.dead, (slope == 0).all(axis=0).mean())
        close(layer.activation_rms, rms(tape.activations[i + 1]))
        close(layer.error_rms, m * rms(gradient.errors[i]))
        whole = np.concatenate([gradient.weights[i].ravel(), gradient.biases[i]])
        close(layer.gradient_rms, rms(whole))
        close(layer.speed, np.linalg.norm(gradient.biases[i]))
        close(layer.relative_speed, layer.speed / max(np.linalg.norm(b) for b in gradient.biases))
        close(layer.by_slopes, np.linalg.norm(gradient.errors[i]) / np.linalg.norm(passed[i]))
        if i + 1 < len(found.layers):
            close(layer.by_weights, np.linalg.norm(passed[i]) / np.linalg.norm(gradient.errors[i + 1]))
    assert found.layers[-1].by_weights is None


def jacobians(net, X):
    """∂a^l/∂x of every example for each layer from the second on, multiplied out as matrices."""
    tape, product = net.forward(X), np.eye(net.sizes[0])
    for slope, w in zip(tape.slopes, net.weights, strict=True):
        full = slope[:, :, None] * np.eye(len(w)) if isinstance(slope, np.ndarray) else slope.blocks()
        product = full @ w @ product
        yield product


def test_the_singular_values_are_those_of_the_jacobian():
    net = fm.Network.random([5, 6, 4, 3], ["tanh", "softmax", "sigmoid"], seed=0)
    X, Y = examples(net)
    found = fm.diagnose(net, X, Y)
    assert found.spectrum_examples == len(X)
    for layer, jacobian in zip(found.layers, jacobians(net, X), strict=True):
        values = np.linalg.svd(jacobian, compute_uv=False)
        close(layer.largest_singular_value, np.median(values[:, 0]))
        if layer.activation == "softmax":
            # Its outputs sum to 1, so one singular value is 0, whatever roundoff makes of it.
            assert layer.smallest_singular_value == 0 < values[:, -1].max()
        else:
            close(layer.smallest_singular_value, np.median(values[:, -1]), rel=1e-10)


def absolute_norms(net, X, Y):
    """‖g_abs‖ of each layer, path by path: of an equivalent network whose terms all have one sign."""
    tape = net.forward(X, Y)
    sizes = []
    size = np.abs(tape.slopes[-1] * tape.cost_gradient)
    for i in reversed(range(len(net.weights))):
        if i + 1 < len(net.weights):
            size = np.abs(tape.slopes[i]) * (size @ np.abs(net.weights[i + 1]))
        a = np.abs(tape.activations[i])
        sizes.insert(0, np.linalg.norm([*(size.T @ a).ravel(), *size.sum(axis=0)]))
    return sizes


@pytest.mark.parametrize("activations", ["tanh", "sine", ["square", "elu", "tanh"]])
def test_the_conditioning_is_the_gradient_without_cancellation_over_the_gradient(activations):
    net = fm.Network.random([5, 6, 4, 3], activations, seed=0, init="book")
    X, Y = examples(net)
    gradient = fm.gradient(net, X, Y)
    for i, (layer, absolute) in enumerate(zip(fm.diagnose(net, X, Y).layers, absolute_norms(net, X, Y), strict=True)):
        norm = np.linalg.norm([*gradient.weights[i].ravel(), *gradient.biases[i]])
        close(layer.conditioning, absolute / norm)
        assert layer.conditioning >= 1
    positive = fm.Network([np.ones((2, 3)), np.ones((1, 2))], [np.ones(2), np.ones(1)], "identity")
    for layer in fm.diagnose(positive, np.ones((4, 3)), np.zeros((4, 1))).layers:
        close(layer.conditioning, 1)


@pytest.mark.parametrize(
    ("output", "cost", "size"),
    [
        ("sigmoid", "binary_cross_entropy", lambda a, y: a + y),
        ("softmax", "log_likelihood", lambda a, y: a * y.sum(axis=1, keepdims=True) + y),
        # −y(1 − a) does not cancel.
        ("sigmoid", "log_likelihood", lambda a, y: y * (1 - a)),
    ],
)
def test_the_conditioning_of_a_combined_output_is_that_of_its_own_form(output, cost, size):
    net = fm.Network.random([5, 4, 3], ["tanh", output], seed=0)
    X, Y = examples(net)
    tape, gradient = net.forward(X, Y, cost=cost), fm.gradient(net, X, Y, cost)
    terms = size(tape.output, Y) / len(X)
    absolute = np.linalg.norm([*(terms.T @ np.abs(tape.activations[-2])).ravel(), *terms.sum(axis=0)])
    norm = np.linalg.norm([*gradient.weights[-1].ravel(), *gradient.biases[-1]])
    close(fm.diagnose(net, X, Y, cost).layers[-1].conditioning, absolute / norm)


def test_the_conditioning_of_a_softmax_layer_counts_the_terms_of_its_slope():
    net = fm.Network.random([5, 4, 3], ["softmax", "identity"], seed=0)
    X, Y = examples(net, m=1)
    tape, gradient = net.forward(X, Y), fm.gradient(net, X, Y, backend="sigma")
    a = tape.activations[1][0]
    terms = (np.diag(a) + np.outer(a, a)) @ np.abs(net.weights[1]).T @ np.abs(tape.cost_gradient[0])
    absolute = np.linalg.norm([*np.outer(terms, np.abs(X[0])).ravel(), *terms])
    norm = np.linalg.norm([*gradient.weights[0].ravel(), *gradient.biases[0]])
    close(fm.diagnose(net, X, Y).layers[0].conditioning, absolute / norm)


def cancelling(difference, outputs=1):
    """A linear network in which two paths to the first output nearly cancel; no path leads to the others."""
    last = np.zeros((outputs, 2))
    last[0] = 1.0, difference - 1.0
    return fm.Network([[[1.0]], [[1.0], [1.0]], last], [[0.0], [0.0] * 2, [0.0] * outputs], "identity")


@pytest.mark.parametrize(("difference", "precision"), [(1e-1, "float32"), (1e-8, "float64"), (2.0**-50, "longdouble")])
def test_the_precision_that_suffices_follows_from_the_conditioning(difference, precision):
    if precision == "longdouble" and np.finfo(np.longdouble).eps > 2.0**-60:
        pytest.skip("longdouble is no wider than float64")
    found = fm.diagnose(cancelling(difference), [[1.0]], [[5.0]])
    first = found.layers[0]
    close(first.conditioning, 2 / difference, rel=1e-7 + difference)
    assert first.precision == precision
    assert found.layers[-1].precision == "float32"
    assert (Symptom.PRECISION in symptoms(found)) == (precision == "longdouble")


@pytest.mark.parametrize(("factor", "precision"), [(1.01, "float32"), (0.99, "float64")])
def test_the_precision_suffices_as_long_as_the_roundoff_of_every_path_does(factor, precision):
    # On the way to layer 2 a path takes 5 roundings in δ⁴, n₄ + 1 and n₃ + 1 more in δ³ and δ², and m + 3 in ∂C/∂w².
    k, u = 5 + 4 + 3 + 4, 2.0**-24
    found = fm.diagnose(cancelling(factor * 2 * k * u / (1 - k * u), outputs=3), [[1.0]], [[5.0, 0.0, 0.0]])
    assert found.layers[0].precision == precision


@pytest.mark.parametrize(("factor", "precision"), [(1.01, "float32"), (0.99, "float64")])
@pytest.mark.parametrize(
    ("last", "cost", "target", "k", "share"),
    [
        # In −y(1 − a) 12 roundings, with those of a share and its factor; at z = 0 both errors are −1/2, and the paths
        # add up to −d/2.
        ("sigmoid", "log_likelihood", 1.0, 12, 2),
        # 5 in ∇_aC and n + 5 in Σ′ᵀ, whose terms at z = 0 are 3/4 and 1/4 on the way of the error (1/2, −1/2).
        ("softmax", "quadratic", 0.0, 5 + 2 + 5, 4),
    ],
)
def test_the_roundings_of_an_output_error_count(last, cost, target, k, share, factor, precision):
    k, u = k + 3 + 1 + 3, 2.0**-24
    difference = factor * share * k * u / (1 - k * u)
    net = fm.Network([[[0.0]], [[1.0], [difference - 1.0]]], [[0.0], [0.0, 0.0]], ["identity", last])
    Y = [[target, target]] if last == "sigmoid" else [[-0.5, 0.5]]
    if last == "softmax":
        net.weights[1][1] = 1 - difference
    assert fm.diagnose(net, [[1.0]], Y, cost).layers[0].precision == precision


def test_the_layer_whose_gradient_cancels_most_is_named():
    # Two pairs of paths that cancel: the first halves what the second leaves.
    halves = [[[1.0], [1.0]], [[1.0, -0.5]]]
    net = fm.Network(
        [[[1.0]], *halves, *cancelling(2.0**-50).weights[1:]], [[0.0], [0.0] * 2, [0.0], [0.0] * 2, [0.0]], "identity"
    )
    (finding,) = [each for each in fm.diagnose(net, [[1.0]], [[5.0]]).findings if each.symptom is Symptom.PRECISION]
    assert finding.layers == (2, 3, 4) and "in layer 2 the terms" in finding.says


def test_what_shrinks_on_its_way_is_said_of_the_outputs():
    net = fm.Network([0.1 * np.eye(2)] * 5, [np.zeros(2)] * 5, "identity")
    (finding,) = [each for each in fm.diagnose(net, *examples(net)).findings if each.symptom is Symptom.NO_ISOMETRY]
    assert finding.layers == (6,) and "shrinks" in finding.says


def test_a_gradient_points_downhill_in_a_precision_that_suffices():
    shown = 0
    for seed in range(20):
        net = fm.Network.random([4, *[6] * (seed % 5), 2], "tanh", seed=seed, init="book")
        X, Y = examples(net, m=3, seed=seed)
        exact = fm.gradient(net, X, Y)
        tape, layers = net.forward(X, Y), fm.diagnose(net, X, Y).layers

        # The same tape in single precision: the backward pass alone is rounded.
        delta = tape.slopes[-1].astype(np.float32) * tape.cost_gradient.astype(np.float32)
        for i in reversed(range(len(net.weights))):
            if i + 1 < len(net.weights):
                delta = (delta @ net.weights[i + 1].astype(np.float32)) * tape.slopes[i].astype(np.float32)
            if layers[i].precision == "float32":
                shown += 1
                found = delta.T @ tape.activations[i].astype(np.float32)
                assert np.vdot(found.astype(float), exact.weights[i]) > 0
    assert shown > 25


def test_underflow_does_not_suffice():
    net = cancelling(0.5)
    net.weights[2][...] *= 1e-30
    # The gradient of layer 2 is near 10⁻⁶⁰, which single precision does not have.
    assert [layer.precision for layer in fm.diagnose(net, [[1.0]], [[5.0]]).layers][:2] == ["float32", "float32"]
    net.weights[2][...] *= 1e-15
    assert fm.diagnose(net, [[1.0]], [[5.0]]).layers[0].precision == "float64"


def test_a_deep_sigmoid_network_does_not_learn_and_one_screen_says_why(deep):
    assert not deep and not deep.learns
    stuck = [layer.layer for layer in deep.layers if not layer.learns]
    assert stuck == [layer.layer for layer in deep.layers if layer.relative_speed < 1e-3] and stuck[0] == 2
    vanishing, *_ = deep.findings
    assert vanishing.symptom is Symptom.VANISHING and list(vanishing.layers) == stuck
    assert "by 0.23 through σ′, which is at most 0.25 for sigmoid" in vanishing.says
    assert NEVER_FLAT in vanishing.remedy and "init='orthogonal'" in vanishing.remedy
    assert len(str(deep).splitlines()) <= 50


@pytest.mark.parametrize("activation", [NEVER_FLAT, "tanh"])
def test_the_cure_keeps_every_layer_learning(digits, activation):
    found = fm.diagnose(fm.Network.random(DEEP, activation, seed=0, init="orthogonal"), *digits)
    assert found and min(layer.relative_speed for layer in found.layers) > 0.5
    assert Symptom.VANISHING not in symptoms(found) and Symptom.NO_ISOMETRY not in symptoms(found)
    if activation == NEVER_FLAT:
        # σ′ is ¼ or more, so nothing is saturated and nothing dies.
        assert all(layer.saturated == layer.dead == 0 and layer.by_slopes >= 0.25 for layer in found.layers)


def test_orthogonal_linear_layers_keep_every_length(digits):
    found = fm.diagnose(fm.Network.random([64, *[64] * 9], "identity", seed=0, init="orthogonal"), digits[0], digits[0])
    for layer in found.layers:
        for value in (layer.largest_singular_value, layer.smallest_singular_value, layer.by_slopes):
            close(value, 1)


def test_an_orthogonal_start_alone_does_not_cure_sigmoids(digits):
    found = fm.diagnose(fm.Network.random(DEEP, seed=0, init="orthogonal"), *digits)
    assert Symptom.VANISHING in symptoms(found)
    assert all(layer.by_slopes <= 0.25 for layer in found.layers)


def test_an_error_that_the_weights_shrink_asks_for_larger_weights(digits):
    net = fm.Network.random(DEEP, NEVER_FLAT, seed=0, init="orthogonal")
    net.vector[...] *= 0.3
    vanishing, *_ = fm.diagnose(net, *digits).findings
    assert vanishing.symptom is Symptom.VANISHING and ": by 0.41 through the weights" in vanishing.says
    assert vanishing.remedy.startswith("Start from larger weights")


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_the_smaller_factor_has_the_remedy_whatever_the_activation(digits, activation):
    net = fm.Network.random([64, 30, 30, 10], activation, seed=0)
    for w in net.weights:
        w[...] *= 1e-4
    (vanishing,) = (each for each in fm.diagnose(net, *digits).findings if each.symptom is Symptom.VANISHING)
    assert vanishing.remedy.startswith("Start from larger weights")
    assert ("σ′ still multiplies the error by at most 0.25" in vanishing.remedy) == (activation == "sigmoid")


def equal(sizes, value, activations="sigmoid"):
    """A network whose weights all have one value."""
    weights = [np.full((n, before), value) for before, n in pairwise(sizes)]
    return fm.Network(weights, [np.zeros(n) for n in sizes[1:]], activations)


@pytest.mark.parametrize("activations", ["sigmoid", "tanh"])
@pytest.mark.parametrize("value", [0.1, 0.0])
@pytest.mark.parametrize("hidden", [1, 8])
def test_equal_weights_are_found_and_ask_for_random_ones(digits, value, activations, hidden):
    found = fm.diagnose(equal([64, *[30] * hidden, 10], value, activations), *digits)
    assert not found and not any(layer.learns for layer in found.layers[:-1])
    assert [layer.distinct for layer in found.layers] == [1] * hidden + [10]
    symmetric = next(each for each in found.findings if each.symptom is Symptom.SYMMETRIC)
    assert symmetric.layers == tuple(range(2, 2 + hidden)) and symmetric.remedy == "Draw random weights."
    assert "all 30 neurons are equal" in symmetric.says and ("are 0, so no error passes" in symmetric.says) == (
        not value
    )
    assert not symptoms(found) & {Symptom.VANISHING, Symptom.PRECISION, Symptom.NO_ISOMETRY}


@pytest.mark.parametrize("change", ["in", "bias", "out", "activation", "pattern"])
def test_neurons_that_differ_anywhere_come_apart(digits, change):
    net = equal([64, 3, 10], 0.1, [fm.PerNeuron(["sigmoid", "sigmoid", "tanh"]), "sigmoid"])
    assert fm.diagnose(net, *digits).layers[0].distinct == 2
    if change == "activation":
        net = equal([64, 3, 10], 0.1, [fm.PerNeuron(["sigmoid", "relu", "tanh"]), "sigmoid"])
    elif change == "pattern":
        first = sparse.csr_array(([0.1, 0.1, 0.1], ([0, 1, 2], [0, 1, 0])), (3, 64))
        net = fm.Network([first, net.weights[1]], net.biases, net.activations)
    else:
        {"in": net.weights[0][1], "bias": net.biases[0][1:2], "out": net.weights[1][:, 1]}[change][0] += 1e-3
    found = fm.diagnose(net, *digits)
    assert found.layers[0].distinct == 3 and Symptom.SYMMETRIC not in symptoms(found)


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_copies_of_some_neurons_are_found_in_every_kind_of_weights(digits, stored, dtype):
    net = fm.Network.random([64, 6, 5, 10], "tanh", seed=0, dtype=dtype)
    net.weights[0][4], net.biases[0][4] = net.weights[0][1], 0.0
    net.weights[0][1, 0], net.weights[0][4, 0] = 0.0, -0.0
    net.weights[1][:, 4] = net.weights[1][:, 1]
    net = fm.Network([stored(w) for w in net.weights], net.biases, "tanh")
    found = fm.diagnose(net, *(each.astype(dtype) for each in digits))
    assert found and found.layers[0].distinct == 5 and found.layers[1].distinct == 5
    symmetric = next(each for each in found.findings if each.symptom is Symptom.SYMMETRIC)
    assert symmetric.layers == (2,) and "only 5 of 6 neurons differ" in symmetric.says


def test_weights_of_zero_are_named_where_they_stop_the_error(digits):
    net = fm.Network.random([64, 30, 30, 10], seed=0)
    net.weights[2][...] = 0
    vanishing = next(each for each in fm.diagnose(net, *digits).findings if each.symptom is Symptom.VANISHING)
    assert "The weights of layer 4 are 0, so no error passes back" in vanishing.says
    assert vanishing.remedy == "Draw random weights."


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_inputs_that_are_not_scaled_are_named_and_the_weights_are_not_blamed(digits, activation):
    net = fm.Network.random([64, 30, 10], activation, seed=0)
    X, Y = digits
    found = fm.diagnose(net, 255 * X, Y)
    large, *others = found.findings
    assert large.symptom is Symptom.LARGE_INPUTS and large.remedy == "Standardise the inputs first."
    assert f"{found.input_rms:.0f} rms" in large.says and found.input_rms > 100
    assert not any("glorot" in finding.remedy for finding in others)
    saturated = [finding for finding in others if finding.symptom is Symptom.SATURATED]
    assert bool(saturated) == (activation != "relu")
    assert all(each.remedy.startswith("Standardise the inputs first") for each in saturated)
    assert Symptom.LARGE_INPUTS not in symptoms(fm.diagnose(net, X, Y))


def test_large_biases_saturate_by_themselves(digits):
    net = fm.Network.random([64, 30, 10], seed=0)
    net.biases[0][...] = 8.0
    saturated = next(each for each in fm.diagnose(net, *digits).findings if each.symptom is Symptom.SATURATED)
    assert saturated.remedy == "Start from smaller biases, such as 0."


def test_errors_that_grow_are_found(digits):
    net = fm.Network.random(DEEP, "identity", seed=0, init="orthogonal")
    net.vector[...] *= 3
    found = fm.diagnose(net, *digits)
    assert not found and symptoms(found) >= {Symptom.EXPLODING, Symptom.NO_ISOMETRY}
    exploding = next(finding for finding in found.findings if finding.symptom is Symptom.EXPLODING)
    assert "3 on average: by 3 through the weights and by 1 through σ′" in exploding.says and 10 in exploding.layers
    # Their gradients are huge: slow are these layers in comparison only.
    assert "The error explodes: layers " in str(found) and "for a step that suits layer 2." in str(found)
    assert "not learn" not in str(found)


def test_dead_neurons_are_found_and_are_no_vanishing_error():
    net = fm.Network.random([5, 6, 4, 3], ["relu", "relu", "identity"], seed=0)
    net.biases[1][:2] = -1e3
    found = fm.diagnose(net, *examples(net))
    assert [layer.dead for layer in found.layers] == [0, 0.5, 0]
    dead = next(finding for finding in found.findings if finding.symptom is Symptom.DEAD)
    assert dead.layers == (3,) and "2 of 4 neurons are dead" in dead.says
    net.biases[1][:] = -1e3
    found = fm.diagnose(net, *examples(net))
    assert [layer.learns for layer in found.layers] == [False, False, True]
    assert found.layers[1].dead == 1 and found.layers[0].error_rms == 0 and found.layers[0].conditioning is None
    assert Symptom.DEAD in symptoms(found) and Symptom.VANISHING not in symptoms(found)


@pytest.mark.parametrize(
    ("dead", "says"),
    [
        ([1, 0, 0], "In layer 2, 1 of 6 neurons is dead: its slope is 0"),
        ([2, 0, 0], "In layer 2, 2 of 6 neurons are dead: their slopes are 0"),
        ([3, 1, 0], "no step changes their weights. So are some of layer 3."),
        ([6, 1, 4], "In layer 2, all 6 neurons are dead: their slopes are 0"),
        ([6, 1, 4], "no step changes their weights. So are all of layer 4. So are some of layer 3."),
    ],
)
def test_dead_neurons_are_counted_in_words_that_agree(dead, says):
    # All weights, inputs and other biases are positive.
    net = equal([5, 6, 4, 4, 3], 0.1, "relu")
    for biases, number in zip(net.biases, [*dead, 0], strict=True):
        biases[...] = 1.0
        biases[:number] = -1e3
    X, Y = examples(net)
    finding = next(each for each in fm.diagnose(net, abs(X), Y).findings if each.symptom is Symptom.DEAD)
    assert says in finding.says


def test_dead_outputs_have_not_saturated_as_well():
    net = fm.Network.random([5, 4, 3], ["tanh", "relu"], seed=0)
    net.biases[1][:] = -1e3
    found = symptoms(fm.diagnose(net, *examples(net)))
    assert Symptom.DEAD in found and Symptom.SATURATED_OUTPUT not in found


def test_saturated_outputs_are_found_unless_the_cost_cancels_their_slopes():
    net = fm.Network.random([5, 6, 3], seed=0)
    net.biases[1][...] = 20.0
    X, Y = examples(net)
    found = fm.diagnose(net, X, Y)
    assert Symptom.SATURATED_OUTPUT in symptoms(found)
    # σ′(20) is about 2·10⁻⁹, so no layer learns, however their speeds compare.
    assert not any(layer.learns for layer in found.layers)
    remedied = fm.diagnose(net, X, Y, "binary_cross_entropy")
    assert Symptom.SATURATED_OUTPUT not in symptoms(remedied) and remedied.layers[-1].by_slopes is None
    assert remedied.layers[-1].saturated == 1 and remedied.layers[-1].learns
    # Brackets say that the saturation slows down nothing.
    assert "100 %" in str(found) and "(100 %)" not in str(found) and "(100 %)" in str(remedied)
    assert remedied.combined and not found.combined


def test_saturated_hidden_layers_are_found():
    net = fm.Network.random([30, 20, 20, 3], seed=0, init="book")
    net.weights[0][...] *= 10
    found = fm.diagnose(net, *examples(net))
    saturated = next(finding for finding in found.findings if finding.symptom is Symptom.SATURATED)
    assert saturated.layers == (2,) and found.layers[0].saturated > 0.9
    fresh = fm.Network.random([30, 20, 20, 3], "relu", seed=0, init="he")
    assert Symptom.SATURATED not in symptoms(fm.diagnose(fresh, *examples(fresh)))


def test_small_activations_are_found():
    net = fm.Network.random([5, 6, 3], "tanh", seed=0)
    X, Y = examples(net)
    found = fm.diagnose(net, 0.001 * X, Y)
    low = next(finding for finding in found.findings if finding.symptom is Symptom.LOW_ACTIVATION)
    assert low.layers == (1, 2) and Symptom.LOW_ACTIVATION not in symptoms(fm.diagnose(net, X, Y))
    assert Symptom.LOW_ACTIVATION in symptoms(fm.diagnose(net, 0.09 * X / rms(X), Y))


def test_an_exact_fit_has_nothing_to_learn():
    net = fm.Network.random([5, 6, 3], "tanh", seed=0)
    X, _ = examples(net)
    found = fm.diagnose(net, X, net(X))
    assert repr(found).startswith("<Diagnosis: nothing is left to learn; 5-6-3")
    assert symptoms(found) == {Symptom.STATIONARY} and not found
    assert "fits these examples exactly" in found.findings[0].says
    assert "Nothing is left to learn." in str(found) and "not learn" not in str(found)


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize(
    "make",
    [
        lambda dtype: fm.Network.random([3, 1], "sine", seed=0, dtype=dtype),
        lambda dtype: fm.Network.random([3, 4, 2], ["softmax", "softmax"], seed=0, dtype=dtype),
        lambda dtype: fm.Network.random([3, 4, 2], [MIXED, "elu"], seed=0, dtype=dtype),
        lambda dtype: fm.Network(
            [sparse.csr_array(np.array([[1.0, 0, 0], [0, 2.0, 1.0]], dtype)), np.ones((1, 2), dtype)],
            [np.zeros(2, dtype), np.zeros(1, dtype)],
        ),
    ],
    ids=["one layer", "coupled", "per neuron", "sparse"],
)  # fmt: skip
def test_every_kind_of_network_is_diagnosed(make, dtype):
    net = make(dtype)
    X, Y = examples(net)
    before = net.vector.copy()
    found = fm.diagnose(net, X, Y)
    assert (net.vector == before).all()
    for layer in found.layers:
        assert all(math.isfinite(v) for v in vars(layer).values() if isinstance(v, float))
        assert layer.conditioning >= 1 - 1e-6
    assert str(found) and json.dumps(found.to_dict())


def test_sparse_weights_have_the_figures_of_dense_ones():
    dense = fm.Network.random([6, 5, 3], "tanh", seed=0)
    stored = fm.Network([sparse.csr_array(w) for w in dense.weights], dense.biases, "tanh")
    X, Y = examples(dense)
    for one, other in zip(fm.diagnose(dense, X, Y).layers, fm.diagnose(stored, X, Y).layers, strict=True):
        for name, value in vars(one).items():
            wanted = getattr(other, name)
            assert value == (wanted if wanted is None or name not in NUMBERS else pytest.approx(wanted, rel=1e-10))


@pytest.mark.parametrize("cost", ["quadratic", "log_likelihood"])
def test_weights_count_as_repeated_examples(cost):
    net = fm.Network.random([4, 5, 3], ["relu", "softmax"], seed=0)
    X, _ = examples(net)
    Y = np.eye(3)[np.arange(7) % 3]
    counts = np.array([1, 0, 2, 3, 1, 0, 1])
    weighted = fm.diagnose(net, X, Y, cost, sample_weight=counts)
    repeated = fm.diagnose(net, np.repeat(X, counts, axis=0), np.repeat(Y, counts, axis=0), cost)
    assert weighted.cost_value == pytest.approx(repeated.cost_value)
    for one, other in zip(weighted.layers, repeated.layers, strict=True):
        # Medians are over the examples as they are.
        for name in set(vars(one)) - {"largest_singular_value", "smallest_singular_value"}:
            wanted = getattr(other, name)
            assert getattr(one, name) == (wanted if wanted is None or name not in NUMBERS else pytest.approx(wanted))


def test_a_network_too_wide_for_singular_values_is_diagnosed_without_them():
    net = fm.Network.random([2, 3, 1], seed=0)
    X, Y = examples(net)
    wide = fm.Network(
        [
            sparse.csr_array(([1.0] * 4, ([0, 1, 2, 3], [0, 1, 2, 3])), (20_000, 10_000)),
            sparse.eye_array(1, 20_000).tocsr(),
        ],
        [np.zeros(20_000), np.zeros(1)],
    )
    found = fm.diagnose(wide, np.ones((2, 10_000)), np.ones((2, 1)))
    assert found.spectrum_examples == 0 and found.layers[0].largest_singular_value is None
    assert "–" in str(found) and fm.diagnose(net, X, Y).spectrum_examples == len(X)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"net": None}, "expected a formulations.Network"),
        ({"saturation": 0}, "saturation must be above 0.0 and below 1.0, got 0.0"),
        ({"slow": 1.5}, "slow must be above 0.0 and below 1.0, got 1.5"),
        ({"slow": "fast"}, "slow must be a number"),
        ({"cost": "mse"}, "unknown cost 'mse'"),
        ({"Y": [[1.0, 2.0]]}, "Y must"),
        ({"X": [[np.nan]]}, "X must"),
    ],
)
def test_bad_input_gets_one_sentence(arguments, part):
    given = {"net": fm.Network.random([1, 1], seed=0), "X": [[1.0]], "Y": [[1.0]], **arguments}
    with pytest.raises(FormulationsException, match=re.escape(part)):
        fm.diagnose(**given)


def test_errors_that_cancel_in_the_biases_do_not_hide_that_a_layer_learns():
    net = fm.Network.random([3, 4, 2], "tanh", seed=0)
    X = np.array([[0.5, 0.25, 1.0]])
    # The network is odd, so the errors of x and −x cancel in ∂C/∂b.
    found = fm.diagnose(net, [*X, *-X], [[0.5, 1.0], [-0.5, -1.0]])
    assert all(layer.speed == layer.relative_speed == 0 < layer.gradient_rms for layer in found.layers)
    assert found and not found.findings


def test_a_gradient_that_is_not_finite_is_refused():
    net = fm.Network.random([1, 1, 1], "square", seed=0)
    with pytest.raises(NotFinite, match="the gradient must be finite"):
        fm.diagnose(net, [[1e200]], [[0.0]])


def test_kinks_of_examples_that_count_are_said():
    net = fm.Network([np.eye(2), np.ones((1, 2))], [np.zeros(2), np.zeros(1)], ["relu", "identity"])
    X, Y = [[0.0, 1.0], [0.0, 0.0], [1.0, 2.0]], np.ones((3, 1))
    found = fm.diagnose(net, X, Y)
    assert found.kinks == found.to_dict()["kinks"] == 3
    assert "\n\n3 weighted inputs lie on a kink, such as relu's 0: there the derivatives are the" in str(found)
    assert ">3 weighted inputs lie on a kink" in found._repr_html_()
    assert fm.diagnose(net, X, Y, sample_weight=[1, 0, 1]).kinks == 1
    none = fm.diagnose(net, X[2:], Y[2:])
    assert none.kinks == 0 and "kink" not in str(none) + none._repr_html_()


def test_each_figure_names_the_statement_that_it_belongs_to(deep):
    fields = LayerDiagnosis.__dataclass_fields__
    for name, quantity in QUANTITIES.items():
        assert name == quantity.name and name in fields
        assert quantity.equations and set(quantity.equations) <= set(EQUATIONS)
        assert quantity.statement.endswith(".") and quantity.source
    document = json.loads(json.dumps(deep.to_dict()))
    assert set(document["quantities"]) == set(QUANTITIES) and document["learns"] is False
    assert document["quantities"]["speed"]["equations"] == ["BP3"]
    assert [layer["layer"] for layer in document["layers"]] == list(range(2, 11))
    for finding in deep.findings:
        assert set(finding.quantities) <= set(QUANTITIES)
    assert set(document["findings"][0]["quantities"]) <= set(document["quantities"])


def test_the_page_lists_the_figures_and_the_findings():
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "diagnose.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| `(\w+)` \| .* \| ([\w, ]+) \|$", page, re.MULTILINE)
    assert rows == [(each.heading, each.name, ", ".join(each.equations)) for each in QUANTITIES.values()]
    assert re.findall(r"^\| `([a-z ]+)` \|", page, re.MULTILINE)[1:] == list(Symptom)


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_the_table_fits_the_terminal(deep, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert max(map(len, str(deep).splitlines())) <= width
    assert repr(deep).startswith("<Diagnosis: layers 2–")
    headings = [line for line in str(deep).splitlines() if line.startswith("layer ")]
    if width >= 80:
        assert all(sum(each.heading in line for line in headings) for each in QUANTITIES.values())


def test_the_verdict_comes_first_and_the_legend_last(deep, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = str(deep)
    _, verdict, findings, *tables, legend = text.split("\n\n")
    assert verdict == "Layers 2–4 do not learn." and findings.startswith("• ") and tables[0].startswith("layer  learns")
    # One line a column.
    lines = legend.splitlines()
    assert [line[:9].rstrip() for line in lines] == ["learns", *(each.heading for each in QUANTITIES.values())]


def test_the_slowest_layer_is_named_if_there_is_a_faster_one():
    net = fm.Network.random([5, 3], seed=0)
    found = str(fm.diagnose(net, *examples(net)))
    assert "Every layer learns.\n" in found and "slowest" not in found
    net = fm.Network.random([5, 4, 3], "tanh", seed=0)
    assert "Every layer learns: the slowest, layer " in str(fm.diagnose(net, *examples(net)))


def test_a_notebook_shows_the_table_and_the_findings(deep):
    html = deep._repr_html_()
    assert html.count("<tr>") == 10 and "✗ no" in html and "✓ yes" in html and "(BP2)" in html
    assert "do not learn" in html and "<script" not in html
    assert html.count("<li>") == html.count("<br>→ ") == len(deep.findings)


def test_it_is_drawn_beside_its_singular_values_or_into_given_axes(deep):
    figures = pytest.importorskip("matplotlib.figure")
    left, right = deep.plot().axes
    assert len(left.lines) == 4 and len(right.lines) == 3
    ax = figures.Figure().subplots()
    assert deep.plot(ax=ax) is ax.figure and len(ax.figure.axes) == 1 and len(ax.lines) == 4


def test_a_slope_of_0_is_saturated_and_dead_whatever_its_supremum():
    net = fm.Network([[[1.0]]], [[0.0]], "square")
    (layer,) = fm.diagnose(net, [[0.0]], [[1.0]]).layers
    assert (layer.largest_slope, layer.saturated, layer.dead) == (0, 1, 1)


def test_a_leaky_rectifier_counts_as_saturated_below_its_share_alone():
    X, Y = np.array([[-1.0], [1.0]]), np.zeros((2, 1))
    for slope, share in ((0.01, 0.5), (0.25, 0.0)):
        net = fm.Network([[[1.0]]], [[0.0]], LeakyReLU(slope))
        assert fm.diagnose(net, X, Y).layers[0].saturated == share


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [DEEP, [64, 10]])
def test_singular_values_of_0_are_drawn_at_the_lower_end(digits, sizes, tmp_path):
    pytest.importorskip("matplotlib")
    found = fm.diagnose(fm.Network.random(sizes, "relu", seed=0, init="he"), *digits)
    assert found.layers[-1].smallest_singular_value == 0
    figure = found.plot()
    figure.savefig(tmp_path / "layers.png")
    (zeros,) = (line for line in figure.axes[1].lines if line.get_label() == "0")
    assert zeros.get_markerfacecolor() == "none"
    assert list(zeros.get_xdata()) == [layer.layer for layer in found.layers if layer.smallest_singular_value == 0]


def test_a_dead_network_has_both_panels_with_the_same_layers():
    pytest.importorskip("matplotlib")
    net = fm.Network.random([5, 6, 4, 3], "relu", seed=0)
    net.biases[0][:] = net.biases[1][:] = net.biases[2][:] = -1e3
    left, right = fm.diagnose(net, *examples(net)).plot().axes
    assert left.get_xlim() == pytest.approx(right.get_xlim()) and left.get_xlim()[0] < 2 < 4 < left.get_xlim()[1]
    assert list(left.get_xticks()) == list(right.get_xticks()) == [2, 3, 4]
    for axes, quantities in ((left, 3), (right, 2)):
        assert (
            sum(list(line.get_xdata()) == [2, 3, 4] and not line.get_ydata().any() for line in axes.lines) == quantities
        )
