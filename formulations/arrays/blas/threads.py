"""The threads of BLAS: a limit that several calls share, one thread for SciPy's BLAS, and one for each.

NumPy's and SciPy's wheels each bring an OpenBLAS, whose threads spin for a while after each product. If a computation
alternates between the two, each pool occupies cores that the other needs. Products in several threads are always
NumPy's. SciPy's BLAS gets only products that it computes in one thread (:mod:`formulations.arrays.blas.products`), and
vectors, for which :data:`scipy_in_one_thread` limits it.

A task of an executor has a core to itself, so :data:`one_blas_thread` limits every BLAS: two threads round differently
from one, and processes with as many threads as there are cores wait for one another.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from ctypes import CDLL
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import scipy

from formulations.exceptions import Refused, needs, why_absent

__all__ = ["SharedLimit", "loaded_blas", "one_blas_thread", "owner_of", "scipy_in_one_thread"]

VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS")
"""The variables that limit the threads of BLAS before Python starts."""


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


def _scipy_limited() -> Callable[[], object] | None:
    threads = _threads_of_scipy()
    if threads is None:
        return None
    get, put = threads
    before = get()
    put(1)
    return lambda: put(before)


@cache
def _threads_of_scipy() -> tuple[Callable[[], int], Callable[[int], object]] | None:
    """Return what reads and sets the threads of the OpenBLAS in SciPy's wheel; None if SciPy has another BLAS."""
    package = Path(scipy.__file__).parent
    for folder in (package.parent / "scipy.libs", package / ".dylibs"):
        for path in folder.glob("libscipy_openblas[-.]*"):
            library: Any = CDLL(str(path))
            return library.scipy_openblas_get_num_threads, library.scipy_openblas_set_num_threads
    return None


scipy_in_one_thread = SharedLimit(_scipy_limited)
"""Gives the OpenBLAS of SciPy's wheel one thread inside a ``with`` block.

Another BLAS, which NumPy and SciPy may share, stays as it is.
"""


def _limited() -> Callable[[], None] | None:
    """Limit the threads, and return what restores them; None if there is only one.

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
    # Since version 3.8, only the thread that has set a limit can change it; here the last one to leave restores it.
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


def loaded_blas() -> list[dict[str, Any]]:
    """Return what threadpoolctl knows of each BLAS that is loaded; nothing if it is not installed."""
    return _known(_controller()) if why_absent("threadpoolctl") is None else []


def owner_of(library: Mapping[str, Any]) -> str:
    """Return the package whose wheel brings a BLAS, such as ``"numpy"``; the name of its folder, if none does.

    Examples
    --------
    >>> [owner_of({"filepath": f"/site-packages/{path}/blas.so"}) for path in ("numpy.libs", "scipy/.dylibs")]
    ['numpy', 'scipy']
    """
    folder = Path(library["filepath"]).parent
    return folder.parent.name if folder.name.startswith(".") else folder.name.partition(".")[0]


def _known(controller: Any) -> list[dict[str, Any]]:
    return [library for library in controller.info() if library["user_api"] == "blas"]


def _most_threads(controller: Any) -> int:
    return max((library["num_threads"] for library in _known(controller)), default=1)


def _controller() -> Any:
    # Looking for libraries takes a millisecond; only an import loads more of them.
    return _controller_of(len(sys.modules))


@lru_cache(maxsize=1)
def _controller_of(_: int) -> Any:
    return needs("bench", "threadpoolctl", "one thread for BLAS").ThreadpoolController()
