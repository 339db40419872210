"""Identities that the exact gradient satisfies, for every backend that reads the tape.

If both sides come from one tape, the tolerance is the path bound 2γ_K·(the same sum in absolute values). If a
second network runs other forward passes, it is the propagated bound of both gradients.
"""

from __future__ import annotations

import bounds
import makers
import numpy as np
import pytest

import formulations as fm
from formulations.functions.activations.table import ACTIVATIONS

SEEDS = range(3)


def prepared(flag, activations=("tanh", "sigmoid", "sine"), *, seed, sizes=(4, 5, 3, 2), m=8):
    net = makers.network(flag, activations, seed=seed, sizes=sizes)
    X, Y = makers.data(net, m, seed=seed)
    return net, X, Y, fm.gradient(net, X, Y, backend=flag), net.forward(X, Y)


def propagated(*problems):
    """The sum of the propagated bounds of several gradients, which must be of one shape."""
    return sum(bounds.propagated(net, X, Y).vector for net, X, Y in problems)


def parts(net: fm.Network, vector):
    """See a bound as the gradient that it bounds."""
    return fm.Gradient(net.layout, vector)


@pytest.mark.parametrize("seed", SEEDS)
def test_error_times_tangent_is_the_same_in_every_layer(tape_reading, seed):
    net, X, _, g, tape = prepared(tape_reading, seed=seed)
    tangent = np.random.default_rng(seed).normal(size=X.shape)
    absolute = np.abs(tangent)
    sums, scale = [], 0.0
    errors = bounds.absolute_errors(net, tape)
    for i, (w, slope) in enumerate(zip(net.weights, tape.slopes, strict=True)):
        dz, abs_dz = tangent @ w.T, absolute @ np.abs(w).T
        sums.append((g.errors[i] * dz).sum())
        scale = max(scale, (errors[i] * abs_dz).sum())
        tangent, absolute = dz * slope, abs_dz * np.abs(slope)
    assert bounds.within(np.array(sums) - sums[-1], 2 * bounds.path_constant(net, len(X)) * scale)


@pytest.mark.parametrize("seed", SEEDS)
def test_parameters_times_gradient_are_weighted_inputs_times_errors(tape_reading, seed):
    net, X, _, g, tape = prepared(tape_reading, seed=seed)
    for i, error in enumerate(bounds.absolute_errors(net, tape)):
        left = (net.weights[i] * g.weights[i]).sum() + net.biases[i] @ g.biases[i]
        right = (g.errors[i] * tape.weighted_inputs[i]).sum()
        reach = np.abs(tape.activations[i]) @ np.abs(net.weights[i]).T + np.abs(net.biases[i])
        bound = 2 * bounds.path_constant(net, len(X)) * (error * reach).sum()
        assert bounds.within(left - right, bound), f"layer {i + 2}"


@pytest.mark.parametrize("seed", SEEDS)
def test_linear_network_balances_neighbouring_layers(tape_reading, seed):
    net, X, _, g, tape = prepared(tape_reading, ("identity",) * 3, seed=seed)
    errors = bounds.absolute_errors(net, tape)
    for i in range(len(net.weights) - 1):
        left = net.weights[i + 1].T @ g.weights[i + 1]
        right = g.weights[i] @ net.weights[i].T + np.outer(g.biases[i], net.biases[i])
        reach = np.abs(tape.activations[i]) @ np.abs(net.weights[i]).T + np.abs(net.biases[i])
        scale = (errors[i + 1] @ np.abs(net.weights[i + 1])).T @ reach
        assert bounds.within(left - right, 2 * bounds.path_constant(net, len(X)) * scale)


@pytest.mark.parametrize("seed", SEEDS)
def test_rectifiers_without_biases_share_one_product(tape_reading, seed):
    net, X, Y, *_ = prepared(tape_reading, ("relu",) * 3, seed=seed)
    for biases in net.biases:
        biases[...] = 0
    tape, g = net.forward(X, Y), fm.gradient(net, X, Y, backend=tape_reading)
    expected = (tape.cost_gradient * tape.output).sum()
    for i, error in enumerate(bounds.absolute_errors(net, tape)):
        reach = np.abs(tape.activations[i]) @ np.abs(net.weights[i]).T
        bound = (
            2
            * bounds.path_constant(net, len(X))
            * max((error * reach).sum(), np.abs(tape.cost_gradient * tape.output).sum())
        )
        assert bounds.within((net.weights[i] * g.weights[i]).sum() - expected, bound), f"layer {i + 2}"


