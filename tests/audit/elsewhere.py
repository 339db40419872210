"""Correct gradients computed elsewhere: by PyTorch, by JAX, and by NumPy with every customary formula.

``python -m tests.audit.elsewhere 10000`` judges the gradients of 10,000 random networks and prints the counts.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache, partial

import numpy as np
from scipy.special import erf

import formulations as fm
from formulations.backends.autodiff_jax import double_precision
from formulations.verification.oracles.reference import reference_gradient
from formulations.verification.tolerances.customary import APPROXIMATION
from formulations.verification.tolerances.judging import judge
from formulations.verification.tolerances.verdict import Status
from tests.audit.random_networks import random_problem


def logistic(z):
    """Return σ as most programs compute it."""
    return 1 / (1 + np.exp(-z))


def logistic_by_tanh(z):
    """Return σ by tanh, whose exponential does not overflow."""
    return (np.tanh(z / 2) + 1) / 2


def normal(z):
    """Return Φ by the error function."""
    return 0.5 * (1 + erf(z / np.sqrt(z.dtype.type(2))))


def one_minus_square(_, a):
    """Return tanh′ from a."""
    return 1 - a * a


def silu_slope(z, _):
    """Return silu′ with σ by tanh."""
    s = logistic_by_tanh(z)
    return s * (1 + z * (1 - s))


def gelu_slope(z, _):
    """Return Φ + zφ."""
    return normal(z) + z * np.exp(-z * z / 2) / np.sqrt(z.dtype.type(2 * np.pi))


# activation -> (value of z, slope of z and a), as hand-written programs compute them
FORMULAS = {
    "sigmoid": [
        (logistic, lambda _, a: a * (1 - a)),
        (logistic_by_tanh, lambda _, a: a * (1 - a)),
        (logistic, lambda z, _: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    ],
    "tanh": [
        (np.tanh, one_minus_square),
        (np.tanh, lambda z, _: 1 / np.cosh(z) ** 2),
        (lambda z: 2 * logistic(2 * z) - 1, one_minus_square),
        (lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z)), one_minus_square),
    ],
    "softplus": [
        (lambda z: np.log(1 + np.exp(z)), lambda _, a: 1 - np.exp(-a)),
        (lambda z: np.log(1 + np.exp(z)), lambda z, _: logistic(z)),
        (lambda z: -np.log(logistic(-z)), lambda z, _: logistic_by_tanh(z)),
        (lambda z: np.logaddexp(0, z).astype(z.dtype), lambda z, _: logistic(z)),
    ],
    "elu": [
        (lambda z: np.where(z > 0, z, np.exp(np.minimum(z, 0)) - 1), lambda z, a: np.where(z > 0, 1, a + 1)),
        (lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))), lambda z, _: np.exp(np.minimum(z, 0))),
    ],
    "gelu": [(lambda z: 0.5 * z * (1 + erf(z / np.sqrt(z.dtype.type(2)))), gelu_slope)],
    "silu": [
        (lambda z: z * logistic_by_tanh(z), silu_slope),
        (lambda z: z * logistic(z), lambda z, _: logistic(z) * (1 + z * (1 - logistic(z)))),
        (lambda z: z / (1 + np.exp(-z)), lambda z, a: a + logistic(z) * (1 - a)),
    ],
    "relu": [(lambda z: np.maximum(z, 0), lambda z, _: (z > 0).astype(z.dtype))],
    "leaky_relu": [
        (lambda z: np.where(z > 0, z, z.dtype.type(0.01) * z), lambda z, _: np.where(z > 0, 1, z.dtype.type(0.01)))
    ],
    "identity": [(np.copy, lambda z, _: np.ones_like(z))],
    "square": [(np.square, lambda z, _: 2 * z)],
    "sine": [(np.sin, lambda z, _: np.cos(z))],
}


def drawn(activation, random):
    """Return value and slope of a layer, by randomly chosen formulas."""
    if isinstance(activation, fm.PerNeuron):
        pairs = [drawn(member, random) for member in activation.members]

        def each(k, *arrays):
            columns = zip(*(array.T for array in arrays), strict=True)
            return np.stack([pair[k](*column) for pair, column in zip(pairs, columns, strict=True)], axis=1)

        return lambda z: each(0, z), lambda z, a: each(1, z, a)
    choices = FORMULAS[activation.name]
    return choices[random.integers(len(choices))]


def dense(problem):
    """Return the weights as arrays."""
    return [w.toarray() if hasattr(w, "toarray") else np.array(w) for w in problem.network.weights]


def shares(problem):
    """Return each example's share, shape (m, 1)."""
    weights = problem.sample_weight
    m, dtype = len(problem.X), problem.network.dtype
    found = (
        np.full(m, 1 / m) if weights is None else np.asarray(weights, np.float64) / np.sum(weights, dtype=np.float64)
    )
    return found.astype(dtype)[:, None]


