"""Mark an assignment, equation by equation."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from formulations.arrays import as_bytes, format_bytes, positive_number, quiet
from formulations.exceptions import InvalidInput, WrongType, bare_name, described
from formulations.verification.grading.exercises import EXERCISES, Exercise, choose
from formulations.verification.grading.feedback import sentence, wrong_shape
from formulations.verification.grading.questions import BATCHES, Question
from formulations.verification.grading.report import EquationGrade, ExerciseGrade, Grade
from formulations.verification.grading.submission import (
    FileSubmission,
    FunctionSubmission,
    Limits,
    NotDefined,
    NotLoaded,
    Returned,
    Submission,
)

__all__ = ["grade"]

LEAST = 2 * 10**8
"""The least memory in which Python and NumPy start, in bytes."""


@quiet
def grade(
    candidate: Any,
    exercises: str | Iterable[str] | None = None,
    *,
    seconds: float = 10.0,
    memory: float | str = "1GB",
    packages: Iterable[str] = ("numpy",),
    seed: int | None = None,
) -> Grade:
    """Mark an assignment on backpropagation: points for each equation, and what to look at where it is wrong.

    Each exercise is a function of the same name, called on four networks that are drawn for it. An equation gives a
    point for each network on which it is right; a mistake costs the points of its own equation and not of those that
    build on it. Right means within the derived bounds of :func:`formulations.certify`. The feedback names the
    equation, the layer, and the part of the equation to look at, not the answer.

    Parameters
    ----------
    candidate : path, callable or mapping
        A Python file, which runs in a process of its own, within limits; or a function, or functions by the names of
        their exercises, which are called in this process without limits. A single function may have another name if
        ``exercises`` is a single one.
    exercises : str or iterable of str, optional
        The exercises, in a text separated by commas: ``feedforward``, ``bp1``, ``bp2``, ``bp3``, ``bp4``, ``backprop``,
        ``sigma_form``, ``modified_neuron``. By default all for a file, and for functions those that are there. The
        template, which ``formulations grade --template`` prints, describes what each function gets and returns.
    seconds : float
        Time limit for importing a file, and for each call.
    memory : float or str
        Memory limit of its process, in bytes or as in ``"1GB"``, where the system enforces it.
    packages : iterable of str
        The packages that a file may import besides the standard library.
    seed : int, optional
        Seed of the networks. By default it is new in each call; the grade holds it.

    Returns
    -------
    Grade
        True if it has all points.

    Raises
    ------
    InvalidInput
        If there is no such file, a function has not the name of an exercise, an exercise is named twice or none is, or
        a limit is not positive.
    UnknownName
        If there is no such exercise.
    WrongType
        If the candidate is neither a file nor functions.
    CandidateFailed
        If the process does not start. What a submission does wrong is no exception, but costs its points.

    Notes
    -----
    This is no sandbox. The limits end code that loops, prints or allocates without end, and the process and those that
    it has started are killed; but a file can do whatever its user can. Run files that you do not trust in a container.
    Windows limits the time only.

    Examples
    --------
    >>> import numpy as np
    >>> def bp3(delta):
    ...     return delta.sum(axis=0)  # the mean is missing
    >>> found = grade(bp3, seed=1)
    >>> found
    <Grade: 1 of 4 points>
    >>> print(found.exercises[0].feedback[0].partition(": ")[2])
    (BP3) is wrong; look at how the examples of a mini-batch are combined.
    """
    chosen = None if exercises is None else choose(exercises)
    if callable(candidate):
        candidate = {_exercise_of(candidate, chosen): candidate}
    submission, names = _submission(candidate, seconds, memory, packages)
    seed = _seed(seed)
    notes = []
    if isinstance(submission, FileSubmission) and find_spec("resource") is None:
        notes.append("This system limits the time of a submission, not its memory.")
    grades, failure = [], ""
    for exercise in choose(names) if chosen is None else chosen:
        # Each exercise has networks of its own, whatever the others are.
        random = np.random.default_rng([seed, list(EXERCISES).index(exercise.name)])
        if not failure:
            try:
                grades.append(_marked(submission, exercise, random))
                continue
            except NotLoaded as caught:
                failure = f"The file cannot be marked: {caught}."
        grades.append(_without_points(exercise, failure))
    return Grade(tuple(grades), seed, tuple(notes))


def _exercise_of(function: Any, chosen: list[Exercise] | None) -> str:
    """Return the name of the exercise of a function: the only one that is asked for, or that of the function."""
    if chosen is not None and len(chosen) == 1:
        return chosen[0].name
    name = getattr(function, "__name__", type(function).__name__)
    if name not in EXERCISES:
        raise InvalidInput(
            f"a function must have the name of its exercise, got {name}; pass that as well, as in "
            "formulations.grade(function, 'bp1'), or a mapping such as {'bp1': function}."
        )
    return name


def _submission(
    candidate: Any, seconds: float, memory: float | str, packages: Iterable[str]
) -> tuple[Submission, Iterable[str]]:
    """Return a candidate as a submission, and the names of its functions, as far as they are known."""
    allowed = as_bytes(memory, "memory")
    if allowed < LEAST:
        raise InvalidInput(
            f"memory must be at least {format_bytes(LEAST)}, in which NumPy starts, got {described(memory)}; "
            "pass such as '1GB'."
        )
    names = (packages,) if isinstance(packages, str) else tuple(packages)
    limits = Limits(positive_number(seconds, "seconds"), int(min(allowed, 2**62)), names)
    if isinstance(candidate, Mapping):
        return FunctionSubmission(candidate), candidate.keys()
    if isinstance(candidate, str | os.PathLike):
        path = Path(candidate)
        if path.suffix != ".py" or not path.is_file():
            how = "; convert it with jupyter nbconvert --to script" if path.suffix == ".ipynb" else "; pass its path"
            raise InvalidInput(f"a submission must be a Python file, got {described(str(candidate))}{how}.")
        return FileSubmission(path, limits), EXERCISES
    raise WrongType(
        f"a submission must be the path of a Python file, a function, or a mapping of names to functions, got "
        f"{described(candidate)}; pass one of these."
    )


def _seed(seed: Any) -> int:
    if seed is None:
        return int(np.random.default_rng().integers(2**32))
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise InvalidInput(f"seed must be an integer of at least 0, or None, got {described(seed)}; pass such as 0.")
    return int(seed)


def _without_points(exercise: Exercise, why: str) -> ExerciseGrade:
    points = tuple(EquationGrade(equation, 0, len(BATCHES)) for equation in exercise.equations)
    return ExerciseGrade(exercise.name, exercise.says, points, (why,))


def _marked(submission: Submission, exercise: Exercise, random: np.random.Generator) -> ExerciseGrade:
    questions: list[Question] = []

    def draw() -> Sequence[Sequence[Any]]:
        questions.extend(exercise.draw(random))
        return [exercise.arguments(question) for question in questions]

    try:
        answers = submission.answers(exercise.name, exercise.depths, draw)
    except NotDefined as missing:
        near = [name for name in missing.names if bare_name(name) == bare_name(exercise.name)]
        meant = f"; rename {near[0]} to {exercise.name}" if near else ""
        return _without_points(exercise, f"There is no function {exercise.name}{meant}.")
    right, feedback = dict.fromkeys(exercise.equations, 0), dict[str, list[str]]()
    for question, answer in zip(questions, answers, strict=True):
        wrong, said = _judged(exercise, question, answer)
        for equation in right:
            right[equation] += equation not in wrong
        if said:
            feedback.setdefault(said, []).append(question.title)
    earned = tuple(EquationGrade(equation, count, len(questions)) for equation, count in right.items())
    lines = [
        f"{'on every network' if len(titles) == len(questions) else '; '.join(titles)}: {said}"
        for said, titles in feedback.items()
    ]
    return ExerciseGrade(exercise.name, exercise.says, earned, tuple(lines))


def _judged(exercise: Exercise, question: Question, answer: Returned) -> tuple[set[str], str]:
    """Return the equations that an answer has wrong, and a sentence on it."""
    if answer.result is None:
        return set(exercise.equations), f"it {answer.why}."
    shapes, wrong, said = exercise.shapes(question), set[str](), list[str]()
    results = dict(zip(shapes, answer.result if len(shapes) > 1 else [answer.result], strict=True))
    for name, shape in shapes.items():
        problem = wrong_shape(results[name], shape, name)
        if problem:
            said.append(problem)
            wrong.update(exercise.of_result.get(name, exercise.equations))
            del results[name]
    if not wrong.issuperset(exercise.equations):
        numbers = {name: _numbers(held) for name, held in results.items()}
        judgement = exercise.judge(question, numbers)
        found = {finding.equation for finding in judgement.findings if not finding.right} - wrong
        wrong |= found
        if found:
            said.append(sentence(exercise, question, numbers, judgement))
    if answer.changed:
        said.append("it changes its arguments; work on copies")
    return wrong, f"{'; '.join(said)}." if said else ""


def _numbers(held: Any) -> Any:
    return [_numbers(each) for each in held] if isinstance(held, list) else held.astype(np.float64)
