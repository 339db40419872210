"""Functions from statistics and machine learning, most of them of a structure of arrays."""

from __future__ import annotations

import numpy as np
import scipy

from tests.audit.functions.elementary import exp, expm1, gammaln, log, log1p, sqrt, tanh
from tests.audit.functions.function import function, mapping

__all__: list[str] = []

KIND = "statistics and learning"
RANDOM = np.random.default_rng(2)


def log_sum_exp(x):
    return x.max() + log(exp(x - x.max()).sum())


def softmax(x):
    """Of each row."""
    powers = exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


function("log_sum_exp", KIND, np.linspace(-3, 4, 20), log_sum_exp, softmax, others=(700 + np.linspace(-9, 4, 20),))
mapping("softmax", [0.3, -1, 2, 0.5], softmax, lambda x: np.diag(softmax(x)) - np.outer(softmax(x), softmax(x)))

X = RANDOM.standard_normal((30, 6))
LABELS = (RANDOM.random(30) < 0.5).astype(np.float64)
function(
    "logistic_regression",
    KIND,
    RANDOM.standard_normal(6),
    lambda w: (log1p(exp(-(2 * LABELS - 1) * (X @ w)))).sum() / 30 + 0.01 * w @ w,
    lambda w: X.T @ (scipy.special.expit(X @ w) - LABELS) / 30 + 0.02 * w,
)
EVENTS = RANDOM.poisson(3, 30).astype(np.float64)
function(
    "poisson_regression",
    KIND,
    RANDOM.standard_normal(6) / 4,
    lambda w: (exp(X @ w) - EVENTS * (X @ w)).sum() + gammaln(EVENTS + 1).sum(),
    lambda w: X.T @ (np.exp(X @ w) - EVENTS),
)
function(
    "pseudo_huber",
    KIND,
    RANDOM.standard_normal(6),
    lambda w: (sqrt(1 + (X @ w - EVENTS) ** 2) - 1).sum(),
    lambda w: X.T @ ((X @ w - EVENTS) / np.sqrt(1 + (X @ w - EVENTS) ** 2)),
)
function(
    "entropy",
    KIND,
    [0.5, 0.3, 0.15, 0.05, 1e-5],
    lambda p: -(p * log(p)).sum(),
    lambda p: -np.log(p) - 1,
)
function(
    "norm_of_tanh",
    KIND,
    RANDOM.standard_normal(5),
    lambda x: sqrt((tanh(x) ** 2).sum()),
    lambda x: np.tanh(x) / np.cosh(x) ** 2 / np.linalg.norm(np.tanh(x)),
)


def mixture(p):
    logits = p["logits"] - log_sum_exp(p["logits"])
    apart = (POINTS[:, None] - p["means"]) * exp(-p["log_scales"])
    parts = logits - p["log_scales"] - apart * apart / 2
    return -sum(log_sum_exp(row) for row in parts)


def mixture_gradient(p):
    shares = softmax(p["logits"])
    apart = (POINTS[:, None] - p["means"]) * np.exp(-p["log_scales"])
    blame = softmax(np.log(shares) - p["log_scales"] - apart * apart / 2)
    return {
        "logits": len(POINTS) * shares - blame.sum(axis=0),
        "means": -(blame * apart * np.exp(-p["log_scales"])).sum(axis=0),
        "log_scales": -(blame * (apart * apart - 1)).sum(axis=0),
    }


POINTS = np.concatenate([RANDOM.normal(-2, 1, 10), RANDOM.normal(1, 0.5, 10)])
function(
    "gaussian_mixture",
    KIND,
    {"logits": np.array([0.1, -0.2, 0.3]), "means": np.array([-2.0, 0, 1.5]), "log_scales": np.array([0, 0.4, -0.3])},
    mixture,
    mixture_gradient,
)


def layer_norm(p):
    centred = p["x"] - p["x"].sum(axis=1, keepdims=True) / 5
    spread = sqrt((centred * centred).sum(axis=1, keepdims=True) / 5 + 1e-5)
    return (TARGET * (p["gain"] * centred / spread + p["shift"])).sum()


def layer_norm_gradient(p):
    centred = p["x"] - p["x"].mean(axis=1, keepdims=True)
    spread = np.sqrt((centred * centred).mean(axis=1, keepdims=True) + 1e-5)
    normal = centred / spread
    back = TARGET * p["gain"]
    own = back - back.mean(axis=1, keepdims=True) - normal * (back * normal).mean(axis=1, keepdims=True)
    return {"x": own / spread, "gain": (TARGET * normal).sum(axis=0), "shift": TARGET.sum(axis=0)}


TARGET = RANDOM.standard_normal((3, 5))
function(
    "layer_norm",
    KIND,
    {"x": RANDOM.standard_normal((3, 5)), "gain": np.ones(5), "shift": np.zeros(5)},
    layer_norm,
    layer_norm_gradient,
)


def batch_norm(x):
    centred = x.reshape(6, 2) - x.reshape(6, 2).sum(axis=0) / 6
    return (centred / sqrt((centred * centred).sum(axis=0) / 6 + 1e-5)).ravel()


def batch_norm_jacobian(x):
    jacobian = np.zeros((6, 2, 6, 2))
    for j, column in enumerate(x.reshape(6, 2).T):
        centred = column - column.mean()
        spread = np.sqrt(np.mean(centred * centred) + 1e-5)
        jacobian[:, j, :, j] = (np.eye(6) - 1 / 6 - np.outer(centred, centred) / (6 * spread**2)) / spread
    return jacobian.reshape(12, 12)


