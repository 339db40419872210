"""Epochs: ``formulations bench --epoch``, whole fits by ``sgd`` and by scikit-learn, and the targets for both.

Both fit the digits for the same number of epochs, each with its own shuffles, start of the network and checks. The race
itself trains until enough of the held-out digits are right, where they are examined after every epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import click

from benchmarks.experiments.measuring import fitted
from benchmarks.experiments.pattern import budget_option, experiment, table
from benchmarks.experiments.targets import COLUMNS, Target, Targets, draw_targets
from formulations.backends import DEFAULT
from formulations.cli.bench import parse_peers
from formulations.comparison import limited_threads
from formulations.comparison.epochs import EPOCH_PEERS, TRAINING, run_epochs
from formulations.comparison.epochs.course import TrainingCourse
from formulations.comparison.epochs.peers.sklearn import descent_of
from formulations.comparison.epochs.reference import EpochVerdict
from formulations.comparison.race import (
    FLOOR,
    RACE_DTYPES,
    Contestant,
    Heat,
    Kind,
    Race,
    Ready,
    Wording,
    read_settings,
    run_heat,
)
from formulations.exceptions import needs
from formulations.training import sgd
from formulations.verification import Status

__all__ = ["FIT", "EpochTargets", "FitCell", "measure_epochs", "measure_fits", "targets_of_epochs"]

PEER = "the best peer"

SPEEDS: tuple[tuple[str, str, tuple[float, float]], ...] = (
    ("fused", "digits", (3.0, 3.0)),
    ("fused", "book", (2.2, 2.8)),
    ("fused", "medium", (1.3, 1.3)),
    (DEFAULT, "book", (1.3, 1.3)),
    (DEFAULT, "medium", (1.3, 1.3)),
)
"""A backend, a cell, and its least speed over the best peer's, in float32 and float64."""

OVER_FLOOR = 1.1
"""The largest time of an epoch over that of its products and gathers, in book and medium."""

OVER_SKLEARN = 20.0
"""The least speed of ``sgd`` with ``fused`` over ``MLPClassifier``'s."""

SKLEARN = "sklearn"

OF_FITS = Wording("done", "first", "a fit", counted="epochs")
LEGEND_OF_FITS = "done: the epochs of a fit. a fit: the median time, from arrays in memory to the trained network."


@dataclass(frozen=True)
class FitCell:
    """A fit of the digits that are trained in the race, for a number of epochs.

    Attributes
    ----------
    name : str
        Its name in tables.
    epochs : int
        Passes over the examples.
    """

    name: str = "fit"
    epochs: int = 20

    steps = None

    @property
    def title(self) -> str:
        """Name, sizes, mini-batches and epochs."""
        sizes = "-".join(map(str, TRAINING.to_dict()["sizes"]))
        return (
            f"{self.name}: {sizes}, {TRAINING.examples:,} digits in mini-batches of {TRAINING.m}, {self.epochs} epochs"
        )

    def problem(self, dtype: Any) -> TrainingCourse:
        """Return the course, in newly allocated memory."""
        return TRAINING.problem(dtype)

    def to_dict(self) -> dict[str, Any]:
        """Return name and sizes as plain Python values."""
        described = {**TRAINING.to_dict(), "cell": self.name, "epochs": self.epochs}
        del described["goal"]
        return described


FIT = FitCell()


class EpochTargets(Targets):
    """The race of epochs, and its targets."""

    def __str__(self) -> str:
        met = sum(target.met for target in self.targets)
        return f"{self.race}\n\n{table(self.targets, COLUMNS)}\n\n{met} of {len(self.targets)} targets are met."


def targets_of_epochs(race: Race) -> list[Target]:
    """Return the targets that a race of epochs decides."""
    targets = []
    for i, dtype in enumerate(RACE_DTYPES):
        for name, cell, speeds in SPEEDS:
            heat = race.heat(cell, dtype)
            best = None if heat is None else heat.best_peer
            ratio = None if heat is None else heat.ratio(name, best)
            targets.append(Target(f"{name} over {PEER}", cell, dtype, 1 / speeds[i], ratio, best or "", as_speed=True))
        for name in (DEFAULT, "fused"):
            for cell in ("book", "medium"):
                heat = race.heat(cell, dtype)
                ratio = None if heat is None else heat.ratio(name, FLOOR.name)
                targets.append(Target(f"{name} over {FLOOR.name}", cell, dtype, OVER_FLOOR, ratio, FLOOR.name))
        heat = race.heat(FIT.name, dtype)
        ratio = None if heat is None else heat.ratio("fused", SKLEARN)
        what = "sgd with fused over MLPClassifier"
        targets.append(Target(what, FIT.name, dtype, 1 / OVER_SKLEARN, ratio, SKLEARN, as_speed=True))
    return targets


