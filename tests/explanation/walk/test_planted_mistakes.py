"""The mistakes that a reader can plant: each is in one line, and the certificate says which."""

from __future__ import annotations

import json

import numpy as np
import pytest
from json_schema import violations
from scipy.sparse import csr_array

import formulations as fm
from formulations.display import fixed_width
from formulations.exceptions import InvalidInput, Refused, UnknownName
from formulations.explanation.equations import parse_latex
from formulations.explanation.walk.answers import answer
from formulations.explanation.walk.faults import FAULTS, LINES, plant
from formulations.explanation.walk.scene import Scene, read_scene
from formulations.functions import get_cost
from formulations.verification.certification.causes.mistakes import MISTAKES

NAMED = {mistake.name for mistake in MISTAKES}
UNNAMED = {"slope_outside", "error_of_other_layer"}


def scene(sizes=(3, 3, 3, 3), activations="tanh", cost="quadratic", m=3, backends=("hadamard",)):
    random = np.random.default_rng(11)
    net = fm.Network.random(list(sizes), activations, seed=random, init="book")
    X, Y = random.standard_normal((m, sizes[0])), np.eye(sizes[-1])[random.integers(sizes[-1], size=m)]
    batch = net.check_examples(X, Y, cost=get_cost(cost))
    return Scene(net, batch.X, batch.Y, batch.cost, tuple(map(fm.get_backend, backends)))


def planted(plain, name, layer):
    found = answer({"version": 1, "scene": {**plain, "fault": {"name": name, "layer": layer}}})
    assert "error" not in found, found
    return found


def planted_line(found):
    """Return what the planted line computes, its layer, what the correct line gives, and what it has."""
    (line,) = (
        (step["symbols"][0]["name"], stage["layer"], step["expected"], step["rows"][-1][-1]["value"])
        for stage in found["stages"]
        for step in stage["columns"][1]
        if step.get("planted")
    )
    return line


PLACES = [
    (name, layer)
    for name, fault in FAULTS.items()
    for layer in (4, 3, 2)
    if fault.reason(scene().network, scene().batch, layer) is None
]
FIRST = dict(reversed(PLACES))
# A mistake in one layer is quick to test.
EACH = [pytest.param(*place, marks=() if FIRST[place[0]] == place[1] else pytest.mark.slow) for place in PLACES]


def test_every_mistake_can_be_planted_somewhere():
    assert {name for name, _ in PLACES} == set(FAULTS)
    assert set(FAULTS) - NAMED == UNNAMED


@pytest.mark.parametrize(("name", "layer"), EACH)
def test_one_line_does_not_give_its_left_side_and_the_certificate_says_which(name, layer):
    whole = scene()
    found = planted(whole.to_dict(), name, layer)
    fault, verdict = found["fault"], found["verdict"]
    assert (fault["name"], fault["layer"]) == (name, layer)
    _check_lines(whole, found)
    assert (verdict["status"], verdict["layer"], verdict["equation"]) == ("different", layer, fault["equation"])
    assert verdict["cause"] == (None if name in UNNAMED else name)
    assert verdict["says"].startswith(f"The mistake is in layer {layer}, ({fault['equation']})")
    assert ("none of the known ones" in verdict["says"]) == (name in UNNAMED)


def test_the_layers_of_the_program_have_the_numbers_of_its_steps():
    found = planted(scene().to_dict(), "sign", 4)
    computed = 0
    for step in [step for stage in found["stages"] for step in stage["columns"][1] if not stage["shared"]]:
        left, result = step["symbols"][0], step["rows"][0][-1]
        values = found["program"]["layers"][left["layer"] - 1][left["name"]]
        assert np.array_equal(np.reshape(values, np.shape(result["value"])), result["value"])
        assert values != found["layers"][left["layer"] - 1][left["name"]]
        computed += 1
    assert computed == 9


def test_the_verdict_is_that_of_certify():
    whole = scene()
    found = planted(whole.to_dict(), "slope_missing", 3)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert list(violations(found)) == []
    certificate = fm.certify(whole.network, whole.X, whole.Y, _gradient(found))
    with fixed_width(100):
        assert found["verdict"]["text"].split("\n\n")[-1] == str(certificate).split("\n\n")[-1]


def _gradient(document):
    """The program's gradient, as the page shows it."""
    shown = {}
    for stage in document["stages"]:
        for step in stage["columns"][1]:
            left = step["symbols"][0]
            if step["rows"]:
                shown[left["name"], left["layer"]] = np.array(step["rows"][-1][-1]["value"])
    layers = range(2, len(document["scene"]["sizes"]) + 1)
    return (
        [shown["dw", l] for l in layers],
        [shown["db", l][:, 0] for l in layers],
        [shown["delta", l].T for l in layers],
    )


