"""Options that several commands share, and what they describe."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, reduce, wraps
from inspect import signature
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from formulations.arrays import (
    BATCH_SIZE,
    DTYPE_NAMES,
    Array,
    positive_integer,
    random_generator,
    size_of_batch,
)
from formulations.cli.completion import complete_file, complete_names
from formulations.data import Problem, make_problem, problem_for, read_examples
from formulations.exceptions import InvalidInput
from formulations.functions import ACTIVATIONS, COSTS, get_activation
from formulations.network import INITIALIZATIONS, load

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

__all__ = [
    "activations_option",
    "as_column",
    "batch_size_for",
    "batch_size_option",
    "cost_option",
    "delimiter_option",
    "dtype_option",
    "header_option",
    "init_option",
    "jobs_option",
    "json_option",
    "network_option",
    "parse_backends",
    "parse_sizes",
    "problem_options",
    "processes",
    "read_examples",
    "read_problem",
    "refuse_beside_network",
    "refuse_overwriting",
    "seed_option",
    "split_names",
]

activations_option = click.option(
    "--activations",
    default="sigmoid",
    show_default=True,
    metavar="NAME,…",
    help=f"One for all layers, or one for each, comma-separated: {', '.join(ACTIVATIONS)}.",
    shell_complete=complete_names(ACTIVATIONS),
)
jobs_option = click.option(
    "--jobs", type=int, default=1, show_default=True, metavar="N", help="Number of processes that judge in parallel."
)
cost_option = click.option(
    "--cost",
    default="quadratic",
    show_default=True,
    metavar="NAME",
    help=f"One of {', '.join(COSTS)}; or one times a factor, such as '2/3 quadratic'.",
    shell_complete=complete_names(COSTS, several=False),
)
network_option = click.option(
    "--network",
    metavar="FILE.npz",
    help="A network written by train --save, instead of a random one.",
    shell_complete=complete_file,
)

sizes_option = click.option(
    "--sizes", metavar="N,N,…", help="Neurons of each layer, the input first.  [default: 64,30,10]"
)
init_option = click.option(
    "--init",
    default="glorot",
    show_default=True,
    metavar="NAME",
    help=f"Random weights by {', '.join(INITIALIZATIONS)}.",
    shell_complete=complete_names(INITIALIZATIONS, several=False),
)
dtype_option = click.option(
    "--dtype",
    default="float64",
    show_default=True,
    metavar="DTYPE",
    help="float32, float64 or longdouble.",
    shell_complete=complete_names(DTYPE_NAMES, several=False),
)
seed_option = click.option("--seed", type=int, default=0, show_default=True, help="For weights, data and shuffling.")
batch_size_option = click.option(
    "--batch-size",
    type=int,
    help=f"Examples in a mini-batch.  [default: {BATCH_SIZE}, or all if there are fewer]",
)
header_option = click.option(
    "--header/--no-header",
    default=None,
    help="Whether a table has names in its first row.  [default: if none of its cells is a number]",
)
delimiter_option = click.option(
    "--delimiter", metavar="CHARACTER", help="What separates the cells of a table.  [default: guessed]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")

PROBLEM_OPTIONS = (
    sizes_option,
    activations_option,
    cost_option,
    init_option,
    dtype_option,
    network_option,
    seed_option,
    click.option(
        "--data",
        metavar="FILE.npz",
        help="Arrays X (m, n₁) and Y (m, n_L) instead of the embedded digits.",
        shell_complete=complete_file,
    ),
    batch_size_option,
    json_option,
)


def problem_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that describe a network, its data and its mini-batches.

    The command receives the ``problem`` that they describe and, if it has such parameters, ``batch_size`` (None if it
    was left out, see :func:`batch_size_for`), ``data`` (the file's path), ``seed`` and ``as_json``.
    """
    wanted = signature(command).parameters

    @wraps(command)
    def with_problem(
        sizes: str | None,
        activations: str,
        cost: str,
        init: str,
        dtype: str,
        network: str | None,
        data: str | None,
        batch_size: int | None,
        seed: int,
        **others: Any,
    ) -> None:
        problem = read_problem(
            sizes,
            activations,
            cost,
            network=network,
            data=None if data is None else read_examples(data),
            count=BATCH_SIZE if batch_size is None else positive_integer(batch_size, "--batch-size"),
            seed=seed,
            init=init,
            dtype=dtype,
        )
        given = {"problem": problem, "batch_size": batch_size, "data": data, "seed": seed, **others}
        command(**{name: value for name, value in given.items() if name in wanted})

    return reduce(lambda decorated, option: option(decorated), reversed(PROBLEM_OPTIONS), with_problem)


