"""How a classifier does, class by class: the confusion matrix, precision, recall and F1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from formulations.arrays import Array, quiet
from formulations.display import axes_for, counted, format_share, format_table, html_table, html_text, html_view
from formulations.exceptions import InvalidInput

__all__ = ["ConfusionMatrix", "confusion_matrix"]

SHOWN = 15
"""The largest number of classes whose matrix is printed whole."""
CONFUSIONS = 10
"""The number of confusions that are printed instead of a larger matrix."""
LISTED, WORST = 20, 10
"""The largest number of classes whose figures are all printed, and the number of the worst that are printed of more."""
TICKS = 20
"""The most classes that are named at a drawn matrix; of more, evenly spaced ones."""
LONGEST = 20
"""The most characters of a class's name at a drawn matrix."""


Table: TypeAlias = tuple[Sequence[str], Sequence[Sequence[str]], Sequence[int]]
"""The header and rows of a table, and its right-aligned columns."""


@dataclass(frozen=True, eq=False, repr=False)
class ConfusionMatrix:
    """The number of examples of each class that were predicted as each class; it prints as tables.

    Attributes
    ----------
    classes : ndarray of shape (K,)
        The classes.
    counts : ndarray of int of shape (K, K)
        The number of examples of class i that were predicted as class j, at ``[i, j]``.
    """

    classes: Array
    counts: Array

    @property
    def accuracy(self) -> float:
        """The share of examples that were classified correctly."""
        return float(np.trace(self.counts) / self.counts.sum())

    @property
    def precision(self) -> Array:
        """For each class, the share of its predictions that are correct; NaN if it was never predicted."""
        return _shares(np.diag(self.counts), self.counts.sum(axis=0))

    @property
    def recall(self) -> Array:
        """For each class, the share of its examples that were classified correctly; NaN if it has none."""
        return _shares(np.diag(self.counts), self.support)

    @property
    def f1(self) -> Array:
        """For each class, the harmonic mean of precision and recall: 2·hits / (examples + predictions)."""
        return _shares(2 * np.diag(self.counts), self.support + self.counts.sum(axis=0))

    @property
    def support(self) -> Array:
        """The number of examples of each class."""
        found: Array = self.counts.sum(axis=1)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        columns = zip(
            self.classes.tolist(), self.precision.tolist(), self.recall.tolist(), self.f1.tolist(),
            self.support.tolist(), strict=True,
        )  # fmt: skip
        names = ("class", "precision", "recall", "f1", "examples")
        return {
            "confusion_matrix": self.counts.tolist(),
            "classes": [dict(zip(names, row, strict=True)) for row in columns],
        }

    def __repr__(self) -> str:
        return f"<ConfusionMatrix of {len(self.classes)} classes, {self._title()}>"

    def __str__(self) -> str:
        title, *matrix = self._matrix()
        first = [f"{title}\n{format_table(*matrix[0])}" if matrix else title]
        figures = format_table(*self._figures())
        return "\n\n".join([*first, f"{worst}\n{figures}" if (worst := self._worst()) else figures])

    def _repr_html_(self) -> str:
        title, *matrix = self._matrix()
        return html_view(
            html_text(self._title(), "title"),
            html_text(title, "small"),
            *(html_table(*table) for table in matrix),
            *([html_text(worst, "small")] if (worst := self._worst()) else []),
            html_table(*self._figures()),
        )

    def _title(self) -> str:
        return f"accuracy {format_share(self.accuracy)} on {counted(int(self.counts.sum()), 'example')}"

    def _names(self) -> list[str]:
        return [str(name) for name in self.classes.tolist()]

    def _figures(self) -> Table:
        """Return the table of precision, recall, F1 and number of examples of each class, or of the worst of many."""
        shares = zip(self.precision, self.recall, self.f1, strict=True)
        rows = [
            [name, *map(format_share, each), str(count)]
            for name, each, count in zip(self._names(), shares, self.support, strict=True)
        ]
        if self._worst():
            rows = [rows[k] for k in np.argsort(self.f1, kind="stable")[:WORST]]
        return ["class", "precision", "recall", "F1", "examples"], rows, [1, 2, 3, 4]

    def _worst(self) -> str:
        """Return the title of the table of figures if there are too many classes for all of them."""
        count = len(self.classes)
        return f"the {WORST} of {count} classes with the lowest F1" if count > LISTED else ""

    def _matrix(self) -> tuple[str, *tuple[Table, ...]]:
        """Return a title and the table of the matrix, or of what is confused most if the matrix is large."""
        names = self._names()
        if len(names) <= SHOWN:
            rows = [[name, *map(str, row)] for name, row in zip(names, self.counts, strict=True)]
            return "rows: labels; columns: predictions", (["", *names], rows, range(1, len(names) + 1))
        wrong = self.counts - np.diag(np.diag(self.counts))
        most = [int(place) for place in np.argsort(-wrong, axis=None, kind="stable")[:CONFUSIONS] if wrong.flat[place]]
        if not most:
            return ("no example is confused with another class",)
        pairs = [divmod(place, len(names)) for place in most]
        rows = [[names[i], names[j], str(wrong[i, j])] for i, j in pairs]
        return f"the {len(rows)} most frequent confusions", (["label", "prediction", "examples"], rows, [2])

    @quiet
    def plot(self, ax: Any = None) -> Any:
        """Draw the matrix, each cell coloured by its share of the examples of its class.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default in a new figure.

        Returns
        -------
        matplotlib Figure
            The new figure, or that of ``ax``.

        Raises
        ------
        MissingExtra
            If matplotlib is not installed.
        WrongType
            If ``ax`` is not a matplotlib Axes.
        """
        names, K = self._names(), len(self.classes)
        side = min(2.0 + 0.45 * K, 2.0 + 0.45 * SHOWN)
        ax = axes_for(ax, side + 1.0, side, self._title())
        shares = np.nan_to_num(_shares(self.counts, self.support[:, None]))
        image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        named = range(0, K, -(-K // TICKS))
        shown = [names[k] if len(names[k]) <= LONGEST else f"{names[k][: LONGEST - 1]}…" for k in named]
        ax.set_xticks(named, shown, rotation=45, ha="right", rotation_mode="anchor")
        ax.set_yticks(named, shown)
        ax.set_xlabel("prediction")
        ax.set_ylabel("label")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        if K <= SHOWN:
            for (i, j), count in np.ndenumerate(self.counts):
                ax.text(j, i, str(count), ha="center", va="center", color="white" if shares[i, j] > 0.5 else "black")
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.8)
        bar.set_label("share of its row")
        bar.outline.set_visible(False)
        return ax.figure


def confusion_matrix(classes: ArrayLike, wanted: ArrayLike, found: ArrayLike) -> ConfusionMatrix:
    """Count how often examples of each class were predicted as each class.

    Parameters
    ----------
    classes : array_like of shape (K,)
        The classes.
    wanted : array_like of int of shape (m,)
        The class of each example, as an index into ``classes``.
    found : array_like of int of shape (m,)
        The predicted class of each example, likewise.

    Returns
    -------
    ConfusionMatrix

    Raises
    ------
    InvalidInput
        If there are no examples, or unequal numbers of them, or an index is out of range.

    Examples
    --------
    >>> matrix = confusion_matrix(["cat", "dog"], [0, 0, 0, 1], [0, 0, 1, 1])
    >>> print(matrix)
    rows: labels; columns: predictions
         cat  dog
    ───  ───  ───
    cat    2    1
    dog    0    1
    <BLANKLINE>
    class  precision    recall       F1  examples
    ─────  ─────────  ────────  ───────  ────────
    cat     100.00 %   66.67 %  80.00 %         3
    dog      50.00 %  100.00 %  66.67 %         1
    >>> matrix.accuracy
    0.75
    """
    names, first, second = np.asarray(classes), np.asarray(wanted, np.intp), np.asarray(found, np.intp)
    K = len(names)
    if first.ndim != 1 or first.shape != second.shape or not first.size:
        raise InvalidInput(
            f"wanted and found must have the same shape (m,), with one example or more, got {first.shape} and "
            f"{second.shape}; pass one class for each example."
        )
    for name, indices in (("wanted", first), ("found", second)):
        if indices.min() < 0 or indices.max() >= K:
            raise InvalidInput(
                f"{name} must hold indices from 0 to {K - 1}, got {indices.min()} to {indices.max()}; pass indices "
                "into the classes."
            )
    counts = np.bincount(first * K + second, minlength=K * K).reshape(K, K)
    return ConfusionMatrix(names, counts)


def _shares(parts: Array, wholes: Array) -> Array:
    """Return parts / wholes; NaN where a whole is 0."""
    shape = np.broadcast_shapes(parts.shape, wholes.shape)
    shares: Array = np.divide(parts, wholes, out=np.full(shape, np.nan), where=wholes != 0)
    return shares
