"""What train and diagnose work on: a network, its examples and what it learns, from the options of the command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial, reduce, wraps
from inspect import signature
from typing import Any

import click
import numpy as np
from click.core import ParameterSource

from formulations.arrays import BATCH_SIZE, Array, positive_integer
from formulations.cli.completion import complete_file, complete_names
from formulations.cli.options.declarations import (
    delimiter_option,
    dtype_option,
    header_option,
    init_option,
    network_option,
    seed_option,
)
from formulations.cli.options.parsing import as_column, parse_sizes, split_names
from formulations.cli.options.problem import read_problem, refuse_beside_network
from formulations.cli.output import print_text
from formulations.data import (
    DIGITS,
    Problem,
    Split,
    Table,
    classes_of,
    default_cost,
    encode_labels,
    format_of,
    is_labels,
    read_columns,
    read_table,
)
from formulations.data import split as split_examples
from formulations.exceptions import InvalidInput
from formulations.functions import ACTIVATIONS, COSTS, get_activation
from formulations.network import Network
from formulations.network import save as save_network
from formulations.training import Model, load_trained

__all__ = ["TEST_SHARE", "Task", "task_options"]

TEST_SHARE = 0.2
NAMED = 3
"""So many classes are named in a warning."""

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
