"""The subject of an explanation: network, examples, cost, backends and, if one is planted, a mistake."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from formulations.arrays import Array, as_dtype, format_dtype, items
from formulations.backends import Backend, get_backend, list_backends
from formulations.exceptions import InvalidInput, Refused, UnknownName, WrongShape, WrongType, described
from formulations.explanation.walk.faults import Planted, plant
from formulations.functions import COSTS, Activation, Cost, PerNeuron, get_cost
from formulations.network import Batch, Network

__all__ = [
    "DEEPEST",
    "MOST_NUMBERS",
    "Scene",
    "check_keys",
    "check_layers",
    "check_size",
    "is_finite_number",
    "plain_matrix",
    "read_scene",
]

MOST_NUMBERS = 4096
"""The most numbers, of parameters and examples together, of a network that can be changed."""

DEEPEST = 64
"""The most layers of a network that can be changed: those of a thousand take minutes."""

KEYS = ("sizes", "activations", "cost", "weights", "biases", "X", "Y", "backends", "fault", "dtype")
REQUIRED = ("activations", "cost", "weights", "biases", "X", "Y", "backends")


@dataclass(frozen=True, eq=False)
class Scene:
    """The subject of an explanation.

    Attributes
    ----------
    network : Network
        The network.
    X, Y : ndarray of shape (m, n₁) and (m, n_L)
        The examples, checked.
    cost : Cost
        The cost.
    backends : tuple of Backend
        The formulations, one or two.
    planted : Planted or None
        The mistake in the reader's program.
    """

    network: Network
    X: Array
    Y: Array
    cost: Cost
    backends: tuple[Backend, ...]
    planted: Planted | None = None

    @property
    def batch(self) -> Batch:
        """The examples and the cost."""
        return Batch(self.X, self.Y, None, self.cost)

    @property
    def columns(self) -> tuple[Backend, ...]:
        """What is explained side by side: the backends, or the first one and the program with the mistake."""
        return self.backends if self.planted is None else (self.backends[0], self.planted.program)

    @property
    def count(self) -> int:
        """The number of parameters and of numbers in the examples."""
        return self.network.layout.count + self.X.size + self.Y.size

    def to_dict(self) -> dict[str, Any]:
        """Return the scene as plain Python values; without its numbers if it is too large to be changed."""
        network, small = self.network, self.count <= MOST_NUMBERS
        return {
            "sizes": list(network.sizes),
            "activations": [_plain_activation(activation) for activation in network.activations],
            "cost": self.cost.name,
            "weights": [_plain_weights(w) for w in network.weights] if small else None,
            "biases": [plain_matrix(b) for b in network.biases] if small else None,
            "X": plain_matrix(self.X) if small else None,
            "Y": plain_matrix(self.Y) if small else None,
            "backends": [backend.label for backend in self.backends],
            "fault": None if self.planted is None else {"name": self.planted.fault.name, "layer": self.planted.layer},
            "dtype": format_dtype(network.dtype),
        }


def plain_matrix(array: Array) -> Any:
    """Return an array as lists of numbers, with None for what is not finite, which JSON has no numbers for."""
    numbers = np.asarray(array, np.float64)
    if np.isfinite(numbers).all():
        return numbers.tolist()
    plain = numbers.astype(object)
    plain[~np.isfinite(numbers)] = None
    return plain.tolist()


def _plain_weights(w: Any) -> Any:
    """Return a matrix as lists of rows, with None for an entry that a sparse one does not store."""
    if not issparse(w):
        return plain_matrix(w)
    rows: list[list[float | None]] = [[None] * w.shape[1] for _ in range(w.shape[0])]
    for j, (start, end) in enumerate(zip(w.indptr, w.indptr[1:], strict=False)):
        for k, value in zip(w.indices[start:end], w.data[start:end], strict=True):
            rows[j][k] = float(value)
    return rows


def _plain_activation(activation: Activation) -> Any:
    """Return the name of an activation, or that of each neuron."""
    return [each.name for each in activation.members] if isinstance(activation, PerNeuron) else activation.name


def read_scene(plain: Any) -> Scene:
    """Read the plain form of a scene.

    Raises
    ------
    InvalidInput
        If a part is missing, or there are more than two backends.
    WrongType
        If a part is of another type.
    WrongShape
        If the parts do not fit together.
    Refused
        If there are too many numbers, or a backend cannot serve the network.
    UnknownName, NotFinite
        As :class:`formulations.Network` and :func:`formulations.gradient`.
    """
    check_keys(plain, "a scene", KEYS, REQUIRED)
    if plain["weights"] is None:
        raise Refused(
            f"a scene must have at most {MOST_NUMBERS} parameters and numbers in its examples to be changed; explain "
            "this network in Python, or choose a smaller one."
        )
    given = items(plain["weights"], "weights", "[[[0.5, -0.5]]]")
    biases = items(plain["biases"], "biases", "[[0.5]]")
    check_layers(len(given) + 1)
    _check_count([given, biases, plain["X"], plain["Y"]])
    given, biases, X, Y = (_floats(each, 3) for each in (given, biases, plain["X"], plain["Y"]))
    dtype = as_dtype(plain.get("dtype", "float64"))
    weights = [_read_weights(w, l, dtype) for l, w in enumerate(given, start=2)]
    names = items(plain["activations"], "activations", "['sigmoid', 'sigmoid']")
    activations = [PerNeuron(each) if isinstance(each, list) else each for each in names]
    network = Network(weights, biases, activations, dtype=dtype)
    if "sizes" in plain and plain["sizes"] != list(network.sizes):
        raise WrongShape(
            f"sizes must be those of the weights, {list(network.sizes)}, got {described(plain['sizes'])}; leave them "
            "out, or correct them."
        )
    cost = get_cost(plain["cost"])
    batch = network.check_examples(X, Y, cost=cost)
    chosen = items(plain["backends"], "backends", "['hadamard', 'sigma']")
    if len(chosen) > 2:
        raise InvalidInput(f"a scene has one backend, or two side by side, got {len(chosen)}; name one or two.")
    if any(not isinstance(each, str) for each in chosen):
        raise WrongType(f"backends must be names, got {described(chosen)}; pass names such as 'hadamard'.")
    planted, fault = None, plain.get("fault")
    if fault is not None:
        check_keys(fault, "a mistake", ("name", "layer"), ("name", "layer"))
        planted = plant(fault["name"], fault["layer"], network, batch)
    backends = tuple(map(get_backend, chosen))
    for backend in backends:
        _check_served(backend, network, cost)
    return Scene(network, batch.X, batch.Y, cost, backends, planted)


def _check_served(backend: Backend, network: Network, cost: Cost) -> None:
    """Say what a reader can choose before a change that a backend of the scene refuses."""
    if not (why := backend.why_not(network, cost)):
        return
    costs = [name for name in sorted(COSTS) if backend.why_not(network, get_cost(name)) is None]
    others = [name for name in list_backends() if get_backend(name).why_not(network, cost) is None]
    remedies = [f"the cost {costs[0]}"] if costs else []
    remedies += [f"another backend, such as {others[0]}"] if others else []
    first = " or ".join(remedies) or "other activations"
    raise Refused(f"{backend.label} cannot serve this network: {why.split(';')[0]}; first choose {first}.")


def check_keys(plain: Any, what: str, known: Sequence[str], required: Sequence[str]) -> None:
    """Raise an exception unless ``plain`` is a dictionary with the required keys and no unknown ones.

    Raises
    ------
    WrongType
        If it is not a dictionary.
    InvalidInput
        If a key is missing.
    UnknownName
        If it has another key.
    """
    if not isinstance(plain, Mapping):
        raise WrongType(f"{what} must be an object with the keys {', '.join(known)}, got {described(plain)}; pass one.")
    for key in plain:
        if key not in known:
            raise UnknownName("key", key, known, what)
    missing = [key for key in required if key not in plain]
    if missing:
        raise InvalidInput(
            f"{what} must have the keys {', '.join(required)}, and lacks {', '.join(missing)}; add them."
        )


def is_finite_number(value: Any) -> bool:
    """Whether a value that JSON gave is a number that a float can hold: integers may have any number of digits."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def check_size(count: int) -> None:
    """Raise an exception if there are more numbers than a scene may have.

    Raises
    ------
    Refused
        If there are more.
    """
    if count > MOST_NUMBERS:
        raise Refused(
            f"a scene must have at most {MOST_NUMBERS} parameters and numbers in its examples, and has more; choose a "
            "smaller network, or fewer examples."
        )


