"""Networks in files: what is read is what was written, bit for bit, and what is no network is refused."""

from __future__ import annotations

import io
import json
import pickle

import numpy as np
import pytest
from makers import DTYPES, ELEMENTWISE
from scipy.sparse import csr_array

import formulations as fm
from formulations.exceptions import FormulationsException, InvalidInput, NotFinite, Refused, UnknownName, WrongType
from formulations.functions.activations.piecewise import LeakyReLU
from formulations.functions.activations.table import ACTIVATIONS


def again(net, path):
    fm.save(net, path)
    return fm.load(path)


def assert_same(net, other):
    assert other.vector.dtype == net.vector.dtype and np.array_equal(other.vector, net.vector)
    assert other.layout == net.layout
    assert other.activations == net.activations


@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_come_back_bit_for_bit(tmp_path, dtype):
    net = fm.Network.random([3, 4, 2], ["tanh", "sigmoid"], seed=1, dtype=dtype, init="book")
    assert_same(net, again(net, tmp_path / "net.npz"))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_built_in_activation_comes_back(tmp_path, name):
    net = fm.Network.random([3, 2], name, seed=1)
    assert_same(net, again(net, tmp_path / "net.npz"))


def test_activations_with_a_setting_and_one_for_each_neuron_come_back(tmp_path):
    layer = fm.PerNeuron([LeakyReLU(0.25), *ELEMENTWISE[:2]])
    net = fm.Network.random([2, 3, 1], [layer, LeakyReLU(0.5)], seed=1)
    assert_same(net, again(net, tmp_path / "net.npz"))


def test_sparse_patterns_come_back_with_their_stored_zeros(tmp_path):
    stored = csr_array((np.array([1.0, 0.0, 3.0]), np.array([1, 2, 0]), np.array([0, 2, 3])), shape=(2, 3))
    net = fm.Network([stored, np.ones((1, 2))], [np.zeros(2), np.zeros(1)], "tanh")
    other = again(net, str(tmp_path / "net.npz"))
    assert_same(net, other)
    assert other.weights[0].nnz == 3


def test_the_name_of_the_file_is_kept(tmp_path):
    fm.save(fm.Network.random([1, 1], seed=0), tmp_path / "net")
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


def test_numpy_alone_can_read_it(tmp_path):
    net = fm.Network.random([3, 4, 2], ["tanh", "sigmoid"], seed=1)
    fm.save(net, tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz") as held:
        assert set(held) == {"activations", "weights_2", "biases_2", "weights_3", "biases_3"}
        assert json.loads(str(held["activations"])) == ["tanh", "sigmoid"]
        assert np.array_equal(held["weights_3"], net.weights[1])


@pytest.mark.parametrize("name", ["mine", "tanh"])
def test_functions_of_your_own_are_refused_and_nothing_is_written(tmp_path, name):
    mine = fm.activation(np.sin, np.cos, name=name)
    for activation in (mine, fm.PerNeuron([mine, "tanh"])):
        net = fm.Network.random([3, 2], activation, seed=0)
        with pytest.raises(Refused, match=f"built-in activations, got '{name}'.*numpy.save"):
            fm.save(net, tmp_path / "net.npz")
    assert not list(tmp_path.iterdir())


def written(path, **changes):
    arrays = {"activations": np.array('["tanh"]'), "weights_2": np.ones((1, 2)), "biases_2": np.zeros(1)} | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def single_array():
    file = io.BytesIO()
    np.save(file, np.ones(2))
    return file.getvalue()


BROKEN = {
    "text": (lambda path: path.write_text("no archive"), InvalidInput, "save\\(network, path\\)"),
    "empty": (lambda path: path.write_bytes(b""), InvalidInput, "save\\(network, path\\)"),
    "a pickle": (lambda path: path.write_bytes(pickle.dumps({})), InvalidInput, "pickles are refused"),
    "a folder": (lambda path: path.mkdir(), InvalidInput, "save\\(network, path\\)"),
    "absent": (lambda _: None, InvalidInput, "there is no file"),
    "a single array": (lambda path: path.write_bytes(single_array()), InvalidInput, "save\\(network, path\\)"),
    "examples": (lambda path: np.savez(path, X=np.ones(2)), InvalidInput, "save\\(network, path\\)"),
    "objects": (lambda path: written(path, weights_2=np.array([{}])), InvalidInput, "pickles are refused"),
    "no weights": (lambda path: written(path, weights_2=None), InvalidInput, "save\\(network, path\\)"),
    "no JSON": (lambda path: written(path, activations=np.array("tanh")), InvalidInput, "save\\(network, path\\)"),
    "no name": (lambda path: written(path, activations=np.array('["tanhh"]')), UnknownName, "Did you mean 'tanh'"),
    "a number": (lambda path: written(path, activations=np.array("[3]")), WrongType, "activation must be"),
    "other widths": (lambda path: written(path, biases_2=np.zeros(2)), InvalidInput, "biases"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_network_is_refused_in_a_sentence(tmp_path, case):
    path = tmp_path / "net.npz"
    make, exception, part = BROKEN[case]
    make(path)
    with pytest.raises(exception, match=part) as caught:
        fm.load(path)
    assert isinstance(caught.value, FormulationsException)


def test_what_cannot_be_written_is_refused(tmp_path):
    net = fm.Network.random([1, 1], seed=0)
    for path in (tmp_path / "absent" / "net.npz", tmp_path, "net\0.npz"):
        with pytest.raises(InvalidInput, match=r"can be written.*folder that exists"):
            fm.save(net, path)
    with pytest.raises(WrongType, match=r"formulations\.Network"):
        fm.save(net.vector, tmp_path / "net.npz")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("rebuilt", [again, lambda net, _: pickle.loads(pickle.dumps(net)), lambda net, _: net.copy()])
def test_a_network_that_has_diverged_loads_and_is_refused_when_it_is_used(tmp_path, bad, rebuilt):
    stored = csr_array((np.ones(2), np.arange(2), np.array([0, 1, 2])), shape=(2, 2))
    net = fm.Network([stored, np.ones((1, 2))], [np.zeros(2), np.zeros(1)], ["tanh", "identity"])
    net.vector[[0, -1]] = bad
    other = rebuilt(net, tmp_path / "net.npz")
    assert np.array_equal(other.vector, net.vector, equal_nan=True)
    assert other.layout == net.layout and other.activations == net.activations
    with pytest.raises(NotFinite):
        fm.gradient(other, np.ones((1, 2)), np.ones((1, 1)))


def test_an_unpickled_network_is_one_vector_and_a_pattern_that_cannot_be_written_to():
    stored = csr_array((np.ones(2), np.arange(2), np.array([0, 1, 2])), shape=(2, 2))
    net = fm.Network([stored, np.ones((1, 2))], [np.zeros(2), np.zeros(1)], "tanh")
    other = pickle.loads(pickle.dumps(net))
    assert_same(net, other)
    assert all(np.shares_memory(other.vector, part) for part in [other.weights[1], *other.biases])
    assert not np.shares_memory(other.vector, net.vector)
    assert not any(part.flags.writeable for part in (other.layout.patterns[0].indices, other.layout.patterns[0].indptr))


def test_a_slope_keeps_all_its_digits(tmp_path):
    leaky = LeakyReLU(1 / 3)
    path = tmp_path / "leaky.npz"
    fm.save(fm.Network.random([2, 3, 1], [leaky, "identity"], seed=0), path)
    assert fm.load(path).activations[0] == leaky
