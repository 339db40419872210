"""``formulations train``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial, reduce, wraps
from inspect import signature
from itertools import chain
from itertools import count as counting
from pathlib import Path
from typing import Any, TypeAlias

import click
import numpy as np
from click.core import ParameterSource
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from formulations.arrays import BATCH_SIZE, Array, check_writable, positive_integer
from formulations.cli.completion import complete_backends, complete_file, complete_names
from formulations.cli.options import (
    as_column,
    as_options,
    batch_size_for,
    batch_size_option,
    delimiter_option,
    dtype_option,
    header_option,
    init_option,
    json_option,
    network_option,
    parse_sizes,
    read_problem,
    refuse_beside_network,
    refuse_overwriting,
    seed_option,
    split_names,
)
from formulations.cli.output import print_problem, print_text, progress_console
from formulations.data import (
    DIGITS,
    Problem,
    Split,
    Table,
    classes_of,
    encode_labels,
    format_of,
    is_labels,
    read_columns,
    read_table,
)
from formulations.data import split as split_examples
from formulations.display import check_plot, counted, format_share, save_figure
from formulations.exceptions import InvalidInput, NotFinite
from formulations.functions import ACTIVATIONS, COSTS, LogLikelihood, get_activation, get_cost
from formulations.network import Network
from formulations.network import save as save_network
from formulations.training import (
    OPTIMIZERS,
    SCHEDULES,
    Epoch,
    GradientDescent,
    History,
    Model,
    Plateau,
    default_cost,
    default_optimizer,
    default_rate,
    get_optimizer,
    load_trained,
)

__all__ = ["Task", "task_options", "train"]

TEST_SHARE = 0.2
NAMED = 3
"""So many classes are named in a warning."""
SHORT = {"training": "train", "validation": "validation", "test": "test"}
"""The parts of the examples, and what JSON calls them."""

Parts: TypeAlias = dict[str, tuple[Any, Any]]
"""X and Y of each part of the examples, by its name."""


TASK_OPTIONS = (
    click.option(
        "--data",
        metavar="FILE",
        help="A table (.csv, .tsv, .txt, also .gz), or .npz with arrays X and Y, instead of the embedded digits.",
        shell_complete=complete_file,
    ),
    click.option(
        "--label", metavar="NAME", help="The table's column to learn, by name or number.  [default: the last]"
    ),
    delimiter_option,
    header_option,
    click.option("--regression", is_flag=True, help="Learn integers as numbers instead of classes."),
    click.option(
        "--classes", is_flag=True, help="Learn whole numbers with a decimal point, such as 0.0 and 1.0, as classes."
    ),
    click.option("--no-standardize", is_flag=True, help="Take the features of a table as they are."),
    click.option(
        "--no-shuffle", is_flag=True, help="Split --data in the order of the file: the last fifth is for testing."
    ),
    click.option("--hidden", metavar="N,N,…", help="Neurons of the hidden layers.  [default: 30]"),
    click.option("--sizes", metavar="N,N,…", help="Neurons of all layers, the input first, instead of --hidden."),
    click.option(
        "--activations",
        metavar="NAME,…",
        help="One for all layers, or one for each, comma-separated: "
        f"{', '.join(ACTIVATIONS)}.  [default: sigmoid; for a table tanh, and softmax or identity outputs]",
        shell_complete=complete_names(ACTIVATIONS),
    ),
    click.option(
        "--cost",
        metavar="NAME",
        help=f"One of {', '.join(COSTS)}.  [default: quadratic; for labels the cross-entropy of the outputs]",
        shell_complete=complete_names(COSTS, several=False),
    ),
    init_option,
    dtype_option,
    network_option,
    seed_option,
)


def task_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that describe a network, its data and what it learns.

    The command receives ``read_task``, which reads the files and returns the :class:`Task` that the options describe,
    and ``data``, ``network`` and ``seed`` as given.
    """

    @wraps(command)
    def with_task(**given: Any) -> None:
        described = {name: given.pop(name) for name in signature(_read_task).parameters}
        passed = {name: described[name] for name in ("data", "network", "seed")}
        command(read_task=partial(_read_task, **described), **passed, **given)

    return reduce(lambda decorated, option: option(decorated), reversed(TASK_OPTIONS), with_task)


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