def check_layers(count: int) -> None:
    """Raise an exception if there are more layers than a scene may have.

    Raises
    ------
    Refused
        If there are more.
    """
    if count > DEEPEST:
        raise Refused(f"a scene must have at most {DEEPEST} layers, got {count}; choose a network with fewer.")


def _floats(plain: Any, depth: int) -> Any:
    """Return nested lists with floats for integers: JavaScript writes 1e20 as one, which is none of NumPy's."""
    if isinstance(plain, list) and depth:
        return [_floats(each, depth - 1) for each in plain]
    return float(plain) if type(plain) is int and is_finite_number(plain) else plain


def _check_count(plain: Any) -> None:
    """Count numbers in nested lists, and stop at the first one too many."""
    for count, _ in enumerate(_leaves(plain), start=1):
        check_size(count)


def _leaves(plain: Any) -> Iterable[Any]:
    stack = [iter([plain])]
    while stack:
        for each in stack[-1]:
            if isinstance(each, list | tuple):
                stack.append(iter(each))
                break
            yield each
        else:
            stack.pop()


def _read_weights(plain: Any, l: int, dtype: Any) -> Any:
    """Read a matrix of weights, sparse if some entries are None."""
    rows = items(plain, f"the weights of layer {l}", "[[0.5, -0.5]]")
    if not any(entry is None for row in rows if isinstance(row, list) for entry in row):
        return rows
    if len({len(row) if isinstance(row, list) else -1 for row in rows}) > 1:
        raise WrongShape(f"the weights of layer {l} must be a matrix, got rows of several lengths; correct them.")
    stored = [(j, k, value) for j, row in enumerate(rows) for k, value in enumerate(row) if value is not None]
    where = ([j for j, _, _ in stored], [k for _, k, _ in stored])
    if not all(is_finite_number(value) for *_, value in stored):
        raise InvalidInput(
            f"the weights of layer {l} must be finite numbers, or null where none is stored; correct them."
        )
    values = np.array([value for *_, value in stored], dtype)
    return csr_array((values, where), shape=(len(rows), len(rows[0])))
