"""What is special to PyTorch: it leaves the settings of its user alone."""

from __future__ import annotations

import makers
import pytest

import formulations as fm

torch = pytest.importorskip("torch", reason="the extra peers is not installed")


def test_threads_gradients_and_default_dtype_are_left_alone():
    def settings():
        return torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype()

    before = settings()
    net = makers.network()
    fm.gradient(net, *makers.data(net), backend="autodiff_torch")
    assert settings() == before
