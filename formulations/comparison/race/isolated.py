"""Contestants in separate processes.

The threads of BLAS libraries and of compilers' run times spin while they wait for work, so several pools in one process
compete for the cores, for a tenth of a second at a time. A peer with its own pool therefore runs in its own process. It
is called in turn with the others, after a pause, and measures its own time.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

from formulations.comparison.race.contestant import Contestant, Prepares, Ready
from formulations.comparison.threads import limited_threads
from formulations.comparison.timing import settle, timed, without_collector
from formulations.exceptions import CandidateFailed, FormulationsException, Refused

__all__ = ["Isolated", "isolate"]

T = TypeVar("T")


@dataclass
class Isolated:
    """A peer in its own process, which can be called and timed.

    Attributes
    ----------
    name : str
        The peer.
    connection : Connection
        To the process.
    """

    name: str
    connection: Connection

    def __call__(self) -> float:
        """Call the peer once, and return the seconds that it took."""
        return self.timed(1)

    def timed(self, repeats: int) -> float:
        """Return the seconds per call, over this many calls, measured in the process."""
        return self._ask("timed", repeats)

    def settle(self, seconds: float) -> float:
        """Call the peer for at least this many seconds, and return the seconds that it took."""
        return self._ask("settle", seconds)

    def _ask(self, what: str, number: float) -> float:
        try:
            self.connection.send((what, number))
            answer: float = self.connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise CandidateFailed(
                f"the process of {self.name} ended while it was timed; exclude that peer with --against."
            ) from None
        return answer


@contextmanager
def isolate(contestant: Contestant[T], cell: Prepares[T], dtype: str, threads: int | None) -> Iterator[Ready]:
    """Run a contestant, prepared for a cell, in its own process inside a ``with`` block.

    What prepares it must be a function of a module, which the process imports.

    Raises
    ------
    Refused
        If it cannot take part, with the reason.
    """
    # A forked process would inherit the locks of threads that it does not have.
    context = get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=_serve, args=(its, contestant.enter, cell, dtype, threads), daemon=True)
    with _interrupts_kept_from_children():
        process.start()
    its.close()
    try:
        yield _ready(contestant.name, mine)
    except BaseException:
        # Nobody waits for its answer any more, and its compiler may take minutes.
        process.terminate()
        raise
    finally:
        mine.close()
        process.join(5)
        process.terminate()


@contextmanager
def _interrupts_kept_from_children() -> Iterator[None]:
    """Block SIGINT: a process that is started meanwhile never receives it, and this one does afterwards.

    A terminal sends Ctrl-C to all processes, and each would print a traceback, also while it imports what it runs.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # It unblocks SIGINT when it has started.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ready(name: str, connection: Connection) -> Ready:
    try:
        answer = connection.recv()
    except EOFError:
        answer = "its process ended without an answer."
    if isinstance(answer, str):
        raise Refused(answer)
    verdict, first = answer
    return Ready(Isolated(name, connection), lambda _: verdict, first)


def _serve(
    connection: Connection, enter: Callable[[T], Ready], cell: Prepares[T], dtype: str, threads: int | None
) -> None:
    """Prepare a peer, send its verdict or the reason against it, and answer until the connection is closed."""
    if threads == 1:
        # JAX reads this when it is imported; later, its pool cannot be limited.
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false"
    try:
        problem = cell.problem(dtype)
        start = perf_counter()
        ready = enter(problem)
        with limited_threads(threads), np.errstate(all="ignore"):
            result = ready.call()
            first = perf_counter() - start
            connection.send((ready.judge(result) if ready.judge is not None else None, first))
            _answer(connection, ready.call)
    except FormulationsException as caught:
        connection.send(str(caught))
    except Exception as caught:  # the race reports what a package raises in its process
        connection.send(f"{type(caught).__name__}: {caught}")


def _answer(connection: Connection, call: Callable[[], Any]) -> None:
    answers: dict[str, Callable[[Any], float]] = {
        "timed": lambda repeats: timed(call, repeats),
        "settle": lambda seconds: settle(call, seconds),
    }
    with without_collector():
        while True:
            try:
                what, number = connection.recv()
            except EOFError:
                return
            connection.send(answers[what](number))
