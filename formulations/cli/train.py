"""``formulations train``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from formulations.accuracy import accuracy, chance
from formulations.cli.options import batch_size_for, problem_options
from formulations.cli.output import print_problem, progress_console
from formulations.costs import LogLikelihood
from formulations.exceptions import InvalidInput, NotFinite
from formulations.history import Epoch
from formulations.inputs import positive_integer
from formulations.persistence import save as save_network
from formulations.problem import Problem
from formulations.sgd import sgd

__all__ = ["train"]


@click.command()
@problem_options
@click.option("--epochs", type=int, default=30, show_default=True, help="Passes over the training examples.")
@click.option("--learning-rate", type=float, default=3.0, show_default=True, help="η, for the mean cost.")
@click.option("--backend", metavar="NAME", help="Which formulation, options after a colon.  [default: hadamard]")
@click.option("--save", metavar="FILE.npz", help="Write the trained network there, for formulations.load.")
def train(
    problem: Problem,
    batch_size: int | None,
    seed: int,
    epochs: int,
    learning_rate: float,
    backend: str | None,
    save: str | None,
    as_json: bool,
) -> None:
    """Train a network by stochastic gradient descent and report its accuracy.

    \b
    Examples:
      formulations train
      formulations train --backend sigma --epochs 10
      FORMULATIONS_BACKEND=sigma formulations train
      formulations train --data examples.npz --sizes 8,20,3 --learning-rate 0.5 --save trained.npz

    The embedded digits are split into 1437 for training and 360 for testing. Data of your own are split at the same
    ratio, four to one, in the order of the file. η = 3 suits sigmoid neurons with the quadratic cost; other
    activations and costs mostly want less, 0.1 or 0.01. Accuracy is shown where the targets are unit vectors (one-hot),
    or one column of 0 and 1. Exit status 0 when the training is over, 1 where it diverges, and then nothing is saved.
    """
    epochs = positive_integer(epochs, "--epochs")
    if save is not None:
        _check_save(save)
    net = problem.network
    X, Y, X_test, Y_test = problem.split()
    size = batch_size_for(batch_size, len(X))
    with Progress(
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
        console=progress_console(),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=epochs)

        def advance(epoch: Epoch) -> None:
            bar.update(task, advance=1, description=f"cost {epoch.cost:.4f}, accuracy {_percent(epoch.accuracy)}")

        try:
            history = sgd(
                net,
                X,
                Y,
                epochs=epochs,
                batch_size=size,
                learning_rate=learning_rate,
                backend=backend,
                seed=seed,
                cost=problem.cost,
                validation=(X_test, Y_test),
                progress=advance,
            )
        except NotFinite as caught:
            # The data and the network have been checked: it is the training that has left the range of numbers.
            raise click.ClickException(str(caught)) from None
    if save is not None:
        save_network(net, save)
    on_train, on_test = accuracy(net, X, Y), accuracy(net, X_test, Y_test)
    if as_json:
        settings = {"batch_size": size, "learning_rate": learning_rate, "seed": seed}
        shares = {"train_accuracy": on_train, "test_accuracy": on_test}
        print_problem(problem, settings, {**history.to_dict(), **shares})
        return
    click.echo(f"{problem.title}\n{history.backend}, η = {learning_rate:g}, mini-batches of {size}\n")
    click.echo(str(history))
    click.echo(
        f"\naccuracy {_percent(on_train)} on {len(X)} training examples, "
        f"{_percent(on_test)} on {len(X_test)} test examples"
    )
    guess, output = chance(Y), net.activations[-1]
    if problem.cost == LogLikelihood.name and not output.coupled:
        # Its least value is reached by outputs of 1 everywhere, which only a softmax keeps from happening.
        names = [activation.name for activation in net.activations[:-1]]
        click.echo(
            f"hint: the cost {problem.cost} is made for softmax outputs, and with {output.name} it falls by calling "
            f"every class certain; try --activations {','.join([*names, 'softmax'])}."
        )
    elif on_train is not None and guess is not None and on_train <= guess < 1:
        click.echo(
            f"hint: naming the commonest class every time gets {_percent(guess)}; try a smaller --learning-rate, "
            "or more --epochs."
        )


def _check_save(path: str) -> None:
    """Refuse, before anything is trained, what would not be found again as a saved network."""
    place = Path(path)
    if place.suffix != ".npz" or place.is_dir() or not place.absolute().parent.is_dir():
        raise InvalidInput(f"--save must name an .npz file in a folder that exists, got {path!r}; try trained.npz.")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f} %"
