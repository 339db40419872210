"""A network, its data and its mini-batches, from the options of a command."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce, wraps
from inspect import signature
from typing import Any

import click
from click.core import ParameterSource

from formulations.arrays import BATCH_SIZE, Array, positive_integer, random_generator
from formulations.cli.completion import complete_file
from formulations.cli.options.declarations import (
    activations_option,
    batch_size_option,
    cost_option,
    dtype_option,
    init_option,
    json_option,
    network_option,
    seed_option,
    sizes_option,
)
from formulations.cli.options.parsing import parse_sizes, split_names
from formulations.data import Problem, make_problem, problem_for, read_examples
from formulations.exceptions import InvalidInput
from formulations.functions import get_activation
from formulations.network import load

__all__ = ["problem_options", "read_problem", "refuse_beside_network"]

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
