"""Grades: right answers get all points, a mistake costs those of its own equation, and no feedback tells the answer."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import formulations as fm
from formulations.exceptions import InvalidInput, UnknownName, WrongType
from formulations.verification.certification.causes.mistakes import MISTAKES
from formulations.verification.grading import EXERCISES, child, feedback, marking, submission
from formulations.verification.grading.questions import Question, drawn
from formulations.verification.tolerances import Formulas, propagate_bounds

ASSIGNMENT = Path(__file__).parents[3] / "docs" / "assignment"
RIGHT = (ASSIGNMENT / "right.py").read_text(encoding="utf-8")


def functions(*changes):
    """The right submission's functions, with parts of its text replaced."""
    text, scope = RIGHT, {}
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    exec(compile(text, "submission", "exec"), scope)
    return {name: scope[name] for name in EXERCISES}


def points(exercise):
    return {each.equation: each.points for each in exercise.equations}


def graded(name, *changes, seed=1):
    return fm.grade({name: functions(*changes)[name]}, seed=seed).exercises[0]


SIGMOIDS = ["1 / (1 + np.exp(-z))", "0.5 * (np.tanh(z / 2) + 1)", "np.exp(z) / (1 + np.exp(z))"]
SLOPES = ["sigmoid(z) * (1 - sigmoid(z))", "np.exp(-z) / (1 + np.exp(-z)) ** 2", "(1 - np.tanh(z / 2) ** 2) / 4"]


