"""The book's ``network.py``, by any formulation: Nielsen, *Neural Networks and Deep Learning*, chapters 1 and 2.

A program of the book runs with one import changed. One example is a pair (x, y) of columns, and ``weights`` and
``biases`` are plain lists, as in the book; a network of this library with its flat vector does the work underneath.

>>> import random
>>> import numpy as np
>>> from formulations.nielsen import Network
>>> np.random.seed(0)
>>> random.seed(0)
>>> xor = [(np.array([[a], [b]]), np.array([[a ^ b]])) for a in (0, 1) for b in (0, 1)]
>>> net = Network([2, 3, 1], backend="sigma")
>>> net.SGD(xor, epochs=2, mini_batch_size=4, eta=5.0)
Epoch 0 complete
Epoch 1 complete
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from formulations.arrays import Array, as_real, check_finite, items, positive_integer, positive_number, quiet
from formulations.backends import BackendLike, get_backend
from formulations.data import read_idx
from formulations.exceptions import InvalidInput, NotFinite, Refused, WrongShape, WrongType
from formulations.functions import Cost, get_cost
from formulations.network import Gradient
from formulations.network import Network as FlatNetwork
from formulations.plans import gradient
from formulations.training import Trainer

__all__ = ["Network", "load_data_wrapper", "sigmoid", "sigmoid_prime", "vectorized_result"]


def __dir__() -> list[str]:
    # A program that imports this module as its network or mnist_loader looks for their names alone.
    return __all__


Pair = tuple[Any, Any]
"""An example: the columns x and y, or, in test data, the column x and the class y."""

BLOCK = 2**17
"""Numbers in a block of test inputs: about 1 MiB, which fits a cache."""

SINGLE_OR_DOUBLE = "fd"
"""The dtypes of most data, by NumPy's letters; the book's own are in single precision."""

VALIDATION = 10_000
"""The training images that the book keeps for validation, the last ones."""


@quiet
def sigmoid(z: Any) -> Any:
    """Return σ(z) = 1/(1 + exp(−z)), as the book computes it."""
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z: Any) -> Any:
    """Return σ′(z) = σ(z)(1 − σ(z)), as the book computes it."""
    return sigmoid(z) * (1 - sigmoid(z))


class Network:
    """The book's network: sigmoid neurons, the quadratic cost, and stochastic gradient descent.

    The parameters are drawn from the global ``numpy.random`` and the shuffles from ``random``, so that the seeds of a
    program give the same run as with the book's file.

    Parameters
    ----------
    sizes : sequence of int
        Neurons of each layer, the input first.
    backend : str, Backend or None
        The formulation that computes the gradients; see :func:`formulations.get_backend`.

    Attributes
    ----------
    num_layers : int
        L.
    sizes : sequence of int
        As given.
    weights : list of ndarray
        ``weights[l-2]`` is w^l, shape (n_l, n_{l−1}).
    biases : list of ndarray
        ``biases[l-2]`` is b^l, a column of shape (n_l, 1).
    backend : str, Backend or None
        As given; it can be changed at any time.

    Raises
    ------
    WrongShape
        If there are fewer than two layers.
    InvalidInput, WrongType
        If a size is not a positive integer.
    UnknownName
        If there is no such backend.

    Notes
    -----
    ``weights`` and ``biases`` are the network: assign a list or an array in it, or change an array in place, and the
    next call uses it. Training binds both names to new lists of new arrays, so what was read before keeps its values.

    A subclass may override any method, and an instance any attribute. The parameters change after every mini-batch if
    ``update_mini_batch``, ``backprop`` or ``cost_derivative`` is overridden, otherwise after every epoch.

    Examples
    --------
    >>> net = Network([784, 30, 10])
    >>> net
    <Network 784-30-10 of the book>
    >>> [w.shape for w in net.weights], [b.shape for b in net.biases]
    ([(30, 784), (10, 30)], [(30, 1), (10, 1)])
    """

    # Defaults for a subclass that does not call this class's __init__.
    backend: BackendLike = None
    _flat: FlatNetwork | None = None
    _cost: _DerivativeAlone | None = None

    def __init__(self, sizes: Sequence[int], backend: BackendLike = None) -> None:
        if not isinstance(sizes, Sequence | np.ndarray) or isinstance(sizes, str) or len(sizes) < 2:
            raise WrongShape(f"sizes must name at least two layers, got {sizes!r}; pass a list such as [784, 30, 10].")
        widths = [positive_integer(n, f"sizes[{i}]") for i, n in enumerate(sizes)]
        get_backend(backend)
        self.num_layers = len(sizes)
        self.sizes = sizes
        self.backend = backend
        self.biases: list[Any] = [np.random.randn(n, 1) for n in widths[1:]]  # noqa: NPY002 - the book's generator
        self.weights: list[Any] = [np.random.randn(n, below) for below, n in pairwise(widths)]  # noqa: NPY002

    def __repr__(self) -> str:
        # A subclass may have no sizes, or its own.
        sizes = "-".join(map(str, getattr(self, "sizes", ())))
        by = "" if self.backend is None else f", by {getattr(self.backend, 'name', self.backend)}"
        return f"<{type(self).__name__}{f' {sizes}' if sizes else ''} of the book{by}>"

    def feedforward(self, a: Any) -> Array:
        """Return the output a^L for the input ``a``.

        Parameters
        ----------
        a : array_like of shape (n₁, 1)
            A column; several columns give as many outputs.

        Returns
        -------
        ndarray of shape (n_L, 1)

        Raises
        ------
        WrongShape
            If the input is not a column, or the parameters do not fit each other.
        WrongType, NotFinite
            If the input or the parameters cannot be used.
        """
        net = self._read()
        columns = as_real(a, "a", net.dtype)
        if columns.ndim != 2 or len(columns) != net.sizes[0]:
            raise WrongShape(
                f"a must be a column of shape ({net.sizes[0]}, 1), got shape {columns.shape}; "
                "pass a.reshape(-1, 1) if it is a vector of that length."
            )
        return net(columns.T).T

    def SGD(
        self,
        training_data: Iterable[Pair],
        epochs: int,
        mini_batch_size: int,
        eta: float,
        test_data: Iterable[Pair] | None = None,
        backend: BackendLike = None,
    ) -> None:
        """Train by stochastic gradient descent, and print a line after every epoch, as in the book.

        Parameters
        ----------
        training_data : list of (x, y)
            Columns of shape (n₁, 1) and (n_L, 1). The list is shuffled in place; another iterable is listed once.
        epochs : int
            Passes over the training data.
        mini_batch_size : int
            Examples in a mini-batch; the last one of an epoch may be smaller.
        eta : float
            η, the learning rate.
        test_data : list of (x, y), optional
            Columns of shape (n₁, 1), and classes: integers from 0. With it, each line counts the correct outputs.
        backend : str, Backend or None
            The formulation for this training; by default the network's own.

        Raises
        ------
        WrongShape, WrongType, InvalidInput
            If the data, the parameters or a number cannot be used. Nothing has changed then.
        NotFinite
            If the training data hold NaN or infinity, or the training diverges; the parameters are then those before
            the epoch. If the test data hold them.
        Refused, UnknownName
            If the backend cannot serve this network, or does not exist.
        """
        data = _as_list(training_data, "training_data")
        tests = [] if test_data is None else _as_list(test_data, "test_data")
        epochs = positive_integer(epochs, "epochs")
        size = positive_integer(mini_batch_size, "mini_batch_size")
        size = min(size, max(len(data), 1))
        if backend is None:
            self._train(data, epochs, size, eta, tests)
            return
        # For the time of the training, so that methods of a subclass use it, too.
        own, self.backend = self.backend, backend
        try:
            self._train(data, epochs, size, eta, tests)
        finally:
            self.backend = own

    def _train(self, data: list[Pair], epochs: int, size: int, eta: float, tests: list[Pair]) -> None:
        _check_some(data, "training_data")
        if tests and not self._overrides("evaluate", "feedforward"):
            _check_tests(tests, self._read())
        made_for: tuple[FlatNetwork, BackendLike] | None = None
        checked = False
        for epoch in range(epochs):
            if self._overrides("update_mini_batch", "backprop", "cost_derivative"):
                random.shuffle(data)
                for k in range(0, len(data), size):
                    self.update_mini_batch(data[k : k + size], eta)
            else:
                net = self._read()
                if not checked:
                    _check_columns(data, "training_data", net.sizes[0], net.sizes[-1])
                    # Only an overridden method can change the data between two epochs.
                    checked = not self._overrides("evaluate", "feedforward")
                # An overridden method may change the layers, the dtype or the backend between two epochs.
                if made_for is None or made_for[0] is not net or made_for[1] != self.backend:
                    made_for, trainer = (net, self.backend), _trainer(net, size, eta, self.backend)
                trainer.network.vector[...] = net.vector
                random.shuffle(data)
                self._descend(trainer, data)
            if tests:
                print(f"Epoch {epoch}: {self.evaluate(tests)} / {len(tests)}")
            else:
                print(f"Epoch {epoch} complete")

    @quiet
    def _descend(self, trainer: Trainer, data: list[Pair]) -> None:
        """Take the steps of one epoch. An interrupt keeps those that were taken.

        Raises
        ------
        NotFinite
            If the parameters are not finite after it; then it has no effect.
        """
        net, size = trainer.network, trainer.batch_size
        buffers = [np.empty((size, n), net.dtype) for n in (net.sizes[0], net.sizes[-1])]
        try:
            # A mini-batch is gathered when it is used: an array of all examples would take as much memory as the data,
            # and longer to fill than a few epochs of a small network take.
            for k in range(0, len(data), size):
                mini_batch = data[k : k + size]
                X, Y = buffers if len(mini_batch) == size else (buffer[: len(mini_batch)] for buffer in buffers)
                xs, ys = zip(*mini_batch, strict=True)
                trainer.descend(_gather(xs, X), _gather(ys, Y))
        finally:
            finite = np.isfinite(net.vector).all()
            if finite:
                self.weights = [w.copy() for w in net.weights]
                self.biases = [b[:, None].copy() for b in net.biases]
        if not finite:
            _check_values(data, "training_data")
            raise NotFinite(
                f"training diverged: the parameters are no longer finite; use an eta below {trainer.rate:g}."
            )

    @quiet
    def update_mini_batch(self, mini_batch: Sequence[Pair], eta: float) -> None:
        """Take one step of gradient descent: w → w − (η/m) Σ ∂C_x/∂w, Equations (20) and (21).

        Parameters
        ----------
        mini_batch : list of (x, y)
            m examples, as in :meth:`SGD`.
        eta : float
            η, the learning rate.

        Raises
        ------
        WrongShape, WrongType, InvalidInput, NotFinite
            If the data or the parameters cannot be used.
        """
        if self._overrides("backprop"):
            nabla_b, nabla_w = self._sums(mini_batch)
            eta = eta / len(mini_batch)
        else:
            found = self._gradient(mini_batch, "mini_batch")
            nabla_b, nabla_w = [b[:, None] for b in found.biases], list(found.weights)
        self.weights = [w - eta * nw for w, nw in zip(self.weights, nabla_w, strict=True)]
        self.biases = [b - eta * nb for b, nb in zip(self.biases, nabla_b, strict=True)]

    def backprop(self, x: Any, y: Any) -> tuple[list[Array], list[Array]]:
        """Return the gradient of the cost of one example, by the network's backend.

        Parameters
        ----------
        x, y : array_like of shape (n₁, 1) and (n_L, 1)
            The example.

        Returns
        -------
        nabla_b, nabla_w : list of ndarray
            ∂C_x/∂b^l and ∂C_x/∂w^l, with the shapes of ``biases`` and ``weights``.

        Raises
        ------
        WrongShape, WrongType, InvalidInput, NotFinite
            If the data or the parameters cannot be used.
        """
        found = self._gradient([(x, y)])
        return [b[:, None] for b in found.biases], list(found.weights)

    def evaluate(self, test_data: Iterable[Pair]) -> int:
        """Return the number of test inputs for which the largest output is that of their class.

        Parameters
        ----------
        test_data : list of (x, y)
            Columns of shape (n₁, 1), and classes: integers from 0.

        Returns
        -------
        int

        Raises
        ------
        WrongShape, WrongType, InvalidInput
            If the data or the parameters cannot be used.
        NotFinite
            If they hold NaN or infinity.
        """
        tests = _as_list(test_data, "test_data")
        if self._overrides("feedforward"):
            return sum(int(np.argmax(self.feedforward(x)) == y) for x, y in tests)
        net = self._read()
        classes = _check_tests(tests, net)
        right, first = 0, net.sizes[0]
        for k in range(0, len(tests), step := max(1, BLOCK // first)):
            part = [x for x, _ in tests[k : k + step]]
            inputs = _gather(part, np.empty((len(part), first), net.dtype))
            try:
                outputs = self.feedforward(inputs.T)
            except NotFinite:
                _check_values(tests, "test_data")
                raise
            right += int(np.count_nonzero(outputs.argmax(axis=0) == classes[k : k + step]))
        return right

    def cost_derivative(self, output_activations: Array, y: Array) -> Array:
        """Return ∇_aC_x of the quadratic cost, a^L − y."""
        return output_activations - y

    def _overrides(self, *names: str) -> bool:
        """Whether a subclass or the instance has its own version of one of these methods."""
        return any(getattr(getattr(self, name), "__func__", None) is not _METHODS[name] for name in names)

    def _gradient(self, examples: Sequence[Pair], name: str = "") -> Gradient:
        """Return the gradient of the mean cost of some examples; without a name there is one, (x, y)."""
        net = self._read()
        _check_some(examples, name)
        _check_columns(examples, name, net.sizes[0], net.sizes[-1])
        X, Y = (
            _gather(columns, np.empty((len(examples), n), net.dtype))
            for columns, n in zip(zip(*examples, strict=True), (net.sizes[0], net.sizes[-1]), strict=True)
        )
        cost: str | Cost = "quadratic"
        if self._overrides("cost_derivative"):
            if self._cost is None or self._cost.owner is not self:
                self._cost = _DerivativeAlone(self)
            cost = self._cost
        try:
            return gradient(net, X, Y, cost, self.backend)
        except NotFinite:
            _check_values(examples, name)
            raise

    def _sums(self, mini_batch: Iterable[Pair]) -> tuple[list[Any], list[Any]]:
        """Return the sums of what ``backprop`` returns for each example."""
        nabla_b, nabla_w = ([np.zeros(np.shape(part)) for part in parts] for parts in (self.biases, self.weights))
        for x, y in mini_batch:
            of_b, of_w = self.backprop(x, y)
            nabla_b = [total + part for total, part in zip(nabla_b, of_b, strict=True)]
            nabla_w = [total + part for total, part in zip(nabla_w, of_w, strict=True)]
        return nabla_b, nabla_w

    def _read(self) -> FlatNetwork:
        """Return a network with one flat vector that has the parameters of the lists.

        Raises
        ------
        WrongShape
            If the arrays do not fit each other.
        WrongType, NotFinite
            If they are not of real, finite numbers.
        """
        weights, biases = (
            [as_real(part, f"{name}[{i}]") for i, part in enumerate(items(getattr(self, name), name, "[w2, w3]"))]
            for name in ("weights", "biases")
        )
        if len(weights) != len(biases):
            raise WrongShape(
                f"weights and biases must hold one array for each layer from the second on, got {len(weights)} and "
                f"{len(biases)}; assign lists of the same length."
            )
        for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
            if w.ndim != 2:
                raise WrongShape(
                    f"weights[{i}] must have two dimensions, a row for each neuron and a column for each neuron of the "
                    f"layer before, got shape {w.shape}; assign a matrix."
                )
            if b.shape != (len(w), 1):
                raise WrongShape(
                    f"biases[{i}] must be a column of shape ({len(w)}, 1), one bias for each row of weights[{i}], "
                    f"got shape {b.shape}; pass biases[{i}].reshape(-1, 1) if it is a vector of that length."
                )
        # As in the book, whose sums start with zeros in float64.
        dtype = np.result_type(np.float64, *weights, *biases)
        vectors = [b[:, 0] for b in biases]
        net = self._flat
        shapes = [w.shape for w in weights]
        if net is None or net.dtype != dtype or [w.shape for w in net.weights] != shapes:
            self._flat = FlatNetwork(weights, vectors, dtype=dtype)
            return self._flat
        for name, views, parts in (("weights", net.weights, weights), ("biases", net.biases, vectors)):
            for i, (view, part) in enumerate(zip(views, parts, strict=True)):
                view[...] = part
                check_finite(view, f"{name}[{i}]")
        return net


_METHODS = {
    name: vars(Network)[name]
    for name in ("update_mini_batch", "backprop", "cost_derivative", "evaluate", "feedforward")
}
"""The methods of this file, for comparison with those that a program has put in their place."""


class _DerivativeAlone(Cost):
    """The cost of which a program defines ∇_aC alone, in an overridden ``cost_derivative``."""

    name = "cost_derivative"

    def __init__(self, owner: Network) -> None:
        self.owner = owner

    def evaluate(self, A: Array, Y: Array, gradient: Array | None = None) -> Array:
        """Write ∇_aC_x of each example; C_x itself is not known, and 0 is returned for it, which nothing reads."""
        if gradient is None:
            raise Refused(
                "this backend needs the value of the cost, and an overridden cost_derivative gives ∇_aC alone; use a "
                "backend that computes δ, such as 'hadamard', or a formulations.Network with formulations.cost."
            )
        for a, y, out in zip(A, Y, gradient, strict=True):
            found = as_real(self.owner.cost_derivative(a[:, None].copy(), y[:, None].copy()), "cost_derivative(a, y)")
            if found.shape != (len(a), 1):
                raise WrongShape(
                    f"cost_derivative(a, y) must return a column of shape ({len(a)}, 1), ∇_aC of one example, got "
                    f"shape {found.shape}; return one number for each output."
                )
            out[...] = found[:, 0]
        return np.zeros(len(A), A.dtype)


def vectorized_result(j: int) -> Array:
    """Return the desired output for the digit ``j``: a column of shape (10, 1) with 1 at ``[j, 0]``.

    Raises
    ------
    InvalidInput
        If ``j`` is not a digit.
    """
    if not isinstance(j, int | np.integer) or not 0 <= j <= 9:
        raise InvalidInput(f"a digit must be an integer from 0 to 9, got {j!r}; pass the class of an image.")
    e = np.zeros((10, 1))
    e[j] = 1.0
    return e


def load_data_wrapper(folder: str | os.PathLike[str] = "../data") -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Read MNIST as the book's ``mnist_loader`` does, from the four files in which it is distributed.

    The numbers are those of the book's file: pixels divided by 256. That file itself is a pickle, which can run any
    code when it is read, and is not read here.

    Parameters
    ----------
    folder : str or path-like
        Where ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
        ``t10k-labels-idx1-ubyte`` are; each may end in ``.gz``.

    Returns
    -------
    training_data : list of (x, y)
        All training images but the last 10,000: columns of shape (784, 1) and (10, 1).
    validation_data, test_data : list of (x, y)
        The last 10,000 training images, and the test images: columns of shape (784, 1), and digits.

    Raises
    ------
    InvalidInput
        If a file is missing or is not what its name says, or there are not more than 10,000 training images.
    WrongShape, WrongType
        If a file holds other arrays.
    """
    (inputs, digits), (test_inputs, test_digits) = (_read_part(folder, name) for name in ("train", "t10k"))
    if len(inputs) <= VALIDATION:
        raise InvalidInput(
            f"there must be more than {VALIDATION} training images, the last of which are for validation, got "
            f"{len(inputs)}; use the files of MNIST."
        )
    desired = [vectorized_result(j) for j in digits[:-VALIDATION]]
    return (
        list(zip(inputs[:-VALIDATION], desired, strict=True)),
        list(zip(inputs[-VALIDATION:], digits[-VALIDATION:], strict=True)),
        list(zip(test_inputs, test_digits, strict=True)),
    )


