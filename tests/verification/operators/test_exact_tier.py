"""The exact tier: on small integers, every operator on the tape agrees with fractions by ``==``."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.backends import Tier
from formulations.functions import get_cost
from formulations.network.point import Point
from formulations.verification.operators import evaluate
from formulations.verification.oracles.exact_products import (
    exact_gauss_newton_product,
    exact_hessian_product,
    exact_jacobian,
)
from formulations.verification.oracles.fractions import exact_gradient

ON_THE_TAPE = [
    name for name in fm.list_backends() if fm.get_backend(name).tier in (Tier.RECURRENCE, Tier.PRODUCT)
    and fm.get_backend(name).operators
]  # fmt: skip
KINDS = ("identity", "relu", "square")


def integers(seed, kinds=KINDS):
    """Return a network of small integers, its examples, a direction, and the exact Jacobian and products.

    All numbers are integers divided by the number of examples, a power of two, and too small to be rounded in float32.
    """
    random = np.random.default_rng(seed)
    while True:
        sizes = random.integers(1, 4, size=int(random.integers(2, 5))).tolist()
        weights = [random.integers(-2, 3, (n, k)).astype(float) for k, n in pairwise(sizes)]
        biases = [random.integers(-2, 3, n).astype(float) for n in sizes[1:]]
        net = fm.Network(weights, biases, [str(random.choice(kinds)) for _ in sizes[1:]])
        m = 2 ** int(random.integers(0, 3))
        X, Y = random.integers(-2, 3, (m, sizes[0])).astype(float), random.integers(-2, 3, (m, sizes[-1])).astype(float)
        v = random.integers(-2, 3, net.layout.count).astype(float)
        if bits(net, X, Y, v) <= 24:
            return net, X, Y, v


def bits(net, X, Y, v):
    """Return the bits of the largest intermediate result in any order, by absolute values."""
    large = fm.Network(
        [abs(w) + abs(d) for w, d in zip(net.weights, net.with_vector(v).weights, strict=True)],
        [abs(b) + abs(d) for b, d in zip(net.biases, net.with_vector(v).biases, strict=True)],
        ["square" if f.name == "square" else "identity" for f in net.activations],
    )
    # A derivative along v is at most the gradient of polynomials with |w| + |v|, times the degree.
    degree = 2 * np.prod([2 if f.name == "square" else 1 for f in net.activations]) * len(net.sizes)
    return int(exact_gradient(large, abs(X), -abs(Y)).largest * len(X) * int(degree) * 2).bit_length()


def exact(found):
    """Return an array as a flat list of fractions."""
    return [Fraction(*float(entry).as_integer_ratio()) for entry in np.ravel(found)]


ORACLES = {
    "jacobian": lambda net, X, *_: [entry for rows in exact_jacobian(net, X) for row in rows for entry in row],
    "hessian": exact_hessian_product,
    "gauss_newton": exact_gauss_newton_product,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", ON_THE_TAPE)
def test_every_operator_on_the_tape_agrees_with_fractions_in_every_bit(backend, dtype):
    makers.skip_absent(backend)
    served = dict.fromkeys(("jacobian", "hessian", "gauss_newton"), 0)
    for seed in range(8):
        # Some backends only serve linear networks.
        net, X, Y, v = integers(seed, ("identity",) if seed >= 6 else KINDS)
        net = net.astype(dtype)
        batch = net.check_examples(X, Y)
        for operator in served:
            if fm.get_backend(backend).why_not_operator(operator, net, get_cost("quadratic")) is None:
                found = evaluate(fm.get_backend(backend).linearize(Point(net, batch)), operator, v.astype(dtype))
                assert exact(found) == ORACLES[operator](net, X, Y, v), f"{backend}, {operator}, seed {seed}"
                served[operator] += 1
    assert all(served[operator] for operator in fm.get_backend(backend).operators)


def test_the_oracles_agree_with_derivatives_by_hand():
    # a = (w x + b)², C = ½a² at x = 1, w = 1, b = 1: z = 2, a = 4, ∂a/∂x = 2zw = 4.
    net = fm.Network(weights=[[[1]], [[1]]], biases=[[1], [0]], activations=["square", "identity"])
    X, Y, v = [[1]], [[0]], np.array([1.0, 0, 0, 0])
    assert exact_jacobian(net, X) == [[[4]]]
    # C = ½(u(w + b)² + c)²: along w, ∂²C/∂w² = 6(w + b)², ∂²C/∂w∂u = 4(w + b)³, ∂²C/∂w∂c = 2(w + b).
    assert exact_hessian_product(net, X, Y, v) == [24, 24, 32, 4]
    # JᵀJv with J = (2z, 2z, z², 1).
    assert exact_gauss_newton_product(net, X, Y, v) == [16, 16, 16, 4]


def test_the_oracles_weigh_the_examples_and_read_sparse_weights():
    net = makers.sparse_network(activations=("square", "identity"))
    X, Y = makers.data(net, 3)
    v = np.random.default_rng(0).standard_normal(net.layout.count)
    counts = [1.0, 2.0, 5.0]
    product = np.array(exact_hessian_product(net, X, Y, v, counts), float)
    assert np.abs(product - fm.hessian(net, X, Y, sample_weight=counts) @ v).max() < 1e-12 * np.abs(product).max()
    product = np.array(exact_gauss_newton_product(net, X, Y, v, counts), float)
    assert np.abs(product - fm.gauss_newton(net, X, Y, sample_weight=counts) @ v).max() < 1e-12 * np.abs(product).max()
