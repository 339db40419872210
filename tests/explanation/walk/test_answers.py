"""Requests of the page: what a reader does to a scene, and that nothing that is sent makes an answer fail."""

from __future__ import annotations

import copy
import json
from functools import lru_cache

import numpy as np
import pytest
from json_schema import violations
from scipy.sparse import csr_array

import formulations as fm
from formulations.explanation.walk.answers import answer
from formulations.explanation.walk.scene import DEEPEST, MOST_NUMBERS, read_scene


def scene(m=1, activations="sigmoid", cost="quadratic"):
    return copy.deepcopy(_scene(m, activations, cost))


@lru_cache
def _scene(m, activations, cost):
    random = np.random.default_rng(2)
    net = fm.Network.random([2, 3, 2], activations, seed=random, init="book")
    X, Y = random.random((m, 2)), np.eye(2)[random.integers(2, size=m)]
    return fm.explain(net, X, Y, ["hadamard", "sigma"], cost).to_dict()["scene"]


def ask(plain, **action):
    found = answer({"version": 1, "scene": plain, "action": action or None})
    assert "error" not in found, found
    return found


def refused(request):
    found = answer(request)
    assert list(found) == ["error"] and list(found["error"]) == ["message"], found
    return found["error"]["message"]


@pytest.mark.parametrize(
    ("action", "place"),
    [
        ({"quantity": "w", "layer": 2, "index": [3, 1]}, ("weights", 0, 2, 0)),
        ({"quantity": "b", "layer": 3, "index": [2]}, ("biases", 1, 1)),
        ({"quantity": "x", "index": [2]}, ("X", 0, 1)),
        ({"quantity": "x", "layer": 1, "index": [2, 2]}, ("X", 1, 1)),
        ({"quantity": "y", "layer": 3, "index": [1, 2]}, ("Y", 1, 0)),
    ],
)
def test_moving_a_number_changes_it_alone(action, place):
    plain = scene(m=2)
    moved = ask(plain, name="move", value=0.75, **action)["scene"]
    expected = copy.deepcopy(plain)
    owner = expected
    for key in place[:-1]:
        owner = owner[key]
    assert owner[place[-1]] != 0.75
    owner[place[-1]] = 0.75
    assert moved == expected


@pytest.mark.parametrize("example", [1, 2])
def test_moving_a_weighted_input_changes_its_bias(example):
    plain = scene(m=2)
    before = ask(plain)
    moved = ask(plain, name="move", quantity="z", layer=2, index=[3, example], value=4.0)
    changed = {"biases": [[*plain["biases"][0][:2], moved["scene"]["biases"][0][2]], plain["biases"][1]]}
    assert moved["scene"] == {**plain, **changed}
    z, old = (each["layers"][1]["z"][2] for each in (moved, before))
    # The bias is moved by a rounded difference, and added to a rounded sum.
    assert abs(z[example - 1] - 4.0) <= 8 * np.finfo(float).eps
    assert z[2 - example] != old[2 - example]
    if example == 1:
        short = ask(plain, name="move", quantity="z", layer=2, index=[3], value=4.0)
        assert short == moved


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_is_a_step_of_gradient_descent(dtype):
    plain = {**scene(m=2), "dtype": dtype}
    whole = read_scene(plain)
    net, learned = whole.network.copy(), read_scene(ask(plain, name="step", rate=0.5)["scene"]).network
    fm.sgd(net, whole.X, whole.Y, epochs=1, batch_size=2, learning_rate=0.5, seed=0)
    gradient = fm.gradient(whole.network, whole.X, whole.Y).vector
    # The order of the examples in the batch affects rounding only: a few roundings of each entry.
    bound = 8 * np.finfo(dtype).eps * (np.abs(net.vector) + np.abs(gradient))
    assert (np.abs(learned.vector - net.vector) <= bound).all()
    assert learned.dtype == dtype and not np.array_equal(learned.vector, whole.network.vector)


