"""The threads of BLAS, OpenMP, PyTorch and JAX, and the load of the machine.

NumPy's and SciPy's wheels, PyTorch and JAX each have a pool of threads that spin while they wait for work. Two pools
used in turn compete for the cores: a product of 10⁶ multiplications takes 0.05 ms in one thread, and took 50 ms with
two pools on a busy machine with two cores.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from formulations.exceptions import needs, why_absent

__all__ = ["Threads", "limited_threads"]


@dataclass(frozen=True)
class Threads:
    """The threads of a measurement, and the load of the machine before it.

    Attributes
    ----------
    limit : int or None
        The limit of every pool; None if they are unchanged.
    pools : mapping of str to int
        The threads of each known pool.
    unlimited : mapping of str to str
        The pools that could not be limited, and why.
    cores : int
        Those that this process may use.
    load : float or None
        Average number of threads of the machine that were ready to run in the last minute; None if unknown.
    """

    limit: int | None = None
    pools: Mapping[str, int] = field(default_factory=dict)
    unlimited: Mapping[str, str] = field(default_factory=dict)
    cores: int = 1
    load: float | None = None

    @property
    def crowded(self) -> bool:
        """Whether other work leaves too few cores for these threads; half a thread is attributed to this process.

        Examples
        --------
        >>> Threads(limit=1, cores=2, load=1.2).crowded, Threads(limit=1, cores=2, load=1.8).crowded
        (False, True)
        """
        return self.load is not None and self.load + (self.limit or self.cores) > self.cores + 0.5

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {**asdict(self), "crowded": self.crowded}

    def __str__(self) -> str:
        if self.limit is None:
            known = ", ".join(f"{name} {count}" for name, count in self.pools.items())
            return f"unchanged{f' ({known})' if known else ''}"
        exceptions = ", ".join(f"{name} ({why})" for name, why in self.unlimited.items())
        return f"{self.limit}{f', except {exceptions}' if exceptions else ''}"


@contextmanager
def limited_threads(limit: int | None, *, needed: bool = True) -> Iterator[Threads]:
    """Limit the threads of BLAS, OpenMP and, if it is loaded, PyTorch inside a ``with`` block.

    Parameters
    ----------
    limit : int or None
        The number of threads; None leaves them unchanged.
    needed : bool
        Whether to raise if BLAS and OpenMP cannot be limited; otherwise the result says so.

    Yields
    ------
    Threads
        Those inside the ``with`` block.

    Raises
    ------
    MissingExtra
        If threadpoolctl is needed and not installed.
    """
    load, cores = _load(), _cores()
    pools: dict[str, int] = {}
    unlimited: dict[str, str] = {}
    with ExitStack() as limits:
        if limit is not None and needed:
            needs("bench", "threadpoolctl", "the number of threads")
        if why_absent("threadpoolctl") is None:
            controller = needs("bench", "threadpoolctl", "the number of threads").ThreadpoolController()
            if limit is not None:
                limits.enter_context(controller.limit(limits=limit))
            for pool in controller.info():
                name = pool["internal_api"]
                pools[name] = max(pools.get(name, 0), pool["num_threads"])
        elif limit is not None:
            unlimited["BLAS and OpenMP"] = "to limit these, install threadpoolctl"
        # Importing it here would start threads that the process does not need.
        if torch := sys.modules.get("torch"):
            if limit is not None:
                limits.callback(torch.set_num_threads, torch.get_num_threads())
                torch.set_num_threads(limit)
            pools["torch"] = torch.get_num_threads()
        if limit is not None and "jax" in sys.modules:
            unlimited["JAX"] = "its pool cannot be limited after its start"
        yield Threads(limit, pools, unlimited, cores, load)


def _cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _load() -> float | None:
    """Return the load average of the last minute; None if the system has none, as Windows."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None
