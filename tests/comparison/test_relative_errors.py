"""Fifty digits: the oracle against fractions and closed forms, and what is measured against it."""

from __future__ import annotations

import re

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.comparison.relative_errors import measure_relative_errors
from formulations.exceptions import Refused, UnknownName
from formulations.functions.activations.coupled import Softmax
from formulations.functions.activations.logistic import Tanh
from formulations.functions.activations.piecewise import LeakyReLU
from formulations.verification.conformance.problems import PROBLEMS
from formulations.verification.oracles.fifty_digits import gradient_in_digits
from formulations.verification.oracles.fractions import exact_gradient
from formulations.verification.tolerances.judging import judge

RATIONAL = ("integers", "linear_integers", "square_integers", "weighted_examples", "modified_neuron", "dead_neuron")


@pytest.mark.parametrize("name", RATIONAL)
def test_it_is_the_fraction(name):
    p = PROBLEMS[name]()
    exact = exact_gradient(p.network, p.X, p.Y, p.cost, p.sample_weight)
    found = gradient_in_digits(p.network, p.X, p.Y, p.cost, p.sample_weight)
    assert [float(g) for g in found.vector] == [float(g) for g in exact.vector]


@pytest.mark.parametrize("name", PROBLEMS)
def test_double_precision_is_within_its_bound_of_it(name):
    p = PROBLEMS[name]()
    truth = gradient_in_digits(p.network, p.X, p.Y, p.cost, p.sample_weight)
    tape = p.network.forward(p.X, p.Y, cost=p.cost, sample_weight=p.sample_weight)
    rounded = fm.Gradient(p.network.layout, np.array([float(g) for g in truth.vector]))
    verdict = judge(tape, rounded, fm.Tier.FORWARD)
    assert verdict.status != "different", verdict.reason
    assert all(a >= abs(g) * (1 - 1e-40) for a, g in zip(truth.absolute, truth.vector, strict=True))


# The names of built-in functions do not make them that.
@pytest.mark.parametrize(("of_activation", "of_cost"), [("cube", "quartic"), ("sigmoid", "quadratic")])
def test_own_functions_have_no_definition_in_fifty_digits(of_activation, of_cost):
    cube = fm.activation(lambda z: z**3, lambda z: 3 * z**2, name=of_activation, domain=(-2, 2))
    with pytest.raises(Refused, match=f"built-in activations, got {of_activation}"):
        gradient_in_digits(fm.Network.random([2, 1], cube, seed=0), np.ones((1, 2)), np.ones((1, 1)))
    own = fm.cost(lambda A, Y: ((A - Y) ** 4).sum(axis=1), lambda A, Y: 4 * (A - Y) ** 3, name=of_cost)
    with pytest.raises(Refused, match=f"a built-in cost, got {of_cost}"):
        gradient_in_digits(makers.network(), *makers.data(makers.network(), 1), own)


def test_what_is_not_built_in_has_no_definition_in_fifty_digits():
    tempered = fm.coupled_activation(
        lambda Z: Softmax().value(2 * Z),
        lambda Z, V: 2 * Softmax().jacobian_product(Z, Softmax().value(2 * Z), V),
        lambda Z, V: 2 * Softmax().transposed_product(Z, Softmax().value(2 * Z), V),
        name="softmax",
    )
    shifted = fm.activation(lambda z: Tanh().value(z + 1), lambda z: Tanh().slope(z + 1), name="tanh")
    X, Y = np.ones((1, 2)), np.full((1, 2), 0.5)
    for made in (tempered, shifted, fm.PerNeuron(["tanh", shifted])):
        with pytest.raises(Refused, match=f"built-in activations, got {re.escape(made.functions[-1].name)}, which has"):
            gradient_in_digits(fm.Network.random([2, 2], made, seed=0), X, Y)
    for ours in (LeakyReLU(0.25), Softmax(), fm.PerNeuron(["tanh", LeakyReLU(0.25)])):
        assert len(gradient_in_digits(fm.Network.random([2, 2], ours, seed=0), X, Y).vector) == 6


@pytest.mark.slow
def test_what_is_measured():
    found = measure_relative_errors(
        ["hadamard", "finite_difference:scheme=forward"], ["digits", "saturated_neuron", "exact_fit"]
    )
    rows = {(row.backend, row.scenario, row.dtype): row for row in found.rows}
    assert rows["hadamard", "exact_fit", "float64"].error == 0
    # A saturated neuron costs backpropagation no digits, and a difference quotient all of them.
    assert rows["hadamard", "saturated_neuron", "float64"].units < 16
    assert rows["finite_difference:scheme=forward", "saturated_neuron", "float64"].error > 0.5
    assert rows["hadamard", "digits", "float32"].condition >= 1
    assert found
    assert "float32: error in units of u" in str(found)
    assert "| hadamard |" in found.to_markdown()
    assert len(found.to_dict()["rows"]) == len(found.rows)
    with pytest.raises(UnknownName, match="unknown scenario"):
        measure_relative_errors(scenarios=["digit"])
