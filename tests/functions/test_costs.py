"""Costs: values and gradients against 60 digits, combined forms, saturation, and the checks of custom costs."""

from __future__ import annotations

import bounds
import makers
import mpmath
import numpy as np
import pytest

import formulations as fm
from formulations.exceptions import InvalidInput, NotFinite, UnknownName, WrongDerivative, WrongShape, WrongType
from formulations.functions.costs.table import COSTS, get_cost

mpmath.mp.dps = 60
M, N = 5, 3


def exact(number) -> mpmath.mpf:
    """Return a float of any width without rounding."""
    numerator, denominator = number.as_integer_ratio()
    return mpmath.mpf(numerator) / denominator


def quadratic(a, y):
    return (a - y) ** 2 / 2, a - y, abs(a - y)


def binary_cross_entropy(a, y):
    value = -(y * mpmath.log(a) if y else 0) - ((1 - y) * mpmath.log(1 - a) if y != 1 else 0)
    hit, miss = (y / a if y else 0), ((1 - y) / (1 - a) if y != 1 else 0)
    # The two terms of the gradient may cancel, so its rounding is that of their sum.
    return value, miss - hit, miss + hit


def log_likelihood(a, y):
    hit = y / a if y else 0
    return (-y * mpmath.log(a) if y else 0), -hit, hit


TRUTH = {
    "quadratic": quadratic,
    "binary_cross_entropy": binary_cross_entropy,
    "log_likelihood": log_likelihood,
}


def outputs_and_targets(dtype):
    random = np.random.default_rng(0)
    A = random.uniform(0.001, 0.999, (M, N)).astype(dtype)
    Y = random.choice([0, 1, 0.25, 0.9], size=(M, N)).astype(dtype)
    # Nearly right already: 1 − a is 1, and only log1p still sees a.
    A[0], Y[0] = 1e-12, 0
    return A, Y


def test_every_built_in_cost_has_its_truth():
    assert sorted(TRUTH) == makers.COST_NAMES


@pytest.mark.parametrize("dtype", makers.DTYPES)
@pytest.mark.parametrize("name", TRUTH)
def test_value_and_gradient_against_60_digits(name, dtype):
    A, Y = outputs_and_targets(dtype)
    gradient = np.full_like(A, 7)
    values = COSTS[name].evaluate(A, Y, gradient)
    assert values.dtype == gradient.dtype == np.dtype(dtype)
    assert values.shape == (M,)
    for x in range(M):
        truth = [TRUTH[name](exact(a), exact(y)) for a, y in zip(A[x], Y[x], strict=True)]
        # Logarithm, product, sum over N neurons: N + 4 roundings of terms of one sign.
        total = sum(value for value, *_ in truth)
        assert abs(exact(values[x]) - total) <= bounds.gamma(N + 4, dtype) * total
        for j, (_, slope, scale) in enumerate(truth):
            assert abs(exact(gradient[x, j]) - slope) <= bounds.gamma(4, dtype) * scale


def test_a_cost_without_gradient_has_the_same_bits():
    A, Y = outputs_and_targets("float64")
    for cost in COSTS.values():
        assert np.array_equal(cost.evaluate(A, Y), cost.evaluate(A, Y, np.empty_like(A)))


def neuron(activation, dtype="float64"):
    """Return a single neuron whose weighted input is its input."""
    return fm.Network([np.ones((1, 1), dtype)], [np.zeros(1, dtype)], activation)


@pytest.mark.parametrize("dtype", makers.DTYPES)
@pytest.mark.parametrize("target", [0, 1, 0.25])
@pytest.mark.parametrize("z", [-800, -87, -37.5, -1, 0, 0.5, 17, 37.5, 800])
def test_combined_cross_entropy_of_logits_against_60_digits(z, target, dtype):
    g = fm.gradient(neuron("sigmoid", dtype), [[z]], [[target]], cost="binary_cross_entropy")
    a = 1 / (1 + mpmath.exp(-mpmath.mpf(z)))
    softplus = mpmath.log1p(mpmath.exp(-abs(z)))
    value = target * (softplus + max(-z, 0)) + (1 - target) * (softplus + max(z, 0))
    # If e^z is clamped, σ stops at e^−t, which is less than e times the smallest normal number.
    tiny = mpmath.e * exact(np.finfo(dtype).smallest_normal)
    assert abs(exact(g.cost) - value) <= bounds.gamma(8, dtype) * value + tiny
    assert abs(exact(g.errors[-1][0, 0]) - (a - target)) <= bounds.gamma(8, dtype) * (a + target) + tiny
    assert g.weights[0][0, 0] == g.errors[-1][0, 0] * np.dtype(dtype).type(z)


