r"""Networks as scikit-learn's estimators, trained with any backend.

:class:`BackpropClassifier` and :class:`BackpropRegressor` take the parameters of scikit-learn's ``MLPClassifier`` and
``MLPRegressor``, and draw the same initial weights and mini-batches from the same ``random_state``. They minimise

.. math:: \frac{\sum_x s_x C_x}{\sum_x s_x} + \frac{\alpha}{2 \sum_x s_x} \sum_w w^2

over each mini-batch, with the sample weights :math:`s_x` (1 by default) and the L2 penalty of Nielsen's chapter 3,
Equation (85). Beyond scikit-learn's parameters they take one activation for each layer or neuron, any cost, a backend,
a dtype and class weights.

The module needs scikit-learn: ``pip install scikit-learn``.

>>> from formulations.estimators import BackpropClassifier
>>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], ["same", "different", "different", "same"]
>>> classifier = BackpropClassifier((4,), activation="tanh", solver="lbfgs", random_state=1).fit(X, y)
>>> classifier.predict(X).tolist()
['same', 'different', 'different', 'same']
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import scipy
from scipy.sparse import csr_array, issparse

from formulations.arrays import (
    Array,
    as_dtype,
    check_some_weight,
    example_weights,
    nonnegative_number,
    number_between,
    positive_integer,
    positive_number,
    quiet,
    scipy_in_one_thread,
)
from formulations.data import default_cost
from formulations.exceptions import InvalidInput, MissingExtra, NotFinite, Refused, UnknownName, WrongShape, WrongType
from formulations.functions import ACTIVATIONS, Activation, Cost, LogLikelihood, get_activation, get_cost
from formulations.network import Network, passes
from formulations.plans import prepare
from formulations.training import (
    Adam,
    GradientDescent,
    Interruption,
    Model,
    Optimizer,
    Trainer,
    predicted,
)

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import r2_score
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler
    from sklearn.utils import check_random_state, column_or_1d
    from sklearn.utils.class_weight import compute_sample_weight
    from sklearn.utils.metaestimators import available_if
    from sklearn.utils.multiclass import check_classification_targets, type_of_target
    from sklearn.utils.validation import check_is_fitted, validate_data
except ModuleNotFoundError as caught:
    if caught.name != "sklearn":
        raise
    raise MissingExtra("formulations.estimators", "sklearn", "sklearn") from caught

__all__ = ["BackpropClassifier", "BackpropRegressor"]

SOLVERS = ("sgd", "adam", "lbfgs")
LEARNING_RATES = ("constant", "invscaling", "adaptive")
THEIR_NAMES = {"logistic": "sigmoid"}
"""scikit-learn's names of activations that have another name here."""

BATCH_SIZE = 200
"""The mini-batch of ``batch_size="auto"``, or all examples if there are fewer."""

SLOWEST = 1e-6
"""The learning rate at which an adaptive schedule stops."""


def _is_stochastic(estimator: _Backprop) -> bool:
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit needs solver='sgd' or 'adam', got 'lbfgs', which takes no single steps.")
    return True


def _gives_probabilities(estimator: BackpropClassifier) -> bool:
    given = estimator.out_activation
    if given is not None and _activation(given) not in (ACTIVATIONS["sigmoid"], ACTIVATIONS["softmax"]):
        raise AttributeError(f"probabilities need sigmoid or softmax outputs, got {given!r}; use predict.")
    return True


def _mean_and_scale(scaler: Any, features: int) -> tuple[Array, Array]:
    """Return the mean and the scale of each feature by which a fitted StandardScaler standardises."""
    if not isinstance(scaler, StandardScaler):
        raise WrongType(
            f"scaler must be a sklearn.preprocessing.StandardScaler, whose mean and scale a model keeps, got "
            f"{type(scaler).__name__}; fit the estimator on examples that a StandardScaler has transformed, or call "
            "to_model() and transform the examples before the model."
        )
    check_is_fitted(scaler)
    if scaler.n_features_in_ != features:
        raise WrongShape(
            f"scaler must have the {features} features of the estimator, got one of {scaler.n_features_in_}; pass the "
            "scaler whose output the estimator was fitted on."
        )
    mean = scaler.mean_ if scaler.with_mean else np.zeros(features)
    return mean, scaler.scale_ if scaler.with_std else np.ones(features)


