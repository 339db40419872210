"""Threads: how many the libraries of products use, and whether the machine has cores left for them.

NumPy's and SciPy's wheels, PyTorch and JAX each bring a pool of threads, whose threads wait for work by running in
circles. Two pools that are used in turn take each other's cores: a product of 10⁶ multiplications takes 0.05 ms in one
thread, and took 50 ms between two pools on a busy machine of two cores.
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
    """How many threads there were for a measurement, and how many wanted the same cores.

    Attributes
    ----------
    limit : int or None
        What every pool was limited to; None where they were left as they are.
    pools : mapping of str to int
        The threads of each pool that is known.
    unlimited : mapping of str to str
        The pools that could not be limited though they should have been, and why.
    cores : int
        That this process may use.
    load : float or None
        How many threads of the whole machine wanted a core in the minute before; None where the system does not say.
    """

    limit: int | None = None
    pools: Mapping[str, int] = field(default_factory=dict)
    unlimited: Mapping[str, str] = field(default_factory=dict)
    cores: int = 1
    load: float | None = None

    @property
    def crowded(self) -> bool:
        """Whether others leave too few cores for these threads; half a thread is what this process itself did before.

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
            return f"as they are{f' ({known})' if known else ''}"
        exceptions = ", ".join(f"{name} ({why})" for name, why in self.unlimited.items())
        return f"{self.limit}{f', except {exceptions}' if exceptions else ''}"


@contextmanager
def limited_threads(limit: int | None, *, needed: bool = True) -> Iterator[Threads]:
    """Let BLAS and OpenMP, and PyTorch where it is loaded, use so many threads; None leaves them as they are.

    Parameters
    ----------
    limit : int or None
        How many threads.
    needed : bool
        Whether it is an exception if BLAS and OpenMP cannot be limited; otherwise the result says so.

    Yields
    ------
    Threads
        What holds inside the ``with`` block.

    Raises
    ------
    MissingExtra
        Where threadpoolctl is not installed, and is needed.
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
        # Loading it here would bring its threads into a process that does without.
        if torch := sys.modules.get("torch"):
            if limit is not None:
                limits.callback(torch.set_num_threads, torch.get_num_threads())
                torch.set_num_threads(limit)
            pools["torch"] = torch.get_num_threads()
        if limit is not None and "jax" in sys.modules:
            unlimited["JAX"] = "its pool cannot be limited after its start"
        yield Threads(limit, pools, unlimited, cores, load)


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _load() -> float | None:
    """Return the load average of the last minute; None where there is none, as on Windows."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None
