"""T0: zero tolerance. On small integers nothing rounds, so every formulation and the oracle agree with ``==``."""

from __future__ import annotations

import exact
import makers
import pytest

import formulations as fm


@pytest.mark.slow
@pytest.mark.parametrize("dtype", makers.DTYPES)
def test_backend_agrees_with_the_oracle_exactly(analytic, dtype):
    linear = {seed: exact.served(analytic, seed) for seed in exact.SEEDS}
    served = [seed for seed in exact.SEEDS if linear[seed] is not None]
    if not makers.serves(analytic, makers.network("linear", dtype=dtype)):
        pytest.skip(f"it does not serve {dtype}")
    assert len(served) >= len(exact.SEEDS) // 2
    assert [exact.disagreement(analytic, seed, linear[seed], dtype) for seed in served] == [None] * len(served)


def test_cases_cover_sparse_weights_sample_weights_and_mixed_layers():
    cases = [exact.case(seed, False)[0] for seed in exact.SEEDS]
    assert sum(case.sparse for case in cases) >= 4
    assert sum(case.sample_weight is not None for case in cases) >= 4
    assert sum(any(len(set(layer)) > 1 for layer in case.names) for case in cases) >= 4
    assert {name for case in cases for layer in case.names for name in layer} == set(exact.FUNCTIONS)
    assert sum(len(case.weights) == 4 for case in cases) >= 2


def test_cases_are_not_trivial():
    truths = [exact.case(seed, False)[1] for seed in exact.SEEDS]
    moving = [any(any(map(any, matrix)) for matrix in truth.weights) for truth in truths]
    assert sum(moving) >= len(truths) // 2


def test_finite_differences_of_a_quadratic_cost_are_exact_on_linear_neurons():
    net = fm.Network([[[3.0]]], [[1.0]], "identity")
    # A central difference of a parabola has no truncation, and with h = 2⁻⁴ nothing rounds.
    g = fm.gradient(net, [[2.0]], [[5.0]], backend="finite_difference:step=0.0625")
    assert g.vector.tolist() == [4.0, 2.0]
