"""scikit-learn: the backpropagation of its multilayer perceptrons.

Its perceptrons combine sigmoid outputs only with cross-entropy, for which σ′(z^L) cancels. The quadratic cost needs
that factor, so it is applied to the output error with scikit-learn's function for hidden layers. Nothing else is added.
The gradient is a private method, since there is no public one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from formulations.comparison.race.contestant import Ready
from formulations.comparison.race.peers.problem import checked, verdict_on
from formulations.data import Problem
from formulations.exceptions import Refused, needs

__all__ = ["enter", "quadratic_perceptron"]


def enter(problem: Problem) -> Ready:
    """Prepare a perceptron with the network's parameters.

    Raises
    ------
    Refused
        If this version of scikit-learn has other private methods.
    """
    needs("peers", "sklearn", "this row")
    problem = checked(problem)
    try:
        call = _call(problem)
        call()
    except (AttributeError, TypeError, ImportError, KeyError) as caught:
        raise Refused(f"this version of scikit-learn has other private methods: {caught}") from caught
    return Ready(call, lambda result: verdict_on(problem, result[0], _in_order(*result[1:])))


def _in_order(coefficients: list[Any], intercepts: list[Any]) -> list[Any]:
    return [part for w, b in zip(coefficients, intercepts, strict=True) for part in (w.T, b)]


def quadratic_perceptron() -> type[Any]:
    """Return the class of a regressor that applies σ′ to the output error, once ``out_activation_`` is logistic."""
    from sklearn.neural_network import MLPRegressor
    from sklearn.neural_network._base import DERIVATIVES

    class Perceptron(MLPRegressor):  # type: ignore[misc]
        def _compute_loss_grad(self, layer: int, total: Any, activations: Any, deltas: Any, *gradients: Any) -> None:
            if layer == self.n_layers_ - 2 and self.out_activation_ == "logistic":
                DERIVATIVES["logistic"](activations[-1], deltas[layer])
            super()._compute_loss_grad(layer, total, activations, deltas, *gradients)

    return Perceptron


def _call(problem: Problem) -> Callable[[], Any]:
    net = problem.network
    perceptron = quadratic_perceptron()(activation="logistic", alpha=0.0)
    perceptron.n_layers_, perceptron.out_activation_ = len(net.sizes), "logistic"
    perceptron.coefs_ = [np.ascontiguousarray(w.T) for w in net.weights]
    perceptron.intercepts_ = [b.copy() for b in net.biases]
    X, Y, layers, outputs = problem.X, problem.Y, len(net.weights), net.sizes[-1]

    def call() -> Any:
        # The arguments that its fit passes.
        buffers: list[list[Any]] = [[None] * layers for _ in range(3)]
        loss, coefficients, intercepts = perceptron._backprop(X, Y, None, [X] + [None] * layers, *buffers)
        # Its squared loss is also a mean over the outputs.
        return loss * outputs, coefficients, intercepts

    return call
