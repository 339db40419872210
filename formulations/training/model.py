"""A model: a network with its classes, the names of its columns and its scaling."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse

from formulations.arrays import (
    Archive,
    Array,
    as_array,
    as_examples,
    check_finite,
    check_pair,
    current_budget,
    open_archive,
    quiet,
    replaced,
)
from formulations.data import Scaling, as_matrix, check_matrix, column_names, encode_labels
from formulations.display import counted, html_text, html_view, listed
from formulations.exceptions import InvalidInput, NotFinite, Refused, WrongShape, WrongType, described
from formulations.functions import Activation, Cost
from formulations.network import (
    MODEL,
    Network,
    check_network,
    examples_in_one_pass,
    network_arrays,
    network_drawing,
    read_network,
)
from formulations.training.classification import ConfusionMatrix, confusion_matrix
from formulations.training.examples import Examples, as_pair, examples_for, labels_of, numbers_of
from formulations.training.history import History
from formulations.training.loop import sgd
from formulations.training.scores import predicted, r_squared
from formulations.training.steps import Optimizer, default_optimizer, get_optimizer

__all__ = ["Model", "load_trained"]

PARTS = ("classes", "columns", "mean", "scale", "target_mean", "target_scale")
"""The arrays of a model's file besides those of its network; each may be absent."""


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A network that takes data as they come and answers in the terms of the data.

    The network itself stays as it is: inputs are standardised before it, and outputs become labels or numbers after it.

    Parameters
    ----------
    network : Network
        The network; not copied.
    classes : array_like of int, str or bool, shape (K,), optional
        The classes, in the order of the outputs; two classes may share one output, of which a value above ½ names the
        second. Without classes the model predicts numbers.
    columns : sequence of str, optional
        The names of the n₁ features. The columns of a frame are matched by these names, whatever their order.
    mean, scale : array_like of shape (n₁,), optional
        Inputs are standardised to (x − mean) / scale. Both or neither.
    target_mean, target_scale : array_like of shape (n_L,), optional
        Without classes: an output a stands for the number target_mean + target_scale · a. Both or neither.
    label : str, optional
        The name of what is predicted.
    label_index : int, optional
        The index of its column in a table of n₁ + 1 columns without names, counted from 0.

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the parts do not fit the network.

    Examples
    --------
    >>> X = [[5.1, 3.5], [6.3, 2.8], [4.9, 3.1], [6.7, 3.0]]
    >>> species = ["setosa", "virginica", "setosa", "virginica"]
    >>> model = Model.for_data(X, species, hidden=(3,), seed=0)
    >>> model
    <Model 2-3-2, tanh, softmax, 2 classes, standardised>
    >>> history = model.fit(X, species, epochs=100, seed=0)
    >>> model.predict([[5.0, 3.3], [6.5, 2.9]])
    array(['setosa', 'virginica'], dtype='<U9')
    >>> model.score(X, species)
    1.0
    """

    network: Network
    classes: Array | None = None
    columns: tuple[str, ...] | None = None
    mean: Array | None = None
    scale: Array | None = None
    target_mean: Array | None = None
    target_scale: Array | None = None
    label: str | None = None
    label_index: int | None = None

    def __post_init__(self) -> None:
        check_network(self.network)
        inputs, outputs = self.network.sizes[0], self.network.sizes[-1]
        classes = None if self.classes is None else _as_classes(self.classes, outputs)
        columns = None if self.columns is None else _as_columns(self.columns, inputs)
        mean, scale = _as_scaling(self, "mean", "scale", inputs)
        target_mean, target_scale = _as_scaling(self, "target_mean", "target_scale", outputs)
        if classes is not None and target_mean is not None:
            raise InvalidInput("target_mean goes with numbers to predict, got classes too; leave out one of them.")
        if self.label is not None and not isinstance(self.label, str):
            raise WrongType(f"label must be a name, got {self.label!r}; pass a string such as 'species'.")
        index = self.label_index
        if index is not None and (isinstance(index, bool) or not isinstance(index, int) or not 0 <= index <= inputs):
            raise InvalidInput(f"label_index must be an integer from 0 to {inputs}, got {index!r}; count from 0.")
        for name, value in zip(PARTS, (classes, columns, mean, scale, target_mean, target_scale), strict=True):
            object.__setattr__(self, name, value)

    @classmethod
    @quiet
    def for_data(
        cls,
        X: Any,
        Y: Any,
        hidden: Sequence[int] = (30,),
        *,
        activations: str | Activation | Sequence[str | Activation] = "tanh",
        standardize: bool = True,
        classes: ArrayLike | None = None,
        label: str | None = None,
        seed: int | np.random.Generator | None = None,
        dtype: Any = "float64",
        init: str = "glorot",
    ) -> Model:
        """Make an untrained model for examples: with their classes, the names of their columns and their scaling.

        Parameters
        ----------
        X : array_like, frame or sparse array of shape (m, n₁)
            The training examples. Sparse ones are scaled, and not shifted, so that they stay sparse.
        Y : array_like of shape (m,) or (m, n_L)
            Labels (integers, strings or booleans) or unit vectors for a classification; else the numbers to predict.
        hidden : sequence of int
            Neurons of the hidden layers; may be empty.
        activations : str, Activation, or a sequence of them
            One for all hidden layers, or one for each. One more sets that of the outputs, which is otherwise softmax
            for classes and identity for numbers.
        standardize : bool
            Whether inputs, and numbers to predict, are standardised by the mean and standard deviation of X and Y.
        classes : array_like of shape (K,), optional
            The classes, in their order; by default the distinct labels, sorted.
        label : str, optional
            The name of what is predicted; by default that of Y, if it has one.
        seed, dtype, init
            See :meth:`formulations.Network.random`.

        Returns
        -------
        Model

        Raises
        ------
        InvalidInput
            If the labels name fewer than two classes, or cannot be used.
        WrongType
            If ``classes`` are given with numbers, ``hidden`` or ``activations`` is not a sequence, or the data are
            neither numbers nor labels.
        WrongShape, NotFinite
            If the data cannot be used.
        UnknownName, Refused
            If an activation does not exist, or cannot serve the dtype.
        """
        if not isinstance(hidden, Sequence | np.ndarray) or isinstance(hidden, str | bytes) or np.ndim(hidden) != 1:
            raise WrongType(
                f"hidden must be a sequence, one number a hidden layer, got {described(hidden)}; pass one, as (30,)."
            )
        columns, examples = column_names(X), as_matrix(X, "X")
        check_matrix(examples, "X")
        labels = labels_of(Y, classes)
        if labels is not None:
            known, indices = encode_labels(labels, classes, "Y")
            if len(known) < 2:
                raise InvalidInput(
                    f"Y must hold at least two classes to tell apart, got {known[0].item()!r} alone; add examples of "
                    "another class."
                )
            check_pair(examples, indices)
            outputs = len(known)
        elif classes is not None:
            raise WrongType("classes go with labels, got numbers in Y; leave classes out, or pass labels.")
        else:
            known, targets = None, numbers_of(Y)
            check_pair(examples, targets)
            outputs = targets.shape[1]
        last = "identity" if known is None else "softmax"
        sizes = [examples.shape[1], *hidden, outputs]
        network = Network.random(sizes, _each(activations, last, len(sizes) - 2), seed=seed, dtype=dtype, init=init)
        scaling = Scaling.of(examples) if standardize else None
        of_targets = Scaling.of(targets) if standardize and known is None else None
        if label is None and isinstance(name := getattr(Y, "name", None), str):
            label = name or None  # A series of polars without a name has an empty one.
        return cls(
            network,
            known,
            columns,
            None if scaling is None else scaling.mean,
            None if scaling is None else scaling.scale,
            None if of_targets is None else of_targets.mean,
            None if of_targets is None else of_targets.scale,
            label=label,
        )

    @quiet
    def fit(
        self,
        X: Any,
        Y: Any,
        *,
        validation: tuple[Any, Any] | None = None,
        optimizer: str | Optimizer | None = None,
        learning_rate: float | None = None,
        **options: Any,
    ) -> History:
        """Train the network in place.

        Parameters
        ----------
        X : array_like, frame or sparse array of shape (m, n₁)
            The training examples; they are standardised by the model's scaling, which does not change. Sparse ones
            need a scaling that does not shift, as that of a model made for sparse examples; predictions do not.
        Y : array_like of shape (m,) or (m, n_L)
            Their labels, or the numbers to predict.
        validation : (X, Y), optional
            Examples that are tested after every epoch.
        optimizer : {"adam", "sgd"} or Optimizer, optional
            How the gradient changes the parameters; by default adam, or sgd if there is a ``momentum``.
        learning_rate : float, optional
            η; by default 0.01 for adam and 0.1 for sgd, for features that are standardised.
        **options
            All other parameters of :func:`formulations.sgd`.

        Returns
        -------
        History

        Raises
        ------
        InvalidInput
            If a label is none of the model's classes, or columns of a frame are absent.
        Refused
            If sparse examples would not stay sparse, and as :func:`formulations.sgd`.
        WrongShape, WrongType, NotFinite
            As :func:`formulations.sgd`.
        """
        if validation is not None:
            held_out, wanted = as_pair(validation)
            validation = self._examples(held_out), self._targets(wanted)
        X, Y = self._examples(X), self._targets(Y)
        settings = {name: options[name] for name in ("momentum", "nesterov") if name in options}
        if optimizer is None:
            optimizer = default_optimizer(**settings)
        if learning_rate is None:
            learning_rate = get_optimizer(optimizer, **settings).rate_of_models
        return sgd(
            self.network,
            X,
            Y,
            classes=self.classes,
            validation=validation,
            optimizer=optimizer,
            learning_rate=learning_rate,
            **options,
        )

    @quiet
    def examples(self, X: Any, Y: Any, cost: str | Cost | None = None) -> Examples:
        """Return examples as the network takes them: standardised inputs, and targets instead of labels.

        Parameters
        ----------
        X : array_like, frame or sparse array of shape (m, n₁)
            The examples.
        Y : array_like of shape (m,) or (m, n_L)
            Their labels, or the numbers to predict.
        cost : str or Cost, optional
            As in :func:`formulations.sgd`.

        Returns
        -------
        formulations.training.Examples
            ``X``, ``Y``, ``cost`` and ``classes``; the first three serve :func:`formulations.gradient` and others.

        Raises
        ------
        InvalidInput
            If a label is none of the model's classes, or columns of a frame are absent.
        WrongShape, WrongType, NotFinite, Refused, UnknownName
            If the data or the cost cannot be used.
        """
        known = self.classes is not None
        return examples_for(self.network, self._examples(X), self._targets(Y), cost, self.classes, are_labels=known)

    @property
    def verbal(self) -> bool:
        """Whether the classes are strings."""
        return self.classes is not None and self.classes.dtype.kind == "U"

    @quiet
    def outputs(self, X: Any) -> Array:
        """Return the activations of the last layer.

        Parameters
        ----------
        X : array_like, frame or sparse array of shape (m, n₁)
            The examples. The columns of a frame are taken by name, if the model knows names.

        Returns
        -------
        ndarray of shape (m, n_L)

        Raises
        ------
        InvalidInput
            If a frame lacks a column, or has one that the model does not know.
        NotFinite
            If an example or an output is not finite.
        WrongShape, WrongType
            If the examples cannot be used.
        """
        examples = self._matched(X)
        m = examples.shape[0]
        found = np.empty((m, self.network.sizes[-1]), self.network.dtype)
        # Sparse examples become dense, and all layers are held, for some examples at a time.
        rows = examples_in_one_pass(self.network, m)
        for start in range(0, m, rows):
            part = examples[start : start + rows]
            found[start : start + rows] = self.network(self._scaled(part.toarray() if issparse(part) else part))
        finite = np.isfinite(found).all(axis=1)
        if not finite.all():
            row = int(np.argmin(finite))
            raise NotFinite(
                f"the outputs of the network must be finite, got {found[row]} for X[{row}]; train it again, with a "
                "smaller learning rate if it diverged."
            )
        return found

    def places(self, names: Sequence[str]) -> list[int] | None:
        """Return where the model's columns are among these names; None if they have this order, or no names.

        Raises
        ------
        InvalidInput
            If a column is absent, or there is one that the model does not know.
        """
        if self.columns is None or tuple(names) == self.columns:
            return None
        absent = [name for name in self.columns if name not in names]
        unknown = [name for name in names if name not in self.columns]
        if absent or unknown:
            came = [f"no {listed(absent)}"] * bool(absent) + [f"also {listed(unknown)}"] * bool(unknown)
            raise InvalidInput(
                f"X must have the model's columns {listed(self.columns)}, got {' and '.join(came)}; pass those "
                "columns alone, in any order."
            )
        return [list(names).index(name) for name in self.columns]

    @quiet
    def predict(self, X: Any) -> Array:
        """Return the label of each example, or the number.

        Parameters
        ----------
        X : array_like, frame or sparse array of shape (m, n₁)
            See :meth:`outputs`, also for the exceptions.

        Returns
        -------
        ndarray of shape (m,) or (m, n_L)
            The class with the largest output; with one output for two classes, the second if the output is above ½.
            Without classes the numbers that the outputs stand for: shape (m,) for one output, in double precision or
            better if the targets were standardised.
        """
        found = self.outputs(X)
        if self.classes is None:
            numbers = self._in_units(found)
            return numbers[:, 0] if numbers.shape[1] == 1 else numbers
        labels: Array = self.classes[predicted(found)]
        return labels

    @quiet
    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class for each example.

        Parameters
        ----------
        X : array_like, frame or sparse array of shape (m, n₁)
            See :meth:`outputs`, also for the exceptions.

        Returns
        -------
        ndarray of shape (m, K)
            The softmax outputs; or 1 − a and a for one sigmoid output a.

        Raises
        ------
        Refused
            If the outputs are not probabilities of classes.
        """
        if reason := self.why_no_probabilities:
            raise Refused(reason)
        found = self.outputs(X)
        return np.hstack([1 - found, found]) if found.shape[1] == 1 else found

    @property
    def why_no_probabilities(self) -> str | None:
        """The reason why :meth:`predict_proba` refuses, and the remedy; None if it does not."""
        if self.classes is None:
            return "probabilities need classes, and this model predicts numbers; call predict."
        outputs, name = self.network.sizes[-1], self.network.activations[-1].name
        if name == "softmax" or (name == "sigmoid" and outputs == 1):
            return None
        return (
            f"probabilities need softmax outputs, or one sigmoid output for two classes, got "
            f"{counted(outputs, 'output')} of {name}, which need not add up to 1; train a network with softmax "
            "outputs, or call outputs."
        )

    @quiet
    def score(self, X: Any, Y: Any) -> float:
        r"""Return the accuracy for classes, or the coefficient of determination R² for numbers.

        .. math:: R^2 = 1 - \frac{\sum_x (y_x - a_x)^2}{\sum_x (y_x - \bar y)^2}

        For several outputs it is the mean of theirs. If all targets of an output are the same, it is 1 for
        correct predictions and 0 otherwise, as in scikit-learn.

        Parameters
        ----------
        X : array_like, frame or sparse array of shape (m, n₁)
            The examples.
        Y : array_like of shape (m,) or (m, n_L)
            Their labels, or the correct numbers.

        Returns
        -------
        float

        Raises
        ------
        InvalidInput
            If a label is none of the model's classes.
        WrongShape, WrongType, NotFinite
            If the data cannot be used.
        """
        if self.classes is not None:
            return self.confusion(X, Y).accuracy
        found, wanted = self._in_units(self.outputs(X)), self._answers(Y)
        check_pair(found, wanted)
        return r_squared(wanted, found)

    @quiet
    def confusion(self, X: Any, Y: Any) -> ConfusionMatrix:
        """Return the confusion matrix of labelled examples, with precision, recall and F1 of each class.

        Parameters
        ----------
        X : array_like, frame or sparse array of shape (m, n₁)
            The examples.
        Y : array_like of shape (m,)
            Their labels.

        Returns
        -------
        ConfusionMatrix
            It prints as tables, and has ``plot()``.

        Raises
        ------
        Refused
            If the model predicts numbers.
        InvalidInput
            If a label is none of the model's classes.
        WrongShape, WrongType, NotFinite
            If the data cannot be used.
        """
        if self.classes is None:
            raise Refused("a confusion matrix needs classes, and this model predicts numbers; call score.")
        found, wanted = self.outputs(X), self._indices(Y)
        check_pair(found, wanted)
        return confusion_matrix(self.classes, wanted, predicted(found))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the model to an ``.npz`` file of plain arrays, without pickles.

        It holds the arrays of the network, as :func:`formulations.save` writes them, and those of ``classes``,
        ``columns``, ``mean``, ``scale``, ``target_mean`` and ``target_scale`` that the model has; ``model`` is JSON
        text with ``label`` and ``label_index``.

        Parameters
        ----------
        path : str or path-like
            The file to write. An existing file is replaced once the new one is complete and on disk.

        Raises
        ------
        Refused
            If an activation is user-defined: a file of arrays cannot hold a function.
        InvalidInput
            If the file cannot be written.
        """
        text = json.dumps({"label": self.label, "label_index": self.label_index})
        arrays = {**network_arrays(self.network), MODEL: np.array(text)}
        arrays |= {name: value for name in PARTS if (value := getattr(self, name)) is not None}
        with replaced(path) as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
        """Load a model saved by :meth:`save`.

        Parameters
        ----------
        path : str or path-like
            The file.

        Returns
        -------
        Model
            The same parameters, scaling, classes and names, bit for bit.

        Raises
        ------
        InvalidInput
            If the file cannot be read, contains pickles, or is not a saved model; a network's file names
            :func:`formulations.load`.
        WrongShape, WrongType, NotFinite, UnknownName
            If its contents do not make a model.
        Refused
            If an activation cannot serve the dtype, or its compressed arrays need more memory than the budget allows.
        """
        with open_archive(path, "a model saved by Model.save", "write it again with model.save(path)") as archive:
            if MODEL not in archive and "activations" in archive:
                raise InvalidInput(
                    f"expected the file of a model, got {os.fspath(path)!r}, the file of a network; load it with "
                    "formulations.load."
                )
            return cls._read(archive)

    @classmethod
    def _read(cls, archive: Archive) -> Model:
        names = [MODEL, *(name for name in PARTS if name in archive)]
        held: dict[str, Any] = {**archive.read(names, current_budget().memory)}
        try:
            text = json.loads(str(held.pop(MODEL)))
            label, index = text["label"], text["label_index"]
        except (KeyError, RecursionError, TypeError, ValueError):
            raise archive.unreadable("it does not contain a model") from None
        return cls(read_network(archive), label=label, label_index=index, **held)

    def __repr__(self) -> str:
        return f"<Model {', '.join(self._facts())}>"

    def _repr_html_(self) -> str:
        parts = {
            "predicts": self.label,
            "classes": None if self.classes is None else listed(self.classes.tolist()),
            "columns": None if self.columns is None else listed(self.columns),
        }
        text = "\n".join(f"{name}: {value}" for name, value in parts.items() if value is not None)
        title = html_text(f"Model {', '.join(self._facts())}", "title")
        return html_view(title, network_drawing(self.network), html_text(text, "small"))

    def _facts(self) -> list[str]:
        facts = [str(self.network.layout), self.network.activation_names]
        if self.classes is not None:
            facts.append(f"{len(self.classes)} classes")
        if self.scale is not None:
            facts.append("standardised")
        return facts

    def _matched(self, X: Any) -> Any:
        """Return examples with the model's features in their order, as an array or a csr_array."""
        names, examples = column_names(X), as_matrix(X, "X")
        if names is not None and (places := self.places(names)) is not None:
            examples = examples[:, places]
        width = self.network.sizes[0]
        if not issparse(examples):
            return as_examples(examples, "X", width)
        check_matrix(examples, "X")
        if examples.shape[1] != width:
            raise WrongShape(
                f"X must have {width} columns (n₁, the input layer), got shape {examples.shape}; pass the features "
                "that the model was made for."
            )
        return examples

    def _scaled(self, examples: Any) -> Any:
        if self.mean is None or self.scale is None:
            return examples
        return Scaling(self.mean, self.scale)(examples)

    def _examples(self, X: Any) -> Any:
        return self._scaled(self._matched(X))

    def _answers(self, Y: Any) -> Array:
        """Return numbers to predict, shape (m, n_L)."""
        return as_examples(numbers_of(Y), "Y", self.network.sizes[-1])

    def _in_units(self, outputs: Array) -> Array:
        """Return the numbers that outputs stand for."""
        if self.target_mean is None or self.target_scale is None:
            return outputs
        # In single precision the mean alone could round by more than the targets differ.
        numbers: Array = self.target_mean + self.target_scale * outputs
        if not (finite := np.isfinite(numbers).all(axis=1)).all():
            row = int(np.argmin(finite))
            raise NotFinite(
                f"predictions must be finite, got {numbers[row]} for X[{row}] in the units of the targets; scale the "
                "targets before training."
            )
        return numbers

    def _targets(self, Y: Any) -> Array:
        """Return labels, or the outputs wanted for numbers to predict, shape (m, n_L)."""
        if self.classes is None:
            numbers = self._answers(Y)
            if self.target_mean is None or self.target_scale is None:
                return numbers
            return np.asarray(Scaling(self.target_mean, self.target_scale)(numbers))
        labels: Array = self.classes[self._indices(Y)]
        return labels

    def _indices(self, Y: Any) -> NDArray[np.intp]:
        """Return the class of each example as an index."""
        labels = labels_of(Y, self.classes)
        if labels is None:
            raise WrongType(
                "Y must hold labels, since the model has classes, got numbers; pass one label for each example, an "
                "integer, a string or a boolean."
            )
        return encode_labels(labels, self.classes, "Y")[1]


