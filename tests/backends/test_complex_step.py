"""What is special to complex steps: no truncation, analytic functions only, and saturated neurons."""

from __future__ import annotations

import bounds
import makers
import numpy as np
import pytest

import formulations as fm
from formulations.arrays.parameters import Parameters
from formulations.exceptions import Refused
from formulations.functions.activations.formulas import COMPLEX, imaginary_step
from formulations.functions.activations.table import ACTIVATIONS

FLAGS = ("complex_step", "complex_step:on=nodes")
SMOOTH = sorted(name for name, activation in ACTIVATIONS.items() if activation.analytic)
ROTATED = fm.coupled_activation(
    lambda Z: np.cumsum(Z * Z, axis=1),
    lambda Z, V: np.cumsum(2 * Z * V, axis=1),
    lambda Z, V: 2 * Z * np.cumsum(V[:, ::-1], axis=1)[:, ::-1],
    name="rotated",
)


def test_analytic_built_ins_are_those_without_pieces():
    assert set(ACTIVATIONS) - set(SMOOTH) == {"relu", "leaky_relu", "elu"}


@pytest.mark.parametrize("dtype", makers.DTYPES)
@pytest.mark.parametrize("name", sorted(set(SMOOTH) - {"softmax"}))
def test_complex_formulas_carry_value_and_slope(name, dtype):
    activation = ACTIVATIONS[name]
    if activation.why_not(dtype):
        pytest.skip("refused")
    z = np.linspace(-6, 6, 97, dtype=dtype)[:, None]
    h = imaginary_step(z.dtype)
    found = activation.complex_value(z + 1j * h)
    assert found.dtype == np.result_type(z.dtype, np.complex64)
    value, slope = activation.value(z), activation.slope(z)
    # Both sides are within 6u, and 2u more in float32; gelu loses 2.5z²u in its tail.
    bound = (32 + 5 * 36 * (name == "gelu")) * bounds.unit(dtype)
    assert bounds.within(found.real - value, bound * np.abs(value) + h)
    assert bounds.within(found.imag / h - slope, bound * (np.abs(slope) + np.abs(value)))


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("z", [40.0, 300.0, -300.0, -600.0])
def test_a_saturated_neuron_keeps_its_slope(flag, z):
    net = fm.Network([[[1.0]]], [[0.0]], "sigmoid")
    found, truth = (fm.gradient(net, [[z]], [[0.5]], backend=each).vector for each in (flag, "hadamard"))
    assert (truth != 0).all()
    assert bounds.within(found - truth, bounds.gamma(32, "float64") * np.abs(truth))


