"""``formulations predict``."""

from __future__ import annotations

import csv
import io
from typing import Any

import click
import numpy as np
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from formulations import __version__
from formulations.arrays import Array, check_writable, replaced
from formulations.cli.completion import complete_file
from formulations.cli.options import as_column, delimiter_option, header_option, json_option, refuse_overwriting
from formulations.cli.output import print_json, print_text, progress_console
from formulations.data import Table, classes_of, format_of, is_labels, read_archive, read_columns, read_table
from formulations.display import check_plot, counted, draw_predictions, format_share, save_figure
from formulations.exceptions import InvalidInput, Refused
from formulations.network import Network
from formulations.training import Model, load_trained

__all__ = ["predict"]

ROWS = 4096
"""The number of examples between two steps of the progress bar."""


@click.command()
@click.argument("network", metavar="NETWORK", shell_complete=complete_file)
@click.option(
    "--data",
    metavar="FILE",
    required=True,
    help="A table (.csv, .tsv, .txt, also .gz), or .npz with an array X, and Y if the labels are known.",
    shell_complete=complete_file,
)
@click.option(
    "--label", metavar="NAME", help="The table's column of known labels, by name or number.  [default: as in training]"
)
@delimiter_option
@header_option
@click.option("--proba", is_flag=True, help="Also give the probability of each class.")
@click.option("--output", metavar="FILE.csv", help="Write the predictions to a file.", shell_complete=complete_file)
@click.option(
    "--plot",
    metavar="FILE",
    help="Draw the confusion matrix, or the predicted over the known numbers: .png, .svg, .pdf, …",
    shell_complete=complete_file,
)
@json_option
def predict(
    network: str,
    data: str,
    label: str | None,
    delimiter: str | None,
    header: bool | None,
    proba: bool,
    output: str | None,
    plot: str | None,
    as_json: bool,
) -> None:
    """Predict the labels, or the numbers, of examples by a trained network.

    \b
    Examples:
      formulations predict iris.npz --data new.csv
      formulations predict iris.npz --data new.csv --proba --output found.csv
      formulations predict iris.npz --data labelled.csv --plot confusion.png

    NETWORK is a file that formulations train --save, Model.save or save has written. The columns of a table are matched
    by their names, in any order; without names by their order, and a column of labels is where it was in training. The
    predictions are printed as comma-separated values, one line an example, or written to --output. If the labels are
    known, the accuracy, the confusion matrix, and precision, recall and F1 of each class follow; for numbers, R². They
    go to standard error if the predictions go to standard output. The file of a network alone names no classes: for
    softmax, and for several sigmoid outputs, they are 0, 1, …, in the order of the outputs. Exit status 0.
    """
    refuse_overwriting({"--output": output, "--plot": plot}, {"NETWORK": network, "--data": data})
    if plot is not None:
        check_plot(plot)
    if output is not None:
        check_writable(output)
    loaded = load_trained(network)
    bare = isinstance(loaded, Network)
    model = Model(loaded) if isinstance(loaded, Network) else loaded
    table = _read(data, model, label, delimiter, header)
    X, Y = table.X, table.Y
    if table.columns is not None and (places := model.places(table.columns)) is not None:
        X = X[:, places]
    if bare and _classifies(model, Y):
        model = Model(model.network, np.arange(max(2, model.network.sizes[-1])))
    if model.classes is not None and Y is not None and not is_labels(Y) and Y.ndim == 2:
        Y = _classes(Y)
    if model.classes is not None and model.classes.dtype.kind == "i" and Y is not None and Y.dtype.kind == "f":
        # The classes 0 and 1 may be written 0.0 and 1.0, as train --classes reads them.
        whole = np.rint(Y)
        Y = whole.astype(np.int64) if (whole == Y).all() and (abs(whole) <= 2**53).all() else Y
    if plot is not None and Y is None:
        raise InvalidInput(
            f"--plot compares predictions with known labels, and {data} has no column of them; name it by --label, or "
            "leave --plot out."
        )
    if proba and (reason := model.why_no_probabilities):
        raise Refused(f"--proba: {reason}")
    found, probabilities = _predicted(model, X, proba)
    score = None if Y is None else model.score(X, Y)
    matrix = None if Y is None or model.classes is None else model.confusion(X, Y)
    text = _as_csv(model, found, probabilities)
    if output is not None:
        with replaced(output) as file:
            file.write(text.encode())
    if plot is not None:
        if matrix is None:
            title = f"R² {score:.4f} on {counted(len(found), 'example')}"
            save_figure(draw_predictions(np.asarray(Y), found, model.label or "", title), plot)
        else:
            save_figure(matrix.plot(), plot)
    if as_json:
        result: dict[str, Any] = {"version": __version__, "examples": len(found), "predictions": found.tolist()}
        if model.classes is not None:
            result["classes"] = model.classes.tolist()
        if probabilities is not None:
            result["probabilities"] = probabilities.tolist()
        if score is not None:
            result["r2" if matrix is None else "accuracy"] = score
        print_json(result | ({} if matrix is None else {"report": matrix.to_dict()}))
        return
    if output is None:
        click.echo(text, nl=False)
    if score is not None:
        shown = f"R² {score:.4f}" if matrix is None else f"{matrix}\n\naccuracy {format_share(score)}"
        print_text(f"{shown} on {counted(len(found), 'example')}", err=output is None)


