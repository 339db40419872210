"""Fixtures from the live registry: a backend that is registered is tested unasked."""

from __future__ import annotations

import gc
import os
import signal

import makers
import pytest
from browser import chromium

from formulations.backends import _registry as registry
from formulations.backends import _table
from formulations.comparison import timing

# Slow files that cannot mark themselves: a suite that others run too, and pages whose examples take a second.
SLOW = (
    "formulations/verification/conformance/test_conformance.py",
    "docs/how-to/add-a",
    "docs/how-to/curvature.md",
    "docs/how-to/diagnose.md",
    "docs/how-to/judge-a-torch-model.md",
    "docs/how-to/optimize-with-scipy.md",
    "docs/how-to/per-example-gradients.md",
    "docs/how-to/train.md",
    "docs/backends/index.md",
)
OPTIONAL = {"fused", "autodiff_torch", "autodiff_jax"}


def pytest_configure(config):
    """Give BLAS one thread in each worker process of pytest-xdist, which start after this and inherit the variables.

    Each worker has a core of its own. With a thread for every core, each matrix product would wait for other workers.
    """
    if config.getoption("numprocesses", None):
        for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
            os.environ.setdefault(name, "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark tests of a backend with an option or in another dtype as slow: the fast tests run each one by default.

    So are tests of operators by the optional backends, which load an engine, or compile each operator.
    """
    repeats = {flag for flag in makers.FLAGS if ":" in flag} | {"float32", "longdouble"}
    for item in items:
        given = [str(value) for value in item.callspec.params.values()] if hasattr(item, "callspec") else []
        of_backend = any(value in makers.FLAGS for value in given)
        loads = item.nodeid.startswith("tests/operators/") and not OPTIONAL.isdisjoint(given)
        if item.nodeid.startswith(SLOW) or loads or (of_backend and not repeats.isdisjoint(given)):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish():
    """Hide modules and tests, which last until the end, from the garbage collector: it would visit them each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(params=makers.FLAGS)
def backend(request):
    """Every backend, in every option."""
    makers.skip_absent(request.param)
    return request.param


@pytest.fixture(params=makers.ANALYTIC)
def analytic(request):
    """Every backend that is exact but for rounding."""
    makers.skip_absent(request.param)
    return request.param


@pytest.fixture(params=makers.TAPE_READING)
def tape_reading(request):
    """Every backend that reads the shared tape."""
    makers.skip_absent(request.param)
    return request.param


@pytest.fixture
def clean_registry(monkeypatch):
    """A registry whose changes are undone, and no backend chosen by the environment."""
    monkeypatch.setattr(_table, "registered", dict(_table.registered))
    monkeypatch.delenv(registry.VARIABLE, raising=False)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """Print tables at their full width, which other tests narrow, and let no variable choose a backend."""
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.delenv(registry.VARIABLE, raising=False)


@pytest.fixture(scope="session", autouse=True)
def _short_measurements():
    """Measure three rounds without pauses: tests look at what is timed and how it is told, not at the times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("formulations.comparison.timing.MOST", timing.FEWEST)
        patch.setattr("formulations.comparison.race.heat.SILENCE", 0.0)
        yield


@pytest.fixture(scope="session")
def browser():
    """Chromium; a test that needs it is skipped where it is not installed."""
    with chromium() as started:
        yield started


@pytest.fixture
def ctrl_c():
    """A function that presses Ctrl-C."""
    # A process that a shell started in the background ignores the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, before)