@pytest.mark.parametrize("seed", [0, *[pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 9)]])
def test_right_answers_have_all_points_by_any_formula(seed):
    changes = (SIGMOIDS[0], SIGMOIDS[seed % 3]), (SLOPES[0], SLOPES[seed // 3])
    grade = fm.grade(functions(*changes), seed=seed)
    assert grade and grade.points == grade.possible == 52, str(grade)
    assert not any(exercise.feedback for exercise in grade.exercises)


def test_a_formula_that_cancels_is_right_and_a_slope_that_is_off_by_as_much_is_not():
    z, y = np.array([-20.0]), np.array([0.25])
    network = fm.Network([[[1.0]]], [z])
    question = Question(network, np.zeros((1, 1)), y[None], 2, 0)
    a = 0.5 * (np.tanh(z / 2) + 1)
    for factor, right in ((1.0, True), (1 + 1e-6, False)):
        judgement = EXERCISES["bp1"].judge(question, {"delta": factor * (a - y) * a * (1 - a)})
        assert [finding.right for finding in judgement.findings] == [right]


def test_an_equation_is_right_as_part_of_the_whole_backward_pass_too():
    (question, *_) = drawn(np.random.default_rng(3))
    bounds = propagate_bounds(question.reference, formulas=Formulas.CUSTOMARY)
    checks = {(check.equation, check.layer): check for check in bounds.checks(question.gradient)}
    errors = question.errors
    # Right in itself, but not what the δ of the layer below has been computed from.
    errors[-1] = errors[-1] + 0.9 * checks["δ", question.last].bound
    answer = {"weights": question.gradient.weights, "biases": question.gradient.biases, "errors": errors}
    assert all(finding.right for finding in EXERCISES["backprop"].judge(question, answer).findings)


SLOPE, MEAN = "the factor σ′:", "how the examples of a mini-batch are combined"
BP1, BP2 = "return (sigmoid(z) - y) * sigmoid_prime(z)", "return (w_next.T @ delta_next) * sigmoid_prime(z)"
HIDDEN = "errors.insert(0, (errors[0] @ w) * sigmoid_prime(z))"
BP4 = "return delta.T @ a_before / len(delta)"
RETURN = "return [bp4(a, delta) for a, delta in zip(activations, errors)], [bp3(delta) for delta in errors], errors"
FAULTS = {
    "bias lost": ("feedforward", ("w @ activations[-1] + b", "w @ activations[-1]"), {"25": 0}, "each term"),
    "slope missing": ("bp1", (BP1, "return sigmoid(z) - y"), {"BP1": 0}, SLOPE),
    "value for slope": ("bp1", (BP1, "return (sigmoid(z) - y) * sigmoid(z)"), {"BP1": 0}, SLOPE),
    "y − a": ("bp1", (BP1, "return (y - sigmoid(z)) * sigmoid_prime(z)"), {"BP1": 0}, "the signs"),
    "factor": ("bp1", (BP1, "return 2 * (sigmoid(z) - y) * sigmoid_prime(z)"), {"BP1": 0}, "constant factors"),
    "slope at a": ("bp2", (BP2, "return (w_next.T @ delta_next) * sigmoid_prime(sigmoid(z))"), {"BP2": 0}, SLOPE),
    "sign": ("bp2", (BP2, "return -(w_next.T @ delta_next) * sigmoid_prime(z)"), {"BP2": 0}, "the signs"),
    "sum": ("bp3", ("delta.mean(axis=0)", "delta.sum(axis=0)"), {"BP3": 1}, MEAN),
    "one example": ("bp3", ("delta.mean(axis=0)", "delta[-1]"), {"BP3": 1}, ""),
    "sum of weights": ("bp4", (BP4, "return delta.T @ a_before"), {"BP4": 1}, MEAN),
    "transposed": ("bp4", (BP4, "return (delta.T @ a_before).T / len(delta)"), {"BP4": 0}, "the order of the indices"),
    "δ of another cost": ("backprop", (BP1, "return sigmoid(z) - y"), {"BP1": 0, "BP2": 4, "BP3": 4, "BP4": 4}, SLOPE),
    "σ in BP2": (
        "backprop",
        (HIDDEN, HIDDEN.replace("sigmoid_prime", "sigmoid")),
        {"BP1": 4, "BP2": 0, "BP3": 4, "BP4": 4},
        SLOPE,
    ),
    "next a": (
        "backprop",
        ("zip(activations, errors)]", "zip(activations[1:], errors)]"),
        {"BP1": 4, "BP2": 4, "BP3": 4, "BP4": 0},
        "must have shape",
    ),
    "sums": (
        "backprop",
        (RETURN, "return [d.T @ a for a, d in zip(activations, errors)], [d.sum(axis=0) for d in errors], errors"),
        {"BP1": 4, "BP2": 4, "BP3": 1, "BP4": 1},
        MEAN,
    ),
    "δ of the mean cost": (
        "backprop",
        ("for delta in errors], errors", "for delta in errors], [delta / len(X) for delta in errors]"),
        {"BP1": 1, "BP2": 4, "BP3": 4, "BP4": 4},
        MEAN,
    ),
    "Σ′ twice": (
        "sigma_form",
        ("matrix @ w.T @ errors[0]", "matrix @ matrix @ w.T @ errors[0]"),
        {"33": 4, "34": 0},
        "",
    ),
    "matrix full": (
        "sigma_form",
        ("return matrices, errors", "return [matrix + 0.1 * (1 - np.eye(len(matrix))) for matrix in matrices], errors"),
        {"33": 1, "34": 0},
        "the entries of Σ′",
    ),
    "slope of σ kept": (
        "modified_neuron",
        ("a[neuron], slope[neuron] = f(z[neuron]), f_prime(z[neuron])", "a[neuron] = f(z[neuron])"),
        {"BP1": 2, "BP2": 2},
        "",
    ),
    "function of σ kept": (
        "modified_neuron",
        ("a[neuron], slope[neuron] = f(z[neuron]), f_prime(z[neuron])", "slope[neuron] = f_prime(z[neuron])"),
        {"BP1": 0},
        "where the modified neuron enters",
    ),
}
QUICK = ("y − a", "slope at a", "sum", "transposed", "σ in BP2")


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=[pytest.mark.slow] * (each not in QUICK)) for each in FAULTS]
)
def test_a_mistake_costs_its_own_equation_and_is_told_without_the_answer(name):
    exercise, change, expected, told = FAULTS[name]
    found = graded(exercise, change)
    assert {equation: points(found)[equation] for equation in expected} == expected, found
    assert any(told in line for line in found.feedback), found.feedback
    remedies = {mistake.remedy.partition("{")[0].strip() for mistake in MISTAKES} - {""}
    assert not any(remedy in line for remedy in remedies for line in found.feedback if len(remedy) > 5)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXERCISES)
def test_an_entry_that_is_off_by_a_billionth_costs_a_point(name):
    function, random = functions()[name], np.random.default_rng(0)
    shifted = []

    def off(*arguments):
        parts = function(*arguments)
        leaves = child._leaves(list(parts) if isinstance(parts, tuple) else [parts])
        array = leaves[random.integers(len(leaves))]
        array.ravel()[random.integers(array.size)] += 1e-9 * np.abs(array).max()
        shifted.append(array)
        return parts

    found = fm.grade({name: off}, seed=3).exercises[0]
    assert len(shifted) == 4 and found.points <= found.possible - 4 and len(found.feedback) > 0


def test_what_to_look_at_is_known_by_the_names_of_mistakes():
    assert set(feedback.LOOK_AT) <= {mistake.name for mistake in MISTAKES}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("np.full(z.shape, np.nan)", "(BP1) is wrong"),
        ("np.float32(1) * ((sigmoid(z) - y) * sigmoid_prime(z)).astype(np.float32)", "arrays in float32"),
        ("(sigmoid(z) - y)[:, None]", "delta must have shape ("),
        ("1j * z", "delta must hold real numbers, got complex128"),
    ],
)
def test_an_answer_that_cannot_be_right_is_told(value, told):
    found = graded("bp1", (BP1, f"return {value}"))
    assert found.points == 0 and told in " ".join(found.feedback), found.feedback


