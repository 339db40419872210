"""Problems: a network, a cost, and examples to compute a gradient of or to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulations.arrays import Array, as_real, format_dtype, random_generator, size_of_batch
from formulations.data.digits import classes_of, load_digits, one_hot
from formulations.display import counted
from formulations.exceptions import InvalidInput
from formulations.functions import Activation
from formulations.network import Network

__all__ = ["Problem", "make_problem", "problem_for"]

DIGITS = (64, 30, 10)
HIDDEN = 30


@dataclass(frozen=True)
class Problem:
    """A network with examples.

    Attributes
    ----------
    network : Network
        The network.
    X, Y : ndarray of shape (m, n₁) and (m, n_L)
        The examples.
    cost : str
        The cost's name.
    sample_weight : ndarray of shape (m,), or None
        Weights of the examples.
    expected : ndarray of shape (P + N,), or None
        The gradient in closed form, in the order of the flat vector.
    test_size : int
        How many examples, the last ones, are for testing; 0 where there is nothing to learn.
    """

    network: Network
    X: Array
    Y: Array
    cost: str = "quadratic"
    sample_weight: Array | None = None
    expected: Array | None = None
    test_size: int = 0

    @property
    def title(self) -> str:
        """Network, cost, number of examples and dtype."""
        net, m = self.network, len(self.X)
        return (
            f"{net.layout}, {net.activation_names}, {self.cost} cost, "
            f"{counted(m, 'example')}, {format_dtype(net.dtype)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what the title says as plain Python values."""
        return {
            "sizes": list(self.network.sizes),
            "activations": [activation.name for activation in self.network.activations],
            "cost": self.cost,
            "examples": len(self.X),
            "dtype": format_dtype(self.network.dtype),
        }

    def first(self, m: int) -> Problem:
        """Return the problem on its first m examples; its answer is not known.

        Raises
        ------
        InvalidInput
            Where there are fewer.
        """
        m = size_of_batch(m, len(self.X))
        weights = None if self.sample_weight is None else self.sample_weight[:m]
        return replace(self, X=self.X[:m], Y=self.Y[:m], sample_weight=weights, expected=None, test_size=0)

    def split(self, seed: int | None = None) -> tuple[Array, Array, Array, Array]:
        """Return X and Y to train on, and X and Y to test on; a single example serves for both.

        Parameters
        ----------
        seed : int, optional
            Of a shuffle in which each class has the same share of both parts, to within one example. Without it the
            order is kept, and the last examples are for testing.

        Raises
        ------
        InvalidInput
            Where no examples are for testing, as in random data, from which nothing can be learnt.
        """
        if not self.test_size:
            raise InvalidInput(
                f"training needs data for a network of {self.network.sizes[0]} inputs and {self.network.sizes[-1]} "
                f"outputs, and the embedded digits serve {DIGITS[0]} and {DIGITS[-1]}; give the data, or those sizes."
            )
        X, Y, tested = self.X, self.Y, len(self.X) - self.test_size
        if seed is not None:
            order = _stratified(classes_of(Y), len(X), self.test_size, seed)
            X, Y = X[order], Y[order]
        trained = max(1, tested)
        return X[:trained], Y[:trained], X[tested:], Y[tested:]


def make_problem(
    sizes: Sequence[int] | None = None,
    activations: str | Activation | Sequence[str | Activation] = "sigmoid",
    cost: str = "quadratic",
    *,
    init: str = "glorot",
    dtype: Any = "float64",
    seed: int = 0,
    data: tuple[Any, Any] | None = None,
    count: int = 10,
) -> Problem:
    """Make a problem of a random network: on the data given, else on the digits where they fit, else on random ones.

    Parameters
    ----------
    sizes : sequence of int, optional
        n₁, …, n_L; by default 30 hidden neurons between what the data, or the digits, need.
    activations : str, Activation, or a sequence of them
        As in :meth:`formulations.Network.random`, like ``init`` and ``dtype``.
    cost : str
        The cost's name.
    seed : int
        Of the weights, then of random examples.
    data : (X, Y), optional
        Examples of shape (m, n₁) and (m, n_L); the last fifth is for testing.
    count : int
        How many random examples to make.

    Returns
    -------
    Problem

    Raises
    ------
    InvalidInput, UnknownName, WrongShape, WrongType, NotFinite
        Where the network cannot be made, or the data do not fit it.
    """
    if sizes is None:
        sizes = DIGITS if data is None else _sizes_for(*(as_real(data[i], "XY"[i]) for i in (0, 1)))
    generator = random_generator(seed)
    network = Network.random(sizes, activations, seed=generator, dtype=dtype, init=init)
    return problem_for(network, cost, generator=generator, data=data, count=count)


def problem_for(
    network: Network,
    cost: str = "quadratic",
    *,
    generator: np.random.Generator,
    data: tuple[Any, Any] | None = None,
    count: int = 10,
) -> Problem:
    """Make a problem of a network that there is: on the same data as :func:`make_problem`.

    Parameters
    ----------
    network : Network
        Kept, not copied.
    cost : str
        The cost's name.
    generator : numpy.random.Generator
        Of random examples.
    data : (X, Y), optional
        Examples of shape (m, n₁) and (m, n_L); the last fifth is for testing.
    count : int
        How many random examples to make.

    Returns
    -------
    Problem

    Raises
    ------
    InvalidInput, WrongShape, WrongType, NotFinite
        Where the data do not fit the network.
    """
    if data is not None:
        X, Y, *_ = network.check_examples(*data, cost=cost)
        return Problem(network, X, Y, cost, test_size=len(X) - len(X) * 4 // 5)
    inputs, outputs = network.sizes[0], network.sizes[-1]
    if (inputs, outputs) == (DIGITS[0], DIGITS[-1]):
        digits = load_digits(network.dtype)
        X, Y = np.concatenate([digits.X_train, digits.X_test]), np.concatenate([digits.Y_train, digits.Y_test])
        return Problem(network, X, Y, cost, test_size=len(digits.X_test))
    X, Y = (generator.random((count, n)).astype(network.dtype) for n in (inputs, outputs))
    if cost == "log_likelihood":
        # Its targets are distributions; these are certain of the class that chance favours.
        Y = one_hot(Y.argmax(axis=1), classes=outputs, dtype=network.dtype)
    return Problem(network, X, Y, cost)


def _stratified(classes: NDArray[np.intp] | None, m: int, count: int, seed: int) -> NDArray[np.intp]:
    """Return a shuffle of m examples, the last ``count`` of which are spread evenly over the classes."""
    order = random_generator(seed).permutation(m)
    if classes is not None:
        order = order[np.argsort(classes[order], kind="stable")]
    # Sorted by class, examples at equal distances from each other give each class its share.
    chosen = np.zeros(m, bool)
    chosen[((np.arange(count) + 0.5) * m / count).astype(int)] = True
    return np.concatenate([order[~chosen], order[chosen]])


def _sizes_for(X: Array, Y: Array) -> tuple[int, int, int]:
    """Return the sizes that the data need, or that the remedies for one-dimensional data would need."""
    inputs, outputs = (array.shape[-1] if array.ndim else 1 for array in (X, Y))
    if Y.ndim == 1:
        # Integers are class labels, which want an output neuron for each class.
        outputs = int(Y.max()) + 1 if Y.dtype.kind in "biu" and Y.size else 1
    return max(1, inputs), HIDDEN, max(1, outputs)
