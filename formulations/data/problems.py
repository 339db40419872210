"""Problems: a network, a cost, and examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from formulations.arrays import Array, as_real, format_dtype, random_generator, size_of_batch
from formulations.data.digits import load_digits
from formulations.data.labels import one_hot
from formulations.data.splitting import split
from formulations.display import counted
from formulations.exceptions import InvalidInput
from formulations.functions import Activation, LogLikelihood, get_cost
from formulations.network import Network

__all__ = ["DIGITS", "Problem", "make_problem", "problem_for"]

DIGITS = (64, 30, 10)
"""The sizes of a network for the embedded digits."""
HIDDEN = 30


@dataclass(frozen=True)
class Problem:
    """A network with a cost and examples.

    Attributes
    ----------
    network : Network
        The network.
    X, Y : ndarray of shape (m, n₁) and (m, n_L)
        The examples.
    cost : str
        The name of the cost.
    sample_weight : ndarray of shape (m,), or None
        Weights of the examples.
    expected : ndarray of shape (P + N,), or None
        The gradient in closed form, in the order of the flat vector.
    test_size : int
        The number of test examples, which are the last ones; 0 if the examples are random.
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
        """Return the contents of the title as plain Python values."""
        return {
            "sizes": list(self.network.sizes),
            "activations": [activation.name for activation in self.network.activations],
            "cost": self.cost,
            "examples": len(self.X),
            "dtype": format_dtype(self.network.dtype),
        }

    def first(self, m: int) -> Problem:
        """Return the problem with its first m examples, without an expected gradient.

        Raises
        ------
        InvalidInput
            If there are fewer.
        """
        m = size_of_batch(m, len(self.X))
        weights = None if self.sample_weight is None else self.sample_weight[:m]
        return replace(self, X=self.X[:m], Y=self.Y[:m], sample_weight=weights, expected=None, test_size=0)

    def split(self, seed: int | None = None) -> tuple[Array, Array, Array, Array]:
        """Return the training X and Y, and the test X and Y; a single example is in both.

        Parameters
        ----------
        seed : int, optional
            Seed of the stratified shuffle of :func:`split`. Without a seed the order is kept, and the last examples are
            for testing.

        Raises
        ------
        InvalidInput
            If the problem has no test examples because its examples are random.
        """
        if not self.test_size:
            raise InvalidInput(
                f"training needs data for a network of {self.network.sizes[0]} inputs and {self.network.sizes[-1]} "
                f"outputs, and the embedded digits have {DIGITS[0]} and {DIGITS[-1]}; pass data, or use those sizes."
            )
        X, Y, tested = self.X, self.Y, len(self.X) - self.test_size
        if seed is not None and tested:
            return split(X, Y, self.test_size, seed)
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
    """Make a problem from a random network, with the given data, else the digits if they fit, else random examples.

    Parameters
    ----------
    sizes : sequence of int, optional
        n₁, …, n_L; by default the inputs and outputs of the data or the digits, with 30 hidden neurons.
    activations : str, Activation, or a sequence of them
        See :meth:`formulations.Network.random`, also for ``init`` and ``dtype``.
    cost : str
        The name of the cost.
    seed : int
        Seed of the weights and of random examples.
    data : (X, Y), optional
        Examples of shape (m, n₁) and (m, n_L); the last fifth is for testing.
    count : int
        The number of random examples.

    Returns
    -------
    Problem

    Raises
    ------
    InvalidInput, UnknownName, WrongShape, WrongType, NotFinite
        If the network cannot be made, or the data do not fit it.
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
    """Make a problem from an existing network, with the data of :func:`make_problem`.

    Parameters
    ----------
    network : Network
        The network; not copied.
    cost : str
        The name of the cost.
    generator : numpy.random.Generator
        The generator of random examples.
    data : (X, Y), optional
        Examples of shape (m, n₁) and (m, n_L); the last fifth is for testing.
    count : int
        The number of random examples.

    Returns
    -------
    Problem

    Raises
    ------
    InvalidInput, WrongShape, WrongType, NotFinite
        If the data do not fit the network.
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
    if isinstance(get_cost(cost), LogLikelihood):
        # Targets of this cost are distributions; these are unit vectors of random classes.
        Y = one_hot(Y.argmax(axis=1), classes=outputs, dtype=network.dtype)
    return Problem(network, X, Y, cost)


def _sizes_for(X: Array, Y: Array) -> tuple[int, int, int]:
    """Return the sizes for the data; for one-dimensional data, the sizes after the suggested remedy."""
    inputs, outputs = (array.shape[-1] if array.ndim else 1 for array in (X, Y))
    if Y.ndim == 1:
        # Integers are class labels, which need one output neuron per class.
        outputs = int(Y.max()) + 1 if Y.dtype.kind in "biu" and Y.size else 1
    return max(1, inputs), HIDDEN, max(1, outputs)