def load_trained(path: str | os.PathLike[str]) -> Model | Network:
    """Load a model or a network, whichever a file holds; see :meth:`Model.load`, also for what it raises."""
    what, remedy = "a saved model or network", "write it again with model.save(path) or save(network, path)"
    with open_archive(path, what, remedy) as archive:
        return Model._read(archive) if MODEL in archive else read_network(archive)


def _each(activations: Any, last: str, layers: int) -> list[Any]:
    """Return one activation for each hidden layer and one for the outputs."""
    if isinstance(activations, str | Activation):
        return [*[activations] * layers, last]
    if not isinstance(activations, Sequence):
        raise WrongType(
            f"activations must be names or activations, got {described(activations)}; pass one such as 'sigmoid'."
        )
    each = list(activations)
    if len(each) not in (layers, layers + 1):
        raise WrongShape(
            f"{counted(layers, 'hidden layer')} need one activation for all, one for each, or one more for the "
            f"outputs, got {len(each)}; pass a name such as 'sigmoid'."
        )
    return each if len(each) > layers else [*each, last]


def _as_classes(given: Any, outputs: int) -> Array:
    classes, _ = encode_labels(given, given, "classes")
    if len(classes) < 2 or len(classes) != (2 if outputs == 1 else outputs):
        needed = "2 classes for 1 output" if outputs == 1 else f"{outputs} classes for {outputs} outputs"
        raise InvalidInput(
            f"the network needs {needed}, got {len(classes)}; pass one class for each output, in their order."
        )
    return _fixed(classes)


