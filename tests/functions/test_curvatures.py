"""Curvatures of costs, combined outputs and coupled activations: 60 digits, saturation, kinks, and the check of custom
ones; those of element-wise activations are judged with their values and slopes."""

from __future__ import annotations

import bounds
import makers
import mpmath as mp
import numpy as np
import pytest

import formulations as fm
from formulations.exceptions import InvalidInput, NotFinite, Refused, WrongDerivative, WrongShape, WrongType
from formulations.functions import ACTIVATIONS, COSTS, CoupledCurvature, curvature_term
from formulations.functions.activations.coupled import CoupledActivation

mp.mp.dps = 60
M, N = 5, 3


def exact(number) -> mp.mpf:
    """Return a float of any width without rounding."""
    numerator, denominator = number.as_integer_ratio()
    return mp.mpf(numerator) / denominator


def rows(array):
    """Return the rows of an array as lists of exact numbers."""
    return [[exact(entry) for entry in row] for row in array]


def over_square(weight, a):
    return weight / a**2 if weight else mp.mpf(0)


# ∂²C_x/∂a_j² of a and y; all built-in costs have diagonal curvatures.
TRUTH = {
    "quadratic": lambda a, y: mp.mpf(1),  # noqa: ARG005
    "binary_cross_entropy": lambda a, y: over_square(1 - y, 1 - a) + over_square(y, a),
    "log_likelihood": lambda a, y: over_square(y, a),
}


def test_every_built_in_function_has_a_curvature():
    assert sorted(TRUTH) == makers.COST_NAMES
    assert all(function.has_curvature for function in (*ACTIVATIONS.values(), *COSTS.values()))


@pytest.mark.parametrize("dtype", makers.DTYPES)
@pytest.mark.parametrize("name", TRUTH)
def test_the_curvature_of_a_cost_agrees_with_sixty_digits(name, dtype):
    random = np.random.default_rng(0)
    A = random.uniform(0.001, 0.999, (M, N)).astype(dtype)
    Y = random.choice([0, 1, 0.25, 0.9], size=(M, N)).astype(dtype)
    # The square of an output this small underflows in float32; v is as small as the output, as it is behind a slope.
    A[0] = [1e-30, 1e-12, 2.0**-40]
    V = random.normal(size=(M, N)).astype(dtype) * A
    product = COSTS[name].curvature_product(A, Y, V)
    assert product.dtype == np.dtype(dtype) and not np.shares_memory(product, V)
    for p, a, y, v in zip(product.flat, A.flat, Y.flat, V.flat, strict=True):
        true = TRUTH[name](exact(a), exact(y)) * exact(v)
        # 1 − a twice, 1 − y, two quotients, the product and the sum of terms of one sign.
        assert abs(exact(p) - true) <= bounds.gamma(7, dtype) * abs(true)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "log_likelihood"])
def test_the_curvature_of_a_cross_entropy_is_infinite_where_the_output_is_certainly_wrong(name):
    ones = np.ones((1, 2))
    # Right outputs have the weight 0 on the term that would be infinite.
    assert np.isfinite(COSTS[name].curvature_product(np.array([[0.0, 1.0]]), np.array([[0.0, 1.0]]), ones)).all()
    product = COSTS[name].curvature_product(np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]]), ones)
    assert product[0, 0] == np.inf and product[0, 1] == (np.inf if name == "binary_cross_entropy" else 0)


COMBINED = {
    "binary_cross_entropy with sigmoid": ("binary_cross_entropy", "sigmoid"),
    "log_likelihood with sigmoid": ("log_likelihood", "sigmoid"),
    "log_likelihood with softmax": ("log_likelihood", "softmax"),
}


def derivative(f, z, v):
    """Return the derivative of f at z in the direction v, to about 30 digits."""
    return mp.diff(lambda t: f([each + t * direction for each, direction in zip(z, v, strict=True)]), 0)


