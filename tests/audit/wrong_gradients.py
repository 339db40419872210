"""Wrong gradients of random networks: one table of the mistakes that the diagnosis should name, and of some it cannot.

They are computed by other code than that of the diagnosis: by the library's own call with changed arguments, by the
mutants of :mod:`tests.audit.mutants`, and by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import formulations as fm
from formulations.arrays import Array
from tests.audit.mutants import MUTANTS, fault

__all__ = ["KINDS", "Case", "Kind", "random_case"]

HIDDEN = ("sigmoid", "tanh", "sine", "softplus", "gelu", "silu", "elu", "relu")
OUTPUTS = (
    ("sigmoid", "quadratic"),
    ("tanh", "quadratic"),
    ("identity", "quadratic"),
    ("sigmoid", "binary_cross_entropy"),
    ("softmax", "log_likelihood"),
)


@dataclass(frozen=True)
class Case:
    """A network with examples, and its right gradient.

    Attributes
    ----------
    net, X, Y, cost
        The problem.
    random : numpy.random.Generator
        Draws the details of a mistake.
    """

    net: fm.Network
    X: Array
    Y: Array
    cost: str
    random: np.random.Generator

    def gradient(self, X: Any = None, Y: Any = None, **others: Any) -> Array:
        """Return the right gradient, of other examples, another network or another cost if they are given."""
        arguments = {"cost": self.cost, **others}
        net = arguments.pop("net", self.net)
        return fm.gradient(net, self.X if X is None else X, self.Y if Y is None else Y, **arguments).vector

    @property
    def right(self) -> Array:
        """The right gradient."""
        return self.gradient()

    @property
    def weights_alone(self) -> Array:
        """The weights, and 0 for biases."""
        vector = self.net.vector.copy()
        for _, of_biases in self.net.layout.slices:
            vector[of_biases] = 0
        return vector

    def by_mutant(self, name: str) -> Array | None:
        """Return the gradient of a mutant with its fault in a random layer, or None if it has no effect."""
        layers = [each for each in MUTANTS[name].layers if each is None]
        layers += range(2, len(self.net.sizes) + 1) if MUTANTS[name].layers != (None,) else []
        layer = layers[int(self.random.integers(len(layers)))]
        found = self.gradient(backend=fault(name, layer))
        return None if np.allclose(found, self.right, rtol=1e-3, atol=0) else found


@dataclass(frozen=True)
class Kind:
    """A kind of mistake.

    Attributes
    ----------
    name : str
        Its name.
    plant : callable (Case) -> candidate, or None if the network cannot have the mistake
        Makes it.
    causes : tuple of str
        The names that explain it; empty if the diagnosis should name none.
    second : str
        The second of two mistakes.
    arguments : callable (Case) -> dict, optional
        Further arguments of ``certify``.
    of : callable (Case) -> Case
        Makes a network that can have the mistake of any network.
    """

    name: str
    plant: Callable[[Case], Any]
    causes: tuple[str, ...]
    second: str = ""
    arguments: Callable[[Case], dict[str, Any]] = lambda _: {}
    of: Callable[[Case], Case] = lambda case: case


def random_case(number: int, seed: int = 0) -> Case:
    """Return the network with this number: 2 to 17 layers, 1 to 32 examples, float32 or float64."""
    random = np.random.default_rng([seed, number])
    depth = int(random.choice([2, 3, 3, 4, 4, 5, 6, 9, 17]))
    width = int(random.integers(2, 13))
    sizes = random.integers(2, width + 1, depth) if random.random() < 0.6 else np.full(depth, width)
    output, cost = OUTPUTS[int(random.integers(len(OUTPUTS)))]
    names = [*random.choice(HIDDEN, depth - 2), output]
    dtype = np.dtype(random.choice(["float32", "float64"]))
    net = fm.Network.random(sizes.tolist(), [str(name) for name in names], seed=random, dtype=dtype)
    for b in net.biases:
        b[...] = random.normal(scale=0.3, size=b.shape)
    m = int(random.choice([1, 2, 3, 5, 8, 13, 32]))
    X, Y = random.standard_normal((m, sizes[0])), random.random((m, sizes[-1]))
    if cost == "log_likelihood" or (cost != "quadratic" and random.random() < 0.5):
        Y = np.eye(sizes[-1])[random.integers(sizes[-1], size=m)]
    return Case(net, X.astype(dtype), Y.astype(dtype), cost, random)


def with_one_output(case: Case) -> Case:
    """Return the case with the first output alone, and labels 0 and 1 for a cost that asks for classes."""
    weights = [*case.net.weights[:-1], case.net.weights[-1][:1]]
    biases = [*case.net.biases[:-1], case.net.biases[-1][:1]]
    names = [activation.name for activation in case.net.activations]
    names[-1], cost = ("sigmoid", "binary_cross_entropy") if names[-1] == "softmax" else (names[-1], case.cost)
    net = fm.Network(weights, biases, names, dtype=case.net.dtype)
    return Case(net, case.X, (case.Y[:, :1] > 0.5).astype(case.net.dtype), cost, case.random)


def with_two_classes(case: Case) -> Case:
    """Return the case with labels of the first two classes in turn."""
    Y = np.eye(case.net.sizes[-1], dtype=case.net.dtype)[np.arange(len(case.X)) % 2]
    return Case(case.net, case.X, Y, case.cost, case.random)


KINDS: dict[str, Kind] = {}
"""Name → kind."""


def kind(*causes: str, second: str = "", **options: Any) -> Callable[[Callable[[Case], Any]], Callable[[Case], Any]]:
    """Return a decorator that adds a function to the table."""

    def add(plant: Callable[[Case], Any]) -> Callable[[Case], Any]:
        KINDS[plant.__name__] = Kind(plant.__name__, plant, causes, second, **options)
        return plant

    return add


def _of_mutant(name: str) -> None:
    def plant(case: Case) -> Any:
        return None if name == "example_dropped" and len(case.X) == 1 else case.by_mutant(name)

    # Without a factor ½ in the cost, a factor of 2 is a sum of two gradients.
    others = {"factor_two": ("calls_accumulated",)}
    KINDS[name] = Kind(name, plant, (MUTANTS[name].cause or "", *others.get(name, ())))


for _name, _mutant in MUTANTS.items():
    if _mutant.cause and _name not in ("single_precision_sums", "one_entry", "one_billionth", "odd_examples"):
        _of_mutant(_name)


def _several(case: Case) -> bool:
    """Whether there are several examples, whose gradients are linearly independent and have more entries."""
    rows = fm.per_example_gradients(case.net, case.X, case.Y, cost=case.cost)
    return 2 < len(rows) < rows.shape[1] and bool(np.linalg.matrix_rank(rows, rtol=1e-4) == len(rows))


# Multiples


@kind("outputs_averaged")
def outputs_averaged(case: Case) -> Any:
    return case.right * ((2 if case.cost == "quadratic" else 1) / case.net.sizes[-1])


def _mean_over_outputs(case: Case) -> dict[str, Any]:
    return {"cost": f"{2 if case.cost == 'quadratic' else 1}/{case.net.sizes[-1]} {case.cost}"}


@kind("outputs_summed", arguments=_mean_over_outputs)
def outputs_summed(case: Case) -> Any:
    return case.right * (2 if case.cost == "quadratic" else 1)


@kind("outputs_summed", arguments=_mean_over_outputs)
def examples_and_outputs_summed(case: Case) -> Any:
    return outputs_summed(case) * len(case.X)


@kind("calls_accumulated")
def calls_accumulated(case: Case) -> Any:
    total = np.zeros_like(case.right)
    for _ in range(int(case.random.integers(2, 9))):
        total += case.right
    return total


@kind("norm_clipped")
def norm_clipped(case: Case) -> Any:
    found = case.right
    norm = np.linalg.norm(found)
    limit = next(limit for limit in (1.0, 0.5, 0.1, 1e-2, 1e-3, 1e-4, 1e-6) if limit < norm)
    return found * found.dtype.type(limit / (norm + 1e-6))


@kind("norm_clipped")
def sum_clipped_by_norm(case: Case) -> Any:
    total = case.right * len(case.X)
    limit = next(limit for limit in (1.0, 0.5, 0.1, 1e-2, 1e-3, 1e-4, 1e-6) if limit < np.linalg.norm(total))
    return total * total.dtype.type(limit / (np.linalg.norm(total) + 1e-6))


@kind("step")
def step(case: Case) -> Any:
    return -case.right.dtype.type(case.random.choice([0.1, 0.01, 0.05, 3e-4])) * case.right


@kind("batch_size", "multiple")
def batch_size(case: Case) -> Any:
    return case.right * len(case.X) / (len(case.X) + int(case.random.integers(3, 30)))


@kind("multiple")
def loss_scaled(case: Case) -> Any:
    return case.right * case.right.dtype.type(2**16)


@kind("multiple")
def multiple(case: Case) -> Any:
    return case.right * case.right.dtype.type(case.random.uniform(-3, 3))


# The problem


@kind("output_activation_twice")
def output_activation_twice(case: Case) -> Any:
    name = case.net.activations[-1].name
    if name == "identity":
        return None
    n = case.net.sizes[-1]
    biases = [*case.net.biases, np.zeros(n)]
    longer = fm.Network([*case.net.weights, np.eye(n)], biases, [*case.net.activations, name], dtype=case.net.dtype)
    found = fm.gradient(longer, case.X, case.Y, cost=case.cost)
    return list(found.weights[:-1]), list(found.biases[:-1])


@kind("other_cost")
def other_cost(case: Case) -> Any:
    other = {"quadratic": "binary_cross_entropy"}.get(case.cost, "quadratic")
    if case.net.activations[-1].name not in ("sigmoid", "softmax"):
        return None
    return case.gradient(cost=other)


@kind("labels_shifted_by_class")
def labels_shifted_by_class(case: Case) -> Any:
    return case.gradient(Y=np.roll(case.Y, int(case.random.choice([1, -1])), axis=1))


@kind("labels_shifted_by_row")
def labels_shifted_by_row(case: Case) -> Any:
    return case.gradient(Y=np.roll(case.Y, int(case.random.choice([1, -1])), axis=0)) if _several(case) else None


@kind("labels_recoded", of=with_one_output)
def labels_swapped(case: Case) -> Any:
    return case.gradient(Y=1 - case.Y)


@kind("targets_broadcast", of=with_one_output)
def targets_broadcast(case: Case) -> Any:
    return case.gradient(Y=np.full_like(case.Y, case.Y.mean()))


@kind("example_dropped", of=with_one_output)
def several_dropped_for_one_output(case: Case) -> Any:
    kept = slice(None, -2) if case.random.random() < 0.5 else slice(2, None)
    rows = fm.per_example_gradients(case.net, case.X, case.Y, cost=case.cost)
    # In fewer dimensions other mistakes have the same gradient.
    several = len(rows) > 3 and np.linalg.matrix_rank(rows, rtol=1e-4) > 3
    return case.gradient(case.X[kept], case.Y[kept]) if several else None


@kind("label_smoothing")
def label_smoothing(case: Case) -> Any:
    if len(case.X) == 1 and case.net.sizes[-1] == 2:
        # Any multiple of δ^L is explained by some ε.
        return None
    epsilon = case.random.choice([0.1, 0.05, 0.2])
    return case.gradient(Y=(case.Y * (1 - epsilon) + epsilon / case.net.sizes[-1]).astype(case.net.dtype))


@kind("gelu_by_tanh")
def gelu_by_tanh(case: Case) -> Any:
    names = [activation.name for activation in case.net.activations]
    if "gelu" not in names:
        return None
    factor = float(np.sqrt(2 / np.pi))

    def value(z):
        return z / 2 * (1 + np.tanh(factor * (z + 0.044715 * z**3)))

    def slope(z):
        t = np.tanh(factor * (z + 0.044715 * z**3))
        return (1 + t) / 2 + z / 2 * (1 - t * t) * factor * (1 + 3 * 0.044715 * z**2)

    by_tanh = fm.activation(value, slope, name="gelu_by_tanh_here")
    net = fm.Network(
        case.net.weights, case.net.biases, [by_tanh if name == "gelu" else name for name in names], dtype=case.net.dtype
    )
    return case.gradient(net=net)


@kind("diagonal_slope", "logistic_slope")
def diagonal_slope(case: Case) -> Any:
    if case.cost != "log_likelihood":
        return None
    # The cost is not combined with the output: −y/a, and then only the diagonal of Σ′.
    tape = case.net.forward(case.X, case.Y, cost="quadratic")
    a = tape.activations[-1]
    delta, weights, biases = (a - case.Y) / len(a) * a * (1 - a), [], []
    for l in range(len(case.net.sizes), 1, -1):
        weights.insert(0, delta.T @ tape.activations[l - 2])
        biases.insert(0, delta.sum(axis=0))
        if l > 2:
            delta = delta @ case.net.weights[l - 2] * tape.slopes[l - 3]
    return weights, biases


KINDS["diagonal_slope"] = Kind(
    "diagonal_slope", diagonal_slope, ("diagonal_slope", "logistic_slope"), arguments=lambda _: {"cost": "quadratic"}
)


# Examples


@kind("example_dropped", "one_example")
def examples_dropped(case: Case) -> Any:
    if not _several(case):
        return None
    kept = case.random.permutation(len(case.X))[: max(2, len(case.X) - int(case.random.integers(1, 4)))]
    found = case.gradient(case.X[kept], case.Y[kept])
    return found if case.random.random() < 0.5 else found * len(kept) / len(case.X)


@kind("examples_repeated")
def examples_repeated(case: Case) -> Any:
    if not _several(case):
        return None
    order = [*range(len(case.X)), *case.random.integers(len(case.X), size=int(case.random.integers(1, 4)))]
    return case.gradient(case.X[order], case.Y[order])


@kind("padded_with_zeros", "batch_size")
def padded_with_zeros(case: Case) -> Any:
    rows = int(case.random.integers(1, 9))
    X, Y = (np.vstack([part, np.zeros((rows, part.shape[1]), part.dtype)]) for part in (case.X, case.Y))
    if case.cost == "log_likelihood":
        Y[-rows:, 0] = 1
    return case.gradient(X, Y)


def _sample_weight(case: Case) -> dict[str, Any]:
    return {"sample_weight": 1 + np.arange(len(case.X)) % 4}


KINDS["sample_weights_ignored"] = Kind(
    "sample_weights_ignored",
    lambda case: case.right if _several(case) else None,
    ("sample_weights_ignored",),
    arguments=_sample_weight,
)
KINDS["sample_weights_twice"] = Kind(
    "sample_weights_twice",
    lambda case: case.gradient(sample_weight=_sample_weight(case)["sample_weight"] ** 2.0) if _several(case) else None,
    ("sample_weights_twice",),
    arguments=_sample_weight,
)


@kind("examples_weighted")
def examples_weighted(case: Case) -> Any:
    return case.gradient(sample_weight=case.random.uniform(0.2, 2, len(case.X))) if _several(case) else None


@kind("classes_weighted", of=with_two_classes)
def classes_weighted(case: Case) -> Any:
    if len(case.X) < 4 or not _several(case):
        return None
    return case.gradient(sample_weight=case.random.uniform(0.2, 3, 2)[case.Y.argmax(axis=1)])


# The finished gradient


@kind("layers_lost")
def layers_lost(case: Case) -> Any:
    if len(case.net.sizes) < 3:
        return None
    found = case.right.copy()
    found[: case.net.layout.slices[int(case.random.integers(len(case.net.sizes) - 2))][1].stop] = 0
    return found


@kind("decay_of_weights")
def decay_of_weights(case: Case) -> Any:
    return case.right + case.right.dtype.type(case.random.choice([0.1, 0.01, 1e-3, 5e-4])) * case.weights_alone


@kind("decay_of_all")
def decay_of_all(case: Case) -> Any:
    return case.right + case.right.dtype.type(case.random.choice([0.1, 0.01, 1e-3, 5e-4])) * case.net.vector


KINDS["decay_missing"] = Kind(
    "decay_missing", lambda case: case.right, ("decay_missing",), arguments=lambda _: {"l2": 0.01}
)
KINDS["decay_twice"] = Kind(
    "decay_twice",
    lambda case: case.right + case.right.dtype.type(0.02) * case.weights_alone,
    ("decay_of_weights",),
    arguments=lambda _: {"l2": 0.01},
)


@kind("parameters_returned")
def parameters_returned(case: Case) -> Any:
    return case.net.vector.copy()


@kind("parameters_updated")
def parameters_updated(case: Case) -> Any:
    return case.net.vector - case.right.dtype.type(0.5) * case.right


@kind("parameters_updated")
def parameters_updated_with_decay(case: Case) -> Any:
    rate, decay = (case.right.dtype.type(number) for number in (0.1, 0.01))
    decayed = case.net.vector if case.random.random() < 0.5 else case.weights_alone
    return case.net.vector - rate * (case.right + decay * decayed)


@kind("parameters_moved")
def parameters_after_adam(case: Case) -> Any:
    return case.net.vector + equal_entries(case)


@kind("equal_entries")
def equal_entries(case: Case) -> Any:
    g = case.right
    mean, square = 0.1 * g / (1 - 0.9), 0.001 * g**2 / (1 - 0.999)
    return -g.dtype.type(1e-3) * mean / (np.sqrt(square) + g.dtype.type(1e-8))


@kind("equal_entries")
def difference_by_adam(case: Case) -> Any:
    return (case.net.vector + equal_entries(case)) - case.net.vector


@kind("value_clipped")
def value_clipped(case: Case) -> Any:
    limit = np.sort(np.abs(case.right))[-max(3, case.right.size // 5)]
    return np.clip(case.right, -limit, limit) if limit > 0 else None


@kind("single_entry")
def single_entry(case: Case) -> Any:
    found = case.right.copy()
    part = case.net.layout.slices[int(case.random.integers(len(case.net.layout.slices)))][0]
    worst = part.start + int(np.argmax(np.abs(found[part])))
    found[worst] *= 1 + case.random.choice([1e-2, 1e-1, 1.0])
    return found


@kind("single_precision")
def single_precision(case: Case) -> Any:
    if case.net.dtype == np.float32:
        return None
    single = np.float32
    return case.gradient(case.X.astype(single), case.Y.astype(single), net=case.net.astype(single)).astype(float)


@kind("single_precision")
def sums_in_single_precision(case: Case) -> Any:
    if case.net.dtype == np.float32:
        return None
    tape, found = (
        case.net.forward(case.X, case.Y, cost=case.cost),
        fm.gradient(case.net, case.X, case.Y, cost=case.cost),
    )
    if found.errors is None:
        return None
    pairs = [
        (d.astype(np.float32).T @ a.astype(np.float32), d.sum(axis=0))
        for d, a in zip(found.errors, tape.activations, strict=False)
    ]
    return [w.astype(float) for w, _ in pairs], [b for _, b in pairs]


# Functions


@kind("dropout_left_on")
def dropout_left_on(case: Case) -> Any:
    random = np.random.default_rng(0)
    if len(case.net.sizes) < 3:
        return None

    def function(net: fm.Network, X: Array, Y: Array) -> Any:
        # A hidden layer of which half of the neurons are left out.
        keep = random.random(net.sizes[1]) < 0.5
        weights = [w.copy() for w in net.weights]
        weights[1] *= keep
        found = case.gradient(X, Y, net=fm.Network(weights, net.biases, net.activations))
        of_weights, of_biases = net.layout.slices[0]
        found[of_weights] *= np.repeat(keep, net.sizes[0])
        found[of_biases] *= keep
        return found

    return function


@kind("dropout_left_on")
def dropout_by_example(case: Case) -> Any:
    random = np.random.default_rng(0)
    if len(case.net.sizes) < 3:
        return None

    def function(net: fm.Network, X: Array, Y: Array) -> Any:
        # Each example has a mask of its own.
        masks = (random.random((len(X), net.sizes[1])) < 0.7) / 0.7
        total = np.zeros(net.vector.size)
        for x, y, keep in zip(X, Y, masks, strict=True):
            weights = [w.copy() for w in net.weights]
            weights[1] = (weights[1] * keep).astype(net.dtype)
            found = case.gradient(x[None], y[None], net=fm.Network(weights, net.biases, net.activations))
            # What multiplies a in the forward pass multiplies its derivative in (BP4).
            found[net.layout.slices[1][0]] *= np.tile(keep, net.sizes[2]).astype(net.dtype)
            total += found / len(X)
        return total.astype(net.dtype)

    return function


@kind("random_calls")
def noise_in_the_examples(case: Case) -> Any:
    random = np.random.default_rng(0)
    return lambda net, X, Y: case.gradient(X + 0.1 * random.standard_normal(X.shape).astype(X.dtype), Y, net=net)


@kind("call_accumulated")
def call_accumulated(case: Case) -> Any:
    total = case.right.copy()

    def function(net: fm.Network, X: Array, Y: Array) -> Any:
        total[...] += case.gradient(X, Y, net=net)
        return total.copy()

    return function


@kind("cached_answer")
def cached_answer(case: Case) -> Any:
    if not _several(case):
        return None
    first = case.gradient(case.X[:2], case.Y[:2])
    return lambda *_: first


@kind("random_calls")
def random_calls(case: Case) -> Any:
    random = np.random.default_rng(0)
    scale = np.linalg.norm(case.right)
    return lambda net, X, Y: case.gradient(X, Y, net=net) + scale * random.standard_normal(case.right.size)


# Two at once

STRUCTURAL = ("slope_missing", "value_for_slope", "weighted_input_for_activation", "weights_transposed")


def _pair(name: str, second: str, plant: Callable[[Case, Array], Array]) -> None:
    def both(case: Case) -> Any:
        wrong = case.by_mutant(name)
        return None if wrong is None else plant(case, wrong)

    KINDS[f"{name}, {second}"] = Kind(f"{name}, {second}", both, (name,), second)


for _name in STRUCTURAL:
    _pair(_name, "sum_for_mean", lambda case, wrong: wrong * len(case.X) if len(case.X) > 1 else None)
    _pair(_name, "decay_of_weights", lambda case, wrong: wrong + wrong.dtype.type(0.01) * case.weights_alone)


@kind("label_smoothing", second="sign")
def label_smoothing_and_sign(case: Case) -> Any:
    # Any two entries of δ^L are explained by ε and a factor.
    return -label_smoothing(case) if len(case.X) > 1 and case.net.sizes[-1] > 2 else None


@kind("label_smoothing", second="decay_of_weights")
def label_smoothing_and_decay(case: Case) -> Any:
    smooth = label_smoothing(case)
    return None if smooth is None else smooth + smooth.dtype.type(0.01) * case.weights_alone


@kind("label_smoothing", second="decay_of_all")
def label_smoothing_and_decay_of_all(case: Case) -> Any:
    smooth = label_smoothing(case)
    return None if smooth is None else smooth + smooth.dtype.type(0.01) * case.net.vector


@kind("sign", second="decay_of_weights")
def sign_and_decay(case: Case) -> Any:
    return -case.right + case.right.dtype.type(0.01) * case.weights_alone


# Mistakes that have no name


@kind()
def noise(case: Case) -> Any:
    return case.right * (1 + 0.01 * case.random.standard_normal(case.right.size))


@kind()
def noise_in_one_array(case: Case) -> Any:
    found = case.right.copy()
    part = case.net.layout.slices[int(case.random.integers(len(case.net.layout.slices)))][0]
    found[part] *= 1 + 1e-3 * case.random.standard_normal(found[part].size)
    return found


@kind()
def one_array_scaled(case: Case) -> Any:
    found = case.right.copy()
    part = case.net.layout.slices[int(case.random.integers(len(case.net.layout.slices)))][int(case.random.integers(2))]
    found[part] *= found.dtype.type(case.random.uniform(1.1, 1.9))
    return found if np.count_nonzero(found[part]) > 1 else None


@kind()
def weights_absolute(case: Case) -> Any:
    return case.gradient(backend=fault("weights_absolute")) if len(case.net.sizes) > 2 else None


@kind()
def output_plus(case: Case) -> Any:
    return case.gradient(backend=fault("output_plus")) if case.cost == "quadratic" else None


@kind()
def other_network(case: Case) -> Any:
    other = case.net.copy()
    other.vector[...] += (0.01 * case.random.standard_normal(other.vector.size)).astype(other.dtype)
    return case.gradient(net=other)


@kind()
def slope_smeared(case: Case) -> Any:
    found = fm.gradient(case.net, case.X, case.Y, cost=case.cost)
    tape = case.net.forward(case.X, case.Y, cost=case.cost)
    delta = [d * (1 + np.abs(d)) for d in found.errors or ()]
    pairs = [(d.T @ a, d.sum(axis=0)) for d, a in zip(delta, tape.activations, strict=False)]
    return [w for w, _ in pairs], [b for _, b in pairs]
