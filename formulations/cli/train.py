"""``formulations train``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, count
from pathlib import Path

import click
import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from formulations.arrays import Array, check_writable, positive_integer
from formulations.cli.completion import complete_backends, complete_file
from formulations.cli.options import batch_size_for, problem_options
from formulations.cli.output import print_problem, print_text, progress_console
from formulations.data import Problem, classes_of
from formulations.display import counted
from formulations.exceptions import InvalidInput, NotFinite
from formulations.functions import LogLikelihood
from formulations.network import Network
from formulations.network import save as save_network
from formulations.training import Epoch, accuracy, chance, sgd

__all__ = ["train"]


@click.command()
@problem_options
@click.option("--epochs", type=int, default=30, show_default=True, help="Passes over the training examples.")
@click.option("--learning-rate", type=float, default=3.0, show_default=True, help="η, for the mean cost.")
@click.option(
    "--backend",
    metavar="NAME",
    help="The formulation, options after a colon.  [default: hadamard]",
    shell_complete=complete_backends,
)
@click.option(
    "--no-shuffle", is_flag=True, help="Split --data in the order of the file: the last fifth is for testing."
)
@click.option(
    "--save",
    metavar="FILE.npz",
    help="Save the trained network, for formulations.load.",
    shell_complete=complete_file,
)
def train(
    problem: Problem,
    batch_size: int | None,
    data: str | None,
    seed: int,
    epochs: int,
    learning_rate: float,
    backend: str | None,
    no_shuffle: bool,
    save: str | None,
    as_json: bool,
) -> None:
    """Train a network by stochastic gradient descent and report its accuracy.

    \b
    Examples:
      formulations train
      formulations train --backend sigma --epochs 10
      FORMULATIONS_BACKEND=sigma formulations train
      formulations train --data mine.npz --learning-rate 0.5 --save trained.npz

    The embedded digits, shuffled with a fixed seed, are split into 1437 for training and 360 for testing. Data from
    --data are split at the same ratio, four to one, shuffled by --seed, with the same share of each class in both
    parts; --no-shuffle keeps the order of the file. η = 3 suits sigmoid neurons with the quadratic cost; other
    activations and costs mostly need less, 0.1 or 0.01. The accuracy is shown if the targets are unit vectors
    (one-hot), or one column of 0 and 1. Exit status 0 if the training completes; 1 if it diverges or is dead (the
    network ignores its inputs), and then nothing is saved. A network that cannot be saved at --save goes to the current
    or the temporary folder, with exit status 2.
    """
    epochs = positive_integer(epochs, "--epochs")
    if save is not None:
        _check_save(save)
    net = problem.network
    if no_shuffle and data is None:
        raise InvalidInput("--no-shuffle goes with --data; the embedded digits are already split, so leave it out.")
    shuffled = data is not None and not no_shuffle
    X, Y, X_test, Y_test = problem.split(seed if shuffled else None)
    how = _how_split(Y, shuffled, seed)
    for absent in _absent(Y, Y_test, shuffled):
        print_text(f"warning: {absent}", err=True)
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
            # The data and the network are checked, so it is the training that diverged.
            raise click.ClickException(str(caught)) from None
    failure: Exception | None = None
    if history.failure is not None:
        failure = click.ClickException(history.failure if save is None else f"{history.failure} Nothing is saved.")
    elif save is not None:
        failure = _save(net, save)
    on_train, on_test = accuracy(net, X, Y), accuracy(net, X_test, Y_test)
    if as_json:
        settings = {"batch_size": size, "learning_rate": learning_rate, "seed": seed, "shuffled": shuffled}
        shares = {"train_accuracy": on_train, "test_accuracy": on_test}
        print_problem(problem, settings, {**history.to_dict(), **shares})
    else:
        print_text(problem.title)
        print_text(f"{counted(len(X), 'example')} to train on, {len(X_test)} to test on, {how}")
        print_text(f"{history.backend}, η = {learning_rate:g}, mini-batches of {size}\n")
        print_text(str(history))
        print_text(
            f"\naccuracy {_percent(on_train)} on {len(X)} training examples, "
            f"{_percent(on_test)} on {len(X_test)} test examples"
        )
        if history.failure is None:
            _hint(problem, on_train, chance(Y))
    if failure is not None:
        raise failure


def _hint(problem: Problem, on_train: float | None, guess: float | None) -> None:
    """Suggest what to change if the network has learnt nothing."""
    activations = problem.network.activations
    if problem.cost == LogLikelihood.name and not activations[-1].coupled:
        # Outputs of 1 everywhere minimise it, and only a softmax excludes them.
        *names, last = [activation.name for activation in activations]
        print_text(
            f"hint: the cost {problem.cost} needs softmax outputs; with {last}, predicting every class as certain "
            f"minimises it; try --activations {','.join([*names, 'softmax'])}."
        )
    elif on_train is not None and guess is not None and on_train <= guess < 1:
        print_text(
            f"hint: always predicting the most common class gives {_percent(guess)}; try a smaller --learning-rate "
            "or more --epochs."
        )


def _how_split(Y: Array, shuffled: bool, seed: int) -> str:
    """Say how the examples are split into training and test examples."""
    if not shuffled:
        return "in the order of the data"
    return f"shuffled with seed {seed}" + ("" if classes_of(Y) is None else ", each class with its share of both")


def _absent(Y: Array, Y_test: Array, shuffled: bool) -> Iterator[str]:
    """Yield a warning for each class that occurs only in the training or only in the test examples."""
    on_train, on_test = classes_of(Y), classes_of(Y_test)
    if on_train is None or on_test is None:
        return
    remedy = "add examples of it" if shuffled else "leave --no-shuffle out, or shuffle the data"
    for one, other, consequence in (
        (on_train, on_test, "no example to test on, so the test accuracy does not cover it"),
        (on_test, on_train, "no example to train on, so it cannot be learnt"),
    ):
        for name in np.setdiff1d(one, other):
            yield f"class {name} has {consequence}; {remedy}."


def _check_save(path: str) -> None:
    """Refuse a path that cannot be written or loaded, before the training starts."""
    if Path(path).suffix != ".npz":
        raise InvalidInput(f"--save must name an .npz file in a folder that exists, got {path!r}; try trained.npz.")
    check_writable(path)


def _save(net: Network, path: str) -> InvalidInput | None:
    """Save a trained network, elsewhere if need be; return the exception that says where, or None."""
    try:
        save_network(net, path)
        return None
    except InvalidInput as caught:
        reason = caught
    for folder in (os.curdir, tempfile.gettempdir()):
        place = _unused(os.path.join(folder, os.path.basename(path)))
        with suppress(InvalidInput):
            save_network(net, place)
            return InvalidInput(f"{reason} The trained network is in {os.path.abspath(place)} instead.")
    return reason


def _unused(path: str) -> str:
    """Return a path that does not exist: this one, or one with a number."""
    stem, suffix = os.path.splitext(path)
    names = chain([path], (f"{stem}-{i}{suffix}" for i in count(1)))
    return next(name for name in names if not os.path.lexists(name))


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f} %"
