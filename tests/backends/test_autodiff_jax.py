"""What is special to JAX: it leaves the settings of its user alone, and compiles a network once."""

from __future__ import annotations

import makers
import numpy as np
import pytest

import formulations as fm

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
