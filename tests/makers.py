"""What the tests are run over: every backend in every option, and networks with data from a seed."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
from scipy.sparse import csr_array

import formulations as fm
from formulations.activations import ACTIVATIONS
from formulations.costs import COSTS
from formulations.exceptions import FormulationsException

DTYPES = ("float32", "float64", "longdouble")
ELEMENTWISE = sorted(ACTIVATIONS)
COST_NAMES = sorted(COSTS)
# Smooth on the whole line, with a known curvature: what propagated bounds can follow.
SMOOTH = ("sigmoid", "tanh", "softplus", "silu", "sine")


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


FLAGS = flags()
# Those that read the tape which one shared forward pass has left.
TAPE_READING = [flag for flag in FLAGS if fm.get_backend(flag).tier in (fm.Tier.RECURRENCE, fm.Tier.PRODUCT)]
# Those whose only deviation from the gradient is rounding.
ANALYTIC = [flag for flag in FLAGS if fm.get_backend(flag).tier is not fm.Tier.PERTURBATION]
PERTURBING = [flag for flag in FLAGS if fm.get_backend(flag).tier is fm.Tier.PERTURBATION]


def serves(flag: str, net: fm.Network, cost="quadratic") -> bool:
    """Whether this backend can serve the network; a refusal is an exception of the project's own."""
    try:
        fm.prepare(net, 1, cost=cost, backend=flag)
    except FormulationsException:
        return False
    return True


def network(flag="hadamard", activations=("tanh", "sigmoid"), *, seed=0, sizes=(4, 5, 3), dtype="float64"):
    """Return a random network that this backend serves: with identities where it serves nothing else."""
    net = fm.Network.random(list(sizes), list(activations), seed=seed, dtype=dtype, init="glorot")
    # Glorot's biases are zero, which would hide whatever is wrong with them.
    for i, biases in enumerate(net.biases):
        biases[...] = np.random.default_rng(seed + i).normal(scale=0.5, size=biases.shape)
    if serves(flag, net):
        return net
    return fm.Network(list(net.weights), list(net.biases), "identity")


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


def locked(*arrays):
    """Make the arrays read-only and return them."""
    for array in arrays:
        array.flags.writeable = False
    return arrays