def _enter_sgd(flag: str, epochs: int, course: TrainingCourse) -> Ready:
    problem, classes = course.problem, course.problem.Y.argmax(axis=1)

    def fit() -> int:
        history = sgd(
            problem.network.copy(), problem.X, classes, epochs, course.batch_size, course.rate, flag, seed=0,
            cost=problem.cost,
        )  # fmt: skip
        return len(history.epochs)

    return Ready(fit, partial(_judged, epochs))


def _enter_sklearn(epochs: int, course: TrainingCourse) -> Ready:
    needs("peers", "sklearn", "this row")
    from sklearn.neural_network import MLPClassifier

    problem, classes = course.problem, course.problem.Y.argmax(axis=1)
    # It cannot stop early.
    settings = {**descent_of(course), "max_iter": epochs, "n_iter_no_change": epochs, "random_state": 0}
    return Ready(lambda: int(fitted(MLPClassifier, problem.X, classes, **settings).n_iter_), partial(_judged, epochs))


def _judged(wanted: int, done: int) -> EpochVerdict:
    if done == wanted:
        return EpochVerdict(Status.EQUAL, "epochs", done)
    return EpochVerdict(Status.DIFFERENT, "epochs", done, f"it ended after {done} of {wanted} epochs.")


def measure_fits(
    peers: Collection[str],
    *,
    threads: int | None = None,
    budget: float = 0.25,
    cpu_time: bool = False,
    progress: Callable[[str], object] = lambda _: None,
    cell: FitCell = FIT,
) -> tuple[Heat, ...]:
    """Time whole fits of the digits by ``sgd`` and, if it is among the peers, by scikit-learn.

    Parameters
    ----------
    peers : collection of str
        The packages that take part.
    threads, budget, cpu_time, progress
        As in :func:`formulations.comparison.epochs.run_epochs`.
    cell : FitCell
        What is fitted.

    Returns
    -------
    tuple of Heat
        One for each dtype.
    """
    settings = read_settings(DEFAULT, budget, threads, cpu_time, progress, pauses=True)
    field = [Contestant(flag, Kind.PLAN, partial(_enter_sgd, flag, cell.epochs)) for flag in (DEFAULT, "fused")]
    if SKLEARN in peers:
        field.append(Contestant(SKLEARN, Kind.PEER, partial(_enter_sklearn, cell.epochs)))
    with limited_threads(settings.threads):
        return tuple(run_heat(cell, dtype, field, settings, OF_FITS) for dtype in RACE_DTYPES)


def measure_epochs(
    against: Iterable[str] | None = None,
    *,
    threads: int | None = None,
    budget: float = 0.25,
    cpu_time: bool = False,
    progress: Callable[[str], object] = lambda _: None,
) -> EpochTargets:
    """Race epochs in all cells, and time whole fits.

    Parameters
    ----------
    against, threads, budget, cpu_time, progress
        As in :func:`formulations.comparison.epochs.run_epochs`.

    Returns
    -------
    EpochTargets
        True if every target is met.
    """
    options: Any = {"threads": threads, "budget": budget, "cpu_time": cpu_time, "progress": progress}
    peers = EPOCH_PEERS if against is None else list(against)
    race = run_epochs(against=peers, **options)
    heats = race.heats + measure_fits(peers, **options)
    race = replace(race, heats=heats, legend=f"{LEGEND_OF_FITS}\n{race.legend}")
    return EpochTargets(tuple(targets_of_epochs(race)), race)


@experiment(
    draw_targets,
    click.option("--against", metavar="NAME,…", help="Other packages to race; or none.  [default: all]"),
    budget_option(0.25),
    click.option("--cpu-time", "cpu_time", is_flag=True, help="Measure CPU time; needs --threads 1."),
)
def main(
    against: str | None, budget: float, cpu_time: bool, threads: int | None, progress: Callable[[str], object]
) -> EpochTargets:
    """Print the race of epochs, and every target beside what was measured for it.

    \b
    Examples:
      python -m benchmarks.experiments.epochs --threads 1
      python -m benchmarks.experiments.epochs --against jax.scan --save epochs.json --plot epochs.png

    Exit status 0 if every target is met, else 1.
    """
    return measure_epochs(parse_peers(against), threads=threads, budget=budget, cpu_time=cpu_time, progress=progress)


if __name__ == "__main__":
    main()
