"""Handwritten digits, 8 by 8 pixels, included in the package.

1,797 images by thirteen writers: E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*,
UCI Machine Learning Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0. ``README.md`` in the same
folder lists the changes.
"""

from __future__ import annotations

import math
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from formulations.arrays import Array, as_dtype, open_archive
from formulations.exceptions import InvalidInput, WrongShape, WrongType

__all__ = ["Digits", "classes_of", "load_digits", "one_hot"]

_REMEDY = "install this library again"
_SPLIT_SEED = 1998
_TEST_SIZE = 360


class Digits(NamedTuple):
    """Images and one-hot labels, one example per row, in a training and a test part.

    Attributes
    ----------
    X_train : ndarray of shape (1437, 64)
        Pixels in [0, 1], row by row of the image: multiples of 1/16, which every dtype represents exactly.
    Y_train : ndarray of shape (1437, 10)
        Targets: 1 in the column of the digit, 0 elsewhere.
    X_test : ndarray of shape (360, 64)
        Pixels of the test part.
    Y_test : ndarray of shape (360, 10)
        Targets of the test part.
    """

    X_train: Array
    Y_train: Array
    X_test: Array
    Y_test: Array


def load_digits(dtype: DTypeLike = "float64") -> Digits:
    """Return the digits, split into 1,437 training and 360 test examples.

    Parameters
    ----------
    dtype : dtype-like, default "float64"
        float32, float64 or longdouble.

    Returns
    -------
    Digits
        New arrays at every call.

    Raises
    ------
    WrongType
        If ``dtype`` is not one of the three.

    Notes
    -----
    The split is a shuffle with a fixed seed, so both parts contain the same writers, and the test accuracy does not
    predict the accuracy on new writers. The file keeps the order of its source, whose last 360 images are a harder
    test: a network with 30 hidden sigmoid neurons that classifies 97 % of ``X_test`` classifies 91 to 92 % of them.
    Accuracies on the two splits are not comparable.

    Examples
    --------
    >>> digits = load_digits()
    >>> digits.X_train.shape, digits.Y_train.shape
    ((1437, 64), (1437, 10))
    >>> float(digits.X_test.max())
    1.0
    """
    target = as_dtype(dtype)
    with (
        (files(__package__) / "digits.npz").open("rb") as stream,
        open_archive(stream, "the digits", _REMEDY) as archive,
    ):
        stored = archive.read(["images", "labels"], math.inf)
    images, labels = stored["images"], stored["labels"]
    # NumPy guarantees a stable raw stream of PCG64, but not a stable Generator.permutation.
    order = np.argsort(np.random.PCG64(_SPLIT_SEED).random_raw(len(images)), kind="stable")
    X = images[order].astype(target) / target.type(16)
    Y = one_hot(labels[order], dtype=target)
    # A view would keep the whole array alive.
    return Digits(
        X_train=X[:-_TEST_SIZE].copy(),
        Y_train=Y[:-_TEST_SIZE].copy(),
        X_test=X[-_TEST_SIZE:].copy(),
        Y_test=Y[-_TEST_SIZE:].copy(),
    )


def classes_of(Y: Array) -> NDArray[np.intp] | None:
    """Return the class of each target, shape (m,): the column of its 1, or the value of a single column of 0 and 1.

    Parameters
    ----------
    Y : ndarray of shape (m, n_L)
        The targets.

    Returns
    -------
    ndarray of int, or None
        None if the targets are neither unit vectors nor one column of 0 and 1.

    Examples
    --------
    >>> classes_of(one_hot([2, 0], classes=3)), classes_of(np.array([[0.5]]))
    (array([2, 0]), None)
    """
    binary = np.all((Y == 0) | (Y == 1))
    if not (binary and (Y.shape[1] == 1 or np.all(np.count_nonzero(Y, axis=1) == 1))):
        return None
    return Y[:, 0].astype(np.intp) if Y.shape[1] == 1 else Y.argmax(axis=1)


def one_hot(labels: ArrayLike, classes: int = 10, dtype: DTypeLike = "float64") -> Array:
    """Encode labels as unit vectors, the desired outputs y of the book, one example per row.

    Parameters
    ----------
    labels : array-like of int of shape (m,)
        Each at least 0 and below ``classes``.
    classes : int, default 10
        The number of output neurons, n_L.
    dtype : dtype-like, default "float64"
        float32, float64 or longdouble.

    Returns
    -------
    ndarray of shape (m, classes)
        1 at ``[x, labels[x]]``, 0 elsewhere.

    Raises
    ------
    WrongType
        If the labels or ``classes`` are not integers, or ``dtype`` is not one of the three.
    WrongShape
        If the labels are not one-dimensional, or ragged.
    InvalidInput
        If a label lies outside the classes.

    Examples
    --------
    >>> one_hot([2, 0], classes=3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    target = as_dtype(dtype)
    if isinstance(classes, bool) or not isinstance(classes, int | np.integer):
        raise WrongType(f"classes must be an integer, got {classes!r}; pass the number of output neurons, such as 10.")
    try:
        indices = np.asarray(labels)
    except ValueError:
        raise WrongShape(
            "labels must have shape (m,), got rows of unequal length; pass one integer per label."
        ) from None
    if indices.dtype.kind not in "iu":
        raise WrongType(f"labels must be integers, got dtype {indices.dtype}; convert them with labels.astype(int).")
    if indices.ndim != 1:
        raise WrongShape(f"labels must have shape (m,), got {indices.shape}; flatten them with numpy.ravel(labels).")
    outside = np.flatnonzero((indices < 0) | (indices >= classes))
    if outside.size:
        where = int(outside[0])
        raise InvalidInput(
            f"labels must be from 0 to {classes - 1}, got {indices[where]} at labels[{where}]; "
            "pass the number of classes, or renumber the labels from 0."
        )
    encoded = np.zeros((len(indices), classes), dtype=target)
    encoded[np.arange(len(indices)), indices] = 1
    return encoded
