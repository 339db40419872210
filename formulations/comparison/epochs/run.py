"""The race of epochs: the same steps by backends and other packages, and a training by each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from formulations.arrays import by_name, items, quiet
from formulations.backends import DEFAULT
from formulations.comparison.epochs.course import EPOCH_CELLS, TRAINING, Course, EpochCell
from formulations.comparison.epochs.engine import Engine, enter_epoch, enter_training
from formulations.comparison.epochs.ours import CONTROL, EPOCH_FLOOR, EPOCH_ROWS, stepping, training
from formulations.comparison.epochs.peers import EPOCH_PEERS, Peer
from formulations.comparison.epochs.reference import measure_reference
from formulations.comparison.race import (
    Contestant,
    Heat,
    Kind,
    Race,
    Ready,
    Wording,
    describe_machine,
    read_dtypes,
    read_settings,
    run_heat,
)
from formulations.comparison.threads import limited_threads

__all__ = ["run_epochs"]

T = TypeVar("T")

OF_EPOCHS = Wording("of its bound", "first", "a step", spare=(2,))
OF_TRAINING = Wording("reached in", "first", "time", counted="epochs")
LEGEND_OF_EPOCHS = (
    "of its bound: the largest difference from the reference's parameters over its bound, and the rule of the bound.\n"
    "a step: the median time of an epoch over its steps. floor: the products and gathers alone.\n"
    f"control: {DEFAULT} again; it differs from {DEFAULT} by the machine's noise."
)
LEGEND_OF_TRAINING = (
    "reached in: the epochs until enough of the held-out examples are right. time: the median of all runs."
)
LEGEND = (
    "first: elapsed in the first epoch or training, with compilation. Ratios: the median of the ratios of all rounds, "
    "and their quartiles."
)


@quiet
def run_epochs(
    cells: Iterable[str] | None = None,
    dtypes: Iterable[str] | None = None,
    backends: Sequence[str] | None = None,
    against: Iterable[str] | None = None,
    *,
    threads: int | None = None,
    budget: float = 0.25,
    cpu_time: bool = False,
    progress: Callable[[str], object] | None = None,
) -> Race:
    """Race an epoch of gradient descent, and the training of the digits.

    All contestants take the same mini-batches in the same order from the same parameters. The parameters after the
    epoch are judged first, by :class:`~formulations.comparison.epochs.reference.EpochReference`. Peers with their own
    threads run in separate processes, as in :func:`formulations.comparison.race.run_race`, and every row is timed after
    a pause.

    Parameters
    ----------
    cells : iterable of str, optional
        Names of :data:`~formulations.comparison.epochs.EPOCH_CELLS`, or ``"training"``; all by default.
    dtypes : iterable of str, optional
        float32, float64; both by default.
    backends : sequence of str, optional
        Flags; by default ``hadamard``, ``sigma`` and ``fused``. ``hadamard`` always runs.
    against : iterable of str, optional
        Names of :data:`~formulations.comparison.epochs.EPOCH_PEERS`; all by default. A row says so if its package is
        not installed.
    threads, budget, cpu_time, progress
        As in :func:`formulations.comparison.race.run_race`.

    Returns
    -------
    Race
        Rows by cell and dtype, with times and paired ratios.

    Raises
    ------
    UnknownName, InvalidInput, WrongType
        If a cell, dtype, backend, peer or number cannot be used, or none is named but one is needed.
    """
    every: dict[str, Any] = {**EPOCH_CELLS, TRAINING.name: TRAINING}
    chosen, precisions = by_name(every, cells, "cell", "cells"), read_dtypes(dtypes)
    peers = by_name(EPOCH_PEERS, against, "peer", "against", some=False)
    settings = read_settings(DEFAULT, budget, threads, cpu_time, progress, pauses=True)
    named = EPOCH_ROWS if backends is None else items(backends, "backends", "['sigma']", one=str, some=False)
    flags = list(dict.fromkeys([DEFAULT, *named]))
    epochs = [EPOCH_FLOOR, *map(stepping, flags), CONTROL, *_contestants(peers, enter_epoch)]
    trainings = [*map(training, flags), *_contestants(peers, enter_training)]
    heats: list[Heat] = []
    with limited_threads(settings.threads):
        for name, cell in chosen.items():
            for dtype in precisions:
                if cell is TRAINING:
                    heats.append(run_heat(cell, dtype, trainings, settings, OF_TRAINING))
                else:
                    settings.tell(f"{name} {dtype}: the parameters after an epoch, and what roundoff can change")
                    heats.append(run_heat(_with_reference(cell, dtype), dtype, epochs, settings, OF_EPOCHS))
        # After the race, when all libraries have been loaded.
        facts = describe_machine()
    legends = {OF_EPOCHS: LEGEND_OF_EPOCHS, OF_TRAINING: LEGEND_OF_TRAINING}
    shown = [text for wording, text in legends.items() if any(heat.wording is wording for heat in heats)]
    return Race(tuple(heats), {**facts, **settings.facts}, "\n".join([*shown, LEGEND]))


def _contestants(
    peers: Mapping[str, Peer], enter: Callable[[Callable[[Course], Engine], T], Ready]
) -> list[Contestant[T]]:
    return [Contestant(name, Kind.PEER, partial(enter, peer.make), alone=peer.alone) for name, peer in peers.items()]


def _with_reference(cell: EpochCell, dtype: str) -> EpochCell:
    course = cell.problem(dtype)
    return replace(cell, reference=measure_reference(course.problem, course.batch_size, course.rate, course.order))
