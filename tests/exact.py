"""The exact tier: integer networks on which a backend and the oracle must agree with ``==``."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array

import formulations as fm
from formulations.functions.activations.piecewise import LeakyReLU
from formulations.functions.activations.table import get_activation
from formulations.verification.oracles.fractions import ExactGradient, gradient_in_fractions, rational

SEEDS = range(24)
FUNCTIONS = {"identity": "identity", "relu": "relu", "square": "square", "leaky": LeakyReLU(0.25)}
RATIONAL = {name: rational(get_activation(function)) for name, function in FUNCTIONS.items()}
# For z ≥ 0, at least as large as |value| and |slope| above at ±z: what they are dominated by.
DOMINATING = {name: RATIONAL["square" if name == "square" else "identity"] for name in FUNCTIONS}
# Halves of weights, quarters of ν and powers of two of the shares: every number is a multiple of this.
MANTISSA = {"float32": 24, "float64": 53, "longdouble": 53}


@dataclass(frozen=True)
class Case:
    """A network in integers, with its examples."""

    seed: int
    weights: list
    biases: list
    names: list
    X: list
    Y: list
    sample_weight: list | None
    sparse: bool

    def network(self, dtype: str) -> fm.Network:
        """Return it as a network, with PerNeuron if the neurons of a layer differ."""
        weights = [np.array(matrix, dtype) for matrix in self.weights]
        if self.sparse:
            # Every entry of the first row is stored, zeros too: stored zeros are parameters.
            matrix = csr_array(np.where(stored(weights[0]), 1, 0).astype(dtype))
            matrix.data[...] = weights[0][stored(weights[0])]
            weights[0] = matrix
        layers = [
            FUNCTIONS[layer[0]] if len(set(layer)) == 1 else fm.PerNeuron([FUNCTIONS[name] for name in layer])
            for layer in self.names
        ]
        return fm.Network(weights, [np.array(vector, dtype) for vector in self.biases], layers)

    def shares(self) -> list[Fraction]:
        weights = [Fraction(w) for w in self.sample_weight or [1] * len(self.X)]
        return [w / sum(weights) for w in weights]


def stored(matrix: np.ndarray) -> np.ndarray:
    """Places of the stored entries of the sparse first layer."""
    places = matrix != 0
    places[0] = True
    return places


@lru_cache
def case(seed: int, linear: bool) -> tuple[Case, ExactGradient]:
    """Return a network all of whose numbers are exact in float32, and its gradient in fractions."""
    random = np.random.default_rng([seed, linear])
    while True:
        made = _draw(random, seed, linear)
        if _bits(made) <= MANTISSA["float32"]:
            functions = [[RATIONAL[name] for name in layer] for layer in made.names]
            return made, gradient_in_fractions(made.weights, made.biases, functions, made.X, made.Y, made.shares())


def _draw(random: np.random.Generator, seed: int, linear: bool) -> Case:
    sizes = random.integers(1, 5, size=int(random.integers(2, 6))).tolist()
    m = 2 ** int(random.integers(0, 4))

    def integers(*shape: int) -> list:
        return random.integers(-2, 3, size=shape).tolist()

    weights = [integers(after, before) for before, after in pairwise(sizes)]
    kinds = ["identity"] if linear else [*FUNCTIONS]
    mixed = seed % 3 == 0
    names = [random.choice(kinds, size=n).tolist() if mixed else [str(random.choice(kinds))] * n for n in sizes[1:]]
    sparse = seed % 4 == 1
    weighted = seed % 2 == 1 and m >= 4
    # Powers of two whose sum is one too, so that every share is exact; one example is left out at times.
    weights_of = [1, 1, 2, 4, 8, 16, 32, 64][:m] if weighted else None
    return Case(
        seed, weights, [integers(n) for n in sizes[1:]], names, integers(m, sizes[0]), integers(m, sizes[-1]),
        weights_of, sparse,
    )  # fmt: skip


def _bits(made: Case) -> int:
    """Bits from the largest number that any order of summation can meet down to the unit of all of them."""
    absolute = gradient_in_fractions(
        [[[abs(w) for w in row] for row in matrix] for matrix in made.weights],
        [[abs(b) for b in vector] for vector in made.biases],
        [[DOMINATING[name] for name in layer] for layer in made.names],
        [[abs(x) for x in row] for row in made.X],
        [[-abs(y) for y in row] for row in made.Y],
        [Fraction(1)] * len(made.X),
    )
    # Each leaky layer brings a factor ¼ forward and one back, which squares and the cost may double.
    quarters = [layer for layer in made.names if "leaky" in layer]
    unit = Fraction(1, 2)
    power = 0
    for layer in made.names:
        power = power * (2 if "square" in layer else 1) + 2 * ("leaky" in layer)
    unit /= 4 ** (power + len(quarters))
    unit /= sum(made.sample_weight or [1] * len(made.X))
    return int(absolute.largest / unit).bit_length()


def disagreement(flag: str | fm.Backend, seed: int, linear: bool, dtype: str) -> str | None:
    """Return None if backend and oracle agree in every bit, else their first difference."""
    made, truth = case(seed, linear)
    net = made.network(dtype)
    X, Y = np.array(made.X, dtype), np.array(made.Y, dtype)
    found = fm.gradient(net, X, Y, backend=flag, sample_weight=made.sample_weight)
    if found.vector.dtype != np.dtype(dtype):
        return f"seed {seed}: dtype {found.vector.dtype}"
    pairs = [("C", found.cost, truth.cost)]
    for l, (mine, exact) in enumerate(zip(found.weights, truth.weights, strict=True), start=2):
        exact_array = np.array(exact, object)
        if made.sparse and l == 2:
            mine, exact_array = mine.data, exact_array[stored(np.array(made.weights[0]))]
        pairs += [(f"∂C/∂w^{l}", *pair) for pair in zip(mine.ravel(), exact_array.ravel(), strict=True)]
    for l, (mine, exact) in enumerate(zip(found.biases, truth.biases, strict=True), start=2):
        pairs += [(f"∂C/∂b^{l}", *pair) for pair in zip(mine, exact, strict=True)]
    for l, (mine, exact) in enumerate(zip(found.errors or (), truth.errors, strict=False), start=2):
        exact_array = np.array(exact, object)
        if mine.shape != exact_array.shape:
            return f"seed {seed}: δ^{l} has shape {mine.shape}, not {exact_array.shape}"
        pairs += [(f"δ^{l}", *pair) for pair in zip(mine.ravel(), exact_array.ravel(), strict=True)]
    for where, got, expected in pairs:
        if not (np.isfinite(got) and Fraction(*got.as_integer_ratio()) == expected):
            return f"seed {seed}: {where} is {expected}, got {got}"
    return None


def served(flag: str | fm.Backend, seed: int) -> bool | None:
    """Return the ``linear`` of the case that this backend serves, or None if it serves neither."""
    for linear in (False, True):
        net = case(seed, linear)[0].network("float64")
        backend = fm.get_backend(flag)
        if backend.why_not(net, fm.prepare(net, 1, backend="hadamard").cost) is None:
            return linear
    return None
