"""One thread for BLAS, and what it computes with.

A task has a core to itself: two threads of BLAS round otherwise than one, and processes with as many threads as there
are cores wait for one another.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from secrets import token_hex
from socket import gethostname
from typing import Any

import numpy as np

from formulations.exceptions import needs, why_absent

__all__ = ["Worker", "limit_blas_elsewhere", "one_blas_thread", "this_worker"]

VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS")
"""The variables that limit the threads of BLAS before Python starts."""

PROCESS = token_hex(8)
"""With the number of the process, its identity: a forked child has the same token, another container may have the same
number."""


class _Limit:
    """The limit of this process, set by the first that needs it and removed by the last."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, in a forked child."""
        self._lock = threading.Lock()
        self._users = 0
        self._restore: Any = None

    def enter(self) -> None:
        with self._lock:
            if not self._users:
                self._restore = _limited()
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and self._restore is not None:
                self._restore()


_LIMIT = _Limit()
if hasattr(os, "register_at_fork"):
    # The thread that holds the lock, or will leave, is not in the child.
    os.register_at_fork(after_in_child=_LIMIT.forget)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS compute with one thread inside a ``with`` block, in all threads of this process.

    Blocks may overlap: if each restored what it found, one that ends would give its threads back to another.

    Raises
    ------
    MissingExtra
        If threadpoolctl is not installed, and the environment does not limit the threads either.
    """
    _LIMIT.enter()
    try:
        yield
    finally:
        _LIMIT.leave()


def limit_blas_elsewhere(home: tuple[str, int]) -> None:
    """Let BLAS use one thread for the rest of this process's life, if it is another than the one with this identity.

    Raises
    ------
    MissingExtra
        As :func:`one_blas_thread`.
    """
    process = this_worker().process
    if process != home:
        _limit_for_good(process)


@cache
def _limit_for_good(_: tuple[str, int]) -> None:
    """Limit the threads once; a forked child inherits the cache, but not the identity."""
    # Not by the context manager: it would leave as soon as it is collected.
    _LIMIT.enter()


def _limited() -> Any:
    """Limit the threads, and return what restores them."""
    if any(os.environ.get(name) == "1" for name in VARIABLES) and why_absent("threadpoolctl") is not None:
        return None
    return _controller().limit(limits=1, user_api="blas").restore_original_limits


def _controller() -> Any:
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
        The digits of the widest precision.
    """

    process: tuple[str, int]
    name: str
    kernels: dict[str, str] = field(default_factory=dict)
    wide: int = 0


def this_worker() -> Worker:
    """Return this process."""
    # A forked child inherits the cache, but not the number.
    return _worker((PROCESS, os.getpid()))


@cache
def _worker(process: tuple[str, int]) -> Worker:
    return Worker(process, f"process {process[1]} on {gethostname()}", _kernels(), int(np.finfo(np.longdouble).nmant))


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
