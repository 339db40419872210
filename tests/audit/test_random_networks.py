"""Networks of random depth, width, activations, cost, scale and dtype, judged by derived bounds.

Each backend gets the networks of one long series that it serves and whose estimated time is short, until it has its
number of networks. The series continues with smaller networks for backends that are slow on large ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.functions.activations.table import ACTIVATIONS
from formulations.functions.costs.table import get_cost
from formulations.plans.admission import seconds_for
from formulations.verification.oracles.reference import Reference, reference_gradient
from formulations.verification.tolerances.judging import judge_backend
from formulations.verification.tolerances.verdict import Status

WANTED = {"backend": 40, "option": 12}
"""Networks for each backend, and for each other value of an option and for one example at a time."""
SECONDS = 0.02
"""A backend gets the networks whose estimated time is at most this."""
STAGES = ((64, 8), (24, 6), (12, 4), (6, 3), (3, 3))
"""The widest layer and the largest number of layers in each stage of the series; the last stage has no end."""
STAGE = 240
POSITIVE = ("sigmoid", "softmax", "softplus")
PROBABLE = ("sigmoid", "softmax")


@dataclass(frozen=True)
class Drawn:
    """A network with its data, and the reference for all backends."""

    case: makers.Case

    @cached_property
    def reference(self) -> Reference:
        case = self.case
        with np.errstate(all="ignore"):
            return reference_gradient(case.net.forward(case.X, case.Y, cost=case.cost))


@cache
def drawn(shape: int, values: int, stage: int, names: tuple[str, ...]) -> Drawn:
    """Draw a network: sizes, activations, cost and dtype from one seed, the numbers from another."""
    random = np.random.default_rng([shape, stage])
    widest, deepest = STAGES[stage]
    sizes = random.integers(1, widest, random.integers(2, deepest, endpoint=True), endpoint=True).tolist()
    m = int(random.integers(1, 33))
    activations = random.choice(names, len(sizes) - 1).tolist()
    if len(names) > 1 and random.random() < 0.3:
        activations[-1] = str(random.choice(PROBABLE))
    costs = ["quadratic"]
    costs += ["log_likelihood"] * (activations[-1] in POSITIVE) + ["binary_cross_entropy"] * (
        activations[-1] in PROBABLE
    )
    cost, dtype = str(random.choice(costs)), str(random.choice(["float32", "float64"]))

    random = np.random.default_rng([values, shape, stage])
    net = fm.Network.random(sizes, activations, seed=random, dtype=dtype)
    for biases in net.biases:
        biases[...] = random.normal(scale=0.5, size=biases.shape)
    # From networks whose errors vanish to networks whose neurons saturate.
    net.vector[...] *= net.dtype.type(10 ** random.uniform(-1, 0.7))
    X = random.standard_normal((m, sizes[0])).astype(dtype)
    return Drawn(makers.Case(net, X, random.random((m, sizes[-1])).astype(dtype), cost))


def wanted(flag: str) -> int:
    return WANTED["option" if ":" in flag else "backend"]


def given(flag: str) -> Iterator[tuple[str, Drawn]]:
    """Yield the networks for a backend, each with the seeds to draw it again."""
    backend = fm.get_backend(flag)
    served = [fm.Network.random([2, 3, 2], name, seed=0) for name in ACTIVATIONS]
    names = tuple(net.activation_names for net in served if backend.why_not(net, get_cost("quadratic")) is None)
    # A compiling engine gets ten shapes, each with many numbers.
    shapes = 10 if backend.name.startswith("autodiff_") else None
    found = number = 0
    while found < wanted(flag):
        stage = 0 if shapes else min(number // STAGE, len(STAGES) - 1)
        draw = (number % shapes if shapes else number, number, stage, names)
        number += 1
        candidate = drawn(*draw)
        net, cost, m = candidate.case.net, get_cost(candidate.case.cost), len(candidate.case.X)
        if backend.why_not(net, cost) is None and seconds_for(backend.estimate(net, m)) <= SECONDS:
            found += 1
            yield f"drawn{draw}", candidate


def takes_long(flag: str) -> bool:
    return flag.startswith("autodiff_") or fm.get_backend(flag).tier is fm.Tier.PERTURBATION


FLAGS = [pytest.param(flag, marks=pytest.mark.slow) if takes_long(flag) else flag for flag in makers.FLAGS]


@pytest.mark.slow
@pytest.mark.parametrize("flag", FLAGS)
def test_no_network_is_found_different(flag, record_property):
    if fm.get_backend(flag).why_not(fm.Network.random([1, 1], "identity", seed=0), get_cost("quadratic")):
        pytest.skip("it cannot run here")
    verdicts: Counter[Status] = Counter()
    for draw, network in given(flag):
        plan, gradient = network.case.computed(flag)
        verdict = judge_backend(plan.backend, plan.tape, gradient, network.reference)
        assert verdict.status is not Status.DIFFERENT, f"{draw}: {network.case.net}: {verdict.reason}"
        verdicts[verdict.status] += 1
    assert verdicts.total() == wanted(flag)
    # A series of inconclusive verdicts would prove nothing.
    assert verdicts[Status.EQUAL] > 0
    record_property("verdicts", {str(status): count for status, count in verdicts.items()})