def _read(path: str, model: Model, label: str | None, delimiter: str | None, header: bool | None) -> Table:
    """Return the examples of a file, with their labels if it has a column of them."""
    column = None if label is None else as_column(label)
    if format_of(path) == ".npz":
        if column is None and header is None and delimiter is None:
            return read_archive(path)
        return read_table(path, column, delimiter=delimiter, header=header)
    if header is None and model.columns is not None:
        # Names that are numbers are known by the model.
        first, _ = read_columns(path, True, delimiter)
        header = True if set(model.columns) <= set(first or ()) else None
    names, count = read_columns(path, header, delimiter)
    if column is None:
        column = _label_column(path, names, count, model)
    if names is not None and model.columns is not None and not isinstance(column, int):
        # Before the numbers are read, so that a column of text that does not belong there is named as such.
        model.places([name for name in names if name != column])
    return read_table(path, column, delimiter=delimiter, header=header, verbal=model.verbal)


def _label_column(path: str, names: tuple[str, ...] | None, count: int, model: Model) -> str | int | None:
    """Return the column of known labels, by name or by its index in training; None if there is none."""
    if names is not None and model.columns is not None:
        unknown = [name for name in names if name not in model.columns]
        return next((name for name in unknown if name == model.label or model.label is None), None)
    if names is not None and model.label in names:
        return model.label
    if count != model.network.sizes[0] + 1:
        return None
    if model.label_index is None:
        raise InvalidInput(
            f"{path} must have {model.network.sizes[0]} columns, the inputs of the network, got {count}; if one holds "
            "the labels, name it by --label."
        )
    return model.label_index


def _classifies(model: Model, Y: Array | None) -> bool:
    """Return whether the outputs of a network alone stand for classes."""
    outputs, name = model.network.sizes[-1], model.network.activations[-1].name
    if name not in ("softmax", "sigmoid"):
        return False
    if Y is not None:
        return is_labels(Y) or (Y.ndim == 2 and classes_of(Y) is not None)
    return name == "softmax" or outputs > 1


def _classes(Y: Array) -> Array:
    """Return the classes of unit vectors, or of a column of 0 and 1; other targets as they are."""
    places = classes_of(Y)
    return Y if places is None else places


def _predicted(model: Model, X: Array, proba: bool) -> tuple[Array, Array | None]:
    """Return the predictions and, on request, the probabilities of all examples, with a bar on a terminal."""
    found, shares = [], []
    with Progress(
        TextColumn("predicting"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=progress_console(),
        transient=True,
    ) as bar:
        for start in bar.track(range(0, max(1, len(X)), ROWS)):
            part = X[start : start + ROWS]
            found.append(model.predict(part))
            if proba:
                shares.append(model.predict_proba(part))
    return np.concatenate(found), np.concatenate(shares) if proba else None


def _as_csv(model: Model, found: Array, probabilities: Array | None) -> str:
    """Return the predictions as comma-separated values, with a line of names."""
    name = "prediction" if model.label is None else model.label
    columns = found[:, None] if found.ndim == 1 else found
    header = [name] if found.ndim == 1 else [f"{name}_{j}" for j in range(1, columns.shape[1] + 1)]
    rows = _cells(columns)
    if probabilities is not None and model.classes is not None:
        header += [f"P({each})" for each in model.classes.tolist()]
        rows = [[*row, *shares] for row, shares in zip(rows, _cells(probabilities), strict=True)]
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return file.getvalue()


def _cells(array: Array) -> list[list[Any]]:
    """Return values that are written with the digits of their own dtype."""
    other = array.dtype.kind == "f" and array.dtype != np.float64
    return [list(map(str, row)) for row in array] if other else array.tolist()
