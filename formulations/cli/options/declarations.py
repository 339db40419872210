"""The options that several commands have."""

from __future__ import annotations

import click

from formulations.arrays import BATCH_SIZE, DTYPE_NAMES
from formulations.cli.completion import complete_file, complete_names
from formulations.functions import ACTIVATIONS, COSTS
from formulations.network import INITIALIZATIONS

__all__ = [
    "activations_option",
    "batch_size_option",
    "cost_option",
    "delimiter_option",
    "dtype_option",
    "header_option",
    "init_option",
    "json_option",
    "network_option",
    "seed_option",
    "sizes_option",
]

activations_option = click.option(
    "--activations",
    default="sigmoid",
    show_default=True,
    metavar="NAME,…",
    help=f"One for all layers, or one for each, comma-separated: {', '.join(ACTIVATIONS)}.",
    shell_complete=complete_names(ACTIVATIONS),
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
