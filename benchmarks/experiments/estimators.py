"""The estimators beside scikit-learn's: accuracy over ten seeds, and the time of a fit at equal epochs.

Both fit the same data with the same settings and the same ``random_state``. A time is that of a whole ``fit``, checks
included; the fits alternate, and a speed is taken within each pair.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import click
import numpy as np

from benchmarks.experiments.measuring import fitted
from benchmarks.experiments.pattern import Column, experiment, plain, table
from formulations.arrays import Array, positive_integer, positive_number
from formulations.backends import DEFAULT, get_backend
from formulations.comparison.timing import interleave
from formulations.display import Colour, Ratio, arms, format_ratio, format_seconds, new_figure, tidy, titled
from formulations.exceptions import needs
from formulations.functions import get_cost
from formulations.network import Network

__all__ = ["Accuracies", "Accuracy", "Fit", "Fits", "draw", "measure_accuracy", "measure_time"]

DATA = ("digits", "iris", "wine", "breast_cancer")
SEEDS = 10
FAST = "fused"
EPOCHS = 50
"""Of a fit whose accuracy is measured."""
STEPS = 100
"""Mini-batches of a fit that is timed, at least: then its checks weigh little."""

TARGETS = {
    ("adam", 1): 3.0, ("adam", 10): 3.0, ("adam", 32): 2.3, ("adam", 200): 1.4,
    ("sgd", 1): 5.0, ("sgd", 10): 4.0, ("sgd", 32): 3.0, ("sgd", 200): 1.5,
}  # fmt: skip
"""The speed over scikit-learn's on the digits with ``fused``, by solver and batch size."""
ELSEWHERE = 0.95
"""The speed on other data, with other backends, and by L-BFGS-B."""


@dataclass(frozen=True)
class Accuracy:
    """One data set: the accuracy on a quarter of it, held back with each seed.

    Attributes
    ----------
    data : str
        Its name in scikit-learn.
    theirs, ours : float
        Means over the seeds.
    theirs_deviation, ours_deviation : float
        Standard deviations.
    difference, error : float
        The mean of ours − theirs, seed by seed, and its standard error.
    """

    data: str
    theirs: float
    theirs_deviation: float
    ours: float
    ours_deviation: float
    difference: float
    error: float

    def __bool__(self) -> bool:
        return abs(self.difference) <= 2 * self.error

    @classmethod
    def of(cls, data: str, theirs: Array, ours: Array) -> Accuracy:
        """Return the record of accuracies, one a seed."""
        of_theirs, of_ours = ((float(each.mean()), float(each.std(ddof=1))) for each in (theirs, ours))
        apart = ours - theirs
        return cls(data, *of_theirs, *of_ours, float(apart.mean()), float(apart.std(ddof=1) / math.sqrt(len(apart))))


