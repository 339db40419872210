"""``formulations train``."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from formulations.cli.options import make_network, network_options, read_examples
from formulations.digits import load
from formulations.inputs import positive_integer
from formulations.parameters import Array
from formulations.sgd import Epoch, accuracy, sgd

__all__ = ["train"]


@click.command()
@network_options
@click.option("--epochs", type=int, default=30, show_default=True, help="Passes over the training examples.")
@click.option("--batch-size", type=int, default=10, show_default=True, help="Examples in a mini-batch.")
@click.option("--learning-rate", type=float, default=3.0, show_default=True, help="η, for the mean cost.")
@click.option("--backend", metavar="NAME", help="Which formulation, options after a colon.  [default: hadamard]")
def train(
    sizes: str | None,
    activations: str,
    cost: str,
    init: str,
    dtype: str,
    seed: int,
    data: str | None,
    as_json: bool,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    backend: str | None,
) -> None:
    """Train a network by stochastic gradient descent and report its accuracy.

    \b
    Examples:
      formulations train
      formulations train --backend sigma --epochs 10
      FORMULATIONS_BACKEND=sigma formulations train
      formulations train --data mine.npz --sizes 8,20,3 --learning-rate 0.5

    The embedded digits are split into 1437 for training and 360 for testing. Data of your own are split at the same
    ratio, four to one, in the order of the file.
    """
    given = None if data is None else read_examples(data)
    net = make_network(sizes, activations, init, dtype, seed, given)
    if given is None:
        X, Y, X_test, Y_test = load(net.dtype)
    else:
        X, Y, X_test, Y_test = _split(*net.check_examples(*given, cost=cost)[:2])
    epochs = positive_integer(epochs, "--epochs")
    with Progress(
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=epochs)

        def advance(epoch: Epoch) -> None:
            share = epoch.accuracy or 0.0
            bar.update(task, advance=1, description=f"cost {epoch.cost:.4f}, accuracy {100 * share:.1f} %")

        history = sgd(
            net,
            X,
            Y,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            backend=backend,
            seed=seed,
            cost=cost,
            validation=(X_test, Y_test),
            progress=advance,
        )
    final = {"train_accuracy": accuracy(net, X, Y), "test_accuracy": accuracy(net, X_test, Y_test)}
    if as_json:
        click.echo(json.dumps({**history.to_dict(), **final}, indent=2))
        return
    click.echo(f"{net!r}\n{history.backend}, {cost} cost, η = {learning_rate:g}, mini-batches of {batch_size}\n")
    click.echo(str(history))
    click.echo(
        f"\naccuracy {100 * final['train_accuracy']:.2f} % on {len(X)} training examples, "
        f"{100 * final['test_accuracy']:.2f} % on {len(X_test)} test examples"
    )


def _split(X: Array, Y: Array) -> tuple[Array, Array, Array, Array]:
    last = max(1, len(X) * 4 // 5)
    # A single example is all there is to train and to test on.
    tested = slice(last, None) if last < len(X) else slice(None)
    return X[:last], Y[:last], X[tested], Y[tested]
