"""Training and test parts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_matrix, csr_array

import formulations as fm
from formulations.data import make_problem
from formulations.exceptions import InvalidInput, WrongShape, WrongType

X = np.arange(87.0)[:, None]
LABELS = np.repeat([0, 1, 2], [50, 30, 7])


@pytest.mark.parametrize("Y", [LABELS, LABELS.tolist(), np.array(["c", "a", "b"])[LABELS], fm.one_hot(LABELS)])
def test_each_class_has_its_share_of_both_parts(Y):
    X_train, Y_train, X_test, Y_test = fm.split(X, Y, test=0.2, seed=4)
    assert sorted(np.concatenate([X_train, X_test]).ravel()) == X.ravel().tolist()
    assert len(X_test) == 18
    for part, targets in ((X_train, Y_train), (X_test, Y_test)):
        assert (np.asarray(Y)[part.ravel().astype(int)] == targets).all()
        counts = np.bincount(LABELS[part.ravel().astype(int)])
        assert (np.abs(counts - np.bincount(LABELS) * len(part) / 87) < 1).all()


def test_a_split_is_that_of_a_problem_and_depends_on_its_seed():
    Y = fm.one_hot(LABELS)
    for found, expected in zip(fm.split(X, Y, seed=3), make_problem([1, 3], data=(X, Y)).split(3), strict=True):
        assert (found == expected).all()
    assert not np.array_equal(fm.split(X, Y, seed=3).X_test, fm.split(X, Y, seed=4).X_test)
    assert (fm.split(X, Y).X_test == fm.split(X, Y, seed=0).X_test).all()


def test_a_class_with_one_example_goes_to_training():
    for seed in range(20):
        parts = fm.split(X[:6], ["a", "a", "b", "c", "a", "a"], test=0.5, seed=seed)
        assert {"b", "c"} <= set(parts.Y_train) and set(parts.Y_test) == {"a"}
    # Unless the others are too few.
    assert len(fm.split(X[:4], ["a", "b", "c", "d"], test=2).Y_test) == 2
    drawn = {tuple(sorted(fm.split(X[:4], ["a", "b", "c", "d"], 2, seed).Y_test)) for seed in range(40)}
    assert len(drawn) == 6


def test_many_classes_of_one_example_do_not_take_the_share_of_others():
    Y = np.array([f"s{i}" for i in range(100)] + ["a"] * 10 + ["b"] * 10)
    for seed in range(20):
        parts = fm.split(np.zeros((120, 1)), Y, 0.2, seed)
        assert len(parts.Y_test) == 24
        assert [np.sum(parts.Y_test == name) for name in "ab"] == [3, 3]


def test_small_classes_are_learnt_if_a_large_one_has_enough():
    labels = np.repeat(np.arange(11), [2] * 10 + [200])
    parts = fm.split(np.zeros((220, 1)), labels, 0.95)
    assert len(parts.Y_test) == 209 and set(parts.Y_train) == set(range(11))


def test_each_class_of_several_examples_is_learnt_and_has_its_share():
    random = np.random.default_rng(0)
    for seed in range(300):
        sizes = random.integers(1, 8, random.integers(1, 12))
        labels, share = np.repeat(np.arange(len(sizes)), sizes), random.uniform(0.05, 0.95)
        m, count = len(labels), int(np.ceil(share * len(labels)))
        if count >= m:
            continue
        parts = fm.split(np.arange(m)[:, None], labels, count, seed)
        assert sorted(np.concatenate([parts.X_train, parts.X_test]).ravel()) == list(range(m))
        tested, learnt = (np.bincount(part, minlength=len(sizes)) for part in (parts.Y_test, parts.Y_train))
        assert len(parts.Y_test) == count and (labels[parts.X_test.ravel()] == parts.Y_test).all()
        if m - count >= len(sizes):
            assert learnt[sizes > 1].all()
        if learnt[sizes > 1].all():
            assert (tested <= sizes * count / m + 1).all()


@pytest.mark.parametrize(
    ("test", "m", "count"),
    [(np.float32(0.2), 60, 12), (0.2, 5, 1), (0.07, 100, 7), (0.1, 30, 3), (0.01, 3, 1), (4, 6, 4)],
)
def test_the_share_is_exact_and_rounded_up(test, m, count):
    assert len(fm.split(np.zeros((m, 1)), np.zeros(m), test).X_test) == count


@pytest.mark.parametrize("given", [csr_array(X), coo_matrix(X)])
def test_sparse_examples_stay_sparse(given):
    parts, dense = fm.split(given, LABELS), fm.split(X, LABELS)
    assert isinstance(parts.X_train, csr_array)
    assert (parts.X_train.toarray() == dense.X_train).all() and (parts.X_test.toarray() == dense.X_test).all()


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_frames_stay_frames(package):
    frames = pytest.importorskip(package)
    names = np.array(["a", "b", "c"])[LABELS]
    frame = frames.DataFrame({"x": X[:, 0], "label": names})
    parts, plain = fm.split(frame[["x"]], frame["label"]), fm.split(X, names)
    assert list(parts.X_train.columns) == ["x"] and type(parts.X_test) is type(frame)
    assert (np.asarray(parts.X_train) == plain.X_train).all() and (np.asarray(parts.Y_test) == plain.Y_test).all()


@pytest.mark.slow  # importing dask takes seconds
def test_dask_collections_are_computed():
    array = pytest.importorskip("dask.array")
    assert (fm.split(array.from_array(X), array.from_array(LABELS)).X_test == fm.split(X, LABELS).X_test).all()


REFUSED = {
    "lengths": (lambda: fm.split(X, LABELS[1:]), WrongShape, "same number of examples, got 87 and 86"),
    "lengths of a frame": (lambda: fm.split(csr_array(X), [1]), WrongShape, "got 87 and 1"),
    "no test share": (lambda: fm.split(X, LABELS, 0.0), InvalidInput, "share between 0 and 1, got 0.0"),
    "all": (lambda: fm.split(X, LABELS, 87), InvalidInput, "at least one example for training, got 87 of 87 ex"),
    "one example": (lambda: fm.split([[1]], [1]), InvalidInput, "got 0.2 of 1 example;"),
    "a word": (lambda: fm.split(X, LABELS, "half"), WrongType, "got 'half'; pass 0.2 for a fifth"),
    "true": (lambda: fm.split(X, LABELS, True), WrongType, "got True"),
    "nan": (lambda: fm.split(X, LABELS, float("nan")), InvalidInput, "got nan"),
    "mixed labels": (lambda: fm.split(X[:2], [1, "a"]), WrongType, r"a string, 'a', at Y\[1\]"),
    "no examples": (lambda: fm.split(None, [1]), WrongShape, "X must hold examples, one a row, got"),
    "a seed": (lambda: fm.split(X, LABELS, seed="x"), WrongType, "seed must be"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_say_what_came(name):
    call, exception, part = REFUSED[name]
    with pytest.raises(exception, match=part):
        call()


def test_a_split_is_shown_in_one_line():
    assert repr(fm.split(np.zeros((10, 2)), [0, 1] * 5)) == "<Split of 8 training and 2 test examples>"
    shown = repr(fm.load_digits())
    assert shown == "<Digits: 1437 training and 360 test examples of 64 features, 10 classes>"
