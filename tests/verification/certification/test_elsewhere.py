"""Gradients from elsewhere are granted the digits that customary formulas lose, and no more."""

from __future__ import annotations

import numpy as np
import pytest

import formulations as fm
from formulations.data.problems import Problem
from formulations.verification.tolerances.customary import APPROXIMATION, Formulas, granted
from formulations.verification.tolerances.judging import judge
from formulations.verification.tolerances.verdict import Status
from tests.audit import elsewhere

DTYPES = ("float32", "float64")


def problem(activation, dtype="float64", scale=6.0, seed=0):
    random = np.random.default_rng(seed)
    net = fm.Network.random([5, 8, 3], [activation, "identity"], seed=seed, dtype=dtype)
    net.vector[...] *= net.dtype.type(scale)
    X, Y = 3 * random.standard_normal((16, 5)), random.random((16, 3))
    return Problem(net, X.astype(dtype), Y.astype(dtype))


def by_formula(given, pair):
    """Return (weights, biases) of a network whose hidden layer is computed by value and slope."""
    (w, v), (b, c) = given.network.weights, given.network.biases
    with np.errstate(all="ignore"):
        z = given.X @ w.T + b
        a = pair[0](z)
        delta = (a @ v.T + c - given.Y) / z.dtype.type(len(given.X))
        hidden = (delta @ v) * pair[1](z, a)
        return [hidden.T @ given.X, delta.T @ a], [hidden.sum(axis=0), delta.sum(axis=0)]


def certified(given, pair):
    return fm.certify(given.network, given.X, given.Y, by_formula(given, pair))


PAIRS = [(name, k) for name, pairs in elsewhere.FORMULAS.items() for k in range(len(pairs))]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "k"), PAIRS)
def test_no_customary_formula_is_called_different(name, k, dtype):
    for seed in range(10):
        c = certified(problem(name, dtype, seed=seed, scale=2.0 if seed % 2 else 0.5), elsewhere.FORMULAS[name][k])
        assert c.status is not Status.DIFFERENT, (seed, c.reason)


@pytest.mark.parametrize(("name", "k"), [("gelu", 0), ("softplus", 0), ("elu", 0)])
def test_this_library_s_own_backends_are_granted_nothing(name, k):
    statuses = []
    for z in (*np.linspace(-8, -4, 9), *-np.logspace(-6, -2, 9)):
        net = fm.Network([[[1.0]], [[1.0]]], [[0.0], [0.0]], [name, "identity"])
        given = Problem(net, np.array([[z]]), np.array([[1.0]]))
        tape = given.network.forward(given.X, given.Y)
        weights, biases = by_formula(given, elsewhere.FORMULAS[name][k])
        parts = [part.ravel() for pair in zip(weights, biases, strict=True) for part in pair]
        found = fm.Gradient(given.network.layout, np.concatenate(parts))
        statuses.append([judge(tape, found, tier).status for tier in (fm.Tier.ELSEWHERE, fm.Tier.FORWARD)])
    assert [Status.EQUAL, Status.DIFFERENT] in statuses, statuses


def test_what_is_granted_is_in_units_of_the_candidate_s_roundoff():
    z = np.array([[-50.0, -1.0, 30.0]])
    layer = fm.PerNeuron(["gelu", "tanh", "softplus"])
    nothing = granted(layer, z, 0 * z, Formulas.CAREFUL, 1.0)
    assert not np.any(nothing)
    value, slope = granted(layer, z, 0 * z, Formulas.CUSTOMARY, 1.0)
    assert (value.tolist(), slope.tolist()) == ([[36, 3, 2]], [[1, 8, 3]])
    value, slope = granted(layer, z, 0 * z, Formulas.APPROXIMATE, 0.0)
    assert (value.tolist(), slope.tolist()) == ([[0, 0, np.exp(-30)]],) * 2


def softplus_by_threshold(z):
    """Return softplus as PyTorch has it."""
    return np.where(z > 20, z, np.log1p(np.exp(np.minimum(z, 20))))


