"""The machine, packages and threads of a measurement."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from formulations.arrays import IN_ONE_THREAD, loaded_blas, owner_of
from formulations.display import counted

__all__ = ["describe_machine"]

PACKAGES = ("backprop-formulations", "numpy", "scipy", "numba", "torch", "jax", "autograd", "scikit-learn")
OWNERS = {"numpy": "NumPy's ", "scipy": "SciPy's "}
"""The packages whose wheels bring a BLAS."""


def describe_machine() -> dict[str, Any]:
    """Return the processor, threads, versions and date, which a reader needs to interpret the numbers."""
    pools = loaded_blas()
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "blas": _blas(pools),
        "products": _products(pools),
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


def _blas(pools: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return each BLAS with its kernels and threads, and the package whose wheel brings it."""
    return [
        f"{_owner(pool)}{pool['internal_api']} {pool['version']} ({pool.get('architecture', '?')}), "
        f"{counted(pool['num_threads'], 'thread')}"
        for pool in pools
    ]


def _products(pools: Sequence[Mapping[str, Any]]) -> str:
    """Say which threads compute the products of this library."""
    of_numpy = [pool["num_threads"] for pool in pools if _owner(pool) == OWNERS["numpy"] or len(pools) == 1]
    known = counted(of_numpy[0], "thread") if of_numpy else "threads"
    return (
        f"products in the {known} of NumPy's BLAS; in one thread, up to {IN_ONE_THREAD:,} multiplications: "
        "products in compiled code, and those that SciPy's BLAS adds to weights in place"
    )


def _owner(pool: Mapping[str, Any]) -> str:
    """Return whose wheel brings a BLAS, such as ``"NumPy's "``; empty for one of the system."""
    return OWNERS.get(owner_of(pool), "")
