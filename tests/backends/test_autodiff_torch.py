"""What is special to PyTorch: it is optional, leaves its settings alone, and takes a cost of your own by its ∇_aC."""

from __future__ import annotations

import subprocess
import sys

import bounds
import makers
import numpy as np
import pytest

import formulations as fm
from formulations import autodiff
from formulations.exceptions import InvalidInput, Refused

NAME = "autodiff_torch"
CUMULATIVE = fm.coupled_activation(
    lambda Z: np.cumsum(Z, axis=1),
    lambda _, V: np.cumsum(V, axis=1),
    lambda _, V: np.cumsum(V[:, ::-1], axis=1)[:, ::-1],
    name="cumulative",
)


def test_without_the_package_the_reason_names_the_extra(monkeypatch):
    monkeypatch.setattr(autodiff, "find_spec", lambda _: None)
    net = makers.network()
    with pytest.raises(Refused, match=r"torch, and that is not installed: pip install 'formulations\[peers\]'"):
        fm.gradient(net, *makers.data(net), backend=NAME)


def test_the_package_is_imported_only_when_it_is_needed():
    program = "import sys, formulations as fm; fm.which(fm.Network.random([2, 1])); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


torch = pytest.importorskip("torch", reason="the extra peers is not installed")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"activations": ["tanh", CUMULATIVE]}, "layer 3 has cumulative"),
        ({"activations": [fm.activation(np.sin, np.cos, name="wave"), "tanh"]}, "layer 2 has wave"),
        ({"dtype": "longdouble"}, "float32 or float64"),
    ],
)
def test_what_the_engine_does_not_know_is_refused_by_name(options, reason):
    net = fm.Network.random([2, 3, 1], **options)
    with pytest.raises(Refused, match=reason):
        fm.prepare(net, 1, backend=NAME)


@pytest.mark.parametrize("cost", ["quadratic", "log_likelihood"])
@pytest.mark.parametrize("activations", [["softmax", "softmax"], ["softmax", "sigmoid"], ["tanh", "softmax"]])
def test_softmax_anywhere(activations, cost):
    net = makers.network("sigma", activations)
    X, Y = makers.data(net)
    found, truth = (fm.gradient(net, X, Y, cost, each).vector for each in (NAME, "sigma"))
    # Every entry is a sum of 200 products of numbers below 1, on both sides.
    assert np.abs(found - truth).max() <= 2 * bounds.gamma(200, net.dtype)


@pytest.mark.parametrize("z", [0.0, 1.0, -1.0, 40.0, -40.0, 300.0, 1000.0, -1000.0])
@pytest.mark.parametrize("activation", makers.ELEMENTWISE)
def test_slopes_at_seams_and_in_saturation(activation, z):
    net = fm.Network([[[1.0]]], [[0.0]], activation)
    found, truth = (fm.gradient(net, [[z]], [[0.5]], backend=each).vector for each in (NAME, "hadamard"))
    size = np.abs(truth) + abs(net([[z]])[0, 0] - 0.5) * (1 + abs(z))
    assert bounds.within(found - truth, bounds.gamma(64, net.dtype) * size)


def test_logits_of_800_stay_finite():
    net = fm.Network([[[800.0]]], [[0.0]], "sigmoid")
    for y in (0.0, 1.0):
        g = fm.gradient(net, [[1.0]], [[y]], "binary_cross_entropy", NAME)
        assert (g.cost, g.vector.tolist()) == (800 * (1 - y), [1 - y] * 2)


def test_a_cost_of_your_own_gives_its_gradient():
    cost = fm.cost(lambda A, Y: np.cosh(A - Y).sum(axis=1), lambda A, Y: np.sinh(A - Y), name="catenary")
    net = makers.network()
    X, Y = makers.data(net)
    weights = np.arange(1.0, 9)
    found, truth = (fm.gradient(net, X, Y, cost, each, sample_weight=weights) for each in (NAME, "hadamard"))
    assert found.cost == truth.cost
    assert np.abs(found.vector - truth.vector).max() <= 2 * bounds.gamma(200, net.dtype)


def test_outputs_that_a_cost_is_not_defined_for_are_refused():
    net = fm.Network([[[2.0]]], [[0.0]], "identity")
    with pytest.raises(InvalidInput, match="outputs in"):
        fm.gradient(net, [[1.0]], [[1.0]], "binary_cross_entropy", NAME)


def test_sparse_weights_have_gradients_on_their_pattern():
    net = makers.sparse_network()
    X, Y = makers.data(net)
    found, truth = (fm.gradient(net, X, Y, backend=each).vector for each in (NAME, "hadamard"))
    assert found.size == net.layout.count
    assert bounds.within(found - truth, 2 * bounds.propagated(net, X, Y).vector)


def test_one_forward_pass_and_no_errors():
    net = makers.network()
    g = fm.gradient(net, *makers.data(net), backend=NAME)
    assert (g.forward_passes, g.errors) == (fm.get_backend(NAME).predict(net, 8).forward_passes, None) == (1, None)


def test_threads_gradients_and_default_dtype_are_left_alone():
    def settings():
        return torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype()

    before = settings()
    net = makers.network()
    fm.gradient(net, *makers.data(net), backend=NAME)
    assert settings() == before
