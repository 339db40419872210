"""``formulations train``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from itertools import count as counting
from pathlib import Path
from typing import Any, TypeAlias

import click
import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from formulations.arrays import check_writable, positive_integer
from formulations.cli.completion import complete_backends, complete_file, complete_names
from formulations.cli.options import (
    TEST_SHARE,
    Task,
    batch_size_for,
    batch_size_option,
    json_option,
    refuse_overwriting,
    task_options,
)
from formulations.cli.output import as_options, print_problem, print_text, progress_console
from formulations.data import split as split_examples
from formulations.display import check_plot, counted, format_share, save_figure
from formulations.exceptions import InvalidInput, NotFinite
from formulations.functions import LogLikelihood, get_cost
from formulations.training import (
    OPTIMIZERS,
    SCHEDULES,
    Epoch,
    GradientDescent,
    History,
    Plateau,
    default_optimizer,
    default_rate,
    get_optimizer,
)

__all__ = ["train"]

SHORT = {"training": "train", "validation": "validation", "test": "test"}
"""The parts of the examples, and what JSON calls them."""

Parts: TypeAlias = dict[str, tuple[Any, Any]]
"""X and Y of each part of the examples, by its name."""


@click.command()
@task_options
@click.option("--epochs", type=int, default=30, show_default=True, help="Passes over the training examples.")
@batch_size_option
@click.option(
    "--optimizer",
    metavar="NAME",
    help=f"How a gradient changes the parameters: {' or '.join(OPTIMIZERS)}.  "
    "[default: sgd; for a table adam, but sgd with --momentum]",
    shell_complete=complete_names(OPTIMIZERS, several=False),
)
@click.option(
    "--learning-rate",
    type=float,
    help="η, for the mean cost.  [default: 3 for sgd on the quadratic cost of sigmoid neurons, else 0.1; 0.001 for "
    "adam; for a table 0.1 for sgd, 0.01 for adam]",
)
@click.option("--momentum", type=float, default=0.0, metavar="μ", help="Momentum of sgd, from 0 to 1.")
@click.option("--nesterov", is_flag=True, help="Nesterov's form of --momentum.")
@click.option(
    "--schedule",
    metavar="NAME",
    help=f"How η changes: {', '.join(SCHEDULES)}.",
    shell_complete=complete_names(SCHEDULES, several=False),
)
@click.option("--l2", type=float, default=0.0, metavar="λ", help="Adds ½·λ·Σw² to the cost.")
@click.option("--l1", type=float, default=0.0, metavar="λ", help="Adds λ·Σ|w| to the cost.")
@click.option(
    "--early-stopping",
    type=int,
    metavar="N",
    help="Stop after N epochs without progress on a fifth of the training examples, and take the best epoch.",
)
@click.option(
    "--backend",
    metavar="NAME",
    help="The formulation, options after a colon.  [default: hadamard]",
    shell_complete=complete_backends,
)
@click.option(
    "--checkpoint",
    metavar="FILE.npz",
    help="Keep the run in this file every minute; if it exists, resume from it.",
    shell_complete=complete_file,
)
@click.option(
    "--save",
    metavar="FILE.npz",
    help="Save what was trained, for predict.",
    shell_complete=complete_file,
)
@click.option(
    "--plot",
    metavar="FILE",
    help="Draw cost and accuracy by epoch: .png, .svg, .pdf, …",
    shell_complete=complete_file,
)
@json_option
def train(
    read_task: Callable[[], Task],
    data: str | None,
    network: str | None,
    seed: int,
    epochs: int,
    batch_size: int | None,
    optimizer: str | None,
    learning_rate: float | None,
    momentum: float,
    nesterov: bool,
    schedule: str | None,
    l2: float,
    l1: float,
    early_stopping: int | None,
    backend: str | None,
    checkpoint: str | None,
    save: str | None,
    plot: str | None,
    as_json: bool,
) -> None:
    """Train a network on a table, an .npz file or the embedded digits, and report how well it does.

    \b
    Examples:
      formulations train
      formulations train --data iris.csv --label species --save iris.npz
      formulations train --data houses.csv --regression --early-stopping 10
      formulations train --backend sigma --epochs 10
      FORMULATIONS_BACKEND=sigma formulations train
      formulations train --data mine.npz --learning-rate 0.5 --save trained.npz

    A table has one example a row: numbers, and a column of labels (text or integers, which name classes) or of real
    numbers to predict. Its features are standardised, and --save keeps their mean and scale, the names of the columns
    and the classes with the network, for formulations predict and formulations.Model.load. An .npz file holds X and
    Y: labels are taken as from a table; unit vectors, or numbers in two dimensions, train the network alone, which
    --save keeps for formulations.load.

    A fifth of the examples is for testing: the rows are shuffled by --seed, and each class has the same share of both
    parts; --no-shuffle keeps the order of the file. The embedded digits, shuffled with a fixed seed, are split into
    1437 for training and 360 for testing. η = 3 suits sigmoid neurons with the quadratic cost; other activations and
    costs mostly need less, 0.1 or 0.01.

    Ctrl-C ends the training early; what has been learnt is tested and saved. Exit status 0 if the training completes
    or Ctrl-C ends it; 1 if it diverges or is dead (the network ignores its inputs), and then nothing is saved. What
    cannot be saved at --save goes to the current or the temporary folder, with exit status 2.
    """
    epochs = positive_integer(epochs, "--epochs")
    # A network may be saved over the one that it continues.
    refuse_overwriting({"--save": save, "--checkpoint": checkpoint, "--plot": plot}, {"--data": data})
    refuse_overwriting({"--plot": plot}, {"--network": network})
    if save is not None:
        _check_save(save)
    if plot is not None:
        check_plot(plot)
    if early_stopping is not None:
        early_stopping = positive_integer(early_stopping, "--early-stopping")
    task = read_task()
    if optimizer is None:
        optimizer = default_optimizer(momentum=momentum, nesterov=nesterov) if task.table else GradientDescent.name
    kind = get_optimizer(optimizer, momentum=momentum, nesterov=nesterov)
    if learning_rate is None:
        learning_rate = (
            kind.rate_of_models if task.table else default_rate(kind, task.model.network, get_cost(task.problem.cost))
        )
    X, Y, X_test, Y_test = task.split
    parts = {"training": (X, Y), "test": (X_test, Y_test)}
    if early_stopping is not None or schedule == Plateau.name:
        # The test examples stay unseen: what chooses the network does not test it.
        X, Y, *held_out = split_examples(X, Y, TEST_SHARE, seed)
        parts = {"training": (X, Y), "validation": tuple(held_out), "test": (X_test, Y_test)}
    for warning in task.warnings(Y, Y_test):
        print_text(f"warning: {warning}", err=True)
    size = batch_size_for(batch_size, len(X))
    with _bar(epochs) as advance:
        try:
            history = task.model.fit(
                X,
                Y,
                epochs=epochs,
                batch_size=size,
                learning_rate=learning_rate,
                backend=backend,
                seed=seed,
                cost=task.problem.cost,
                validation=parts.get("validation", parts["test"]),
                momentum=momentum,
                nesterov=nesterov,
                optimizer=optimizer,
                l2=l2,
                l1=l1,
                schedule=schedule,
                early_stopping=early_stopping,
                checkpoint=checkpoint,
                progress=advance,
            )
        except NotFinite as caught:
            # The data and the network are checked, so it is the training that diverged.
            raise click.ClickException(as_options(str(caught))) from None
    failure: Exception | None = None
    if history.failure is not None:
        failure = click.ClickException(history.failure if save is None else f"{history.failure} Nothing is saved.")
    elif save is not None:
        failure = _save(task.save, save)
    if plot is not None and history.epochs:
        measured = "validation" if "validation" in parts else "test"
        save_figure(history.plot(validation=measured, title=_title_of_plot(task, data, optimizer, learning_rate)), plot)
    settings = {
        "optimizer": optimizer, "learning_rate": learning_rate, "momentum": momentum, "nesterov": nesterov, "l2": l2,
        "l1": l1, "schedule": schedule, "early_stopping": early_stopping, "batch_size": size, "seed": seed,
        "shuffled": task.seed is not None,
    }  # fmt: skip
    if as_json:
        _print_json(task, history, settings, parts)
    else:
        _print_report(task, history, settings, parts)
    if failure is not None:
        raise failure


@contextmanager
def _bar(epochs: int) -> Iterator[Callable[[Epoch], object]]:
    """Yield a function to call with each epoch, which shows a bar on a terminal."""
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
            accuracy = "" if epoch.accuracy is None else f", accuracy {format_share(epoch.accuracy)}"
            bar.update(task, completed=epoch.epoch, description=f"cost {epoch.cost:.4f}{accuracy}")

        yield advance


def _print_json(task: Task, history: History, settings: dict[str, Any], parts: Parts) -> None:
    """Print all as JSON."""
    result = history.to_dict()
    for name, short in SHORT.items():
        if name in parts:
            score = task.model.score(*parts[name])
            result |= {f"{short}_accuracy": score} if task.classes is not None else {f"{short}_r2": score}
    matrix = None if task.classes is None else task.model.confusion(*parts["test"]).to_dict()
    print_problem(task.problem, settings, {**result, "test": matrix})


def _print_report(task: Task, history: History, settings: dict[str, Any], parts: Parts) -> None:
    """Print what was trained on what, its history, and how well it does."""
    numbers = {name: len(Y) for name, (_, Y) in parts.items()}
    validation = f", {numbers['validation']} to stop by" if "validation" in parts else ""
    print_text(task.problem.title)
    print_text(
        f"{counted(numbers['training'], 'example')} to train on{validation}, {numbers['test']} to test on, "
        f"{task.how_split}"
    )
    print_text(f"{history.backend}, {_rule(settings)}, mini-batches of {settings['batch_size']}\n")
    print_text(history)
    if task.classes is not None:
        print_text(f"\non the {numbers['test']} test examples\n\n{task.model.confusion(*parts['test'])}")
    scores = {name: task.model.score(X, Y) for name, (X, Y) in parts.items()}
    kind, shown = ("R²", "{:.4f}".format) if task.classes is None else ("accuracy", format_share)
    listed = ", ".join(f"{shown(score)} on {numbers[name]} {name} examples" for name, score in scores.items())
    print_text(f"\n{kind} {listed}")
    if history.failure is None:
        _hint(task, scores["training"], parts["training"][1])


def _title_of_plot(task: Task, data: str | None, optimizer: str, rate: float) -> str:
    """Return what was trained on what, and how."""
    network = task.model.network
    source = "digits" if data is None else Path(data).name
    return f"{source}: {network.layout}, {network.activation_names}, {optimizer}, η = {rate:g}"


def _rule(settings: dict[str, Any]) -> str:
    """Return optimizer, learning rate and penalties."""
    names = {"momentum": "μ = {:g}", "l2": "l2 = {:g}", "l1": "l1 = {:g}", "schedule": "{} schedule"}
    given = [text.format(settings[name]) for name, text in names.items() if settings[name]]
    return ", ".join([settings["optimizer"], f"η = {settings['learning_rate']:g}", *given])


def _hint(task: Task, on_train: float, Y: Any) -> None:
    """Suggest what to change if the network has learnt nothing."""
    activations = task.model.network.activations
    guess = None if task.classes is None else float(np.unique(Y, return_counts=True)[1].max() / len(Y))
    if isinstance(get_cost(task.problem.cost), LogLikelihood) and not activations[-1].coupled:
        # Outputs of 1 everywhere minimise it, and only a softmax excludes them.
        *names, last = [activation.name for activation in activations]
        print_text(
            f"hint: the cost {task.problem.cost} needs softmax outputs; with {last}, predicting every class as certain "
            f"minimises it; try --activations {','.join([*names, 'softmax'])}."
        )
    elif guess is not None and on_train <= guess < 1:
        print_text(
            f"hint: always predicting the most common class gives {format_share(guess)}; try a smaller "
            "--learning-rate or more --epochs."
        )


def _check_save(path: str) -> None:
    """Refuse a path that cannot be written or loaded, before the training starts."""
    if Path(path).suffix.lower() != ".npz":
        raise InvalidInput(f"--save must name an .npz file in a folder that exists, got {path!r}; try trained.npz.")
    check_writable(path)


def _save(write: Callable[[str], None], path: str) -> InvalidInput | None:
    """Save what was trained, elsewhere if need be; return the exception that says where, or None."""
    try:
        write(path)
        return None
    except InvalidInput as caught:
        reason = caught
    for folder in (os.curdir, tempfile.gettempdir()):
        place = _unused(os.path.join(folder, os.path.basename(path)))
        with suppress(InvalidInput):
            write(place)
            return InvalidInput(f"{reason} The trained network is in {os.path.abspath(place)} instead.")
    return reason


def _unused(path: str) -> str:
    """Return a path that does not exist: this one, or one with a number."""
    stem, suffix = os.path.splitext(path)
    names = chain([path], (f"{stem}-{i}{suffix}" for i in counting(1)))
    return next(name for name in names if not os.path.lexists(name))
