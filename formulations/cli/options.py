"""Options that several commands share, and what they stand for."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce, wraps
from inspect import signature
from typing import Any

import click
from click.core import ParameterSource

from formulations.arrays import (
    BATCH_SIZE,
    Array,
    current_budget,
    open_archive,
    positive_integer,
    random_generator,
    size_of_batch,
)
from formulations.cli.completion import complete_file, complete_names
from formulations.data import make_problem, problem_for
from formulations.exceptions import InvalidInput
from formulations.functions import ACTIVATIONS, COSTS, get_activation
from formulations.network import INITIALIZATIONS, load

__all__ = [
    "batch_size_for",
    "parse_backends",
    "parse_sizes",
    "problem_options",
    "read_examples",
    "refuse_beside_network",
]

DTYPES = ("float32", "float64", "longdouble")

ACTIVATION_HELP = f"One for all layers, or one for each, comma-separated: {', '.join(ACTIVATIONS)}."

PROBLEM_OPTIONS = (
    click.option("--sizes", metavar="N,N,…", help="Neurons of each layer, the input first.  [default: 64,30,10]"),
    click.option(
        "--activations",
        default="sigmoid",
        show_default=True,
        metavar="NAME,…",
        help=ACTIVATION_HELP,
        shell_complete=complete_names(ACTIVATIONS),
    ),
    click.option(
        "--cost",
        default="quadratic",
        show_default=True,
        metavar="NAME",
        help=f"One of {', '.join(COSTS)}.",
        shell_complete=complete_names(COSTS, several=False),
    ),
    click.option(
        "--init",
        default="glorot",
        show_default=True,
        metavar="NAME",
        help=f"Random weights by {', '.join(INITIALIZATIONS)}.",
        shell_complete=complete_names(INITIALIZATIONS, several=False),
    ),
    click.option(
        "--dtype",
        default="float64",
        show_default=True,
        metavar="DTYPE",
        help="float32, float64 or longdouble.",
        shell_complete=complete_names(DTYPES, several=False),
    ),
    click.option(
        "--network",
        metavar="FILE.npz",
        help="A network written by train --save, instead of a random one.",
        shell_complete=complete_file,
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="For weights, data and shuffling."),
    click.option(
        "--data",
        metavar="FILE.npz",
        help="Arrays X (m, n₁) and Y (m, n_L) instead of the embedded digits.",
        shell_complete=complete_file,
    ),
    click.option(
        "--batch-size",
        type=int,
        help=f"Examples in a mini-batch.  [default: {BATCH_SIZE}, or all where there are fewer]",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table."),
)


def problem_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that describe a network, its data and its mini-batches.

    The command gets what they stand for as ``problem``, and ``batch_size`` (None where it was left out, see
    :func:`batch_size_for`), ``data`` (the file's path), ``seed`` and ``as_json`` if it asks.
    """
    asked = signature(command).parameters

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
        **others: Any,
    ) -> None:
        count = BATCH_SIZE if batch_size is None else positive_integer(batch_size, "--batch-size")
        examples = None if data is None else read_examples(data)
        if network is not None:
            refuse_beside_network()
            generator = random_generator(others["seed"])
            problem = problem_for(load(network), cost, generator=generator, data=examples, count=count)
        else:
            names = [get_activation(name.strip()) for name in activations.split(",")]
            problem = make_problem(
                None if sizes is None else parse_sizes(sizes),
                names if len(names) > 1 else names[0],
                cost,
                init=init,
                dtype=dtype,
                seed=others["seed"],
                data=examples,
                count=count,
            )
        given = {"problem": problem, "batch_size": batch_size, "data": data, **others}
        command(**{name: value for name, value in given.items() if name in asked})

    return reduce(lambda decorated, option: option(decorated), reversed(PROBLEM_OPTIONS), with_problem)


def refuse_beside_network() -> None:
    """Refuse the options that describe a random network beside a network from a file, which has its own."""
    context = click.get_current_context()
    for name in ("sizes", "activations", "init", "dtype"):
        if context.get_parameter_source(name) not in (None, ParameterSource.DEFAULT):
            raise InvalidInput(f"--network brings its own {name}; leave --{name} out, or leave --network out.")


def batch_size_for(given: int | None, m: int) -> int:
    """Return the size of mini-batches from m examples: the one given, else the default or all."""
    return size_of_batch(given, m, "--batch-size")


def parse_sizes(sizes: str) -> list[int]:
    """Read ``"64,30,10"``."""
    try:
        return [int(size) for size in sizes.split(",")]
    except ValueError:
        raise InvalidInput(f"--sizes must be integers separated by commas, such as 64,30,10, got {sizes!r}.") from None


def parse_backends(backends: str | None) -> list[str] | None:
    """Read ``"hadamard,sigma:matrix=dense,batch=example"``: a part ``key=value`` goes with the backend before it."""
    if backends is None or backends == "all":
        return None
    flags: list[str] = []
    for part in backends.split(","):
        if "=" in part and ":" not in part and flags:
            flags[-1] += f",{part}"
        else:
            flags.append(part.strip())
    return flags


def read_examples(path: str) -> tuple[Array, Array]:
    """Read X and Y from an ``.npz`` file that holds nothing but arrays of numbers.

    Raises
    ------
    InvalidInput
        If the file cannot be read, is pickled, or lacks X or Y.
    Refused
        If X and Y are compressed and would take more memory than the budget allows.
    """
    with open_archive(path, "an .npz file with arrays X and Y", "write it with numpy.savez(path, X=X, Y=Y)") as archive:
        if () in archive.shapes("XY").values():
            raise archive.unreadable("X and Y must be arrays of examples, one a row")
        arrays = archive.read("XY", current_budget().memory)
    return arrays["X"], arrays["Y"]
