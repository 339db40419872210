"""The comparison of operators: the same table as for gradients."""

from __future__ import annotations

import importlib
import json
from functools import partial

import makers
import numpy as np
import pytest
from click.testing import CliRunner

import formulations as fm
from formulations.backends._linearized.hadamard import HadamardLinearization
from formulations.cli.commands import formulations as command
from formulations.comparison.quantities import COMPARED
from formulations.exceptions import InvalidInput, NotFinite, Refused, UnknownName, WrongShape
from formulations.functions import get_cost

OPERATORS = ("jacobian", "hessian", "gauss_newton")


class Halved(HadamardLinearization):
    def jacobian(self, *given):
        return super().jacobian(*given) / 2

    def hessian_product(self, v):
        return super().hessian_product(v) / 2

    def gauss_newton_product(self, v):
        return super().gauss_newton_product(v) / 2


class HalvedBackend(makers.HadamardWrapper):
    name = "halved"
    operators = OPERATORS

    def linearize(self, point):
        return Halved(point, self)


class WritesBackend(HalvedBackend):
    """Writes to what it is given, which must not reach the reference."""

    name = "writes"

    def linearize(self, point):
        point.network.vector[...] *= 2
        return HadamardLinearization(point, self)


@pytest.fixture(autouse=True)
def briefly(monkeypatch):
    """Time each call for a hundredth of a second."""
    trials = importlib.import_module("formulations.comparison.trials")
    monkeypatch.setattr(trials, "interleave", partial(trials.interleave, budget=0.01))


@pytest.fixture(scope="module")
def problem():
    net = makers.network(sizes=(4, 5, 2))
    return net, *makers.data(net, 3)


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_row_is_equal_different_or_says_why_the_backend_does_not_provide_it(problem, operator):
    net, X, Y = problem
    c = fm.compare(net, X, Y, backends=["hadamard", "linear_collapse", HalvedBackend()], operator=operator)
    assert [row.status for row in c.rows] == ["equal", "refused", "different"] and not c.equal
    right, refused, wrong = c.rows
    assert right.bound == "T2" and right.ratio < 1 and right.seconds > 0 and right.relative_time == 1
    assert right.forward_passes is None
    assert refused.reason == fm.get_backend("linear_collapse").why_not_operator(operator, net, get_cost("quadratic"))
    assert wrong.ratio > 1e6 and wrong.seconds is None
    assert list(c.to_dict()["counts"].items()) == [("equal", 1), ("different", 1), ("refused", 1)]
    assert "\n1 equal, 1 different, 1 refused.\n" in str(c)
    assert c.agreement.labels == ("hadamard", "halved") and c.agreement.ratios[0, 1] > 1e6


@pytest.mark.parametrize("operator", OPERATORS)
def test_at_least_five_formulations_are_equal_and_the_others_say_why_not(problem, operator):
    net, X, Y = problem
    names = [name for name in fm.list_backends() if not name.startswith("autodiff")]
    c = fm.compare(net, X, Y, backends=names, operator=operator)
    equal = [row.backend for row in c.rows if row.status == "equal"]
    assert len([name for name in equal if fm.get_backend(name).variant_of is None]) >= 5
    assert c.equal and c.agreement.agree
    for row in c.rows:
        assert row.status == "equal" or (row.status == "refused" and row.reason)


@pytest.mark.slow
@pytest.mark.parametrize("operator", OPERATORS)
def test_the_engines_of_automatic_differentiation_are_equal_where_they_provide_it(problem, operator):
    net, X, Y = problem
    for name in ("autodiff_torch", "autodiff_jax"):
        makers.skip_absent(name)
        (row,) = fm.compare(net, X, Y, backends=[name], operator=operator).rows
        assert row.status == ("equal" if operator in fm.get_backend(name).operators else "refused"), row.reason


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_backend_that_writes_to_its_network_cannot_hide_it(problem, operator):
    net, X, Y = problem
    before = net.vector.copy()
    (row,) = fm.compare(net, X, Y, backends=[WritesBackend()], operator=operator).rows
    assert row.status == "different"
    assert (net.vector == before).all()


