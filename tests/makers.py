"""What the tests are run over: every backend in every option, and networks with data from a seed."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from scipy.sparse import csr_array

import formulations as fm
from formulations.exceptions import FormulationsException
from formulations.functions.activations.table import ACTIVATIONS
from formulations.functions.costs.table import COSTS, get_cost
from formulations.network.point import Point
from formulations.verification.operators import OperatorReference, evaluate, judge_operator
from formulations.verification.oracles.reference import reference_gradient
from formulations.verification.tolerances.customary import Formulas
from formulations.verification.tolerances.judging import judge_backend
from formulations.verification.tolerances.propagation import propagate_bounds
from formulations.verification.tolerances.verdict import Verdict

DTYPES = ("float32", "float64", "longdouble")
ELEMENTWISE = sorted(name for name, activation in ACTIVATIONS.items() if not activation.coupled)
COST_NAMES = sorted(COSTS)
# Smooth on the whole line, with a known curvature: what propagated bounds can follow.
SMOOTH = ("sigmoid", "tanh", "softplus", "silu", "sine")
# a_j = z_j z_{j+1}, whose Σ′ is not symmetric, and neither is its change.
NEIGHBOURS = fm.coupled_activation(
    lambda z: z * np.roll(z, -1, axis=1),
    lambda z, v: v * np.roll(z, -1, axis=1) + z * np.roll(v, -1, axis=1),
    lambda z, u: u * np.roll(z, -1, axis=1) + np.roll(z * u, 1, axis=1),
    curvature=lambda _z, _a, v, u: u * np.roll(v, -1, axis=1) + np.roll(v * u, 1, axis=1),
    name="neighbours",
)
# a_j = z_1 + … + z_j, whose Σ′ is triangular.
CUMULATIVE = fm.coupled_activation(
    lambda z: np.cumsum(z, axis=1),
    lambda _, v: np.cumsum(v, axis=1),
    lambda _, v: np.cumsum(v[:, ::-1], axis=1)[:, ::-1],
    curvature=lambda z, *_: np.zeros_like(z),
    name="cumulative",
)


class HadamardWrapper(fm.Backend):
    """Another backend's errors under another name; a test derives from it what it changes or observes."""

    name = "wrapper"
    summary = "Hadamard products, wrapped"
    equations = fm.get_backend("hadamard").equations
    tier = fm.get_backend("hadamard").tier
    serves_coupled = False

    def errors(self, *given: Any) -> Any:
        """Return what hadamard returns."""
        return fm.get_backend("hadamard").errors(*given)


def flags() -> list[str]:
    """Each backend, each value of its options that has a finite list, and each one example at a time."""
    found = []
    for name in fm.list_backends():
        backend = fm.get_backend(name)
        found.append(name)
        if is_dataclass(backend):
            hints = get_type_hints(type(backend))
            for field in fields(backend):
                if get_origin(hints[field.name]) is Literal:
                    values = get_args(hints[field.name])
                    found += [f"{name}:{field.name}={value}" for value in values if value != field.default]
        found.append(f"{name}:batch=example")
    return found


def skip_absent(flag: str) -> None:
    """Skip if the backend needs a package that is not installed, for the reason that it gives."""
    plain = fm.Network([np.ones((1, 1))], [np.zeros(1)], "identity")
    reason = fm.get_backend(flag).why_not(plain, get_cost("quadratic"))
    if reason is not None and "not installed" in reason:
        pytest.skip(reason)


FLAGS = flags()
# Those that read the tape which one shared forward pass has left.
TAPE_READING = [flag for flag in FLAGS if fm.get_backend(flag).tier in (fm.Tier.RECURRENCE, fm.Tier.PRODUCT)]
# Those whose only deviation from the gradient is rounding.
ANALYTIC = [flag for flag in FLAGS if fm.get_backend(flag).tier is not fm.Tier.PERTURBATION]
# Those that leave the outputs of their own forward pass on the tape.
OUTPUT_ON_TAPE = [
    flag for flag in ANALYTIC
    if fm.get_backend(flag).inner.tier is not fm.Tier.FORWARD or fm.get_backend(flag).name == "per_neuron"
]  # fmt: skip
PERTURBING = [flag for flag in FLAGS if fm.get_backend(flag).tier is fm.Tier.PERTURBATION]


def serves(flag: str, net: fm.Network, cost="quadratic") -> bool:
    """Whether this backend can serve the network; a refusal is an exception of the project's own."""
    try:
        fm.prepare(net, 1, cost=cost, backend=flag)
    except FormulationsException:
        return False
    return True


def network(flag="hadamard", activations=("tanh", "sigmoid"), *, seed=0, sizes=(4, 5, 3), dtype="float64"):
    """Return a random network that this backend serves: with identities if it serves nothing else."""
    net = fm.Network.random(list(sizes), list(activations), seed=seed, dtype=dtype, init="glorot")
    # Glorot's biases are zero, which would hide whatever is wrong with them.
    for i, biases in enumerate(net.biases):
        biases[...] = np.random.default_rng(seed + i).normal(scale=0.5, size=biases.shape)
    if serves(flag, net):
        return net
    linear = fm.Network(list(net.weights), list(net.biases), "identity")
    if not serves(flag, linear):
        pytest.skip(fm.get_backend(flag).why_not(linear, get_cost("quadratic")))
    return linear


def data(net: fm.Network, m=8, *, seed=0):
    """Return X and Y for a network, with targets in (0, 1)."""
    random = np.random.default_rng(1000 + seed)
    X = random.normal(size=(m, net.sizes[0])).astype(net.dtype)
    Y = random.uniform(0.1, 0.9, size=(m, net.sizes[-1])).astype(net.dtype)
    return X, Y


