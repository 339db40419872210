"""A training run: epochs of steps, which can stop after any step and go on from there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from time import perf_counter

import numpy as np

from formulations.arrays import Array
from formulations.exceptions import NotFinite
from formulations.training.checkpoints import Checkpoint, State
from formulations.training.history import Epoch
from formulations.training.interruption import Interruption
from formulations.training.schedules import Schedule, checked_rate
from formulations.training.scores import Examination
from formulations.training.steps import Trainer
from formulations.training.stopping import EarlyStopping, Patience

__all__ = ["Run"]


class Run:
    """A training run on one set of examples.

    Parameters
    ----------
    trainer : Trainer
        Takes the steps.
    generator : Generator
        Shuffles the examples.
    schedule : Schedule
        The learning rates, from that of the trainer on.
    early_stopping : EarlyStopping or None
        When to stop; needs an examination.
    examination : Examination or None
        The validation examples.
    sample : Examination or None
        The training examples whose accuracy is measured along with it.
    checkpoint : Checkpoint or None
        Where to keep the run.
    settings : mapping of str to str
        What a checkpoint must share with the run that resumes it.

    Attributes
    ----------
    epochs : list of Epoch
        The completed epochs.
    initial : float or None
        The cost of the first mini-batch with weight, before its step.
    stopped_by : str or None
        What stopped the run for good, before its last epoch.
    best_epoch : int or None
        The epoch with the lowest cost of the validation examples.
    """

    def __init__(
        self,
        trainer: Trainer,
        generator: np.random.Generator,
        schedule: Schedule,
        early_stopping: EarlyStopping | None,
        examination: Examination | None,
        sample: Examination | None,
        checkpoint: Checkpoint | None,
        settings: Mapping[str, str],
    ) -> None:
        self._trainer, self._generator = trainer, generator
        self._schedule, self._rates = schedule, schedule.rates(trainer.rate)
        stop = early_stopping
        self._patience = None if stop is None else Patience(stop.patience, stop.min_delta)
        self._examination, self._sample = examination, sample
        self._checkpoint, self._settings = checkpoint, settings
        self._parameters = trainer.network.vector
        self._before = self._parameters.copy()
        self._best = np.empty_like(self._parameters)
        # The results of the steps of the current epoch, and their number.
        self._record, self._taken = np.empty((2, trainer.count(len(trainer.Y)))), 0
        self._saved: tuple[int, int, str | None] | None = None
        self._shuffle = generator.bit_generator.state
        self._start = perf_counter()
        self.epochs: list[Epoch] = []
        self.initial: float | None = None
        self.stopped_by: str | None = None
        self.best_epoch: int | None = None

    @property
    def unchanged(self) -> bool:
        """Whether no parameter has changed since the last epoch began."""
        return np.array_equal(self._before, self._parameters)

    def train(self, count: int, interruption: Interruption, tell: Callable[[Epoch], bool]) -> None:
        """Train until there are ``count`` epochs, or something stops the run.

        Parameters
        ----------
        count : int
            The number of epochs, with those of a resumed run.
        interruption : Interruption
            Checked after each run of steps.
        tell : callable
            Called with each epoch; True stops the run.

        Raises
        ------
        NotFinite
            If the run diverges.
        """
        trainer, checkpoint = self._trainer, self._checkpoint
        timed = checkpoint is not None and checkpoint.epochs is None
        while self.stopped_by is None and len(self.epochs) < count and not interruption.seen:
            if not self._set_rate():
                self.stopped_by = "schedule"
                break
            if not self._taken:
                self._before[...] = self._parameters
            # In the middle of an epoch, the generator is in the state at its start.
            order = self._generator.permutation(len(trainer.Y))
            begun = self._taken
            for steps in trainer.steps(order[begun * trainer.batch_size :], self._record[:, begun:]):
                self._taken += steps.shape[1]
                if timed and perf_counter() >= checkpoint.due:  # type: ignore[union-attr]
                    self.save()
                if interruption.seen:
                    break
            if self._taken == self._record.shape[1]:
                self._end_epoch(tell)

    def _set_rate(self) -> bool:
        """Set the learning rate of the next epoch; return False if the schedule ends."""
        try:
            rate = next(self._rates) if not self.epochs else self._rates.send(self.epochs[-1])
        except StopIteration:
            return False
        if self._schedule.ends_at_zero and not self._parameters.dtype.type(rate):
            return False
        self._trainer.rate = checked_rate(rate, self._parameters.dtype, f"the rate of epoch {len(self.epochs) + 1}")
        return True

    def _end_epoch(self, tell: Callable[[Epoch], bool]) -> None:
        costs, weights = self._record
        total, number = float(costs.sum()), len(self.epochs) + 1
        if self.initial is None:
            first = np.flatnonzero(weights)[0]
            self.initial = float(costs[first] / weights[first])
        if not (math.isfinite(total) and np.isfinite(self._parameters).all()):
            raise NotFinite(
                f"training diverged in epoch {number}: cost or parameters are no longer finite; "
                f"use a learning_rate below {self._trainer.rate:g}."
            )
        held_out, share = (None, None) if self._examination is None else self._examination()
        epoch = Epoch(
            number,
            total / float(weights.sum()),
            share,
            perf_counter() - self._start,
            validation_cost=held_out,
            training_accuracy=None if self._sample is None else self._sample()[1],
            learning_rate=self._trainer.rate,
        )
        self._taken = 0
        if self._count(epoch):
            self._best[...] = self._parameters
        if tell(epoch):
            self.stopped_by = self.stopped_by or "callback"
        # A callback may have drawn from the generator.
        self._shuffle = self._generator.bit_generator.state
        checkpoint = self._checkpoint
        if checkpoint is not None and checkpoint.epochs is not None and number % checkpoint.epochs == 0:
            self.save()

    def _count(self, epoch: Epoch) -> bool:
        """Add an epoch to the history; return whether it is the best so far."""
        self.epochs.append(epoch)
        if self._patience is None or epoch.validation_cost is None:
            return False
        best = self._patience.see(epoch.validation_cost)
        if best:
            self.best_epoch = epoch.epoch
        if self._patience.exhausted:
            self.stopped_by = "early_stopping"
        return best

    def take_best(self) -> None:
        """Give the network the parameters of the best epoch, if there is one."""
        if self.best_epoch is not None:
            self._parameters[...] = self._best

    def save(self) -> None:
        """Write a checkpoint, unless there is no file, it holds this state, or the parameters are no longer finite."""
        position = len(self.epochs), self._taken, self.stopped_by
        if self._checkpoint is None or position == self._saved or not np.isfinite(self._parameters).all():
            return
        self._saved = position
        elapsed = perf_counter() - self._start
        arrays = self._arrays()
        if self.best_epoch is None:
            del arrays["best"]
        steps = self._record[:, : self._taken].T
        state = State(arrays, steps, self._shuffle, self.epochs, self.initial, self.stopped_by, elapsed)
        self._checkpoint.write(state, self._settings)

    def resume(self, count: int) -> None:
        """Go back to the state of the checkpoint, if its file exists.

        Parameters
        ----------
        count : int
            The number of epochs of this run.

        Raises
        ------
        InvalidInput, Refused
            If the file is not a checkpoint of a run with these settings and data.
        """
        checkpoint = self._checkpoint
        state = None if checkpoint is None else checkpoint.read(self._settings, self._arrays())
        if checkpoint is None or state is None:
            return
        taken = len(state.steps)
        begun = len(state.epochs) + bool(taken)
        if begun > count:
            incomplete = ", the last incomplete" if taken else ""
            raise checkpoint.broken(
                f"it has {begun} epochs{incomplete}, more than the {count} asked for", f"pass epochs={begun} or more, "
            )
        if taken > self._record.shape[1] or (taken and state.stopped_by is not None):
            raise checkpoint.broken("its position lies outside the epoch")
        for epoch in state.epochs:
            if not self._set_rate() or epoch.learning_rate != self._trainer.rate:
                raise checkpoint.broken(
                    f"the schedule gives another learning rate in epoch {epoch.epoch} than {epoch.learning_rate}"
                )
            if self._examination is not None and epoch.validation_cost is None:
                raise checkpoint.broken(f"epoch {epoch.epoch} lacks the cost of the validation examples")
            self._count(epoch)
        if (self.best_epoch is not None) != ("best" in state.arrays):
            raise checkpoint.broken("the best parameters do not belong to its history")
        try:
            self._generator.bit_generator.state = state.shuffle
        except (KeyError, IndexError, OverflowError, TypeError, ValueError):
            raise checkpoint.broken("the state of its shuffles is none") from None
        for name, array in self._arrays().items():
            if name in state.arrays:
                array[...] = state.arrays[name]
        self._record[:, :taken], self._taken = state.steps.T, taken
        self._shuffle, self.initial = state.shuffle, state.initial
        self.stopped_by = self.stopped_by or state.stopped_by
        self._start = perf_counter() - state.seconds
        self._saved = len(self.epochs), taken, self.stopped_by

    def _arrays(self) -> dict[str, Array]:
        """Return the arrays that a checkpoint keeps; they are changed in place."""
        optimizer = {f"optimizer_{name}": array for name, array in self._trainer.updates.state.items()}
        return {"parameters": self._parameters, "before": self._before, "best": self._best, **optimizer}
