"""One pool of threads: a limit that several calls share, and one thread for SciPy's BLAS.

NumPy's and SciPy's wheels each bring an OpenBLAS, whose threads spin for a while after each product. If a computation
alternates between the two, each pool keeps from the cores what the other needs. Products in several threads are
always NumPy's. SciPy's BLAS gets only products that it computes in one thread
(:mod:`formulations.arrays.blas.products`), and vectors, for which :data:`scipy_in_one_thread` limits it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from ctypes import CDLL
from functools import cache
from pathlib import Path
from typing import Any

import scipy

__all__ = ["SharedLimit", "scipy_in_one_thread"]


class SharedLimit:
    """A limit that the first of several overlapping ``with`` blocks sets, and the last one removes.

    If each block restored what it found, one that ends would give its threads back to another.

    Parameters
    ----------
    limited : callable () -> callable or None
        Sets the limit, and returns what removes it; None if there is nothing to remove.
    """

    def __init__(self, limited: Callable[[], Callable[[], object] | None]) -> None:
        self._limited = limited
        self._forget()
        if hasattr(os, "register_at_fork"):
            # The thread that holds the lock, or will leave, is not in the child.
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._remove: Callable[[], object] | None = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._remove = self._limited()
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and self._remove is not None:
                self._remove()


def _limited() -> Callable[[], object] | None:
    threads = _threads_of_scipy()
    if threads is None:
        return None
    get, put = threads
    before = get()
    put(1)
    return lambda: put(before)


@cache
def _threads_of_scipy() -> tuple[Callable[[], int], Callable[[int], object]] | None:
    """Return what reads and sets the threads of the OpenBLAS in SciPy's wheel; None if SciPy came otherwise."""
    package = Path(scipy.__file__).parent
    for folder in (package.parent / "scipy.libs", package / ".dylibs"):
        for path in folder.glob("libscipy_openblas[-.]*"):
            library: Any = CDLL(str(path))
            return library.scipy_openblas_get_num_threads, library.scipy_openblas_set_num_threads
    return None


scipy_in_one_thread = SharedLimit(_limited)
"""Gives the OpenBLAS of SciPy's wheel one thread inside a ``with`` block.

Another BLAS, which NumPy and SciPy may share, stays as it is.
"""