def softmax(z):
    exponentials = [mp.exp(each - max(z)) for each in z]
    return [each / mp.fsum(exponentials) for each in exponentials]


def true_error(case, z, y):
    """Return δ^L from the definition of the combined form."""
    if case == "log_likelihood with softmax":
        return [a * mp.fsum(y) - target for a, target in zip(softmax(z), y, strict=True)]
    sigma = [1 / (1 + mp.exp(-each)) for each in z]
    if case == "log_likelihood with sigmoid":
        return [-target * (1 - a) for a, target in zip(sigma, y, strict=True)]
    return [a - target for a, target in zip(sigma, y, strict=True)]


@pytest.mark.parametrize("dtype", makers.DTYPES)
@pytest.mark.parametrize("case", COMBINED)
def test_the_curvature_of_a_combined_output_is_the_derivative_of_its_error(case, dtype):
    cost, name = COMBINED[case]
    activation = ACTIVATIONS[name]
    random = np.random.default_rng(1)
    # Multiples of 1/8, so that subtracting the largest z is exact.
    Z = (random.integers(-80, 80, (M, N)) / 8).astype(dtype)
    Y = random.choice([0, 1, 0.25, 2 if cost == "log_likelihood" else 0.5], size=(M, N)).astype(dtype)
    V = random.normal(size=(M, N)).astype(dtype)
    A, buffer = np.empty_like(Z), np.empty_like(Z)
    slope = activation.slope_buffer(Z, A, buffer)
    activation.evaluate(Z, A, None if activation.coupled else buffer)
    product = COSTS[cost].combined(activation).curvature_product(slope, Y, V)
    assert product.dtype == np.dtype(dtype)
    for p, z, a, y, v in zip(product, rows(Z), rows(A), rows(Y), rows(V), strict=True):
        true = [derivative(lambda z, j=j, y=y: true_error(case, z, y)[j], z, v) for j in range(N)]
        for j in range(N):
            # An exponential within 3u, or 6u in float32, gives σ′ within 8u, and each a_j within 2·6 + N + 1; the
            # products with Y and V, the sums over N, and a twice.
            scale = a[j] * (abs(v[j]) + mp.fdot(a, map(abs, v))) if activation.coupled else abs(true[j])
            scale *= mp.fsum(y) if activation.coupled else 1
            assert abs(exact(p[j]) - true[j]) <= bounds.gamma(30 + 4 * N, dtype) * scale


def test_the_curvature_of_a_combined_output_is_finite_in_saturation():
    for cost, name in COMBINED.values():
        net = fm.Network([np.eye(2)], [[0.0, 0.0]], name)
        z = np.array([[800.0, -800.0]])
        slope, combined = net.activations[0].slope(z), COSTS[cost].combined(net.activations[0])
        for y in np.eye(2):
            assert np.isfinite(combined.curvature_product(slope, y[None], np.ones((1, 2)))).all()


def layer(m=M, n=4, seed=2):
    """Return z, a direction v and a vector u."""
    return np.random.default_rng(seed).normal(size=(3, m, n))


@pytest.mark.parametrize("dtype", makers.DTYPES)
def test_the_curvature_of_softmax_agrees_with_sixty_digits(dtype):
    Z, V, U = layer().astype(dtype)
    Z = np.round(8 * Z) / 8
    curvature = ACTIVATIONS["softmax"].curvature(Z)
    term = curvature_term(curvature, V, U)
    assert term.dtype == np.dtype(dtype)
    for b, z, v, u in zip(term, rows(Z), rows(V), rows(U), strict=True):
        a, n = softmax(z), len(z)

        def product(z, j, u=u):
            moved = softmax(z)
            return moved[j] * (u[j] - mp.fdot(moved, u))

        mean_v, mean_u = mp.fdot(a, map(abs, v)), mp.fdot(a, map(abs, u))
        for j in range(n):
            moved = [a[k] * (abs(v[k]) + mean_v) for k in range(n)]
            scale = moved[j] * (abs(u[j]) + mean_u) + a[j] * mp.fdot(moved, map(abs, u))
            # a within 2·6 + n + 1, in each of three factors; two sums over n and two products each, and their sum.
            true = derivative(lambda z, j=j, product=product: product(z, j), z, v)
            assert abs(exact(b[j]) - true) <= bounds.gamma(3 * (13 + n) + 2 * n + 6, dtype) * scale


