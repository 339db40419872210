"""Standardisation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from formulations.data import Scaling
from formulations.exceptions import NotFinite, Refused, WrongShape

random = np.random.default_rng(0)
X = random.standard_normal((50, 4)) * [1, 1e-3, 1e200, 1e-200] + [5, 0, 1e200, 0]
U = np.finfo(float).eps / 2


def test_scaled_features_have_mean_0_and_deviation_1():
    scaling = Scaling.of(X)
    scaled = scaling(X)
    # A mean of m values within ±1 of the largest rounds m + 2 times, and so does one of squares.
    spread = np.abs(X).max(axis=0) / scaling.scale
    assert (np.abs(scaled.mean(axis=0)) <= 2 * 52 * U * spread).all()
    assert (np.abs(scaled.std(axis=0) - 1) <= 4 * 52 * U * spread).all()
    assert (Scaling(scaling.mean, scaling.scale)(X) == scaled).all()


@pytest.mark.parametrize("value", [0.0, 0.1, -3e300, 5e-324])
def test_a_constant_feature_becomes_exactly_0(value):
    scaling = Scaling.of(np.full((7, 1), value))
    assert scaling.mean.tolist() == [value] and scaling.scale.tolist() == [1]
    assert not scaling(np.full((3, 1), value)).any()


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize("n", [3, 100, 1000])
def test_a_feature_that_is_constant_up_to_rounding_is_not_amplified(dtype, n):
    P = random.random((40, n)).astype(dtype)
    P /= P.sum(axis=1, keepdims=True)
    total = P.sum(axis=1, keepdims=True)
    assert np.ptp(total) > 0
    given = np.hstack([P, total, 1e-30 * total])
    for data in (given, csr_array(given)):
        scaling = Scaling.of(data)
        assert scaling.scale[n:].tolist() == [1, 1]
        assert scaling.scale[:n] == pytest.approx(P.astype(scaling.scale.dtype).std(axis=0), rel=1e-6)


def test_small_deviations_from_a_large_mean_are_kept():
    seconds = 1.7e9 + np.arange(100.0)[:, None]
    assert Scaling.of(seconds).scale == pytest.approx(np.arange(100.0).std(), rel=1e-9)
    assert Scaling.of(csr_array(seconds)).scale == pytest.approx(np.arange(100.0).std(), rel=1e-6)


def test_a_repeated_index_is_one_entry():
    X = csr_array((np.array([1.0, 2, 3]), np.array([0, 0, 1]), np.array([0, 2, 3])), shape=(2, 2))
    assert Scaling.of(X).scale.tolist() == [1.5, 1.5] and X.nnz == 3


def test_one_example_is_constant():
    assert not Scaling.of([[1.0, 2.0]])([[1.0, 2.0]]).any()


def test_sparse_examples_are_scaled_only():
    dense = np.where(random.random((50, 4)) < 0.3, random.standard_normal((50, 4)) + 2, 0)
    dense[:, 2], dense[:, 3] = 0, 3
    dense[:, 1] *= 1e180
    scaling = Scaling.of(csr_array(dense))
    assert not scaling.mean.any()
    assert scaling.scale[2:].tolist() == [1, 1]
    reference = Scaling.of(dense).scale
    assert (np.abs(scaling.scale - reference) <= 8 * 52 * U * np.abs(dense).max(axis=0)).all()
    scaled = scaling(csr_array(dense))
    assert isinstance(scaled, csr_array) and (scaled.toarray() == dense / scaling.scale).all()
    assert (scaling(dense) == dense / scaling.scale).all()
    with pytest.raises(Refused, match=r"pass X.toarray\(\)"):
        Scaling.of(dense)(csr_array(dense))


def test_frames_are_scaled():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    assert (Scaling.of(frame)(frame) == Scaling.of(X)(X)).all()


REFUSED = {
    "nan": (lambda: Scaling.of([[1.0], [np.nan]]), NotFinite, r"X must be finite, got nan at X\[1, 0\]"),
    "sparse nan": (lambda: Scaling.of(csr_array([[0, 1.0], [0, np.nan]])), NotFinite, r"nan at X\[1, 1\].*X\.data"),
    "new infinity": (lambda: Scaling.of(X)([[np.inf, 0, 0, 0]]), NotFinite, r"got inf at X\[0, 0\]"),
    "overflow": (lambda: Scaling.of(X)([[0, 0, 0, 1e300]]), NotFinite, "the scaled X must be finite"),
    "another width": (lambda: Scaling.of(X)([[1.0]]), WrongShape, "X must have 4 columns"),
    "one feature": (
        lambda: Scaling.of([1.0, 2.0]),
        WrongShape,
        r"got shape \(2,\); for one feature pass X.reshape\(-1, 1",
    ),
    "no example": (lambda: Scaling.of(np.zeros((0, 3))), WrongShape, r"got shape \(0, 3\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_say_what_came(name):
    call, exception, part = REFUSED[name]
    with pytest.raises(exception, match=part):
        call()
