"""The result on scale: time per example and memory by the number of examples, and what follows from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from formulations.arrays import format_bytes
from formulations.display import Ratio, format_seconds, format_table

__all__ = ["TOLERANCE", "Scale", "ScaleRow"]

TOLERANCE = 0.1
"""What may be called constant, as a share."""


@dataclass(frozen=True)
class ScaleRow:
    """A batch of one length.

    Attributes
    ----------
    examples : int
        Its length.
    data_bytes : int
        X and Y on disk.
    one_batch_bytes : int
        What the backend is predicted to take for all examples at once.
    seconds : float
        Time per example, of the median round.
    ratio : Ratio
        Time per example over that of the baseline, in the rounds in which both were measured.
    peak_bytes : int
        Largest sum of Python's and NumPy's allocations at a time, the plan's included.
    anonymous_bytes : int or None
        Growth of the process's memory that is no file's, largest of those between two chunks: 0 where it had enough
        from before. None where the platform does not tell it.
    """

    examples: int
    data_bytes: int
    one_batch_bytes: int
    seconds: float
    ratio: Ratio
    peak_bytes: int
    anonymous_bytes: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {
            "examples": self.examples,
            "data_bytes": self.data_bytes,
            "one_batch_bytes": self.one_batch_bytes,
            "seconds": self.seconds,
            **self.ratio.to_dict(),
            "peak_bytes": self.peak_bytes,
            "anonymous_bytes": self.anonymous_bytes,
        }


@dataclass(frozen=True)
class Scale:
    """What :func:`~formulations.comparison.experiments.scale.measure_scale` found: a table and its conclusions.

    Attributes
    ----------
    network, dtype, backend : str
        Whose gradient, in which precision, computed how.
    memory : float
        Bytes that were allowed.
    batch_size : int
        Examples taken at once.
    baseline : int
        Examples of the batch that the others are compared with.
    rows : tuple of ScaleRow
        From the fewest examples to the most.
    """

    network: str
    dtype: str
    backend: str
    memory: float
    batch_size: int
    baseline: int
    rows: tuple[ScaleRow, ...]

    @property
    def flat(self) -> bool:
        """Whether no batch, however long, allocates more than the baseline does, within a tenth."""
        base = next(row.peak_bytes for row in self.rows if row.examples == self.baseline)
        return all(row.peak_bytes <= (1 + TOLERANCE) * base for row in self.rows)

    @property
    def constant_from(self) -> int | None:
        """Examples from which on time per example is that of the baseline within a tenth; None if it never is."""
        first = None
        for row in reversed(self.rows):
            if abs(row.ratio.median - 1) > TOLERANCE:
                break
            first = row.examples
        return first

    @property
    def constant(self) -> bool:
        """Whether that is so for every batch that was measured."""
        return self.constant_from == self.rows[0].examples

    def __bool__(self) -> bool:
        return self.flat

    @property
    def title(self) -> str:
        """Network, backend, dtype and what is taken at once."""
        return (
            f"{self.network}, {self.dtype}, backend {self.backend}, {self.batch_size:,} examples at once "
            f"within {format_bytes(self.memory)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        found = asdict(self) | {"rows": [row.to_dict() for row in self.rows]}
        return found | {"flat": self.flat, "constant": self.constant, "constant_from": self.constant_from}

    def __str__(self) -> str:
        header = ["examples", "on disk", "per example", "ratio", "quartiles", "peak", "anonymous", "in one batch"]
        lines = [
            [
                f"{row.examples:,}",
                format_bytes(row.data_bytes),
                format_seconds(row.seconds),
                f"{row.ratio.median:.3f}",
                f"{row.ratio.lower:.3f}–{row.ratio.upper:.3f}",
                format_bytes(row.peak_bytes),
                "unknown" if row.anonymous_bytes is None else format_bytes(row.anonymous_bytes),
                format_bytes(row.one_batch_bytes),
            ]
            for row in self.rows
        ]
        return f"{self.title}\n\n{format_table(header, lines, right=range(len(header)))}\n\n{self._sentence()}"

    def _sentence(self) -> str:
        flat = "flat" if self.flat else "not flat"
        if self.constant_from is None:
            constant = "not constant"
        else:
            reach = "for every length" if self.constant else f"from {self.constant_from:,} examples on, not below"
            constant = f"constant {reach}"
        return (
            f"Peak memory is {flat}, and time per example {constant}: within {TOLERANCE:.0%} of what "
            f"{self.baseline:,} examples take, in time of the same round. In one batch: what the backend is "
            "predicted to take for all at once."
        )