def test_the_approximation_of_softplus_is_inconclusive_and_hides_no_larger_fault():
    given = problem("softplus")
    pair = softplus_by_threshold, lambda z, _: np.where(z > 20, 1, elsewhere.logistic(z))
    c = certified(given, pair)
    assert c.status is Status.INCONCLUSIVE
    assert "torch approximates softplus by z" in c.reason
    weights, biases = by_formula(given, pair)
    tape = given.network.forward(given.X, given.Y)
    parts = [part.ravel() for pair in zip(weights, biases, strict=True) for part in pair]
    verdict = judge(tape, fm.Gradient(given.network.layout, np.concatenate(parts)), fm.Tier.ELSEWHERE)
    assert (verdict.status, verdict.excuse) == (Status.INCONCLUSIVE, APPROXIMATION)
    weights[0][2, 3] *= 1 + 1e-6
    assert fm.certify(given.network, given.X, given.Y, (weights, biases)).status is Status.DIFFERENT
    # In single precision the approximation is roundoff.
    assert certified(problem("softplus", "float32"), pair).status is not Status.INCONCLUSIVE


@pytest.mark.parametrize(("name", "k"), [("tanh", 3), ("softplus", 0), ("softplus", 2)])
def test_what_overflows_is_different(name, k):
    given = problem(name, scale=300.0)
    weights, _ = by_formula(given, elsewhere.FORMULAS[name][k])
    assert not all(np.isfinite(w).all() for w in weights)
    assert certified(given, elsewhere.FORMULAS[name][k]).status is Status.DIFFERENT


def gelu_by_tanh(z):
    """Return gelu as JAX has it by default, and its slope."""
    t = np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))
    return 0.5 * z * (1 + t), 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * np.sqrt(2 / np.pi) * (1 + 0.134145 * z**2)


@pytest.mark.parametrize("layer", ["gelu", fm.PerNeuron(["gelu"] * 4 + ["tanh"] * 4)])
def test_the_approximation_of_gelu_is_named(layer):
    given = problem(layer, scale=2.0)
    gelu = np.array([activation.name == "gelu" for activation in map(given.network.activations[0].neuron, range(8))])

    def value(z):
        return np.where(gelu, gelu_by_tanh(z)[0], np.tanh(z))

    def slope(z, _):
        return np.where(gelu, gelu_by_tanh(z)[1], 1 / np.cosh(z) ** 2)

    c = certified(given, (value, slope))
    assert c.status is Status.DIFFERENT
    assert c.cause.name == "gelu_by_tanh"
    assert "approximate=False" in c.cause.remedy


def alarms(source, numbers):
    found = [(n, v) for n in numbers for _, v, _, g in elsewhere.judged(n, [source]) if np.isfinite(g.vector).all()]
    return [(n, verdict.reason) for n, verdict in found if verdict.status is Status.DIFFERENT]


@pytest.mark.parametrize("source", ["numpy", "torch"])
def test_right_gradients_of_random_networks_raise_no_alarm(source):
    if source != "numpy":
        pytest.importorskip(source)
    assert alarms(source, range(15)) == []


@pytest.mark.slow
@pytest.mark.parametrize("source", elsewhere.SOURCES)
def test_right_gradients_of_many_random_networks_raise_no_alarm(source):
    if source != "numpy":
        pytest.importorskip(source)
    assert alarms(source, range(100, 300)) == []


def test_the_slope_of_the_cross_entropy_as_jax_has_it():
    net = fm.Network([[[1.0]]], [[0.0]], ["sigmoid"])
    X, Y = np.linspace(20, 36, 50)[:, None], np.full((50, 1), 0.25)
    statuses = []
    for x, y in zip(X, Y, strict=True):
        delta = (np.exp(x - np.logaddexp(0, x)) - y)[None]
        tape = net.forward(x[None], y[None], cost="binary_cross_entropy")
        found = fm.Gradient(net.layout, np.array([delta[0, 0] * x[0], delta[0, 0]]), errors=[delta])
        statuses.append([judge(tape, found, tier).status for tier in (fm.Tier.ELSEWHERE, fm.Tier.FORWARD)])
    assert all(status is Status.EQUAL for status, _ in statuses)
    assert any(status is Status.DIFFERENT for _, status in statuses)
