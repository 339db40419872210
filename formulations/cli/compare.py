"""``formulations compare``."""

from __future__ import annotations

import json
import math
import sys

import click
import numpy as np
from rich.console import Console

from formulations.cli.options import make_network, network_options, parse_backends, read_examples
from formulations.compare import compare as run_comparison
from formulations.digits import load
from formulations.inputs import positive_integer
from formulations.network import Network
from formulations.parameters import Array

__all__ = ["compare"]


@click.command()
@network_options
@click.option("--batch-size", type=int, default=10, show_default=True, help="Examples in the mini-batch.")
@click.option(
    "--backends", "--backend", metavar="NAME,…", help="Which to compare, options after a colon.  [default: all]"
)
@click.option("--all", "run_all", is_flag=True, help="Also run the backends that would take minutes.")
def compare(
    sizes: str | None,
    activations: str,
    cost: str,
    init: str,
    dtype: str,
    seed: int,
    data: str | None,
    as_json: bool,
    batch_size: int,
    backends: str | None,
    run_all: bool,
) -> None:
    """Compute the same gradient by every formulation, judge and time each.

    \b
    Examples:
      formulations compare
      formulations compare --activations identity
      formulations compare --backends hadamard,sigma:matrix=dense,hadamard:batch=example
      formulations compare --sizes 3,4,3,2 --activations tanh --dtype float32 --json

    The embedded digits serve a network of 64 inputs and 10 outputs; random examples any other. Exit status 1 if any
    gradient is different.
    """
    size = positive_integer(batch_size, "--batch-size")
    given = None if data is None else read_examples(data)
    net = make_network(sizes, activations, init, dtype, seed, given)
    X, Y = _examples(net, size, seed) if given is None else (given[0][:size], given[1][:size])
    console = Console(stderr=True)
    with console.status("…") as status:
        comparison = run_comparison(
            net,
            X,
            Y,
            cost=cost,
            backends=parse_backends(backends),
            budget=math.inf if run_all else 60.0,
            progress=lambda label: status.update(f"{label} …"),
        )
    click.echo(json.dumps(comparison.to_dict(), indent=2) if as_json else str(comparison))
    sys.exit(0 if comparison.equal else 1)


def _examples(net: Network, m: int, seed: int) -> tuple[Array, Array]:
    if (net.sizes[0], net.sizes[-1]) == (64, 10):
        digits = load(net.dtype)
        return digits.X_train[:m], digits.Y_train[:m]
    random = np.random.default_rng(seed)
    return random.random((m, net.sizes[0])), random.random((m, net.sizes[-1]))