def test_bending_a_diagonal_slope_is_a_product():
    Z, V, U = layer()
    tanh = ACTIVATIONS["tanh"]
    a = tanh.value(Z)
    assert np.array_equal(curvature_term(tanh.curvature_at(Z, a), V, U), tanh.curvature(Z) * V * U)


def test_a_coupled_curvature_refers_to_its_layer():
    Z, V, U = layer()
    softmax = ACTIVATIONS["softmax"]
    a = softmax.value(Z)
    curvature = softmax.curvature_at(Z, a)
    assert isinstance(curvature, CoupledCurvature) and curvature.z is Z and curvature.a is a
    assert np.array_equal(curvature_term(curvature, V, U), curvature_term(softmax.curvature(Z), V, U))
    # Σ′ is the second derivative of ln Σe^z, so the third is symmetric in all three vectors.
    W = layer(seed=3)[0]
    forms = [(curvature_term(curvature, x, y) * z).sum() for x, y, z in ((V, U, W), (U, V, W), (W, V, U))]
    assert np.ptp(forms) <= 1e-13 * (np.abs(V) * np.abs(U) * np.abs(W)).sum()


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu"])
def test_the_curvature_at_the_seam_is_that_of_the_left_piece(name):
    left, at, right = ACTIVATIONS[name].curvature(np.array([[-0.0, 0.0, 1e-300]]))[0]
    assert left == at == (1 if name == "elu" else 0) and right == 0


class Bare(CoupledActivation):
    name = "bare"

    def evaluate(self, z, value, slope=None):  # noqa: ARG002
        value[...] = z

    def jacobian_product(self, z, a, v):  # noqa: ARG002
        return v

    transposed_product = jacobian_product


class BareCost(fm.Cost):
    name = "bare_cost"

    def evaluate(self, A, Y, gradient=None):
        return COSTS["quadratic"].evaluate(A, Y, gradient)


def softmax_parts():
    own = ACTIVATIONS["softmax"]
    return own.value, lambda Z, V: own.jacobian_product(Z, own.value(Z), V)


def coupled(curvature=None, **options):
    value, product = softmax_parts()
    return fm.coupled_activation(value, product, product, curvature=curvature, **options)


def fourth(curvature=None, **options):
    return fm.cost(
        lambda A, Y: ((A - Y) ** 4).sum(axis=1), lambda A, Y: 4 * (A - Y) ** 3, curvature=curvature, name="fourth",
        **options,
    )  # fmt: skip


def test_what_has_no_curvature_says_so_and_names_the_remedy():
    ones = np.ones((1, 3))
    sine = fm.activation(np.sin, np.cos, name="mine")
    for function in (Bare(), BareCost(), coupled(), fourth(), sine, fm.PerNeuron(["tanh", sine])):
        assert not function.has_curvature
    for call in (
        lambda: Bare().curvature(ones),
        lambda: Bare().curvature_at(ones, ones),
        lambda: Bare().curvature_product(ones, ones, ones, ones),
        lambda: coupled(name="bare").curvature_product(ones, ones, ones, ones),
    ):
        with pytest.raises(Refused, match=r"got 'bare', which has none; pass one: coupled_activation\(.*curvature="):
            call()
    with pytest.raises(Refused, match=r"got 'mine', which has none; pass one: activation\(f, slope, curvature="):
        sine.curvature_at(ones, ones)
    for cost in (BareCost(), fourth()):
        with pytest.raises(Refused, match=rf"got '{cost.name}', which has none; pass one: cost\(.*curvature="):
            cost.curvature_product(ones, ones, ones)