@dataclass(frozen=True)
class Accuracies:
    """The result of :func:`measure_accuracy`.

    Attributes
    ----------
    backend : str
        That of the estimators.
    seeds : int
        Their number.
    rows : tuple of Accuracy
        One for each data set.
    """

    backend: str
    seeds: int
    rows: tuple[Accuracy, ...]

    def __bool__(self) -> bool:
        return all(self.rows)

    def __str__(self) -> str:
        columns = [
            Column[Accuracy]("data", lambda row: row.data, left=True),
            Column[Accuracy]("MLPClassifier", lambda row: _percent(row.theirs, row.theirs_deviation)),
            Column[Accuracy]("BackpropClassifier", lambda row: _percent(row.ours, row.ours_deviation)),
            Column[Accuracy]("difference", lambda row: _percent(row.difference, row.error)),
        ]
        return (
            f"{table(self.rows, columns)}\n\n"
            f"Adam, 100 hidden relu neurons, {EPOCHS} epochs, standardised, {self.backend}.\n"
            f"Accuracy on a quarter of the examples: mean ± deviation over {self.seeds} seeds;\n"
            "the mean difference with its standard error.\n"
            "Target: a difference of at most two standard errors: "
            f"{'met' if self else 'missed'}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {"backend": self.backend, "seeds": self.seeds, "rows": [asdict(row) for row in self.rows]}


@dataclass(frozen=True)
class Fit:
    """One kind of fit, timed in pairs.

    Attributes
    ----------
    data : str
        The data set.
    backend, solver : str
        Those of the estimator.
    batch_size : int or None
        Examples in a mini-batch; None for L-BFGS-B, which takes all.
    epochs : int
        Passes over the examples; for L-BFGS-B the largest number of iterations.
    seconds : float
        Time for a fit here: the median.
    speed : Ratio
        scikit-learn's time over this one, pair by pair.
    target : float
        The smallest median that is wanted.
    """

    data: str
    backend: str
    solver: str
    batch_size: int | None
    epochs: int
    seconds: float
    speed: Ratio
    target: float

    def __bool__(self) -> bool:
        return self.speed.median >= self.target

    @property
    def label(self) -> str:
        """What was fitted, in one line."""
        size = "" if self.batch_size is None else f", batches of {self.batch_size}"
        return f"{self.data}, {self.backend}, {self.solver}{size}"


@dataclass(frozen=True)
class Fits:
    """The result of :func:`measure_time`.

    Attributes
    ----------
    rows : tuple of Fit
        In the order in which they were timed.
    """

    rows: tuple[Fit, ...]

    def __bool__(self) -> bool:
        return all(self.rows)

    def __str__(self) -> str:
        columns = [
            Column[Fit]("data", lambda row: row.data, left=True),
            Column[Fit]("backend", lambda row: row.backend, left=True),
            Column[Fit]("solver", lambda row: row.solver, left=True),
            Column[Fit]("batch", lambda row: "–" if row.batch_size is None else str(row.batch_size)),
            Column[Fit]("epochs", lambda row: str(row.epochs)),
            Column[Fit]("a fit", lambda row: format_seconds(row.seconds)),
            Column[Fit]("speed over MLPClassifier's", lambda row: format_ratio(row.speed, "×")),
            Column[Fit]("target", lambda row: f"{row.target:g}×{'' if row else ' missed'}", left=True),
        ]
        missed = [row.label for row in self.rows if not row]
        return f"{table(self.rows, columns)}\n\n" + (
            f"Missed: {'; '.join(missed)}." if missed else "Every target is met."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {"rows": [plain(row) for row in self.rows]}


def _percent(mean: float, spread: float) -> str:
    return f"{100 * mean:.2f} ± {100 * spread:.2f} %"


def _loaded(data: str) -> tuple[Array, Array]:
    """Return examples with mean 0 and deviation 1, and their classes."""
    from sklearn import datasets
    from sklearn.preprocessing import StandardScaler

    X, y = getattr(datasets, f"load_{data}")(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def _best_backend() -> str:
    """Return ``fused`` if it can serve here, else the default."""
    classifier = Network.random([2, 2, 3], ["relu", "softmax"], seed=0)
    return DEFAULT if get_backend(FAST).why_not(classifier, get_cost("log_likelihood")) else FAST


def measure_accuracy(
    data: Iterable[str] = DATA, *, seeds: int = SEEDS, epochs: int = EPOCHS, progress: Callable[[str], object] = str
) -> Accuracies:
    """Fit both classifiers with several seeds, and compare their accuracy on examples held back.

    Parameters
    ----------
    data : iterable of str
        Names of scikit-learn's data sets.
    seeds : int
        At least two.
    epochs : int
        Passes over the examples.
    progress : callable, optional
        Called with each data set before it is fitted.

    Returns
    -------
    Accuracies

    Raises
    ------
    MissingExtra
        If scikit-learn is not installed.
    """
    needs("sklearn", "sklearn", "this experiment")
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier

    from formulations.estimators import BackpropClassifier

    backend, rows = _best_backend(), []
    for name in data:
        progress(name)
        X, y = _loaded(name)
        found = []
        for seed in range(positive_integer(seeds, "seeds")):
            X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed, stratify=y)
            settings = {"max_iter": epochs, "random_state": seed}
            theirs = fitted(MLPClassifier, X_train, y_train, **settings)
            ours = fitted(BackpropClassifier, X_train, y_train, backend=backend, **settings)
            found.append([theirs.score(X_test, y_test), ours.score(X_test, y_test)])
        rows.append(Accuracy.of(name, *np.array(found).T))
    return Accuracies(backend, seeds, tuple(rows))


def cells() -> list[tuple[str, str, str, int | None]]:
    """Return the fits to time: data, backend, solver and batch size."""
    backends = dict.fromkeys((_best_backend(), DEFAULT))
    chosen: list[tuple[str, str, str, int | None]] = []
    for backend in backends:
        chosen += [("digits", backend, solver, size) for solver, size in TARGETS]
        chosen += [
            (data, backend, solver, size) for data in DATA[1:] for solver in ("adam", "sgd") for size in (10, 200)
        ]
        chosen += [(data, backend, "lbfgs", None) for data in DATA]
    return chosen


def measure_time(
    chosen: Sequence[tuple[str, str, str, int | None]] | None = None,
    *,
    budget: float = 1.0,
    progress: Callable[[str], object] = str,
) -> Fits:
    """Time fits by both classifiers, with as many epochs.

    Parameters
    ----------
    chosen : sequence of (data, backend, solver, batch size), optional
        By default those of :func:`cells`.
    budget : float
        Seconds to spend on each side of a cell; each gets three to 31 fits.
    progress : callable, optional
        Called with each cell before it is timed.

    Returns
    -------
    Fits

    Raises
    ------
    MissingExtra
        If scikit-learn is not installed.
    """
    needs("sklearn", "sklearn", "this experiment")
    from sklearn.neural_network import MLPClassifier

    from formulations.estimators import BackpropClassifier

    rows = []
    for data, backend, solver, size in cells() if chosen is None else chosen:
        progress(f"{data}, {backend}, {solver}, {size}")
        X, y = _loaded(data)
        batch = len(X) if size is None else min(size, len(X))
        epochs = max(1, math.ceil(STEPS * batch / len(X)))
        # No fit may stop before the last epoch.
        settings = {"solver": solver, "batch_size": batch, "max_iter": epochs, "random_state": 0}
        settings |= {"n_iter_no_change": epochs, "tol": 0.0}
        timings = interleave(
            {
                "ours": partial(fitted, BackpropClassifier, X, y, backend=backend, **settings),
                "theirs": partial(fitted, MLPClassifier, X, y, **settings),
            },
            baseline="ours",
            budget=positive_number(budget, "budget"),
        )
        target = TARGETS.get((solver, size or 0), ELSEWHERE) if (data, backend) == ("digits", FAST) else ELSEWHERE
        ours, speed = timings["ours"], timings["theirs"].ratio
        rows.append(Fit(data, backend, solver, size, epochs, ours.seconds, speed, target))
    return Fits(tuple(rows))


def draw(found: Accuracies | Fits) -> Any:
    """Return the figure: accuracies with their deviations, or speeds beside their targets.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    figure = new_figure(8, 1.2 + 0.24 * max(4, len(found.rows)))
    axes = figure.subplots()
    positions = np.arange(len(found.rows))[::-1]
    if isinstance(found, Accuracies):
        for shift, name, colour, of in (
            (0.12, "MLPClassifier", Colour.RUST, lambda row: (row.theirs, row.theirs_deviation)),
            (-0.12, "BackpropClassifier", Colour.BLUE, lambda row: (row.ours, row.ours_deviation)),
        ):
            means, deviations = zip(*map(of, found.rows), strict=True)
            axes.errorbar(means, positions + shift, xerr=deviations, fmt="o", color=colour, capsize=3, label=name)
        axes.set_yticks(positions, [row.data for row in found.rows])
        axes.set_xlabel("accuracy, mean and standard deviation")
    else:
        speeds = [row.speed for row in found.rows]
        medians = [speed.median for speed in speeds]
        axes.errorbar(medians, positions, xerr=arms(speeds), fmt="o", color=Colour.BLUE, capsize=3, label="measured")
        axes.plot([row.target for row in found.rows], positions, "|", color=Colour.RUST, markersize=11, label="target")
        axes.set_yticks(positions, [row.label for row in found.rows], fontsize=8)
        axes.set_xscale("log")
        axes.set_xlabel("speed over MLPClassifier's")
    titled(axes, "BackpropClassifier beside MLPClassifier")
    tidy(axes, "x")
    axes.legend(frameon=False, fontsize=8)
    return figure


@experiment(
    draw,
    click.argument("what", type=click.Choice(["accuracy", "time"])),
    click.option("--budget", type=float, default=1.0, show_default=True, help="Seconds for each side of a timed cell."),
)
def main(what: str, budget: float, progress: Callable[[str], object]) -> Accuracies | Fits:
    """Compare the estimators with scikit-learn's: their ACCURACY, or the TIME of a fit.

    \b
    Examples:
      python -m benchmarks.experiments.estimators accuracy
      python -m benchmarks.experiments.estimators time --save estimators.json

    Exit status 0 if the targets are met, else 1.
    """
    return measure_accuracy(progress=progress) if what == "accuracy" else measure_time(budget=budget, progress=progress)


if __name__ == "__main__":
    main()
