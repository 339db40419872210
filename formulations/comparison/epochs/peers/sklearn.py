"""scikit-learn: ``fit`` of its multilayer perceptrons, for one epoch.

Softmax outputs with the log-likelihood are those of ``MLPClassifier``. The quadratic cost of sigmoid outputs is that of
``MLPRegressor``, with the σ′ that the gradient race applies too. Both get the examples in order (``shuffle=False``),
and check their data at each call, which cannot be turned off.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.comparison.epochs.course import Course
from formulations.comparison.epochs.peers.costs import cost_of
from formulations.comparison.race import flattened, quadratic_perceptron
from formulations.exceptions import needs

__all__ = ["Perceptron", "descent_of"]


def descent_of(course: Course) -> dict[str, Any]:
    """Return the arguments of a perceptron that takes the steps of a course, without momentum or penalty."""
    return {
        "hidden_layer_sizes": course.problem.network.sizes[1:-1], "activation": "logistic", "solver": "sgd",
        "alpha": 0.0, "batch_size": course.batch_size, "learning_rate_init": course.rate, "momentum": 0.0,
        "nesterovs_momentum": False,
    }  # fmt: skip


class Perceptron:
    """A perceptron that continues from its parameters."""

    def __init__(self, course: Course) -> None:
        needs("peers", "sklearn", "this row")
        from sklearn.neural_network import MLPClassifier

        problem = course.problem
        cost_of(problem, np.negative, np.negative)
        self._network, self._X, self._Y = problem.network, problem.X, problem.Y
        classifies = problem.cost == "log_likelihood"
        if classifies:
            self._Y = problem.Y.argmax(axis=1)
        kind = MLPClassifier if classifies else quadratic_perceptron()
        self._perceptron: Any = kind(**descent_of(course), shuffle=False, max_iter=1, warm_start=True)
        # It draws parameters, which those of the course replace.
        self._fit(course.order)
        if not classifies:
            self._perceptron.out_activation_ = "logistic"
        self.reset()

    def _fit(self, order: Array) -> None:
        with warnings.catch_warnings():
            # A single epoch need not converge.
            warnings.simplefilter("ignore")
            self._perceptron.fit(self._X[order], self._Y[order])

    def reset(self) -> None:
        """Take the parameters of the start."""
        found = self._perceptron
        for mine, theirs in zip(self._network.weights, found.coefs_, strict=True):
            theirs[...] = mine.T
        for mine, theirs in zip(self._network.biases, found.intercepts_, strict=True):
            theirs[...] = mine

    def epoch(self, order: Array) -> None:
        """Fit for one epoch."""
        self._fit(order)

    def vector(self) -> Array:
        """Return the parameters."""
        found = self._perceptron
        return flattened([part for w, b in zip(found.coefs_, found.intercepts_, strict=True) for part in (w.T, b)])

    def outputs(self, X: Array) -> Array:
        """Return a^L."""
        predict = getattr(self._perceptron, "predict_proba", self._perceptron.predict)
        found: Array = predict(X)
        return found