@pytest.mark.parametrize("cost", ["quadratic", "log_likelihood"])
def test_a_random_network_is_that_of_its_seed(cost):
    last = "sigmoid" if cost == "quadratic" else "softmax"
    plain = scene(m=2, activations=("tanh", last), cost=cost)
    drawn = ask(plain, name="random", seed=7, sizes=[3, 4, 5, 2])
    assert drawn == ask(drawn["scene"], name="random", seed=7, sizes=[3, 4, 5, 2])
    assert drawn["scene"]["sizes"] == [3, 4, 5, 2] and drawn["scene"]["activations"] == ["tanh", "tanh", last]
    assert np.shape(drawn["scene"]["X"]) == (2, 3) and np.shape(drawn["scene"]["Y"]) == (2, 2)
    net = fm.Network.random([3, 4, 5, 2], ["tanh", "tanh", last], seed=np.random.default_rng(7), init="book")
    assert drawn["scene"]["weights"] == [w.tolist() for w in net.weights]
    assert ask(plain, name="random", seed=8, sizes=[3, 4, 5, 2]) != drawn
    assert ask(plain, name="random", seed=7, sizes=[3, 2])["scene"]["activations"] == [last]
    if cost == "log_likelihood":
        assert sorted(map(sorted, drawn["scene"]["Y"])) == [[0.0, 1.0]] * 2


def test_a_saturated_neuron_learns_slowly():
    plain = scene()
    sizes = []
    for z in (0.0, 2.0, 4.0, 8.0, 16.0):
        layer = ask(plain, name="move", quantity="z", layer=2, index=[1], value=z)["layers"][1]
        assert layer["db"][0] == layer["delta"][0]
        sizes.append(abs(layer["dw"][0][0]))
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 1e-6 * sizes[0]


def test_a_stored_weight_of_a_sparse_matrix_can_be_moved():
    net = fm.Network([csr_array([[0.0, 2.0], [3.0, 0.0]]), np.ones((1, 2))], [np.zeros(2), np.zeros(1)])
    plain = fm.explain(net, [[1.0, 2.0]], [[1.0]]).to_dict()["scene"]
    moved = ask(plain, name="move", quantity="w", layer=2, index=[2, 1], value=5.0)
    assert moved["scene"]["weights"][0] == [[None, 2.0], [5.0, None]]
    action = {"name": "move", "quantity": "w", "layer": 2, "index": [1, 1], "value": 5.0}
    assert "changes only where it stores an entry, and w of layer 2 stores none at 1, 1" in refused(
        {"version": 1, "scene": plain, "action": action}
    )


def test_a_request_changes_nothing_that_it_is_given():
    request = {"version": 1, "scene": scene(), "action": {"name": "step", "rate": 0.5}}
    before = copy.deepcopy(request)
    assert answer(request) == answer(request)
    assert request == before


MOVE = {"name": "move", "quantity": "w", "layer": 2, "index": [1, 2], "value": 0.3}


@pytest.mark.parametrize(
    ("action", "part"),
    [
        ("step", "an action must be an object with a name, got 'step'"),
        ({"rate": 1}, "an action must be an object with a name"),
        ({"name": "stepp", "rate": 1}, "Did you mean 'step'?"),
        ({"name": "step"}, "the action 'step' must have the keys rate, and lacks rate"),
        ({"name": "step", "rate": 1, "rates": 1}, "unknown key 'rates' of the action 'step'"),
        ({"name": "step", "rate": 0}, "rate must be positive"),
        ({"name": "step", "rate": float("nan")}, "rate must be"),
        ({**MOVE, "quantity": "a"}, "unknown quantity 'a'; valid names are w, b, z, x, y"),
        ({**MOVE, "quantity": ["w"]}, "unknown quantity"),
        ({**MOVE, "layer": 1}, "one of 2 to 3, got 1"),
        ({**MOVE, "layer": 4}, "one of 2 to 3, got 4"),
        ({**MOVE, "layer": True}, "one of 2 to 3, got True"),
        ({**MOVE, "index": [1]}, "the indices of w go from 1 to 3, 2, got [1]"),
        ({**MOVE, "index": [4, 1]}, "the indices of w go from 1 to 3, 2, got [4, 1]"),
        ({**MOVE, "index": [0, 1]}, "an index must be at least 1, got 0"),
        ({**MOVE, "quantity": "b"}, "the indices of b go from 1 to 3, got [1, 2]"),
        ({**MOVE, "quantity": "z", "index": [1, 2]}, "the indices of z go from 1 to 3, 1, got [1, 2]"),
        ({**MOVE, "quantity": "x", "index": [1], "layer": "foo"}, "x belongs to layer 1, got layer 'foo'"),
        ({**MOVE, "quantity": "x", "index": [1], "layer": 3}, "x belongs to layer 1, got layer 3"),
        ({**MOVE, "quantity": "y", "index": [1], "layer": 2}, "y belongs to layer 3, got layer 2"),
        ({**MOVE, "quantity": "y", "index": [1], "layer": True}, "y belongs to layer 3, got layer True"),
        ({**MOVE, "value": float("inf")}, "a value must be a finite number, got inf"),
        ({**MOVE, "value": 10**400}, "a value must be a finite number"),
        ({**MOVE, "value": "1"}, "a value must be a finite number, got '1'"),
        ({**MOVE, "value": True}, "a value must be a finite number, got True"),
        ({"name": "random", "seed": 1.5, "sizes": [2, 2]}, "a seed must be an integer, got 1.5"),
        ({"name": "random", "seed": -1, "sizes": [2, 2]}, "must not be negative"),
        ({"name": "random", "seed": 1, "sizes": [2]}, "at least two layers"),
        ({"name": "random", "seed": 1, "sizes": [2, 0]}, "sizes must be at least 1"),
        ({"name": "random", "seed": 1, "sizes": [10**9, 10**9]}, f"at most {MOST_NUMBERS} parameters"),
        ({"name": "random", "seed": 1, "sizes": [1] * 65}, f"at most {DEEPEST} layers, got 65"),
    ],
)
def test_an_action_that_cannot_be_taken_is_refused(action, part):
    message = refused({"version": 1, "scene": scene(), "action": action})
    assert part in message and "\n" not in message


