"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from typing import Any, TypeVar

import click
import numpy as np

from formulations.activations import ACTIVATIONS, get_activation
from formulations.costs import COSTS
from formulations.exceptions import InvalidInput
from formulations.initialization import INITIALIZATIONS
from formulations.network import Network
from formulations.parameters import Array

__all__ = ["make_network", "network_options", "parse_backends", "parse_sizes", "read_examples"]

Command = TypeVar("Command", bound=Callable[..., Any])

ACTIVATION_HELP = f"One for all layers, or one for each, comma-separated: {', '.join(ACTIVATIONS)}."


def network_options(command: Command) -> Command:
    """Add the options that describe a network and its data."""
    for option in reversed(
        [
            click.option(
                "--sizes", metavar="N,N,…", help="Neurons of each layer, the input first.  [default: 64,30,10]"
            ),
            click.option("--activations", default="sigmoid", show_default=True, metavar="NAME,…", help=ACTIVATION_HELP),
            click.option(
                "--cost", default="quadratic", show_default=True, metavar="NAME", help=f"One of {', '.join(COSTS)}."
            ),
            click.option(
                "--init",
                default="glorot",
                show_default=True,
                metavar="NAME",
                help=f"Random weights by {', '.join(INITIALIZATIONS)}.",
            ),
            click.option(
                "--dtype", default="float64", show_default=True, metavar="DTYPE", help="float32, float64 or longdouble."
            ),
            click.option("--seed", type=int, default=0, show_default=True, help="For weights, data and shuffling."),
            click.option(
                "--data",
                metavar="FILE.npz",
                help="Arrays X (m, n₁) and Y (m, n_L) instead of the embedded digits.",
            ),
            click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table."),
        ]
    ):
        command = option(command)
    return command


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
    found: list[str] = []
    for part in backends.split(","):
        if "=" in part and ":" not in part and found:
            found[-1] += f",{part}"
        else:
            found.append(part.strip())
    return found


def read_examples(path: str) -> tuple[Array, Array]:
    """Read X and Y from an ``.npz`` file that holds nothing but arrays of numbers.

    Raises
    ------
    InvalidInput
        Where the file cannot be read, is pickled, or lacks X or Y.
    """
    remedy = "write it with numpy.savez(path, X=X, Y=Y)"
    try:
        with open(path, "rb") as file:
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise InvalidInput(f"{path} holds a single array; {remedy}.")
            missing = [name for name in ("X", "Y") if name not in archive.files]
            if missing:
                held = ", ".join(archive.files) or "nothing"
                raise InvalidInput(f"{path} must hold arrays X and Y, got {held}; {remedy}.")
            return archive["X"], archive["Y"]
    except FileNotFoundError:
        raise InvalidInput(f"there is no file {path!r}; give the path of an .npz file with arrays X and Y.") from None
    except InvalidInput:
        raise
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error):
        raise InvalidInput(
            f"{path} cannot be read as an .npz file of plain arrays (pickles are refused); {remedy}."
        ) from None


def make_network(
    sizes: str | None, activations: str, init: str, dtype: str, seed: int, data: tuple[Array, Array] | None
) -> Network:
    """Make the random network that the options describe; with data and no sizes, 30 hidden neurons between them."""
    if sizes is not None:
        widths = parse_sizes(sizes)
    elif data is not None and all(array.ndim == 2 for array in data):
        widths = [data[0].shape[1], 30, data[1].shape[1]]
    else:
        widths = [64, 30, 10]
    names = [get_activation(name.strip()) for name in activations.split(",")]
    return Network.random(widths, names if len(names) > 1 else names[0], seed=seed, dtype=dtype, init=init)
