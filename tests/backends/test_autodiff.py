"""Automatic differentiation by either engine: optional, refused by name, and the same gradient in the end."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import bounds
import makers
import numpy as np
import pytest

import formulations as fm
from formulations import exceptions
from formulations.exceptions import InvalidInput, Refused
from formulations.functions import get_activation

ENGINES = {"autodiff_torch": "torch", "autodiff_jax": "jax"}
CATENARY = fm.cost(
    lambda A, Y: np.cosh(A - Y).sum(axis=1),
    lambda A, Y: np.sinh(A - Y),
    curvature=lambda A, Y: np.cosh(A - Y),
    name="catenary",
)


@pytest.fixture(params=ENGINES)
def engine(request):
    pytest.importorskip(ENGINES[request.param], reason="the extra peers is not installed")
    return request.param


@pytest.mark.parametrize(("name", "package"), ENGINES.items())
def test_without_the_package_the_reason_names_it(monkeypatch, name, package):
    monkeypatch.setattr(exceptions, "find_spec", lambda _: None)
    net = makers.network()
    with pytest.raises(Refused, match=rf"{package}, and that is not installed: pip install {package}"):
        fm.gradient(net, *makers.data(net), backend=name)


@pytest.mark.slow
@pytest.mark.parametrize("package", ENGINES.values())
def test_the_package_is_imported_only_when_it_is_needed(package):
    program = f"import sys, formulations as fm; fm.which(fm.Network.random([2, 1])); print({package!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"activations": ["tanh", makers.CUMULATIVE]}, "layer 3 has cumulative"),
        ({"activations": [fm.activation(np.sin, np.cos, name="wave"), "tanh"]}, "layer 2 has wave"),
        ({"dtype": "longdouble"}, "float32 or float64"),
    ],
)
def test_what_the_engine_does_not_know_is_refused_by_name(engine, options, reason):
    net = fm.Network.random([2, 3, 1], **options)
    with pytest.raises(Refused, match=reason):
        fm.prepare(net, 1, backend=engine)


@pytest.mark.parametrize("cost", ["quadratic", "log_likelihood"])
@pytest.mark.parametrize("activations", [["softmax", "softmax"], ["softmax", "sigmoid"], ["tanh", "softmax"]])
def test_softmax_anywhere(engine, activations, cost):
    net = makers.network("sigma", activations)
    X, Y = makers.data(net)
    found, truth = (fm.gradient(net, X, Y, cost, each).vector for each in (engine, "sigma"))
    # Every entry is a sum of 200 products of numbers below 1, on both sides.
    assert np.abs(found - truth).max() <= 2 * bounds.gamma(200, net.dtype)


@pytest.mark.parametrize("z", [0.0, 1.0, -1.0, 40.0, -40.0, 300.0, 1000.0, -1000.0])
@pytest.mark.parametrize("activation", makers.ELEMENTWISE)
def test_slopes_at_seams_and_in_saturation(engine, activation, z):
    net = fm.Network([[[1.0]]], [[0.0]], activation)
    found, truth = (fm.gradient(net, [[z]], [[0.5]], backend=each).vector for each in (engine, "hadamard"))
    size = np.abs(truth) + abs(net([[z]])[0, 0] - 0.5) * (1 + abs(z))
    assert bounds.within(found - truth, bounds.gamma(64, net.dtype) * size)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["tanh", "elu"])
def test_a_slope_keeps_its_digits_in_saturation(engine, activation, dtype):
    # Each exponential stays above the smallest normal number, below which JAX takes 0.
    for z in (1, 9, 20, 43) if dtype == np.float32 else (1, 19, 40, 350):
        net = fm.Network([[[dtype(-1)], [dtype(1)]]], [np.zeros(2, dtype)], activation)
        found, truth = (fm.gradient(net, [[z]], [[0.5, 0.5]], backend=each).biases[0] for each in (engine, "hadamard"))
        # The slope of F/(1 + F), F = e^−2|z|, is a difference of two terms, one of them at least twice the other, and
        # both known to 8u: 24u. The slope of the reference is known to 8u, and a − y and the products add 8.
        assert truth.all() and bounds.within(found - truth, bounds.gamma(40, dtype) * np.abs(truth))


def test_logits_of_800_stay_finite(engine):
    net = fm.Network([[[800.0]]], [[0.0]], "sigmoid")
    for y in (0.0, 1.0):
        g = fm.gradient(net, [[1.0]], [[y]], "binary_cross_entropy", engine)
        assert (g.cost, g.vector.tolist()) == (800 * (1 - y), [1 - y] * 2)


def test_a_cost_of_your_own_gives_its_gradient(engine):
    cost = fm.cost(lambda A, Y: np.cosh(A - Y).sum(axis=1), lambda A, Y: np.sinh(A - Y), name="catenary")
    net = makers.network()
    X, Y = makers.data(net)
    weights = np.arange(1.0, 9)
    found, truth = (fm.gradient(net, X, Y, cost, each, sample_weight=weights) for each in (engine, "hadamard"))
    assert found.cost == truth.cost
    assert np.abs(found.vector - truth.vector).max() <= 2 * bounds.gamma(200, net.dtype)


def test_outputs_that_a_cost_is_not_defined_for_are_refused(engine):
    net = fm.Network([[[2.0]]], [[0.0]], "identity")
    with pytest.raises(InvalidInput, match="outputs in"):
        fm.gradient(net, [[1.0]], [[1.0]], "binary_cross_entropy", engine)


def test_sparse_weights_have_gradients_on_their_pattern(engine):
    net = makers.sparse_network()
    X, Y = makers.data(net)
    found, truth = (fm.gradient(net, X, Y, backend=each).vector for each in (engine, "hadamard"))
    assert found.size == net.layout.count
    assert bounds.within(found - truth, 2 * bounds.propagated(net, X, Y).vector)


def test_one_forward_pass_and_no_errors(engine):
    net = makers.network()
    g = fm.gradient(net, *makers.data(net), backend=engine)
    assert (g.forward_passes, g.errors) == (fm.get_backend(engine).estimate(net, 8).forward_passes, None) == (1, None)


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["tanh", "elu", "sigmoid", "softplus"])
def test_a_second_derivative_keeps_its_digits_in_saturation(engine, activation):
    for z in (-30.0, -1.0, 0.0, 19.0, 40.0):
        net = fm.Network([[[1.0]]], [[z]], activation)
        H, truth = (fm.hessian(net, [[0.0]], [[0.5]], backend=each) @ [0.0, 1.0] for each in (engine, "hadamard"))
        # σ′² + σ″(a − y): each derivative is a sum of terms that are no larger than σ′, to 64 roundings.
        size = get_activation(activation).slope([[z]])[0, 0] * (1 + abs(net([[0.0]])[0, 0]))
        assert abs(H[1] - truth[1]) <= bounds.gamma(64, net.dtype) * size


@pytest.mark.slow
def test_the_curvature_of_a_cost_of_your_own_counts(engine):
    net = makers.network(activations=["softplus", "silu"])
    for operator in ("hessian", "gauss_newton"):
        case = makers.Case(net, *makers.data(net), CATENARY, np.arange(1.0, 9))
        assert case.operator_verdict(engine, operator).status == "equal"


def test_the_hessian_of_a_cost_of_your_own_needs_its_curvature(engine):
    plain = fm.cost(lambda A, Y: ((A - Y) ** 4).sum(axis=1), lambda A, Y: 4 * (A - Y) ** 3, name="quartic")
    net = makers.network()
    X, Y = makers.data(net)
    with pytest.raises(Refused, match=r"cost 'quartic' has neither; pass the curvature: cost\(value, gradient, curv"):
        fm.hessian(net, X, Y, plain, engine)
    with pytest.raises(Refused, match="cost 'quartic' has no curvature"):
        fm.gauss_newton(net, X, Y, plain, engine)
    assert fm.jacobian(net, X, backend=engine).shape == (8, 3, 4)


def test_operators_of_what_the_engine_does_not_know_are_refused_by_name(engine):
    net = fm.Network.random([2, 3, 1], ["tanh", makers.CUMULATIVE], seed=0)
    for operator in (fm.jacobian, partial(fm.hessian, Y=np.ones((4, 1))), partial(fm.gauss_newton, Y=np.ones((4, 1)))):
        with pytest.raises(Refused, match="layer 3 has cumulative"):
            operator(net, np.ones((4, 2)), backend=engine)
