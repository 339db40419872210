"""What is special to JAX: it leaves the settings of its user alone, and compiles a network once."""

from __future__ import annotations

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.backends._linearized import autodiff_jax as linearized

jax = pytest.importorskip("jax", reason="the extra peers is not installed")


def test_double_precision_is_not_left_behind():
    before = jax.config.jax_enable_x64
    net = makers.network()
    assert fm.gradient(net, *makers.data(net), backend="autodiff_jax").vector.dtype == np.float64
    assert jax.config.jax_enable_x64 == before
    assert jax.numpy.ones(1).dtype == (np.float64 if before else np.float32)


def test_a_network_is_compiled_once():
    net = makers.network()
    first, second = (fm.prepare(net.copy(), 8, backend="autodiff_jax") for _ in range(2))
    assert first.tape.workspace[1] is second.tape.workspace[1]


@pytest.mark.slow
def test_operators_leave_no_double_precision_behind():
    before = jax.config.jax_enable_x64
    net = makers.network()
    X, Y = makers.data(net)
    for operator in (fm.hessian(net, X, Y, backend="autodiff_jax"), fm.gauss_newton(net, X, Y, backend="autodiff_jax")):
        assert (operator @ np.ones(net.layout.count)).dtype == np.float64
    assert fm.jacobian(net, X, backend="autodiff_jax").dtype == np.float64
    assert jax.config.jax_enable_x64 == before


@pytest.mark.slow
def test_an_operator_is_compiled_once():
    net = makers.network(sizes=(4, 6, 3))
    X, Y = makers.data(net)
    for seed in range(3):
        moved = net.with_vector(net.vector + seed)
        fm.hessian(moved, X, Y, backend="autodiff_jax") @ np.ones(net.layout.count)
        if seed == 0:
            compiled = linearized.of_gradient.cache_info().misses, linearized.product()._cache_size()
    assert (linearized.of_gradient.cache_info().misses, linearized.product()._cache_size()) == compiled