@pytest.mark.parametrize("z", [-800.0, 800.0])
@pytest.mark.parametrize("target", [0.0, 1.0])
@pytest.mark.parametrize("dtype", makers.DTYPES)
def test_saturated_logits_stay_finite_in_every_backend(backend, z, target, dtype):
    net = neuron("sigmoid", dtype)
    if reason := fm.which(net, "binary_cross_entropy")[fm.get_backend(backend).name]:
        assert "identity" in reason or (dtype == "longdouble" and "float32 or float64" in reason)
        return
    g = fm.gradient(net, [[z]], [[target]], cost="binary_cross_entropy", backend=backend)
    wrong = (z > 0) != (target == 1)
    assert np.isfinite(g.vector).all() and np.isfinite(g.cost)
    # ln(1 + e^−800) is a number only in longdouble.
    assert g.cost == 800 if wrong else 0 <= g.cost <= np.exp(np.longdouble(-799))


@pytest.mark.parametrize("dtype", makers.DTYPES)
def test_log_likelihood_of_a_sigmoid_against_60_digits_in_every_backend(analytic, dtype):
    net = neuron("sigmoid", dtype)
    if reason := fm.get_backend(analytic).why_not(net, get_cost("log_likelihood")):
        assert "identity" in reason or (dtype == "longdouble" and "float32 or float64" in reason)
        return
    tiny = exact(np.finfo(dtype).smallest_normal)
    for z in (-8000, -710, -90, -37.5, -1, 0, 0.5, 17, 37.5, 80, 800):
        for target in (0, 1, 0.25, 3):
            g = fm.gradient(net, [[z]], [[target]], "log_likelihood", analytic)
            falling = mpmath.exp(-abs(mpmath.mpf(z)))
            value = target * (mpmath.log1p(falling) + max(-z, 0))
            # e^−|z| and log1p are known to 4u each, the sum, the product, the share and their sum add one each.
            assert abs(exact(g.cost) - value) <= bounds.gamma(12, dtype) * value + target * tiny
            delta = -target * (falling if z > 0 else 1) / (1 + falling)
            # 1 − F/(1 + F) with F = e^−|z| is at least a half, and so known to 2·5u + u; then as above.
            slack = bounds.gamma(14, dtype) * abs(delta) + target * tiny
            assert abs(exact(g.biases[0][0]) - delta) <= slack, (z, target)


def test_saturation_on_the_quadratic_cost_is_finite(backend):
    net = makers.network(backend)
    for weights in net.weights:
        weights *= 1e4
    assert np.isfinite(fm.gradient(net, *makers.data(net), backend=backend).vector).all()


def test_combined_and_separate_forms_agree_if_both_are_finite():
    net = makers.network(activations=("tanh", "sigmoid"))
    X, Y = makers.data(net)
    plain = fm.cost(
        lambda A, Y: -(Y * np.log(A) + (1 - Y) * np.log1p(-A)).sum(axis=1),
        lambda A, Y: (1 - Y) / (1 - A) - Y / A,
        name="separate",
    )
    combined, separate = (fm.gradient(net, X, Y, cost) for cost in ("binary_cross_entropy", plain))
    tape = net.forward(X, Y, cost=plain)
    a = tape.output
    assert np.all((a > 0.01) & (a < 0.99))
    # (1 − y)/(1 − a) and y/a are each amplified by at most 100 from the rounding of a; σ′ takes it back.
    slack = 100 * bounds.propagated(net, X, Y, "binary_cross_entropy").vector
    assert bounds.within(combined.vector - separate.vector, slack)
    assert combined.cost == pytest.approx(separate.cost, rel=bounds.gamma(100, "float64"))


