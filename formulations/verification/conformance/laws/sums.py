"""Laws about examples and costs: the mean over the examples, in any order, linear in ∇_aC."""

from __future__ import annotations

import numpy as np

from formulations.arrays import Array, gamma, unit_roundoff
from formulations.backends import Backend
from formulations.data import Problem
from formulations.exceptions import Refused
from formulations.functions import cost
from formulations.network import Network
from formulations.verification.conformance.law import Answer, NotAsked, answer, apart, takes_weights

__all__ = ["linear_in_cost", "mean_of_examples", "neurons_permuted", "order_of_examples", "weight_zero"]

HALF_SQUARES = cost(lambda A, Y: ((A - Y) ** 2).sum(axis=1) / 2, lambda A, Y: A - Y, name="half_squares")
OVERLAP = cost(lambda A, Y: (A * Y).sum(axis=1), lambda A, Y: Y + 0 * A, name="overlap")
MIXED = cost(
    lambda A, Y: ((A - Y) ** 2).sum(axis=1) - 3 * (A * Y).sum(axis=1),
    lambda A, Y: 2 * (A - Y) - 3 * Y,
    name="mixed",
)


def linear_in_cost(backend: Backend, problem: Problem) -> str | None:
    """Check that the gradient of 2C − 3C′ is twice that of C minus three times that of C′."""
    if reason := backend.why_not(problem.network, HALF_SQUARES):
        # The reason alone: a network's name in it would make each refusal another.
        raise Refused(reason)
    first, second, both = (answer(backend, problem, cost=each) for each in (HALF_SQUARES, OVERLAP, MIXED))
    expected = 2 * first.gradient.vector - 3 * second.gradient.vector
    bound = both.bound + 2 * first.bound + 3 * second.bound
    return apart(both.gradient.vector, expected, bound + _rounded(first, second), "2C − 3C′")


def _rounded(*answers: Answer) -> Array:
    """Return a bound on the roundoff of adding up a few gradients."""
    dtype = answers[0].gradient.dtype
    sizes = np.sum([np.abs(each.gradient.vector) for each in answers], axis=0)
    return np.asarray(gamma(8, unit_roundoff(dtype)) * 3 * sizes + np.finfo(dtype).smallest_normal)


def mean_of_examples(backend: Backend, problem: Problem) -> str | None:
    """Check that the gradient of a batch is the weighted mean of the gradients of its examples."""
    m = min(len(problem.X), 6)
    part = problem.first(m)
    weights = (np.arange(1, m + 1) if takes_weights(backend) else np.ones(m)).astype(part.network.dtype)
    whole = answer(backend, part, sample_weight=weights if takes_weights(backend) else None)
    shares = weights / weights.sum()
    alone = [answer(backend, part, X=part.X[x : x + 1], Y=part.Y[x : x + 1], sample_weight=None) for x in range(m)]
    expected = sum(share * each.gradient.vector for share, each in zip(shares, alone, strict=True))
    bound = whole.bound + sum(share * each.bound for share, each in zip(shares, alone, strict=True))
    sizes = sum(share * np.abs(each.gradient.vector) for share, each in zip(shares, alone, strict=True))
    u = unit_roundoff(whole.gradient.dtype)
    bound = bound + gamma(m + 6, u) * sizes + np.finfo(whole.gradient.dtype).smallest_normal
    return apart(whole.gradient.vector, np.asarray(expected), bound, "the mean of the examples' gradients")


def order_of_examples(backend: Backend, problem: Problem) -> str | None:
    """Check that the order of the examples makes no difference beyond roundoff."""
    order = np.arange(len(problem.X))[::-1]
    weights = None if problem.sample_weight is None else problem.sample_weight[order]
    straight = answer(backend, problem)
    turned = answer(backend, problem, X=problem.X[order], Y=problem.Y[order], sample_weight=weights)
    bound = straight.bound + turned.bound
    return apart(turned.gradient.vector, straight.gradient.vector, bound, "with the examples in reverse order")


def weight_zero(backend: Backend, problem: Problem) -> str | None:
    """Check that an example of weight 0 makes no difference, even if its numbers overflow."""
    weights = np.ones(len(problem.X)) if problem.sample_weight is None else problem.sample_weight
    weights, Y = np.append(weights, 0), np.vstack([problem.Y, problem.Y[:1]])
    extreme = np.full_like(problem.X[:1], np.finfo(problem.network.dtype).max)
    ordinary, masked = (
        answer(backend, problem, X=np.vstack([problem.X, more]), Y=Y, sample_weight=weights)
        for more in (problem.X[:1], extreme)
    )
    fewer = answer(backend, problem)
    # The extreme example must not enter the bound, which would be infinite.
    bound = ordinary.bound + fewer.bound
    return apart(masked.gradient.vector, fewer.gradient.vector, bound, "with an additional example of weight 0")


def neurons_permuted(backend: Backend, problem: Problem) -> str | None:
    """Check that permuting the neurons of the first hidden layer permutes the gradient."""
    net = problem.network
    if len(net.sizes) < 3 or net.layout.is_sparse or not all(len(f.functions) == 1 for f in net.activations[:1]):
        raise NotAsked("the first hidden layer has no neurons of one kind to permute")
    order = np.arange(net.sizes[1])[::-1]
    weights, biases = [w.copy() for w in net.weights], [b.copy() for b in net.biases]
    weights[0], biases[0], weights[1] = weights[0][order], biases[0][order], weights[1][:, order]
    other = Network(weights, biases, net.activations)
    straight, turned = answer(backend, problem), answer(backend, problem, other)
    found, bound = turned.gradient, turned.bound.copy()
    back = Network(
        [found.weights[0][order], found.weights[1][:, order], *found.weights[2:]],
        [found.biases[0][order], *found.biases[1:]],
        net.activations,
    ).vector if np.isfinite(found.vector).all() else found.vector  # fmt: skip
    largest = np.full_like(bound, np.max(bound)) + np.max(straight.bound)
    return apart(back, straight.gradient.vector, largest, "with the first hidden layer's neurons in reverse order")