def _check_lines(whole, found):
    """Compute every line of the program from its other numbers: one alone does not give its left side."""
    layer = found["fault"]["layer"]
    weights, biases, errors = _gradient(found)
    tape = whole.network.record(whole.batch)
    given = dict(enumerate(errors, start=2))
    wrong = []
    for l in range(4, 1, -1):
        lines = {"BP1" if l == 4 else "BP2": errors[l - 2], "BP3": biases[l - 2], "BP4": weights[l - 2]}
        wrong += [
            (equation, l)
            for equation, left in lines.items()
            if not np.array_equal(LINES[equation](tape, l, given), left)
        ]
    fault = found["fault"]
    assert wrong == [(fault["equation"], layer)]
    of, at, expected, value = planted_line(found)
    assert (of, at) == ({"BP3": "db", "BP4": "dw"}.get(fault["equation"], "delta"), layer)
    assert expected != value and np.shape(expected) == np.shape(value)


def test_the_right_lines_are_hadamards():
    whole = scene()
    tape = whole.network.record(whole.batch)
    right = fm.gradient(whole.network, whole.X, whole.Y)
    errors = {}
    for l in (4, 3, 2):
        errors[l] = LINES["BP1" if l == 4 else "BP2"](tape, l, errors)
    for l in (2, 3, 4):
        assert np.array_equal(errors[l], right.errors[l - 2])
        assert np.array_equal(LINES["BP3"](tape, l, errors), right.biases[l - 2])
        assert np.array_equal(LINES["BP4"](tape, l, errors), right.weights[l - 2])


def effects(document):
    return {
        (step["symbols"][0]["name"], step["symbols"][0]["layer"]): step["effect"]
        for stage in document["stages"]
        for step in stage["columns"][1]
        if "effect" in step
    }


def test_bp2_passes_a_wrong_sign_on():
    found = planted(scene().to_dict(), "sign_in_layer", 3)
    linear = "This line is correct. Its result has the opposite sign because {} does: ({}) is linear in {}."
    assert effects(found) == {
        ("delta", 2): linear.format("δ³", "BP2", "δ³"),
        ("db", 3): linear.format("δ³", "BP3", "δ³"),
        ("dw", 3): linear.format("δ³", "BP4", "δ³"),
        ("db", 2): linear.format("δ²", "BP3", "δ²"),
        ("dw", 2): linear.format("δ²", "BP4", "δ²"),
    }
    errors = _gradient(found)[2]
    correct = fm.gradient(scene().network, scene().X, scene().Y).errors
    assert [np.array_equal(one, -other) for one, other in zip(errors, correct, strict=True)] == [True, True, False]


def test_the_line_of_a_coupled_layer_has_one_example_on_both_sides():
    coupled = scene(activations=["sigmoid", "sigmoid", "softmax"], backends=["sigma"])
    of, _, expected, value = planted_line(planted(coupled.to_dict(), "sign", 4))
    assert (of, np.shape(expected)) == ("delta", np.shape(value)) and np.shape(value)[1] == 1
    assert np.array_equal(expected, -np.array(value))


def test_other_mistakes_are_passed_on_without_a_sign():
    found = effects(planted(scene().to_dict(), "slope_missing", 4))
    assert len(found) == 8 and set(found.values()) == {
        f"This line is correct. Its result is wrong because {delta} is." for delta in ("δ²", "δ³", "δ⁴")
    }
    assert effects(planted(scene().to_dict(), "sign_of_weights", 3)) == {}


def test_a_mistake_that_does_not_show_is_called_so(monkeypatch):
    plain = {**scene().to_dict(), "X": np.zeros((3, 3)).tolist()}
    found = planted(plain, "weights_lost", 2)
    assert found["verdict"]["status"] == "equal" and found["verdict"]["cause"] is None
    assert found["verdict"]["says"] == (
        "The gradient is correct, within roundoff: the mistake does not show in these numbers."
    )
    assert effects(found) == {}
    # The text of the certificate does not depend on the terminal of the server.
    monkeypatch.setenv("COLUMNS", "30")
    assert planted(plain, "weights_lost", 2) == found


def test_mistakes_that_have_the_same_gradient_are_all_named():
    verdict = planted(scene(m=2).to_dict(), "sum_for_mean", 4)["verdict"]
    assert (verdict["cause"], verdict["readings"]) == ("factor_two", ["sum_for_mean", "calls_accumulated"])
    assert "the factor ½ of the cost is missing; or the examples are summed, not averaged" in verdict["says"]
    assert planted(scene().to_dict(), "sign", 4)["verdict"]["readings"] == []


