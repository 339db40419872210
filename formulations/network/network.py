"""The network: the weights, biases and activations of its layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from formulations.arrays import (
    Array,
    Layout,
    Parameters,
    as_dtype,
    as_examples,
    check_finite,
    check_pair,
    example_shares,
    format_dtype,
    positive_integer,
    quiet,
    random_generator,
)
from formulations.exceptions import NotFinite, WrongShape, WrongType
from formulations.functions import Activation, Cost, get_cost
from formulations.network.batch import Batch
from formulations.network.forward_pass import forward
from formulations.network.initialization import draw
from formulations.network.reading import read_activations, read_layers
from formulations.network.tape import Tape

__all__ = ["Network", "assembled", "check_network", "check_parameters"]


class Network(Parameters):
    """A feed-forward network: a^l = σ(w^l a^{l−1} + b^l), Equation (25).

    Parameters
    ----------
    weights : sequence of array_like
        ``weights[l-2]`` is w^l, shape (n_l, n_{l−1}): w^l_{jk} at ``[j, k]``, as in the book. Copied. A
        ``scipy.sparse`` array in compressed rows (csr) stays sparse; all its stored entries, zeros included, are
        parameters. Its rows are sorted, and duplicate entries added.
    biases : sequence of array_like
        ``biases[l-2]`` is b^l, shape (n_l,). Copied.
    activations : str, Activation, or a sequence of them
        One for all layers, or one for each layer from the second on.
    dtype : dtype, optional
        float32, float64 or longdouble. By default that of the weights; integers become float64.

    Raises
    ------
    WrongShape
        If the shapes of the weights do not match from layer to layer, or those of biases or activations do not fit.
    WrongType
        If the arrays are not real, or differ in dtype, or a sparse one is not in compressed rows.
    NotFinite
        If a weight or bias is NaN or infinite.
    Refused
        If an activation does not support the dtype.

    Examples
    --------
    >>> net = Network(weights=[[[2.0]], [[3.0]]], biases=[[0.0], [1.0]], activations="identity")
    >>> net([[5.0]])
    array([[31.]])
    """

    @quiet
    def __init__(
        self,
        weights: Sequence[Any],
        biases: Sequence[Any] = (),
        activations: str | Activation | Sequence[str | Activation] = "sigmoid",
        *,
        dtype: Any = None,
    ) -> None:
        layout, parts = read_layers(weights, biases, dtype)
        super().__init__(layout, np.concatenate(parts))
        self._activations = read_activations(activations, layout, self.dtype)

    @classmethod
    @quiet
    def random(
        cls,
        sizes: Sequence[int],
        activations: str | Activation | Sequence[str | Activation] = "sigmoid",
        *,
        seed: int | np.random.Generator | None = None,
        dtype: Any = "float64",
        init: str = "glorot",
    ) -> Network:
        """Make a network with random weights.

        Parameters
        ----------
        sizes : sequence of int
            n₁, …, n_L: neurons of each layer, the input first.
        activations : str, Activation, or a sequence of them
            One for all layers, or one for each layer from the second on.
        seed : int or Generator, optional
            The same seed gives the same network; another dtype gives the same numbers, rounded.
        dtype : dtype
            float32, float64 or longdouble.
        init : {"glorot", "book", "he", "orthogonal"}
            For the first three, the standard deviation of the normally distributed weights: √(2/(n_{l−1} + n_l)),
            Glorot and Bengio (2010); 1, for the biases too, as in Nielsen's chapter 1, which saturates neurons with
            many inputs (see his chapter 3); √(2/n_{l−1}), He et al. (2015). With ``"orthogonal"``, Saxe et al. (2014),
            the rows or columns of w^l, whichever are fewer, are orthogonal, all of one length, and uniformly
            distributed: a product of such matrices keeps all lengths and angles. That length is the gain of the
            layer's activation, as in PyTorch: √2 for relu, √(2/(1 + ν²)) for leaky_relu, 5/3 for tanh, else 1; in a
            :class:`PerNeuron` layer each row is multiplied by the gain of its neuron.

        Returns
        -------
        Network

        Raises
        ------
        WrongShape
            If there are fewer than two layers.
        InvalidInput
            If a size is not a positive integer.
        UnknownName
            If no initialisation has this name.

        Examples
        --------
        >>> Network.random([784, 30, 10], seed=0)
        <Network 784-30-10, sigmoid, float64, 23860 parameters>
        """
        if not isinstance(sizes, Sequence | np.ndarray) or isinstance(sizes, str) or len(sizes) < 2:
            raise WrongShape(f"sizes must name at least two layers, such as [784, 30, 10], got {sizes!r}.")
        widths = [positive_integer(n, f"sizes[{i}]") for i, n in enumerate(sizes)]
        shapes = tuple((rows, columns) for columns, rows in pairwise(widths))
        floating = as_dtype(dtype)
        read = read_activations(activations, Layout(shapes, (None,) * len(shapes)), floating)
        vectors = draw(zip(shapes, read, strict=True), random_generator(seed), floating, init)
        weights, biases = zip(*vectors, strict=True)
        return cls(weights, biases, read)

    @classmethod
    def from_torch(cls, module: Any) -> Network:
        """Make the network that a PyTorch module computes.

        ``formulations.from_torch`` also reads the loss, which may apply the last activation itself.

        Parameters
        ----------
        module : torch.nn.Module
            Linear layers, each followed by at most one activation: modules, functions of ``torch`` and
            ``torch.nn.functional``, or methods, in any nesting. Its ``forward`` is traced, which runs it once.
            Identity, Flatten and Dropout in evaluation have no effect; a layer without biases gets zeros.

        Returns
        -------
        Network
            Its arrays are copies, in the module's order and dtype.

        Raises
        ------
        WrongType
            If it is no module.
        Refused
            If it computes what no network does: branches, other layers, options of activations that are other
            functions, layers with common parameters. The message names the part.
        InvalidInput
            If a parameter has no numbers yet, or they do not make a network.
        MissingExtra
            If torch is not installed.

        Examples
        --------
        >>> import pytest
        >>> torch = pytest.importorskip("torch")
        >>> module = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))
        >>> Network.from_torch(module)
        <Network 4-5-3, relu, identity, float32, 43 parameters>
        """
        from formulations.network.foreign import network_of

        return network_of(module)

    @classmethod
    def from_sklearn(cls, mlp: Any) -> Network:
        """Make the network of a fitted ``MLPClassifier`` or ``MLPRegressor`` of scikit-learn.

        A classifier of two classes has a single sigmoid output, the probability of ``mlp.classes_[1]``.

        Parameters
        ----------
        mlp : MLPClassifier or MLPRegressor
            The perceptron.

        Returns
        -------
        Network
            Its weights are those of ``coefs_``, transposed: here rows are neurons.

        Raises
        ------
        WrongType
            If it is neither.
        InvalidInput
            If it is not fitted.
        MissingExtra
            If scikit-learn is not installed.

        Examples
        --------
        >>> import pytest
        >>> pytest.importorskip("sklearn") and None
        >>> from sklearn.neural_network import MLPRegressor
        >>> mlp = MLPRegressor(hidden_layer_sizes=[3], activation="tanh", solver="lbfgs")
        >>> mlp = mlp.fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 0.0])
        >>> Network.from_sklearn(mlp)
        <Network 1-3-1, tanh, identity, float64, 10 parameters>
        """
        from formulations.network.foreign import network_of_perceptron

        return network_of_perceptron(mlp)

    def to_torch(self) -> Any:
        """Return a PyTorch module that computes what this network does: the inverse of :meth:`from_torch`.

        Softmax outputs are the module's last step, ``Softmax(dim=1)``; losses that take logits, such as
        ``CrossEntropyLoss``, take ``module[:-1]``.

        Returns
        -------
        torch.nn.Sequential
            A Linear layer for each layer, with its activation; on the CPU, in training mode, its parameters copies.

        Raises
        ------
        Refused
            If torch has no module for an activation (square, sine, user-defined functions, different ones in a
            layer), a weight is sparse, or the dtype is longdouble.
        MissingExtra
            If torch is not installed.
        """
        from formulations.network.foreign import module_of

        return module_of(self)

    @property
    def activations(self) -> tuple[Activation, ...]:
        """The activation of each layer from the second on."""
        return self._activations

    @property
    def sizes(self) -> tuple[int, ...]:
        """Neurons of each layer, n₁ to n_L."""
        return self.layout.sizes

    @property
    def hidden_layers(self) -> range:
        """L−1, L−2, …, 2: the layers to which (BP2) carries the error, in that order."""
        return self.layout.hidden_layers

    @quiet
    def forward(self, X: Any, Y: Any = None, *, cost: str | Cost = "quadratic", sample_weight: Any = None) -> Tape:
        """Run one forward pass and return its tape.

        Parameters
        ----------
        X : array_like of shape (m, n₁)
            One example a row.
        Y : array_like of shape (m, n_L), optional
            The targets; with them the tape also holds C and ∇_aC.
        cost : str or Cost
            The cost; used if Y is given.
        sample_weight : array_like of shape (m,), optional
            Weights of the examples in the mean, as in scikit-learn. The tape replaces each example of weight 0 by a
            copy of the one with the largest weight.

        Returns
        -------
        Tape
            ``tape.weighted_inputs``, ``tape.activations``, ``tape.slopes``, ``tape.output``, ``tape.cost_value``.

        Raises
        ------
        WrongShape, WrongType, NotFinite
            If the data cannot be used.
        """
        return self.record(self.check_examples(X, Y, cost=cost, sample_weight=sample_weight, targets=False))

    def record(self, batch: Batch) -> Tape:
        """Run one forward pass over checked examples and return its tape; see :meth:`forward`."""
        X, Y, shares, cost = batch.counted()
        tape = Tape(self, None if Y is None else cost, len(X))
        tape.load(X, Y, shares)
        forward(self, tape)
        return tape

    def check_examples(
        self,
        X: Any,
        Y: Any = None,
        *,
        cost: str | Cost = "quadratic",
        sample_weight: Any = None,
        targets: bool = True,
    ) -> Batch:
        """Check examples and return them as arrays of this network's dtype; see :meth:`forward`.

        Y may be None only if ``targets`` is False.
        """
        cost, sizes, dtype = get_cost(cost), self._layout.sizes, self._vector.dtype
        X = as_examples(X, "X", sizes[0], dtype)
        if targets or Y is not None:
            Y = as_examples(Y, "Y", sizes[-1], dtype)
            check_pair(X, Y)
            check_finite(Y, "Y")
            cost.check_targets(Y)
        check_finite(X, "X")
        return Batch(X, Y, example_shares(sample_weight, len(X), dtype), cost)

    @quiet
    def __call__(self, X: Any) -> Array:
        """Return the outputs a^L, shape (m, n_L), for inputs of shape (m, n₁)."""
        X, *_ = self.check_examples(X, targets=False)
        tape = Tape(self, None, len(X))
        tape.load(X, None)
        forward(self, tape, slopes=False)
        return tape.output

    def copy(self) -> Network:
        """Return a copy of the network, with its own parameters."""
        return self.astype(self.dtype)

    @quiet
    def astype(self, dtype: Any) -> Network:
        """Return a copy with its parameters in another dtype.

        Raises
        ------
        Refused
            If an activation does not support the dtype.
        """
        return self.with_vector(self.vector.astype(as_dtype(dtype)))

    def with_vector(self, vector: Array) -> Network:
        """Return a network of this layout and these activations whose parameters are ``vector``, not copied.

        Raises
        ------
        WrongType
            If ``vector`` is not an array.
        WrongShape
            If it does not have one entry for each parameter.
        Refused
            If an activation cannot serve its dtype.
        """
        if not isinstance(vector, np.ndarray):
            raise WrongType(
                f"the vector must be an array, since it is not copied, got {type(vector).__name__}; "
                "pass numpy.asarray(vector, network.dtype)."
            )
        return assembled(self.layout, vector, self._activations)

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Network:
        return self.copy()

    def __reduce__(self) -> Any:
        # Rebuild from the vector, so that the views of a copy belong to the copy.
        return assembled, (self.layout, self.vector, self._activations)

    @property
    def activation_names(self) -> str:
        """The names of the activations; a single name if all layers have the same."""
        names = [activation.name for activation in self._activations]
        return names[0] if len(set(names)) == 1 else ", ".join(names)

    def __repr__(self) -> str:
        dtype, count = format_dtype(self.dtype), self.layout.count
        return f"<Network {self.layout}, {self.activation_names}, {dtype}, {count} parameters>"

    def _repr_html_(self) -> str:
        from formulations.network.views import network_html

        return network_html(self)

    @quiet
    def plot(self, ax: Any = None) -> Any:
        """Draw the layers: a circle for each neuron, a line for each weight, and dots for what is left out.

        Between layers of at most eight neurons, the line of a weight is blue if it is positive and orange if it is
        negative, and as wide as its share of the layer's largest.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default in a new figure.

        Returns
        -------
        matplotlib Figure
            The new figure, or that of ``ax``.

        Raises
        ------
        MissingExtra
            If matplotlib is not installed.
        WrongType
            If ``ax`` is not a matplotlib Axes.
        """
        from formulations.network.views import draw_network

        return draw_network(self, ax)


def assembled(layout: Layout, vector: Array, activations: Sequence[Activation]) -> Network:
    """Return a network that uses a vector without copying it or checking it for NaN."""
    net = Network.__new__(Network)
    Parameters.__init__(net, layout, vector)
    net._activations = read_activations(activations, layout, vector.dtype)
    return net


def check_network(net: Any) -> None:
    """Raise an exception if ``net`` is not a network.

    Raises
    ------
    WrongType
        If it is not; the message names its type.
    """
    if not isinstance(net, Network):
        remedy = "make one with Network(weights, biases)"
        if isinstance(getattr(net, "network", None), Network):
            remedy = "pass model.network, with the arrays of model.examples(X, Y)"
        elif hasattr(net, "named_parameters"):
            remedy = "if it is a module of PyTorch, make one with Network.from_torch(module)"
        raise WrongType(f"expected a formulations.Network, got {type(net).__name__}; {remedy}.")


def check_parameters(network: Network) -> None:
    """Raise an exception if a weight or a bias is NaN or infinite.

    Raises
    ------
    NotFinite
        The message names its place.
    """
    wrong = np.flatnonzero(~np.isfinite(network.vector))
    if wrong.size:
        raise NotFinite(
            f"the network's parameters must be finite, got {network.vector[wrong[0]]} at "
            f"network.{network.layout.locate(int(wrong[0]))}; restore those from before the training diverged."
        )
