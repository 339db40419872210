"""Softmax is judged without forming Σ′; if blocks have to be formed, the budget limits them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from makers import CUMULATIVE, formed

import formulations as fm
from benchmarks.experiments.memory import peak_bytes
from formulations.arrays.roundoff import Precision
from formulations.functions.activations.coupled import CoupledSlope
from formulations.functions.activations.table import ACTIVATIONS
from formulations.functions.costs.quadratic import Quadratic
from formulations.functions.costs.table import COSTS
from formulations.verification.oracles.algebra import product, through
from formulations.verification.oracles.blocks import OuterBlocks
from formulations.verification.oracles.reference import reference_gradient
from formulations.verification.oracles.slopes import read_slope
from formulations.verification.tolerances import output
from formulations.verification.tolerances.activations import activation_bounds
from formulations.verification.tolerances.forward_bounds import forward_checks
from formulations.verification.tolerances.partial import partial_checks
from formulations.verification.tolerances.verdict import Check

SOFTMAX = ACTIVATIONS["softmax"]
PRECISION = Precision.of(np.dtype("float64"))


def saturated(m: int = 20, n: int = 6) -> np.ndarray:
    return 10 * np.random.default_rng(3).standard_normal((m, n))


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_sigma_of_softmax_is_that_of_its_blocks(dtype: str) -> None:
    precision = Precision.of(np.dtype(dtype))
    z = saturated().astype(dtype)
    a = SOFTMAX.value(z)
    slope = read_slope(CoupledSlope(SOFTMAX, z, a), precision)
    z, a = z.astype(precision.wide), a.astype(precision.wide)
    blocks = -a[:, :, None] * a[:, None, :]
    blocks[:, range(a.shape[1]), range(a.shape[1])] = a * (1 - a)
    # The library takes 1 − a of a neuron above ½ as the sum of the others, which M and its roundings allow: rounded a
    # add up to 1 within n roundings.
    off = np.abs(CoupledSlope(SOFTMAX, z, a).blocks() - blocks).max(axis=(1, 2))
    assert 0 < off.max() <= a.shape[1] * precision.u
    assert np.array_equal(formed(slope.matrix), blocks)
    assert np.array_equal(formed(slope.matrix.mT), blocks)
    assert formed(slope.size) == pytest.approx(np.abs(blocks).astype(precision.working), rel=1e-15)
    assert formed(slope.acted_on) == pytest.approx(SOFTMAX.magnitude(z, a).astype(precision.working), rel=1e-15)
    assert slope.gain == pytest.approx(formed(slope.acted_on).sum(axis=1), rel=1e-14)


def test_the_bound_of_its_slope_follows_from_the_bounds_of_its_factors() -> None:
    z = saturated().astype(PRECISION.wide)
    for distance in (1e-9, 1e-2, 3.0):
        e = distance * np.random.default_rng(4).random(z.shape).astype(PRECISION.wide)
        of_a, of_d = activation_bounds(SOFTMAX, z, e, PRECISION)
        a = SOFTMAX.value(z).astype(of_a.dtype)
        expected = a[:, :, None] * of_a[:, None, :] + of_a[:, :, None] * (a + of_a)[:, None, :]
        expected += of_a[:, :, None] * np.eye(z.shape[1])
        assert formed(of_d) == pytest.approx(expected, rel=1e-14)


def test_products_equal_those_with_the_formed_matrix() -> None:
    random = np.random.default_rng(5)
    d, *factors = random.standard_normal((5, 7, 4))
    blocks = OuterBlocks(d, ((factors[0], factors[1]), (factors[2], factors[3])))
    entries = sum(x[:, :, None] * y[:, None, :] for x, y in blocks.pairs) * (1 - np.eye(4))
    entries = entries + d[:, :, None] * np.eye(4)
    v, columns = random.standard_normal((7, 4)), random.standard_normal((7, 4, 3))
    assert product(blocks, v) == pytest.approx(product(entries, v), rel=1e-12)
    assert through(blocks, v) == pytest.approx(through(entries, v), rel=1e-12)
    assert through(blocks, v) != pytest.approx(product(blocks, v), rel=1e-3)
    assert blocks @ columns == pytest.approx(entries @ columns, rel=1e-12)
    single = OuterBlocks(d, blocks.pairs[:1])
    assert np.array_equal(formed(abs(single)), np.abs(formed(single)))
    assert formed(single + OuterBlocks(0 * d, blocks.pairs[1:])) == pytest.approx(entries, rel=1e-12)


def test_nothing_cancels_if_one_neuron_dominates() -> None:
    # Only a₁(1 − a₁) is left of a₁, and the slopes of the others are as small.
    slope = read_slope(CoupledSlope(SOFTMAX, *2 * [np.array([[1.0, 1e-200]])]), PRECISION)
    v = np.array([[1.0, 3.0]])
    assert (through(slope.size, v) == [[3e-200, 1e-200 + 3e-200]]).all()
    assert (through(slope.matrix, v) == PRECISION.wide.type(1e-200) * np.array([[-3, 2]])).all()


def judged(case: str, n: int, m: int = 32) -> int:
    """Return the peak memory of three verdicts on a network with n softmax neurons."""
    random = np.random.default_rng(0)
    sizes, names = ([8, n, 4], ["softmax", "tanh"]) if case == "hidden" else ([8, n], ["softmax"])
    cost = "log_likelihood" if case == "combined" else "quadratic"
    net = fm.Network.random(sizes, names, seed=0)
    X, Y = random.standard_normal((m, 8)), np.eye(sizes[-1])[random.integers(sizes[-1], size=m)]
    right = fm.gradient(net, X, Y, cost=cost, backend="homogeneous")
    wrong = right.copy()
    wrong.weights[0][...] *= -1

    def judge() -> None:
        assert fm.certify(net, X, Y, (right.weights, right.biases, right.errors), cost=cost)
        assert not fm.certify(net, X, Y, wrong.vector, cost=cost)
        assert fm.certify(net, X, Y, "product", cost=cost)

    return peak_bytes(judge)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["combined", "separate", "hidden"])
def test_memory_grows_with_the_neurons_not_with_their_pairs(case: str) -> None:
    few, many = judged(case, 64), judged(case, 256)
    assert many < 5 * few
    # A single array of the blocks in float64 would take more.
    assert many < 32 * 256**2 * 8


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize("depth", [1, 3])
def test_the_budget_limits_the_blocks_that_have_to_be_formed(depth: int, dtype: str) -> None:
    net = fm.Network.random([5] + [30] * depth, CUMULATIVE, seed=0, dtype=dtype)
    net.vector[...] *= net.dtype.type(0.1)
    X, Y = np.ones((40, 5), dtype), np.zeros((40, 30), dtype)
    peak = peak_bytes(lambda: fm.certify(net, X, Y, "homogeneous"))
    for judge in (fm.certify, lambda *given: fm.compare(*given[:3], backends=given[3])):
        with fm.use_budget(memory=0.9 * peak), pytest.raises(fm.exceptions.Refused) as caught:
            judge(net, X, Y, "homogeneous")
        message = str(caught.value)
        assert "40 examples of a slope that is a full matrix in each layer of cumulative" in message
        assert message.endswith("allow it with formulations.use_budget(memory=...).")
    with fm.use_budget(memory=3 * peak):
        assert fm.certify(net, X, Y, "homogeneous")


@pytest.mark.slow
def test_the_refusal_comes_before_the_matrices() -> None:
    net = fm.Network.random([5, 2000], CUMULATIVE, seed=0)
    X, Y = np.ones((100, 5)), np.zeros((100, 2000))
    for call in (lambda: fm.certify(net, X, Y, net.vector), lambda: fm.compare(net, X, Y, backends="homogeneous")):

        def refused(call: Callable[[], object] = call) -> None:
            with pytest.raises(fm.exceptions.Refused, match="takes about"):
                call()

        assert peak_bytes(refused) < 100 * 2000**2


@pytest.mark.parametrize(
    ("flag", "rule"),
    [
        ("hadamard:batch=example", lambda tape, g: forward_checks(g, reference_gradient(tape), exactly=True)),
        ("product:order=forward", partial_checks),
    ],
    ids=["T4", "T3"],
)
def test_exact_products_that_exceed_the_budget_are_not_formed(
    flag: str, rule: Callable[[fm.Tape, fm.Gradient], list[Check]]
) -> None:
    net = fm.Network.random([10] * 12, "tanh", seed=0, dtype="float32")
    random = np.random.default_rng(0)
    X, Y = (random.standard_normal((50, 10)).astype("float32") for _ in range(2))
    plan = fm.prepare(net, len(X), backend=flag)
    gradient = plan(X, Y)
    assert rule(plan.tape, gradient)
    peak = peak_bytes(lambda: rule(plan.tape, gradient))
    with fm.use_budget(memory=0.6 * peak):
        assert rule(plan.tape, gradient) == []
        assert peak_bytes(lambda: rule(plan.tape, gradient)) < 0.6 * peak
    with fm.use_budget(memory=3 * peak):
        assert rule(plan.tape, gradient)


@pytest.mark.parametrize("cost", list(COSTS))
def test_moving_all_outputs_at_once_gives_the_sum_of_moving_each(cost: str) -> None:
    generator = np.random.default_rng(7)
    A, E = generator.uniform(0.1, 0.9, (5, 4)), generator.uniform(0, 0.1, (5, 4))
    Y = generator.dirichlet(np.ones(4), 5)

    def gradient_of(outputs: np.ndarray) -> np.ndarray:
        gradient = np.empty_like(outputs)
        COSTS[cost].evaluate(outputs, Y, gradient)
        return gradient

    at_once, one_by_one = (output._moved_by_coordinate(gradient_of, A, E, sums=sums) for sums in (True, False))
    assert (at_once > 0).all()
    assert (at_once == one_by_one).all()


def test_judging_evaluates_a_built_in_cost_as_often_for_many_outputs_as_for_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    evaluate = Quadratic.evaluate
    monkeypatch.setattr(Quadratic, "evaluate", lambda *given: calls.append(0) or evaluate(*given))
    counts = []
    for n in (2, 40):
        net, generator = fm.Network.random([3, n], "softmax", seed=1), np.random.default_rng(1)
        X, Y = generator.normal(size=(4, 3)), generator.dirichlet(np.ones(n), 4)
        gradient = fm.gradient(net, X, Y, backend="sigma").copy()
        calls.clear()
        assert fm.certify(net, X, Y, gradient)
        counts.append(len(calls))
    assert counts[0] == counts[1]