def test_there_is_a_combined_form_only_if_all_outputs_are_sigmoids():
    cost = get_cost("binary_cross_entropy")
    assert cost.combined(fm.PerNeuron(["sigmoid", "sigmoid"])) is not None
    assert cost.combined(fm.PerNeuron(["sigmoid", "tanh"])) is None
    assert get_cost("quadratic").combined(fm.PerNeuron(["sigmoid"])) is None
    assert get_cost("log_likelihood").combined(fm.PerNeuron(["sigmoid", "sigmoid"])) is not None
    assert get_cost("log_likelihood").combined(fm.PerNeuron(["sigmoid", "softplus"])) is None


@pytest.mark.parametrize(("output", "shown"), [(1.5, "1.5"), (-0.25, "-0.25")])
def test_cross_entropy_needs_probabilities(output, shown):
    with pytest.raises(InvalidInput, match=rf"outputs in \[0, 1\], got {shown} from output neuron 0 in example 0; use"):
        fm.gradient(neuron("identity"), [[output]], [[1.0]], cost="binary_cross_entropy")


def test_cross_entropy_at_the_wrong_end_is_refused_not_returned():
    with pytest.raises(NotFinite, match="a form combined with the output activation"):
        fm.gradient(neuron("identity"), [[0.0]], [[1.0]], cost="binary_cross_entropy")


def test_cross_entropy_at_the_right_end_is_zero():
    g = fm.gradient(neuron("identity"), [[1.0], [0.0]], [[1.0], [0.0]], cost="binary_cross_entropy")
    assert g.cost == 0


def test_an_unknown_cost_lists_the_others():
    with pytest.raises(UnknownName, match=r"unknown cost 'cross_entropy'; valid names are"):
        get_cost("cross_entropy")


def quartic(A, Y):
    return ((A - Y) ** 4).sum(axis=1)


def quartic_gradient(A, Y):
    return 4 * (A - Y) ** 3


class Counter:
    """A value that differs at every call."""

    def __init__(self):
        self.calls = 0

    def __call__(self, A, Y):
        self.calls += 1
        return quartic(A, Y) + self.calls


def overwriting(A, Y):
    A -= Y
    return (A**4).sum(axis=1)