class _Backprop(BaseEstimator):  # type: ignore[misc]
    """What classifier and regressor share: parameters, solvers, the forward pass, attributes."""

    _of_y: ClassVar[dict[str, Any]] = {}
    """Options of the validation of y."""

    network_: Network
    best_loss_: Any
    best_validation_score_: Any
    _generator: Any

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        cost: Any = None,
        out_activation: Any = None,
        backend: Any = None,
        dtype: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.cost = cost
        self.out_activation = out_activation
        self.backend = backend
        self.dtype = dtype

    # Fitted attributes.

    @property
    def coefs_(self) -> list[Array]:
        """The weights (w^l)ᵀ of each layer from the second on, shape (n_{l−1}, n_l): views of ``network_``."""
        return [w.T for w in self._fitted("coefs_").weights]

    @property
    def intercepts_(self) -> list[Array]:
        """The biases b^l of each layer from the second on, shape (n_l,): views of ``network_``."""
        return list(self._fitted("intercepts_").biases)

    @property
    def n_layers_(self) -> int:
        """The number of layers, with the input."""
        return len(self._fitted("n_layers_").sizes)

    @property
    def n_outputs_(self) -> int:
        """The number of output neurons."""
        return self._fitted("n_outputs_").sizes[-1]

    @property
    def out_activation_(self) -> str:
        """The name of the output activation; of the sigmoid scikit-learn's, ``"logistic"``."""
        name = self._fitted("out_activation_").activations[-1].name
        return next((theirs for theirs, ours in THEIR_NAMES.items() if ours == name), name)

    def to_model(self, scaler: StandardScaler | None = None) -> Model:
        """Return the network with its classes and the names of its columns, to be saved in a file without a pickle.

        Parameters
        ----------
        scaler : sklearn.preprocessing.StandardScaler, optional
            The fitted scaler that standardised the examples. The model then standardises its inputs likewise, and takes
            the names of the columns from it.

        Returns
        -------
        Model
            It shares the network and makes the same predictions. Its ``predict_proba`` needs softmax outputs or one
            sigmoid output: it does not divide several sigmoid outputs by their sum, as the estimator does.

        Raises
        ------
        NotFittedError
            Before the first fit of the estimator or of the scaler.
        Refused
            If an example has several labels.
        InvalidInput
            If the classifier was fitted to a single class.
        WrongType, WrongShape
            If the scaler is not a StandardScaler, or has another number of features.
        """
        check_is_fitted(self)
        mean, scale = (None, None) if scaler is None else _mean_and_scale(scaler, self.n_features_in_)
        names = getattr(self if scaler is None else scaler, "feature_names_in_", None)
        columns = None if names is None else names.tolist()
        return Model(self.network_, classes=self._classes(), columns=columns, mean=mean, scale=scale)

    def _classes(self) -> Array | None:
        return None

    def _fitted(self, attribute: str) -> Network:
        """Return the network, or say that there is none as for an attribute that does not exist yet."""
        network: Network | None = self.__dict__.get("network_")
        if network is None:
            raise AttributeError(f"{type(self).__name__} has no {attribute} before it is fitted; call fit first.")
        return network

    def __sklearn_is_fitted__(self) -> bool:
        return "network_" in self.__dict__

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # Fitting.

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Fit the network to examples and targets.

        Parameters
        ----------
        X : array_like, frame or sparse matrix of shape (m, n₁)
            One example a row.
        y : array_like of shape (m,) or (m, n_outputs)
            Class labels or an indicator matrix for a classifier, numbers for a regressor.
        sample_weight : array_like of shape (m,), optional
            Weights of the examples, not negative; an example of weight 0 has no influence.

        Returns
        -------
        estimator
            This one.

        Raises
        ------
        InvalidInput, WrongType, UnknownName, Refused
            If a parameter, or their combination, cannot be used.
        ValueError
            If the data cannot be used.
        NotFinite
            If weights, biases, the loss or the validation score are no longer finite.

        Notes
        -----
        A fit that raises an exception leaves the estimator as it was.
        """
        return self._fit(X, y, sample_weight, once=False)

    @quiet
    def _fit(self, X: Any, y: Any, sample_weight: Any, *, once: bool, classes: Any = None) -> Any:
        """Fit; with ``once``, take one pass from where the last one ended."""
        self._check_parameters()
        if once and self.early_stopping:
            raise InvalidInput(
                "partial_fit holds no examples back, so it needs early_stopping=False, got True; use fit, or set it."
            )
        with self._kept_on_failure():
            found = self._learn(X, y, sample_weight, once=once, classes=classes)
        for warning in found:
            warnings.warn(warning, stacklevel=4)  # The caller of fit or partial_fit.
        return self

    @contextmanager
    def _kept_on_failure(self) -> Iterator[None]:
        """Leave the estimator as it was if the fit fails."""
        before, network = self.__dict__.copy(), self.__dict__.get("network_")
        vector = None if network is None else network.vector.copy()
        curves = [before.get(name) or [] for name in ("loss_curve_", "validation_scores_")]
        lengths = [len(curve) for curve in curves]
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            # A fit that continues changes these in place.
            if network is not None:
                network.vector[...] = vector
            for curve, length in zip(curves, lengths, strict=True):
                del curve[length:]
            raise

    def _learn(self, X: Any, y: Any, sample_weight: Any, *, once: bool, classes: Any) -> list[Warning]:
        """Train the network, and return what is to be warned of."""
        afresh = not self.__sklearn_is_fitted__() or not (once or self.warm_start)
        dtype = self._dtype(afresh)
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, dtype=dtype, order="C", reset=afresh, **self._of_y
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        Y = self._targets(y, classes, afresh=afresh, subset=once).astype(X.dtype)
        weights = self._weights(sample_weight, y, len(Y), once=once)
        if afresh or not once:
            self._generator = check_random_state(self.random_state)
        if afresh:
            self._forget_descent()
            self.n_iter_ = self.t_ = 0
            self.network_ = self._initial_network(X.shape[1], Y.shape[1], X.dtype)
        else:
            self._check_continues(X.shape[1], Y.shape[1])
        cost = self._cost()
        cost.check_outputs(Y.shape[1])
        cost.check_targets(Y)
        if issparse(X):
            X = csr_array(X)
        weights, alpha = self._scaled(weights)
        if self.solver == "lbfgs":
            return self._minimise(X, Y, cost, weights, alpha)
        return self._descend(X, Y, cost, weights, alpha, once=once)

    def _dtype(self, afresh: bool) -> Any:
        """Return the dtype, or those that may stay, of the examples."""
        if not afresh:
            return self.network_.dtype
        return [np.float64, np.float32] if self.dtype is None else as_dtype(self.dtype)

    def _forget_descent(self) -> None:
        """Remove what a descent has left: the curves and the optimizer's state."""
        for name in ("loss_curve_", "validation_scores_", "best_loss_", "best_validation_score_", "_state"):
            self.__dict__.pop(name, None)

    def _weights(self, sample_weight: Any, y: Any, m: int, *, once: bool) -> Array | None:  # noqa: ARG002 - for classes
        if sample_weight is None:
            return None
        weights = example_weights(sample_weight, m)
        check_some_weight(weights.max())
        return weights.astype(np.promote_types(weights.dtype, np.float64), copy=False)

    def _scaled(self, weights: Array | None) -> tuple[Array | None, float]:
        """Return weights of at most 1, and the α that gives the same cost with them.

        Their sum can neither overflow nor vanish. The factor is a power of two, so that nothing is rounded.

        Raises
        ------
        InvalidInput
            If α divided by the sum of the weights is not finite.
        """
        if weights is None:
            return None, float(self.alpha)
        largest = weights.max()
        exponent = np.frexp(largest)[1]
        scaled: Array = np.ldexp(weights, -exponent).astype(np.float64)
        alpha = float(np.ldexp(float(self.alpha), -exponent))
        dtype = self.network_.dtype
        if not np.isfinite(dtype.type(alpha / scaled.sum())):
            raise InvalidInput(
                f"alpha divided by the sum of the sample weights must be finite in {dtype}, got alpha={self.alpha:g} "
                f"and weights of at most {largest:g}; use larger weights, or alpha=0."
            )
        return scaled, alpha

    def _check_finite(self, number: float, name: str) -> None:
        """Refuse a loss or a score, and weights and biases, that are not finite."""
        if not (math.isfinite(number) and np.isfinite(self.network_.vector).all()):
            raise NotFinite(
                f"weights, biases and {name} must stay finite, got a {name} of {number:g}"
                f"{', and weights or biases of NaN or infinity' if math.isfinite(number) else ''}; "
                "standardise X, for instance by sklearn.preprocessing.StandardScaler, or set a smaller "
                "learning_rate_init."
            )

    def _cost(self) -> Cost:
        return get_cost(self._default_cost() if self.cost is None else self.cost)

    def _output(self) -> Activation:
        return _activation(self._default_output() if self.out_activation is None else self.out_activation)

    def _widths(self, first: int, last: int) -> list[int]:
        given = self.hidden_layer_sizes
        hidden = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
        return [first, *(positive_integer(n, f"hidden_layer_sizes[{i}]") for i, n in enumerate(hidden)), last]

    def _activations(self, hidden: int) -> list[Activation]:
        """Return the activations of the hidden layers."""
        given = self.activation
        if isinstance(given, str | Activation):
            return [_activation(given)] * hidden
        if not isinstance(given, Sequence) or len(given) != hidden:
            raise InvalidInput(
                f"activation must be one for all hidden layers or a list of {hidden}, one for each, got {given!r}; "
                "the output layer's is out_activation."
            )
        return [_activation(each) for each in given]

    def _initial_network(self, first: int, last: int, dtype: Any) -> Network:
        """Draw the weights and biases as scikit-learn does: uniformly, by Glorot and Bengio (2010).

        A layer of sigmoids gets a third of the variance. The output layer is drawn like the last hidden one.
        """
        widths = self._widths(first, last)
        hidden = self._activations(len(widths) - 2)
        sigmoid = ACTIVATIONS["sigmoid"]
        drawn_as = [*hidden, hidden[-1]] if hidden else [_activation(self.activation)]
        weights, biases = [], []
        for (fan_in, fan_out), function in zip(pairwise(widths), drawn_as, strict=True):
            bound = math.sqrt((2 if function == sigmoid else 6) / (fan_in + fan_out))
            weights.append(self._generator.uniform(-bound, bound, (fan_in, fan_out)).T)
            biases.append(self._generator.uniform(-bound, bound, fan_out))
        return Network(weights, biases, [*hidden, self._output()], dtype=dtype)

    def _check_continues(self, first: int, last: int) -> None:
        """Refuse to continue with a network that the parameters no longer describe."""
        wanted, sizes = tuple(self._widths(first, last)), self.network_.sizes
        activations = [*self._activations(len(wanted) - 2), self._output()] if len(wanted) == len(sizes) else []
        if wanted != sizes or activations != list(self.network_.activations):
            raise InvalidInput(
                "warm_start and partial_fit continue with the same layers, got other hidden_layer_sizes, activation, "
                f"out_activation or targets than those of {self.network_!r}; fit with warm_start=False."
            )

    def _minimise(self, X: Any, Y: Array, cost: Cost, weights: Array | None, alpha: float) -> list[Warning]:
        """Minimise over all examples by L-BFGS-B."""
        network = self.network_
        batch = network.check_examples(X.toarray() if issparse(X) else X, Y, cost=cost, sample_weight=weights).counted()
        plan = prepare(network, len(Y), cost, self.backend)
        decay = alpha / (len(Y) if weights is None else weights.sum())

        def loss_and_gradient(vector: Array) -> tuple[float, Array]:
            network.vector[...] = vector
            found = plan.evaluate(batch.X, batch.Y, batch.shares)
            gradient, loss = found.vector.astype(np.float64), float(found.cost)
            for part, w in zip(network.layout.slices, network.weights, strict=True):
                gradient[part[0]] += decay * w.ravel()
                loss += 0.5 * decay * float(np.vdot(w, w))
            return loss, gradient

        options = {"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol}
        # A decrease of the loss below its own rounding is no progress.
        options["ftol"] = max(2.2204460492503131e-09, float(np.finfo(network.dtype).eps))
        start = network.vector.astype(np.float64)
        # Between two gradients, whose products are NumPy's, the optimizer calls SciPy's BLAS.
        with scipy_in_one_thread:
            result = scipy.optimize.minimize(loss_and_gradient, start, method="L-BFGS-B", jac=True, options=options)
        network.vector[...] = result.x
        self._forget_descent()
        self.n_iter_, self.loss_ = min(int(result.nit), self.max_iter), float(result.fun)
        self._check_finite(self.loss_, "loss")
        if self.verbose:
            print(f"{self.n_iter_} iterations, {result.nfev} evaluations, loss = {self.loss_:.8f}: {result.message}")
        if result.status == 0:
            return []
        return [
            ConvergenceWarning(
                f"lbfgs has not converged after {self.n_iter_} iterations ({result.message}); increase max_iter or "
                "max_fun, or standardise X."
            )
        ]

    def _descend(
        self, X: Any, Y: Array, cost: Cost, weights: Array | None, alpha: float, *, once: bool
    ) -> list[Warning]:
        """Descend by mini-batches, until nothing improves or ``max_iter`` is reached; with ``once`` for one epoch."""
        network, rows, held_back = self.network_, np.arange(len(Y)), None
        found: list[Warning] = []
        rate = network.dtype.type(self.learning_rate_init)
        if not 0 < rate < math.inf:
            raise InvalidInput(
                f"learning_rate_init must be positive and finite in {network.dtype}, in which "
                f"{self.learning_rate_init:g} is {rate:g}; pass a number such as 0.001."
            )
        if self.early_stopping:
            rows, validation = self._held_back(Y, rows, weights)
            held_back = X[validation], Y[validation], None if weights is None else weights[validation]
        if not hasattr(self, "loss_curve_") or bool(self.early_stopping) is (self.validation_scores_ is None):
            self._start_curves()
        batch_size = BATCH_SIZE if self.batch_size == "auto" else int(self.batch_size)
        if batch_size > len(rows) and self.batch_size != "auto":
            found.append(
                UserWarning(
                    f"batch_size must be at most the number of training examples, {len(rows)}, got {batch_size}; "
                    f"{len(rows)} are taken."
                )
            )
        trainer = Trainer(
            network,
            X,
            Y,
            cost=cost,
            batch_size=min(batch_size, len(rows)),
            rate=self.learning_rate_init,
            backend=self.backend,
            optimizer=self._optimizer(),
            l2=alpha,
            sample_weight=weights,
            penalty_per_batch=True,
        )
        if once:
            self._resume(trainer)
        best = network.vector.copy() if self.early_stopping else None
        self.n_iter_ = 0
        with Interruption() as interruption:
            while self.n_iter_ < self.max_iter:
                if self.shuffle:
                    order = np.arange(len(rows))
                    self._generator.shuffle(order)
                    rows = rows[order]
                if not self._take_epoch(trainer, rows, interruption):
                    found.append(
                        UserWarning(
                            f"Ctrl-C has stopped the training after {self.n_iter_} epochs; the estimator keeps what it "
                            "has learnt."
                        )
                    )
                    break
                if self._improves(held_back) and best is not None:
                    best[...] = network.vector
                if self.solver == "sgd" and self.learning_rate == "invscaling":
                    trainer.rate = self._scaled_rate()
                if self._no_improvement_count > self.n_iter_no_change and self._is_over(trainer):
                    break
                if once:
                    break
            else:
                found.append(
                    ConvergenceWarning(
                        f"the loss has not converged after max_iter={self.max_iter} epochs; increase max_iter, or tol."
                    )
                )
        if best is not None:
            network.vector[...] = best
        self._state = {name: array.copy() for name, array in trainer.updates.state.items()}, trainer.rate
        return found

    def _optimizer(self) -> Optimizer:
        if self.solver == "adam":
            return Adam(self.beta_1, self.beta_2, self.epsilon)
        return GradientDescent(self.momentum, bool(self.nesterovs_momentum and self.momentum))

    def _held_back(self, Y: Array, rows: Array, weights: Array | None) -> tuple[Array, Array]:
        """Split the examples into those for training and those for validation."""
        training, validation = train_test_split(
            rows, random_state=self._generator, test_size=self.validation_fraction, stratify=self._strata(Y)
        )
        if len(validation) < 2:
            raise InvalidInput(
                f"early_stopping needs at least 2 examples for validation, got {len(validation)}; use a larger "
                "validation_fraction, or more examples."
            )
        if weights is not None and not (weights[training].any() and weights[validation].any()):
            raise InvalidInput(
                "early_stopping needs training and validation examples whose weight is not zero, got a part with all "
                "weights zero; use another random_state or validation_fraction."
            )
        return training, validation

    def _start_curves(self) -> None:
        self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        self.best_loss_ = None if self.early_stopping else math.inf
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self.best_validation_score_ = -math.inf if self.early_stopping else None

    def _resume(self, trainer: Trainer) -> None:
        """Continue with the optimizer's state of the last pass."""
        state, rate = getattr(self, "_state", ({}, trainer.rate))
        if state.keys() == trainer.updates.state.keys():
            for name, array in state.items():
                trainer.updates.state[name][...] = array
        if self.solver == "sgd" and self.learning_rate == "adaptive":
            trainer.rate = rate
        if self.solver == "sgd" and self.learning_rate == "invscaling" and self.t_:
            trainer.rate = self._scaled_rate()

    def _scaled_rate(self) -> float:
        return float(self.learning_rate_init / (self.t_ + 1) ** self.power_t)

    def _take_epoch(self, trainer: Trainer, rows: Array, interruption: Interruption) -> bool:
        """Take one step for each mini-batch, note the loss, and return whether no Ctrl-C came in between."""
        record, taken = np.empty((2, trainer.count(len(rows)))), 0
        for steps in trainer.steps(rows, record):
            taken += steps.shape[1]
            if interruption.seen:
                break
        total, weight = record[:, :taken].sum(axis=1).tolist()
        self.loss_ = total / weight if weight else math.nan
        if weight:
            self._check_finite(self.loss_, "loss")
        if interruption.seen:
            return False
        self.n_iter_ += 1
        self.t_ += len(rows)
        self.loss_curve_.append(self.loss_)
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
        return True

    def _improves(self, held_back: tuple[Any, Array, Array | None] | None) -> bool:
        """Count the epochs without progress by ``tol``, and return whether this one is the best so far."""
        if held_back is None or self.validation_scores_ is None:
            better, enough = self.loss_ < self.best_loss_, not self.loss_ > self.best_loss_ - self.tol
            if better:
                self.best_loss_ = self.loss_
        else:
            X, Y, weights = held_back
            score = self._score_of(self._output_layer(X)[1], Y, weights)
            self.validation_scores_.append(score)
            if self.verbose:
                print(f"Validation score: {score:f}")
            self._check_finite(score, "validation score")
            better, enough = (
                score > self.best_validation_score_,
                not score < self.best_validation_score_ + self.tol,
            )
            if better:
                self.best_validation_score_ = score
        self._no_improvement_count = 0 if enough else self._no_improvement_count + 1
        return bool(better)

    def _is_over(self, trainer: Trainer) -> bool:
        """Return whether to stop; an adaptive schedule lowers the learning rate instead, as long as it can."""
        what = "validation score" if self.early_stopping else "training loss"
        message = f"The {what} did not improve by tol={self.tol:g} for {self.n_iter_no_change} epochs."
        over = self.solver != "sgd" or self.learning_rate != "adaptive" or trainer.rate <= SLOWEST
        if not over:
            trainer.rate /= 5
            self._no_improvement_count = 0
        if self.verbose:
            print(message, "Stopping." if over else f"The learning rate is now {trainer.rate:g}.")
        return over

    # Predicting.

    @quiet
    def _predicted(self, X: Any) -> tuple[Array, Array]:
        """Return z^L and a^L, both of shape (m, n_L), for examples that are not checked yet."""
        check_is_fitted(self)
        dtype = self.network_.dtype
        return self._output_layer(validate_data(self, X, accept_sparse="csr", dtype=dtype, order="C", reset=False))

    def _output_layer(self, X: Any) -> tuple[Array, Array]:
        network, m = self.network_, X.shape[0]
        z, a = (np.empty((m, network.sizes[-1]), network.dtype) for _ in range(2))
        for rows, tape in passes(network, X):
            z[rows], a[rows] = tape.weighted_inputs[-1], tape.output
        return z, a

    # Parameters.

    def _check_parameters(self) -> None:
        """Refuse a parameter out of range.

        Raises
        ------
        WrongType
            If one is of another type; a number out of range raises InvalidInput, an unknown name UnknownName.
        """
        _one_of(self.solver, "solver", SOLVERS)
        _one_of(self.learning_rate, "learning_rate", LEARNING_RATES)
        for name in ("learning_rate_init", "epsilon"):
            positive_number(getattr(self, name), name)
        for name in ("alpha", "power_t", "tol"):
            nonnegative_number(getattr(self, name), name)
        for name in ("momentum", "beta_1", "beta_2", "validation_fraction"):
            number_between(getattr(self, name), name, 0, 1)
        for name in ("max_iter", "max_fun"):
            positive_integer(getattr(self, name), name)
        if self.n_iter_no_change != math.inf:
            positive_integer(self.n_iter_no_change, "n_iter_no_change")
        if self.batch_size != "auto":
            positive_integer(self.batch_size, "batch_size")
        for name in ("shuffle", "warm_start", "nesterovs_momentum", "early_stopping"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise WrongType(f"{name} must be True or False, got {getattr(self, name)!r}; pass one of them.")


class BackpropClassifier(ClassifierMixin, _Backprop):  # type: ignore[misc]
    """A network that classifies: scikit-learn's interface, any formulation of the gradient.

    With two classes it has one sigmoid output and the cost ``binary_cross_entropy``; with more, softmax outputs and
    ``log_likelihood``; with several labels an example, sigmoid outputs and ``binary_cross_entropy``.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, or int
        Neurons of each hidden layer; ``()`` for none.
    activation : str, Activation, or a sequence of them
        That of all hidden layers, or one for each; a :class:`formulations.PerNeuron` has one for each neuron.
        ``"logistic"`` is the sigmoid.
    solver : {"adam", "sgd", "lbfgs"}
        Mini-batches by Adam or by gradient descent with momentum, or all examples at once by L-BFGS-B, for which
        sparse examples become dense.
    alpha : float
        α of the L2 penalty on the weights.
    batch_size : int or "auto"
        Examples in a mini-batch; ``"auto"`` takes 200, or all if there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"}
        For ``"sgd"``: keep η; divide ``learning_rate_init`` after each epoch by ``t ** power_t``, where t is one more
        than the number of examples seen; or divide η by 5 where training would stop otherwise, down to 10⁻⁶.
    learning_rate_init : float
        η at the start.
    power_t : float
        The exponent of ``"invscaling"``.
    max_iter : int
        The largest number of epochs, or of iterations of L-BFGS-B.
    shuffle : bool
        Shuffle the examples before each epoch.
    random_state : int, RandomState or None
        Determines initial weights, held-back examples and shuffles. They are those of scikit-learn's perceptrons,
        but for the held-back examples of three or more classes, which these do not stratify.
    tol : float
        Training stops if loss or score has not improved by ``tol`` for more than ``n_iter_no_change`` epochs. For
        ``"lbfgs"`` the largest component of the gradient at which it stops.
    verbose : bool
        Print the loss of each epoch.
    warm_start : bool
        Continue from the last fit.
    momentum : float
        μ of ``"sgd"``, at least 0 and below 1.
    nesterovs_momentum : bool
        Whether the momentum is Nesterov's.
    early_stopping : bool
        Hold back examples, stop by the score on them, and keep the parameters that had the best; not for ``"lbfgs"``.
    validation_fraction : float
        The share of the examples that is held back; stratified by class, unless an example has several labels.
    beta_1, beta_2, epsilon : float
        The constants of Adam.
    n_iter_no_change : int or inf
        See ``tol``.
    max_fun : int
        The largest number of evaluations by L-BFGS-B.
    cost : str, Cost or None
        The cost; by default that which fits the output activation.
    out_activation : str, Activation or None
        The activation of the output layer; by default that which fits the targets.
    backend : str, Backend or None
        The formulation that computes the gradients; see :func:`formulations.get_backend`.
    dtype : dtype or None
        float32, float64 or longdouble. By default float32 data stay in float32, and others become float64.
    class_weight : dict, "balanced" or None
        Weights of the classes, times those of the examples; ``"balanced"`` gives all classes the same total weight.

    Attributes
    ----------
    network_ : Network
        The network, for every function of this library.
    classes_ : ndarray
        The labels, sorted; for several labels an example, the numbers of the columns.
    coefs_, intercepts_ : list of ndarray
        Weights, shape (n_{l−1}, n_l), and biases, shape (n_l,), of each layer from the second on.
    loss_ : float
        The minimised function in the last epoch, each mini-batch before its step, or at the end of L-BFGS-B.
    loss_curve_ : list of float
        ``loss_`` of each epoch; not for ``"lbfgs"``.
    best_loss_ : float or None
        The smallest of them; None with early stopping.
    validation_scores_, best_validation_score_ : list of float, float, or None
        The scores on the held-back examples after each epoch, and the best; None without early stopping.
    n_iter_ : int
        Epochs or iterations of the last fit.
    t_ : int
        Training examples seen so far.
    n_features_in_ : int
        n₁.
    feature_names_in_ : ndarray of str
        The columns of X, if it had names.
    n_layers_, n_outputs_ : int
        L and n_L.
    out_activation_ : str
        The output activation, by scikit-learn's name.

    See Also
    --------
    BackpropRegressor : The same for numbers.

    Notes
    -----
    Weights are drawn uniformly as by Glorot and Bengio (2010), with a third of the variance in a layer of sigmoids.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = BackpropClassifier((8,), activation="tanh", solver="lbfgs", alpha=1.0, tol=1e-2, random_state=0)
    >>> classifier.fit(X, y).score(X, y) > 0.95
    True
    >>> classifier.network_
    <Network 4-8-3, tanh, softmax, float64, 67 parameters>
    """

    classes_: Array
    _multilabel: bool

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        cost: Any = None,
        out_activation: Any = None,
        backend: Any = None,
        dtype: Any = None,
        class_weight: Any = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            cost=cost,
            out_activation=out_activation,
            backend=backend,
            dtype=dtype,
        )
        self.class_weight = class_weight

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @available_if(_is_stochastic)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Any:
        """Take one pass over examples, from where the last call ended.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`; y may lack classes, also those that have a weight in ``class_weight``.
        classes : array_like, optional
            All classes; needed in the first call.

        Returns
        -------
        estimator
            This one.

        Raises
        ------
        InvalidInput
            If the classes are missing in the first call or differ from those of an earlier one, with
            ``early_stopping``, or with balanced class weights.
        NotFinite
            If weights, biases or the loss are no longer finite; the estimator is left as it was.
        """
        if classes is None and not self.__sklearn_is_fitted__():
            raise InvalidInput(
                "the first call of partial_fit needs all classes, got none; pass classes=numpy.unique(y)."
            )
        return self._fit(X, y, sample_weight, once=True, classes=classes)

    def predict(self, X: Any) -> Array:
        """Return the class of each example.

        The class is that of the largest output; with one output neuron, the second if the output exceeds ½.

        Parameters
        ----------
        X : array_like, frame or sparse matrix of shape (m, n₁)
            One example a row.

        Returns
        -------
        ndarray of shape (m,), or (m, n_L)
            The classes; with several labels an example, an indicator matrix.

        Raises
        ------
        NotFittedError
            Before the first fit.
        ValueError
            If the examples cannot be used.
        """
        chosen = self._decided(self._predicted(X)[1])
        labels: Array = chosen.astype(int) if self._multilabel else self.classes_[chosen]
        return labels

    @available_if(_gives_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class.

        Independent sigmoid outputs of exclusive classes are divided by their sum. The method exists for sigmoid and
        softmax outputs.

        Parameters
        ----------
        X : array_like, frame or sparse matrix of shape (m, n₁)
            One example a row.

        Returns
        -------
        ndarray of shape (m, n_classes)
            The columns are in the order of ``classes_``.

        Raises
        ------
        NotFittedError
            Before the first fit.
        ValueError
            If the examples cannot be used.
        """
        return self._probabilities(*self._predicted(X))

    @available_if(_gives_probabilities)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of the probability of each class.

        It is finite even where a probability is too small for its dtype.

        Parameters
        ----------
        X : array_like, frame or sparse matrix of shape (m, n₁)
            One example a row.

        Returns
        -------
        ndarray of shape (m, n_classes)
            The columns are in the order of ``classes_``.

        Raises
        ------
        NotFittedError
            Before the first fit.
        ValueError
            If the examples cannot be used.

        See Also
        --------
        predict_proba : The probabilities.
        """
        z, a = self._predicted(X)
        if self.network_.activations[-1].coupled:
            logarithms: Array = scipy.special.log_softmax(z, axis=1)
        else:
            logarithms = scipy.special.log_expit(z)
            if not self._multilabel:
                if z.shape[1] == 1:
                    logarithms = np.hstack([scipy.special.log_expit(-z), logarithms])
                logarithms -= scipy.special.logsumexp(logarithms, axis=1, keepdims=True)
        probabilities = self._probabilities(z, a)
        normal = probabilities >= np.finfo(probabilities.dtype).tiny
        with np.errstate(all="ignore"):
            return np.log(probabilities, out=logarithms[:, -probabilities.shape[1] :], where=normal)

    def _probabilities(self, z: Array, a: Array) -> Array:
        if self._multilabel or self.network_.activations[-1].coupled:
            return a
        if len(self.classes_) == 1:
            return np.ones_like(a)
        if a.shape[1] == 1:
            return np.hstack([scipy.special.expit(-z), a])
        a /= a.sum(axis=1, keepdims=True)
        return a

    def _classes(self) -> Array:
        if self._multilabel:
            raise Refused(
                "a model has one label for each example, got a classifier of several; save its network by "
                "formulations.save(classifier.network_, path)."
            )
        return self.classes_

    def _decided(self, outputs: Array) -> Array:
        """Return the number of each example's class, or whether it has each label."""
        if self._multilabel:
            return outputs > 0.5
        if len(self.classes_) == 1:
            return np.zeros(len(outputs), np.intp)
        return predicted(outputs)

    def _strata(self, Y: Array) -> Array | None:
        return None if self._multilabel else self._decided(Y)

    def _score_of(self, outputs: Array, Y: Array, sample_weight: Array | None) -> float:
        if not np.isfinite(outputs).all():
            return math.nan
        hits = self._decided(outputs) == self._decided(Y)
        return float(np.average(hits.all(axis=1) if self._multilabel else hits, weights=sample_weight))

    def _targets(self, y: Any, classes: Any, *, afresh: bool, subset: bool) -> Array:
        """Return 0 and 1 for each output neuron, shape (m, n_L), and learn or check the classes."""
        check_classification_targets(y)
        multilabel = type_of_target(y).startswith("multilabel")
        if y.ndim == 2 and not multilabel:
            raise InvalidInput(
                "y must be one column of classes or an indicator matrix of 0 and 1, got several columns of classes; "
                "fit one classifier for each, for instance by sklearn.multioutput.MultiOutputClassifier."
            )
        found = np.arange(y.shape[1]) if multilabel else _unique(y)
        given = None if classes is None else _unique(np.asarray(classes))
        known = (found if given is None or multilabel else given) if afresh else self.classes_
        if given is not None and not np.array_equal(given, known):
            raise InvalidInput(
                f"classes must be those of the first call of partial_fit, {known}, got {classes}; "
                "leave them out, or use another estimator."
            )
        continues = afresh or multilabel is self._multilabel
        if not (continues and np.isin(found, known).all() and (subset or len(found) == len(known))):
            raise InvalidInput(
                f"y must have the classes of {'classes' if afresh else 'the fit that is continued'}, {known}, got "
                f"{found}; pass all classes in the first call, or fit with warm_start=False."
            )
        self.classes_, self._multilabel = known, multilabel
        Y: Array
        if multilabel:
            Y = y.toarray() if issparse(y) else np.asarray(y)
        elif len(known) > 2 or self._output().coupled:
            Y = np.searchsorted(known, y)[:, None] == np.arange(len(known))
        else:
            Y = np.searchsorted(known, y)[:, None]
        return Y

    def _weights(self, sample_weight: Any, y: Any, m: int, *, once: bool) -> Array | None:
        weights = super()._weights(sample_weight, y, m, once=once)
        if self.class_weight is None:
            return weights
        if once and isinstance(self.class_weight, str):
            raise InvalidInput(
                f"partial_fit cannot know how many examples of each class will come, so class_weight must be a dict "
                f"or None, got {self.class_weight!r}; compute it by sklearn.utils.class_weight.compute_class_weight."
            )
        if once:
            # A batch may lack classes that have a weight.
            y = y.toarray() if issparse(y) else y
            classes = np.repeat([[0], [1]], y.shape[1], axis=1) if self._multilabel else self.classes_
            y = np.concatenate([y, classes])
        of_classes = compute_sample_weight(self.class_weight, y)[:m]
        return super()._weights(of_classes if weights is None else of_classes * weights, y, m, once=once)

    def _default_output(self) -> str:
        return "sigmoid" if self._multilabel or len(self.classes_) <= 2 else "softmax"

    def _default_cost(self) -> str:
        return default_cost(self._output())

    def _cost(self) -> Cost:
        cost, output = super()._cost(), self._output()
        if type(cost) is LogLikelihood and not output.coupled:
            raise Refused(
                f"log_likelihood needs outputs that compete, such as softmax, got {output.name}: each would grow to 1 "
                "whatever the inputs; use cost='binary_cross_entropy' or out_activation='softmax'."
            )
        return cost


class BackpropRegressor(RegressorMixin, _Backprop):  # type: ignore[misc]
    """A network that predicts numbers: scikit-learn's interface, any formulation of the gradient.

    It has identity outputs and the quadratic cost, unless ``out_activation`` or ``cost`` says otherwise.

    Parameters
    ----------
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, \
    shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, \
    validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, max_fun, cost, out_activation, backend, dtype
        As in :class:`BackpropClassifier`. The score of early stopping is R².

    Attributes
    ----------
    network_, coefs_, intercepts_, loss_, loss_curve_, best_loss_, validation_scores_, best_validation_score_, \
    n_iter_, t_, n_features_in_, feature_names_in_, n_layers_, n_outputs_, out_activation_
        As in :class:`BackpropClassifier`.

    See Also
    --------
    BackpropClassifier : The same for classes.

    Notes
    -----
    The quadratic cost of an example is ½‖a − y‖², the sum over the outputs. scikit-learn's ``loss_`` divides this sum,
    but not its gradient, by the number of outputs.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 50)[:, None]
    >>> regressor = BackpropRegressor((10,), activation="tanh", solver="lbfgs", random_state=0).fit(X, X[:, 0] ** 2)
    >>> regressor.score(X, X[:, 0] ** 2) > 0.99
    True
    """

    _of_y: ClassVar[dict[str, Any]] = {"y_numeric": True}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @available_if(_is_stochastic)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Take one pass over examples, from where the last call ended.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.

        Returns
        -------
        estimator
            This one.

        Raises
        ------
        InvalidInput
            With ``early_stopping``.
        NotFinite
            If weights, biases or the loss are no longer finite; the estimator is left as it was.
        """
        return self._fit(X, y, sample_weight, once=True)

    def predict(self, X: Any) -> Array:
        """Return the predicted numbers.

        Parameters
        ----------
        X : array_like, frame or sparse matrix of shape (m, n₁)
            One example a row.

        Returns
        -------
        ndarray of shape (m,), or (m, n_outputs) if there are several
            The outputs of the network.

        Raises
        ------
        NotFittedError
            Before the first fit.
        ValueError
            If the examples cannot be used.
        """
        outputs = self._predicted(X)[1]
        return outputs[:, 0].copy() if outputs.shape[1] == 1 else outputs

    def _strata(self, Y: Array) -> None:  # noqa: ARG002 - of classifiers
        return None

    def _score_of(self, outputs: Array, Y: Array, sample_weight: Array | None) -> float:
        if not np.isfinite(outputs).all():
            return math.nan
        return float(r2_score(Y, outputs, sample_weight=sample_weight))

    def _targets(self, y: Any, classes: Any, *, afresh: bool, subset: bool) -> Array:  # noqa: ARG002 - of classifiers
        Y: Array = y.toarray() if issparse(y) else np.asarray(y)
        return Y.reshape(len(Y), -1)

    def _default_output(self) -> str:
        return "identity"

    def _default_cost(self) -> str:
        return "quadratic"


def _activation(given: Any) -> Activation:
    """Return an activation by its name here or in scikit-learn."""
    return get_activation(THEIR_NAMES.get(given, given) if isinstance(given, str) else given)


def _unique(y: Array) -> Array:
    """Return the distinct labels, sorted."""
    try:
        return np.unique(y)
    except TypeError as caught:
        raise WrongType(
            f"y must hold labels that can be sorted, such as all strings or all numbers, got mixed types ({caught}); "
            "convert them, for instance with y.astype(str)."
        ) from caught


def _one_of(value: Any, name: str, valid: Sequence[str]) -> None:
    if not isinstance(value, str) or value not in valid:
        raise UnknownName(name, value, valid)