def _as_columns(given: Any, inputs: int) -> tuple[str, ...]:
    several = isinstance(given, Iterable) and not isinstance(given, str) and getattr(given, "ndim", 1) == 1
    columns: list[Any] = list(given) if several else [None]
    if not all(isinstance(name, str) for name in columns):
        raise WrongType(f"columns must be a list of names, got {given!r}; pass one string for each feature.")
    if faulty := [name for name in map(str, columns) if "\0" in name]:
        # A file's arrays pad strings with them.
        raise InvalidInput(f"columns must be without null characters, got {faulty[0]!r}; take them out.")
    if len(columns) != inputs or len(set(columns)) < inputs:
        raise InvalidInput(
            f"columns must hold {counted(inputs, 'distinct name')}, one for each input, got {listed(columns)}; pass "
            "as many as the network has inputs."
        )
    return tuple(map(str, columns))


def _as_scaling(model: Model, mean: str, scale: str, width: int) -> tuple[Array | None, Array | None]:
    """Return the mean and the scale that a model was given under these names."""
    if getattr(model, mean) is None and getattr(model, scale) is None:
        return None, None
    for name in (mean, scale):
        if getattr(model, name) is None:
            raise InvalidInput(f"{mean} and {scale} go together, got no {name}; pass both or neither.")
    first, second = (_as_vector(getattr(model, name), name, width) for name in (mean, scale))
    if not (second > 0).all():
        raise InvalidInput(f"{scale} must be positive, got {second.min()}; pass 1 for a constant feature.")
    return first, second


def _as_vector(given: Any, name: str, inputs: int) -> Array:
    array = as_array(given, name)
    if array.dtype.kind not in "biuf":
        raise WrongType(f"{name} must hold real numbers, got dtype {array.dtype}; pass one number for each.")
    if array.shape != (inputs,):
        raise WrongShape(f"{name} must have shape ({inputs},), got {array.shape}; pass one number for each.")
    check_finite(array, name)
    return _fixed(array.astype(np.promote_types(array.dtype, np.float64)))


def _fixed(array: Array) -> Array:
    """Return a copy that cannot be written to, since a model does not change."""
    kept = array.copy()
    kept.flags.writeable = False
    return kept