REFUSED = {
    "one number for all": (lambda A, Y: quartic(A, Y).sum(), quartic_gradient, WrongShape, "return shape (5,), got ()"),
    "one number a neuron": (lambda A, Y: (A - Y) ** 4, quartic_gradient, WrongShape, "sum over axis 1 only"),
    "a column": (lambda A, Y: quartic(A, Y)[:, None], quartic_gradient, WrongShape, "got (5, 1)"),
    "gradient of another shape": (quartic, lambda A, Y: quartic(A, Y), WrongShape, "gradient(A, Y) must return shape"),
    "another dtype": (lambda A, Y: quartic(A, Y).astype("f4"), quartic_gradient, WrongType, "float64 of its arguments"),
    "no function": (3, quartic_gradient, WrongType, "pass a callable"),
    "no gradient function": (quartic, None, WrongType, "pass a callable"),
    "divided by m": (lambda A, Y: quartic(A, Y) / len(A), quartic_gradient, InvalidInput, "must not mix examples"),
    "normalised over the batch": (
        lambda A, Y: quartic(A - A.mean(axis=0), Y), quartic_gradient, InvalidInput, "must not mix examples",
    ),
    "gradient divided by m": (quartic, lambda A, Y: 4 * (A - Y) ** 3 / len(A), InvalidInput, "must not mix examples"),
    "changing its arguments": (overwriting, quartic_gradient, InvalidInput, "leave its arguments unchanged"),
    "not a function": (Counter(), quartic_gradient, InvalidInput, "two values for the same outputs"),
    "another sign": (quartic, lambda A, Y: -4 * (A - Y) ** 3, WrongDerivative, "correct the gradient"),
    "a lost factor": (quartic, lambda A, Y: (A - Y) ** 3, WrongDerivative, "the numerical one is"),
    "off by 0.05 %": (quartic, lambda A, Y: 4.002 * (A - Y) ** 3, WrongDerivative, "the numerical one is"),
    "too rough": (
        lambda A, Y: np.sin(1e9 * (A - Y)).sum(axis=1), quartic_gradient, WrongDerivative,
        "does not converge; make it differentiable on the domain",
    ),
    "not finite": (
        lambda A, Y: quartic(A, Y) + np.log(A - 0.5).sum(axis=1), quartic_gradient, NotFinite,
        "value(A, Y) must be finite on the domain, got nan at a = ",
    ),
    "gradient not finite": (quartic, lambda A, _: np.inf * A, NotFinite, "gradient(A, Y) must be finite"),
    "mixing in the small": (
        lambda A, Y: 1e-200 * quartic(A - A.mean(axis=0), Y), lambda A, Y: 1e-200 * quartic_gradient(A, Y),
        InvalidInput, "must not mix examples",
    ),
    "wrong in the small": (
        lambda A, Y: 1e-200 * quartic(A, Y), lambda A, Y: 1.0005e-200 * quartic_gradient(A, Y),
        WrongDerivative, "the numerical one is",
    ),
    "gradient changing its arguments": (
        quartic, lambda A, Y: np.multiply(np.subtract(A, Y, out=A) ** 3, 4), InvalidInput,
        "gradient(A, Y) must leave its arguments unchanged",
    ),
    "zero": (quartic, lambda A, _: 0 * A, WrongDerivative, "gradient must be the derivative of"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_cost_that_breaks_an_assumption_is_refused(name):
    value, gradient, exception, part = REFUSED[name]
    with pytest.raises(exception) as caught:
        fm.cost(value, gradient, name="quartic")
    message = str(caught.value)
    assert part in message
    assert "\n" not in message and message.endswith(".")


@pytest.mark.parametrize("domain", [(1, 1), (2, 1), (np.nan, 1), (5,), 3, "ab", (0, np.inf)])
def test_a_domain_is_an_interval(domain):
    with pytest.raises(InvalidInput, match=r"domain must be \(low, high\) with finite low < high, got .*\."):
        fm.cost(quartic, quartic_gradient, domain=domain)


def test_a_cost_of_ones_own_serves_every_backend(backend):
    mine = fm.cost(lambda A, Y: ((A - Y) ** 2).sum(axis=1) / 2, lambda A, Y: A - Y)
    net = makers.network(backend)
    if not makers.serves(backend, net, mine):
        assert "quadratic" in fm.which(net, mine)[fm.get_backend(backend).name]
        return
    X, Y = makers.data(net)
    bound = 2 * bounds.noise(backend, net, X, Y)
    theirs = fm.gradient(net, X, Y, backend=backend).vector
    assert bounds.within(fm.gradient(net, X, Y, mine, backend).vector - theirs, bound)


def test_a_cost_of_ones_own_is_checked_at_every_call():
    mine = fm.cost(lambda A, Y: quartic(A, Y).astype("f8"), quartic_gradient, name="wide")
    net = makers.network(dtype="float32")
    with pytest.raises(WrongType, match=r"'wide': value.* must keep the dtype float32 of its arguments, got"):
        fm.gradient(net, *makers.data(net), cost=mine)


def test_a_cost_is_named_by_its_function():
    assert fm.cost(quartic, quartic_gradient).name == "quartic"


FAITHFUL = {
    "of tiny size": (lambda A, Y: 1e-200 * quartic(A, Y), lambda A, Y: 1e-200 * quartic_gradient(A, Y), (0.1, 0.9)),
    "of huge size": (lambda A, Y: 1e200 * quartic(A, Y), lambda A, Y: 1e200 * quartic_gradient(A, Y), (0.1, 0.9)),
    "with a kink": (lambda A, Y: np.abs(A - Y).sum(axis=1), lambda A, Y: np.sign(A - Y), (0.1, 0.9)),
    "expanded": (
        lambda A, Y: (A * A - 2 * A * Y + Y * Y).sum(axis=1), lambda A, Y: 2 * A - 2 * Y, (-100, 100),
    ),
    "up to the ends": (
        lambda A, Y: -(Y * np.log(A) + (1 - Y) * np.log1p(-A)).sum(axis=1),
        lambda A, Y: (1 - Y) / (1 - A) - Y / A, (0, 1),
    ),
    "constant": (lambda A, _: 0 * A[:, 0], lambda A, _: 0 * A, (0, 1)),
    "oscillating": (lambda A, _: np.sin(300 * A).sum(axis=1), lambda A, _: 300 * np.cos(300 * A), (0, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", FAITHFUL)
def test_a_faithful_cost_is_accepted(name):
    value, gradient, domain = FAITHFUL[name]
    assert repr(fm.cost(value, gradient, name="mine", domain=domain)) == "<CustomCost mine>"


def test_a_cost_shows_its_name():
    assert all(repr(cost) == f"<{type(cost).__name__} {name}>" for name, cost in COSTS.items())


def test_a_cost_is_never_evaluated_outside_its_domain():
    seen = []

    def value(A, Y):
        seen.extend([A.min(), A.max()])
        return quartic(A, Y)

    fm.cost(value, quartic_gradient, domain=(0, 1))
    assert min(seen) >= 0 and max(seen) <= 1


def test_log_likelihood_of_targets_that_do_not_sum_to_one():
    net = fm.Network.random([2, 2], "softmax", seed=0)
    X, Y = np.array([[0.0, 1.0], [0.5, 0.2]]), np.array([[2.0, 0.0], [0.3, 0.1]])
    g = fm.gradient(net, X, Y, "log_likelihood", "sigma")
    a = net(X)
    expected = (a * Y.sum(axis=1, keepdims=True) - Y) / 2
    assert np.all(np.abs(g.errors[-1] - expected) <= 8 * np.finfo(float).eps * (a * 2 + Y))


@pytest.mark.parametrize("dtype", makers.DTYPES)
def test_softmax_of_logits_as_far_apart_as_numbers_are(analytic, dtype):
    far = np.finfo(dtype).max / 2
    net = fm.Network(
        [np.zeros((3, 1), dtype)], [np.array([far, -far, 0], dtype) * np.dtype(dtype).type(1.5)], "softmax"
    )
    if reason := fm.get_backend(analytic).why_not(net, get_cost("log_likelihood")):
        pytest.skip(reason)
    g = fm.gradient(net, [[1.0]], [[1.0, 0.0, 0.0]], "log_likelihood", analytic)
    assert g.cost == 0 and not g.vector.any()


@pytest.mark.parametrize("dtype", makers.DTYPES)
def test_log_likelihood_of_logits_depends_on_their_differences_alone(dtype):
    """Adding one number to all logits, here without roundoff, changes no bit of the cost."""
    combined = COSTS["log_likelihood"].combined(fm.Network.random([1, 3], "softmax", seed=0).activations[0])
    Z = np.array([[3, 0, -5], [1, 1, 1], [-40, 0, 7]], dtype)
    Y = np.array([[1, 0, 0], [0, 0.5, 0.5], [0, 0, 1]], dtype)
    assert np.array_equal(combined.value(Z + 2.0**20, Y), combined.value(Z, Y))
    assert (combined.value(Z, Y) > 0).all(), "a probability that rounds to 1 has a cost all the same"


@pytest.mark.parametrize("backend", ["hadamard", "fused"])
def test_log_likelihood_of_a_confident_softmax_keeps_its_digits(backend):
    makers.skip_absent(backend)
    net = fm.Network([[[40.0], [0.0]]], [[1000.0, 1000.0]], "softmax")
    # ln(e^1040 + e^1000) − 1040 = ln(1 + e^−40), which is e^−40 to 17 digits.
    cost = fm.gradient(net, [[1.0]], [[1.0, 0.0]], "log_likelihood", backend).cost
    assert abs(cost - np.exp(-40)) <= 4 * np.finfo(float).eps * np.exp(-40)


def test_log_likelihood_takes_an_output_of_zero_whose_target_is_zero():
    net = fm.Network([[[-1.0], [1.0]]], [[0.0, 0.0]], "relu")
    g = fm.gradient(net, [[1.0]], [[0.0, 1.0]], "log_likelihood")
    assert g.cost == 0 and g.weights[0].tolist() == [[0.0], [-1.0]]
