"""The machine, packages and threads of a measurement."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from formulations.display import counted
from formulations.exceptions import needs

__all__ = ["describe_machine"]

PACKAGES = ("backprop-formulations", "numpy", "scipy", "numba", "torch", "jax", "autograd", "scikit-learn")


def describe_machine() -> dict[str, Any]:
    """Return the processor, threads, versions and date, which a reader needs to interpret the numbers."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "blas": _blas(),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """Return the processor's name, from /proc if there is one, since the platform module's is less precise."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _blas() -> list[str]:
    """Return the loaded BLAS libraries with kernels and threads; empty if threadpoolctl is not installed."""
    if find_spec("threadpoolctl") is None:
        return []
    loaded = needs("bench", "threadpoolctl", "the number of threads")
    pools = [pool for pool in loaded.threadpool_info() if pool["user_api"] == "blas"]
    return [
        f"{pool['internal_api']} {pool['version']} ({pool.get('architecture', '?')}), "
        f"{counted(pool['num_threads'], 'thread')}"
        for pool in pools
    ]
