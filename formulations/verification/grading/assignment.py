"""The assignment that students get: a function for each exercise, with shapes and equations in its docstring."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from formulations.display import counted
from formulations.verification.grading.exercises import EXERCISES, choose

__all__ = ["template"]

# No module: it is not for this package to import.
FILE = Path(__file__).with_name("template.txt")


def template(exercises: str | Iterable[str] | None = None) -> str:
    """Return the Python file that students complete, with the exercises chosen, in the order of the chapter.

    Raises
    ------
    UnknownName
        If there is no such exercise.
    InvalidInput
        If none is named, or one twice.
    """
    chosen = {exercise.name for exercise in choose(EXERCISES if exercises is None else exercises)}
    start, *functions = FILE.read_text(encoding="utf-8").split("\n\n\ndef ")
    if len(chosen) < len(EXERCISES):
        # Whoever is given a part checks this part.
        start = start.replace("eight exercises", counted(len(chosen), "exercise"))
        names = ",".join(name for name in EXERCISES if name in chosen)
        start = start.replace("``formulations grade FILE.py``", f"``formulations grade FILE.py --exercise {names}``")
    kept = [function.rstrip() for function in functions if function.partition("(")[0] in chosen]
    return "\n\n\ndef ".join([start, *kept]) + "\n"