def read_problem(
    sizes: str | None,
    activations: str,
    cost: str,
    *,
    network: str | None,
    data: tuple[Array, Array] | None,
    count: int,
    seed: int,
    init: str,
    dtype: str = "float64",
) -> Problem:
    """Return the problem that the options describe.

    Parameters
    ----------
    sizes, activations, cost, network, init, dtype
        As given on the command line.
    data : (ndarray, ndarray) or None
        X and Y from a file.
    count : int
        Examples to make if there are no data.
    seed : int
        For weights, biases and examples.
    """
    if network is not None:
        refuse_beside_network()
        return problem_for(load(network), cost, generator=random_generator(seed), data=data, count=count)
    names = [get_activation(name) for name in split_names(activations)]
    return make_problem(
        None if sizes is None else parse_sizes(sizes),
        names if len(names) > 1 else names[0],
        cost,
        init=init,
        dtype=dtype,
        seed=seed,
        data=data,
        count=count,
    )


def refuse_beside_network() -> None:
    """Refuse the options that describe a random network if the network comes from a file.

    Raises
    ------
    InvalidInput
        If one of them is given; the message names it.
    """
    context = click.get_current_context()
    for name in ("sizes", "hidden", "activations", "init", "dtype"):
        if context.get_parameter_source(name) not in (None, ParameterSource.DEFAULT):
            raise InvalidInput(f"--network brings its own {name}; leave --{name} out, or leave --network out.")


def refuse_overwriting(outputs: Mapping[str, str | None], inputs: Mapping[str, str | None]) -> None:
    """Refuse to write a file over one that is read, or that another option writes.

    Parameters
    ----------
    outputs, inputs : mapping of str to str or None
        The paths by their options; None if an option is not given.

    Raises
    ------
    InvalidInput
        If two are the same; devices such as ``/dev/null`` may be.
    """
    taken = {option: path for option, path in inputs.items() if path is not None}
    for option, path in outputs.items():
        if path is None:
            continue
        for other, name in taken.items():
            if _same_file(path, name):
                raise InvalidInput(f"{option} must name a file of its own, got {path!r}, that of {other}; rename one.")
        taken[option] = path


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other) and os.path.isfile(one)
    except (OSError, ValueError):  # One does not exist yet, or cannot.
        return "\0" not in one + other and os.path.realpath(one) == os.path.realpath(other)


def as_column(label: str) -> str | int:
    """Read the name or the number of a column."""
    return int(label) if re.fullmatch(r"-?\d+", label) else label


def batch_size_for(given: int | None, m: int) -> int:
    """Return the size of mini-batches of m examples: the given one, or the default, or all if there are fewer."""
    return size_of_batch(given, m, "--batch-size")


def split_names(given: str) -> list[str]:
    """Read ``"digits,book"``."""
    return [name.strip() for name in given.split(",")]


def parse_sizes(sizes: str, option: str = "--sizes") -> list[int]:
    """Read ``"64,30,10"``."""
    try:
        return [int(size) for size in split_names(sizes)]
    except ValueError:
        raise InvalidInput(f"{option} must be integers separated by commas, such as 64,30,10, got {sizes!r}.") from None


def parse_backends(backends: str | None) -> list[str] | None:
    """Read ``"hadamard,sigma:matrix=dense,batch=example"``: a part ``key=value`` belongs to the backend before it."""
    if backends is None or backends == "all":
        return None
    flags: list[str] = []
    for part in split_names(backends):
        if "=" in part and ":" not in part and flags:
            flags[-1] += f",{part}"
        else:
            flags.append(part)
    return flags


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
