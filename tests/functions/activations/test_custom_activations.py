from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

from formulations.exceptions import InvalidInput, NotFinite, Refused, WrongDerivative, WrongShape, WrongType
from formulations.functions.activations.custom import activation
from formulations.functions.activations.table import ACTIVATIONS


def seam(name):
    """At a jump of the curvature, a numerical derivative of the slope is correct on neither side."""
    return (0.0,) if name == "elu" else ACTIVATIONS[name].kinks


# f, slope, curvature, domain, kinks
CORRECT = {
    name: (built_in.value, built_in.slope, built_in.curvature, (-10, 10), seam(name))
    for name, built_in in ACTIVATIONS.items()
    if not built_in.coupled
} | {
    "exp": (np.exp, np.exp, np.exp, (-10, 10), ()),
    "cube": (lambda z: z**3, lambda z: 3 * z**2, lambda z: 6 * z, (-10, 10), ()),
    "cube far out": (lambda z: z**3, lambda z: 3 * z**2, lambda z: 6 * z, (-1e6, 1e6), ()),
    "sin 5z": (lambda z: np.sin(5 * z), lambda z: 5 * np.cos(5 * z), lambda z: -25 * np.sin(5 * z), (-10, 10), ()),
    "sin 50z": (lambda z: np.sin(50 * z), lambda z: 50 * np.cos(50 * z), None, (-10, 10), ()),
    "sin, narrow": (np.sin, np.cos, lambda z: -np.sin(z), (0, 1e-3), ()),
    "sin, shifted": (np.sin, np.cos, None, (1e6, 1e6 + 1), ()),
    "tiny sin": (lambda z: 1e-200 * np.sin(z), lambda z: 1e-200 * np.cos(z), None, (-10, 10), ()),
    "log": (np.log, lambda z: 1 / z, lambda z: -1 / z**2, (0.1, 5), ()),
    "abs": (np.abs, np.sign, lambda z: 0 * z, (-10, 10), (0,)),
    "hard tanh": (lambda z: np.clip(z, -1, 1), lambda z: (np.abs(z) < 1).astype(z.dtype), None, (-10, 10), (1, -1)),
    "softsign": (lambda z: z / (1 + np.abs(z)), lambda z: 1 / (1 + np.abs(z)) ** 2, None, (-10, 10), ()),
    "naive softplus": (lambda z: np.log(1 + np.exp(z)), lambda z: 1 / (1 + np.exp(-z)), None, (-40, 10), ()),
    "naive tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2, None, (-20, 20), ()),
    "gauss": (lambda z: np.exp(-z * z), lambda z: -2 * z * np.exp(-z * z), None, (-10, 10), ()),
    "exp z²": (lambda z: np.exp(z * z), lambda z: 2 * z * np.exp(z * z), None, (-10, 10), ()),
}


@pytest.mark.parametrize("case", CORRECT)
def test_correct_pairs_are_accepted(case):
    f, slope, curvature, domain, kinks = CORRECT[case]
    mine = activation(f, slope, curvature=curvature, name=case, domain=domain, kinks=kinks)
    z = np.linspace(*domain, 6).reshape(2, 3)
    value, slopes, before = np.empty_like(z), np.empty_like(z), z.copy()
    mine.evaluate(z, value, slopes)
    assert np.array_equal(value, f(z)) and np.array_equal(slopes, slope(z)) and np.array_equal(z, before)
    assert mine.name == case and mine.kinks == tuple(sorted(kinks)) and mine.curvature_bound is None
    if curvature is None:
        with pytest.raises(Refused, match=f"{re.escape(case)}.*curvature="):
            mine.curvature(z)
    else:
        assert np.array_equal(mine.curvature(z), curvature(z))


def test_a_function_that_casts_to_real_numbers_is_not_analytic_and_nothing_is_printed():
    with warnings.catch_warnings(record=True) as printed:
        warnings.simplefilter("always")
        mine = activation(lambda z: 2.0 * z.astype(float), lambda z: 2.0 + 0 * z)
    assert printed == []
    assert not mine.analytic


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.0005, 0.9995, 0, -1, 2])
@pytest.mark.parametrize("case", CORRECT)
def test_a_wrong_slope_is_found(case, factor):
    f, slope, _, domain, kinks = CORRECT[case]
    with pytest.raises(WrongDerivative, match=r"slope must be the derivative of f, got \S+ at z = "):
        activation(f, lambda z: (slope(z) * factor).astype(z.dtype), domain=domain, kinks=kinks)


@pytest.mark.parametrize("case", ["sigmoid", "gelu", "cube", "sin 5z", "log"])
def test_a_wrong_curvature_is_found(case):
    f, slope, curvature, domain, kinks = CORRECT[case]
    with pytest.raises(WrongDerivative, match=r"curvature must be the derivative of slope, got \S+ at z = "):
        activation(f, slope, curvature=lambda z: 1.0005 * curvature(z), domain=domain, kinks=kinks)


def test_a_wrong_slope_on_a_part_of_the_domain_is_found_there():
    with pytest.raises(
        WrongDerivative, match=r"got \S+ at z = (-\S+), where the numerical one is \S+ .*; correct"
    ) as refusal:
        activation(np.sin, lambda z: np.cos(z) + np.where(z < -9, 0.01, 0))
    assert -10 < float(re.search(r"z = (\S+),", str(refusal.value))[1]) < -9