def _read_part(folder: str | os.PathLike[str], part: str) -> tuple[list[Array], list[int]]:
    """Return the columns and the digits of one part of MNIST."""
    pixels, labels = read_idx(*(_find(folder, f"{part}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1")))
    # From multiples of 1/255 to those of 1/256, exactly.
    np.rint(np.multiply(pixels, 255, pixels), pixels)
    np.divide(pixels, 256, pixels)
    return list(pixels[:, :, None]), [] if labels is None else labels.tolist()


def _find(folder: str | os.PathLike[str], name: str) -> Path:
    """Return the path of a file, which may be compressed.

    Raises
    ------
    InvalidInput
        If there is none.
    """
    for path in (Path(folder, name), Path(folder, f"{name}.gz")):
        if path.is_file():
            return path
    raise InvalidInput(
        f"the folder {os.fspath(folder)!r} must hold {name} or {name}.gz, got no such file; put the four files of "
        "MNIST there, or pass the folder where they are."
    )


def _as_list(data: Iterable[Any], name: str) -> list[Any]:
    """Return a list itself, and any other iterable as a list: the book's loader returns iterators in Python 3."""
    return data if isinstance(data, list) else items(data, name, "[(x, y)]", some=False)


def _trainer(net: FlatNetwork, size: int, eta: Any, backend: BackendLike) -> Trainer:
    """Return a trainer for a copy of a network, so that other threads may use the network during an epoch."""
    no_examples = [np.empty((0, n), net.dtype) for n in (net.sizes[0], net.sizes[-1])]
    rate = positive_number(eta, "eta")
    return Trainer(net.copy(), *no_examples, cost=get_cost("quadratic"), batch_size=size, rate=rate, backend=backend)


