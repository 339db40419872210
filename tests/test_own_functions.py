"""What users hand in to make costs, activations and targets: refused by the project's own exceptions alone."""

from __future__ import annotations

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.activations import Softmax
from formulations.activations.piecewise import LeakyReLU
from formulations.activations.smooth import Identity, Sine
from formulations.certificate.reach import reach
from formulations.certificate.roundoff import Precision
from formulations.costs import BinaryCrossEntropy, Quadratic, get_cost
from formulations.digits import one_hot
from formulations.exceptions import InvalidInput, NotFinite, WrongShape, WrongType

MADE = {
    "PerNeuron(None)": (lambda: fm.PerNeuron(None), WrongType, "members must be a list.*got None"),
    "PerNeuron(3)": (lambda: fm.PerNeuron(3), WrongType, "members must be a list.*got 3"),
    "PerNeuron of a name": (lambda: fm.PerNeuron("tanh"), WrongType, "members must be a list.*got 'tanh'"),
    "LeakyReLU of a word": (lambda: LeakyReLU("a"), WrongType, "negative_slope must be a number, got 'a'"),
    "LeakyReLU(None)": (lambda: LeakyReLU(None), WrongType, "negative_slope must be a number, got None"),
    "LeakyReLU of a list": (lambda: LeakyReLU([0.1]), WrongType, "negative_slope must be a number"),
    "LeakyReLU(1j)": (lambda: LeakyReLU(1j), WrongType, "negative_slope must be a number, got 1j"),
    "LeakyReLU(nan)": (lambda: LeakyReLU(np.nan), InvalidInput, "negative_slope must be in"),
    "half a class": (lambda: one_hot([0, 1], classes=2.5), WrongType, "classes must be an integer, got 2.5"),
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
def test_a_cost_that_is_nowhere_finite_is_told_so(value):
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


def test_an_exception_of_the_users_own_stays_what_it_is():
    def value(A, Y):  # noqa: ARG001
        raise ValueError("of the user's own")

    with pytest.raises(ValueError, match="of the user's own"):
        fm.cost(value, lambda A, Y: A - Y)


class TwiceQuadratic(Quadratic):
    name = "twice_quadratic"

    def evaluate(self, A, Y, gradient=None):
        values = super().evaluate(A, Y, gradient)
        if gradient is not None:
            gradient *= 2
        return 2 * values


class TwiceCrossEntropy(BinaryCrossEntropy):
    name = "twice_cross_entropy"

    def evaluate(self, A, Y, gradient=None):
        values = super().evaluate(A, Y, gradient)
        if gradient is not None:
            gradient *= 2
        return 2 * values


class TwiceSine(Sine):
    name = "twice_sine"

    def evaluate(self, z, value, slope=None):
        super().evaluate(z, value, slope)
        value *= 2
        if slope is not None:
            slope *= 2


class Tuned(Sine):
    name = "tuned"
    analytic, curvature_bound, formula = True, 1.0, Sine.formula


class TwiceTuned(Tuned):
    name = "twice_tuned"

    def evaluate(self, z, value, slope=None):
        super().evaluate(z, value, slope)
        value *= 2
        if slope is not None:
            slope *= 2


class Doubling:
    def evaluate(self, z, value, slope=None):
        super().evaluate(z, value, slope)
        value *= 2
        if slope is not None:
            slope *= 2


class DoubledSine(Doubling, Sine):
    name = "doubled_sine"


class DoublingCost:
    def evaluate(self, A, Y, gradient=None):
        values = super().evaluate(A, Y, gradient)
        if gradient is not None:
            gradient *= 2
        return 2 * values


class DoubledQuadratic(DoublingCost, Quadratic):
    name = "doubled_quadratic"


class DoubledCrossEntropy(DoublingCost, BinaryCrossEntropy):
    name = "doubled_cross_entropy"


class Tempered(Softmax):
    name = "tempered"

    def evaluate(self, z, value, slope=None):
        super().evaluate(2 * z, value, slope)

    def jacobian_product(self, z, a, v):
        return 2 * super().jacobian_product(z, a, v)

    transposed_product = jacobian_product


class TwiceIdentity(Identity):
    name = "twice_identity"

    def evaluate(self, z, value, slope=None):
        super().evaluate(z, value, slope)
        value *= 2
        if slope is not None:
            slope *= 2


DERIVED = {
    "quadratic": (("identity", "identity"), TwiceQuadratic()),
    "cross-entropy": (("tanh", "sigmoid"), TwiceCrossEntropy()),
    "sine": ((TwiceSine(), "identity"), "quadratic"),
    "identity": ((TwiceIdentity(), TwiceIdentity()), "quadratic"),
    "sine of a base that says more": ((TwiceTuned(), "identity"), "quadratic"),
    "mixed sine": ((DoubledSine(), "identity"), "quadratic"),
    "mixed quadratic": (("identity", "identity"), DoubledQuadratic()),
    "mixed cross-entropy": (("tanh", "sigmoid"), DoubledCrossEntropy()),
    "softmax": (("tanh", Tempered()), "log_likelihood"),
}


@pytest.mark.parametrize("name", DERIVED)
def test_what_evaluates_otherwise_than_it_derives_from_is_asked_by_every_backend(name, backend):
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


def test_a_class_that_evaluates_otherwise_may_say_anew_what_is_known_of_it():
    class Said(TwiceSine):
        analytic, curvature_bound = True, 2.0

        def evaluate(self, z, value, slope=None):
            super().evaluate(z, value, slope)

    assert (Sine.analytic, TwiceSine.analytic, Said.analytic) == (True, False, True)
    assert (Sine.curvature_bound, TwiceSine.curvature_bound, Said.curvature_bound) == (1.0, None, 2.0)
    assert type("Renamed", (Sine,), {"name": "renamed"}).formula is Sine.formula


def test_what_is_known_of_a_function_goes_with_it_through_all_bases():
    known = [(made.analytic, made.curvature_bound, made.formula) for made in (DoubledSine, TwiceTuned)]
    assert known == [(False, None, None)] * 2
    assert (Tuned.analytic, Tuned.formula) == (True, Sine.formula)

    class Smooth(fm.Activation):
        analytic, curvature_bound = True, 3.0

    class Known:
        curvature_bound = 3.0

    class Knowing(Doubling):
        analytic, curvature_bound = True, 3.0

    def made(*bases, **says):
        return type("Made", bases, says)

    # Said before there is a function, with the function, or beside it, it is said of what comes.
    assert made(Smooth, evaluate=Sine.evaluate).analytic
    assert (made(Knowing, Sine).analytic, made(Knowing, Sine).formula) == (True, None)
    assert made(Doubling, Known, Sine).curvature_bound == 3.0
    # Of two bases, the one that says more evaluates what the other does not.
    assert made(Tuned, TwiceSine).evaluate is TwiceSine.evaluate
    assert not made(Tuned, TwiceSine).analytic
    assert made(TwiceSine, Tuned).curvature_bound is None
    assert (made(DoubledSine).analytic, made(Tuned).analytic) == (False, True)


def test_another_function_than_softmax_has_its_own_magnitude_and_reach():
    z = np.random.default_rng(0).normal(size=(2, 3))
    own = Tempered()
    a = own.value(z)
    assert own.magnitude(z, a) == pytest.approx(np.abs(own.slope(z).blocks()), rel=1e-15)
    e = np.full_like(z, 1e-3)
    precision = Precision.of(np.dtype(float))
    of_a, of_d = reach(own, z, e, precision)
    # Every z moved to its end, in each combination of directions.
    for signs in np.ndindex(2, 2, 2):
        moved = z + e * (2 * np.array(signs) - 1)
        assert (np.abs(own.value(moved) - a) <= of_a).all()
        assert (np.abs(own.slope(moved).blocks() - own.slope(z).blocks()) <= of_d).all()