# The costs as hand-written programs compute them, from the outputs.
COSTS = {
    "quadratic": lambda p, a: (np.linalg.norm(a - p.Y, axis=1) ** 2 / 2 * shares(p)[:, 0]).sum(),
    "binary_cross_entropy": lambda p, a: ((-p.Y * np.log(a) - (1 - p.Y) * np.log(1 - a)) * shares(p)).sum(),
    "log_likelihood": lambda p, a: -(np.log(a[p.Y == 1]) * shares(p)[:, 0]).sum(),
}


def by_numpy(problem):
    """Return ∂C/∂w, ∂C/∂b, δ and C by hand-written NumPy."""
    weights, net = dense(problem), problem.network
    random = np.random.default_rng(net.layout.count)
    zs, activations, slopes = [], [problem.X], []
    for w, b, activation in zip(weights, net.biases, net.activations, strict=True):
        z = activations[-1] @ w.T + b
        if activation.coupled:
            e = np.exp(z - z.max(axis=1, keepdims=True))
            a = e / e.sum(axis=1, keepdims=True)
            slopes.append(lambda v, a=a: a * (v - (a * v).sum(axis=1, keepdims=True)))
        else:
            value, slope = drawn(activation, random)
            a = value(z).astype(z.dtype)
            slopes.append(partial(np.multiply, slope(z, a).astype(z.dtype)))
        zs.append(z)
        activations.append(a)
    delta = (activations[-1] - problem.Y) * shares(problem)
    if problem.cost == "quadratic":
        delta = slopes[-1](delta)
    errors = [delta]
    for w, slope in zip(weights[:0:-1], slopes[-2::-1], strict=True):
        errors.insert(0, slope(errors[0] @ w))
    of_weights = [d.T @ a for d, a in zip(errors, activations, strict=False)]
    return of_weights, [d.sum(axis=0) for d in errors], errors, COSTS[problem.cost](problem, activations[-1])


def by_torch(problem):
    """Return ∂C/∂w, ∂C/∂b, δ and C by PyTorch's automatic differentiation and its own activations."""
    import torch
    from torch.nn import functional

    table = {
        "sigmoid": torch.sigmoid, "tanh": torch.tanh, "softplus": functional.softplus, "elu": functional.elu,
        "gelu": functional.gelu, "silu": functional.silu, "relu": functional.relu,
        "leaky_relu": functional.leaky_relu, "identity": lambda z: z * 1, "square": torch.square, "sine": torch.sin,
        "softmax": lambda z: functional.softmax(z, dim=1),
    }  # fmt: skip

    def layer(activation, z):
        if isinstance(activation, fm.PerNeuron):
            return torch.stack([table[f.name](z[:, j]) for j, f in enumerate(activation.members)], dim=1)
        return table[activation.name](z)

    net = problem.network
    weights, biases = (
        [torch.tensor(np.array(each)).requires_grad_() for each in p] for p in (dense(problem), net.biases)
    )
    X, Y, share = (torch.tensor(each) for each in (problem.X, problem.Y, shares(problem)))
    zs, a = [], X
    for w, b, activation in zip(weights, biases, net.activations, strict=True):
        zs.append(functional.linear(a, w, b))
        a = layer(activation, zs[-1])
    if problem.cost == "quadratic":
        values = ((a - Y) ** 2).sum(dim=1) / 2
    elif problem.cost == "binary_cross_entropy":
        values = functional.binary_cross_entropy_with_logits(zs[-1], Y, reduction="none").sum(dim=1)
    else:
        values = -(Y * functional.log_softmax(zs[-1], dim=1)).sum(dim=1)
    C = (values * share[:, 0]).sum()
    found = [each.numpy() for each in torch.autograd.grad(C, [*weights, *biases, *zs])]
    n = len(weights)
    return found[:n], found[n : 2 * n], found[2 * n :], C.detach().numpy()


WIDEST, MOST = 48, 16


@lru_cache
def jax_functions():
    """Return name -> (value, pull back) of JAX's activations, and the products of a layer, all compiled."""
    import jax
    from jax import nn
    from jax import numpy as jnp

    values = {
        "sigmoid": nn.sigmoid, "tanh": jnp.tanh, "softplus": nn.softplus, "elu": nn.elu,
        "gelu": lambda z: nn.gelu(z, approximate=False), "silu": nn.silu, "relu": nn.relu,
        "leaky_relu": nn.leaky_relu, "identity": lambda z: z, "square": jnp.square, "sine": jnp.sin,
        "softmax": lambda z: nn.softmax(z, axis=1),
    }  # fmt: skip
    table = {name: (jax.jit(f), jax.jit(lambda z, v, f=f: jax.vjp(f, z)[1](v)[0])) for name, f in values.items()}
    costs = {
        "quadratic": lambda _, a, Y, s: (((a - Y) ** 2).sum(axis=1) / 2 * s[:, 0]).sum(),
        "binary_cross_entropy": lambda z, _, Y, s: ((nn.softplus(z) - Y * z).sum(axis=1) * s[:, 0]).sum(),
        "log_likelihood": lambda z, _, Y, s: -((Y * nn.log_softmax(z, axis=1)).sum(axis=1) * s[:, 0]).sum(),
    }
    compiled = {
        name: jax.jit(jax.value_and_grad(cost, argnums=1 if name == "quadratic" else 0)) for name, cost in costs.items()
    }
    return (
        table,
        compiled,
        jax.jit(lambda a, w, b: a @ w.T + b),
        jax.jit(lambda d, a, w: (d.T @ a, d.sum(axis=0), d @ w)),
    )


