from __future__ import annotations

import pickle

import numpy as np
import pytest

from formulations.exceptions import InvalidInput, Refused, UnknownName, WrongShape, WrongType
from formulations.functions.activations.base import Activation
from formulations.functions.activations.custom import activation
from formulations.functions.activations.logistic import Sigmoid
from formulations.functions.activations.per_neuron import PerNeuron
from formulations.functions.activations.table import ACTIVATIONS

LAYERS = {
    "all different": [name for name, activation in ACTIVATIONS.items() if not activation.coupled],
    "all the same": ["sigmoid"] * 5,
    "neighbours": ["tanh"] * 3 + ["relu"] * 4,
    "scattered": ["gelu", "silu", "gelu", "gelu", "silu", "elu"],
    "one neuron": ["sine"],
}
LAYER = pytest.mark.parametrize("layer", LAYERS)


@LAYER
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("m", [1, 9])
def test_columns_are_the_members_own(layer, dtype, m):
    per_neuron = PerNeuron(LAYERS[layer])
    if per_neuron.why_not(dtype) is not None:
        pytest.skip(per_neuron.why_not(dtype))
    z = np.random.default_rng(3).uniform(-20, 20, (m, len(LAYERS[layer]))).astype(dtype)
    before = z.copy()
    value, slope, alone = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    per_neuron.evaluate(z, value, slope)
    per_neuron.evaluate(z, alone)
    curvature = per_neuron.curvature(z)
    assert np.array_equal(z, before) and np.array_equal(value, alone)
    for j, name in enumerate(LAYERS[layer]):
        member = ACTIVATIONS[name]
        assert per_neuron.neuron(j) == member
        assert np.array_equal(value[:, j], member.value(z)[:, j]), name
        assert np.array_equal(slope[:, j], member.slope(z)[:, j]), name
        assert np.array_equal(curvature[:, j], member.curvature(z)[:, j]), name


def test_distinct_functions_in_order_of_appearance():
    per_neuron = PerNeuron(["relu", "sigmoid", Sigmoid(), "relu"])
    assert [function.name for function in per_neuron.functions] == ["relu", "sigmoid"]
    assert per_neuron.name == "per_neuron(2 relu, 2 sigmoid)"
    assert per_neuron.kinks == (0.0,) and per_neuron.neuron(1).kinks == ()
    assert per_neuron == PerNeuron(["relu", "sigmoid", "sigmoid", "relu"]) != PerNeuron(["relu", "sigmoid"])
    assert pickle.loads(pickle.dumps(per_neuron)) == per_neuron and len({per_neuron, per_neuron}) == 1


def test_curvature_bound_is_the_largest_or_unknown():
    assert PerNeuron(["sigmoid", "square"]).curvature_bound == 2
    assert PerNeuron(["sigmoid", activation(np.sin, np.cos)]).curvature_bound is None


def test_slope_bound_is_the_largest_or_unknown():
    assert PerNeuron(["sigmoid", "relu"]).slope_bound == 1
    assert PerNeuron(["sigmoid", "square"]).slope_bound is None


def test_what_one_member_refuses_is_refused():
    assert "gelu" in PerNeuron(["sigmoid", "gelu"]).why_not(np.longdouble)
    assert PerNeuron(["sigmoid", "gelu"]).why_not(np.float32) is None
    with pytest.raises(Refused, match="sin"):
        PerNeuron([activation(np.sin, np.cos)]).curvature(np.zeros((1, 1)))


def test_the_width_must_be_the_number_of_members():
    per_neuron = PerNeuron(["relu", "tanh"])
    assert per_neuron.why_not_width(2) is None and "2 neurons, and the layer has 3" in per_neuron.why_not_width(3)
    for quantity in ("value", "slope", "curvature"):
        for shape in ((4, 3), (2,)):
            with pytest.raises(WrongShape, match=r"z must have shape \(m, 2\)"):
                getattr(per_neuron, quantity)(np.zeros(shape))


class Coupled(Activation):
    name = "coupled"
    coupled = True
    evaluate = Sigmoid.evaluate


@pytest.mark.parametrize(
    ("members", "exception", "message"),
    [
        ([], InvalidInput, "got none"),
        (["relu", PerNeuron(["relu"])], Refused, r"neuron 1 must have .* got per_neuron\(1 relu\)"),
        ([Coupled()], Refused, "neuron 0 must have .* got coupled"),
        (["rleu"], UnknownName, "Did you mean 'relu'"),
        ([np.tanh], WrongType, "got ufunc"),
    ],
)
def test_refusals(members, exception, message):
    with pytest.raises(exception, match=message) as refusal:
        PerNeuron(members)
    assert str(refusal.value).endswith((".", "?"))
