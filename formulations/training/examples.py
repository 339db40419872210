"""Examples for training: checks of inputs, targets and weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array, issparse

from formulations.arrays import (
    Array,
    as_examples,
    check_finite,
    check_pair,
    check_some_weight,
    example_weights,
    nonnegative_number,
)
from formulations.data import as_matrix, check_matrix, classes_of, encode_labels, is_labels, targets_for
from formulations.exceptions import InvalidInput, WrongShape, WrongType, described
from formulations.functions import Cost
from formulations.network import Network
from formulations.plans import are_sources

__all__ = ["Examples", "as_pair", "examples_for", "labels_of", "numbers_of", "weights_for"]


class Examples(NamedTuple):
    """Examples that a network can be trained or tested on.

    Attributes
    ----------
    X : ndarray or csr_array of shape (m, n₁)
        The inputs, finite and of the network's dtype.
    Y : ndarray of shape (m, n_L)
        The targets, likewise, and valid for the cost.
    cost : Cost
        The cost.
    classes : ndarray of shape (K,), or None
        The classes in the order of the outputs if the targets were given as labels.
    """

    X: Any
    Y: Array
    cost: Cost
    classes: Array | None


def examples_for(
    net: Network, X: Any, Y: Any, cost: str | Cost | None = None, classes: Any = None, *, are_labels: bool = False
) -> Examples:
    """Check examples, and turn labels into targets.

    Labels become targets as :func:`formulations.data.targets_for` says.

    Parameters
    ----------
    net : Network
        The network.
    X : array_like, frame or sparse array of shape (m, n₁)
        The inputs. A sparse array stays sparse.
    Y : array_like of shape (m, n_L), or labels of shape (m,)
        The targets, or the class of each example: an integer, string or boolean.
    cost : str, Cost or None
        The cost; None means that of :func:`formulations.data.default_cost` for labels, and else the quadratic cost.
    classes : array_like of shape (K,), optional
        The classes in the order of the outputs; by default the distinct labels, sorted.
    are_labels : bool
        Integers are labels whatever the outputs and the cost.

    Raises
    ------
    WrongShape
        If the data do not fit the network, or the number of classes does not fit the outputs.
    InvalidInput
        If the integers may be numbers to learn, or the labels are of one class.
    WrongType
        If ``X`` holds sources, or the data are not real numbers.
    NotFinite, UnknownName
        If the data or the cost cannot be used.
    """
    if are_sources(X):
        raise WrongType(
            f"X must be an array, got {described(X)}; pass all examples, as arrays or memory maps, since mini-batches "
            "are drawn from them."
        )
    Y, chosen, known = targets_for(net, Y, cost, classes, are_labels=are_labels)
    if known is None:
        Y = as_matrix(Y, "Y")
    X = as_matrix(X, "X")
    if issparse(X):
        X, Y = _check_sparse(net, X, Y, chosen)
        if np.may_share_memory(X.data, net.vector):
            X = X.copy()
    else:
        X, Y, *_ = net.check_examples(X, Y, cost=chosen)
        X = _apart(X, net)
    return Examples(X, _apart(Y, net), chosen, known)


def _apart(array: Array, net: Network) -> Array:
    """Return an array, or a copy if it may be a view of the parameters, which training changes."""
    return array.copy() if np.may_share_memory(array, net.vector) else array


def weights_for(examples: Examples, sample_weight: Any, class_weight: Any) -> Array | None:
    """Return the weight of each example, shape (m,): its sample weight times that of its class.

    Parameters
    ----------
    examples : Examples
        The examples.
    sample_weight : array_like of shape (m,), optional
        Weights of the examples, at least 0.
    class_weight : "balanced" or mapping, optional
        The weight of each class by its label, or by its number if the targets are unit vectors; 1 for classes that it
        lacks. ``"balanced"`` gives all classes the same sum of weights.

    Returns
    -------
    ndarray of float64 of shape (m,), or None
        At most 1; None if all examples count alike.

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the weights cannot be used, or the targets are not classes.
    """
    factors = []
    if sample_weight is not None:
        factors.append(example_weights(sample_weight, len(examples.Y)))
    if class_weight is not None:
        factors.append(_class_weights(examples, class_weight))
    # Relative to the largest, so that neither the product nor the sum can overflow.
    weights = None
    for factor in factors:
        check_some_weight(factor.max())
        scaled = np.asarray(factor / factor.max(), np.float64)
        weights = scaled if weights is None else weights * scaled
    if weights is not None:
        check_some_weight(weights.max())
    return weights


def _class_weights(examples: Examples, class_weight: Any) -> Array:
    """Return the class weight of each example."""
    Y, names = examples.Y, examples.classes
    indices = classes_of(Y)
    if indices is None:
        raise InvalidInput(
            "class_weight goes with classes: labels, unit vectors or one column of 0 and 1, got other targets; weight "
            "single examples with sample_weight."
        )
    count = max(2, Y.shape[1])
    if isinstance(class_weight, str) and class_weight == "balanced":
        sizes = np.bincount(indices)
        # Only the ratios count; scikit-learn's weights are m/K times these.
        return np.asarray(1 / sizes[indices])
    if not isinstance(class_weight, Mapping):
        raise WrongType(
            f"class_weight must be 'balanced' or a mapping from classes to weights, got {described(class_weight)}; "
            "pass a dictionary such as {0: 1.0, 1: 5.0}."
        )
    known = list(range(count)) if names is None else names.tolist()
    places = {label: k for k, label in enumerate(known)}
    weights = np.ones(count)
    for label, weight in class_weight.items():
        if label not in places:
            raise InvalidInput(
                f"class_weight must name classes among {', '.join(map(repr, known))}, got {label!r}; leave it out."
            )
        weights[places[label]] = nonnegative_number(weight, f"class_weight[{label!r}]")
    return weights[indices]


def _check_sparse(net: Network, X: csr_array, Y: Any, cost: Cost) -> tuple[csr_array, Array]:
    """Check sparse inputs, and their targets, as :meth:`formulations.Network.check_examples` does dense ones."""
    dtype = net.dtype
    # Only the shape is looked at, and this array takes no memory.
    as_examples(np.broadcast_to(dtype.type(0), X.shape), "X", net.sizes[0], dtype)
    Y = as_examples(Y, "Y", net.sizes[-1], dtype)
    if X.shape[0] != len(Y):
        check_pair(X, Y)
    check_finite(Y, "Y")
    cost.check_targets(Y)
    X = X.astype(dtype, copy=False)
    check_matrix(X, "X")
    return X, Y


def labels_of(Y: Any, classes: Any) -> Any:
    """Return labels as they are; of unit vectors the classes, by default their places 0, 1, …; None for numbers."""
    if is_labels(Y):
        return Y
    targets = as_matrix(Y, "Y")
    if targets.ndim != 2 or targets.shape[1] < 2 or not len(targets):
        return None
    places = classes_of(targets)
    if places is None or classes is None:
        return places
    known, _ = encode_labels(classes, classes, "classes")
    if targets.shape[1] != len(known):
        raise WrongShape(
            f"unit vectors in Y must have {len(known)} columns, one for each class, got shape {targets.shape}; pass "
            "the labels, or formulations.one_hot(labels, classes)."
        )
    return known[places]


def numbers_of(Y: Any) -> Array:
    """Return numbers to predict as an array of shape (m, n_L); one dimension is one output."""
    targets = as_matrix(Y, "Y")
    if targets.ndim == 1:
        targets = targets[:, None]
    check_matrix(targets, "Y")
    return targets


def as_pair(validation: Any) -> tuple[Any, Any]:
    """Return X and Y of validation examples.

    Raises
    ------
    WrongType
        If they are not a pair.
    """
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        raise WrongType(
            f"validation must be a pair (X, Y) of examples and targets, got {type(validation).__name__}"
            f"{f' of {len(validation)}' if isinstance(validation, tuple | list) else ''}; pass validation=(X, Y)."
        )
    X, Y = validation
    return X, Y
