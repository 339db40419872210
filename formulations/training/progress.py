"""The progress of a training run."""

from __future__ import annotations

from formulations.display import StatusLine, format_seconds, format_share
from formulations.training.history import Epoch, format_cost

__all__ = ["Progress"]


class Progress:
    """Writes the progress of a training run to standard error.

    Parameters
    ----------
    epochs : int
        The number of epochs.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._first: Epoch | None = None
        self._status = StatusLine()

    def __call__(self, epoch: Epoch) -> None:
        """Show an epoch."""
        if self._first is None:
            self._first = epoch
        self._status.show(epoch.epoch, self._epochs, epoch.seconds, lambda: self._line(epoch))

    def close(self) -> None:
        """Show the last epoch, and end the line that is redrawn."""
        self._status.close()

    def _line(self, epoch: Epoch) -> str:
        parts = [f"epoch {epoch.epoch}/{self._epochs}", f"cost {format_cost(epoch.cost)}"]
        if epoch.validation_cost is not None:
            parts.append(f"validation {format_cost(epoch.validation_cost)}")
        if epoch.accuracy is not None:
            parts.append(f"accuracy {format_share(epoch.accuracy)}")
        assert self._first is not None
        done, left = epoch.epoch - self._first.epoch, self._epochs - epoch.epoch
        # Not both times, so that the line fits 80 columns.
        if done and left:
            parts.append(f"{format_seconds((epoch.seconds - self._first.seconds) / done * left)} left")
        else:
            parts.append(format_seconds(epoch.seconds))
        return ", ".join(parts)
