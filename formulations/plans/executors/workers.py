"""Who computes: the process, and the kernels that it computes with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from formulations.arrays import loaded_blas, one_blas_thread, owner_of
from formulations.display import counted

__all__ = ["Worker", "differing_kernels", "limit_blas_elsewhere", "this_worker"]

PROCESS = os.urandom(8).hex()
"""With the number of the process, its identity: a forked child has the same token, another container may have the same
number."""


def limit_blas_elsewhere(home: tuple[str, int]) -> None:
    """Limit BLAS to one thread until this process ends, unless it is the process with this identity.

    Raises
    ------
    MissingExtra
        As for :data:`formulations.arrays.one_blas_thread`.
    """
    process = this_worker().process
    if process != home:
        _limit_for_good(process)


@cache
def _limit_for_good(_: tuple[str, int]) -> None:
    """Limit the threads once; a forked child inherits the cache, but not the identity."""
    one_blas_thread.__enter__()


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
        """Return which kernels differ from those of another process, among those that both have loaded."""
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
    more = f", and {counted(len(workers) - 1, 'more worker')} that differ from this process" if len(workers) > 1 else ""
    return (
        "all processes must have the same BLAS and kind of processor for the sum to have the same bits in each, got "
        f"{first.name} with {', '.join(first.differences(here))} in this one{more}; start the workers with one "
        "environment on machines of one kind."
    )


def _kernels() -> dict[str, str]:
    vector: Any = np.show_config(mode="dicts")
    found = {"NumPy": f"{np.__version__} with {' '.join(vector['SIMD Extensions']['found']) or 'no extensions'}"}
    for library in loaded_blas():
        # NumPy and SciPy may each bring one.
        found[f"{library['internal_api']} of {owner_of(library)}"] = (
            f"{library['version']} {library.get('architecture')}"
        )
    return found
