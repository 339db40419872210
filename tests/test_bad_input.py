"""Bad input: one exception of the project's own, with one sentence, and the same one whatever the backend."""

from __future__ import annotations

import makers
import numpy as np
import pytest
from scipy.sparse import csr_array

import formulations as fm
from formulations.exceptions import (
    FormulationsException,
    InvalidInput,
    NotFinite,
    UnknownName,
    WrongShape,
    WrongType,
)
from formulations.verification import exact_gradient

NET = fm.Network.random([3, 2, 1], "identity", seed=0)
X = np.arange(12.0).reshape(4, 3) / 8
Y = np.arange(4.0).reshape(4, 1) / 4


def spoilt(array, value, place):
    array = array.copy()
    array[place] = value
    return array


# Keyword arguments of gradient, the exception, and what its message must contain, the remedy last.
EXAMPLES = {
    "X of one dimension": ({"X": X[0]}, WrongShape, ["X must have shape (m, 3)", "(3,)", "X.reshape(1, -1)"]),
    "X of three dimensions": ({"X": X[None]}, WrongShape, ["X must have shape (m, 3)", "(1, 4, 3)"]),
    "X a number": ({"X": 1.0}, WrongShape, ["X must have shape (m, 3)", "()"]),
    "X transposed": ({"X": X.T}, WrongShape, ["X must have 3 columns", "(3, 4)", "pass X.T"]),
    "y of one dimension": ({"Y": Y[:, 0]}, WrongShape, ["Y must have shape (m, 1)", "(4,)", "Y.reshape(-1, 1)"]),
    "Y too wide": ({"Y": np.hstack([Y, Y])}, WrongShape, ["Y must have 1 columns", "(4, 2)", "pass 1 columns"]),
    "a row of Y for all": ({"Y": Y[:1]}, WrongShape, ["same number of examples", "4 and 1", "pair them"]),
    "mismatched m": ({"X": X[:3]}, WrongShape, ["same number of examples", "3 and 4", "pair them"]),
    "empty batch": ({"X": X[:0], "Y": Y[:0]}, WrongShape, ["at least one example", "(0, 3)", "pass a row"]),
    "empty list": ({"X": []}, WrongShape, ["X must have shape (m, 3)", "(0,)"]),
    "NaN in X": ({"X": spoilt(X, np.nan, (2, 1))}, NotFinite, ["X must be finite", "nan at X[2, 1]", "remove"]),
    "infinity in Y": (
        {"Y": spoilt(Y, -np.inf, (3, 0))}, NotFinite,
        ["Y must be finite", "-inf at Y[3, 0]", "isfinite"],
    ),
    "a mask": (
        {"X": np.ma.masked_array(X, mask=np.eye(4, 3, dtype=bool))}, WrongType,
        ["X must not be masked", "X.filled"],
    ),
    "complex X": ({"X": X + 0j}, WrongType, ["real numbers", "complex128", "pass X.real", "would drop them"]),
    "complex Y": ({"Y": Y + 0j}, WrongType, ["real numbers", "complex128", "pass Y.real", "would drop them"]),
    "objects": ({"X": X.astype(object)}, WrongType, ["real numbers", "object", "X.astype"]),
    "strings": ({"X": X.astype(str)}, WrongType, ["real numbers", "<U", "X.astype"]),
    "bytes": ({"Y": Y.astype("S8")}, WrongType, ["real numbers", "|S8", "Y.astype"]),
    "dates": ({"X": np.zeros((4, 3), "M8[D]")}, WrongType, ["real numbers", "datetime64[D]", "X.astype"]),
    "durations": ({"X": np.zeros((4, 3), "m8[s]")}, WrongType, ["real numbers", "timedelta64[s]", "X.astype"]),
    "None for X": ({"X": None}, WrongType, ["X must hold real numbers", "got None; pass an array."]),
    "None for Y": ({"Y": None}, WrongType, ["Y must hold real numbers", "got None; pass an array."]),
    "None among numbers": ({"Y": [[None]] * 4}, WrongType, ["Y must hold real numbers", "object"]),
    "ragged lists": ({"X": [[1, 2, 3], [4, 5]]}, WrongShape, ["X must be a rectangular array", "unequal length"]),
    "a sparse X": ({"X": csr_array(X)}, WrongType, ["X must hold real numbers", "object"]),
    "structured": ({"X": np.zeros((4, 3), [("a", "f8")])}, WrongType, ["X must hold real numbers", "[('a', '<f8')]"]),
    "negative weight": (
        {"sample_weight": [1, 2, -3, 1]}, InvalidInput,
        ["negative", "-3 at sample_weight[2]", "give 0"],
    ),
    "weights all zero": ({"sample_weight": [0] * 4}, InvalidInput, ["zero everywhere", "positive weight"]),
    "NaN weight": ({"sample_weight": [1, np.nan, 1, 1]}, NotFinite, ["nan at sample_weight[1]", "remove"]),
    "too few weights": ({"sample_weight": [1, 2]}, WrongShape, ["shape (4,)", "got (2,)", "ravel()"]),
    "a column of weights": ({"sample_weight": np.ones((4, 1))}, WrongShape, ["shape (4,)", "got (4, 1)", "ravel()"]),
    "one weight for all": ({"sample_weight": 2.0}, WrongShape, ["shape (4,)", "got ()"]),
    "weights in words": ({"sample_weight": ["a"] * 4}, WrongType, ["sample_weight must hold real numbers", "<U1"]),
    "unknown cost": (
        {"cost": "quadratc"}, UnknownName,
        ["unknown cost 'quadratc'", *makers.COST_NAMES, "'quadratic'?"],
    ),
    "cost of another type": ({"cost": 3}, WrongType, ["cost must be a name", "got 3", "try 'quadratic'"]),
    "targets outside [0, 1]": (
        {"cost": "binary_cross_entropy", "Y": Y + 1},
        InvalidInput,
        ["targets in [0, 1]", "1.25 at Y[1, 0]", "rescale Y"],
    ),
    "a model": (
        {"net": fm.Model(NET)}, WrongType,
        ["expected a formulations.Network", "got Model", "model.network", "model.examples(X, Y)"],
    ),
    "not a network": ({"net": "network"}, WrongType, ["expected a formulations.Network", "got str", "make one with"]),
    "parameters alone": (
        {"net": NET.vector}, WrongType,
        ["expected a formulations.Network", "got ndarray", "make one"],
    ),
}  # fmt: skip


