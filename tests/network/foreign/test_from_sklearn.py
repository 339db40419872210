"""scikit-learn's perceptrons as networks, which make the same predictions."""

from __future__ import annotations

import warnings

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.exceptions import InvalidInput, Refused, WrongType

pytest.importorskip("sklearn")
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((30, 4))
CLASSES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
SEVERAL = np.stack([X[:, 0] > 0, X[:, 1] > 0, X[:, 2] > 1], axis=1).astype(int)


def fitted(kind, y, inputs=X, **options):
    """Return a perceptron after a few epochs."""
    made = kind(**({"hidden_layer_sizes": (5, 3), "max_iter": 4, "random_state": 0} | options))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        return made.fit(inputs, y)


@pytest.mark.parametrize(
    ("activation", "dtype"),
    [("identity", np.float64), ("logistic", np.float32), ("tanh", np.float64), ("relu", np.float32)],
)
@pytest.mark.parametrize(
    ("kind", "y", "last"),
    [
        (MLPClassifier, CLASSES, "softmax"),
        (MLPClassifier, CLASSES > 0, "sigmoid"),
        (MLPClassifier, np.where(CLASSES > 0, "yes", "no"), "sigmoid"),
        (MLPClassifier, SEVERAL, "sigmoid"),
        (MLPRegressor, X[:, 0] * X[:, 1], "identity"),
        (MLPRegressor, X[:, :2] ** 2, "identity"),
    ],
)
def test_predictions_are_equal(kind, y, last, dtype, activation):
    inputs = X.astype(dtype)
    mlp = fitted(kind, y, inputs, activation=activation)
    net = fm.Network.from_sklearn(mlp)
    hidden = {"logistic": "sigmoid"}.get(activation, activation)
    assert [each.name for each in net.activations] == [hidden, hidden, last]
    assert (net.dtype, net.sizes[0]) == (dtype, 4)
    outputs = net(inputs)
    if kind is MLPRegressor:
        theirs = mlp.predict(inputs).reshape(outputs.shape)
    else:
        theirs = mlp.predict_proba(inputs)
        if outputs.shape[1] == 1:
            theirs = theirs[:, 1:]
        chosen = outputs.argmax(axis=1) if last == "softmax" else (outputs > 0.5).astype(int)
        labels = SEVERAL if np.ndim(y) == 2 else mlp.classes_
        found = chosen if np.ndim(y) == 2 else labels[chosen.ravel()]
        assert (found == mlp.predict(inputs)).all()
    right, bound = makers.outputs_and_bound(net, inputs)
    assert (np.abs(theirs - right) <= bound).all() and (np.abs(outputs - right) <= bound).all()


def test_the_arrays_are_transposed_copies():
    mlp = fitted(MLPRegressor, X[:, 0])
    net = fm.Network.from_sklearn(mlp)
    assert all((w == theirs.T).all() for w, theirs in zip(net.weights, mlp.coefs_, strict=True))
    mlp.coefs_[0][...] = 0
    assert net.weights[0].any()


def test_only_fitted_perceptrons_are_read():
    with pytest.raises(InvalidInput, match="fitted perceptron, got a MLPRegressor without coefficients; call fit"):
        fm.Network.from_sklearn(MLPRegressor())
    pipeline = fitted(lambda **options: make_pipeline(StandardScaler(), MLPRegressor(**options)), X[:, 0])
    with pytest.raises(WrongType, match=r"got Pipeline; pass its last step, pipeline\[-1\]"):
        fm.Network.from_sklearn(pipeline)
    assert fm.Network.from_sklearn(pipeline[-1]).sizes == (4, 5, 3, 1)
    search = fitted(lambda **options: GridSearchCV(MLPRegressor(**options), {"alpha": [0.1]}, cv=2), X[:, 0])
    with pytest.raises(WrongType, match="got GridSearchCV; pass its best_estimator_"):
        fm.Network.from_sklearn(search)
    for other in ("mlp", StandardScaler(), MLPRegressor):
        with pytest.raises(WrongType, match="expected an MLPClassifier or MLPRegressor"):
            fm.Network.from_sklearn(other)


def test_outputs_that_no_activation_has_are_refused():
    mlp = fitted(MLPRegressor, np.exp(X[:, 0]))
    mlp.out_activation_ = "exp"  # as after fitting with loss="poisson", in newer versions
    with pytest.raises(Refused, match="activations must be identity, logistic, relu, softmax, tanh, got 'exp'"):
        fm.Network.from_sklearn(mlp)
