"""``--jobs``: processes that judge in parallel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import click

from formulations.arrays import positive_integer

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

__all__ = ["jobs_option", "processes"]

jobs_option = click.option(
    "--jobs", type=int, default=1, show_default=True, metavar="N", help="Number of processes that judge in parallel."
)


@contextmanager
def processes(jobs: int) -> Iterator[ProcessPoolExecutor | None]:
    """Yield an executor of this many processes, or None for one; Ctrl-C ends them at once."""
    jobs = positive_integer(jobs, "--jobs")
    if jobs == 1:
        yield None
        return
    import signal
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import active_children, get_context

    before = set(active_children())
    # A forked process would inherit the locks of threads that it does not have. A terminal sends Ctrl-C to all
    # processes, and each would print a traceback.
    ignore = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=ignore) as executor:
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            ours = set(active_children()) - before
            for child in ours:
                child.terminate()
            for child in ours:
                child.join()
            raise
