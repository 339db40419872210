"""What is special to perturbation: its order, its passes, its step, and weights that stay unchanged."""

from __future__ import annotations

import math
from itertools import pairwise

import bounds
import makers
import numpy as np
import pytest

import formulations as fm
from formulations.backends._base.perturbation import SCHEMES, step_sizes
from formulations.exceptions import InvalidInput

FLAGS = {
    "forward": "finite_difference:scheme=forward",
    "central": "finite_difference",
    "richardson": "finite_difference:scheme=richardson",
}


def test_every_scheme_has_a_flag():
    assert set(SCHEMES) == set(FLAGS)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_truncation_is_of_the_schemes_order(scheme):
    net = makers.network()
    X, Y = makers.data(net)
    truth = fm.gradient(net, X, Y).vector
    off = []
    for exponent in (6, 7, 8):
        flag = f"finite_difference:scheme={scheme},step={2.0**-exponent}"
        off.append(np.abs(fm.gradient(net, X, Y, backend=flag).vector - truth).sum())
    order = SCHEMES[scheme].order
    # The next term of the Taylor series is smaller by a factor of order h, here 2⁻⁶ times a ratio of derivatives.
    for coarse, fine in pairwise(off):
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("dtype", makers.DTYPES)
def test_the_rule_balances_truncation_and_rounding(scheme, dtype):
    net = makers.network(dtype=dtype)
    X, Y = makers.data(net)
    truth = fm.gradient(net, X, Y).vector
    bound = bounds.distance(FLAGS[scheme], net, X, Y) + bounds.propagated(net, X, Y).vector
    assert bounds.within(fm.gradient(net, X, Y, backend=FLAGS[scheme]).vector - truth, bound)
    eps = np.finfo(dtype).eps
    assert SCHEMES[scheme].relative_step(net.dtype) == pytest.approx(float(eps ** (1 / (SCHEMES[scheme].order + 1))))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_predicted_forward_passes_are_counted(scheme):
    net = makers.network()
    g = fm.gradient(net, *makers.data(net), backend=FLAGS[scheme])
    parameters = net.vector.size
    expected = {"forward": parameters + 1, "central": 2 * parameters + 1, "richardson": 4 * parameters + 1}[scheme]
    assert g.forward_passes == fm.get_backend(FLAGS[scheme]).estimate(net, 8).forward_passes == expected


def test_one_example_at_a_time_multiplies_the_passes():
    net = makers.network(sizes=(2, 2, 1))
    X, Y = makers.data(net, 5)
    flag = "finite_difference:batch=example"
    assert fm.gradient(net, X, Y, backend=flag).forward_passes == fm.get_backend(flag).estimate(net, 5).forward_passes


@pytest.mark.parametrize("dtype", makers.DTYPES)
def test_a_step_is_exactly_what_was_added(dtype):
    theta = np.random.default_rng(0).normal(scale=100, size=1000).astype(dtype)
    for scheme in SCHEMES.values():
        h = step_sizes(theta, scheme)
        assert np.array_equal((theta + h) - theta, h)
        assert (h > 0).all()


def test_the_cost_is_the_unperturbed_one():
    net = makers.network()
    X, Y = makers.data(net)
    for flag in FLAGS.values():
        assert fm.gradient(net, X, Y, backend=flag).cost == net.forward(X, Y).cost_value


def test_there_are_no_errors():
    net = makers.network()
    for flag in FLAGS.values():
        assert fm.gradient(net, *makers.data(net), backend=flag).errors is None


def test_the_networks_own_parameters_are_never_perturbed():
    net = makers.network()
    seen = []
    cost = fm.cost(
        lambda A, Y: seen.append(net.vector.tobytes()) or ((A - Y) ** 2).sum(axis=1) / 2,
        lambda A, Y: A - Y,
        name="watching",
    )
    seen.clear()
    fm.gradient(net, *makers.data(net), cost=cost, backend="finite_difference")
    assert len(seen) == 2 * net.vector.size + 1
    assert set(seen) == {net.vector.tobytes()}


def test_it_serves_sparse_weights_on_their_pattern():
    net = makers.sparse_network()
    X, Y = makers.data(net)
    found, truth = (fm.gradient(net, X, Y, backend=each).vector for each in ("finite_difference", "hadamard"))
    assert found.size == net.layout.count
    bound = bounds.distance("finite_difference", net, X, Y) + bounds.propagated(net, X, Y).vector
    assert bounds.within(found - truth, bound)


@pytest.mark.parametrize("step", [0, -1, math.nan, math.inf])
def test_a_step_is_positive_and_finite(step):
    with pytest.raises(InvalidInput, match="step must be positive and finite"):
        type(fm.get_backend("finite_difference"))(step=step)