@pytest.mark.parametrize("seed", SEEDS)
def test_hidden_neurons_may_be_permuted(tape_reading, seed):
    net, X, Y, g, _ = prepared(tape_reading, seed=seed)
    order = np.random.default_rng(seed).permutation(net.sizes[1])
    other = fm.Network(
        [net.weights[0][order], net.weights[1][:, order], net.weights[2]],
        [net.biases[0][order], *net.biases[1:]],
        net.activations,
    )
    mine, E, F = (parts(net, v) for v in (
        fm.gradient(other, X, Y, backend=tape_reading).vector, propagated((net, X, Y)), propagated((other, X, Y))
    ))  # fmt: skip
    back = np.argsort(order)
    assert bounds.within(mine.weights[0][back] - g.weights[0], E.weights[0] + F.weights[0][back])
    assert bounds.within(mine.weights[1][:, back] - g.weights[1], E.weights[1] + F.weights[1][:, back])
    assert bounds.within(mine.biases[0][back] - g.biases[0], E.biases[0] + F.biases[0][back])
    assert bounds.within(mine.weights[2] - g.weights[2], E.weights[2] + F.weights[2])


@pytest.mark.parametrize("seed", SEEDS)
def test_sign_of_an_odd_neuron_flips_bit_by_bit(tape_reading, seed):
    net, X, Y, g, _ = prepared(tape_reading, seed=seed)
    flipped = net.copy()
    for part in (flipped.weights[0][2], flipped.biases[0][2:3], flipped.weights[1][:, 2]):
        part *= -1
    mine = fm.gradient(flipped, X, Y, backend=tape_reading)
    for part in (mine.weights[0][2], mine.biases[0][2:3], mine.weights[1][:, 2]):
        part *= -1
    assert np.array_equal(mine.vector, g.vector)
    assert mine.cost == g.cost


@pytest.mark.parametrize("seed", SEEDS)
def test_a_neuron_may_be_split(tape_reading, seed):
    net, X, Y, g, _ = prepared(tape_reading, seed=seed)
    twice, alpha, j = [0, 1, 2, 3, 4, 4], 0.25, 4
    outgoing = net.weights[1][:, twice] * [1, 1, 1, 1, alpha, 1 - alpha]
    split = fm.Network(
        [net.weights[0][twice], outgoing, net.weights[2]], [net.biases[0][twice], *net.biases[1:]], net.activations
    )
    mine = fm.gradient(split, X, Y, backend=tape_reading)
    E, F = parts(net, propagated((net, X, Y))), parts(split, propagated((split, X, Y)))
    for copy, share in ((j, alpha), (j + 1, 1 - alpha)):
        bound = F.weights[0][copy] + share * E.weights[0][j]
        assert bounds.within(mine.weights[0][copy] - share * g.weights[0][j], bound)
        bound = F.weights[1][:, copy] + E.weights[1][:, j]
        assert bounds.within(mine.weights[1][:, copy] - g.weights[1][:, j], bound)
    assert bounds.within(mine.weights[2] - g.weights[2], E.weights[2] + F.weights[2])


# These form Σ′wᵀ, or Σ′∇_aC along a path, before they meet δ: with a layer more, the same product rounds elsewhere.
SLOPE_FIRST = ("product:order=forward", "back_substitution", "neumann", "path_sum")


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_an_identity_layer_changes_nothing(tape_reading, place):
    net, X, Y, g, _ = prepared(tape_reading, seed=0)
    n = net.sizes[place]
    longer = fm.Network(
        [*net.weights[:place], np.eye(n), *net.weights[place:]],
        [*net.biases[:place], np.zeros(n), *net.biases[place:]],
        [*net.activations[:place], ACTIVATIONS["identity"], *net.activations[place:]],
    )
    mine = fm.gradient(longer, X, Y, backend=tape_reading)
    kept = [i for i in range(len(longer.weights)) if i != place]
    E, F = parts(net, propagated((net, X, Y))), parts(longer, propagated((longer, X, Y)))
    for i, j in enumerate(kept):
        # Multiplying by 1 and adding zeros rounds nothing, unless the slope is multiplied with something else first.
        exact = not tape_reading.startswith(SLOPE_FIRST)
        assert bounds.within(mine.weights[j] - g.weights[i], 0 if exact else E.weights[i] + F.weights[j])
        assert bounds.within(mine.biases[j] - g.biases[i], 0 if exact else E.biases[i] + F.biases[j])


