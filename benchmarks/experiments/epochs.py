"""Epochs: ``formulations bench --epoch``, and the targets for it beside what the same run measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from benchmarks.experiments.pattern import budget_option, experiment, table
from benchmarks.experiments.targets import COLUMNS, Target, Targets, draw_targets
from formulations.backends import DEFAULT
from formulations.cli.bench import parse_peers
from formulations.comparison.epochs import TRAINING, run_epochs
from formulations.comparison.race import FLOOR, RACE_DTYPES, Race

__all__ = ["EpochTargets", "measure_epochs", "targets_of_epochs"]

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
        heat = race.heat(TRAINING.name, dtype)
        ratio = None if heat is None else heat.ratio("fused", "sklearn")
        what = "sgd with fused over MLPClassifier"
        targets.append(Target(what, TRAINING.name, dtype, 1 / OVER_SKLEARN, ratio, "sklearn", as_speed=True))
    return targets


def measure_epochs(
    against: Iterable[str] | None = None,
    *,
    threads: int | None = None,
    budget: float = 0.25,
    cpu_time: bool = False,
    progress: Callable[[str], object] = lambda _: None,
) -> EpochTargets:
    """Race epochs in all cells.

    Parameters
    ----------
    against, threads, budget, cpu_time, progress
        As in :func:`formulations.comparison.epochs.run_epochs`.

    Returns
    -------
    EpochTargets
        True if every target is met.
    """
    race = run_epochs(against=against, threads=threads, budget=budget, cpu_time=cpu_time, progress=progress)
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