def test_what_is_given_a_curvature_has_it():
    own = ACTIVATIONS["softmax"]
    Z, V, U = layer()
    assert coupled(own.curvature_product).has_curvature
    assert np.array_equal(
        curvature_term(coupled(own.curvature_product).curvature(Z), V, U), curvature_term(own.curvature(Z), V, U)
    )
    mine = fm.activation(np.sin, np.cos, curvature=lambda z: -np.sin(z))
    assert mine.has_curvature and fm.PerNeuron(["tanh", mine]).has_curvature


# Σ_jk (a_j − a_k)²/2 + Σ a_j³, whose curvature is not diagonal.
def spread(A, Y):
    return A.shape[1] * (A**2).sum(axis=1) - A.sum(axis=1) ** 2 + (A**3 * Y).sum(axis=1)


def spread_gradient(A, Y):
    return 2 * A.shape[1] * A - 2 * A.sum(axis=1, keepdims=True) + 3 * A**2 * Y


def spread_curvature(A, Y):
    n = A.shape[1]
    return (
        2 * n * np.eye(n, dtype=A.dtype)
        - np.ones((n, n), A.dtype) * 2
        + 6 * (A * Y)[:, :, None] * np.eye(n, dtype=A.dtype)
    )


@pytest.mark.parametrize("dtype", makers.DTYPES)
def test_a_custom_cost_takes_a_diagonal_or_matrices(dtype):
    A, Y, V = (array.astype(dtype) for array in np.random.default_rng(4).uniform(0.2, 0.8, (3, M, N)))
    diagonal = fourth(lambda A, Y: 12 * (A - Y) ** 2)
    assert np.array_equal(diagonal.curvature_product(A, Y, V), 12 * (A - Y) ** 2 * V)
    assert diagonal.why_not(np.dtype(dtype)) is None
    product = fm.cost(spread, spread_gradient, curvature=spread_curvature).curvature_product(A, Y, V)
    expected = np.einsum("mij,mj->mi", spread_curvature(A, Y), V)
    scale = np.einsum("mij,mj->mi", np.abs(spread_curvature(A, Y)), V)
    assert product.dtype == np.dtype(dtype) and (np.abs(product - expected) <= bounds.gamma(2 * N, dtype) * scale).all()


def test_a_curvature_in_float64_alone_is_a_reason():
    stubborn = fourth(lambda A, Y: np.asarray(12 * (A - Y) ** 2, float))
    assert "curvature(A, Y) must keep the dtype float32" in stubborn.why_not(np.dtype("float32"))
    assert stubborn.why_not(np.dtype("float64")) is None


def wrong_entry(i, j, factor=1.0005):
    def curvature(A, Y):
        matrices = spread_curvature(A, Y)
        matrices[:, i, j] *= factor
        return matrices

    return curvature


COST_FAULTS = {
    "half a thousandth": (lambda: fourth(lambda A, Y: 12.006 * (A - Y) ** 2), WrongDerivative),
    "the sign": (lambda: fourth(lambda A, Y: -12 * (A - Y) ** 2), WrongDerivative),
    "an entry off the diagonal": (
        lambda: fm.cost(spread, spread_gradient, curvature=wrong_entry(0, 2)), WrongDerivative,
    ),
    "a diagonal for matrices": (
        lambda: fm.cost(spread, spread_gradient, curvature=lambda A, Y: np.diagonal(
            spread_curvature(A, Y), axis1=1, axis2=2)), WrongDerivative,
    ),
    "one number": (lambda: fourth(lambda A, Y: 12.0), WrongShape),  # noqa: ARG005
    "one matrix": (lambda: fourth(lambda A, Y: np.eye(4)[None]), WrongShape),  # noqa: ARG005
    "not finite": (lambda: fourth(lambda A, Y: A - Y + np.inf), NotFinite),
    "mixed examples": (lambda: fourth(lambda A, Y: 12 * (A - Y[::-1]) ** 2), InvalidInput),
    "not a function": (lambda: fourth(3), WrongType),
    "another dtype": (lambda: fourth(lambda A, Y: (A - Y).astype("float32")), WrongType),
    "changed arguments": (lambda: fourth(lambda A, Y: np.subtract(A, Y, out=A)), InvalidInput),
}  # fmt: skip