def test_sigma_in_place_of_sigma_prime_is_found():
    sigmoid = ACTIVATIONS["sigmoid"]
    with pytest.raises(WrongDerivative):
        activation(sigmoid.value, sigmoid.value)


@pytest.mark.parametrize(
    ("f", "slope"), [(lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype)), (np.abs, np.sign)]
)
@pytest.mark.parametrize("domain", [(-10, 10), (-1, 3)])
def test_a_kink_at_zero_that_is_not_declared_is_found(f, slope, domain):
    with pytest.raises(WrongDerivative, match=r"kinks="):
        activation(f, slope, domain=domain)


def test_a_function_too_rough_to_differentiate_is_not_accepted():
    with pytest.raises(WrongDerivative, match=r"at z = \S+ does not converge; declare kinks=.* or narrow"):
        activation(lambda z: np.sin(1e7 * z), lambda z: 1e7 * np.cos(1e7 * z))


def overwrite(z):
    np.sin(z, out=z)
    return z.copy()


REFUSED = {
    "f not callable": ({"f": "sin"}, WrongType, "f must be a function of an array, got str"),
    "slope not callable": ({"slope": None}, WrongType, "slope must be .* got NoneType"),
    "curvature not callable": ({"curvature": 3}, WrongType, "curvature must be .* got int"),
    "shape": ({"f": lambda z: z.sum(keepdims=True)}, WrongShape, r"f must return shape \(\d+,\)"),
    "flattens": ({"f": lambda z: np.sin(z).ravel()}, WrongShape, r"shape \(1, \d+\)"),
    "softmax": ({"f": lambda z: np.exp(z) / np.exp(z).sum()}, InvalidInput, "element by element, .* z = "),
    "row softmax": (
        {"f": lambda z: np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)},
        InvalidInput,
        "element by element",
    ),
    "centred": ({"f": lambda z: z - z.max()}, InvalidInput, "depends on the other entries"),
    "cumulative": ({"slope": np.cumsum}, (InvalidInput, WrongShape), "slope must"),
    "sorted": ({"f": np.sort}, InvalidInput, "element by element"),
    "dtype": ({"f": lambda z: np.sin(z).astype(np.float32)}, WrongType, "return float64 for float64, got float32"),
    "list": ({"slope": lambda z: np.cos(z).tolist()}, WrongType, "slope .* got list"),
    "changes its input": ({"f": overwrite}, InvalidInput, "f must leave its arguments unchanged"),
    "nan": (
        {"f": np.log, "domain": (-1, 1)},
        NotFinite,
        "f must be finite on the domain, got nan at z = -0.9",
    ),
    "infinite": ({"slope": lambda z: 1 / (z * 0)}, NotFinite, "slope must be .* got -?(inf|nan) at z = "),
    "reversed domain": ({"domain": (1, -1)}, InvalidInput, r"low < high, got \(1, -1\)"),
    "empty domain": ({"domain": (1, 1)}, InvalidInput, r"low < high, got \(1, 1\)"),
    "infinite domain": ({"domain": (0, np.inf)}, InvalidInput, "finite low < high"),
    "three ends": ({"domain": (0, 1, 2)}, InvalidInput, r"got \(0, 1, 2\)"),
    "domain is a number": ({"domain": 3}, InvalidInput, "got 3"),
    "one end": ({"domain": (5,)}, InvalidInput, r"domain must be \(low, high\).* got \(5,\)"),
    "nan kink": ({"kinks": (np.nan,)}, InvalidInput, "kinks must be finite numbers"),
    "kinks not numbers": ({"kinks": ("a",)}, InvalidInput, "kinks must be finite numbers"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_what_came(case):
    change, exception, message = REFUSED[case]
    arguments = {"f": np.sin, "slope": np.cos} | change
    with pytest.raises(exception, match=message) as refusal:
        activation(arguments.pop("f"), arguments.pop("slope"), **arguments)
    assert str(refusal.value).endswith(".") and "\n" not in str(refusal.value)


def test_a_dtype_that_fails_is_reported_not_refused():
    table = np.linspace(0, 1, 3)
    mine = activation(lambda z: np.sin(z) + 0 * table[0], np.cos, name="upcast")
    assert mine.why_not(np.float64) is None and mine.why_not(np.longdouble) is None
    assert "f failed with float32: f must return float32 for float32, got float64" in mine.why_not(np.float32)
    assert not mine.why_not(np.float32).endswith(".")
    assert "float16" in mine.why_not(np.float16)
    with pytest.raises(WrongType, match="got float64"):
        mine.value(np.zeros((1, 2), np.float32))


def test_a_dtype_that_raises_is_reported_with_its_own_words():
    mine = activation(ACTIVATIONS["gelu"].value, ACTIVATIONS["gelu"].slope)
    assert "ndtr" in mine.why_not(np.longdouble)


def test_results_are_checked_at_every_call():
    mine = activation(lambda z: np.sin(z) if z.shape[0] != 7 else np.sin(z)[0], np.cos)
    with pytest.raises(WrongShape, match=r"f must return shape \(7, 2\)"):
        mine.value(np.zeros((7, 2)))


def test_the_name_is_the_functions_own_if_it_has_one():
    assert activation(np.sin, np.cos).name == "sin"
    assert activation(lambda z: z**2, lambda z: 2 * z).name == "custom"


def test_custom_activations_are_equal_by_their_functions():
    assert activation(np.sin, np.cos) == activation(np.sin, np.cos) != activation(np.sin, np.cos, name="other")
    assert len({activation(np.sin, np.cos), activation(np.sin, np.cos)}) == 1