mapping("batch_norm", RANDOM.standard_normal(12), batch_norm, batch_norm_jacobian)


def attention(p):
    weights = softmax(p["query"] @ p["key"].T / 2)
    return (ANSWER * (weights @ p["value"])).sum()


def attention_gradient(p):
    weights = softmax(p["query"] @ p["key"].T / 2)
    back = ANSWER @ p["value"].T
    scores = weights * (back - (weights * back).sum(axis=1, keepdims=True)) / 2
    return {"query": scores @ p["key"], "key": scores.T @ p["query"], "value": weights.T @ ANSWER}


ANSWER = RANDOM.standard_normal((3, 4))
function(
    "attention",
    KIND,
    {name: RANDOM.standard_normal((3, 4)) for name in ("query", "key", "value")},
    attention,
    attention_gradient,
)


EXAMPLES, WANTED = RANDOM.standard_normal((8, 4)), RANDOM.standard_normal((8, 2))


def network(p):
    """The mean square of a network with one hidden layer, of the dtype of its parameters."""
    (w, b), (v, c) = p
    inputs, wanted = (EXAMPLES, WANTED) if w.dtype == object else (EXAMPLES.astype(w.dtype), WANTED.astype(w.dtype))
    apart = tanh(inputs @ w.T + b) @ v.T + c - wanted
    return (apart * apart).sum() / 16


def network_gradient(p):
    (w, b), (v, c) = p
    inputs = EXAMPLES.astype(w.dtype)
    hidden = np.tanh(inputs @ w.T + b)
    output_error = (hidden @ v.T + c - WANTED.astype(w.dtype)) / 8
    hidden_error = output_error @ v * (1 - hidden * hidden)
    return [
        (hidden_error.T @ inputs, hidden_error.sum(axis=0)),
        (output_error.T @ hidden, output_error.sum(axis=0)),
    ]


def parameters(dtype):
    random = np.random.default_rng(3)
    return [
        (random.standard_normal((5, 4)).astype(dtype) / 2, random.standard_normal(5).astype(dtype) / 4),
        (random.standard_normal((2, 5)).astype(dtype) / 2, random.standard_normal(2).astype(dtype) / 4),
    ]


function("network", KIND, parameters(np.float64), network, network_gradient)
function("single_precision_network", KIND, parameters(np.float32), network, network_gradient)


STEPS = RANDOM.standard_normal((5, 2))


def recurrent(p):
    """The squares of the last state of a recurrent network."""
    state = 0 * p["initial"]
    state = state + p["initial"]
    for x in STEPS:
        state = tanh(p["state"] @ state + p["input"] @ x)
    return (state * state).sum()


def recurrent_gradient(p):
    states = [p["initial"]]
    for x in STEPS:
        states.append(np.tanh(p["state"] @ states[-1] + p["input"] @ x))
    gradient = {name: np.zeros_like(array) for name, array in p.items()}
    error = 2 * states[-1]
    for x, before, after in zip(STEPS[::-1], states[-2::-1], states[:0:-1], strict=True):
        slope = error * (1 - after * after)
        gradient["state"] += np.outer(slope, before)
        gradient["input"] += np.outer(slope, x)
        error = p["state"].T @ slope
    gradient["initial"] = error
    return gradient


function(
    "recurrent_network",
    KIND,
    {
        "state": RANDOM.standard_normal((3, 3)) / 2,
        "input": RANDOM.standard_normal((3, 2)),
        "initial": RANDOM.standard_normal(3),
    },
    recurrent,
    recurrent_gradient,
)


# Kinks, at points where there is none.
def elu(z):
    return np.where(z > 0, z, expm1(np.minimum(z, 0 * z)))


KINKED = np.array([0.3, -1.2, 1e-3, 2])
function("absolute_values", KIND, KINKED, lambda x: abs(x).sum(), np.sign)
function("largest_entry", KIND, [1.0, 1.001, -3], lambda x: x.max(), lambda x: np.eye(3)[np.argmax(x)], around=0)
function(
    "huber",
    KIND,
    [0.2, 0.99, -3, 1.4],
    lambda x: np.where(abs(x) < 1, x * x / 2, abs(x) - 0.5).sum(),
    lambda x: np.clip(x, -1, 1),
)
function(
    "relu_network",
    KIND,
    RANDOM.standard_normal(12),
    lambda w: (np.maximum(EXAMPLES[:, :3] @ w.reshape(3, 4), 0) ** 2).sum() / 2,
    lambda w: (EXAMPLES[:, :3].T @ np.maximum(EXAMPLES[:, :3] @ w.reshape(3, 4), 0)).ravel(),
)
function(
    "power_three_halves",
    KIND,
    [0.01, -2, 1],
    lambda x: (abs(x) ** 1.5).sum(),
    lambda x: 1.5 * np.sign(x) * np.sqrt(np.abs(x)),
)
function("elu", KIND, KINKED, lambda x: elu(x).sum(), lambda x: np.where(x > 0, 1, np.exp(np.minimum(x, 0))))
TABLE = np.linspace(0, 5, 11)
function(
    "table",
    KIND,
    [0.7, 3.1],
    lambda x: np.interp(x, TABLE, TABLE**2).sum(),
    lambda x: 0.5 * (2 * np.floor(2 * x) + 1),
    exact=lambda x: sum((np.floor(2 * float(e)) + 0.5) * (e - np.floor(2 * float(e)) / 2) for e in x),
)