@pytest.mark.parametrize("quantity", ["w", "b", "z"])
def test_a_move_beyond_the_dtype_is_refused(quantity):
    plain = {**scene(), "dtype": "float32"}
    index = [1, 1] if quantity == "w" else [1]
    action = {"name": "move", "quantity": quantity, "layer": 2, "index": index, "value": 1e300}
    assert "must be finite" in refused({"version": 1, "scene": plain, "action": action})


def test_an_integer_beyond_64_bits_is_a_number():
    # JavaScript writes 1e20 so.
    plain = scene()
    plain["weights"][0][0][0], plain["biases"][0][0], plain["X"][0][0] = 10**20, 10**20, 10**20
    read = read_scene(plain)
    assert read.network.weights[0][0, 0] == read.network.biases[0][0] == read.X[0, 0] == 1e20


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"weights": [[[1.0, 2.0]], [[1.0], [2.0]]]}, "biases[0] must have shape (1,)"),
        ({"weights": [[[1.0, 2.0]] * 3, [[1.0, 2.0]] * 2]}, "weights[1]"),
        ({"weights": [[[1.0, float("nan")]] * 3, [[1.0] * 3] * 2]}, "weights[0] must be finite, got nan"),
        ({"weights": [[[1.0, None]] * 2 + [[1.0]], [[1.0] * 3] * 2]}, "rows of several lengths"),
        ({"weights": [[[1.0, None]] * 2 + [["a", 1.0]], [[1.0] * 3] * 2]}, "layer 2 must be finite numbers, or null"),
        ({"weights": [[[1.0, None]] * 2 + [[10**400, 1.0]], [[1.0] * 3] * 2]}, "layer 2 must be finite numbers"),
        ({"weights": None}, f"at most {MOST_NUMBERS} parameters and numbers in its examples to be changed"),
        ({"weights": [[[0.0] * 3000] * 3000, [[0.0]]]}, f"at most {MOST_NUMBERS} parameters and numbers"),
        ({"weights": [[[1.0]]] * 64, "biases": [[1.0]] * 64}, f"at most {DEEPEST} layers, got 65"),
        ({"X": [[0.0, 0.0]] * 5000}, f"at most {MOST_NUMBERS} parameters and numbers"),
        ({"X": [[1.0]]}, "X must have 2 columns"),
        ({"X": [[1.0, float("inf")]]}, "X must be finite"),
        ({"Y": [[1.0, 0.0]] * 2}, "2"),
        ({"sizes": [2, 4, 2]}, "sizes must be those of the weights, [2, 3, 2], got [2, 4, 2]"),
        ({"activations": ["sigmoid", "relu6"]}, "unknown activation 'relu6'"),
        ({"activations": "sigmoid"}, "activations must be a list"),
        ({"activations": [["relu"], "sigmoid"]}, "the layer has 3"),
        ({"cost": "squared"}, "unknown cost 'squared'"),
        ({"cost": "log_likelihood", "Y": [[-1.0, 2.0]]}, "log_likelihood"),
        ({"backends": ["hadamrd"]}, "Did you mean 'hadamard'?"),
        ({"backends": []}, "backends must not be empty"),
        ({"backends": ["hadamard", "sigma", "product"]}, "one backend, or two side by side, got 3"),
        ({"backends": [1]}, "backends must be names, got [1]"),
        ({"backends": ["linear"]}, "cannot serve"),
        ({"activations": ["softmax", "sigmoid"]}, "couples the neurons"),
        (
            {"activations": ["sigmoid", "softmax"], "backends": ["hadamard"]},
            "hadamard cannot serve this network: it needs a slope for each neuron by itself, and softmax in layer 3 "
            "couples the neurons of its layer; first choose the cost log_likelihood or another backend, such as sigma.",
        ),
        ({"dtype": "float16"}, "dtype must be float32, float64 or longdouble"),
        ({"fault": {"name": "sign"}}, "a mistake must have the keys name, layer, and lacks layer"),
        ({"fault": "sign"}, "a mistake must be an object"),
        ({"more": 1}, "unknown key 'more' of a scene"),
    ],
)
def test_a_scene_that_does_not_fit_together_is_refused(change, part):
    message = refused({"version": 1, "scene": {**scene(), **change}, "action": None})
    assert part in message and "\n" not in message


