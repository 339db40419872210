"""Gradients of functions that are no network: right ones are equal, wrong ones are found, the rest is said."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import formulations as fm
from formulations.verification import Status
from formulations.verification.certification.functions.circle import differentiate_on_circle
from formulations.verification.certification.functions.ladder import FLOOR
from formulations.verification.certification.functions.noise import estimate_noise


def rosenbrock(x):
    return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def rosenbrock_gradient(x):
    g = np.zeros_like(x)
    g[:-1] = -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
    g[1:] += 200 * (x[1:] - x[:-1] ** 2)
    return g


def fast(w):
    """A function that aliases at steps above 1/w."""
    return lambda x: np.sin(w * x[0]), lambda x: w * np.cos(w * x)


RIGHT = {
    "Rosenbrock": (rosenbrock, rosenbrock_gradient, [-1.2, 1.0, 0.7]),
    "Rosenbrock's minimum": (rosenbrock, rosenbrock_gradient, [1.0, 1.0, 1.0]),
    "Rosenbrock at 0": (rosenbrock, rosenbrock_gradient, [0.0, 0.0, 0.0]),
    "an offset of 1e8": (lambda x: 1e8 + np.exp(x[0]), np.exp, [0.3]),
    "a small part of an offset": (lambda x: 1e8 + 1e-3 * np.exp(x[0]).real, lambda x: 1e-3 * np.exp(x), [0.7]),
    "a cancelled offset": (lambda x: (1e8 + np.exp(x[0])) - 1e8, np.exp, [0.3]),
    "a scale of 1e-12": (lambda x: np.exp(1e12 * x[0]), lambda x: 1e12 * np.exp(1e12 * x), [3e-13]),
    "scales 1e9 apart": (lambda x: x[0] + x[1] ** 2, lambda x: [1.0, 2 * x[1]], [1e-9, 1.0]),
    "no part of f": (lambda x: x[0] ** 2, lambda x: [2 * x[0], 0.0], [1.5, 1.0]),
    "a constant": (lambda _: 3.0, lambda _: [0.0], [1.0]),
    "near the edge of the domain": (lambda x: np.log(x[0] - 1), lambda x: 1 / (x - 1), [1.0001]),
    "beside a kink": (lambda x: abs(x[0] - 1.000001), lambda _: [-1.0], [1.0]),
    "steps of 1e-8": (lambda x: np.round(np.sin(x[0]), 8), np.cos, [1.0]),
    "inside float32": (lambda x: float(np.sin(np.float32(x[0]))), np.cos, [1.0]),
    **{f"aliasing at {w:g}": (*fast(w), [1.3]) for w in (1e2, 1e4, 1e6, 1e9)},
    "steps of 1e-5": (lambda x: np.round(np.sin(x[0]), 5), np.cos, [1.0]),
    "a period that divides x": (
        lambda x: np.sin(2 * np.pi * x[0]),
        lambda x: 2 * np.pi * np.cos(2 * np.pi * x),
        [16.0],
    ),
    "a fast ripple": (lambda x: x[0] + 1e-3 * np.sin(1e6 * x[0]), lambda x: 1 + 1e3 * np.cos(1e6 * x), [1.3]),
}


@dataclass
class Dataclass:
    """A structure that is not read."""

    a: object


SHARP = ("Rosenbrock", "scales 1e9 apart", "an offset of 1e8")


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gradient_is_equal_and_a_fault_above_the_stated_size_is_different(name):
    f, gradient, x = RIGHT[name]
    x = np.array(x)
    right = np.array(gradient(x), dtype=float)
    found = fm.certify_function(f, right, x)
    assert found.status is Status.EQUAL, str(found)
    assert found.detectable < (1e-4 if name in SHARP else 2e-3) or not right.any()
    for i in range(x.size):
        wrong = right.copy()
        wrong[i] += max(2 * found.bounds[i], 1e-300)
        judged = fm.certify_function(f, wrong, x)
        assert judged.status is Status.DIFFERENT
        assert judged.worst[0].place == f"x[{i}]"
        assert judged.worst[0].claimed == wrong[i]


@pytest.mark.parametrize("gap", [(0.01, 0.03), (1e-4, 2e-3), (0.05, 0.2)])
def test_rungs_on_the_other_side_of_a_gap_in_the_domain_do_not_count(gap):
    def f(x):
        if gap[0] < abs(x[0] - 1) < gap[1]:
            raise ValueError("outside the domain")
        # Beyond the gap, it is another function.
        return np.exp(x[0]) + 9 * (abs(x[0] - 1) > gap[0])

    found = fm.certify_function(f, [np.e], [1.0])
    assert found and found.steps[0] < gap[0]


UNDECIDED = {
    "a kink": (lambda x: abs(x[0]), [0.0], [0.0], "kink"),
    "the end of the domain": (lambda x: np.sqrt(x[0]), [0.0], [0.0], "not smooth there, not defined on both sides"),
    "steps of 0.01": (lambda x: np.round(np.sin(x[0]), 2), [np.cos(1)], [1.0], "too wide"),
}


@pytest.mark.parametrize("name", UNDECIDED)
def test_what_the_values_do_not_show_is_inconclusive(name):
    f, gradient, x, reason = UNDECIDED[name]
    found = fm.certify_function(f, gradient, x)
    assert found.status is Status.INCONCLUSIVE and not found
    assert reason in found.reason


def test_a_random_function_is_inconclusive():
    random = np.random.default_rng(0)
    found = fm.certify_function(lambda x: x @ x + random.normal(), [2.0], [1.0])
    assert found.status is Status.INCONCLUSIVE
    assert "repeats=" in found.reason


def many(x):
    return np.sum(np.sin(x) * np.roll(x, 1) ** 2)


def many_gradient(x):
    return np.cos(x) * np.roll(x, 1) ** 2 + 2 * x * np.roll(np.sin(x), -1)


@pytest.mark.parametrize(("typical", "kind"), [(True, "WrongType"), (1e-320, "InvalidInput")])
def test_a_scale_is_a_number_large_enough_for_steps(typical, kind):
    with pytest.raises(getattr(fm.exceptions, kind), match="typical must"):
        fm.certify_function(lambda x: x @ x, [2.0, 2.0], [1.0, 1.0], typical=typical)


def test_an_adjoint_of_another_operator_is_noted():
    right = A * np.cos([1.0, -2.0, 0.5])
    for adjoint, noted in ((right.T, False), (right, True), (None, False)):
        product = None if adjoint is None else (lambda u, adjoint=adjoint: adjoint @ u)
        claim = LinearOperator((3, 3), lambda v: right @ v, product, dtype=np.float64)
        found = fm.certify_function(lambda x: A @ np.sin(x), claim, np.array([1.0, -2.0, 0.5]))
        assert found and any("adjoint" in note for note in found.notes) == noted


def test_many_coordinates_are_judged_by_few_values():
    x = np.random.default_rng(0).normal(size=2000)
    right = many_gradient(x)
    found = fm.certify_function(many, right, x)
    assert found and found.evaluations < 160
    assert np.isfinite(found.bounds).all()
    wrong = right.copy()
    wrong[1234] += 2 * found.bounds[1234]
    judged = fm.certify_function(many, wrong, x)
    assert judged.status is Status.DIFFERENT
    wrong[1234] = -right[1234]
    judged = fm.certify_function(many, wrong, x)
    assert judged.worst[0].place == "x[1234]" and judged.evaluations < 420
    assert judged.found[1234] == pytest.approx(right[1234])


def test_a_bound_per_coordinate_that_hides_a_visible_fault_is_inconclusive():
    """Many quotients add up along a direction, and a bound that is small beside their sum is not small beside one."""
    x = np.random.default_rng(0).uniform(0.5, 1.5, 10_000).astype(np.float32)
    wrong = 2 * x
    wrong[77] *= np.float32(1.01)
    assert fm.certify_function(lambda x: np.sum(x**2), wrong, x).status is not Status.EQUAL


@pytest.mark.parametrize("x", [np.linspace(-1, 1.5, 1000), np.ones(1000), np.array([-1.2, 1.0, 0.7])])
def test_a_fault_of_the_size_that_is_printed_shows(x):
    right = rosenbrock_gradient(x)
    found = fm.certify_function(rosenbrock, right, x)
    printed = re.search(r"any fault above (\S+) in a single derivative shows", str(found).replace("\n  ", " "))
    for i in (0, x.size // 2):
        wrong = right.copy()
        wrong[i] += 1.1 * float(printed[1])
        assert fm.certify_function(rosenbrock, wrong, x).status is Status.DIFFERENT


def test_the_detectable_fault_is_the_bound_beside_the_largest_quotient():
    x = np.array([0.3, 0.6])
    right = np.exp(x)
    found = fm.certify_function(lambda x: 1e6 + np.sum(np.exp(x)).real, right, x)
    # One-sided quotients exceed the derivatives by up to some tenths.
    assert found.detectable == pytest.approx(np.max(found.bounds * x) / np.max(right * x), rel=0.4)


def test_several_wrong_coordinates_are_found_one_after_the_other():
    x = np.random.default_rng(0).normal(size=300)
    wrong = many_gradient(x)
    wrong[[7, 8, 299]] += [1e-3, np.nan, -1e-3]
    found = fm.certify_function(many, wrong, x)
    assert found.worst[0].place == "x[8]" and not any("spread" in note for note in found.notes)
    wrong[8] = many_gradient(x)[8]
    found = fm.certify_function(many, wrong, x)
    assert {line.place for line in found.worst[:2]} == {"x[7]", "x[299]"} and "direction" in found.worst[2].place
    found = fm.certify_function(many, 2 * many_gradient(x), x)
    assert "More coordinates are wrong." in found.notes


def test_two_faults_that_cancel_in_one_direction_show_in_another():
    x = np.linspace(0.5, 1.5, 1000)
    wrong = 2 * x
    # Along x itself, nothing of them is left.
    wrong[[77, 500]] += [1.0, -x[77] / x[500]]
    found = fm.certify_function(lambda x: x @ x, wrong, x)
    assert {line.place for line in found.worst[:2]} == {"x[77]", "x[500]"}


def test_a_fault_that_is_spread_over_coordinates_is_said_to_be():
    x = np.ones(300)
    bound = fm.certify_function(lambda x: x @ x, 2 * x, x).bounds[0]
    # Aligned with the first direction, in which the faults add up.
    signs = np.random.default_rng(0).choice([-1.0, 1.0], 300)
    found = fm.certify_function(lambda x: x @ x, 2 * x + bound / 3 * signs, x)
    assert found.status is Status.DIFFERENT and found.worst[0].place == "direction 1 of 8"
    assert any("so that a fault in any single coordinate shows" in note for note in found.notes)
    assert any("the fault is spread over several" in note for note in found.notes)


def test_a_multiple_of_the_gradient_is_named():
    x = np.array([-1.2, 1.0, 0.7])
    found = fm.certify_function(rosenbrock, -rosenbrock_gradient(x), x)
    assert found.status is Status.DIFFERENT
    assert "Every claimed derivative is −1 times that of f." in found.notes
    wrong = rosenbrock_gradient(x) * [1.0, 2.0, 2.0]
    assert not any("times" in note for note in fm.certify_function(rosenbrock, wrong, x).notes)


A = np.random.default_rng(1).normal(size=(3, 3))


@pytest.mark.parametrize("form", ["array", "function", "operator", "sparse"])
def test_a_jacobian_is_judged_entry_by_entry(form):
    make = {"array": np.array, "function": lambda J: lambda _: J, "operator": aslinearoperator, "sparse": csr_array}
    x = np.array([1.0, -2.0, 0.5])
    right = A * np.cos(x)
    found = fm.certify_function(lambda x: A @ np.sin(x), make[form](right), x)
    assert found and found.bounds.shape == (3, 3)
    wrong = right.copy()
    wrong[2, 0] *= 1 + 1e-6
    found = fm.certify_function(lambda x: A @ np.sin(x), make[form](wrong), x)
    assert (found.worst[0].output, found.worst[0].place) == (2, "x[0]")
    assert "f[2], x[0]" in found.reason
    found = fm.certify_function(lambda x: A @ np.sin(x), make[form](right.T.copy()), x)
    assert "The claimed Jacobian is the transpose of that of f." in found.notes


def test_a_nested_argument_keeps_its_structure_and_its_keys_name_the_place():
    x = {"layers": [(np.ones((2, 3)), np.zeros(2)), (np.full((1, 2), 0.5), 0.25)], "scale": 2}

    def f(x):
        (w, b), (v, c) = x["layers"]
        assert w.shape == (2, 3) and isinstance(c, float) and isinstance(x["layers"][0], tuple)
        return float((v @ np.tanh(w @ np.arange(3.0) + b))[0] + c) * x["scale"]

    a = np.tanh(np.ones((2, 3)) @ np.arange(3.0))
    d = 2 * 0.5 * (1 - a**2)
    right = {"layers": [(np.outer(d, np.arange(3.0)), d), (2 * a[None], 2.0)], "scale": f(x) / 2}
    assert fm.certify_function(f, right, x)
    right["layers"][0][0][1, 2] *= -1
    assert fm.certify_function(f, right, x).worst[0].place == "x['layers'][0][0][1, 2]"


def test_float32_is_judged_by_its_own_roundoff():
    x = np.array([0.5, -1.5], dtype=np.float32)

    def f(x):
        assert x.dtype == np.float32
        return np.sum(np.sin(x)) ** 2

    right = (2 * np.sum(np.sin(x)) * np.cos(x)).astype(np.float32)
    found = fm.certify_function(f, right, x)
    assert found and "float32" in found.title
    assert fm.certify_function(f, right * np.float32(1.01), x).status is Status.DIFFERENT


def test_a_float32_claim_about_a_float64_function_is_granted_its_rounding():
    x = np.array([0.5, -1.5])
    assert fm.certify_function(lambda x: np.sum(np.sin(x)), np.cos(x).astype(np.float32), x)


def test_a_gradient_that_adds_up_in_its_buffer_is_judged_by_its_first_call():
    x, total = np.array([1.0, -2.0]), np.zeros(2)

    def gradient(x):
        return np.add(total, 2 * x, out=total)

    found = fm.certify_function(lambda x: x @ x, gradient, x)
    assert found
    assert "Two identical calls of the gradient returned different values; the first is judged." in found.notes


@pytest.mark.slow
def test_tensors_stay_tensors():
    torch = pytest.importorskip("torch")
    w = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)

    def f(x):
        return torch.tanh(x @ w).sum()

    f(x).backward()
    assert fm.certify_function(f, x.grad, x)
    assert fm.certify_function(f, 2 * x.grad, x).status is Status.DIFFERENT


@pytest.mark.slow
def test_jax_arrays_stay_jax_arrays():
    jax = pytest.importorskip("jax")
    x = {"w": jax.numpy.array([[0.5, -0.25]], dtype="float32"), "b": jax.numpy.array([0.5], dtype="float32")}

    def f(x):
        assert isinstance(x["w"], jax.Array)
        return jax.numpy.tanh(x["w"] @ jax.numpy.array([1.0, 2.0]) + x["b"])[0]

    assert fm.certify_function(f, jax.grad(f), x)


def test_a_random_function_is_judged_by_its_mean():
    def noisy(seed):
        random = np.random.default_rng(seed)
        return lambda x: x @ x + 1e-5 * random.normal()

    x = np.array([1.0, -2.0])
    assert fm.certify_function(noisy(0), 2 * x, x, repeats=16)
    assert fm.certify_function(noisy(0), 2.1 * x, x, repeats=16).status is Status.DIFFERENT


def test_a_function_that_depends_on_earlier_calls_is_inconclusive():
    calls = []

    def f(x):
        calls.append(None)
        return x @ x + (len(calls) > 10)

    found = fm.certify_function(f, [2.0], [1.0])
    assert found.status is Status.INCONCLUSIVE and "for the same x" in found.reason


def test_typical_gives_the_scale_of_an_entry_of_zero():
    x = np.zeros(1)
    found = fm.certify_function(lambda x: np.exp(1e12 * x[0]), [1e12], x, typical=1e-12)
    assert found and found.detectable < 1e-9


def test_an_entry_of_zero_has_the_scale_of_its_array():
    x = np.linspace(0, 1e-6, 300)
    right = 1e6 * np.cos(1e6 * x)
    found = fm.certify_function(lambda x: np.sum(np.sin(1e6 * x)), right, x)
    assert found and found.evaluations < 160
    right[200] *= 1.001
    assert fm.certify_function(lambda x: np.sum(np.sin(1e6 * x)), right, x).status is Status.DIFFERENT


BAD = {
    "no function": (3.0, [1.0], [1.0], "f must be a function of x, got 3.0"),
    "an array": (lambda x: x, [1.0, 1.0], [1.0, 1.0], "must have shape (2, 2), since f returns 2 values, got (2,)"),
    "a matrix": (lambda x: np.outer(x, x), [1.0], [1.0], "a number or an array of shape (k,), got shape (1, 1)"),
    "None": (lambda _: None, [1.0], [1.0], "f must return a real number, got None"),
    "complex": (lambda x: 1j * x[0], [1.0], [1.0], "f must return real numbers, got dtype complex128"),
    "text": (lambda _: "1", [1.0], [1.0], "f must return real numbers, got str"),
    "NaN": (lambda _: np.nan, [1.0], [1.0], "f(x) must be finite, got nan"),
    "outside": (
        lambda x: np.linalg.cholesky(x)[0, 0],
        [[1.0]],
        [[-1.0]],
        "must return a value at x, but raised LinAlgE",
    ),
    "an exception": (lambda x: x.foo, [1.0], [1.0], "but raised AttributeError"),
    "changes x": (lambda x: x.sort() or 1.0, [1.0, 1.0], [2.0, 1.0], "must not change its argument, but changed x"),
    "a longer gradient": (lambda x: x[0], [1.0, 1.0], [1.0], "gradient must have shape (1,), that of x, got (2,)"),
    "a column": (lambda x: x[0], [[1.0], [1.0]], [1.0, 1.0], "pass gradient.reshape((2,))"),
    "a key": (lambda x: x["a"], {"b": 1.0}, {"a": 1.0}, "must have the keys of x, ['a'], got ['b']"),
    "no dictionary": (lambda x: x["a"], [1.0], {"a": 1.0}, "must be a dictionary like x"),
    "a list": (lambda x: x[0][0], [np.ones(1)], [np.ones(1), np.ones(1)], "must be a list of 2 like x"),
    "x is infinite": (lambda x: x[0], [1.0], [np.inf], "x must be finite"),
    "x is empty": (lambda _: 1.0, [], [], "x must have at least one entry"),
    "a sparse x": (lambda _: 1.0, [1.0], csr_array(np.eye(2)), "got a csr_array of shape (2, 2); pass x.toarray()"),
    "a generator": (lambda _: 1.0, [1.0], {"p": iter([])}, "pass list(x['p']), or dict(x['p']) if it yields names and"),
    "a dataclass": (lambda _: 1.0, [1.0], Dataclass(np.ones(2)), "x must hold arrays of real numbers, got Dataclass("),
    "a value and its gradient": (lambda x: (x @ x, 2 * x), [2.0], [1.0], "pass lambda x: f(x)[0] as f"),
    "x is text": (lambda _: 1.0, [1.0], "a", "x must hold real numbers"),
    "half precision": (lambda _: 1.0, [1.0], np.ones(1, np.float16), "dtype must be float32, float64 or longdouble"),
    "a failing gradient": (
        lambda x: x[0],
        lambda _: 1 / 0,
        [1.0],
        "gradient must return a gradient at x, but raised Zero",
    ),
    "a number": (lambda x: x[0], np.float64(1), [1.0, 2.0], "gradient must have shape (2,)"),
    "an operator": (lambda x: x[0], csr_array(np.ones((2, 1))), [1.0, 2.0], "an operator of shape (1, 2)"),
    "a complex operator": (lambda x: x[0], aslinearoperator(np.ones((1, 1)) * 1j), [1.0], "must be a real operator"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_clear_exception(name):
    f, gradient, x, message = BAD[name]
    with pytest.raises(fm.exceptions.FormulationsException) as caught:
        fm.certify_function(f, gradient, x)
    assert message in str(caught.value)


def test_a_module_is_no_point_but_its_parameters_are():
    torch = pytest.importorskip("torch")
    with pytest.raises(fm.exceptions.WrongType, match=re.escape("pass dict(x.named_parameters()), and let f compute")):
        fm.certify_function(lambda _: 1.0, [1.0], torch.nn.Linear(2, 1))


def test_a_function_that_ignores_its_argument_is_noted():
    note = "f has the same value at all steps; check that it uses its argument."
    assert note in fm.certify_function(lambda _: 3.0, [1.0, 2.0], [1.0, 1.0]).notes
    assert note not in fm.certify_function(lambda x: x[0], [1.0, 2.0], [1.0, 1.0]).notes
    assert note not in fm.certify_function(lambda _: 3.0, [0.0, 0.0], [1.0, 1.0]).notes
    part = fm.certify_function(lambda x: x["a"] ** 2, {"a": 4.0, "b": 0.0}, {"a": 2.0, "b": 1.0})
    assert part and "f does not change" not in str(part)


def test_parameters_in_place_of_their_gradient_are_noted():
    note = "The claimed gradient has the entries of x; pass the gradient, such as the .grad of each parameter."
    x = [np.array([1.0, -2.0]), np.array([3.0])]
    assert note in fm.certify_function(lambda x: x[0] @ x[0] + x[1] @ x[1], x, x).notes
    assert note not in fm.certify_function(lambda x: x[0] @ x[0], [x[0], 2 * x[1]], x).notes
    right = fm.certify_function(lambda x: (x[0] @ x[0] + x[1] @ x[1]) / 2, x, x)
    assert right and note not in right.notes


def test_numbers_below_zero_have_a_minus_sign_and_zero_has_none():
    text = str(fm.certify_function(lambda x: -(x @ x), [-1.0, -0.0], [1.0, 1.0]))
    assert re.search(r"^x\[0\] .* −1 +−2 ", text, re.M) and re.search(r"^x\[1\] .* 0 +−2 ", text, re.M)
    assert "the claimed derivative is 0, but f has −2, give" in text and " -" not in text


def test_a_claim_that_is_not_finite_is_different():
    assert fm.certify_function(lambda x: x @ x, [2.0, np.nan], [1.0, 1.0]).status is Status.DIFFERENT


@pytest.mark.parametrize("typical", [0.0, [1.0], [1.0, np.nan], -1])
def test_a_scale_must_be_positive_and_fit(typical):
    with pytest.raises(fm.exceptions.InvalidInput, match="typical must"):
        fm.certify_function(lambda x: x @ x, [2.0, 2.0], [1.0, 1.0], typical=typical)


def test_the_certificate_is_plain_values_text_and_html():
    found = fm.certify_function(lambda x: x @ x, [2.0, 3.0], [1.0, 2.0])
    plain = found.to_dict()
    assert plain["status"] == "different" and not plain["equal"]
    assert plain["worst"][0]["place"] == "x[1]" and plain["claimed"] == [2.0, 3.0]
    assert "the claimed derivative is 3, but f has 4" in str(found) and "x[1]" in found._repr_html_()
    assert repr(found) == "<FunctionCertificate: different in x[1]; f: R^2 → R in float64>"


def hidden(h):
    """A function whose derivative an offset hides from difference quotients, but not from complex values."""
    return lambda x: 1e8 + 2e-4 * h(x[0])


CIRCLE = 0.7 * (np.sqrt(5) - 1) / 2 / 2
"""The radius of the largest circle around 0.7: half of its scale."""


def test_complex_values_are_used_where_noise_blurs_the_quotients():
    x = np.array([0.7])
    found = fm.certify_function(hidden(np.exp), 2e-4 * np.exp(x), x)
    assert found and found.steps[0] == pytest.approx(CIRCLE, rel=1e-12)
    wrong = 2e-4 * np.exp(x) + 2 * found.bounds
    assert fm.certify_function(hidden(np.exp), wrong, x).status is Status.DIFFERENT


@pytest.mark.parametrize(
    "h",
    [
        lambda x: np.exp(x).real,
        lambda x: np.exp(x).real + 0j * x,
        lambda x: np.exp(np.conj(x)) if np.iscomplexobj(x) else np.exp(x),
        lambda x: np.exp(np.float64(x)),
        lambda x: np.exp(2 * x),
    ],
)
def test_complex_values_that_are_not_analytic_are_not_used(h):
    x = np.array([0.7])
    found = fm.certify_function(
        lambda x: hidden(h)(x) if np.iscomplexobj(x) else hidden(np.exp)(x), 2e-4 * np.exp(x), x
    )
    assert found.status is Status.INCONCLUSIVE and found.steps[0] != pytest.approx(CIRCLE, rel=1e-12)


NOT_OF_A_REAL_FUNCTION = {
    "another value at x": lambda t: 2 * np.exp(t),
    "an imaginary derivative": lambda t: np.exp(t) + 0.1j * t,
    "a conjugate": lambda t: np.exp(t) + 0.1 * np.conj(t),
}


@pytest.mark.parametrize("name", NOT_OF_A_REAL_FUNCTION)
def test_a_circle_counts_only_for_a_real_function_that_is_analytic(name):
    noise, radius = np.array([1e-9]), 0.25
    f = NOT_OF_A_REAL_FUNCTION[name]
    found = differentiate_on_circle(lambda t: np.array([f(t)]), np.ones(1), radius, noise, 2.0**-53)
    assert np.isinf(found.bound)


def test_what_is_not_analytic_within_the_noise_widens_the_bound_of_a_circle():
    noise, radius = 1e-9, 0.25
    # Half of a real part has a negative order, a little below the limit; the derivative lacks that half.
    slope = 1.8 * FLOOR * noise / radius
    found = differentiate_on_circle(
        lambda t: np.array([np.exp(t) + slope * t.real]), np.ones(1), radius, np.array([noise]), 2.0**-53
    )
    assert abs(found.value[0] - (1 + slope)) == pytest.approx(slope / 2)
    assert slope / 2 < found.bound[0] < np.inf


CONSTANT_ON_A_CIRCLE = [
    (lambda x: x * abs(x), 0.0),
    (lambda x: (x - 1) * abs(x - 1) + 3, 1.0),
    (lambda x: (x * np.abs(x)).sum(), [0.0, 1.0, 2.0]),
    (lambda x: x * abs(x) + 1, 0.0),
]


@pytest.mark.parametrize(("f", "x"), CONSTANT_ON_A_CIRCLE)
def test_an_absolute_value_that_is_constant_on_a_circle_does_not_pass_for_analytic(f, x):
    """On a circle of radius ρ around its zero, z|z| is ρz, as smooth as any function."""
    center = 1.0 if x == 1 else 0.0
    right = np.array(2 * np.abs(np.asarray(x) - center))
    found = fm.certify_function(f, right, x)
    assert found.status is not Status.DIFFERENT, str(found)
    for part in (1 / 2, 1 / 16, 1 / 128):
        wrong = right.copy()
        wrong.flat[0] += part * (np.sqrt(5) - 1) / 2
        assert fm.certify_function(f, wrong, x).status is Status.DIFFERENT


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1e-160, 1e160, 1e200, 1e300])
def test_numbers_whose_squares_overflow_or_underflow_are_judged(size):
    for f, gradient, x in (
        (lambda x: 2 * x, 2.0, size),
        (lambda x: size * np.sin(x), size * np.cos(1.3), 1.3),
    ):
        assert fm.certify_function(f, gradient, x), size
        assert fm.certify_function(f, 1.001 * gradient, x).status is Status.DIFFERENT


@pytest.mark.parametrize("x", [1e-310, 5e-324, np.float32(1e-40), np.float32(1e-45)])
def test_subnormal_numbers_do_not_make_a_right_gradient_different(x):
    assert fm.certify_function(lambda x: 2 * x, type(x)(2), x).status is not Status.DIFFERENT
    assert (
        fm.certify_function(lambda y: x * np.sin(y), x * np.cos(type(x)(1.3)), type(x)(1.3)).status
        is not Status.DIFFERENT
    )


def test_a_ripple_that_large_steps_average_out_widens_the_bound():
    """In float32, the large steps look converged, and only lower rungs show the ripple."""
    for x in np.linspace(380, 540, 9, dtype=np.float32):
        slope = float(x) / 2000 - 0.03 * np.sin(3 * float(x))
        found = fm.certify_function(lambda x: np.float32(float(x) ** 2 / 4000 + 0.01 * np.cos(3 * float(x))), slope, x)
        assert found.status is not Status.DIFFERENT, str(found)


def test_a_ladder_that_looks_converged_above_a_narrow_wave_is_not_believed():
    """Beyond the width of the wave, the quotients are 1 to the last digit."""
    x, w = 2.5, 3e5

    def f(y):
        t = w * (y - x)
        return y + 0.2 * np.exp(-(t**2)) * np.sin(t)

    assert fm.certify_function(f, 1 + 0.2 * w, x)
    assert fm.certify_function(f, 1.0, x).status is Status.DIFFERENT


def test_a_cusp_whose_sides_cancel_in_central_quotients_is_no_derivative():
    """A change of f that falls more slowly than √h has no derivative, although every central quotient is 1."""
    found = fm.certify_function(lambda y: y + 1e-6 * np.cbrt(abs(y - 1)), 1.0, 1.0)
    assert found.status is Status.INCONCLUSIVE, str(found)


@pytest.mark.parametrize(("offset", "x"), [(5.0, 14.0), (6e6, 1.4)])
def test_rungs_between_and_above_the_others_gain_digits_from_the_noise(offset, x):
    """An ordinary ladder is blurred; rungs between the others suffice for the first, and the second needs both."""
    found = fm.certify_function(lambda y: offset + 1e-3 * np.exp(-y).real, -1e-3 * np.exp(-x), x)
    assert found, str(found)


@pytest.mark.parametrize(("digits", "stepped"), [(6, True), (12, True), (None, False)])
def test_noise_is_found_at_the_distance_at_which_values_differ(digits, stepped):
    def line(t):
        value = np.exp(0.7 + t)
        return np.array([value if digits is None else np.round(value, digits)])

    found = estimate_noise(line, line(0.0), 2.0**-52)
    step = 2.0**-51 if digits is None else 10.0**-digits
    assert step / 16 < found.size[0] < step
    assert found.stepped[0] == stepped


@pytest.mark.parametrize("seed", [15, 30, 43, 140, 169, 246])
def test_kinks_at_many_distances_do_not_pass_for_a_limit(seed):
    # As of a network of rectified neurons in float32: the quotients approach one value until noise hides the next.
    random = np.random.default_rng(seed)
    count = random.integers(3, 40)
    places = 1 + 2.0 ** -random.uniform(2, 14, count) * random.choice([-1, 1], count)
    sizes = random.normal(size=count) * 10 ** random.uniform(-4, -2)

    def f(x):
        return np.float32((x[0] - 0.3) ** 2 + sizes @ np.abs(x[0] - places) + np.sin(x[0]))

    right = 2 * 0.7 + sizes @ np.sign(1 - places) + np.cos(1)
    assert fm.certify_function(f, np.array([right]), np.array([1.0])).status is not Status.DIFFERENT
    assert fm.certify_function(f, np.array([0.9 * right]), np.array([1.0])).status is not Status.EQUAL


def test_a_bound_too_wide_in_float32_says_what_helps():
    x = np.array([1.0], np.float32)
    found = fm.certify_function(lambda x: np.float32(1e6) + x.sum(), np.ones(1, np.float32), x)
    assert found.status is Status.INCONCLUSIVE and "compute in float64" in found.reason
    assert fm.certify_function(lambda x: 1e6 + x.sum(), np.ones(1), x.astype(np.float64))


def test_a_series_of_pandas_is_read_as_an_array():
    pandas = pytest.importorskip("pandas")
    found = fm.certify_function(lambda x: x @ x, [2.0, 4.0], pandas.Series([1.0, 2.0], index=["a", "b"]))
    assert found and found.worst[0].place.startswith("x[")


@pytest.mark.slow
def test_a_tensor_that_requires_its_gradient_is_given_as_one():
    torch = pytest.importorskip("torch")
    x = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True)

    def f(x):
        return torch.sin(x).sum()

    assert fm.certify_function(f, lambda x: torch.autograd.grad(f(x), x)[0], x)
    with pytest.raises(fm.exceptions.CandidateFailed, match="does not require grad"):
        fm.certify_function(f, lambda x: torch.autograd.grad(f(x), x)[0], x.detach())
