"""What is special to the demon: partial passes, each example's own difference, and (BP3), (BP4) on top."""

from __future__ import annotations

import math
from itertools import pairwise

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.backends import node_perturbation
from formulations.backends._base.perturbation import SCHEMES
from formulations.exceptions import InvalidInput

FLAGS = {"forward": "node_perturbation:scheme=forward", "central": "node_perturbation"}


@pytest.mark.parametrize("scheme", FLAGS)
def test_the_truncation_is_of_the_schemes_order(scheme):
    net = makers.network()
    X, Y = makers.data(net)
    truth = fm.gradient(net, X, Y).vector
    off = []
    for exponent in (6, 7, 8):
        flag = f"node_perturbation:scheme={scheme},step={2.0**-exponent}"
        off.append(np.abs(fm.gradient(net, X, Y, backend=flag).vector - truth).sum())
    # The next term of the Taylor series is smaller by a factor of order h, here 2⁻⁶ times a ratio of derivatives.
    for coarse, fine in pairwise(off):
        assert math.log2(coarse / fine) == pytest.approx(SCHEMES[scheme].order, abs=0.1)


@pytest.mark.parametrize("scheme", FLAGS)
def test_predicted_partial_passes_are_counted(monkeypatch, scheme):
    net = makers.network(sizes=(4, 5, 3, 2), activations=("tanh", "sigmoid", "sine"))
    layers = []
    costs = node_perturbation._costs

    def counted(network, tape, l, z):
        layers.append(l)
        return costs(network, tape, l, z)

    monkeypatch.setattr(node_perturbation, "_costs", counted)
    g = fm.gradient(net, *makers.data(net), backend=FLAGS[scheme])
    estimate = fm.get_backend(FLAGS[scheme]).estimate(net, 8)
    evaluations, perturbed = SCHEMES[scheme].evaluations, layers
    assert [perturbed.count(l) for l in (2, 3, 4)] == [5 * evaluations, 3 * evaluations, 2 * evaluations]
    assert estimate.detail == f"{len(perturbed)} partial forward passes"
    above = {2: 5 * 3 + 3 * 2, 3: 3 * 2, 4: 0}
    P = net.layout.weight_count
    assert estimate.multiplications == 8 * (2 * P + sum(above[l] for l in perturbed))
    assert g.forward_passes == estimate.forward_passes == 1


def test_a_parabola_has_no_truncation():
    net = fm.Network([[[3.0]]], [[1.0]], "identity")
    # With h = 2⁻⁴ nothing rounds: z = 7, so δ = 2.
    g = fm.gradient(net, [[2.0]], [[5.0]], backend="node_perturbation:step=0.0625")
    assert (g.vector.tolist(), g.errors[0].tolist()) == ([4.0, 2.0], [[2.0]])


def test_each_example_has_its_own_error():
    net = makers.network()
    X, Y = makers.data(net)
    whole = fm.gradient(net, X, Y, backend="node_perturbation")
    for x in range(8):
        alone = fm.gradient(net, X[x : x + 1], Y[x : x + 1], backend="node_perturbation")
        for delta, mine in zip(whole.errors, alone.errors, strict=True):
            # One row or eight may be summed in another order, which a difference magnifies by 1/h.
            h = SCHEMES["central"].relative_step(net.dtype)
            assert np.abs(8 * delta[x] - mine[0]).max() <= 64 * np.finfo(float).eps * alone.cost / h


def test_nothing_on_the_tape_is_perturbed():
    net = makers.network()
    X, Y = makers.data(net)
    plan = fm.prepare(net, 8, backend="node_perturbation")
    plan(X, Y)
    tape = net.forward(X, Y)
    assert all(np.array_equal(*pair) for pair in zip(plan.tape.weighted_inputs, tape.weighted_inputs, strict=True))
    assert all(np.array_equal(*pair) for pair in zip(plan.tape.activations, tape.activations, strict=True))


def test_another_step_keeps_the_scheme():
    found = fm.get_backend(FLAGS["forward"]).difference()
    assert (found.scheme, found.relative_step) == (SCHEMES["forward"], None)
    assert found.with_step(0.25).label == "node_perturbation:scheme=forward,step=0.25"


@pytest.mark.parametrize("step", [0, -1, math.nan, math.inf])
def test_a_step_is_positive_and_finite(step):
    with pytest.raises(InvalidInput, match="step must be positive and finite"):
        type(fm.get_backend("node_perturbation"))(step=step)