def _read_task(
    *,
    data: str | None,
    label: str | None,
    delimiter: str | None,
    header: bool | None,
    regression: bool,
    classes: bool,
    no_standardize: bool,
    no_shuffle: bool,
    hidden: str | None,
    sizes: str | None,
    activations: str | None,
    cost: str | None,
    init: str,
    dtype: str,
    network: str | None,
    seed: int,
) -> Task:
    """Return the training that the options of :func:`task_options` describe."""
    column = -1 if label is None else as_column(label)
    loaded = None if network is None else load_trained(network)
    if isinstance(loaded, Model) and data is None:
        raise InvalidInput("--network names a model, which needs examples to scale; give them with --data.")
    verbal = isinstance(loaded, Model) and loaded.verbal
    table = None if data is None else read_table(data, column, delimiter=delimiter, header=header, verbal=verbal)
    if table is not None and len(table.X) < 2:
        raise InvalidInput("--data must hold two examples or more, to train and to test on, got one; add examples.")
    # A label is asked for, so a table has a Y.
    if table is not None and np.asarray(table.Y).ndim == 1:
        if regression and classes:
            raise InvalidInput("--regression and --classes exclude each other; leave one of them out.")
        if classes:
            table = _as_classes(table)
        elif not regression and np.asarray(table.Y).dtype.kind == "f" and np.isin(np.asarray(table.Y), (0, 1)).all():
            print_text(
                "warning: the labels are 0 and 1 with a decimal point, learnt as numbers; pass --classes if they name "
                "classes.", err=True,
            )  # fmt: skip
        if regression:
            table = _as_numbers(table)
        return _for_table(
            table, _label_index(data, table, column, delimiter), network=loaded, hidden=hidden, sizes=sizes,
            activations=activations, cost=cost, standardize=not no_standardize, shuffle=not no_shuffle,
            seed=seed, init=init, dtype=dtype,
        )  # fmt: skip
    _refuse_without_table()
    if no_shuffle and data is None:
        raise InvalidInput("--no-shuffle goes with --data; the embedded digits are already split, so leave it out.")
    examples = None if table is None else (table.X, np.asarray(table.Y))
    return _for_arrays(
        examples, network=network, hidden=hidden, sizes=sizes, activations=activations, cost=cost,
        shuffle=not no_shuffle, seed=seed, init=init, dtype=dtype,
    )  # fmt: skip


@dataclass(frozen=True)
class Task:
    """A training: the model and its examples.

    Attributes
    ----------
    model : Model
        The model to train.
    problem : Problem
        Its network, the name of its cost and all examples, for the title.
    split : Split
        The training and the test examples, with labels or numbers.
    seed : int or None
        The seed of their shuffle; None if they keep their order.
    table : bool
        Whether the data name what is saved with the network.
    """

    model: Model
    problem: Problem
    split: Split
    seed: int | None
    table: bool

    @property
    def classes(self) -> Array | None:
        """The classes; None if numbers are learnt."""
        return self.model.classes

    @property
    def how_split(self) -> str:
        """How the examples are split into training and test examples."""
        if self.seed is None:
            return "in the order of the data"
        share = "" if self.classes is None else ", each class with its share of both"
        return f"shuffled with seed {self.seed}{share}"

    def save(self, path: str) -> None:
        """Save the model, or the network alone if that is all."""
        if self.table:
            self.model.save(path)
        else:
            save_network(self.model.network, path)

    def warnings(self, Y: Any, Y_test: Any) -> Iterator[str]:
        """Yield what is doubtful about the classes of the training and the test examples."""
        if self.classes is None:
            return
        count, m = len(self.classes), len(self.split.Y_train) + len(self.split.Y_test)
        if self.table and self.classes.dtype.kind == "i" and count > m / 2:
            yield f"the labels are {count} distinct integers, taken as classes; pass --regression if they are numbers."
        remedy = "add examples of it" if self.seed is not None else "leave --no-shuffle out, or shuffle the data"
        for one, other, consequence in (
            (Y, Y_test, "no example to test on, so the test accuracy does not cover it"),
            (Y_test, Y, "no example to train on, so it cannot be learnt"),
        ):
            names = np.setdiff1d(one, other).tolist()
            if len(names) == 1:
                yield f"class {names[0]} has {consequence}; {remedy}."
            elif names:
                several = consequence.replace("cover it", "cover them").replace("it cannot", "they cannot")
                more = f" and {len(names) - NAMED} others" if len(names) > NAMED else ""
                yield (
                    f"{len(names)} classes, {', '.join(map(str, names[:NAMED]))}{more}, have {several}; "
                    f"{remedy.replace('of it', 'of them')}."
                )


def _for_table(
    table: Table,
    label_index: int | None,
    *,
    network: Model | Network | None,
    hidden: str | None,
    sizes: str | None,
    activations: str | None,
    cost: str | None,
    standardize: bool,
    shuffle: bool,
    seed: int,
    init: str,
    dtype: str,
) -> Task:
    """Return the training of a model on a table of labels or numbers."""
    X, Y = table.X, np.asarray(table.Y)
    classes = encode_labels(Y, name="Y")[0] if is_labels(Y) else None
    if shuffle:
        parts = split_examples(X, Y, TEST_SHARE, seed)
    else:
        tested = len(X) * 4 // 5
        parts = Split(X[:tested], Y[:tested], X[tested:], Y[tested:])
    if network is None:
        outputs = 1 if classes is None else len(classes)
        names = [get_activation(name) for name in split_names(activations or "tanh")]
        model = Model.for_data(
            parts.X_train,
            parts.Y_train,
            _hidden(hidden, sizes, X.shape[-1], outputs),
            activations=names if len(names) > 1 else names[0],
            standardize=standardize,
            classes=classes,
            seed=seed,
            dtype=dtype,
            init=init,
        )
        model = replace(model, columns=table.columns, label=table.label, label_index=label_index)
    else:
        refuse_beside_network()
        if isinstance(network, Network):
            shell = Model.for_data(parts.X_train, parts.Y_train, (), standardize=standardize, classes=classes)
            model = replace(shell, network=network, columns=table.columns, label=table.label, label_index=label_index)
        else:
            model = network
        if table.columns is not None and (places := model.places(table.columns)) is not None:
            parts = parts._replace(X_train=parts.X_train[:, places], X_test=parts.X_test[:, places])
    name = cost or ("quadratic" if classes is None else default_cost(model.network.activations[-1]))
    return Task(model, Problem(model.network, X, Y, name), parts, seed if shuffle else None, table=True)


