"""User-supplied activations, costs and targets: bad ones raise the exceptions of the library, and only those."""

from __future__ import annotations

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.arrays.roundoff import Precision
from formulations.data.labels import one_hot
from formulations.exceptions import InvalidInput, NotFinite, WrongDerivative, WrongShape, WrongType
from formulations.functions.activations.coupled import CoupledActivation
from formulations.functions.activations.piecewise import LeakyReLU
from formulations.functions.activations.table import ACTIVATIONS
from formulations.functions.costs.base import CombinedOutput
from formulations.functions.costs.table import COSTS, get_cost
from formulations.verification.tolerances.activations import activation_bounds

MADE = {
    "PerNeuron(None)": (lambda: fm.PerNeuron(None), WrongType, "members must be a list.*got None"),
    "PerNeuron(3)": (lambda: fm.PerNeuron(3), WrongType, "members must be a list.*got 3"),
    "PerNeuron of a name": (lambda: fm.PerNeuron("tanh"), WrongType, "members must be a list.*got 'tanh'"),
    "LeakyReLU of a word": (lambda: LeakyReLU("a"), WrongType, "negative_slope must be a number, got 'a'"),
    "LeakyReLU(None)": (lambda: LeakyReLU(None), WrongType, "negative_slope must be a number, got None"),
    "LeakyReLU of a list": (lambda: LeakyReLU([0.1]), WrongType, "negative_slope must be a number"),
    "LeakyReLU(1j)": (lambda: LeakyReLU(1j), WrongType, "negative_slope must be a number, got 1j"),
    "LeakyReLU(nan)": (lambda: LeakyReLU(np.nan), InvalidInput, "negative_slope must be in"),
    "half a class": (lambda: one_hot([0, 1], classes=2.5), WrongType, "classes must be an integer, .*got 2.5"),
    "ragged labels": (lambda: one_hot([[0], [1, 2]]), WrongShape, "rows of unequal length"),
}


@pytest.mark.parametrize("name", MADE)
def test_what_cannot_be_made_is_refused(name):
    make, exception, part = MADE[name]
    with pytest.raises(exception, match=part):
        make()


def test_numbers_of_numpy_are_numbers():
    assert LeakyReLU(np.float32(0.25)).negative_slope == 0.25
    assert one_hot([1], classes=np.int64(2)).tolist() == [[0, 1]]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_cost_that_is_nowhere_finite_is_refused(value):
    with pytest.raises(NotFinite, match=f"value\\(A, Y\\) must be finite on the domain, got {value}"):
        fm.cost(lambda A, Y: np.full(len(A), value), lambda A, Y: A - Y, name="void")  # noqa: ARG005


def test_a_cost_can_never_write_into_the_arrays_of_its_caller():
    meddling = []

    def value(A, Y):
        if meddling:
            meddling[0](A, Y)
        return ((A - Y) ** 2).sum(axis=1) / 2

    cost = fm.cost(value, lambda A, Y: A - Y, name="meddler")
    net = fm.Network([[[1.0]]], [[0.0]], "identity")
    X, Y = np.array([[3.0]]), np.array([[1.0]])
    for meddle in (lambda A, Y: A.fill(0), lambda A, Y: Y.fill(0)):  # noqa: ARG005
        meddling[:] = [meddle]
        with pytest.raises(InvalidInput, match="'meddler': value\\(A, Y\\) must leave its arguments unchanged"):
            cost.evaluate(X, Y)
        with pytest.raises(InvalidInput, match="must leave its arguments unchanged"):
            fm.gradient(net, X, Y, cost=cost, backend="hadamard")
    assert X.tolist() == [[3.0]] and Y.tolist() == [[1.0]]
    meddling.clear()
    assert cost.evaluate(X, Y).tolist() == [2.0]
    assert X.flags.writeable and Y.flags.writeable


def test_an_exception_class_of_the_users_own_stays_what_it_is():
    class Mine(Exception):
        pass

    def value(A, Y):  # noqa: ARG001
        raise Mine("of the user's own")

    with pytest.raises(Mine, match="of the user's own"):
        fm.cost(value, lambda A, Y: A - Y)


W = np.arange(1.0, 11.0)


def weighted(A, Y):
    return (W * (A - Y) ** 2).sum(axis=1) / 2


def ten_outputs():
    net = fm.Network.random([4, 10], "tanh", seed=0)
    return net, *makers.data(net)