def _gather(columns: Sequence[Any], rows: Array) -> Array:
    """Write columns that have been checked into the rows of an array, and return it."""
    np.concatenate(columns, out=rows.reshape(-1, 1))
    return rows


def _check_some(data: Sequence[Any], name: str) -> None:
    """Raise an exception if there are no examples."""
    if not data:
        raise InvalidInput(f"{name} must hold at least one example, got none; pass a list of pairs (x, y).")


def _check_columns(data: Iterable[Any], name: str, first: int, last: int | None = None) -> None:
    """Check the pairs (x, y) of examples.

    Parameters
    ----------
    data : iterable of (x, y)
        The examples.
    name : str
        Their name, for the messages; empty for one example, (x, y).
    first, last : int
        n₁ and n_L; None if y is a class.

    Raises
    ------
    WrongType
        If an example is not a pair, or not of real numbers.
    WrongShape
        If x or y is not a column of its layer's length.
    """
    x_shape, y_shape = (first, 1), (last, 1)
    for i, pair in enumerate(data):
        try:
            x, y = pair
        except (TypeError, ValueError):
            raise WrongType(
                f"{name} must hold pairs (x, y), got {type(pair).__name__} at {name}[{i}]; pass a list of tuples."
            ) from None
        # Most data pass these comparisons, which take half a microsecond a pair.
        if not (type(x) is np.ndarray and x.shape == x_shape and x.dtype.char in SINGLE_OR_DOUBLE):
            _check_column(x, _names(name, i)[0], x_shape, "reshape it by reshape(-1, 1) if it is a vector")
        if last is not None and not (type(y) is np.ndarray and y.shape == y_shape and y.dtype.char in SINGLE_OR_DOUBLE):
            _check_column(y, _names(name, i)[1], (last, 1), "pass vectorized_result(y) if y is a class")