def sparse_network(*, seed=0, dtype="float64", activations=("tanh", "sigmoid")):
    """Return a network with a sparse first and a dense second weight matrix; a stored zero is among the entries."""
    random = np.random.default_rng(seed)
    first = random.normal(size=(5, 4)).astype(dtype) * (random.random((5, 4)) < 0.5)
    first[0, 0] = 1
    matrix = csr_array(first)
    matrix.data[0] = 0
    return fm.Network(
        [matrix, random.normal(size=(3, 5)).astype(dtype)],
        [random.normal(size=5).astype(dtype), random.normal(size=3).astype(dtype)],
        list(activations),
    )


@dataclass(frozen=True)
class Case:
    """A network with its examples and cost."""

    net: fm.Network
    X: Any
    Y: Any
    cost: str | fm.Cost = "quadratic"
    sample_weight: Any = None

    def computed(self, flag: str) -> tuple[fm.Plan, fm.Gradient]:
        """Return the gradient by a backend, and the plan on whose tape it was computed."""
        skip_absent(flag)
        plan = fm.prepare(self.net, len(self.X), cost=self.cost, backend=flag)
        with np.errstate(all="ignore"):
            return plan, plan(self.X, self.Y, self.sample_weight)

    def verdict(self, flag: str) -> Verdict:
        """Return what the certificate says of a backend's gradient."""
        plan, gradient = self.computed(flag)
        return judge_backend(plan.backend, plan.tape, gradient)

    def operator_verdict(self, flag: str, operator: str) -> Verdict:
        """Return what the certificate says of a backend's operator, in one direction."""
        skip_absent(flag)
        backend, net = fm.get_backend(flag), self.net
        batch = net.check_examples(self.X, self.Y, cost=self.cost, sample_weight=self.sample_weight)
        assert backend.why_not_operator(operator, net, batch.cost) is None
        v = np.random.default_rng(0).standard_normal(net.layout.count).astype(net.dtype)
        with np.errstate(all="ignore"):
            linearization = backend.linearize(Point(net, batch))
            found = evaluate(linearization, operator, v)
            return judge_operator(linearization, found, OperatorReference(operator, Point(net, batch), v))


def random_case(seed: int, dtype: str, flag: str = "sigma", *, widest: int = 12, deepest: int = 8) -> Case:
    """Return a network of random shape and scale, from vanishing to saturated, that this backend serves."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, widest + 1, random.integers(2, deepest + 1)).tolist()
    m = int(random.integers(1, 33))
    served = [name for name in ELEMENTWISE if ACTIVATIONS[name].why_not(dtype) is None]
    names: list[Any] = random.choice(served, len(sizes) - 1).tolist()
    cost = "quadratic"
    if seed % 5 == 0:
        names[0] = fm.PerNeuron(random.choice(served, sizes[1]).tolist())
    if seed % 5 == 1:
        names[-1], cost = "softmax", ("quadratic", "log_likelihood")[seed % 2]
    if seed % 5 == 2:
        names[int(random.integers(len(names)))] = "softmax"
    if seed % 3 == 0 and names[-1] != "softmax":
        names[-1], cost = "sigmoid", "binary_cross_entropy"
    if not serves(flag, fm.Network.random(sizes, names, seed=seed, dtype=dtype), cost):
        names, cost = ["identity" if flag.startswith("linear") else "tanh"] * len(names), "quadratic"
    net = fm.Network.random(sizes, names, seed=seed, dtype=dtype)
    net.vector[...] *= net.dtype.type(10 ** random.uniform(-3, 1))
    if seed % 7 == 0:
        pruned = [csr_array(w * (random.random(w.shape) < 0.5)) for w in net.weights]
        sparse = fm.Network(pruned, net.biases, names)
        net = sparse if serves(flag, sparse, cost) else net
    X = random.standard_normal((m, sizes[0])) * 10 ** random.uniform(-2, 1)
    weights = random.random(m) + 0.01 if seed % 4 == 0 else None
    return Case(net, X.astype(dtype), random.random((m, sizes[-1])).astype(dtype), cost, weights)


def plain_case(seed: int = 0, scale: float = 1.0, dtype: str = "float64", activations: Any = "sigmoid") -> Case:
    """Return a 4-4-4-4 network with five examples."""
    random = np.random.default_rng(seed)
    net = fm.Network.random([4, 4, 4, 4], activations, seed=seed, dtype=dtype)
    net.vector[...] *= net.dtype.type(scale)
    return Case(net, random.standard_normal((5, 4)).astype(dtype), random.random((5, 4)).astype(dtype))


def formed(blocks: Any) -> np.ndarray:
    """Return the matrices, shape (m, n, n), of blocks that are known by their products."""
    m, n, _ = blocks.shape
    return blocks @ np.broadcast_to(np.eye(n, dtype=blocks.dtype), (m, n, n))


def locked(*arrays):
    """Make the arrays read-only and return them."""
    for array in arrays:
        array.flags.writeable = False
    return arrays


def outputs_and_bound(net: fm.Network, X: Any) -> tuple[Any, Any]:
    """Return the outputs in a higher precision, and how far those of any program may be off, each of shape (m, n_L)."""
    reference = reference_gradient(net.forward(X, np.zeros((len(X), net.sizes[-1]), net.dtype)))
    return reference.activations[-1], propagate_bounds(reference, formulas=Formulas.CUSTOMARY).activations[-1]
