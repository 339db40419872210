"""The gradient in fractions, against results by hand, and its refusals."""

from __future__ import annotations

from fractions import Fraction

import exact
import makers
import numpy as np
import pytest

import formulations as fm
from formulations.exceptions import Refused, WrongShape
from formulations.functions.activations.piecewise import LeakyReLU
from formulations.verification.oracles.fractions import exact_gradient


def test_by_hand():
    # C = ½(2·9 − 17)², as in the doctests of the backends.
    net = fm.Network([[[3.0]], [[2.0]]], [[0.0], [0.0]], ["square", "identity"])
    truth = exact_gradient(net, [[1.0]], [[17.0]])
    assert (truth.cost, truth.weights, truth.biases) == (Fraction(1, 2), [[[12]], [[9]]], [[12], [1]])
    assert truth.errors == [[[12]], [[1]]]
    assert truth.vector == [12, 12, 9, 1]
    assert truth.largest == 18


def test_a_third_is_a_third():
    net = fm.Network([[[1.0]]], [[0.0]], "identity")
    truth = exact_gradient(net, [[1.0], [0.0], [0.0]], [[0.0], [0.0], [0.0]])
    assert truth.cost == Fraction(1, 6) and truth.vector == [Fraction(1, 3)] * 2
    weighted = exact_gradient(net, [[1.0], [0.0]], [[0.0], [0.0]], sample_weight=[2, 5])
    assert weighted.vector == [Fraction(2, 7)] * 2 and weighted.errors == [[[Fraction(2, 7)], [0]]]


@pytest.mark.parametrize("dtype", makers.DTYPES)
def test_a_leaky_slope_is_that_of_the_dtype(dtype):
    net = fm.Network([np.ones((1, 1), dtype)], [np.zeros(1, dtype)], LeakyReLU(0.01))
    slope = Fraction(*np.dtype(dtype).type(0.01).as_integer_ratio())
    truth = exact_gradient(net, [[-1.0]], [[0.0]])
    # a = −ν for x = −1, so δ = −ν² and ∂C/∂w = ν².
    assert truth.vector == [slope**2, -(slope**2)]


def test_kinks_have_the_slope_from_the_left():
    net = fm.Network([[[1.0], [1.0]]], [[0.0, 0.0]], fm.PerNeuron(["relu", LeakyReLU(0.25)]))
    assert exact_gradient(net, [[0.0]], [[-1.0, -1.0]]).biases == [[0, Fraction(1, 4)]]


@pytest.mark.parametrize("seed", exact.SEEDS)
def test_the_public_function_agrees_with_the_core(seed):
    case, truth = exact.case(seed, False)
    net = case.network("float64")
    found = exact_gradient(net, case.X, case.Y, sample_weight=case.sample_weight)
    assert (found.cost, found.weights, found.biases, found.errors) == (
        truth.cost, truth.weights, truth.biases, truth.errors,
    )  # fmt: skip
    # Sparse weights have derivatives for their stored entries, in their order.
    assert len(found.vector) == net.vector.size
    assert [float(entry) for entry in found.vector] == fm.gradient(
        net, case.X, case.Y, sample_weight=case.sample_weight
    ).vector.tolist()


@pytest.mark.parametrize(
    "activation", [name for name in makers.ELEMENTWISE if name not in (*exact.FUNCTIONS, "leaky_relu")]
)
def test_an_activation_that_is_not_rational_is_named(activation):
    net = fm.Network.random([2, 2, 2], ["identity", fm.PerNeuron(["relu", activation])], seed=0)
    with pytest.raises(Refused, match=f"needs rational activations, got {activation} in layer 3; use identity, relu"):
        exact_gradient(net, [[0.0, 1.0]], [[1.0, 0.0]])


def test_coupled_activations_and_other_costs_are_refused():
    with pytest.raises(Refused, match="got softmax in layer 2"):
        exact_gradient(fm.Network.random([2, 2], "softmax", seed=0), [[0.0, 1.0]], [[1.0, 0.0]])
    with pytest.raises(Refused, match="needs a rational cost, got binary_cross_entropy"):
        exact_gradient(fm.Network.random([2, 2], seed=0), [[0.0, 1.0]], [[1.0, 0.0]], cost="binary_cross_entropy")


def test_bad_data_are_refused():
    net = fm.Network.random([2, 2], "identity", seed=0)
    with pytest.raises(WrongShape, match="X must have 2 columns"):
        exact_gradient(net, [[0.0]], [[1.0, 0.0]])


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_sample_weights_need_not_fit_the_dtype_of_the_network(scale):
    net = fm.Network.random([2, 3, 2], "relu", seed=0, dtype="float32")
    X, Y = [[0.0, 1.0], [0.5, 0.25]], [[1.0, 0.0], [0.0, 1.0]]
    weighted = fm.exact_gradient(net, X, Y, sample_weight=[scale, scale])
    assert weighted.vector == fm.exact_gradient(net, X, Y).vector
    assert len(repr(weighted)) < 80
