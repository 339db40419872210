"""The document of a walk: it keeps to its schema, and its numbers are the library's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import makers
import numpy as np
import pytest
from json_schema import SCHEMA, violations
from scipy.sparse import csr_array

import formulations as fm
from formulations.explanation.operands import MOST_EXAMPLES, MOST_NEURONS, NAMES
from formulations.explanation.story import Phase
from formulations.explanation.walk.actions import ACTIONS
from formulations.explanation.walk.answers import answer
from formulations.explanation.walk.document import MOST_LAYERS
from formulations.explanation.walk.faults import FAULTS
from formulations.explanation.walk.scene import MOST_NUMBERS
from formulations.functions import ACTIVATIONS, COSTS

COUPLED = [name for name, activation in ACTIVATIONS.items() if activation.coupled]


def explained(sizes=(2, 3, 2), activations="sigmoid", cost="quadratic", m=1, backends="hadamard", dtype="float64"):
    random = np.random.default_rng(3)
    net = fm.Network.random(list(sizes), activations, seed=random, init="book", dtype=dtype)
    X = random.random((m, sizes[0])).astype(dtype)
    Y = np.eye(sizes[-1], dtype=dtype)[random.integers(sizes[-1], size=m)]
    return fm.explain(net, X, Y, backends, cost)


def plain(found):
    """The document, as another program reads it."""
    document = found.to_dict()
    read = json.loads(json.dumps(document, allow_nan=False))
    assert read == document
    assert list(violations(read)) == []
    return read


def steps(document, column=0):
    return [step for stage in document["stages"] for step in stage["columns"][column]]


def operands(document):
    for step in [step for column in range(len(document["columns"])) for step in steps(document, column)]:
        for piece in [*step["symbols"], *(piece for row in step["rows"] for piece in row)]:
            if "operator" not in piece:
                yield piece


@pytest.mark.parametrize("m", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("backend", fm.list_backends())
def test_every_backend_keeps_to_the_schema(backend, m):
    makers.skip_absent(backend)
    activations = "sigmoid"
    if not makers.serves(backend, fm.Network.random([2, 3, 2], seed=0)):
        activations = "identity"
    document = plain(explained(activations=activations, m=m, backends=backend))
    sizes = document["scene"]["sizes"]
    for piece in operands(document):
        assert piece["mathml"].startswith("<") == bool(piece["symbol"])
        if piece["value"] is None or not piece["axes"]:
            continue
        counts = []
        for axis in piece["axes"]:
            ((what, count),) = axis.items()
            counts.append(
                {"neurons": lambda l: sizes[l - 1], "extended": lambda l: sizes[l - 1] + 1}.get(what, int)(count)
            )
        assert [len(piece["value"]), len(piece["value"][0])] == counts, piece


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_every_activation_keeps_to_the_schema_and_has_a_curve_or_the_reason_why_not(activation):
    document = plain(explained((2, 3, 2), [activation, "sigmoid"], backends=["sigma", "product"]))
    first = document["curves"][0]
    assert first["activation"] == activation
    if activation in COUPLED:
        assert "couples its neurons" in first["why"] and document["layers"][1]["slope"] is None
        assert {piece["kind"] for piece in operands(document) if piece["name"] == "Sigma"} == {"blocks", "diagonal"}
        return
    z = np.array(first["z"])
    assert first["a"] == ACTIVATIONS[activation].value(z).tolist()
    assert first["slope"] == ACTIVATIONS[activation].slope(z).tolist()
    assert -z[0] == z[-1] >= np.abs(document["layers"][1]["z"]).max()


@pytest.mark.parametrize("cost", [*sorted(COSTS), "2/3 quadratic"])
@pytest.mark.parametrize("m", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_every_cost_keeps_to_the_schema(cost, m):
    document = plain(explained(cost=cost, m=m))
    assert document["scene"]["cost"] == cost
    assert document["cost"] == answer({"version": 1, "scene": document["scene"]})["cost"]


def test_user_defined_functions_keep_to_the_schema():
    cubic = fm.activation(lambda z: z**3, lambda z: 3 * z**2, name="cubic")
    net = fm.Network.random([2, 3, 2], [makers.NEIGHBOURS, cubic], seed=0)
    found = fm.explain(
        net,
        [[1.0, 2.0]],
        [[0.0, 1.0]],
        "sigma",
        fm.cost(lambda a, y: ((a - y) ** 4).sum(axis=1), lambda a, y: 4 * (a - y) ** 3, name="fourth"),
    )
    document = plain(found)
    assert document["scene"]["activations"] == ["neighbours", "cubic"]
    refused = answer({"version": 1, "scene": document["scene"]})
    assert "unknown activation 'neighbours'" in refused["error"]["message"]


@pytest.mark.parametrize("m", [1, 3])
def test_the_numbers_of_the_layers_are_those_of_the_library(m):
    # The second one computes no δ.
    found = explained(m=m, backends=["hadamard", "finite_difference"])
    document, scene = plain(found), found.scene
    gradient = fm.gradient(scene.network, scene.X, scene.Y)
    tape = scene.network.forward(scene.X, scene.Y)
    assert document["layers"][0] == {"layer": 1, "a": scene.X.T.tolist()}
    for l, layer in enumerate(document["layers"][1:], start=2):
        i = l - 2
        assert layer == {
            "layer": l, "activation": "sigmoid", "w": scene.network.weights[i].tolist(),
            "b": scene.network.biases[i][:, None].tolist(), "z": tape.weighted_inputs[i].T.tolist(),
            "a": tape.activations[i + 1].T.tolist(), "slope": tape.slopes[i].T.tolist(),
            "delta": gradient.errors[i].T.tolist(), "dw": gradient.weights[i].tolist(),
            "db": gradient.biases[i][:, None].tolist(),
        }  # fmt: skip
    assert document["cost"] == gradient.cost
    shown = {
        (piece["name"], piece["layer"]): piece["value"]
        for step in steps(document)
        for row in step["rows"]
        for piece in row
        if "name" in piece and not piece["index"] and not piece["transposed"]
    }
    for name in ("w", "a", "z", "slope", "delta", "dw", "db"):
        for l in (2, 3):
            assert shown[name, l] == document["layers"][l - 1][name]
    assert shown["y", 3] == scene.Y.T.tolist()


def test_a_stage_has_its_phase_and_layer():
    document = plain(explained(backends=["hadamard", "sigma"]))
    assert [(stage["phase"], stage["layer"]) for stage in document["stages"]] == [
        ("forward", 2), ("forward", 3), ("cost", None), ("error", 3), ("error", 2), ("gradient", 2), ("gradient", 3),
    ]  # fmt: skip
    assert [stage["shared"] for stage in document["stages"]] == [True, True, True, False, False, True, True]
    phases = {
        stage["phase"]
        for name in ("path_sum", "tangent", "finite_difference")
        for stage in plain(explained(backends=name))["stages"]
    }
    assert phases == {"forward", "cost", "method", "other", "gradient"}


def test_the_paths_add_up_to_the_derivative():
    document = plain(explained((2, 3, 2, 2), backends="path_sum"))
    (step,) = (step for step in steps(document) if "paths" in step)
    assert [path["neurons"] for path in step["paths"]] == [
        [[1, 1], [2, 1], [3, j], [4, k]] for j in (1, 2) for k in (1, 2)
    ]
    total = document["layers"][1]["dw"][0][0]
    products = [path["product"] for path in step["paths"]]
    # Four products of seven factors, and their sum, against a sum of as many in another order.
    assert abs(sum(products) - total) <= 32 * np.finfo(float).eps * sum(map(abs, products))


@pytest.mark.parametrize("scheme", ["forward", "central", "richardson"])
def test_the_moves_give_the_quotients(scheme):
    found = explained(backends=f"finite_difference:scheme={scheme}")
    document, scene = plain(found), found.scene
    (step,) = (step for step in steps(document) if "moves" in step)
    assert [(move["name"], move["layer"], move["index"]) for move in step["moves"]] == [
        ("w", 2, [1, 1]), ("w", 2, [1, 2]), ("w", 2, [2, 1])
    ]  # fmt: skip
    for move in step["moves"]:
        ends, costs = ([each[key] for each in move["costs"]] for key in ("by", "cost"))
        quotients = [(costs[i] - costs[i + 1]) / (ends[i] - ends[i + 1]) for i in range(0, len(ends), 2)]
        assert move["quotient"] == (quotients[0] if len(quotients) == 1 else (4 * quotients[0] - quotients[1]) / 3)
        j, k = move["index"]
        for by, cost in zip(ends, costs, strict=True):
            net = scene.network.copy()
            net.weights[0][j - 1, k - 1] += by
            # The weight is moved by the nearest number that it can be moved by.
            assert abs(fm.gradient(net, scene.X, scene.Y).cost - cost) <= 8 * np.finfo(float).eps


def test_a_large_network_is_drawn_by_layer_with_the_reason():
    document = plain(explained((9, 7, 2), backends=["hadamard", "per_neuron"]))
    assert document["drawn"] == "layers"
    assert "a layer has 9 neurons, and at most 6 can be drawn one by one" in document["why"]
    assert all(layer["a"] is None for layer in document["layers"])
    sigma = plain(explained((9, 7, 2), backends="sigma"))
    (piece,) = (
        p for s in steps(sigma) if s["equation"] == "34" for row in s["rows"] for p in row if p.get("name") == "Sigma"
    )
    assert (piece["shape"], piece["nonzeros"], piece["value"]) == ([7, 7], 7, None)
    assert all(len(step["rows"]) <= 1 for step in steps(document, 1))
    # It is small enough to be changed.
    assert answer({"version": 1, "scene": document["scene"]}) == document
    many = plain(explained(m=5))
    assert "there are 5 examples" in many["why"]
    deep = plain(explained([2] * 13))
    assert "it has 13 layers" in deep["why"]
    assert explained([2] * 12).to_dict()["why"] == ""


def test_a_network_too_large_to_be_changed_has_no_numbers_in_its_scene():
    document = plain(explained((64, 60, 10)))
    assert document["scene"]["weights"] is document["scene"]["X"] is None
    refused = answer({"version": 1, "scene": document["scene"]})["error"]["message"]
    assert refused.startswith("a scene must have at most 4096 parameters and numbers in its examples to be changed")


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("activations", "cost"),
    [
        ("sigmoid", "quadratic"),
        (["tanh", "softmax"], "log_likelihood"),
        ([fm.PerNeuron(["relu", "sine", "relu"]), "sigmoid"], "quadratic"),
    ],
    ids=["sigmoid", "softmax", "per_neuron"],
)
def test_a_scene_read_back_gives_the_same_document(activations, cost, dtype):
    document = plain(explained(activations=activations, cost=cost, m=2, backends=["hadamard", "sigma"], dtype=dtype))
    assert answer({"version": 1, "scene": document["scene"], "action": None}) == document


def test_a_sparse_network_stays_sparse():
    net = fm.Network([csr_array([[0.0, 2.0], [3.0, 0.0], [0.0, 0.0]]), np.ones((1, 3))], [np.zeros(3), np.zeros(1)])
    document = plain(fm.explain(net, [[1.0, 2.0]], [[1.0]]))
    assert document["scene"]["weights"][0] == [[None, 2.0], [3.0, None], [None, None]]
    assert answer({"version": 1, "scene": document["scene"]}) == document


def test_numbers_that_are_not_finite_are_null():
    net = fm.Network([[[1e300]], [[1.0]]], [[0.0], [0.0]])
    document = plain(fm.explain(net, [[1e300]], [[0.5]]))
    assert document["layers"][1]["z"] == [[None]] and document["layers"][1]["a"] == [[1.0]]


def test_an_explanation_does_not_change_with_its_network():
    net, X, Y = fm.Network.random([2, 3, 2], seed=0), np.ones((1, 2)), np.ones((1, 2))
    found = fm.explain(net, X, Y)
    before = found.to_dict(), str(found)
    net.vector[...] = 0
    X[...], Y[...] = 5, 5
    assert (found.to_dict(), str(found)) == before


@pytest.mark.parametrize("backends", [["hadamard", "sigma"], pytest.param("per_neuron", marks=pytest.mark.slow)])
@pytest.mark.parametrize("m", [1, 2])
def test_a_saturated_neuron_is_named_with_what_follows(backends, m):
    document = plain(explained(m=m, backends=backends))
    action = {"name": "move", "quantity": "z", "layer": 2, "index": [3], "value": 30.0}
    moved = answer({"version": 1, "scene": document["scene"], "action": action})
    said = [
        remark
        for stage in moved["stages"]
        if (stage["phase"], stage["layer"]) == ("error", 2)
        for column in stage["columns"]
        for step in column
        for remark in step["remarks"]
        if "saturated" in remark
    ]
    assert len(said) == len(document["columns"])
    every = " for every example" if m > 1 else ""
    assert all(
        each.startswith(f"Neuron 3 of layer 2 has saturated{every}: its σ′ is below 0.1 of its supremum.")
        for each in said
    )
    assert all("it learns slowly" in each for each in said)
    before = json.dumps([step["remarks"] for step in steps(document)], ensure_ascii=False)
    assert "Neuron 3 of layer 2" not in before
    assert abs(moved["layers"][1]["delta"][2][0]) < 1e-9 < abs(document["layers"][1]["delta"][2][0])


def test_the_choices_are_those_of_the_library():
    choices = plain(explained((2, 3, 3), ["tanh", "softmax"], cost="quadratic", backends="sigma"))["choices"]
    assert choices["activations"] == sorted(ACTIVATIONS) and choices["costs"] == sorted(COSTS)
    assert [each["name"] for each in choices["backends"]] == fm.list_backends()
    reasons = {each["name"]: each["why"] for each in choices["backends"]}
    assert "couples the neurons" in reasons["hadamard"] and reasons["sigma"] is None
    assert [each["name"] for each in choices["faults"]] == list(FAULTS)


def test_the_docs_describe_every_part_action_and_limit():
    page = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "walk-document.md").read_text(encoding="utf-8")
    for name in (*SCHEMA["properties"], *SCHEMA["$defs"]["scene"]["properties"], *ACTIONS):
        assert f"`{name}`" in page, name
    for name in ("says", "remarks", "symbols", "rows", "paths", "moves"):
        assert f"`{name}`" in page and name in SCHEMA["$defs"]["step"]["properties"]
    limits = f"more than {MOST_NEURONS} neurons in a layer, {MOST_EXAMPLES} examples, or {MOST_LAYERS} layers"
    assert limits in page and f"up to {MOST_NUMBERS} numbers" in page


def test_the_schema_names_every_operand():
    assert SCHEMA["$defs"]["operand"]["properties"]["name"]["enum"] == ["", *NAMES]


def test_the_schema_allows_nothing_else():
    """Objects have no other keys, and all but these are required."""
    optional = set()

    def look(schema):
        if isinstance(schema, dict):
            if schema.get("type") == "object":
                assert schema["additionalProperties"] is False
                optional.update(set(schema["properties"]) - set(schema["required"]))
            for each in schema.values():
                look(each)
        elif isinstance(schema, list):
            for each in schema:
                look(each)

    look(SCHEMA)
    assert optional == {"dtype", "paths", "moves", "planted", "effect", "expected", "shape", "nonzeros"}


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("cost"),
        lambda document: document.update(more=1),
        lambda document: document.update(version=2),
        lambda document: document["scene"].update(weights=[[["1"]]]),
        lambda document: document["layers"][1].pop("delta"),
        lambda document: document["stages"][0]["columns"][0][0]["symbols"][0].update(kind="tensor"),
        lambda document: document["stages"][0]["columns"][0][0]["symbols"][0].update(axes=[{"columns": 1}]),
        lambda document: document["stages"][0].update(shared=1),
        lambda document: document["choices"]["faults"][0].update(layers=[1]),
    ],
)
def test_the_schema_finds_what_is_missing_unknown_or_of_another_type(change):
    document = plain(explained((1, 1, 1)))
    change(document)
    assert list(violations(document))


@pytest.mark.slow
def test_an_independent_validator_agrees():
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator
    validator.check_schema(SCHEMA)
    for backends in (["hadamard", "sigma"], "path_sum", "node_perturbation", "homogeneous"):
        validator(SCHEMA).validate(explained(m=1, backends=backends).to_dict())


def test_the_schema_names_the_phases_of_a_stage():
    assert tuple(SCHEMA["$defs"]["stage"]["properties"]["phase"]["enum"]) == get_args(Phase)
