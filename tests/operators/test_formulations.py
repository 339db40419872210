"""Every formulation of every operator that the registry has, against the bounds, the others, and integers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import pairwise

import makers
import numpy as np
import pytest
from scipy.sparse import csr_array

import formulations as fm
from formulations.arrays import gamma, unit_roundoff
from formulations.backends import OPERATORS, PARAMETERS, Backend, Tier
from formulations.backends._base.perturbation import derivative_along
from formulations.backends._linearized import sigma as sigma_file
from formulations.backends._shared import forward_mode
from formulations.backends._shared.dual import DUAL, Dual
from formulations.exceptions import InvalidInput, Refused
from formulations.functions import get_cost
from formulations.functions.activations.smooth import GELU
from formulations.functions.activations.table import ACTIVATIONS
from formulations.network import Point
from formulations.verification import OperatorReference, evaluate, judge_operator

PROVIDING = [flag for flag in makers.FLAGS if fm.get_backend(flag).operators]
# On integers these round nothing.
EXACT = [flag for flag in PROVIDING if fm.get_backend(flag).tier is not Tier.PERTURBATION]
FORWARD_ONLY = [flag for flag in PROVIDING if "reverse" not in fm.get_backend(flag).orders]

# Activations, cost, sizes and the weights of the four examples.
MIXED = fm.PerNeuron(["tanh", "identity", "sine", "tanh"])
PROBLEMS = {
    "elementwise": (["tanh", "sigmoid", "softplus"], "quadratic", [3, 4, 3, 2], None),
    "per neuron": ([MIXED, "sigmoid"], "quadratic", [3, 4, 2], None),
    "softmax hidden": (["softmax", "tanh"], "quadratic", [3, 4, 2], None),
    "softmax output": (["tanh", "softmax"], "quadratic", [3, 4, 2], None),
    "combined sigmoids": (["tanh", "sigmoid"], "binary_cross_entropy", [3, 4, 2], None),
    "combined softmax": (["sigmoid", "softmax"], "log_likelihood", [3, 4, 2], None),
    "combined with a complement": (["tanh", "sigmoid"], "log_likelihood", [3, 4, 2], None),
    "sparse": (["tanh", "silu", "sigmoid"], "quadratic", [3, 4, 3, 2], None),
    "weighted": (["softmax", "tanh", "softmax"], "log_likelihood", [3, 4, 3, 2], [1.0, 0.0, 2.0, 0.5]),
    "linear": (["identity"] * 3, "quadratic", [3, 4, 3, 2], None),
    "one layer, one example": (["sine"], "quadratic", [3, 2], [1.0]),
}  # fmt: skip


@lru_cache
def problem(name, dtype="float64"):
    """Return a network, checked examples and a direction."""
    activations, cost, sizes, sample_weight = PROBLEMS[name]
    random = np.random.default_rng(sorted(PROBLEMS).index(name))
    net = fm.Network.random(sizes, activations, seed=1)
    net.vector[...] = random.normal(size=net.vector.size)
    if name == "sparse":
        stored = [csr_array(w * (random.random(w.shape) < 0.6)) for w in net.weights]
        net = fm.Network(stored, net.biases, activations)
    net = net.astype(dtype)
    m = 4 if sample_weight is None else len(sample_weight)
    X, Y = random.normal(size=(m, sizes[0])), random.random((m, sizes[-1]))
    batch = net.check_examples(X, Y, cost=cost, sample_weight=sample_weight)
    return net, batch, random.normal(size=net.layout.count).astype(dtype)


@lru_cache
def reference(name, operator, dtype):
    net, batch, v = problem(name, dtype)
    return OperatorReference(operator, Point(net, batch), v)


def provided(flag, name, dtype="float64"):
    """Return the operators of a backend that it provides for this problem."""
    net, batch, _ = problem(name, dtype)
    backend = fm.get_backend(flag)
    return [each for each in OPERATORS if backend.why_not_operator(each, net, batch.cost) is None]


# These four have every kind of layer and cost; the others are for the slow tests, and not for what compiles each one.
FIRST = ("elementwise", "softmax output", "sparse", "weighted")
PAIRS = [
    pytest.param(flag, name, marks=() if name in FIRST else pytest.mark.slow)
    for flag in PROVIDING
    for name in (FIRST if flag == "autodiff_jax" else PROBLEMS)
]


@pytest.mark.parametrize("dtype", makers.DTYPES)
@pytest.mark.parametrize(("flag", "name"), PAIRS)
def test_every_operator_is_within_its_bound(flag, name, dtype):
    makers.skip_absent(flag)
    net, batch, v = problem(name, dtype)
    backend, limit = fm.get_backend(flag), 2**15 * np.finfo(dtype).eps
    for operator in provided(flag, name, dtype):
        candidate = backend.linearize(Point(net, batch))
        found, right = evaluate(candidate, operator, v), reference(name, operator, dtype)
        assert found.dtype == net.dtype
        if backend.tier is Tier.PERTURBATION:
            assert judge_operator(candidate, found, right).status != "different"
            continue
        assert right.bound.max() < limit * np.abs(right.value).max(), "the bound is too wide to see a fault"
        assert not (np.abs(found - right.value) > right.bound).any(), operator


@pytest.mark.slow
@pytest.mark.parametrize("flag", [flag for flag in EXACT if not flag.startswith("autodiff")])  # they compile each one
def test_no_right_result_of_a_random_network_is_different(flag):
    makers.skip_absent(flag)
    backend, equal, judged = fm.get_backend(flag), 0, 0
    for seed in range(18):
        case = makers.random_case(seed, makers.DTYPES[seed % 3], flag, widest=5, deepest=5)
        net, v = case.net, np.random.default_rng(seed).standard_normal(case.net.layout.count)
        batch = net.check_examples(case.X, case.Y, cost=case.cost, sample_weight=case.sample_weight)
        for operator in OPERATORS:
            if backend.why_not_operator(operator, net, batch.cost) is None:
                candidate = backend.linearize(Point(net, batch))
                found = evaluate(candidate, operator, v.astype(net.dtype))
                right = OperatorReference(operator, Point(net, batch), v.astype(net.dtype))
                verdict = judge_operator(candidate, found, right)
                assert verdict.status != "different", (seed, operator, verdict.reason)
                equal, judged = equal + (verdict.status == "equal"), judged + 1
    assert judged and equal > 0.9 * judged


@pytest.mark.parametrize("flag", PROVIDING)
def test_every_provided_operator_is_tried(flag):
    makers.skip_absent(flag)
    served = {operator for name in PROBLEMS for operator in provided(flag, name)}
    assert served == set(fm.get_backend(flag).operators)


IN_INTEGERS = {
    "elementwise": ("square", "identity", "square"),
    "coupled": (makers.NEIGHBOURS, "square", makers.NEIGHBOURS),
    "linear": ("identity",) * 3,
}  # fmt: skip


@lru_cache
def integers(kind):
    """Return a point at small integers, with two examples: nothing is rounded."""
    random = np.random.default_rng(5)
    sizes = [2, 3, 2, 3]
    weights = [random.integers(-2, 3, (after, before)) for before, after in pairwise(sizes)]
    net = fm.Network(
        [w.astype(float) for w in weights],
        [random.integers(-1, 2, n).astype(float) for n in sizes[1:]],
        IN_INTEGERS[kind],
    )
    X, Y = random.integers(-1, 2, (2, 2)).astype(float), random.integers(-1, 2, (2, 3)).astype(float)
    return Point(net, net.check_examples(X, Y))


def served_in_integers(operator):
    """Return each backend that rounds nothing with each point at small integers that it serves."""
    cost = get_cost("quadratic")
    return [
        (flag, kind)
        for flag in EXACT
        for kind in IN_INTEGERS
        if fm.get_backend(flag).why_not_operator(operator, integers(kind).network, cost) is None
    ]


@lru_cache
def forward_mode_in_integers(kind):
    """Return the linearisation by forward mode, which transposes nothing, and its Hessian."""
    right = fm.get_backend("tangent").linearize(integers(kind))
    return right, np.stack([right.hessian_product(e) for e in np.eye(right.point.network.layout.count)])


def unit_stack(n, m):
    return np.broadcast_to(np.eye(n)[:, None], (n, m, n))


@pytest.mark.parametrize(("flag", "kind"), served_in_integers("jacobian"))
def test_products_transposes_and_matrices_of_all_layers_are_one_jacobian(flag, kind):
    found, (right, _) = fm.get_backend(flag).linearize(integers(kind)), forward_mode_in_integers(kind)
    net, m = found.point.network, found.point.m
    last, sizes, orders = net.layout.last, net.sizes, found.backend.orders
    for of in range(2, last + 1):
        for wrt in range(1, of):
            J = right.jacobian(of, wrt)
            for order in ("optimal", *orders):
                assert np.array_equal(found.jacobian(of, wrt, order), J)
            assert np.array_equal(found.push(unit_stack(sizes[wrt - 1], m), of, wrt).transpose(1, 2, 0), J)
            assert np.array_equal(found.pull(unit_stack(sizes[of - 1], m), of, wrt).transpose(1, 0, 2), J)
        for at in ("a", "z"):
            J = right.push(np.eye(net.layout.count), of, PARAMETERS, at)
            assert np.array_equal(found.push(np.eye(net.layout.count), of, PARAMETERS, at), J)
            # Shape (n_of, m): a cotangent for one output of one example.
            cotangents = np.eye(m * sizes[of - 1]).reshape(-1, m, sizes[of - 1])
            pulled = found.pull(cotangents, of, PARAMETERS, at)
            assert np.array_equal(pulled, J.reshape(net.layout.count, -1).T)
            for wrt in range(1, of):
                units = unit_stack(sizes[wrt - 1], m)
                assert np.array_equal(found.push(units, of, wrt, at), right.push(units, of, wrt, at))


@pytest.mark.parametrize(("flag", "kind"), served_in_integers("hessian"))
def test_the_hessian_is_that_of_forward_mode_symmetric_and_linear(flag, kind):
    found, (_, right) = fm.get_backend(flag).linearize(integers(kind)), forward_mode_in_integers(kind)
    units = np.eye(found.point.network.layout.count)
    H = np.stack([found.hessian_product(e) for e in units])
    assert np.array_equal(H, right)
    assert np.array_equal(H, H.T)
    v = np.arange(len(units)) - 5.0
    # An imaginary step leaves h², near 2⁻¹³², where a term is 0.
    left = 2.0**-100 * np.abs(H @ v).max() if flag.startswith("complex_step") else 0
    for scale in (1.0, 2.0**-400, 2.0**400):
        assert (np.abs(found.hessian_product(scale * v) - scale * (H @ v)) <= scale * left).all()
    assert not found.hessian_product(0 * v).any()


SHARED = [
    pytest.param(flag, operator, marks=() if operator == "hessian" else pytest.mark.slow)
    for flag in PROVIDING
    for operator in provided(flag, "elementwise")
]


@pytest.mark.parametrize(("flag", "operator"), SHARED)
def test_threads_may_share_an_operator(flag, operator):
    net, batch, _ = problem("elementwise")
    evaluated = partial(evaluate, fm.get_backend(flag).linearize(Point(net, batch)), operator)
    units = np.eye(12, net.layout.count)
    alone = [evaluated(e) for e in units]
    with ThreadPoolExecutor(4) as threads:
        for product, right in zip(threads.map(evaluated, units), alone, strict=True):
            assert np.array_equal(product, right)


@pytest.mark.parametrize("flag", FORWARD_ONLY)
def test_directions_are_taken_in_blocks(flag, monkeypatch):
    net, batch, v = problem("weighted")
    backend = fm.get_backend(flag)
    monkeypatch.setattr(forward_mode, "BLOCK", 64)
    for operator in OPERATORS:
        candidate = backend.linearize(Point(net, batch))
        # The sums of a product may be ordered anew.
        verdict = judge_operator(
            candidate, evaluate(candidate, operator, v), reference("weighted", operator, "float64")
        )
        assert verdict.status == "equal", verdict.reason


def test_formulations_without_curvature_of_the_functions_find_a_wrong_one(monkeypatch):
    net, batch, v = problem("elementwise")
    right = {flag: evaluate(fm.get_backend(flag).linearize(Point(net, batch)), "hessian", v) for flag in PROVIDING[:1]}
    independent = ("complex_step", "finite_difference")
    tanh = type(net.activations[0])
    curvature = tanh.curvature
    monkeypatch.setattr(tanh, "curvature", lambda self, z: -curvature(self, z))
    for flag in ("sigma", "back_substitution", "neumann", "tangent", *independent):
        found = evaluate(fm.get_backend(flag).linearize(Point(net, batch)), "hessian", v)
        agrees = np.abs(found - next(iter(right.values()))).max() < 1e-6
        assert agrees == (flag in independent), flag


CUBE = fm.activation(lambda z: z**3, lambda z: 3 * z**2, name="cube")


def test_the_hessian_of_finite_difference_needs_no_curvature():
    quartic = fm.cost(lambda A, Y: ((A - Y) ** 4).sum(axis=1) / 4, lambda A, Y: (A - Y) ** 3, name="quartic")
    net = fm.Network([[[2.0]], [[1.0]]], [[1.0], [0.0]], [CUBE, "identity"])
    with pytest.raises(Refused, match=r"no curvature.*backends that can: .*finite_difference"):
        fm.hessian(net, [[0.0]], [[0.0]], quartic)
    # C = ¼(u b³ + c)⁴ at u = b = 1: along c, ∂²C/∂c² = 3, and ∂²C/∂b∂c = 3·3.
    H = fm.hessian(net, [[0.0]], [[0.0]], quartic, backend="finite_difference").to_dense()
    # The central quotient of step h along c is off by h² times 6/6 and 18/6, and each of its two terms, at most 3 and
    # near 1, by fewer than 16 roundings.
    h = np.finfo(float).eps ** (1 / 3)
    assert np.abs(H[[3, 1], 3] - [3, 9]).max() <= 3 * h**2 + gamma(16, unit_roundoff(float)) * 3 * (1 + 4 * h) / h
    with pytest.raises(Refused, match="∇²_aC"):
        fm.gauss_newton(net, [[0.0]], [[0.0]], quartic, backend="finite_difference")


def test_complex_step_serves_what_it_can_differentiate():
    net = fm.Network.random([2, 3, 2], [CUBE, "relu"], seed=0)
    X = [[1.0, -1.0]]
    found, right = (fm.jacobian(net, X, of=2, backend=backend) for backend in ("complex_step", "hadamard"))
    assert np.abs(found - right).max() < 1e-14 * np.abs(right).max()
    with pytest.raises(Refused, match="non-analytic relu is in layer 3"):
        fm.jacobian(net, X, backend="complex_step")
    with pytest.raises(Refused, match="only built-in activations have, not cube in layer 2"):
        fm.hessian(fm.Network.random([2, 3, 2], CUBE, seed=0), X, [[0.0, 1.0]], backend="complex_step")


def test_linear_serves_the_layers_below_a_nonlinear_one():
    net = fm.Network.random([2, 3, 2], ["identity", "tanh"], seed=0)
    X = np.ones((2, 2))
    assert np.array_equal(fm.jacobian(net, X, of=2, backend="linear"), np.stack([net.weights[0]] * 2))
    with pytest.raises(Refused, match="layer 3 has tanh"):
        fm.jacobian(net, X, backend="linear")


@pytest.mark.parametrize("name", fm.list_backends())
def test_a_backend_without_an_operator_says_why(name):
    backend = fm.get_backend(name)
    net = fm.Network.random([2, 3, 2], seed=0)
    assert set(backend.operators) == set(OPERATORS) or backend.no_operators != Backend.no_operators
    for operator in set(OPERATORS) - set(backend.operators):
        assert backend.why_not_operator(operator, net, get_cost("quadratic")) == backend.no_operators


def test_a_product_beyond_the_budget_is_refused_with_its_estimate():
    net = fm.Network.random([20, 30, 10], seed=0)
    X, Y = np.zeros((5, 20)), np.zeros((5, 10))
    with fm.use_budget(seconds=1e-3):
        fm.hessian(net, X, Y)
        fm.hessian(net, X, Y, backend="complex_step")
        fm.jacobian_operator(net, X, backend="tangent")
        with pytest.raises(Refused, match=r"one product with the Hessian would take about .* tangent passes"):
            fm.hessian(net, X, Y, backend="tangent")
        with pytest.raises(Refused, match=r"one product with the Gauss–Newton matrix would take about"):
            fm.gauss_newton(net, X, Y, backend="complex_step")
        with pytest.raises(Refused, match=r"the Jacobian or its transpose would take about .* forward passes"):
            fm.jacobian_operator(net, X, wrt="parameters", backend="finite_difference")


def test_estimates_of_products_follow_the_passes():
    net, m = fm.Network.random([6, 8, 4], seed=0), 3

    def count(backend, operator, wrt=PARAMETERS):
        return fm.get_backend(backend).estimate_operator(operator, net, m, wrt).multiplications

    gradient = {name: fm.get_backend(name).estimate(net, m).multiplications for name in fm.list_backends()}
    assert count("hadamard", "hessian") == 2 * gradient["hadamard"]
    assert count("tangent", "hessian") == 3 * gradient["tangent"]
    assert count("tangent", "gauss_newton") == gradient["tangent"]
    assert count("complex_step", "hessian") == 4 * gradient["hadamard"]
    assert count("finite_difference:scheme=richardson", "hessian") == 4 * gradient["hadamard"]
    assert count("finite_difference", "jacobian", 1) == -(-gradient["finite_difference"] * 6 // net.layout.count)


class TestDerivativeAlong:
    """The quotient along a direction."""

    def test_the_step_is_the_rule_of_the_component_that_moves_most(self):
        points = []
        at, v = np.array([4.0, 0.5, -2.0]), np.array([0.0, 0.0, 3.0])
        derivative_along(lambda p: points.append(p) or p[:1], at, v, "central", 2.0**-10)
        assert np.array_equal(points, [[4.0, 0.5, -2 + 2.0**-9], [4.0, 0.5, -2 - 2.0**-9]])

    @pytest.mark.parametrize("scheme", ["forward", "central", "richardson"])
    def test_it_is_linear_in_the_scale_and_zero_along_nothing(self, scheme):
        at, v = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, -1.0], [0.0, 0.0]])
        quotient = [derivative_along(lambda p: p**3, at, s * v, scheme) / s for s in (1.0, 2.0**-900, 2.0**900)]
        assert np.abs(quotient[0] - 3 * at**2 * v).max() < 1e-6
        assert np.array_equal(quotient[0], quotient[1]) and np.array_equal(quotient[0], quotient[2])
        assert not quotient[0][1].any()

    def test_a_step_that_is_lost_is_refused(self):
        with pytest.raises(InvalidInput, match="lost in the rounding of float64"):
            derivative_along(np.copy, np.ones(2), np.ones(2), "central", 1e-30)


def test_sigma_builds_its_matrices_once_if_they_are_planned(monkeypatch):
    made, diagonal = [], sigma_file.diagonal
    monkeypatch.setattr(sigma_file, "diagonal", lambda values: made.append(values) or diagonal(values))
    net, batch, v = problem("elementwise")
    counts = {}
    for matrix in ("planned", "sparse"):
        found = fm.get_backend(f"sigma:matrix={matrix}").linearize(Point(net, batch))
        for _ in range(3):
            found.hessian_product(v)
        counts[matrix] = len(made)
        made.clear()
    # Σ′ and S of three layers; or at each of three products Σ′ twice and S once.
    assert counts == {"planned": 6, "sparse": 27}


def test_back_substitution_factors_once(monkeypatch):
    import scipy

    calls, splu = [], scipy.sparse.linalg.splu
    monkeypatch.setattr(scipy.sparse.linalg, "splu", lambda *args, **options: calls.append(1) or splu(*args, **options))
    net, batch, v = problem("elementwise")
    found = fm.get_backend("back_substitution").linearize(Point(net, batch))
    found.hessian_product(v)
    found.gauss_newton_product(v)
    found.jacobian(net.layout.last, 1)
    assert len(calls) == 1


@pytest.mark.parametrize("name", sorted(name for name, f in ACTIVATIONS.items() if f.analytic and not f.coupled))
def test_dual_numbers_differentiate_the_formulas(name):
    activation = ACTIVATIONS[name]
    z = np.concatenate([np.linspace(-30, 30, 241), [-300.0, 300.0]])[:, None]
    found = activation.formula(DUAL, Dual(z + 0j, np.ones_like(z) + 0j))
    value, slope = activation.value(z), activation.slope(z)
    u = np.finfo(float).eps / 2
    # The library's own error, and some roundings of the formula with its argument.
    scale = 16 * u * (1 + np.abs(z)) if isinstance(activation, GELU) else 16 * u
    assert (np.abs(found.value - value) <= scale * (np.abs(value) + (name == "gelu"))).all()
    assert (np.abs(found.slope - slope) <= scale * (np.abs(slope) + (name in ("gelu", "silu", "sine")))).all()


def test_dual_numbers_mix_with_constants():
    z = Dual(np.array([2.0 + 0j]), np.array([1.0 + 0j]))
    Y = np.array([3.0])
    for found, value, slope in (
        (Y * z, 6, 3), (Y - z, 1, -1), (z - Y, -1, 1), (1 + z, 3, 1), (z / 2, 1, 0.5), (-z, -2, -1), (z / z, 1, 0),
        ((z[:, None] * z[:, None]).sum(1), 4, 4),
    ):  # fmt: skip
        assert (found.value, found.slope) == (value, slope)


def test_a_backend_that_declares_operators_must_linearise():
    class Idle(Backend):
        name, summary, equations, tier = "idle", "", (), Tier.RECURRENCE
        operators = OPERATORS

    with pytest.raises(NotImplementedError, match="must define linearize"):
        fm.jacobian(fm.Network.random([2, 1], "identity", seed=0), [[1.0, 1.0]], backend=Idle())