def _for_arrays(
    data: tuple[Array, Array] | None,
    *,
    network: str | None,
    hidden: str | None,
    sizes: str | None,
    activations: str | None,
    cost: str | None,
    shuffle: bool,
    seed: int,
    init: str,
    dtype: str,
) -> Task:
    """Return the training of a network on arrays or on the digits; unit vectors are classes."""
    if hidden is not None:
        ends = (DIGITS[0], DIGITS[-1]) if data is None else [array.shape[-1] for array in data]
        sizes = ",".join(map(str, [ends[0], *_hidden(hidden, sizes, *ends), ends[1]]))
    problem = read_problem(
        sizes, activations or "sigmoid", cost or "quadratic", network=network, data=data, count=BATCH_SIZE, seed=seed,
        init=init, dtype=dtype,
    )  # fmt: skip
    shuffled = seed if shuffle and data is not None else None
    parts = Split(*problem.split(shuffled))
    if classes_of(problem.Y) is None:
        return Task(Model(problem.network), problem, parts, shuffled, table=False)
    classes = np.arange(max(2, problem.Y.shape[1]))
    labelled = parts._replace(Y_train=classes_of(parts.Y_train), Y_test=classes_of(parts.Y_test))
    return Task(Model(problem.network, classes), problem, labelled, shuffled, table=False)


def _hidden(hidden: str | None, sizes: str | None, inputs: int, outputs: int) -> list[int]:
    """Return the hidden layers that the options ask for, in a network for this many features and outputs."""
    if hidden is not None and not hidden.strip():
        raise InvalidInput(
            f"--hidden must be integers separated by commas, such as 30,30, got {hidden!r}; for a network without "
            f"hidden layers, pass --sizes {inputs},{outputs}."
        )
    if sizes is None:
        return [positive_integer(n, "--hidden") for n in parse_sizes("30" if hidden is None else hidden, "--hidden")]
    if hidden is not None:
        raise InvalidInput("--hidden and --sizes both name the hidden layers; leave one of them out.")
    widths = parse_sizes(sizes)
    if len(widths) < 2 or (widths[0], widths[-1]) != (inputs, outputs):
        raise InvalidInput(
            f"--sizes must begin with {inputs}, the features of the data, and end with {outputs}, their classes or the "
            f"number to predict, got {sizes}; name the hidden layers alone with --hidden."
        )
    return widths[1:-1]


def _label_index(path: str | None, table: Table, column: str | int, delimiter: str | None) -> int | None:
    """Return the index of the label's column in a table; None if the file has no columns."""
    if path is None or format_of(path) == ".npz":
        return None
    names, count = read_columns(path, table.columns is not None, delimiter)
    return column % count if isinstance(column, int) else list(names or ()).index(column)


def _as_numbers(table: Table) -> Table:
    """Return a table whose labels are numbers to predict."""
    Y = np.asarray(table.Y)
    if Y.dtype.kind not in "iuf":
        raise InvalidInput(
            f"--regression needs numbers to predict, got {Y[0].item()!r}; leave it out, or name another column by "
            "--label."
        )
    return table._replace(Y=Y.astype(float))


def _as_classes(table: Table) -> Table:
    """Return a table whose real targets are whole numbers that name classes; labels stay as they are."""
    Y = np.asarray(table.Y)
    if Y.dtype.kind != "f":
        return table
    if (broken := np.flatnonzero((np.rint(Y) != Y) | (abs(Y) > 2**53))).size:
        raise InvalidInput(
            f"--classes needs labels that are whole numbers, got {Y[broken[0]].item()!r}; leave it out, or name "
            "another column by --label."
        )
    return table._replace(Y=Y.astype(np.int64))


def _refuse_without_table() -> None:
    """Refuse the options that go with a table if the data are none."""
    context = click.get_current_context()
    for name in ("label", "delimiter", "header", "regression", "classes", "no_standardize"):
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = f"--{name.replace('_', '-')}"
            raise InvalidInput(
                f"{option} goes with a table of examples, or with an .npz file of labels; leave it out, or give such a "
                "file with --data."
            )


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
    if task.problem.cost == LogLikelihood.name and not activations[-1].coupled:
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
