"""The laws of operators: a fault of each kind breaks the law that is about it."""

from __future__ import annotations

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.backends._linearized.hadamard import HadamardLinearization

LAWS = ["operators_equal", "operators_linear", "operators_symmetric", "operators_repeatable"]


class Planted(HadamardLinearization):
    def __init__(self, point, backend):
        super().__init__(point, backend)
        self.calls = 0
        self.spoil = backend.spoil

    def hessian_product(self, v):
        self.calls += 1
        return self.spoil(self, v, super().hessian_product(v))


class PlantedBackend(makers.HadamardWrapper):
    """Hadamard's operators with a fault in its Hessian product."""

    name = "planted"
    operators = ("hessian",)

    def __init__(self, spoil):
        self.spoil = spoil

    def linearize(self, point):
        return Planted(point, self)


def once(self, _, product):
    return product if self.calls == 1 else product * (1 + 1e-15)


def overwritten(_, v, product):
    v[0] = 0
    return product


FAULTS = {
    "none": (lambda *given: given[-1], []),
    "scaled": (lambda *given: 1.01 * given[-1], ["operators_equal"]),
    "squared": (lambda _, v, product: product * abs(v[0]), ["operators_equal", "operators_linear"]),
    "asymmetric": (
        lambda _, v, product: product + np.arange(v.size) * v[::-1] / 10, ["operators_equal", "operators_symmetric"],
    ),
    "widened": (lambda *given: given[-1].astype(np.longdouble), ["operators_repeatable"]),
    "not repeatable": (lambda self, _, product: product if self.calls == 1 else product * 1.5, LAWS[3:]),
    "overwritten": (overwritten, ["operators_repeatable"]),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_breaks_the_law_that_is_about_it(fault):
    spoil, broken = FAULTS[fault]
    report = fm.check_backend(PlantedBackend(spoil), laws=LAWS, scenarios=["square_weights"], dtypes=["float64"])
    assert set(broken) <= set(report.broken) and bool(report.broken) is bool(broken)


class Untransposed(HadamardLinearization):
    def pull(self, *given, **options):
        return -super().pull(*given, **options)


class Indefinite(HadamardLinearization):
    def gauss_newton_product(self, v):
        return -super().gauss_newton_product(v)


@pytest.mark.parametrize(
    ("kind", "operator", "said"),
    [(Untransposed, "jacobian", "uᵀ(Jv) must be (Jᵀu)ᵀv"), (Indefinite, "gauss_newton", "vᵀGv must not be negative")],
)
def test_a_wrong_transpose_and_a_negative_product_are_named(kind, operator, said):
    class Wrong(makers.HadamardWrapper):
        name = "wrong"
        operators = (operator,)

        def linearize(self, point):
            return kind(point, self)

    report = fm.check_backend(Wrong(), laws=["operators_symmetric"], scenarios=["square_weights"], dtypes=["float64"])
    assert said in report.results[0].complaint


def test_a_backend_without_operators_is_not_asked_for_their_laws():
    report = fm.check_backend("path_sum", laws=LAWS, scenarios=["single_neuron"])
    assert report.not_checked == list(LAWS) and not report.passed and not report.refusals
