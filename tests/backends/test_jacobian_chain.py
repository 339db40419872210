"""The factors of a Jacobian: every bracketing gives the same matrices, and the fewest multiplications are counted."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from scipy.sparse import csr_array

import formulations as fm
from formulations.backends._shared.chain import multiplications
from formulations.backends._shared.jacobian_chain import BLOCK, JacobianFactors, JacobianProduct, _Memory
from formulations.functions import CoupledSlope

AUTOENCODER = [784, 256, 64, 16, 64, 256, 784]


def integer_network(sizes, *, sparse=False, activations="square", seed=0):
    """A network whose Jacobians are integers, so that every order gives the same bits."""
    random = np.random.default_rng(seed)
    weights = [random.integers(-1, 2, (n, below)).astype(float) for below, n in pairwise(sizes)]
    if sparse:
        weights = [csr_array(w) for w in weights]
    return fm.Network(weights, [random.integers(-1, 2, n).astype(float) for n in sizes[1:]], activations)


def by_factors(tape, of, wrt, at="a"):
    """The product as it is written, with every factor formed."""
    J = None
    for l in range(wrt + 1, of + 1):
        weights, slope = tape.network.weights[l - 2], tape.slopes[l - 2]
        factor = np.asarray(weights.toarray() if hasattr(weights, "toarray") else weights)
        if l < of or at == "a":
            factor = slope.blocks() @ factor if isinstance(slope, CoupledSlope) else slope[:, :, None] * factor
        J = factor if J is None else factor @ J
    return np.broadcast_to(J, (tape.m, *J.shape[-2:]))


def trees(first, last):
    """Every bracketing of the factors."""
    if first == last:
        yield first
    for j in range(first, last):
        yield from product(trees(first, j), trees(j + 1, last))


class Bracketed(JacobianFactors):
    """Factors with given brackets instead of those of an order."""

    brackets = None

    def tree(self, order):  # noqa: ARG002
        return self.brackets


@pytest.mark.parametrize("sparse", [False, True])
def test_every_bracketing_gives_the_same_bits(sparse):
    net = integer_network([3, 2, 4, 1, 3, 2], sparse=sparse)
    X = np.random.default_rng(1).integers(-1, 2, (5, 3)).astype(float)
    tape = net.forward(X)
    for of, wrt, at in ((6, 1, "a"), (6, 1, "z"), (5, 2, "a"), (3, 2, "a"), (3, 2, "z")):
        expected = by_factors(tape, of, wrt, at)
        for tree in trees(0, of - wrt - 1):
            factors = Bracketed(net, of, wrt, at=at)
            factors.brackets = tree
            for order in ("optimal", "forward", "reverse"):
                assert np.array_equal(JacobianProduct(factors, tape, order)(), expected), (tree, order)


def test_equally_wide_layers_share_two_buffers(monkeypatch):
    net = integer_network([3] * 7, activations=["square", *["identity"] * 4, "square"], seed=3)
    tape = net.forward(np.random.default_rng(1).integers(-1, 2, (5, 3)).astype(float))
    expected, taken, take = by_factors(tape, 7, 1), [], _Memory.take
    monkeypatch.setattr(_Memory, "take", lambda self, size: taken.append(take(self, size)) or taken[-1])
    for tree in trees(0, 5):
        factors = Bracketed(net, 7, 1)
        factors.brackets = tree
        assert np.array_equal(JacobianProduct(factors, tape, "optimal")(), expected), tree
    for order in ("reverse", "forward"):
        taken.clear()
        JacobianProduct(JacobianFactors(net, 7, 1), tape, order)
        assert (len(taken), len({id(buffer) for buffer in taken})) == (5, 2)


def test_every_bracketing_with_vectors_at_either_end():
    net = integer_network([3, 2, 4, 3])
    random = np.random.default_rng(2)
    tape = net.forward(random.integers(-1, 2, (5, 3)).astype(float))
    J = by_factors(tape, 4, 1)
    U, V = (random.integers(-2, 3, (5, k, 3)).astype(float) for k in (2, 3))
    for tree in trees(0, 3):
        for order in ("optimal", "forward", "reverse"):
            before, after = Bracketed(net, 4, 1, cotangents=2), Bracketed(net, 4, 1, directions=3)
            before.brackets = after.brackets = tree
            assert np.array_equal(JacobianProduct(before, tape, order, cotangents=U.copy())(), U @ J)
            found = JacobianProduct(after, tape, order, directions=V.copy())()
            assert np.array_equal(found, J @ V.transpose(0, 2, 1))


@pytest.mark.parametrize("order", ["optimal", "reverse", "forward"])
def test_coupled_slopes_are_matrices(order):
    net = fm.Network.random([3, 4, 2, 3], "softmax", seed=3)
    tape = net.forward(np.random.default_rng(4).standard_normal((4, 3)))
    for of, wrt in ((4, 1), (4, 3), (3, 1)):
        found = JacobianProduct(JacobianFactors(net, of, wrt), tape, order)()
        expected = by_factors(tape, of, wrt)
        # Numbers below 1, and at most 12 roundings of 4-term sums on either side.
        assert np.abs(found - expected).max() <= 2 * 12 * 4 * np.finfo(float).eps


def test_blocks_of_examples_do_not_change_a_bit(monkeypatch):
    net = integer_network([3, 2, 4, 3])
    tape = net.forward(np.random.default_rng(5).integers(-1, 2, (7, 3)).astype(float))
    expected = by_factors(tape, 4, 1)
    for block in (1, 24, 40, BLOCK):
        monkeypatch.setattr("formulations.backends._shared.jacobian_chain.BLOCK", block)
        for order in ("optimal", "reverse", "forward"):
            assert np.array_equal(JacobianProduct(JacobianFactors(net, 4, 1), tape, order)(), expected)


def test_a_call_uses_the_present_slopes_and_weights():
    net = integer_network([3, 2, 4, 3])
    tape = net.forward(np.ones((2, 3)))
    product = JacobianProduct(JacobianFactors(net, 4, 1), tape, "optimal")
    product()
    net.vector[...] = integer_network([3, 2, 4, 3], seed=9).vector
    other = net.forward(np.ones((2, 3)))
    for mine, its in zip(tape.slopes, other.slopes, strict=True):
        mine[...] = its
    assert np.array_equal(product(), by_factors(other, 4, 1))


def test_the_autoencoder_takes_eleven_times_fewer_multiplications():
    factors = JacobianFactors(fm.Network.random(AUTOENCODER, seed=0), 7, 1)
    tree = factors.tree("optimal")
    assert factors.written(tree) == "(J7(J6J5))((J4J3)J2)"
    products = 256 * 64 * 16 + 784 * 256 * 16 + 16 * 64 * 256 + 16 * 256 * 784 + 784 * 16 * 784
    # J5 is scaled from the left, J6J5 and J7(J6J5) likewise; J4 from the left, J4 and J4J3 from the right.
    scaled = 64 * 16 + 256 * 16 + 784 * 16 + 16 * 64 + 16 * 64 + 16 * 256
    assert factors.multiplications(tree) == products + scaled
    assert factors.multiplications(factors.tree("reverse")) / factors.multiplications(tree) > 11


def test_the_optimal_order_is_the_cheapest_of_all():
    random = np.random.default_rng(6)
    for _ in range(20):
        sizes = random.integers(1, 9, 6).tolist()
        net = fm.Network.random(sizes, "softmax" if random.integers(2) else "sigmoid", seed=0)
        factors = JacobianFactors(net, 6, 1)
        counts = [multiplications(tree, factors.step) for tree in trees(0, 4)]
        assert factors.multiplications(factors.tree("optimal")) == min(counts), sizes


def test_a_factor_with_stored_zeros_costs_its_entries_only():
    net = integer_network([4, 6, 5], sparse=True)
    entries = [w.data.size for w in net.weights]
    # J³ formed and multiplied to w² from the right, or J² formed and multiplied from the left.
    right = 5 * 6 + 5 * (6 + entries[0])
    left = (6 + entries[1] + 5) * 4
    assert JacobianFactors(net, 3, 1).step(0, 0, 1) == min(left, right)
