"""How many threads the libraries' pools get, and what is said of those that cannot be limited."""

from __future__ import annotations

import os
import sys
import types

import pytest

from formulations.comparison.threads import Threads, limited_threads
from formulations.exceptions import MissingExtra


@pytest.fixture
def pools():
    """Every pool of BLAS and OpenMP with two threads; returns what reads their numbers."""
    tool = pytest.importorskip("threadpoolctl")
    with tool.threadpool_limits(2):
        yield lambda: {pool["num_threads"] for pool in tool.threadpool_info()}


@pytest.fixture
def torch(monkeypatch):
    """Something that keeps a number of threads as torch does."""
    held = [8]
    fake = types.SimpleNamespace(get_num_threads=lambda: held[0], set_num_threads=lambda n: held.__setitem__(0, n))
    monkeypatch.setitem(sys.modules, "torch", fake)
    return fake


def test_every_pool_is_limited_inside_the_block_and_restored_after_it(pools, torch):
    with limited_threads(1) as threads:
        assert pools() == {1} and torch.get_num_threads() == 1
        assert threads.limit == 1 and set(threads.pools.values()) == {1} and "torch" in threads.pools
    assert pools() == {2} and torch.get_num_threads() == 8


def test_every_pool_is_restored_after_an_exception(pools, torch):
    with pytest.raises(ZeroDivisionError), limited_threads(1):
        raise ZeroDivisionError
    assert pools() == {2} and torch.get_num_threads() == 8


def test_without_a_limit_nothing_is_changed_and_the_pools_are_reported(pools, torch):
    with limited_threads(None) as threads:
        assert pools() == {2} and torch.get_num_threads() == 8
    assert threads.limit is None and threads.pools["torch"] == 8
    assert str(threads).startswith("unchanged (") and "torch 8" in str(threads)


def test_without_the_tool_it_says_what_is_not_limited_or_refuses(monkeypatch, torch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    with limited_threads(1, needed=False) as threads:
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 8
    assert list(threads.unlimited) == ["BLAS and OpenMP"]
    assert str(threads).startswith("1, except BLAS and OpenMP (") and "install threadpoolctl" in str(threads)
    with pytest.raises(MissingExtra, match="threadpoolctl"), limited_threads(1):
        pass


def test_the_pool_of_jax_is_named_as_unlimited(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", types.ModuleType("jax"))
    with limited_threads(1, needed=False) as threads:
        assert "JAX (" in str(threads)


@pytest.mark.parametrize(
    ("threads", "crowded"),
    [
        (Threads(limit=1, cores=2, load=1.5), False),
        (Threads(limit=1, cores=2, load=1.6), True),
        (Threads(limit=None, cores=8, load=0.5), False),
        (Threads(limit=None, cores=8, load=1.0), True),
        (Threads(limit=1, cores=2, load=None), False),
    ],
)
def test_a_machine_is_crowded_if_others_leave_too_few_cores(threads, crowded):
    assert threads.crowded is crowded and threads.to_dict()["crowded"] is crowded


def test_a_system_without_a_load_average_says_nothing_of_it(monkeypatch):
    monkeypatch.delattr(os, "getloadavg", raising=False)
    with limited_threads(None) as threads:
        assert threads.load is None and threads.cores >= 1
