"""Examples are checked once, on entry."""

from __future__ import annotations

from collections import Counter

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.network import network
from formulations.plans import plan

CALLS = {
    "gradient": lambda net, X, Y: fm.gradient(net, X, Y),
    "forward": lambda net, X, Y: net.forward(X, Y),
    "compare": lambda net, X, Y: fm.compare(net, X, Y, backends=["hadamard", "sigma"]),
    "certify a backend": lambda net, X, Y: fm.certify(net, X, Y, "sigma"),
    "certify a gradient": lambda net, X, Y: fm.certify(net, X, Y, fm.Gradient(net.layout, np.ones_like(net.vector))),
    "explain": lambda net, X, Y: fm.explain(net, X, Y, backends=["hadamard", "sigma"]),
    "sgd": lambda net, X, Y: fm.sgd(net, X, Y, epochs=2, batch_size=4, learning_rate=0.1),
    "per_example_gradients": lambda net, X, Y: fm.per_example_gradients(net, X, Y),
    "per_example_norms": lambda net, X, Y: fm.per_example_norms(net, X, Y),
    "clipped_gradient": lambda net, X, Y: fm.clipped_gradient(net, X, Y, 1.0),
    "objective": lambda net, X, Y: fm.objective(net, X, Y).hessp(net.vector, net.vector),
    "gradient_cosines": lambda net, X, Y: fm.gradient_cosines(net, X, Y),
}


@pytest.mark.parametrize("call", CALLS)
def test_examples_are_checked_once(call, monkeypatch):
    net = makers.network()
    X, Y = makers.data(net)
    checked = Counter()

    def counting(check):
        def counted(data, role, *rest):
            checked[check.__name__, role] += 1
            return check(data, role, *rest)

        return counted

    monkeypatch.setattr(network, "check_finite", counting(network.check_finite))
    monkeypatch.setattr(network, "as_examples", counting(network.as_examples))
    if call != "compare":  # It times the plan's call as users make it, which looks at shapes.
        monkeypatch.setattr(plan, "as_examples", counting(plan.as_examples))
    CALLS[call](net, X, Y)
    assert set(checked) == {(name, role) for name in ("as_examples", "check_finite") for role in "XY"}
    assert set(checked.values()) == {1}, checked


def test_a_candidate_of_another_dtype_is_judged_on_examples_that_are_finite_in_it():
    net = fm.Network([[[1.0]]], [[0.0]], "identity")
    candidate = fm.Gradient(net.layout, np.ones(2, "float32"))
    with np.errstate(over="ignore"), pytest.raises(fm.exceptions.NotFinite):
        fm.certify(net, [[1e300]], [[0.0]], candidate)