def test_rotated_inputs_rotate_the_first_gradient(tape_reading):
    # Eighths and a matrix of halves: both rotations are exact.
    Q = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
    net, X, Y, *_ = prepared(tape_reading, seed=0)
    X, net.weights[0][...] = np.round(X * 8) / 8, np.round(net.weights[0] * 8) / 8
    g = fm.gradient(net, X, Y, backend=tape_reading)
    turned = fm.Network([net.weights[0] @ Q.T, *net.weights[1:]], list(net.biases), net.activations)
    mine = fm.gradient(turned, X @ Q.T, Y, backend=tape_reading)
    E, F = parts(net, propagated((net, X, Y))), parts(net, propagated((turned, X @ Q.T, Y)))
    extra = bounds.gamma(6, net.dtype) * np.abs(g.weights[0]) @ np.abs(Q).T
    bound = F.weights[0] + E.weights[0] @ np.abs(Q).T + extra
    assert bounds.within(mine.weights[0] - g.weights[0] @ Q.T, bound)
    assert bounds.within(mine.weights[1] - g.weights[1], E.weights[1] + F.weights[1])


def test_sigmoid_neurons_are_tanh_neurons_in_other_units(tape_reading):
    activations = ("sigmoid", "sine")
    net = makers.network(activations=activations, sizes=(4, 5, 3))
    if not makers.serves(tape_reading, net):
        pytest.skip("it serves neither sigmoid nor tanh")
    # σ(z) = (1 + tanh(z/2))/2; with dyadic weights the change of units is exact.
    for weights in (*net.weights, *net.biases):
        weights[...] = np.round(weights * 64) / 64
    v = net.weights[1]
    other = fm.Network(
        [net.weights[0] / 2, v / 2], [net.biases[0] / 2, net.biases[1] + v.sum(axis=1) / 2], ["tanh", "sine"]
    )
    X, Y = makers.data(net)
    g, mine = (fm.gradient(each, X, Y, backend=tape_reading) for each in (net, other))
    E, F = parts(net, propagated((net, X, Y))), parts(net, propagated((other, X, Y)))
    assert bounds.within(mine.weights[0] - 2 * g.weights[0], F.weights[0] + 2 * E.weights[0])
    assert bounds.within(mine.biases[0] - 2 * g.biases[0], F.biases[0] + 2 * E.biases[0])
    assert bounds.within(mine.biases[1] - g.biases[1], F.biases[1] + E.biases[1])
    expected = 2 * g.weights[1] - g.biases[1][:, None]
    extra = bounds.gamma(2, net.dtype) * (2 * np.abs(g.weights[1]) + np.abs(g.biases[1])[:, None])
    bound = F.weights[1] + 2 * E.weights[1] + E.biases[1][:, None] + extra
    assert bounds.within(mine.weights[1] - expected, bound)


@pytest.mark.parametrize("dtype", makers.DTYPES)
@pytest.mark.parametrize("flag", makers.OUTPUT_ON_TAPE)
def test_an_exact_fit_has_no_error(flag, dtype):
    net = makers.network(flag, dtype=dtype)
    X, Y = makers.data(net, 1)
    plan = fm.prepare(net, 1, backend=flag)
    plan(X, Y)
    # Each formulation fits the outputs of its own forward pass, which may round unlike another's.
    workspace = plan.tape.workspace
    tape = workspace[0] if flag.endswith("batch=example") else plan.tape
    g = plan(X, tape.output.copy())
    assert not g.vector.any()
    assert g.cost == 0
    assert not any(delta.any() for delta in g.errors)


def test_a_batch_given_twice_has_the_same_mean(tape_reading):
    net, X, Y, g, _ = prepared(tape_reading, seed=0)
    twice = np.vstack([X, X]), np.vstack([Y, Y])
    mine = fm.gradient(net, *twice, backend=tape_reading)
    bound = propagated((net, X, Y), (net, *twice))
    assert bounds.within(mine.vector - g.vector, bound)