def test_too_few_layers_are_told():
    found = fm.grade({"modified_neuron": lambda *_: []}, seed=0).exercises[0]
    assert found.feedback[0].endswith("errors must hold 2 arrays, one a layer, got 0.")


def test_changed_arguments_are_told_and_cost_nothing():
    def bp3(delta):
        delta /= len(delta)
        return delta.sum(axis=0)

    (found,) = fm.grade(bp3, seed=1).exercises
    assert found.points == 4
    # The first network has one example, whose δ is the mean.
    assert len(found.feedback) == 1 and found.feedback[0].endswith("it changes its arguments; work on copies.")


def test_a_single_function_is_the_only_exercise_asked_for_whatever_its_name():
    assert fm.grade(lambda delta: delta.mean(axis=0), "bp3", seed=1).points == 4
    with pytest.raises(
        InvalidInput, match=r"must have the name of its exercise, got <lambda>; .* 'bp1'\), or a mapping"
    ):
        fm.grade(lambda delta: delta, ["bp3", "bp4"])


def test_the_order_of_a_list_is_told_where_nothing_else_is_wrong():
    changes = ("return matrices, errors", "return matrices, errors[::-1]")
    told = "(33) is wrong in layer 4; look at the order of the layers."
    assert any(line.endswith(told) for line in graded("sigma_form", changes).feedback)


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("bp1", (BP1, "return (sigmoid(z) - y) * 0.3"), "both factors of the equation"),
        ("bp3", ("delta.mean(axis=0)", "delta.sum(axis=0) / (len(delta) + 1)"), "what the equation says"),
    ],
)
def test_no_hint_that_fits_any_fault_of_a_single_entry_is_given(name, change, told):
    function, exercise = functions(change)[name], EXERCISES[name]
    question = drawn(np.random.default_rng(0), output=(True,) * 4)[3]
    assert question.network.sizes[-1] == 1
    if name == "bp1":
        question = Question(question.network, question.X[:1], question.Y[:1], question.layer, 0)
    (result,) = exercise.shapes(question)
    found = {result: function(*exercise.arguments(question))}
    assert told in feedback.sentence(exercise, question, found, exercise.judge(question, found))


def test_every_wrong_equation_is_told():
    name, change, _, _ = FAULTS["sums"]
    lines = graded(name, change).feedback
    assert all("(BP4) is wrong in layer" in line and line.endswith("; (BP3) is wrong, too.") for line in lines), lines


def test_what_holds_for_several_exercises_is_said_once(tmp_path):
    (tmp_path / "bad.py").write_text("1 / 0")
    grade = fm.grade(tmp_path / "bad.py", ["bp1", "bp2"])
    for text in (str(grade), grade._repr_html_()):
        assert text.count("bp1, bp2:") == text.count("ZeroDivisionError") == 1


def test_networks_are_drawn_anew_and_by_the_seed():
    seen = []

    def bp3(delta):
        seen.append(delta.tolist())
        return delta.mean(axis=0)

    grades = [fm.grade(bp3), fm.grade(bp3), fm.grade(bp3, seed=7), fm.grade(bp3, seed=7)]
    first, second, third, fourth = (seen[i : i + 4] for i in range(0, 16, 4))
    assert first != second and third == fourth
    assert fm.grade(bp3, seed=grades[0].seed) and seen[-4:] == first


@pytest.mark.parametrize("seed", range(5))
def test_the_networks_tell_mistakes_apart(seed):
    different, same, deep, single = drawn(np.random.default_rng(seed))
    assert len(set(different.network.sizes)) == 3
    assert len(set(same.network.sizes)) == 1 and same.network.sizes[0] > 1 and same.last == 4
    assert deep.last == 5 and single.network.sizes[-1] == 1
    assert [len(question.X) for question in (different, same, deep, single)] == [1, 4, 16, 8]


@pytest.mark.parametrize("always", [0, 1, -1])
def test_no_neuron_is_the_right_one_in_every_network(always):
    for seed in range(100):
        asked = [(q.neuron, q.network.sizes[q.layer - 1]) for q in drawn(np.random.default_rng(seed))]
        assert any(neuron not in (always, always + size) for neuron, size in asked)