def test_the_table_says_what_is_compared(problem):
    net, X, Y = problem
    text = str(fm.compare(net, X, Y, backends=["hadamard"], operator="hessian"))
    assert text.startswith("Hessian product of 4-5-2, tanh, sigmoid, quadratic cost, 3 examples, float64\n")
    assert "Hessian product" in text.split("difference: ")[1]
    # A Jacobian has no cost.
    text = str(fm.compare(net, X, Y, backends=["hadamard"], operator="jacobian"))
    assert text.startswith("Jacobian of 4-5-2, tanh, sigmoid, 3 examples, float64\n")
    found = fm.compare(net, X, Y, backends=["hadamard"], operator="gauss_newton").to_dict()
    assert found["operator"] == "gauss_newton" and json.dumps(found)
    assert fm.compare(net, X, Y, backends=["hadamard"]).to_dict()["operator"] == "gradient"


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_equations_of_the_gradient_are_not_those_of_an_operator(problem, operator):
    net, X, Y = problem
    backends = ["linear_collapse", "hadamard"]
    c = fm.compare(net, X, Y, backends=backends, operator=operator)
    assert all(row.equations == () for row in c.rows) and "equations" not in str(c)
    assert "BP" not in c._repr_html_() and '<span class="fv-good">✓ equal</span>' in c._repr_html_()
    c = fm.compare(net, X, Y, backends=backends)
    assert [row.equations for row in c.rows] == [fm.get_backend(name).equations for name in backends]
    assert "equations" in str(c) and "BP1a BP2 BP3 BP4" in str(c)


def test_a_reason_that_several_backends_have_is_said_once(problem):
    net, X, Y = problem
    c = fm.compare(net, X, Y, backends=["hadamard", "linear_collapse", "node_perturbation"], operator="jacobian")
    same = c.rows[1].reason == c.rows[2].reason
    assert ("linear_collapse, node_perturbation: it " in str(c)) is same


def test_without_a_curvature_there_is_no_reference(problem):
    net, X, Y = problem
    flat = fm.cost(lambda A, Y: ((A - Y) ** 2).sum(axis=1), lambda A, Y: 2 * (A - Y), name="flat")
    for operator in ("hessian", "gauss_newton"):
        with pytest.raises(Refused, match="the cost must have a curvature, got 'flat', which has none; pass one"):
            fm.compare(net, X, Y, cost=flat, operator=operator)
    assert fm.compare(net, X, Y, cost=flat, operator="jacobian", backends=["hadamard"]).equal
    curve = fm.activation(np.tanh, lambda z: 1 - np.tanh(z) ** 2, name="curve")
    other = makers.network(activations=(curve, "sigmoid"), sizes=(4, 5, 2))
    with pytest.raises(Refused, match="the activation must have a curvature, got 'curve', which has none; pass one"):
        fm.compare(other, X, Y, operator="hessian")
    assert fm.compare(other, X, Y, operator="gauss_newton", backends=["hadamard"]).equal


@pytest.mark.parametrize("operator", COMPARED)
def test_kinks_are_said_where_formulations_that_take_the_same_side_agree(operator):
    net = fm.Network([np.eye(2), np.ones((1, 2))], [np.zeros(2), np.zeros(1)], ["relu", "identity"])
    X, Y = [[0.0, 1.0], [0.0, 0.0], [1.0, 2.0]], np.zeros((3, 1))
    c = fm.compare(net, X, Y, backends=["hadamard", "sigma"], operator=operator)
    assert c.equal and c.kinks == c.to_dict()["kinks"] == 3
    assert "\n\n3 weighted inputs lie on a kink" in str(c)
    assert ">3 weighted inputs lie on a kink" in c._repr_html_()
    none = fm.compare(net, X[2:], Y[2:], backends=["hadamard", "sigma"], operator=operator)
    assert none.kinks == 0 and "kink" not in str(none) + none._repr_html_()


def test_the_direction_is_the_given_one_and_else_always_the_same(problem):
    net, X, Y = problem
    unit = np.eye(net.layout.count)[0]
    given = fm.compare(net, X, Y, backends=["hadamard"], operator="hessian", direction=unit)
    first, second = (fm.compare(net, X, Y, backends=["hadamard"], operator="hessian") for _ in range(2))
    assert first.rows[0].difference == second.rows[0].difference != given.rows[0].difference


def test_a_direction_or_operator_that_cannot_be_used_is_refused(problem):
    net, X, Y = problem
    with pytest.raises(UnknownName, match="unknown operator 'h'; valid names are gradient, jacobian, hessian"):
        fm.compare(net, X, Y, operator="h")
    with pytest.raises(WrongShape, match=r"direction must have shape \(37,\), one number for each parameter, got \(3,"):
        fm.compare(net, X, Y, operator="hessian", direction=np.ones(3))
    with pytest.raises(NotFinite, match="direction"):
        fm.compare(net, X, Y, operator="hessian", direction=np.full(net.layout.count, np.nan))
    with pytest.raises(InvalidInput, match="a direction goes with hessian and gauss_newton"):
        fm.compare(net, X, Y, operator="jacobian", direction=np.ones(net.layout.count))


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_command_prints_the_table(operator):
    given = ["compare", "--sizes", "3,4,2", "--operator", operator, "--backends", "hadamard", "--json"]
    run = CliRunner().invoke(command, given)
    assert run.exit_code == 0, run.output
    found = json.loads(run.output)
    assert found["operator"] == operator and found["rows"][0]["status"] == "equal"
