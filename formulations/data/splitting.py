"""Splitting examples into a training and a test part."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from formulations.arrays import Array, as_array, check_pair, positive_integer, quiet, random_generator
from formulations.data.frames import as_matrix, column_names, computed
from formulations.data.labels import classes_of, encode_labels, is_labels
from formulations.display import counted
from formulations.exceptions import InvalidInput, WrongShape, WrongType, described

__all__ = ["Split", "split"]


class Split(NamedTuple):
    """Examples in a training and a test part, of the types that were split.

    Attributes
    ----------
    X_train, Y_train
        The examples and targets to learn from.
    X_test, Y_test
        Those that are held out.
    """

    X_train: Any
    Y_train: Any
    X_test: Any
    Y_test: Any

    def __repr__(self) -> str:
        return f"<Split of {self.X_train.shape[0]} training and {self.X_test.shape[0]} test examples>"


@quiet
def split(X: Any, Y: Any, test: float = 0.2, seed: Any = 0) -> Split:
    """Split examples at random into a training and a test part; each class has its share of both.

    Parameters
    ----------
    X : array-like, frame or sparse array of shape (m, n₁)
        The examples.
    Y : array-like of shape (m,) or (m, n_L)
        Labels, unit vectors or a column of 0 and 1, which name classes; other targets make no classes.
    test : float or int, default 0.2
        The share of the test part, rounded up to whole examples; or its number of examples.
    seed : int, default 0
        The seed of the random choice and order.

    Returns
    -------
    Split
        ``X_train, Y_train, X_test, Y_test``, in the order of :func:`load_digits`. A frame stays a frame, and keeps the
        names of its columns; a sparse array becomes a ``csr_array``.

    Raises
    ------
    WrongShape
        If X and Y have different numbers of examples.
    WrongType, InvalidInput
        If ``test`` leaves one part without examples, or the labels cannot be used.

    Notes
    -----
    Each class has the same share of both parts, to within one example. A class keeps an example for training, and one
    with a single example goes there, as far as ``test`` and the shares of the other classes allow. Both parts are
    sorted by class, and in random order within each; :func:`sgd` shuffles the training examples in every epoch.

    Examples
    --------
    >>> X_train, Y_train, X_test, Y_test = split(np.arange(10.0)[:, None], ["a"] * 6 + ["b"] * 4, test=0.5)
    >>> Y_test.tolist()
    ['a', 'a', 'a', 'b', 'b']
    """
    Y = computed(Y)
    # Before Y becomes an array, in which labels of mixed types would be strings.
    classes: NDArray[np.intp] | None = encode_labels(Y, name="Y")[1] if is_labels(Y) else None
    X, Y = _rows_of(X, "X"), _rows_of(Y, "Y")
    check_pair(X, Y)
    m = X.shape[0]
    if classes is None:
        targets = as_matrix(Y, "Y")
        classes = classes_of(targets) if targets.ndim == 2 and not issparse(targets) else None
    order, count = random_generator(seed).permutation(m), _test_size(test, m)
    train, tested = _parted(order, classes, count)
    return Split(_take(X, train), _take(Y, train), _take(X, tested), _take(Y, tested))


def _rows_of(data: Any, name: str) -> Any:
    """Return data that have a shape and rows that can be taken."""
    data = computed(data)
    if issparse(data):
        return csr_array(data)
    if column_names(data) is None and not hasattr(data, "iloc"):
        data = as_array(data, name)
    if not data.shape:
        raise WrongShape(f"{name} must hold examples, one a row, got {described(data)}; pass an array or a frame.")
    return data


def _take(data: Any, rows: NDArray[np.intp]) -> Any:
    return data.iloc[rows] if hasattr(data, "iloc") else data[rows]


def _test_size(test: Any, m: int) -> int:
    if isinstance(test, int | np.integer) and not isinstance(test, bool):
        count = positive_integer(test, "test")
    elif isinstance(test, float | np.floating):
        if not 0 < test < 1:
            raise InvalidInput(f"test must be a share between 0 and 1, got {described(test)}; pass one such as 0.2.")
        count = math.ceil(Fraction(str(test)) * m)  # 0.07 of 100 examples are 7.
    else:
        raise WrongType(f"test must be a share or a number of examples, got {described(test)}; pass 0.2 for a fifth.")
    if count >= m:
        raise InvalidInput(
            f"test must leave at least one example for training, got {described(test)} of {counted(m, 'example')}; "
            "pass a "
            "smaller one, or more examples."
        )
    return count


def _parted(
    order: NDArray[np.intp], classes: NDArray[np.intp] | None, count: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Part a permutation into two, of which the second has ``count`` examples, spread evenly over the classes."""
    m = len(order)
    classes = np.zeros(m, np.intp) if classes is None else classes
    sizes = np.bincount(classes)
    alone = order[sizes[classes[order]] == 1]
    order = order[np.argsort(classes[order], kind="stable")]
    # At most an example more than its share, and one is left to learn from.
    most = np.maximum(np.minimum(sizes - 1, sizes * count // m + 1), 0)
    spread = min(count, int(most.sum()))
    # With examples sorted by class, equally spaced ones give each class its share.
    shared = np.flatnonzero(sizes[classes[order]] > 1)
    chosen = np.zeros(m, bool)
    chosen[shared[((np.arange(spread) + 0.5) * len(shared) / max(1, spread)).astype(int)]] = True
    tested = np.minimum(np.bincount(classes[order[chosen]], minlength=len(sizes)), most)
    shares = sizes * count / m
    _add(tested, spread, most, shares)
    tested[classes[alone[: count - spread]]] = 1
    # If that is not enough, beyond the shares, and then the last example too.
    most = np.maximum(sizes - 1, tested)
    _add(tested, min(count, int(most.sum())), most, shares)
    _add(tested, count, sizes, shares)
    by_class = np.lexsort((~chosen, classes[order]))
    chosen[by_class] = np.arange(m) - np.repeat(np.cumsum(sizes) - sizes, sizes) < np.repeat(tested, sizes)
    return order[~chosen], order[chosen]


def _add(tested: NDArray[np.intp], count: int, most: NDArray[np.intp], shares: Array) -> None:
    """Add examples to test, up to ``count`` and ``most`` of each class, first of those furthest below their share."""
    while (missing := count - int(tested.sum())) > 0:
        open_ = np.flatnonzero(tested < most)
        tested[open_[np.argsort(tested[open_] - shares[open_], kind="stable")[:missing]]] += 1
