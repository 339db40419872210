"""What explain and walk show: a network, its examples and the backends, from the options of the command."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce, wraps
from typing import Any

import click

from formulations.arrays import positive_integer, size_of_batch
from formulations.cli.completion import complete_backends, complete_file
from formulations.cli.options.declarations import activations_option, cost_option, network_option
from formulations.cli.options.parsing import parse_backends
from formulations.cli.options.problem import read_problem
from formulations.data import read_examples
from formulations.exceptions import InvalidInput
from formulations.explanation import DEFAULT_SIZES

__all__ = ["explained_options"]

SIZES = ",".join(map(str, DEFAULT_SIZES))


def explained_options(default: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options that describe what is explained.

    The command receives the ``problem`` and the list ``backends``.

    Parameters
    ----------
    default : str
        The backends if none are named.
    """
    options = (
        click.option(
            "--backends",
            "--backend",
            default=default,
            show_default=True,
            metavar="NAME,NAME",
            help="One or two backends.",
            shell_complete=complete_backends,
        ),
        click.option(
            "--sizes",
            metavar="N,N,…",
            help=f"Neurons of each layer.  [default: {SIZES}, or those that --data needs]",
        ),
        activations_option,
        cost_option,
        network_option,
        click.option(
            "--data",
            metavar="FILE.npz",
            help="Arrays X (m, n₁) and Y (m, n_L); the first examples are used.",
            shell_complete=complete_file,
        ),
        click.option("--seed", type=int, default=0, show_default=True, help="For weights, biases and examples."),
        click.option("--examples", type=int, default=1, show_default=True, help="Number of examples, each a column."),
    )

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def explained(
            backends: str,
            sizes: str | None,
            activations: str,
            cost: str,
            network: str | None,
            data: str | None,
            seed: int,
            examples: int,
            **others: Any,
        ) -> None:
            count = positive_integer(examples, "--examples")
            given = None if data is None else read_examples(data)
            if sizes is None and network is None and given is None:
                sizes = SIZES
            problem = read_problem(
                sizes, activations, cost, network=network, data=given, count=count, seed=seed, init="book"
            )
            chosen = parse_backends(backends)
            if chosen is None:
                raise InvalidInput("--backends must name one or two backends to explain, got all; try hadamard,sigma.")
            command(
                problem=problem.first(size_of_batch(count, len(problem.X), "--examples")), backends=chosen, **others
            )

        return reduce(lambda decorated, option: option(decorated), reversed(options), explained)

    return decorate
