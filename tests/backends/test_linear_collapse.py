"""What is special to the collapsed network: moments instead of examples, and digits lost near an exact fit."""

from __future__ import annotations

import bounds
import makers
import multiplications
import numpy as np
import pytest

import formulations as fm
from formulations.exceptions import Refused


def linear(sizes=(4, 5, 3, 2), **options):
    return makers.network(sizes=sizes, activations=["identity"] * (len(sizes) - 1), **options)


@pytest.mark.parametrize("place", [0, 1])
def test_a_layer_that_is_not_linear_is_named(place):
    activations = ["identity", "identity"]
    activations[place] = fm.PerNeuron(["identity", "tanh"])
    net = fm.Network.random([2, 2, 2], activations, seed=0)
    with pytest.raises(Refused, match=f"it needs the activation identity in every layer, and layer {place + 2} has"):
        fm.prepare(net, 8, backend="linear_collapse")


def test_another_cost_is_named():
    overlap = fm.cost(lambda A, Y: (A * Y).sum(axis=1), lambda A, Y: Y + 0 * A, name="overlap")
    reason = "it needs the quadratic cost, which the moments of the examples determine, and this is overlap"
    assert fm.which(linear(), overlap)["linear_collapse"] == reason


@pytest.mark.parametrize("sizes", [(3, 2), (4, 5, 3, 2), (2, 1, 3), (5, 4, 4, 4, 1)])
@pytest.mark.parametrize("m", [1, 8])
def test_it_equals_the_recurrence(sizes, m):
    net = linear(sizes)
    X, Y = makers.data(net, m)
    weights = np.arange(1.0, m + 1)
    found, other = (
        fm.gradient(net, X, Y, backend=each, sample_weight=weights) for each in ("linear_collapse", "linear")
    )
    assert found.errors is None
    bound = bounds.propagated(net, X, Y, sample_weight=weights)
    assert bounds.within(found.vector - other.vector, 2 * bound.vector)
    assert abs(found.cost - other.cost) <= 2 * bound.cost


def test_the_examples_matter_through_their_moments_alone():
    net = fm.Network([[[2.0]], [[3.0]]], [[1.0], [-1.0]], "identity")
    X = np.array([[-1.0], [-1.0], [1.0], [1.0]])
    # Within equal x the targets have equal means, hence the same ⟨y⟩ and ⟨yx⟩, but not the same squares.
    one, other = (
        fm.gradient(net, X, np.array([Y]).T, backend="linear_collapse") for Y in ([2.0, 0, 4, 6], [1.0, 1, 5, 5])
    )
    assert np.array_equal(one.vector, other.vector)
    assert one.cost != other.cost


def test_its_forward_pass_is_its_own(monkeypatch):
    net = linear()
    plan = fm.prepare(net, 8, backend="linear_collapse")
    monkeypatch.setattr(fm.Tape, "blocks", lambda *_, **__: pytest.fail("the shared forward pass was used"))
    assert plan(*makers.data(net)).forward_passes == plan.backend.estimate(net, 8).forward_passes == 1


def test_near_an_exact_fit_the_difference_of_moments_has_lost_its_digits():
    net = linear((4, 5, 3))
    X, _ = makers.data(net)
    Y = net(X) * (1 + 2.0**-40)
    exact, collapsed = (fm.gradient(net, X, Y, backend=each).vector for each in ("linear", "linear_collapse"))
    loss = np.max(np.abs(exact - collapsed)) / np.max(np.abs(exact))
    # 2⁻⁴⁰ of 53 bits are left: 13 bits, not 53, and still the right gradient.
    assert 2.0**-50 < loss < 2.0**-5


def test_predicted_multiplications_are_counted(monkeypatch):
    net = linear()
    found = multiplications.counted(monkeypatch, net, *makers.data(net, 6), "linear_collapse")
    assert fm.get_backend("linear_collapse").estimate(net, 6).multiplications == found
