"""What is special to PyTorch: it leaves the settings of its user alone."""

from __future__ import annotations

from contextlib import contextmanager

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.functions.activations.table import ACTIVATIONS

torch = pytest.importorskip("torch", reason="the extra peers is not installed")


def test_threads_gradients_and_default_dtype_are_left_alone():
    def settings():
        return torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype()

    before = settings()
    net = makers.network()
    fm.gradient(net, *makers.data(net), backend="autodiff_torch")
    assert settings() == before


@contextmanager
def default_dtype():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float16)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


SURROUNDINGS = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "default_device": lambda: torch.device("meta"),
    "default_dtype": default_dtype,
}


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_the_surroundings_of_a_call_change_nothing(surroundings, activation):
    net = makers.network(activations=(activation, "sigmoid"))
    sparse = makers.sparse_network()
    for each in (net, sparse):
        X, Y = makers.data(each)
        expected = fm.gradient(each, X, Y, backend="autodiff_torch")
        plan = fm.prepare(each, 8, backend="autodiff_torch")
        with SURROUNDINGS[surroundings]():
            # Also a plan that was prepared elsewhere, and one that is prepared here.
            found = [plan(X, Y), fm.prepare(each, 8, backend="autodiff_torch")(X, Y)]
        assert all(np.array_equal(gradient.vector, expected.vector) for gradient in found)
        assert found[0].cost == expected.cost