@pytest.mark.parametrize(
    ("request_", "part"),
    [
        (None, "a request must be an object with the keys version, scene, action, got None"),
        ([], "a request must be an object"),
        ({"version": 1}, "a request must have the keys version, scene, and lacks scene"),
        ({"version": 2, "scene": {}}, "a request must have version 1, got 2; use the page of this version"),
        ({"version": True, "scene": {}}, "a request must have version 1, got True"),
        ({"version": "1", "scene": {}}, "a request must have version 1, got '1'"),
        ({"version": 1, "scene": {}, "actions": 1}, "unknown key 'actions' of a request; valid names are"),
        ({"version": 1, "scene": {}}, "a scene must have the keys activations, cost, weights"),
    ],
)
def test_a_request_of_another_form_is_refused(request_, part):
    assert part in refused(request_)


def test_numbers_that_leave_their_range_are_refused_or_shown_as_null():
    plain = scene()
    steep = {**plain, "Y": [[1e6, 0.0]]}
    assert "finite" in refused({"version": 1, "scene": steep, "action": {"name": "step", "rate": 1e308}})
    far = ask({**plain, "X": [[1e200, 1.0]]}, name="move", quantity="w", layer=2, index=[1, 1], value=1e200)
    assert far["layers"][1]["z"][0] == [None] and json.dumps(far, allow_nan=False)


VALUES = [None, "x", "", -1, 1e308, 10**400, float("nan"), True, [], {}, [[]], [None], [[1, 2], [3]], "\ud800", {1: 2}]


@pytest.mark.slow
def test_no_value_makes_an_answer_fail():
    """Any part replaced by anything gives a document, or one sentence."""
    plain = {**scene(), "fault": {"name": "slope_missing", "layer": 2}}
    actions = [MOVE, {**MOVE, "quantity": "z", "index": [1]}, {"name": "random", "seed": 1, "sizes": [2, 3, 2]}]

    def parts(value, path=()):
        for key, each in (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        ):
            yield (*path, key)
            yield from parts(each, (*path, key))

    answers = 0
    for number, action in enumerate(actions):
        request = {"version": 1, "scene": plain, "action": action}
        for path in parts(request):
            if number and path[0] != "action":
                continue
            for value in VALUES:
                changed = copy.deepcopy(request)
                owner = changed
                for key in path[:-1]:
                    owner = owner[key]
                owner[path[-1]] = value
                found = answer(changed)
                answers += 1
                json.dumps(found, allow_nan=False).encode()
                if "error" in found:
                    assert "\n" not in found["error"]["message"]
                elif answers % 10 == 0:
                    assert list(violations(found)) == []
    assert answers > 500