def by_jax(problem):
    """Return ∂C/∂w, ∂C/∂b, δ and C by JAX, layer by layer in arrays of one shape, so that it compiles once."""
    with double_precision():
        table, costs, forward, back = jax_functions()
        net, m, dtype = problem.network, len(problem.X), problem.network.dtype

        def padded(array, rows, columns, fill=0.0):
            whole = np.full((rows, columns), fill, dtype)
            whole[: array.shape[0], : array.shape[1]] = array
            return whole

        def each(activation, k, z, *v):
            n = len(activation.members) if isinstance(activation, fm.PerNeuron) else WIDEST
            whole = np.empty_like(z)
            for function in activation.functions:
                chosen = [activation.neuron(j) == function for j in range(n)] + [False] * (WIDEST - n)
                whole[:, chosen] = np.asarray(table[function.name][k](z, *v))[:, chosen]
            whole[:, n:] = 0
            return whole

        weights = [padded(w, WIDEST, WIDEST) for w in dense(problem)]
        zs, activations = [], [padded(problem.X, MOST, WIDEST)]
        for w, b, activation in zip(weights, net.biases, net.activations, strict=True):
            z = np.array(forward(activations[-1], w, padded(b[None], 1, WIDEST)[0]))
            if activation.coupled or (problem.cost == "binary_cross_entropy" and len(zs) == len(weights) - 1):
                # A neuron that only pads the array must not contribute.
                z[:, len(b) :] = -1e30
            zs.append(z)
            a = each(activation, 0, z)
            a[:, len(b) :] = 0
            activations.append(a)
        C, v = costs[problem.cost](
            zs[-1], activations[-1], padded(problem.Y, MOST, WIDEST), padded(shares(problem), MOST, 1)
        )
        v = np.asarray(v)
        delta = each(net.activations[-1], 1, zs[-1], v) if problem.cost == "quadratic" else v
        of_weights, of_biases, errors = [], [], []
        for i in reversed(range(len(weights))):
            n, k = net.layout.shapes[i]
            of_w, of_b, below = (np.asarray(part) for part in back(delta, activations[i], weights[i]))
            of_weights.insert(0, of_w[:n, :k])
            of_biases.insert(0, of_b[:n])
            errors.insert(0, delta[:m, :n].copy())
            if i:
                delta = each(net.activations[i - 1], 1, zs[i - 1], below)
        return of_weights, of_biases, errors, np.asarray(C)


SOURCES = {"numpy": by_numpy, "torch": by_torch, "jax": by_jax}


def problem_of(number):
    """Return a random problem; in every third one neurons saturate."""
    problem = random_problem(number, seed=2026)
    if number % 3 == 0:
        first = problem.network.layout.slices[0][0]
        factor = 10 ** np.random.default_rng(number).uniform(0, 1.5)
        problem.network.vector[first] *= problem.network.dtype.type(factor)
    return problem


def judged(number: int, sources: Iterable[str] = tuple(SOURCES)):
    """Yield source, verdict, the verdict by the bound for our own backends, and the gradient, of one network."""
    problem = problem_of(number)
    net = problem.network
    with np.errstate(all="ignore"):
        tape = net.forward(problem.X, problem.Y, cost=problem.cost, sample_weight=problem.sample_weight)
        reference = reference_gradient(tape)
        for source in sources:
            weights, biases, errors, cost = SOURCES[source](problem)
            stored = [
                w.ravel() if pattern is None else w[pattern.rows, pattern.indices]
                for w, pattern in zip(weights, net.layout.patterns, strict=True)
            ]
            parts = [part for pair in zip(stored, biases, strict=True) for part in pair]
            found = fm.Gradient(net.layout, np.concatenate(parts).astype(net.dtype), errors=errors, cost=cost)
            if number % 2:
                found.errors = None
            verdicts = [judge(tape, found, tier, reference=reference) for tier in (fm.Tier.ELSEWHERE, fm.Tier.FORWARD)]
            yield source, *verdicts, found


def main(count: int, first: int = 0) -> None:
    """Judge the gradients of networks, and print the counts of verdicts with and without the grant."""
    counts: Counter = Counter()
    for number in range(first, first + count):
        for source, verdict, tight, found in judged(number):
            finite, status = np.isfinite(found.vector).all(), str(verdict.status)
            if not finite:
                status = f"{status}: overflowed"
            elif verdict.excuse == APPROXIMATION:
                status = f"{status}: softplus"
            counts[source, str(found.dtype), status] += 1
            counts[source, str(found.dtype), "different by the bound for our own"] += (
                finite and tight.status is Status.DIFFERENT
            )
            if finite and verdict.status is Status.DIFFERENT:
                print(f"alarm: network {number}, {source}: {verdict.ratio:.3g} {verdict.reason}", flush=True)
    for key, n in sorted(counts.items()):
        print(*key, n)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