def complaint(function, *arguments, **options) -> FormulationsException:
    """Call, and return the exception, after the checks that hold for each of them."""
    with pytest.raises(FormulationsException) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert isinstance(caught.value, ValueError | TypeError)
    assert "\n" not in message
    assert message.endswith((".", "?")), message
    return caught.value


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_that_cannot_be_used_are_refused_alike_by_every_backend(name):
    given, exception, fragments = EXAMPLES[name]
    arguments = {"net": NET, "X": X, "Y": Y} | given
    found = [complaint(fm.gradient, **arguments, backend=flag) for flag in makers.FLAGS]
    assert {(type(each), str(each)) for each in found} == {(type(found[0]), str(found[0]))}
    assert isinstance(found[0], exception)
    for fragment in fragments:
        assert fragment in str(found[0])


WITHOUT_TARGETS = {
    "gradient": lambda: fm.gradient(NET, X, None),
    "a plan": lambda: fm.prepare(NET, 4)(X, None),
    "a plan in chunks": lambda: fm.prepare(NET, "auto")(X, None),
    "a chunk": lambda: fm.prepare(NET, "auto").over([(X, None)]),
    "per_example_gradients": lambda: fm.per_example_gradients(NET, X, None),
    "per_example_norms": lambda: fm.per_example_norms(NET, X, None),
    "clipped_gradient": lambda: fm.clipped_gradient(NET, X, None, 1.0),
    "objective": lambda: fm.objective(NET, X, None),
    "gradient_gram": lambda: fm.gradient_gram(NET, X, None),
    "gradient_cosines": lambda: fm.gradient_cosines(NET, X, None),
    "certify a backend": lambda: fm.certify(NET, X, None, "sigma"),
    "certify a function": lambda: fm.certify(NET, X, None, fm.gradient),
    "certify a vector": lambda: fm.certify(NET, X, None, NET.vector),
    "compare": lambda: fm.compare(NET, X, None),
    "explain": lambda: fm.explain(NET, X, None),
    "sgd": lambda: fm.sgd(NET.copy(), X, None, epochs=1, batch_size=4, learning_rate=0.1),
    "sgd's validation": lambda: fm.sgd(
        NET.copy(), X, Y, epochs=1, batch_size=4, learning_rate=0.1, validation=(X, None)
    ),
    "exact_gradient": lambda: exact_gradient(NET, X, None),
}