def test_roundoff_may_hide_a_mistake():
    whole = scene((2, 2), "identity", m=1)
    found = planted({**whole.to_dict(), "Y": whole.network(whole.X).tolist()}, "sign", 2)
    assert (found["verdict"]["status"], found["verdict"]["says"]) == (
        "inconclusive", "Roundoff hides whether the gradient is correct."
    )  # fmt: skip


@pytest.mark.parametrize("backend", ["sigma", "path_sum", "finite_difference"])
def test_the_program_stands_beside_the_first_backend(backend):
    found = planted(scene((2, 3, 2), backends=(backend, "hadamard"), m=1).to_dict(), "slope_missing", 2)
    assert found["columns"] == [backend, "your program"]
    assert found["scene"]["backends"] == [backend, "hadamard"]


TRANSPOSED = (
    "w³ has 2 rows and 3 columns, so w³ without its transpose cannot multiply δ³, and NumPy would refuse it; plant "
    "another one."
)
COMBINED = "with binary_cross_entropy cost and sigmoid the output error has no σ′; plant it in layer 2 or 3."
ONE_COUPLED = {"activations": ["tanh", "softmax", "tanh"]}


@pytest.mark.parametrize(
    ("of", "name", "layer", "reason"),
    [
        ({"sizes": (2, 3, 2)}, "weights_transposed", 2, TRANSPOSED),
        ({"sizes": (3, 3, 2, 2)}, "weights_transposed", 3, None),
        ({"sizes": (3, 3, 2, 2)}, "weights_transposed", 2, "plant it in layer 3."),
        ({"sizes": (1, 1, 1)}, "weights_transposed", 2, "w³ has a single entry, and is its own transpose"),
        ({"activations": "sigmoid", "cost": "binary_cross_entropy"}, "factor_two", 4, "cost has no factor ½"),
        ({"cost": "2/3 quadratic"}, "factor_two", 4, "the 2/3 quadratic cost has no factor ½"),
        ({"m": 1}, "sum_for_mean", 4, "sum and mean of a single example are the same"),
        ({"activations": "sigmoid", "cost": "binary_cross_entropy"}, "slope_missing", 4, COMBINED),
        (
            ONE_COUPLED,
            "slope_twice",
            3,
            "softmax couples its neurons, and its slope is a matrix; plant it in layer 2 or 4.",
        ),
        (ONE_COUPLED, "slope_of_other_layer", 2, "the slope of the layer above is a matrix"),
        ({}, "sign", 3, "its line is (BP1), which belongs to another layer; plant it in layer 4."),
        ({}, "error_of_other_layer", 4, "there is no layer above"),
        ({}, "weighted_input_for_activation", 2, "a¹ is the input, which has no z¹"),
        ({"sizes": (2, 3, 2)}, "input_of_next_layer", 3, "layers 2 and 3 have 3 and 2 neurons"),
    ],
)
def test_a_layer_that_cannot_have_a_mistake_says_why(of, name, layer, reason):
    whole = scene(**of)
    if reason is None:
        assert plant(name, layer, whole.network, whole.batch).layer == layer
        return
    with pytest.raises(Refused) as caught:
        plant(name, layer, whole.network, whole.batch)
    message = str(caught.value)
    assert message.startswith(f"layer {layer} cannot have the mistake {name!r}: ") and reason in message
    sent = {**whole.to_dict(), "backends": ["sigma"], "fault": {"name": name, "layer": layer}}
    assert answer({"version": 1, "scene": sent}) == {"error": {"message": message}}


def test_every_mistake_of_the_choices_can_be_planted_there_and_nowhere_else():
    for of in (
        {},
        {"sizes": (2, 3, 2)},
        {"sizes": (2, 2), "m": 1},
        {"activations": ["tanh", "softmax", "softmax"], "cost": "log_likelihood"},
    ):
        whole = scene(**of)
        document = answer({"version": 1, "scene": {**whole.to_dict(), "backends": ["sigma"]}})
        for choice in document["choices"]["faults"]:
            assert (choice["why"] is None) == bool(choice["layers"])
            for layer in choice["layers"]:
                found = plant(choice["name"], layer, whole.network, whole.batch)
                assert found.equation in choice["equations"]
            others = set(range(2, len(whole.network.sizes) + 1)) - set(choice["layers"])
            for layer in others:
                with pytest.raises(Refused):
                    plant(choice["name"], layer, whole.network, whole.batch)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activations", "cost"),
    [
        (["tanh", "softmax", "tanh"], "quadratic"),
        (["tanh", "tanh", "softmax"], "log_likelihood"),
        ("sigmoid", "binary_cross_entropy"),
    ],
)
def test_coupled_layers_and_combined_costs_can_have_mistakes(activations, cost):
    whole = scene(activations=activations, cost=cost, backends=["sigma"])
    for name in ("sign", "sign_in_layer", "weights_transposed", "weights_lost"):
        layer = FAULTS[name].layers(whole.network, whole.batch)[0]
        found = planted(whole.to_dict(), name, layer)
        assert (found["verdict"]["layer"], found["verdict"]["cause"]) == (layer, name)


