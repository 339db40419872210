"""If a bound is too wide or not finite, the verdict is inconclusive and gives the reason."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from makers import Case, plain_case

import formulations as fm
from formulations.arrays import dtypes
from formulations.arrays.dtypes import higher
from formulations.arrays.roundoff import Precision, gamma
from formulations.verification.oracles.reference import reference_gradient
from formulations.verification.tolerances.judging import judge_backend
from formulations.verification.tolerances.verdict import Check, Status


def located(place: int) -> tuple[str, str]:
    return str(place), f"entry {place}"


def check(candidate: list[float], reference: list[float], bound: list[float], excuse: str = "") -> Check:
    return Check(2, "BP2", *map(np.array, (candidate, reference, bound)), located, excuse)


@pytest.mark.parametrize(
    ("candidate", "reference", "bound", "status", "ratio"),
    [
        ([1.0, 2.0], [1.0, 2.0], [0.0, 0.0], "equal", 0),
        ([1.0], [1.0 + 2**-20], [2.0**-20], "equal", 1),
        ([1.0], [1.0 + 2**-20], [2.0**-21], "different", 2),
        ([1.0], [1.0 + 2**-20], [0.0], "different", np.inf),
        ([np.nan], [1.0], [1e-9], "different", np.inf),
        ([np.nan], [1.0], [1.0], "different", np.inf),
        ([np.inf], [1.0], [1e-9], "different", np.inf),
        ([np.nan], [1.0], [np.inf], "inconclusive", 0),
        ([1.0], [1.0 + 2**-20], [np.nan], "inconclusive", 0),
        ([1.0], [1.0 + 2**-20], [np.inf], "inconclusive", 0),
        ([1.0], [1.0], [np.inf], "inconclusive", 0),
        ([1.0], [np.nan], [1e-9], "inconclusive", 0),
        # A bound above a thousandth of the layer's largest entry is too wide, unless the agreement is exact.
        ([1.0], [1.0 + 2**-20], [2e-3], "inconclusive", None),
        ([1.0], [1.0], [2e-3], "equal", 0),
        ([1e-5, 1.0], [1.1e-5, 1.0], [5e-4, 0], "equal", None),
        ([0.0], [0.0], [1e-300], "equal", 0),
        ([1e-310], [0.0], [1e-300], "inconclusive", None),
    ],
)
def test_the_verdict_on_a_residual(
    candidate: list[float], reference: list[float], bound: list[float], status: str, ratio: float | None
) -> None:
    with np.errstate(all="ignore"):
        verdict = check(candidate, reference, bound).verdict()
    assert verdict.status == status
    assert ratio is None or verdict.ratio == ratio
    assert bool(verdict.reason) is (status != "equal")


def test_an_excuse_makes_a_difference_inconclusive_and_leaves_agreement() -> None:
    assert check([1.0], [2.0], [1e-9], "on a kink").verdict().status is Status.INCONCLUSIVE
    assert check([1.0], [1.0], [1e-9], "on a kink").verdict().status is Status.EQUAL


def test_beyond_the_largest_number() -> None:
    overflown = Check(2, "δ", np.float32([[np.inf]]), np.array([[1e40]]), np.array([[1e33]]), located)
    with np.errstate(all="ignore"):
        verdict = overflown.verdict()
    assert verdict.status is Status.INCONCLUSIVE


def test_a_unit_on_a_kink_is_undecidable() -> None:
    net = fm.Network([[[1.0], [1.0]], [[1.0, 1.0]]], [[1e-9 - 1, 1.0], [0.0]], ["relu", "identity"])
    verdict = Case(net, np.array([[1.0]]), np.array([[5.0]])).verdict("finite_difference")
    assert verdict.status is Status.INCONCLUSIVE
    assert "undecidable: unit 0 of layer 2 is too close to a kink for the step in example 0" in verdict.reason
    assert [line.status for line in verdict.layers if line.layer == 3] == [Status.EQUAL, Status.EQUAL]


def test_a_perturbation_without_a_step_has_no_bound() -> None:
    class Opaque(fm.Backend):
        name, summary, equations, tier = "opaque", "another's", ("46",), fm.Tier.PERTURBATION

        def gradient(self, network: fm.Network, tape: fm.Tape, gradient: fm.Gradient) -> None:
            fm.get_backend("hadamard").gradient(network, tape, gradient)

    case = plain_case()
    plan = fm.prepare(case.net, 5, backend=Opaque())
    verdict = judge_backend(plan.backend, plan.tape, plan(case.X, case.Y))
    assert verdict.status is Status.INCONCLUSIVE
    assert "no finite bound" in verdict.reason


@pytest.mark.slow
def test_deep_float32_is_inconclusive() -> None:
    random = np.random.default_rng(0)
    net = fm.Network.random([20] * 30, "tanh", seed=0, dtype="float32")
    case = Case(net, random.standard_normal((3, 20)).astype("float32"), random.random((3, 20)).astype("float32"))
    assert case.verdict("finite_difference").status is Status.INCONCLUSIVE
    assert case.verdict("hadamard").status is Status.EQUAL


@pytest.mark.parametrize(
    ("activation", "sizes", "scale"),
    [("sine", [30] * 6, 3.0), ("square", [2, 4, 1, 1, 2], 50.0)],
    ids=["turns", "overflows"],
)
def test_where_first_order_ends(activation: str, sizes: list[int], scale: float) -> None:
    for seed in range(10):
        random = np.random.default_rng(seed)
        net = fm.Network.random(sizes, activation, seed=seed, dtype="float32")
        net.vector[...] *= np.float32(scale)
        X, Y = (10 * random.standard_normal((5, n)).astype("float32") for n in (sizes[0], sizes[-1]))
        verdict = Case(net, X, Y).verdict("per_neuron")
        assert verdict.status is Status.INCONCLUSIVE, f"seed {seed}: {verdict.reason}"


def test_the_path_bound_counts_every_rounding() -> None:
    net = fm.Network([[[1.0]]] * 3, [[0.0]] * 3, "identity")
    verdict = Case(net, np.array([[2.0]]), np.array([[1.0]])).verdict("product")
    counted = {line.layer: line.bound for line in verdict.layers if line.equation == "δ"}
    for layer, k in ((4, 5), (3, 7), (2, 9)):
        assert counted[layer] == pytest.approx(Precision.of(np.dtype("float64")).gamma(k), rel=1e-9, abs=0)


def test_the_reference_is_one_precision_higher_if_there_is_one() -> None:
    assert higher(np.dtype("float32")) == np.float64
    assert higher(np.dtype("longdouble")) is None
    assert gamma(10, 0.1) == np.inf
    single = Case(fm.Network.random([2, 1], seed=0, dtype="float32"), np.ones((1, 2)), np.ones((1, 1)))
    assert reference_gradient(single.computed("hadamard")[0].tape).dtype == np.float64
    with_gelu = fm.Network.random([2, 3, 1], "gelu", seed=0)
    verdict = Case(with_gelu, np.ones((2, 2)), np.zeros((2, 1))).verdict("per_neuron")
    assert verdict.status is Status.EQUAL, verdict.reason


@pytest.mark.skipif(np.finfo(np.longdouble).eps == np.finfo(float).eps, reason="longdouble is double here")
def test_functions_with_the_digits_of_double_are_no_higher_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    assert higher(np.dtype("float64")) == np.longdouble
    monkeypatch.setattr(dtypes, "_exponential_is_extended", cache(dtypes._exponential_is_extended.__wrapped__))
    exact, calls = np.exp, []
    monkeypatch.setattr(np, "exp", lambda z: np.longdouble(exact(np.float64(z))) if not calls.append(z) else z)
    assert higher(np.dtype("float64")) is None
    assert higher(np.dtype("float64")) is None
    assert higher(np.dtype("float32")) == np.float64
    assert len(calls) == 1


def test_both_sides_count_if_the_reference_has_no_higher_precision() -> None:
    double, single = np.dtype("float64"), np.dtype("float32")
    assert Precision(double, double).gamma(5) == pytest.approx(2 * gamma(5, 2.0**-53), rel=1e-12, abs=0)
    assert gamma(5, 2.0**-24) < Precision.of(single).gamma(5) < 1.000001 * gamma(5, 2.0**-24)


def test_a_cost_that_refuses_the_higher_precision_is_judged_in_its_own() -> None:
    double_only = fm.cost(
        lambda A, Y: ((A - Y) ** 2).sum(axis=1).astype(np.float64),
        lambda A, Y: (2 * (A - Y)).astype(np.float64),
        name="double_only",
    )
    case = plain_case()
    plan = fm.prepare(case.net, 5, cost=double_only, backend="per_neuron")
    verdict = judge_backend(plan.backend, plan.tape, plan(case.X, case.Y))
    assert verdict.status is Status.EQUAL, verdict.reason


@pytest.mark.parametrize("biases", [[0.0, 1.0], [0.0, 0.0]])
def test_the_reason_names_the_unit_on_a_kink(biases):
    net = fm.Network([[[1.0], [1.0]]], [biases], "relu")
    row = fm.compare(net, [[0.0]], [[0.5, 0.5]], backends=["finite_difference"]).rows[0]
    assert row.status == "inconclusive"
    assert "undecidable" in row.reason and "kink at 0)" in row.reason