@pytest.mark.parametrize("call", WITHOUT_TARGETS)
def test_only_a_forward_pass_does_without_targets(call):
    found = complaint(WITHOUT_TARGETS[call])
    expected = "must hold real numbers (bool, integer or float), got None; pass an array."
    assert ("needs both X and Y" if call == "explain" else expected) in str(found)
    assert NET.forward(X).output.tolist() == NET(X).tolist()


SIZES = {
    "zero": (0, InvalidInput, ["at least 1", "got 0", "such as 10"]),
    "negative": (-3, InvalidInput, ["at least 1", "got -3", "such as 10"]),
    "float": (10.0, WrongType, ["positive integer", "got 10.0", "such as 10"]),
    "bool": (True, WrongType, ["positive integer", "got True", "such as 10"]),
    "numpy bool": (np.True_, WrongType, ["positive integer", "such as 10"]),
    "string": ("10", WrongType, ["positive integer", "got '10'", "such as 10"]),
    "None": (None, WrongType, ["positive integer", "got None", "such as 10"]),
}


@pytest.mark.parametrize("name", SIZES)
def test_batch_sizes_that_cannot_be_used(name):
    size, exception, fragments = SIZES[name]
    found = [complaint(fm.prepare, NET, size, backend=flag) for flag in makers.FLAGS]
    assert {str(each) for each in found} == {str(found[0])}
    assert isinstance(found[0], exception)
    assert all(fragment in str(found[0]) for fragment in ["batch_size", *fragments])


def test_integers_of_numpy_are_batch_sizes():
    assert fm.prepare(NET, np.int64(4)).batch_size == 4