@pytest.mark.parametrize("fault", COST_FAULTS)
def test_a_wrong_curvature_of_a_cost_is_found(fault):
    make, exception = COST_FAULTS[fault]
    with pytest.raises(exception) as caught:
        make()
    if exception is WrongDerivative:
        assert "curvature must be the derivative of cost" in str(caught.value)


@pytest.mark.parametrize("j", [0, 17, 39])
def test_with_many_outputs_every_entry_of_the_diagonal_is_checked(j):
    weights = np.linspace(1, 2, 40)

    def own(curvature):
        made = fm.cost(
            lambda A, Y: (weights * (A - Y) ** 2).sum(axis=1),
            lambda A, Y: 2 * weights * (A - Y),
            curvature=curvature,
        )
        made.check_outputs(40)

    own(lambda A, _: np.tile(2 * weights, (len(A), 1)))
    with pytest.raises(WrongDerivative, match=f"output neurons {j} and {j} for"):
        own(lambda A, _: np.tile(2 * weights * np.where(np.arange(40) == j, 1.0005, 1), (len(A), 1)))


def faulty(change):
    own = ACTIVATIONS["softmax"]
    return lambda: coupled(lambda z, a, v, u: change(own.curvature_product, z, a, v, u))


COUPLED_FAULTS = {
    "half a thousandth": (faulty(lambda true, *given: 1.0005 * true(*given)), WrongDerivative),
    "one term": (faulty(lambda _, z, a, v, u: a * (v - (a * v).sum(1)[:, None]) * u), WrongDerivative),  # noqa: ARG005
    "one neuron": (faulty(lambda true, *given: true(*given) * ([1, 1.001] + [1] * (given[0].shape[1] - 2))),
        WrongDerivative),
    "not finite": (faulty(lambda true, *given: true(*given) + np.inf), NotFinite),
    "mixed examples": (faulty(lambda true, z, a, v, u: true(z, a, v, u)[::-1]), InvalidInput),
    "another shape": (faulty(lambda true, *given: true(*given).sum(1)), WrongShape),
    "not a function": (lambda: coupled(3), WrongType),
}  # fmt: skip


@pytest.mark.parametrize("fault", COUPLED_FAULTS)
def test_a_wrong_curvature_of_a_coupled_activation_is_found(fault):
    make, exception = COUPLED_FAULTS[fault]
    with pytest.raises(exception) as caught:
        make()
    if exception is WrongDerivative:
        assert "curvature must be the derivative of activation 'value': transposed_product" in str(caught.value)


def test_the_curvature_of_an_asymmetric_coupled_activation_is_that_of_the_transposed_slope():
    # a = (z_1², z_1 z_2, …) has a slope that is not symmetric.
    def value(Z):
        return Z * Z[:, :1]

    def product(Z, V):
        return V * Z[:, :1] + Z * V[:, :1]

    def transposed(Z, V):
        pulled = V * Z[:, :1]
        pulled[:, :1] += (Z * V).sum(axis=1, keepdims=True)
        return pulled

    def curvature(Z, A, V, U):  # noqa: ARG001
        return transposed(V, U)

    assert fm.coupled_activation(value, product, transposed, curvature=curvature).has_curvature
    with pytest.raises(WrongDerivative, match="curvature must be the derivative"):
        fm.coupled_activation(value, product, transposed, curvature=lambda Z, A, V, U: product(V, U))  # noqa: ARG005
