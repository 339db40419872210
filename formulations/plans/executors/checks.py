"""Checks of an executor: whether it accepts tasks, whether what they need reaches its workers, and whether it broke."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from typing import Any

from formulations.exceptions import FormulationsException, Refused, WrongType, described
from formulations.plans.executors.workers import Worker, this_worker

__all__ = ["checked_executor", "gave_up", "is_lost", "loss", "probe", "probed", "reason"]

KILLED, ABSENT = "KilledWorker", "NoValidWorkerError"
"""What Dask raises if a task kills one worker after another, and if no worker comes back; Dask may be absent."""


def checked_executor(executor: Any) -> Executor:
    """Return an executor that accepts tasks.

    Raises
    ------
    WrongType
        If it is not an executor, or its ``submit`` returns no future.
    Refused
        If it was shut down, is broken, or raises another exception than RuntimeError.
    RuntimeError
        If its ``submit`` raises this for another reason, which the message names.
    """
    if not isinstance(executor, Executor):
        remedy = "client.get_executor()" if hasattr(executor, "get_executor") else "for instance ProcessPoolExecutor()"
        raise WrongType(
            f"executor must be None or an executor of concurrent.futures, got {type(executor).__name__}; pass {remedy}."
        )
    try:
        future = executor.submit(int)
    except RuntimeError as caught:
        if isinstance(caught, BrokenExecutor):
            state = "is broken"
        elif "shutdown" in str(caught):
            state = "has been shut down"
        else:
            # For instance multiprocessing's, where a process starts others before it has read the script.
            raise
        raise Refused(f"executor must accept tasks, got one that {state} ({caught}); make a new one.") from caught
    except Exception as caught:  # a user's executor may raise anything
        raise Refused(
            f"executor must accept tasks, and submit of {described(executor)} raised {reason(caught)}; make a new "
            "one, or correct its submit."
        ) from caught
    if not isinstance(future, Future):
        raise WrongType(
            f"submit of executor must return a future of concurrent.futures, got {described(future)} from "
            f"{described(executor)}; correct it, or pass an executor of concurrent.futures."
        )
    future.cancel()
    return executor


def probed(executor: Executor, things: Sequence[tuple[str, Any]]) -> Worker:
    """Send all that tasks will need to a worker that computes nothing with it, and return this worker.

    Parameters
    ----------
    executor : concurrent.futures.Executor
        Threads receive anything, the processes of ``concurrent.futures`` what pickle can write here and read there, and
        those of others also what cloudpickle can.
    things : sequence of (str, object)
        What is to be sent, each with its name for messages, such as ``"backend 'sigma'"``.

    Returns
    -------
    Worker

    Raises
    ------
    WrongType
        If one of the things does not arrive.
    """
    try:
        return _received(executor, [thing for _, thing in things])
    except Exception as caught:  # __reduce__ and its like may raise anything
        if _is_of_executor(caught):
            raise
        for what, thing in things:
            try:
                _received(executor, [thing])
            except Exception as refused:  # likewise
                if _is_of_executor(refused):
                    raise
                raise WrongType(
                    f"{what} must be something that the executor can send to its workers, and it is not "
                    f"({reason(refused)}); define its functions and classes at the top of a module "
                    "that the workers can import, or use an executor of threads."
                ) from refused
        raise


def _is_of_executor(failure: Exception) -> bool:
    return isinstance(failure, FormulationsException) or is_lost(failure)


def _received(executor: Executor, things: list[Any]) -> Worker:
    from concurrent.futures import ProcessPoolExecutor

    if isinstance(executor, ProcessPoolExecutor):
        from multiprocessing.reduction import ForkingPickler

        # Its processes read a task before they run it, and end if they cannot.
        return executor.submit(_read, bytes(ForkingPickler.dumps(things))).result()
    return executor.submit(probe, *things).result()


def probe(*_: Any) -> Worker:
    """Return which process computes, if the arguments have arrived there."""
    return this_worker()


def _read(written: bytes) -> Worker:
    """Read what the pool would have read otherwise; an exception goes back as that of any task."""
    return probe(pickle.loads(written))


def gave_up(failure: BaseException) -> bool:
    """Whether Dask has given up on a task, since the workers that took it died one after another."""
    return type(failure).__name__ == KILLED


def is_lost(failure: BaseException) -> bool:
    """Whether a task will never be done, since the executor broke, cancelled it, gave it up or has no workers."""
    return isinstance(failure, BrokenExecutor | CancelledError) or type(failure).__name__ in (KILLED, ABSENT)


def reason(failure: BaseException) -> str:
    """Return the class of an exception and the first line of its message, since some have paragraphs."""
    return ": ".join([type(failure).__name__, *str(failure).splitlines()[:1]])


def loss(failure: BaseException, unfinished: str = "") -> str:
    """Return the message for an executor that has lost tasks.

    Parameters
    ----------
    failure : BaseException
        What it raised.
    unfinished : str
        What will not be done, such as ``" with chunk 3 of 5 unfinished"``.
    """
    return (
        f"executor must finish its tasks, and it broke ({reason(failure)}){unfinished}; make a new one and call again "
        "(workers die if memory runs out, or if the script that starts them is not a file or has no "
        'if __name__ == "__main__": guard).'
    )
