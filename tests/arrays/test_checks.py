"""Numbers at the ends of their range, in user input and in what a network computes from it."""

from __future__ import annotations

import numpy as np
import pytest

import formulations as fm
from formulations.arrays.checks import as_examples, as_real, example_shares, positive_number, size_of_batch
from formulations.backends._base.perturbation import SCHEMES, step_sizes
from formulations.exceptions import InvalidInput, NotFinite, WrongShape, WrongType

F8 = np.dtype("float64")


def test_a_finite_number_beyond_the_range_of_a_dtype_is_named():
    beyond = (
        r"^X must lie within the range of float32, ±3\.4e\+38, got -1e\+60 at X\[1, 0\]; scale it down, or take a wider"
    )
    with pytest.raises(NotFinite, match=beyond):
        as_real([[np.inf, 1.0], [-1e60, 1e60]], "X", np.dtype("float32"))
    with pytest.raises(NotFinite, match=r"^x must lie within the range of float32, ±3\.4e\+38, got 1e\+60; scale"):
        as_real(1e60, "x", np.dtype("float32"))
    largest, smallest = np.finfo("float32").max, np.finfo("float64").tiny
    kept = as_real([float(largest), np.inf, np.nan, smallest], "X", np.dtype("float32"))
    assert kept[0] == largest and np.isinf(kept[1]) and np.isnan(kept[2]) and kept[3] == 0


def test_weights_whose_sum_overflows_are_shared_out():
    assert example_shares([1e308] * 4, 4, F8).tolist() == [[0.25]] * 4
    assert example_shares([1e308, 0, 1e308, 0], 4, np.dtype("float32")).tolist() == [[0.5], [0], [0.5], [0]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
@pytest.mark.parametrize("own", ["float32", "float64", "longdouble"])
def test_weights_of_a_small_dtype_are_shared_out_in_the_networks_precision(dtype, own):
    # Exact in every dtype; their quotients by the largest, 7, are in none.
    weights, own = [1, 2, 3, 7], np.dtype(own)
    expected = np.array(weights, own) / own.type(13)
    found = example_shares(np.array(weights, dtype), 4, own)[:, 0]
    assert found.dtype == own
    assert (np.abs(found - expected) <= 4 * np.finfo(own).eps * expected).all()


def test_an_integer_that_no_float_can_hold_is_refused():
    with pytest.raises(InvalidInput, match=r"rate must be a positive number below 1\.8e\+308"):
        positive_number(10**400, "rate")


def test_a_batch_is_at_most_all_examples():
    assert size_of_batch(7, 7) == 7
    assert [size_of_batch(None, m) for m in (1, 7, 10, 70)] == [1, 7, 10, 10]
    with pytest.raises(InvalidInput, match="at most the number of examples, 7, got 8"):
        size_of_batch(8, 7)
    with pytest.raises(WrongType, match="--batch-size"):
        size_of_batch(2.0, 7, "--batch-size")


@pytest.mark.parametrize(("shape", "transposed"), [((3, 5), True), ((5, 4), False), ((4, 1), False)])
def test_transposing_is_a_remedy_only_if_it_would_fit(shape, transposed):
    with pytest.raises(WrongShape, match="X must have 3 columns") as caught:
        as_examples(np.zeros(shape), "X", 3, F8)
    assert ("pass X.T" in str(caught.value)) == transposed


@pytest.mark.parametrize(
    ("Y", "remedied"),
    [
        (np.array([0, 2, 1]), True),
        (np.array([[0], [2], [1]]), True),
        (np.array([0.0, 2.0]), True),
        (np.array([0, 3]), False),
        (np.array([-1, 0]), False),
        (np.array([0.5, 1.0]), False),
        (np.zeros((2, 2)), False),
    ],
)
def test_class_labels_get_the_remedy_of_unit_vectors(Y, remedied):
    for name in "YX":
        with pytest.raises(WrongShape) as caught:
            as_examples(Y, name, 3, F8)
        assert ("formulations.one_hot(labels, classes=3)" in str(caught.value)) == (remedied and name == "Y")


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
@pytest.mark.parametrize("w", [-1000.0, 1000.0, -0.5])
def test_a_step_follows_the_size_of_a_weight_and_not_its_sign(scheme, w):
    (step,) = step_sizes(np.array([w]), scheme)
    wanted = scheme.relative_step(F8) * max(1.0, abs(w))
    # θ + h and the difference round once each, to half a unit in the last place of θ + h.
    assert abs(step - wanted) <= np.spacing(2 * abs(w))


def test_biases_are_added_to_every_row_of_a_large_batch():
    # 3 · 3000 numbers are more than one block of 4096; integers, so that the oracle is exact.
    random = np.random.default_rng(5)
    w, b = random.integers(-8, 9, (3, 4)), np.array([1, -2, 5])
    X = random.integers(-8, 9, (3000, 4))
    expected = np.array([[sum(int(x[k]) * int(w[j, k]) for k in range(4)) + int(b[j]) for j in range(3)] for x in X])
    assert np.array_equal(fm.Network([w], [b], "identity")(X), expected)


def test_a_layer_wider_than_a_block_gets_its_biases_too():
    b = np.arange(5000.0)
    assert np.array_equal(fm.Network([np.ones((5000, 1))], [b], "identity")([[1.0], [2.0]]), [b + 1, b + 2])
