"""Contestants in a process of their own.

Every library of products and every compiler's run time keeps threads that wait for work by running in circles. Several
of them take each other's cores, a tenth of a second at a time. So a peer that brings its own gets a process for itself;
it is called in turn with everybody else, with silence between, and keeps its own time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any

import numpy as np

from formulations.comparison.race.cells import Cell
from formulations.comparison.race.contestant import Ready
from formulations.comparison.race.peers import PEERS
from formulations.comparison.threads import limited_threads
from formulations.comparison.timing import settle, timed, without_collector
from formulations.exceptions import CandidateFailed, FormulationsException, Refused

__all__ = ["Isolated", "isolated"]


@dataclass
class Isolated:
    """A peer in its process, as something to call and to time.

    Attributes
    ----------
    name : str
        Who.
    connection : Connection
        To the process.
    """

    name: str
    connection: Connection

    def __call__(self) -> float:
        """Call it once, and return the seconds that it took."""
        return self.timed(1)

    def timed(self, repeats: int) -> float:
        """Return seconds per call over so many calls, by the process's own clock."""
        return self._ask("timed", repeats)

    def settle(self, seconds: float) -> float:
        """Call it for so many seconds."""
        return self._ask("settle", seconds)

    def _ask(self, what: str, number: float) -> float:
        try:
            self.connection.send((what, number))
            answer: float = self.connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise CandidateFailed(
                f"the process of {self.name} ended while it was timed; leave that peer out with --against."
            ) from None
        return answer


@contextmanager
def isolated(name: str, cell: Cell, dtype: str, threads: int | None) -> Iterator[Ready]:
    """Hold a peer in a process of its own, prepared for a cell, inside a ``with`` block.

    Raises
    ------
    Refused
        Where it cannot take part, with its reason.
    """
    # A forked process would inherit the locks of threads that it does not have.
    context = get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=_serve, args=(its, name, cell, dtype, threads), daemon=True)
    process.start()
    its.close()
    try:
        yield _ready(name, mine)
    finally:
        mine.close()
        process.join(5)
        process.terminate()


def _ready(name: str, connection: Connection) -> Ready:
    try:
        answer = connection.recv()
    except EOFError:
        answer = "its process ended without a word."
    if isinstance(answer, str):
        raise Refused(answer)
    verdict, first = answer
    return Ready(Isolated(name, connection), lambda _: verdict, first)


def _serve(connection: Connection, name: str, cell: Cell, dtype: str, threads: int | None) -> None:
    """Prepare a peer, send the verdict on it or the reason against it, and answer until nobody asks any more."""
    try:
        problem = cell.problem(dtype)
        start = perf_counter()
        ready = PEERS[name].enter(problem)
        with limited_threads(threads), np.errstate(all="ignore"):
            result = ready.call()
            first = perf_counter() - start
            connection.send((ready.judge(result) if ready.judge is not None else None, first))
            _answer(connection, ready.call)
    except FormulationsException as caught:
        connection.send(str(caught))
    except Exception as caught:  # what a package raises in its own process is told where the race is
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