@pytest.mark.parametrize("flag", FLAGS)
def test_a_gradient_of_minus_600_is_exact(flag):
    # σ(z) and σ′(z) are both e^z there, to the last digit: 1 + e^z is 1.
    net = fm.Network([[[1.0]]], [[0.0]], "sigmoid")
    found, truth = (fm.gradient(net, [[-600.0]], [[0.5]], backend=each).vector for each in (flag, "hadamard"))
    assert np.array_equal(found, truth) and truth.all()


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("dtype", makers.DTYPES)
@pytest.mark.parametrize("exponent", [-100, 100])
@pytest.mark.parametrize("layer", [0, 1])
def test_large_inputs_and_large_weights_move_nothing_but_the_exponent(flag, dtype, exponent, layer):
    net = fm.Network.random([3, 4, 2], "identity" if layer else ["tanh", "sigmoid"], seed=0, dtype=dtype)
    X, Y = makers.data(net, 5)
    before = fm.gradient(net, X, 0 * Y if layer else Y, backend=flag)
    power = np.ldexp(net.dtype.type(1), exponent // (2 if layer else 1))
    net.weights[layer][...] *= power
    if layer == 0:
        # z is the same: nothing but ∂C/∂w² changes, by the inputs.
        after = fm.gradient(net, X / power, Y, backend=flag)
        assert np.array_equal(after.weights[0], before.weights[0] / power)
        assert np.array_equal(after.biases[0], before.biases[0])
    else:
        # C is quadratic in w³, and so is its derivative by w²; by w³ it is linear.
        net.biases[1][...] *= power
        after = fm.gradient(net, X, 0 * Y, backend=flag)
        assert np.array_equal(after.weights[0], before.weights[0] * power * power)
        assert np.array_equal(after.weights[1], before.weights[1] * power)


@pytest.mark.parametrize("flag", FLAGS)
def test_inputs_of_1e150_with_weights_of_1e_minus_150(flag):
    net = fm.Network.random([2, 3, 1], ["tanh", "sigmoid"], seed=0)
    net.weights[0][...] *= 1e-150
    found, truth = (fm.gradient(net, [[1e150, 2e150]], [[0.5]], backend=each) for each in (flag, "hadamard"))
    # The path from a weight to C: two sums of at most 4 products, two slopes and two values of 8u each, 40 in all.
    assert bounds.within(found.vector - truth.vector, 2 * bounds.gamma(40, "float64") * np.abs(truth.vector).max())
    ratio = found.weights[0] / truth.weights[0]
    assert bounds.within(ratio - 1, 2 * bounds.gamma(40, "float64"))


@pytest.mark.parametrize("flag", FLAGS)
def test_a_neuron_that_is_not_perturbed_sets_no_scale(flag):
    net = fm.Network([[[1.0], [1.0]], [[1.0, 1.0]]], [[1e-100, -500.0], [0.0]], ["sigmoid", "tanh"])
    assert fm.gradient(net, [[0.0]], [[1.0]], backend="hadamard").biases[0][1] != 0
    assert fm.certify(net, [[0.0]], [[1.0]], flag)


@pytest.mark.parametrize("flag", FLAGS)
def test_next_to_a_singularity_imaginary_parts_that_are_not_small_are_refused(flag):
    for near, refused in ((1e-30, False), (1e-150, False), (1e-200, True)):
        net = fm.Network([[[1.0]]], [[near]], "identity")
        if refused:
            with pytest.raises(
                Refused, match="stay small, and next to a singularity of log_likelihood they do not; take"
            ):
                fm.gradient(net, [[0.0]], [[1.0]], "log_likelihood", flag)
        else:
            # −1/a, by a complex logarithm: a division and what it loses.
            found = fm.gradient(net, [[0.0]], [[1.0]], "log_likelihood", flag).biases[0][0]
            assert abs(found * near + 1) <= bounds.gamma(4, "float64")


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("cost", ["quadratic", "log_likelihood"])
@pytest.mark.parametrize("activations", [["softmax", "softmax"], [ROTATED, "softmax"], ["tanh", ROTATED]])
def test_coupled_activations(flag, activations, cost):
    if activations[-1] is ROTATED and cost == "log_likelihood":
        activations = [ROTATED, "sigmoid"]
    net = makers.network("sigma", activations)
    X, Y = makers.data(net)
    found, truth = (fm.gradient(net, X, Y, cost, each).vector for each in (flag, "sigma"))
    # Sums of at most 200 products on both sides, the largest of them of the gradient's own size or of 1.
    assert np.abs(found - truth).max() <= 2 * bounds.gamma(200, net.dtype) * (1 + np.abs(truth).max())


@pytest.mark.parametrize("flag", FLAGS)
def test_what_is_not_analytic_is_named(flag):
    kinked = fm.activation(lambda z: np.abs(z), np.sign, name="modulus", kinks=(0,))
    mixed = fm.PerNeuron(["tanh", "tanh", "elu"])
    rough = fm.cost(lambda A, Y: (np.abs(A - Y) ** 2).sum(axis=1), lambda A, Y: 2 * (A - Y), name="rough")
    for activations, cost, reason in (
        (["relu", "tanh"], "quadratic", "non-analytic relu is in layer 2"),
        (["tanh", kinked], "quadratic", "non-analytic modulus is in layer 3"),
        ([mixed, "tanh"], "quadratic", "non-analytic elu is in layer 2"),
        (["tanh", "tanh"], rough, "rough is non-analytic"),
    ):
        net = fm.Network.random([2, 3, 1], activations, seed=0)
        with pytest.raises(Refused, match=reason):
            fm.prepare(net, 1, cost=cost, backend=flag)


@pytest.mark.parametrize("flag", FLAGS)
def test_your_own_functions_are_tried(flag):
    wave = fm.activation(lambda z: np.sin(z) + z, lambda z: np.cos(z) + 1, name="wave")
    catenary = fm.cost(lambda A, Y: np.cosh(A - Y).sum(axis=1), lambda A, Y: np.sinh(A - Y), name="catenary")
    net = fm.Network.random([3, 4, 2], [wave, fm.PerNeuron([wave, "gelu"])], seed=1)
    X, Y = makers.data(net)
    found, truth = (fm.gradient(net, X, Y, catenary, each).vector for each in (flag, "hadamard"))
    assert np.abs(found - truth).max() <= 2 * bounds.gamma(200, net.dtype) * (1 + np.abs(truth).max())


@pytest.mark.parametrize("flag", FLAGS)
def test_predicted_passes_and_multiplications_are_counted(flag, monkeypatch):
    net = makers.network(activations=["square", "tanh", "identity"], sizes=(4, 5, 3, 2))
    m, counted = 8, 0
    X, Y = makers.data(net, m)

    class Counting(np.ndarray):
        def __array_ufunc__(self, ufunc, method, *inputs, **options):
            nonlocal counted
            arrays = [np.asarray(array) for array in inputs]
            if ufunc is np.matmul:
                counted += 4 * arrays[0].shape[0] * arrays[1].size
            options["out"] = tuple(map(np.asarray, options.get("out", ()))) or None
            return getattr(ufunc, method)(*arrays, **options)

    monkeypatch.setattr(
        Parameters, "weights", property(lambda self: [w.view(Counting) for w in self._weights]), raising=True
    )
    plan = fm.prepare(net, m, backend=flag)
    counted = 0
    g = plan(X, Y)
    estimate = fm.get_backend(flag).estimate(net, m)
    assert g.forward_passes == estimate.forward_passes
    forward, collected = m * net.layout.weight_count, m * net.layout.weight_count * ("nodes" in flag)
    # The network's own pass and (BP4) are real, and take another function than the one that is counted.
    assert counted + forward + collected == estimate.multiplications


def test_nodes_give_the_errors_and_weights_do_not():
    net = makers.network()
    X, Y = makers.data(net)
    truth = fm.gradient(net, X, Y).errors
    for mine, exact in zip(fm.gradient(net, X, Y, backend=FLAGS[1]).errors, truth, strict=True):
        assert np.abs(mine - exact).max() <= 2 * bounds.gamma(100, net.dtype)
    assert fm.gradient(net, X, Y, backend=FLAGS[0]).errors is None


def test_the_step_rounds_nothing_and_its_square_is_lost():
    for dtype in makers.DTYPES:
        h = imaginary_step(np.dtype(dtype))
        assert np.frexp(h)[0] == 0.5 and 1 + h * h == 1 and h * h != 1
    assert COMPLEX.largest(np.array([[1 + 5j, 2 - 1j]])).dtype == np.float64
