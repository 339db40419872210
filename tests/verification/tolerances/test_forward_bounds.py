"""The propagated bounds, compared with those that the tests derive by curvatures, and with exact displacements."""

from __future__ import annotations

import bounds
import numpy as np
import pytest
from makers import Case, data, formed, network

import formulations as fm
from formulations.arrays.roundoff import Precision
from formulations.functions.activations.table import ACTIVATIONS
from formulations.verification.oracles.reference import reference_gradient
from formulations.verification.tolerances import propagation
from formulations.verification.tolerances.activations import activation_bounds
from formulations.verification.tolerances.propagation import propagate_bounds

BOTH = [("tanh", "sigmoid"), ("softplus", "sine"), ("silu", "tanh"), ("square", "identity")]


def propagated(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Return the bound of every derivative by the package and by the tests."""
    plan, _ = case.computed("per_neuron")
    found = propagate_bounds(reference_gradient(plan.tape))
    flat = [part for pair in zip(found.weights, found.biases, strict=True) for part in pair]
    oracle = bounds.propagated(case.net, case.X, case.Y, case.cost)
    return np.concatenate([np.ravel(part) for part in flat]), oracle.vector


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cost", ["quadratic", "binary_cross_entropy"])
@pytest.mark.parametrize("activations", BOTH, ids="-".join)
def test_two_derivations_agree(activations: tuple[str, str], cost: str, dtype: str) -> None:
    if cost != "quadratic":
        activations = activations[0], "sigmoid"
    for seed in range(5):
        net = network("per_neuron", activations, seed=seed, dtype=dtype)
        ours, theirs = propagated(Case(net, *data(net, seed=seed), cost))
        ratio = ours / theirs
        # The package adds 8u|z| for a rounded exponent, and a little for its reference.
        assert ratio.min() > 1 / 3, f"seed {seed}"
        assert ratio.max() < 4, f"seed {seed}"


def test_an_error_in_an_early_layer_reaches_the_last() -> None:
    # Large inputs are rounded in layer 2; the layers above hold small numbers and must still carry that error.
    chain = fm.Network([[[1e-6]], [[1.0]], [[1.0]]], [[1e-6]] + [[0.0]] * 2, ["tanh", "identity", "identity"])
    noisy = fm.Network([[[1.0, 1.0]], [[1.0]], [[1.0]]], [[1e-6]] + [[0.0]] * 2, ["tanh", "identity", "identity"])
    last = []
    for net, X in ((chain, [[1.0]]), (noisy, [[1e8, 1e-6 - 1e8]])):
        plan, _ = Case(net, np.array(X), np.array([[1.0]])).computed("per_neuron")
        last.append(propagate_bounds(reference_gradient(plan.tape)).errors[-1][0, 0])
    u = 2.0**-53
    assert last[0] < 100 * u
    assert 4 * 2e8 * u < last[1] < 10 * 2e8 * u


@pytest.mark.parametrize("exactly", [False, True])
def test_a_comparison_propagates_them_once(exactly: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    ran, inner = [], propagation.Propagation
    monkeypatch.setattr(propagation, "Propagation", lambda *given: ran.append(given[1]) or inner(*given))
    net = network("per_neuron", ("tanh", "sigmoid"))
    fm.compare(net, *data(net), backends=["hadamard", "sigma", "product", "per_neuron", "finite_difference"])
    assert ran == [False]
    reference = reference_gradient(net.forward(*data(net)))
    assert propagate_bounds(reference, exactly=exactly) is propagate_bounds(reference, exactly=exactly)
    assert propagate_bounds(reference, exactly=exactly) is not propagate_bounds(reference, exactly=not exactly)


@pytest.mark.parametrize("distance", [1e-9, 1e-3, 0.2, 2.0])
@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"gelu"}))
def test_nothing_moves_farther_than_its_bound(name: str, distance: float) -> None:
    random, activation = np.random.default_rng(7), ACTIVATIONS[name]
    precision = Precision.of(np.dtype("float64"))
    z = 3 * random.standard_normal((50, 4)).astype(precision.wide)
    e = distance * random.random(z.shape).astype(precision.wide)
    of_a, of_d = activation_bounds(activation, z, e, precision)
    bound = formed(of_d) if activation.coupled else of_d
    # Bounds are rounded to float64.
    rounded = 1 + 2 * precision.u

    def matrices(at: np.ndarray) -> np.ndarray:
        slope = activation.slope(at)
        return slope.blocks() if activation.coupled else slope

    for _ in range(50):
        moved = z + random.choice([-1, 1], z.shape) * random.choice([0.3, 1.0], z.shape) * e
        assert (np.abs(activation.value(moved) - activation.value(z)) <= of_a * rounded).all()
        assert (np.abs(matrices(moved) - matrices(z)) <= bound * rounded).all()


def test_a_user_defined_coupled_activation_has_a_bound_for_small_distances() -> None:
    softmax = ACTIVATIONS["softmax"]
    theirs = fm.coupled_activation(
        softmax.value,
        lambda Z, V: softmax.jacobian_product(Z, softmax.value(Z), V),
        lambda Z, V: softmax.jacobian_product(Z, softmax.value(Z), V),
        name="theirs",
    )
    precision = Precision.of(np.dtype("float64"))
    z = np.random.default_rng(7).standard_normal((5, 3)).astype(precision.wide)
    near, far = (activation_bounds(theirs, z, np.full_like(z, distance), precision) for distance in (1e-6, 0.1))
    known = activation_bounds(softmax, z, np.full_like(z, 1e-6), precision)
    for mine, exact in zip(near, (known[0], formed(known[1])), strict=True):
        assert np.isfinite(mine).all()
        assert 0.1 < np.max(mine) / np.max(exact) < 10
    assert all(np.isinf(part).all() for part in far)