def test_a_cost_may_be_made_for_the_outputs_of_one_network():
    cost = fm.cost(weighted, lambda A, Y: W * (A - Y))
    net, X, Y = ten_outputs()
    assert fm.which(net, cost)["complex_step"] is None
    for judged in (fm.gradient(net, X, Y, cost), fm.gradient(net, X, Y, cost, "per_neuron")):
        assert fm.certify(net, X, Y, judged.vector, cost).equal
    with pytest.raises(InvalidInput, match=r"value\(A, Y\) must take arrays of shape \(5, 4\).*as many outputs as"):
        fm.gradient(fm.Network.random([4, 4], seed=0), X, Y[:, :4], cost)


@pytest.mark.parametrize("use", [fm.gradient, fm.certify, fm.sgd, fm.prepare, fm.which])
def test_a_cost_for_one_network_is_checked_before_it_is_used(use):
    cost = fm.cost(weighted, lambda A, Y: 1.0005 * W * (A - Y))
    net, X, Y = ten_outputs()
    before = net.vector.copy()
    given = {fm.prepare: (net, 5), fm.which: (net,), fm.certify: (net, X, Y, before)}.get(use, (net, X, Y))
    for _ in range(2):
        with pytest.raises(WrongDerivative, match=r"output neuron 8 for a = .*\.\.\..*, y ="):
            use(*given, cost=cost)
    assert (net.vector == before).all()


def test_the_derivative_by_each_of_many_outputs_is_checked():
    n = 60
    wide = np.ones((5, n))
    net = fm.Network.random([2, n], seed=0)
    for j in range(0, n, 7):
        wrong = np.ones(n)
        wrong[j] = 1.0005
        cost = fm.cost(lambda A, Y: ((A - Y) ** 2 * wide[0]).sum(axis=1), lambda A, Y, k=wrong: 2 * k * (A - Y))
        with pytest.raises(WrongDerivative, match=f"output neuron {j} for"):
            fm.which(net, cost)


def scaled(Z):
    return Z * W


def times(Z, V):  # noqa: ARG001 - Σ′ is constant
    return V * W


