"""Processes that compute: one thread of BLAS in each, and the kernels that they compute with.

A task has a core to itself: two threads of BLAS round otherwise than one, and processes with as many threads as there
are cores wait for one another.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import numpy as np

from formulations.arrays import SharedLimit
from formulations.display import counted
from formulations.exceptions import Refused, needs, why_absent

__all__ = ["Worker", "differing_kernels", "limit_blas_elsewhere", "one_blas_thread", "this_worker"]

VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS")
"""The variables that limit the threads of BLAS before Python starts."""

PROCESS = os.urandom(8).hex()
"""With the number of the process, its identity: a forked child has the same token, another container may have the same
number."""


def limit_blas_elsewhere(home: tuple[str, int]) -> None:
    """Let BLAS use one thread for the rest of this process's life, if it is another than the one with this identity.

    Raises
    ------
    MissingExtra
        As for ``one_blas_thread``.
    """
    process = this_worker().process
    if process != home:
        _limit_for_good(process)


@cache
def _limit_for_good(_: tuple[str, int]) -> None:
    """Limit the threads once; a forked child inherits the cache, but not the identity."""
    one_blas_thread.__enter__()


def _limited() -> Callable[[], None] | None:
    """Limit the threads, and return what restores them; None if there is but one.

    Raises
    ------
    Refused
        If another thread holds a limit of its own.
    """
    if why_absent("threadpoolctl") is not None and any(os.environ.get(name) == "1" for name in VARIABLES):
        return None
    what = "one thread for BLAS, unless OPENBLAS_NUM_THREADS=1 or its like is set before Python starts,"
    needs("bench", "threadpoolctl", what)
    controller = _controller()
    if _most_threads(controller) <= 1:
        return None
    limit = controller.limit(limits=1, user_api="blas")
    # Since version 3.8, only the thread that has set a limit can change it; here whoever is the last restores it.
    release = getattr(needs("bench", "threadpoolctl", what).OpenBLASController, "clear_controlling_thread", None)
    if (most := _most_threads(controller)) > 1:
        raise Refused(
            f"BLAS must compute with one thread, and another thread of this process limits it to {most} by "
            "threadpoolctl; end that limit first."
        )

    def restore() -> None:
        if release is not None:
            release(force=True)
        limit.restore_original_limits()
        if release is not None:
            release(force=True)

    return restore


one_blas_thread = SharedLimit(_limited)
"""Lets BLAS compute with one thread inside a ``with`` block, in all threads of this process.

Entering it raises :class:`formulations.exceptions.MissingExtra` if threadpoolctl is not installed, and the environment
does not limit the threads either, and :class:`formulations.exceptions.Refused` if another thread holds a limit of its
own.
"""


def _most_threads(controller: Any) -> int:
    return max((each["num_threads"] for each in controller.info() if each["user_api"] == "blas"), default=1)


def _controller() -> Any:
    # Looking for libraries takes a millisecond; only an import loads more of them.
    return _controller_of(len(sys.modules))


@lru_cache(maxsize=1)
def _controller_of(_: int) -> Any:
    return needs("bench", "threadpoolctl", "one thread for BLAS").ThreadpoolController()


@dataclass(frozen=True)
class Worker:
    """A process that computes.

    Attributes
    ----------
    process : tuple of (str, int)
        Its identity.
    name : str
        Its host and number.
    kernels : dict of str to str
        What computes: NumPy's version and vector instructions, and the version and kernels of each BLAS.
    wide : int
        The binary digits of longdouble, whose format differs between processors.
    """

    process: tuple[str, int]
    name: str
    kernels: dict[str, str] = field(default_factory=dict)
    wide: int = 0

    def differences(self, other: Worker) -> list[str]:
        """Return what computes here that computes otherwise in another process, for what both have loaded."""
        return [
            f"{name} {kernel} instead of {other.kernels[name]}"
            for name, kernel in self.kernels.items()
            if other.kernels.get(name, kernel) != kernel
        ]


def this_worker() -> Worker:
    """Return this process."""
    # A forked child inherits the cache, but not the number.
    return _worker((PROCESS, os.getpid()))


@cache
def _worker(process: tuple[str, int]) -> Worker:
    from socket import gethostname

    return Worker(process, f"process {process[1]} on {gethostname()}", _kernels(), int(np.finfo(np.longdouble).nmant))


def differing_kernels(workers: Sequence[Worker]) -> str:
    """Return the message for workers with other kernels than this process."""
    first, here = workers[0], this_worker()
    more = f", and {counted(len(workers) - 1, 'more worker')} like it or otherwise" if len(workers) > 1 else ""
    return (
        "all processes must have the same BLAS and kind of processor for the sum to have the same bits in each, got "
        f"{first.name} with {', '.join(first.differences(here))} in this one{more}; start the workers with one "
        "environment on machines of one kind."
    )


def _kernels() -> dict[str, str]:
    vector: Any = np.show_config(mode="dicts")
    found = {"NumPy": f"{np.__version__} with {' '.join(vector['SIMD Extensions']['found']) or 'no extensions'}"}
    if why_absent("threadpoolctl") is None:
        for library in _controller().info():
            if library["user_api"] == "blas":
                # NumPy and SciPy may each bring one.
                owner = os.path.basename(os.path.dirname(library["filepath"]))
                found[f"{library['internal_api']} in {owner}"] = f"{library['version']} {library.get('architecture')}"
    return found
