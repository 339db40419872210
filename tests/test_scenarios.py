"""Every scenario with a closed form, computed by every backend."""

from __future__ import annotations

import numpy as np
import pytest
from makers import ANALYTIC, serves

import formulations as fm
from formulations.scenarios import SCENARIOS

CLOSED = [name for name in SCENARIOS if SCENARIOS[name]().expected is not None]


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("flag", ANALYTIC)
def test_every_backend_finds_the_closed_form(flag, name, dtype):
    problem = SCENARIOS[name](dtype)
    if not serves(flag, problem.network, problem.cost):
        pytest.skip("refused")
    g = fm.gradient(problem.network, problem.X, problem.Y, problem.cost, flag, problem.sample_weight)
    # The closed forms are evaluated in double precision; six layers of at most 16 operations each round in dtype.
    u = max(np.finfo(dtype).eps, np.finfo("float64").eps) / 2
    assert np.all(np.abs(g.vector - problem.expected) <= 6 * 16 * u * np.abs(problem.expected))


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_made_in_the_dtype_that_is_asked_for(name):
    problem = SCENARIOS[name]("float32")
    arrays = [problem.network.vector, problem.X, problem.Y, problem.expected, problem.sample_weight]
    assert {array.dtype for array in arrays if array is not None} == {np.dtype("float32")}
    assert SCENARIOS[name].name == name


def test_the_saturated_neuron_still_has_a_slope():
    problem = SCENARIOS["saturated_neuron"]()
    assert 0 < problem.expected[0] < 1e-17