BROKEN = {
    "a cost that fits three": lambda: fm.gradient(
        *ten_outputs(), cost=fm.cost(lambda A, Y: ((A - Y[:, :3]) ** 2).sum(axis=1), lambda A, Y: 2 * (A - Y))
    ),
    "a cost of one argument": lambda: fm.cost(lambda A: A[:, 0], lambda A, Y: A - Y),
    "a cost that names nothing": lambda: fm.cost(lambda A, Y: nothing(A, Y), lambda A, Y: A - Y),  # noqa: F821
    "a cost of lists": lambda: fm.prepare(
        ten_outputs()[0], 5, cost=fm.cost(lambda A, Y: [[1.0], [2.0, A, Y]], lambda A, Y: A - Y)
    ),
    "a cost that divides by 0": lambda: fm.cost(lambda A, Y: (A - Y)[:, 0] * (1 / 0), lambda A, Y: A - Y),
    "an activation with weights": lambda: fm.activation(lambda z: z * W, lambda z: z),
    "an activation of matrices": lambda: fm.activation(lambda z: z @ np.eye(3), lambda z: z),
    "a slope of two arguments": lambda: fm.activation(np.sin, lambda z, a: np.cos(z)),  # noqa: ARG005
    "a curvature that is not there": lambda: fm.activation(np.sin, np.cos, curvature=lambda z: z + z.nothing),
    "an activation of rows": lambda: fm.activation(lambda z: np.sin(z) if z.ndim == 1 else z @ z, np.cos),
    "a coupled activation with weights": lambda: fm.coupled_activation(scaled, times, times),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_numpy_and_python_raise_in_a_users_function_becomes_ours(name):
    with pytest.raises(InvalidInput) as caught:
        BROKEN[name]()
    message = str(caught.value)
    assert "must take arrays of shape (" in message and "but raised " in message
    assert "\n" not in message and message.endswith(".")
    assert type(caught.value.__cause__).__name__ in message


def test_a_coupled_activation_for_ten_neurons_is_made_by_saying_so():
    assert fm.coupled_activation(scaled, times, times, width=10).why_not_width(10) is None


class TwiceQuadratic(fm.Cost):
    name = "twice_quadratic"

    def evaluate(self, A, Y, gradient=None):
        values = COSTS["quadratic"].evaluate(A, Y, gradient)
        if gradient is not None:
            gradient *= 2
        return 2 * values


class TwiceCrossEntropy(fm.Cost):
    name = "twice_cross_entropy"

    def evaluate(self, A, Y, gradient=None):
        values = COSTS["binary_cross_entropy"].evaluate(A, Y, gradient)
        if gradient is not None:
            gradient *= 2
        return 2 * values


class CrossEntropyBehindSigmoid(fm.Cost):
    name = "cross_entropy_behind_sigmoid"

    def evaluate(self, A, Y, gradient=None):
        return COSTS["binary_cross_entropy"].evaluate(A, Y, gradient)

    def combined(self, activation):
        return COSTS["binary_cross_entropy"].combined(activation)


class TwiceSine(fm.Activation):
    name = "twice_sine"

    def evaluate(self, z, value, slope=None):
        ACTIVATIONS["sine"].evaluate(z, value, slope)
        value *= 2
        if slope is not None:
            slope *= 2


class TwiceIdentity(fm.Activation):
    name = "twice_identity"

    def evaluate(self, z, value, slope=None):
        np.multiply(z, 2, out=value)
        if slope is not None:
            slope[...] = 2


class Tempered(CoupledActivation):
    name = "tempered"

    def evaluate(self, z, value, slope=None):
        ACTIVATIONS["softmax"].evaluate(2 * z, value, slope)

    def jacobian_product(self, z, a, v):
        return 2 * ACTIVATIONS["softmax"].jacobian_product(z, a, v)

    transposed_product = jacobian_product


DERIVED = {
    "quadratic": (("identity", "identity"), TwiceQuadratic()),
    "cross-entropy": (("tanh", "sigmoid"), TwiceCrossEntropy()),
    "combined cross-entropy": (("tanh", "sigmoid"), CrossEntropyBehindSigmoid()),
    "sine": ((TwiceSine(), "identity"), "quadratic"),
    "identity": ((TwiceIdentity(), TwiceIdentity()), "quadratic"),
    "softmax": (("tanh", Tempered()), "log_likelihood"),
}


@pytest.mark.parametrize("name", DERIVED)
def test_every_backend_evaluates_a_function_that_derives_from_the_base(name, backend):
    activations, cost = DERIVED[name]
    net = fm.Network.random([3, 4, 2], activations, seed=0)
    if reason := fm.which(net, cost)[backend.partition(":")[0]]:
        pytest.skip(reason)
    X, Y = makers.data(net)
    found, h = fm.gradient(net, X, Y, cost, backend), 1e-6
    direction = np.random.default_rng(0).normal(size=net.vector.size)
    ends = [net.with_vector(net.vector + sign * h * direction)(X) for sign in (1, -1)]
    up, down = (get_cost(cost).evaluate(A, Y).mean() for A in ends)
    assert found.vector @ direction == pytest.approx((up - down) / (2 * h), rel=1e-6)


FINAL = [
    *map(type, ACTIVATIONS.values()),
    *map(type, COSTS.values()),
    fm.PerNeuron,
    type(fm.activation(np.sin, np.cos)),
    type(fm.coupled_activation(scaled, times, times, width=10)),
    type(fm.cost(lambda A, Y: ((A - Y) ** 2).sum(axis=1), lambda A, Y: 2 * (A - Y))),
    CombinedOutput,
]


@pytest.mark.parametrize("base", FINAL, ids=lambda base: base.__name__)
def test_concrete_functions_are_final(base):
    with pytest.raises(WrongType, match=f"class Mine must not derive from {base.__name__}, which is final; ") as caught:
        type("Mine", (base,), {})
    remedy = "fm.Cost" if issubclass(base, fm.Cost) else "fm.Activation" if issubclass(base, fm.Activation) else "Comb"
    assert remedy.replace("fm", "formulations") in str(caught.value)


def test_a_mixin_opens_no_final_class():
    with pytest.raises(WrongType, match="class Mine must not derive from Sine"):
        type("Mine", (type("Mixin", (), {}), type(ACTIVATIONS["sine"])), {})


def test_another_function_than_softmax_has_its_own_magnitude_and_reach():
    z = np.random.default_rng(0).normal(size=(2, 3))
    own = Tempered()
    a = own.value(z)
    assert own.magnitude(z, a) == pytest.approx(np.abs(own.slope(z).blocks()), rel=1e-15)
    e = np.full_like(z, 1e-3)
    precision = Precision.of(np.dtype(float))
    of_a, of_d = activation_bounds(own, z, e, precision)
    # Every z moved to its end, in each combination of directions.
    for signs in np.ndindex(2, 2, 2):
        moved = z + e * (2 * np.array(signs) - 1)
        assert (np.abs(own.value(moved) - a) <= of_a).all()
        assert (np.abs(own.slope(moved).blocks() - own.slope(z).blocks()) <= of_d).all()
