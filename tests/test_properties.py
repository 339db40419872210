"""Properties of whatever the strategies draw."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from makers import ANALYTIC, serves
from scipy.sparse import csr_array
from strategies import batches, dtypes, labels, matrices, networks, seeds, tables

import formulations as fm
from formulations.data import Scaling, encode_labels, is_labels
from formulations.verification import Status

# The others compile each network anew, which takes seconds.
INTERPRETED = [flag for flag in ANALYTIC if not flag.startswith(("autodiff", "fused")) and ":" not in flag]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("properties") / "file"


@given(net=networks())
def test_a_saved_network_is_loaded_bit_for_bit(net, path):
    fm.save(net, path)
    found = fm.load(path)
    assert np.array_equal(found.vector, net.vector) and (found.dtype, repr(found)) == (net.dtype, repr(net))


@given(net=networks(), values=labels(), seed=seeds)
def test_a_saved_model_is_loaded_bit_for_bit(net, values, seed, path):
    random, (inputs, *_, outputs) = np.random.default_rng(seed), net.sizes
    classes = sorted(set(values))
    model = fm.Model(
        net,
        classes if len(classes) == max(outputs, 2) else None,
        [f"σ{i}, x" for i in range(inputs)],
        random.normal(size=inputs),
        random.random(inputs) + 1e-3,
        label="\n",
    )
    model.save(path)
    found = fm.Model.load(path)
    assert np.array_equal(found.network.vector, net.vector) and repr(found) == repr(model)
    assert np.array_equal(found.mean, model.mean) and np.array_equal(found.scale, model.scale)
    assert found.columns == model.columns and found.label == model.label
    assert (found.classes is None) == (model.classes is None)
    assert found.classes is None or found.classes.tolist() == model.classes.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("flag", INTERPRETED)
@given(data=st.data())
def test_every_backend_computes_the_gradient_of_any_network(flag, data):
    net = data.draw(networks())
    if not serves(flag, net):
        net = fm.Network(net.weights, net.biases, "identity")
    assume(serves(flag, net))
    X, Y = data.draw(batches(net))
    # The bounds cannot decide everywhere, next to the kink of a ReLU for example.
    assert fm.certify(net, X, Y, flag).status is not Status.DIFFERENT


@given(values=labels(), seed=seeds)
def test_labels_are_their_classes_by_their_indices(values, seed):
    assert is_labels(values)
    classes, indices = encode_labels(values)
    assert classes[indices].tolist() == values
    assert classes.tolist() == sorted(set(values))
    assert fm.one_hot(values).argmax(axis=1).tolist() == indices.tolist()
    shuffled = np.random.default_rng(seed).permutation(classes)
    again, indices = encode_labels(values, shuffled)
    assert (again == shuffled).all() and again[indices].tolist() == values


@given(values=labels(min_size=2), share=st.floats(0.01, 0.99), seed=seeds)
def test_a_split_holds_each_example_once_and_each_class_in_its_share(values, share, seed):
    m = len(values)
    assume(np.ceil(share * m) < m)
    train, targets, test, tested = fm.split(np.arange(m), values, share, seed)
    assert sorted([*train, *test]) == list(range(m))
    assert [values[i] for i in train] == targets.tolist() and [values[i] for i in test] == tested.tolist()
    counts = Counter(values)
    for label, count in counts.items():
        found, expected = tested.tolist().count(label), count * len(test) / m
        if count > 1:
            assert found > expected - 1 or found == count - 1
            assert found < count or len(train) < len(counts)
        assert found <= expected + 1 or 2 * len(test) > m


@given(table=tables())
def test_a_table_is_read_as_it_was_written(table, path):
    path.write_bytes(table.content)
    X, Y, columns, label = fm.read_csv(path, **table.options)
    assert X.tobytes() == table.X.tobytes() and (columns, label) == (table.columns, table.label)
    assert Y.tolist() == table.Y and type(Y.tolist()[0]) is type(table.Y[0])


@given(X=matrices(), dtype=dtypes)
def test_scaled_examples_are_finite_and_constant_features_vanish(X, dtype):
    X = np.clip(X, -1e30, 1e30).astype(dtype)
    scaling = Scaling.of(X)
    scaled = scaling(X)
    constant = X.min(axis=0) == X.max(axis=0)
    assert (scaling.scale[constant] == 1).all() and (scaling.scale > 0).all()
    assert np.isfinite(scaled).all() and not scaled[:, constant].any()


@given(X=matrices())
def test_sparse_examples_are_scaled_like_dense_ones_that_are_not_shifted(X):
    scaling = Scaling.of(csr_array(X))
    assert np.array_equal(scaling(csr_array(X)).toarray(), scaling(X))


@given(X=matrices(), code=st.sampled_from([(0x08, "u1"), (0x09, "i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0E, ">f8")]))
def test_images_are_read_as_they_were_written(X, code, path):
    with np.errstate(invalid="ignore"):
        images = (X % 100).astype(code[1])
    path.write_bytes(bytes([0, 0, code[0], 2]) + np.array(X.shape, ">u4").tobytes() + images.tobytes())
    assert np.array_equal(fm.read_idx(path)[0], images / 255 if code[1] == "u1" else images)