def _check_column(column: Any, name: str, shape: tuple[int, int], remedy: str) -> None:
    array = as_real(column, name)
    if array.shape != shape:
        raise WrongShape(f"{name} must be a column of shape {shape}, got shape {array.shape}; {remedy}.")


def _check_tests(tests: Sequence[Any], net: FlatNetwork) -> Array:
    """Return the classes of test data after checking the data, shape (number of examples,).

    Raises
    ------
    WrongShape
        If x is not a column of n₁ numbers, or y not a number.
    WrongType
        If an example is not a pair, or not of real numbers.
    """
    _check_columns(tests, "test_data", net.sizes[0])
    classes = as_real([y for _, y in tests], "the classes in test_data")
    if classes.ndim != 1:
        raise WrongShape(
            f"y in test_data must be a class, such as 3, got shape {classes.shape[1:]}; "
            "pass (x, numpy.argmax(y)) if it is a unit vector."
        )
    return classes


def _check_values(data: Sequence[Pair], name: str) -> None:
    """Raise an exception if x or y of an example is not finite; it names the first."""
    for i, pair in enumerate(data):
        for part, called in zip(pair, _names(name, i), strict=True):
            check_finite(as_real(part, called), called)


def _names(name: str, i: int) -> tuple[str, str]:
    """Return the names of x and y of an example of these data."""
    return (f"{name}[{i}][0]", f"{name}[{i}][1]") if name else ("x", "y")