@pytest.mark.parametrize(
    ("of", "name", "layer", "line"),
    [
        ({}, "sign", 4, "δ⁴ = −(∇_aC ⊙ σ′(z⁴))"),
        ({}, "slope_missing", 3, "δ³ = (w⁴)ᵀ δ⁴"),
        ({}, "slope_missing", 4, "δ⁴ = ∇_aC"),
        ({}, "slope_outside", 2, "δ² = ((w³)ᵀ δ³) + σ′(z²)"),
        ({}, "weights_transposed", 2, "δ² = (w³ δ³) ⊙ σ′(z²)"),
        ({}, "sign_in_layer", 3, "δ³ = −(((w⁴)ᵀ δ⁴) ⊙ σ′(z³))"),
        ({}, "sign_of_weights", 3, "∂C/∂w³ = −δ³ (a²)ᵀ"),
        ({}, "biases_lost", 2, "∂C/∂b² = 0"),
        ({"activations": "sigmoid", "cost": "binary_cross_entropy", "m": 1}, "sign", 4, "δ⁴ = −(a⁴ − y)"),
        ({}, "factor_two", 4, "δ⁴ = 2 (∇_aC ⊙ σ′(z⁴))"),
        ({"activations": "sigmoid", "cost": "binary_cross_entropy"}, "sign", 4, "δ⁴ = −((a⁴ − y) / m)"),
        (ONE_COUPLED, "weights_transposed", 3, "δ³ = Σ′(z³)ᵀ w⁴ δ⁴"),
        (ONE_COUPLED, "sign_in_layer", 3, "δ³ = −(Σ′(z³)ᵀ (w⁴)ᵀ δ⁴)"),
        ({"activations": ["tanh", "tanh", "softmax"]}, "sign", 4, "δ⁴ = −(Σ′(z⁴)ᵀ ∇_aC)"),
    ],
)
def test_the_wrong_line_is_written_as_it_is(of, name, layer, line):
    whole = scene(**of)
    assert parse_latex(plant(name, layer, whole.network, whole.batch).latex).text == line


def test_sparse_weights_are_refused_with_the_reason():
    net = fm.Network([csr_array(np.eye(3))], [np.zeros(3)])
    whole = Scene(net, np.ones((1, 3)), np.ones((1, 3)), get_cost("quadratic"), (fm.get_backend("hadamard"),))
    with pytest.raises(Refused, match=r"the program works on dense weights"):
        plant("sign", 2, net, whole.batch)


@pytest.mark.parametrize(
    ("name", "layer", "exception", "part"),
    [
        ("sing", 4, UnknownName, "Did you mean 'sign'?"),
        (None, 4, UnknownName, "unknown mistake None"),
        ("sign", 5, InvalidInput, "one of the layers 2 to 4, got 5"),
        ("sign", True, InvalidInput, "got True"),
        ("sign", "4", InvalidInput, "got '4'"),
    ],
)
def test_an_unknown_mistake_or_layer_is_refused(name, layer, exception, part):
    whole = scene()
    with pytest.raises(exception) as caught:
        plant(name, layer, whole.network, whole.batch)
    assert part in str(caught.value)


def test_a_step_is_taken_by_the_program_with_its_mistake():
    whole = scene()
    right = answer({"version": 1, "scene": whole.to_dict(), "action": {"name": "step", "rate": 0.1}})
    sent = {**whole.to_dict(), "fault": {"name": "sign", "layer": 4}}
    wrong = answer({"version": 1, "scene": sent, "action": {"name": "step", "rate": 0.1}})
    before = fm.gradient(whole.network, whole.X, whole.Y)
    assert right["cost"] < before.cost < wrong["cost"]
    for document, sign in ((right, -0.1), (wrong, 0.1)):
        after = read_scene({**document["scene"], "fault": None}).network.vector
        assert np.array_equal(after, whole.network.vector + sign * before.vector)
