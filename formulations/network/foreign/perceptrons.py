"""scikit-learn's multilayer perceptrons as networks."""

from __future__ import annotations

from typing import Any

from formulations.exceptions import InvalidInput, Refused, WrongType, needs
from formulations.network.network import Network

__all__ = ["network_of_perceptron"]

ACTIVATIONS = {"identity": "identity", "logistic": "sigmoid", "relu": "relu", "softmax": "softmax", "tanh": "tanh"}
"""scikit-learn's names → names here."""


def network_of_perceptron(mlp: Any) -> Network:
    """Return the network of a fitted perceptron; see :meth:`formulations.Network.from_sklearn`."""
    needs("sklearn", "sklearn", "reading a perceptron")
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    if not isinstance(mlp, MLPClassifier | MLPRegressor):
        inner = getattr(mlp, "best_estimator_", mlp)
        steps = getattr(inner, "steps", None)
        remedy = "pass a fitted perceptron"
        if steps:
            remedy = "pass its last step, pipeline[-1], with the inputs that the steps before it give"
        elif inner is not mlp:
            remedy = "pass its best_estimator_"
        raise WrongType(f"expected an MLPClassifier or MLPRegressor, got {type(mlp).__name__}; {remedy}.")
    if not hasattr(mlp, "coefs_"):
        raise InvalidInput(f"expected a fitted perceptron, got a {type(mlp).__name__} without coefficients; call fit.")
    names = [*[mlp.activation] * (len(mlp.coefs_) - 1), mlp.out_activation_]
    for name in names:
        if name not in ACTIVATIONS:
            raise Refused(
                f"a perceptron's activations must be {', '.join(ACTIVATIONS)}, got {name!r}; make the network with "
                "formulations.Network(weights, biases, activations)."
            )
    return Network([w.T for w in mlp.coefs_], mlp.intercepts_, [ACTIVATIONS[name] for name in names])