def test_a_file_that_cannot_be_imported_is_run_once(tmp_path, monkeypatch):
    (tmp_path / "bad.py").write_text("1 / 0")
    calls = []
    answers = submission.FileSubmission.answers
    monkeypatch.setattr(
        submission.FileSubmission, "answers", lambda self, *given: calls.append(given) or answers(self, *given)
    )
    grade = fm.grade(tmp_path / "bad.py")
    assert len(calls) == 1 and not grade and grade.points == 0 and grade.possible == 52
    why = "The file cannot be marked: its import raised ZeroDivisionError: division by zero (line 1)."
    assert {exercise.feedback for exercise in grade.exercises} == {(why,)}


def test_what_is_asked_for_and_not_there_has_no_points():
    (found,) = fm.grade({"bp1": None, "bp3": lambda delta: delta.mean(axis=0)}, "bp4", seed=0).exercises
    assert found.feedback == ("There is no function bp4.",) and points(found) == {"BP4": 0}


def test_a_function_of_nearly_the_name_asked_for_is_told(tmp_path):
    (tmp_path / "work.py").write_text("def BP_1():\n    pass\n\n\ndef bp2():\n    pass\n")
    first, other = fm.grade(tmp_path / "work.py", ["bp1", "bp3"]).exercises
    assert first.feedback == ("There is no function bp1; rename BP_1 to bp1.",)
    assert other.feedback == ("There is no function bp3.",)
    (found,) = fm.grade({"Backprop": None}, "backprop").exercises
    assert found.feedback == ("There is no function backprop; rename Backprop to backprop.",)


def test_exercises_are_named_with_commas_as_on_the_command_line():
    given = {"bp1": lambda *_: 0.0, "bp3": lambda delta: delta.mean(axis=0)}
    assert [exercise.name for exercise in fm.grade(given, "bp3, bp1").exercises] == ["bp3", "bp1"]
    with pytest.raises(UnknownName, match=r"unknown exercise 'bp5'.* Did you mean"):
        fm.grade(given, "bp1,bp5")


@pytest.mark.slow
def test_memory_that_is_not_limited_is_said_once(tmp_path, monkeypatch):
    (tmp_path / "bad.py").write_text("1 / 0")
    monkeypatch.setattr(marking, "find_spec", lambda _: None)
    assert str(fm.grade(tmp_path / "bad.py")).count("This system limits the time of a submission, not its memory.") == 1


BAD = {
    "no file": (
        ("absent.py",),
        {},
        InvalidInput,
        "a submission must be a Python file, got 'absent.py'; pass its path.",
    ),
    "no Python": (("notes.txt",), {}, InvalidInput, "a submission must be a Python file"),
    "notebook": (("work.ipynb",), {}, InvalidInput, "got 'work.ipynb'; convert it with jupyter nbconvert --to script."),
    "number": ((3,), {}, WrongType, "the path of a Python file, a function, or a mapping"),
    "exercise": (({}, "bp5"), {}, UnknownName, "unknown exercise 'bp5'; valid names are feedforward, bp1"),
    "own name": ((len,), {}, InvalidInput, "a function must have the name of its exercise, got len; pass that as well"),
    "none": (({},), {}, InvalidInput, "exercises must be at least one name"),
    "twice": (({}, ["bp1", "bp1"]), {}, InvalidInput, "each once, got ['bp1', 'bp1']"),
    "seconds": (({}, "bp1"), {"seconds": 0}, InvalidInput, "seconds must be positive"),
    "memory": (({}, "bp1"), {"memory": "1MB"}, InvalidInput, "memory must be at least 200 MB"),
    "memory text": (({}, "bp1"), {"memory": "much"}, InvalidInput, "memory must be a positive number of bytes"),
    "seed": (({}, "bp1"), {"seed": -1}, InvalidInput, "seed must be an integer of at least 0, or None, got -1"),
    "seed text": (({}, "bp1"), {"seed": "x"}, InvalidInput, "seed must be an integer"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name):
    arguments, options, kind, message = BAD[name]
    with pytest.raises(kind, match=re.escape(message)):
        fm.grade(*arguments, **options)


def test_a_grade_is_plain_values_text_and_html():
    grade = fm.grade({"bp3": lambda delta: delta.sum(axis=0), "bp1": lambda *_: "<b>"}, seed=1)
    plain = json.loads(json.dumps(grade.to_dict()))
    assert (plain["points"], plain["possible"], plain["seed"]) == (1, 8, 1)
    assert plain["exercises"][0]["equations"] == [{"equation": "BP3", "points": 1, "possible": 4}]
    assert plain["exercises"][0]["points"] == 1
    assert repr(grade) == "<Grade: 1 of 8 points>"
    text, html = str(grade), grade._repr_html_()
    assert text.startswith("1 of 8 points.\n\nexercise  equation  points")
    assert "\nbp1:\n  on every network: it returned a str instead of an array of numbers." in text
    assert "✗ 1 of 4" in html and "seed 1" in html and "<b>" not in html
