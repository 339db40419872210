"""The grade: points for each equation, and a sentence on each network on which an answer is wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from formulations.display import fitted, format_table, html_list, html_mark, html_table, html_text, html_view

__all__ = ["EquationGrade", "ExerciseGrade", "Grade"]


@dataclass(frozen=True)
class EquationGrade:
    """The points of an equation.

    Attributes
    ----------
    equation : str
        Its number.
    points, possible : int
        The networks on which it is right, and all of them.
    """

    equation: str
    points: int
    possible: int


@dataclass(frozen=True)
class ExerciseGrade:
    """The points of an exercise.

    Attributes
    ----------
    name, says : str
        Its name, and what it asks for.
    equations : tuple of EquationGrade
        The points of each equation.
    feedback : tuple of str
        A sentence on each network on which the answer is wrong, or one on what has failed.
    """

    name: str
    says: str
    equations: tuple[EquationGrade, ...]
    feedback: tuple[str, ...]

    @property
    def points(self) -> int:
        """The points earned."""
        return sum(each.points for each in self.equations)

    @property
    def possible(self) -> int:
        """The maximum."""
        return sum(each.possible for each in self.equations)


@dataclass(frozen=True)
class Grade:
    """The result of :func:`formulations.grade`: true if it has all points; printed, it shows points and feedback.

    Attributes
    ----------
    exercises : tuple of ExerciseGrade
        The points of each exercise.
    seed : int
        Draws the same networks again.
    notes : tuple of str
        What else there is to know.
    """

    exercises: tuple[ExerciseGrade, ...]
    seed: int
    notes: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        """The points earned in all exercises."""
        return sum(each.points for each in self.exercises)

    @property
    def possible(self) -> int:
        """The maximum."""
        return sum(each.possible for each in self.exercises)

    def __bool__(self) -> bool:
        return self.points == self.possible

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        plain = asdict(self) | {"points": self.points, "possible": self.possible}
        for entry, exercise in zip(plain["exercises"], self.exercises, strict=True):
            entry |= {"points": exercise.points, "possible": exercise.possible}
        return plain

    def __str__(self) -> str:
        parts = [self._words(), format_table(*self._table(), right=[2])]
        said = ["\n  ".join([f"{names}:", *lines]) for names, lines in self._feedback().items()]
        return fitted("\n\n".join([*parts, *said, *self.notes, f"The networks are those of seed {self.seed}."]))

    def _repr_html_(self) -> str:
        header, rows = self._table()
        complete = [line.points == line.possible for each in self.exercises for line in each.equations]
        marked = [
            [*row[:2], html_mark(row[2], "good" if full else "bad"), *row[3:]]
            for row, full in zip(rows, complete, strict=True)
        ]
        lines = [(names, line) for names, given in self._feedback().items() for line in given]
        return html_view(
            html_text(self._words(), "title"),
            html_table(header, marked, right=[2]),
            html_list([[f"{name}: {line}"] for name, line in lines]),
            html_text("\n".join([*self.notes, f"The networks are those of seed {self.seed}."]), "small"),
        )

    def _feedback(self) -> dict[str, tuple[str, ...]]:
        """Return the feedback by the exercises that it is on: what holds for several of them is said once."""
        alike: dict[tuple[str, ...], list[str]] = {}
        for each in self.exercises:
            alike.setdefault(each.feedback, []).append(each.name)
        return {", ".join(names): lines for lines, names in alike.items() if lines}

    def _words(self) -> str:
        return f"{self.points} of {self.possible} points."

    def _table(self) -> tuple[list[str], list[list[str]]]:
        rows = []
        for each in self.exercises:
            for i, line in enumerate(each.equations):
                name, says = ("", "") if i else (each.name, each.says)
                rows.append([name, f"({line.equation})", f"{line.points} of {line.possible}", says])
        return ["exercise", "equation", "points", "what it asks for"], rows

    def __repr__(self) -> str:
        return f"<Grade: {self.points} of {self.possible} points>"