ONE, BIAS = [[[1.0]]], [[0.0]]
NETWORKS = {
    "weights that do not chain": (
        ([np.ones((2, 3)), np.ones((1, 3))], [[0.0, 0], [0.0]]),
        WrongShape,
        ["must chain", "weights[1] needs 2 columns, got shape (1, 3)", "2 neurons", "rows are the neurons"],
    ),
    "bias too long": (([np.ones((2, 3))], [[0.0]]), WrongShape, ["biases[0]", "(2,)", "got (1,)", "ravel()"]),
    "weights of one dimension": (([[1.0, 2]], BIAS), WrongShape, ["weights[0] must have shape", "got (2,)"]),
    "a layer without neurons": (([np.ones((0, 3))], [np.ones(0)]), WrongShape, ["weights[0]", "positive", "(0, 3)"]),
    "more biases than weights": ((ONE, [[0.0], [0.0]]), WrongShape, ["1 and 2", "same length"]),
    "no layer": (([], []), WrongShape, ["0 and 0", "same length"]),
    "sizes for weights": (([64, 30, 10],), WrongShape, ["the numbers [64, 30, 10]", "Network.random([64, 30, 10])"]),
    "sizes, and no biases": ((np.array([2, 1]), "tanh"), WrongShape, ["call Network.random([2, 1])."]),
    "no biases": ((ONE,), WrongShape, ["one weight matrix and one bias vector", "1 and 0", "same length"]),
    "a number for weights": ((5, BIAS), WrongType, ["weights must be a list of arrays", "got int"]),
    "a string for biases": ((ONE, "0"), WrongType, ["biases must be a list of arrays", "got str"]),
    "strings and numbers": (([[["a"]]], BIAS), WrongType, ["weights[0] must hold real numbers", "<U1"]),
    "ragged weights": (([[[1.0, 2], [3]]], BIAS), WrongShape, ["rectangular", "unequal length"]),
    "NaN weight": (([[[np.nan]]], BIAS), NotFinite, ["weights[0] must be finite", "nan at weights[0][0, 0]"]),
    "infinite bias": ((ONE, [[np.inf]]), NotFinite, ["biases[0] must be finite", "inf at biases[0][0]"]),
    "NaN in a sparse weight": (
        ([csr_array(np.array([[0, np.nan]]))], BIAS),
        NotFinite,
        ["weights[0].data", "nan at weights[0].data[0]"],
    ),
    "two dtypes": (
        ([np.ones((1, 1), "f4")], [np.zeros(1)]),
        WrongType,
        ["one dtype", "float32, float64", "dtype="],
    ),
    "float16": (
        ([np.ones((1, 1), "f2")], [np.zeros(1, "f2")]),
        WrongType,
        ["float32, float64 or longdouble", "float16", "choose one"],
    ),
    "complex weights": (([np.ones((1, 1)) * 1j], [np.zeros(1) * 1j]), WrongType, ["real numbers", "complex128"]),
    "objects": (([[[None]]], [[None]]), WrongType, ["real numbers", "object"]),
    "strings": (([[["a"]]], [["b"]]), WrongType, ["real numbers", "<U1"]),
    "too many activations": (
        (ONE, BIAS, ["tanh", "tanh"]), WrongShape,
        ["needs 1 activations", "got 2", "one for all"],
    ),
    "no activation": ((ONE, BIAS, []), WrongShape, ["needs 1 activations", "got 0"]),
    "unknown activation": (
        (ONE, BIAS, "sigmod"),
        UnknownName,
        ["unknown activation 'sigmod'", *makers.ELEMENTWISE, "Did you mean 'sigmoid'?"],
    ),
    "None for activations": ((ONE, BIAS, None), WrongType, ["activations must be", "NoneType", "'sigmoid'"]),
    "None among activations": ((ONE, BIAS, [None]), WrongType, ["activation", "NoneType"]),
    "PerNeuron of another width": (
        (ONE, BIAS, fm.PerNeuron(["tanh", "relu"])),
        InvalidInput,
        ["activations[0] does not fit layer 2", "2 neurons", "has 1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_that_cannot_be_made(name):
    arguments, exception, fragments = NETWORKS[name]
    found = complaint(fm.Network, *arguments)
    assert isinstance(found, exception)
    for fragment in fragments:
        assert fragment in str(found)


RANDOM = {
    "one layer": (([3],), {}, WrongShape, ["at least two layers", "[3]", "[784, 30, 10]"]),
    "a number for sizes": ((3,), {}, WrongShape, ["at least two layers", "got 3"]),
    "a string for sizes": (("784",), {}, WrongShape, ["at least two layers", "got '784'"]),
    "no neuron": (([3, 0],), {}, InvalidInput, ["sizes[1]", "at least 1", "got 0"]),
    "half a neuron": (([3, 1.5],), {}, WrongType, ["sizes[1]", "positive integer", "1.5"]),
    "unknown initialisation": (
        ([3, 1],),
        {"init": "glorott"},
        UnknownName,
        ["unknown initialisation 'glorott'", "book, glorot, he", "Did you mean 'glorot'?"],
    ),
    "float16": (([3, 1],), {"dtype": "float16"}, WrongType, ["float32, float64 or longdouble", "'float16'"]),
    "no dtype": (([3, 1],), {"dtype": "flaot32"}, WrongType, ["float32, float64 or longdouble", "'flaot32'"]),
    "gelu in longdouble": (
        ([3, 1], "gelu"),
        {"dtype": "longdouble"},
        FormulationsException,
        ["activations[0], gelu", "error function", "float64"],
    ),
}


@pytest.mark.parametrize("name", RANDOM)
def test_random_networks_that_cannot_be_made(name):
    arguments, options, exception, fragments = RANDOM[name]
    found = complaint(fm.Network.random, *arguments, **options)
    assert isinstance(found, exception)
    for fragment in fragments:
        assert fragment in str(found)


FLAGS = {
    "unknown": ("sigmaa", UnknownName, ["unknown backend 'sigmaa'", *fm.list_backends(), "Did you mean 'sigma'?"]),
    "not a bit like one": ("zzz", UnknownName, ["unknown backend 'zzz'", *fm.list_backends()]),
    "an unknown option": (
        "sigma:matrx=dense",
        UnknownName,
        ["unknown option 'matrx' of backend 'sigma';", "matrix, batch", "Did you mean 'matrix'?"],
    ),
    "an option of none": ("hadamard:x=1", UnknownName, ["unknown option 'x' of backend 'hadamard';", "batch"]),
    "an unknown value": ("sigma:matrix=full", InvalidInput, ["option matrix", "planned, sparse, dense", "got 'full'"]),
    "an unknown batch": ("sigma:batch=half", InvalidInput, ["option batch", "whole, example", "got 'half'"]),
    "no value": ("sigma:matrix", InvalidInput, ["key=value", "got 'matrix'", "batch=example"]),
    "no number": ("finite_difference:step=small", InvalidInput, ["option step", "'small'", "of type float"]),
    "no positive number": ("finite_difference:step=-1", InvalidInput, ["step must be positive", "got -1.0"]),
    "a number": (3, WrongType, ["chosen by a name or an object", "got 3", "try 'hadamard'"]),
    "a class": (fm.Backend, WrongType, ["chosen by a name or an object", "try 'hadamard'"]),
}


@pytest.mark.parametrize("name", FLAGS)
def test_backends_that_there_are_not(name):
    flag, exception, fragments = FLAGS[name]
    for call in (
        lambda: fm.get_backend(flag),
        lambda: fm.gradient(NET, X, Y, backend=flag),
        lambda: fm.prepare(NET, 4, backend=flag),
        lambda: fm.use_backend(flag).__enter__(),
    ):
        found = complaint(call)
        assert isinstance(found, exception)
        for fragment in fragments:
            assert fragment in str(found)


@pytest.mark.parametrize("call", [fm.gradient, fm.prepare, fm.which])
def test_whatever_takes_a_network_says_what_came(call):
    arguments = {fm.gradient: (None, X, Y), fm.prepare: (None, 4), fm.which: (None,)}[call]
    assert "got NoneType" in str(complaint(call, *arguments))


def test_a_gradient_that_overflows_names_the_first_parameter(backend):
    huge = fm.Network([np.full((2, 3), 1e200), np.full((1, 2), 1e200)], [np.zeros(2), np.zeros(1)], "identity")
    if not makers.serves(backend, huge):
        pytest.skip("it does not serve linear neurons")
    found = complaint(fm.gradient, huge, X, Y, backend=backend)
    assert isinstance(found, NotFinite)
    assert "weights[0][0, 0]" in str(found) and "scale them down" in str(found)


def test_numbers_of_every_real_kind_are_taken(backend):
    expected = fm.gradient(NET, np.ones((4, 3)), np.ones((4, 1)), backend=backend).vector
    for dtype in ("bool", "int8", "uint64", "float16", "float32", "longdouble"):
        found = fm.gradient(NET, np.ones((4, 3), dtype), np.ones((4, 1), dtype), backend=backend).vector
        assert np.array_equal(found, expected)
    assert np.array_equal(fm.gradient(NET, [[1] * 3] * 4, [[True]] * 4, backend=backend).vector, expected)


@pytest.mark.parametrize(("place", "value"), [("indptr", 10**8), ("indptr", -1), ("indices", 5000), ("indices", -1)])
def test_sparse_weights_whose_indices_point_outside_are_refused(place, value):
    matrix = csr_array((np.ones(2), [0, 1], [0, 1, 2]), shape=(2, 2))
    getattr(matrix, place)[1] = value
    found = complaint(fm.Network, [matrix], [np.zeros(2)])
    assert isinstance(found, InvalidInput)
    assert "indices do not fit its shape (2, 2); rebuild it" in str(found)


TENSORS = {
    "recording": lambda torch, shape: torch.ones(shape, requires_grad=True),
    "elsewhere": lambda torch, shape: torch.ones(shape, device="meta"),
    "bfloat16": lambda torch, shape: torch.ones(shape, dtype=torch.bfloat16),
    "a list": lambda torch, shape: [torch.ones(shape[1:], requires_grad=True)] * shape[0],
}
TAKEN = {
    "X": lambda given: fm.gradient(NET, given(4, 3), Y),
    "Y": lambda given: fm.prepare(NET, 4)(X, given(4, 1)),
    "sample_weight": lambda given: fm.gradient(NET, X, Y, sample_weight=given(4)),
    "chunks": lambda given: fm.prepare(NET, "auto")(given(4, 3), Y),
    "weights[0]": lambda given: fm.Network([given(2, 3)], [np.zeros(2)]),
    "biases[0]": lambda given: fm.Network([np.ones((2, 3))], [given(2)]),
    "candidate's weights": lambda given: fm.certify(NET, X, Y, ([given(2, 3), given(1, 2)], [np.ones(2), np.ones(1)])),
    "candidate": lambda given: fm.certify(NET, X, Y, given(NET.vector.size)),
}


@pytest.mark.parametrize(
    ("taken", "kind"),
    # A parameter that a candidate holds stands for its gradient.
    [(taken, kind) for taken in TAKEN for kind in TENSORS if (taken[:9], kind) != ("candidate", "recording")],
)
def test_tensors_that_numpy_cannot_read_are_refused_with_the_remedy(taken, kind):
    torch = pytest.importorskip("torch")
    found = complaint(TAKEN[taken], lambda *shape: TENSORS[kind](torch, shape))
    assert isinstance(found, WrongType)
    assert "must be an array that NumPy can read" in str(found)
    assert "if it is a tensor, pass" in str(found) and ".detach().cpu(), with .float() for a dtype" in str(found)


def test_tensors_that_numpy_can_read_are_taken():
    torch = pytest.importorskip("torch")
    found = fm.gradient(NET, torch.tensor(X), torch.tensor(Y), sample_weight=torch.ones(4)).vector
    assert np.array_equal(found, fm.gradient(NET, X, Y).vector)


def test_the_remedy_for_a_module_or_loss_of_torch_is_from_torch():
    nn = pytest.importorskip("torch").nn
    found = complaint(fm.certify, nn.Sequential(nn.Linear(3, 1)), X, Y, "sigma")
    assert isinstance(found, WrongType) and "Network.from_torch(module)" in str(found)
    found = complaint(fm.certify, NET, X, Y, "sigma", nn.CrossEntropyLoss())
    assert isinstance(found, WrongType) and "formulations.from_torch(module, loss)" in str(found)


def test_the_remedy_makes_tensors_readable():
    torch = pytest.importorskip("torch")
    ones, expected = torch.ones(4, 3), fm.gradient(NET, np.ones((4, 3)), Y).vector
    for given, mended in ((ones.bfloat16(), lambda X: X.float()), (ones.to_sparse(), lambda X: X.to_dense())):
        assert isinstance(complaint(fm.gradient, NET, given, Y), WrongType)
        assert np.array_equal(fm.gradient(NET, mended(given.detach().cpu()), Y).vector, expected)
