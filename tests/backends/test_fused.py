"""What is special to compiled passes: two ways through the layers, and what has no compiled form."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import makers
import numpy as np
import pytest

import formulations as fm
from formulations import exceptions
from formulations.backends._shared.compiled.forms import COMPILED, OUTPUTS
from formulations.exceptions import InvalidInput, WrongShape
from formulations.functions.activations.table import ACTIVATIONS
from formulations.functions.costs.base import CombinedOutput
from formulations.functions.costs.table import COSTS
from formulations.operators.curvature import HessianOperator
from formulations.verification.tolerances.judging import judge_backend
from formulations.verification.tolerances.verdict import Status

pytest.importorskip("numba")

# A product of more than 2¹⁸ multiplications, which NumPy takes in several threads, and small ones.
SIZES = {"whole": (5, 7, 4, 3), "by_layer": (70, 90, 4, 3)}


def case(sizes, m, dtype="float64", activations=("tanh", "leaky_relu", "sigmoid")):
    net = fm.Network.random(list(sizes), list(activations), seed=0, dtype=dtype)
    for b in net.biases:
        b[...] = 0.25
    return net, *makers.data(net, m)


def verdict(net, X, Y, m=None, **options):
    plan = fm.prepare(net, m or len(X), cost=options.pop("cost", "quadratic"), backend="fused")
    found = judge_backend(plan.backend, plan.tape, plan(X, Y, **options))
    return plan, found


COMBINED = [(cost.name, activation) for cost, activation in OUTPUTS if activation]
QUARTIC = fm.cost(
    lambda A, Y: ((A - Y) ** 4).sum(axis=1),
    lambda A, Y: 4 * (A - Y) ** 3,
    curvature=lambda A, Y: 12 * (A - Y) ** 2,
    name="quartic",
)
OUTER = [("quadratic", "leaky_relu"), *COMBINED, (QUARTIC, "sigmoid")]


@pytest.mark.parametrize(("cost", "output"), OUTER, ids=lambda given: getattr(given, "name", given))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", SIZES)
def test_both_ways_are_right_by_the_local_bound(way, dtype, cost, output):
    net, X, Y = case(SIZES[way], 60, dtype, ("tanh", "leaky_relu", output))
    plan, found = verdict(net, X, Y, cost=cost, sample_weight=np.arange(1, 61))
    expected = way if isinstance(cost, str) else "by_layer"
    assert plan.tape.workspace[0].__module__ == f"formulations.backends._shared.compiled.{expected}"
    assert (found.status, found.reason) == (Status.EQUAL, "")
    reference = net.forward(X, Y, cost=cost, sample_weight=np.arange(1, 61)).cost_value
    # Both are sums of terms of one sign, of known activations: a few roundings for each of them.
    assert abs(plan(X, Y, np.arange(1, 61)).cost - reference) <= 200 * np.finfo(dtype).eps * abs(reference)


@pytest.mark.parametrize("way", SIZES)
@pytest.mark.parametrize(("cost", "output"), COMBINED)
def test_targets_may_have_any_sum_and_order_in_memory(way, cost, output):
    net, X, Y = case(SIZES[way], 60, activations=("tanh", "leaky_relu", output))
    Y[:20], Y[20:40] = 0, np.eye(3)[np.arange(20) % 3]
    plan, found = verdict(net, X, Y, cost=cost)
    assert (found.status, found.reason) == (Status.EQUAL, "")
    straight = plan(X, Y).copy()
    assert np.array_equal(plan(X, np.asfortranarray(Y)).vector, straight.vector)


@pytest.mark.parametrize(("cost", "output"), COMBINED)
def test_weighted_inputs_that_are_not_finite_lead_where_they_do_in_numpy(cost, output):
    nan, inf, u = np.nan, np.inf, np.finfo(float).eps / 2
    net = fm.Network([np.eye(3)], [np.zeros(3)], output)
    plans = [fm.prepare(net, 1, cost, backend) for backend in ("fused", "hadamard")]
    for z in ([nan, 1, 2], [1, nan, 2], [1, 2, nan], [0, 1, -inf], [1e308, -1e308, 0], [-inf] * 3, [inf, 1, 0]):
        for Y in np.vstack([np.eye(3), np.zeros(3)]):
            net.biases[0][...] = z
            found, expected = (plan(np.zeros((1, 3)), Y[None]) for plan in plans)
            # Each output is within 8u of the true one, and no error is above 1.
            same = partial(np.testing.assert_allclose, rtol=16 * u, atol=32 * u)
            same(plans[0].tape.output, plans[1].tape.output)
            same(found.errors[0], expected.errors[0])
            if output == "softmax" and max(z) == inf:
                # Its outputs are NaN already.
                assert not np.isfinite(expected.cost) or not Y.any()
                assert not np.isfinite(found.cost) or not Y.any()
            else:
                same(found.cost, expected.cost)


@pytest.mark.parametrize(
    ("dtype", "inputs"), [("float64", (700, 709, 740, 800)), ("float32", (80, 88, 95, 110))], ids=["float64", "float32"]
)
def test_the_complement_of_a_saturated_sigmoid_fades_to_zero(dtype, inputs):
    net = fm.Network([np.ones((1, 1))], [np.zeros(1)], "sigmoid", dtype=dtype)
    plans = [fm.prepare(net, 1, "log_likelihood", backend) for backend in ("fused", "hadamard")]
    info = np.finfo(dtype)
    for z in inputs:
        found, expected = (float(plan([[z]], [[1]]).errors[0][0, 0]) for plan in plans)
        # Two exponentials, each within 8u; below the normal numbers within a unit of the smallest.
        assert abs(found - expected) <= 8 * float(info.eps) * abs(expected) + 2 * float(info.smallest_subnormal)


@pytest.mark.parametrize("way", SIZES)
def test_the_slope_of_a_softmax_is_that_of_the_tape(way):
    net, X, Y = case(SIZES[way], 60, activations=("tanh", "leaky_relu", "softmax"))
    plan, _ = verdict(net, X, Y, cost="log_likelihood")
    slope, tape = plan.tape.slopes[-1], plan.tape
    assert slope.z is tape.weighted_inputs[-1]
    assert slope.a is tape.activations[-1]


def test_a_softmax_elsewhere_or_with_another_cost_is_refused_with_the_reason():
    hidden = fm.Network.random([3, 4, 2], ["softmax", "softmax"], seed=0)
    assert "softmax in layer 2 couples the neurons" in fm.which(hidden, "log_likelihood")["fused"]
    for cost in ("quadratic", "binary_cross_entropy"):
        reason = fm.which(fm.Network.random([3, 4, 2], ["tanh", "softmax"], seed=0), cost)["fused"]
        assert "softmax in layer 3 couples the neurons" in reason
        assert reason.endswith("cost 'log_likelihood' needs no slope there")


@pytest.mark.parametrize("way", SIZES)
def test_a_smaller_batch_uses_the_same_buffers(way):
    net, X, Y = case(SIZES[way], 60)
    plan = fm.prepare(net, 60, backend="fused")
    whole = plan(X, Y).copy()
    for m in (1, 13, 59):
        g = plan(X[:m], Y[:m])
        assert np.shares_memory(plan.tape.weighted_inputs[-1], plan._whole[0].weighted_inputs[-1])
        assert judge_backend(plan.backend, plan.tape, g).status is Status.EQUAL
    assert np.array_equal(plan(X, Y).vector, whole.vector)


def test_examples_may_lie_in_any_order_and_be_read_only():
    net, X, Y = case(SIZES["whole"], 12)
    straight = fm.gradient(net, X, Y, backend="fused").vector
    for other in (np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], makers.locked(X.copy())[0]):
        assert np.array_equal(fm.gradient(net, other, np.asfortranarray(Y), backend="fused").vector, straight)


def test_what_has_no_compiled_form_is_refused_by_name():
    for name in ACTIVATIONS:
        reason = fm.which(fm.Network.random([3, 4, 2], ["tanh", name], seed=0), "log_likelihood")["fused"]
        expected = f"it has compiled forms of {', '.join(COMPILED)}, and layer 3 has {name}"
        assert reason == (None if name in COMPILED else expected)


def test_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(exceptions, "find_spec", lambda _: None)
    said = "it needs the package numba, and that is not installed: pip install numba"
    assert fm.which(makers.network())["fused"] == said


@pytest.mark.parametrize("output", ["sigmoid", "square"])
def test_every_cost_is_served(output):
    net, X, Y = case(SIZES["whole"], 8, activations=("tanh", "leaky_relu", output))
    net.vector[...] /= 4  # so that squares are below 1
    for cost in COSTS:
        assert verdict(net, X, Y / Y.sum(axis=1, keepdims=True), cost=cost)[1].status is Status.EQUAL


def test_what_only_has_the_name_of_a_compiled_form_has_none():
    activation = fm.activation(lambda z: z**3, lambda z: 3 * z**2, name="sigmoid")
    net = fm.Network.random([3, 4, 2], [activation, "sigmoid"], seed=0)
    assert "has compiled forms of" in fm.which(net)["fused"]


class DoubledMiss(fm.Cost):
    """Σ[2 ln(1 + e^z) − yz] behind a sigmoid, so that δ^L = 2a − y; twice the log-likelihood behind a softmax."""

    name = "doubled_miss"

    def evaluate(self, A, Y, gradient=None):
        if gradient is not None:
            gradient[...] = 2 / (1 - A) - Y / (A * (1 - A))
        return -(2 * np.log(1 - A) + Y * np.log(A / (1 - A))).sum(axis=1)

    def combined(self, activation):
        def value(Z, Y):
            return (2 * np.logaddexp(0, Z) - Y * Z).sum(axis=1)

        def of_softmax(Z, Y):
            return 2 * (np.log(np.exp(Z).sum(axis=1)) - (Y * Z).sum(axis=1)) + Y.sum(axis=1)

        return {
            "sigmoid": CombinedOutput(value, lambda Y: np.full((len(Y), 1), 2.0)),
            "softmax": CombinedOutput(of_softmax, lambda Y: np.full((len(Y), 1), 2.0)),
        }.get(activation.name)


@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
def test_a_custom_combined_form_keeps_its_error(output):
    net, X, Y = case(SIZES["whole"], 12, activations=("tanh", "leaky_relu", output))
    found = fm.gradient(net, X, Y, cost=DoubledMiss(), backend="fused").vector
    np.testing.assert_allclose(found, fm.gradient(net, X, Y, cost=DoubledMiss()).vector, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("way", SIZES)
def test_a_tape_of_another_length_and_one_without_targets_are_refused(way):
    net, X, Y = case(SIZES[way], 60)
    plan = fm.prepare(net, 60, backend="fused")
    g = plan(X, Y)
    plan.tape.load(np.repeat(X, 2, axis=0), np.repeat(Y, 2, axis=0))
    with pytest.raises(WrongShape, match="buffers for 60 examples, got 120 inputs"):
        plan.backend.gradient(net, plan.tape, g)
    plan.tape.load(X, None)
    with pytest.raises(InvalidInput, match="no targets"):
        plan.backend.gradient(net, plan.tape, g)


def test_the_copy_of_a_tape_has_nothing_that_writes_into_the_first():
    net, X, Y = case(SIZES["whole"], 12)
    plan = fm.prepare(net, 12, backend="fused")
    plan(X, Y)
    for other in (copy.deepcopy(plan.tape), pickle.loads(pickle.dumps(plan.tape))):
        assert other.workspace is None
        assert np.array_equal(other.output, plan.tape.output)


@pytest.mark.parametrize(("cost", "output"), [("quadratic", "sigmoid"), *COMBINED])
def test_buffers_stay_as_long_as_their_addresses(cost, output):
    net, X, Y = case(SIZES["whole"], 12, activations=("tanh", "leaky_relu", output))
    plan = fm.prepare(net, 12, cost, backend="fused")
    plan(X, Y)
    _, buffers = plan.tape.workspace
    held = {array.__array_interface__["data"][0] for array in buffers.held}
    assert held >= {*buffers.outer[:2], *buffers.layers[:, 3:].ravel(), buffers.layers[0, 2]}


@pytest.mark.skipif(os.name == "nt", reason="a current folder cannot be deleted there")
def test_in_a_folder_that_was_deleted_it_is_refused_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    net, X, Y = case(SIZES["whole"], 4)
    assert "os.chdir" in fm.which(net)["fused"]
    with pytest.raises(exceptions.Refused, match=r"this one was deleted: change to another by os\.chdir"):
        fm.gradient(net, X, Y, backend="fused")
    monkeypatch.undo()
    assert fm.which(net)["fused"] is None


COMPUTE = """
import numpy as np
import formulations as fm
from formulations.exceptions import Refused
net = fm.Network.random([2, 3, 1], seed=0)
try:
    print(fm.gradient(net, np.ones((2, 2)), np.ones((2, 1)), backend="fused").cost)
except Refused as refused:
    print("Refused:", refused)
"""


def computed(folder=None, **variables):
    """Return what a new process prints that computes one gradient, in a folder whose packages come first."""
    run = [sys.executable, "-c", COMPUTE]
    env = {**os.environ, **variables}
    return subprocess.run(run, capture_output=True, text=True, check=True, env=env, cwd=folder).stdout


def test_without_a_compiler_that_compiles_it_is_refused():
    assert "Refused: backend 'fused' cannot serve" in (said := computed(NUMBA_DISABLE_JIT="1"))
    assert "NUMBA_DISABLE_JIT forbids that: unset it" in said


@pytest.mark.slow
def test_compiled_code_that_cannot_be_read_names_the_folder_to_delete(tmp_path):
    whole = tmp_path / "whole"
    expected = computed(NUMBA_CACHE_DIR=str(whole))
    assert computed(NUMBA_CACHE_DIR=str(whole)) == expected
    for part in ("nbi", "nbc"):
        for left in (0, 200):
            cache = tmp_path / f"{part}{left}"
            shutil.copytree(whole, cache)
            spoilt = list(cache.glob(f"*/*.{part}"))
            for file in spoilt:
                file.write_bytes(file.read_bytes()[:left])
            said = computed(NUMBA_CACHE_DIR=str(cache))
            assert f"numba cannot use its cached code in {spoilt[0].parent} (" in said
            assert "delete that folder to compile again" in said


@pytest.mark.slow
def test_compiled_code_is_not_that_of_other_files(tmp_path):
    """numba itself would keep a function whose own file is unchanged, though a constant that it uses has changed."""
    package, cache = tmp_path / "formulations", {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    shutil.copytree(next(iter(fm.__path__)), package, ignore=shutil.ignore_patterns("__pycache__"))
    user, constant = package / "backends" / "_shared" / "compiled" / "outputs.py", package / "functions" / "factor.py"
    text = user.read_text("utf-8").replace("half * squares", "FACTOR * squares")
    user.write_text(
        text.replace("\nimport math\n", "\nimport math\nfrom formulations.functions.factor import FACTOR\n")
    )
    constant.write_text("FACTOR = 0.5\n")
    before = computed(tmp_path, **cache)
    constant.write_text("FACTOR = 1.00\n")
    after = computed(tmp_path, **cache)
    assert float(after) == 2 * float(before)


@pytest.mark.parametrize(("cost", "output"), OUTER, ids=lambda given: getattr(given, "name", given))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", SIZES)
@pytest.mark.parametrize("operator", ["hessian", "gauss_newton"])
def test_curvature_is_right_both_ways(operator, way, dtype, cost, output):
    net, X, Y = case(SIZES[way], 60, dtype, ("tanh", "sigmoid", output))
    prepared = prepared_by(made(net, X, Y, cost, operator))
    assert prepared.func.__name__ == (way if isinstance(cost, str) else "by_layer")
    found = makers.Case(net, X, Y, cost, np.arange(1, 61)).operator_verdict("fused", operator)
    # In float32, some bounds are too wide to confirm.
    assert found.status in ((Status.EQUAL,) if dtype == "float64" else (Status.EQUAL, Status.INCONCLUSIVE))


def made(net, X, Y, cost, operator):
    return getattr(fm, operator)(net, X, Y, cost, backend="fused", sample_weight=np.arange(1, len(X) + 1))


def prepared_by(operator):
    """Return the compiled passes of an operator."""
    found = operator.linearization
    return found._buffers(found._terms if isinstance(operator, HessianOperator) else None)


def test_threads_never_share_the_buffers_of_curvature():
    net, X, Y = case(SIZES["by_layer"], 60)
    H = made(net, X, Y, "quadratic", "hessian")
    V = np.random.default_rng(0).standard_normal((40, net.layout.count))
    alone = [H @ v for v in V]
    with ThreadPoolExecutor(4) as pool:
        assert all(map(np.array_equal, pool.map(H.matvec, V), alone))


@pytest.mark.parametrize("sizes", [(4, 3), (5, 7, 3), (5, 7, 6, 4, 3)])
@pytest.mark.parametrize(("cost", "output"), [("quadratic", "tanh"), *COMBINED])
def test_curvature_at_every_depth(sizes, cost, output):
    net, X, Y = case(sizes, 9, activations=(*["sigmoid"] * (len(sizes) - 2), output))
    for operator in ("hessian", "gauss_newton"):
        assert makers.Case(net, X, Y, cost).operator_verdict("fused", operator).status is Status.EQUAL


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_curvature_with_a_custom_combined_form(output):
    net, X, Y = case(SIZES["whole"], 12, activations=("tanh", "sigmoid", output))
    for operator in ("hessian", "gauss_newton"):
        given = net, X, Y, DoubledMiss()
        found, truth = (getattr(fm, operator)(*given, backend=each).to_dense() for each in ("fused", "sigma"))
        np.testing.assert_allclose(found, truth, rtol=1e-12, atol=1e-14)


def test_products_do_not_depend_on_the_last_one_nor_share_memory():
    net, X, Y = case(SIZES["whole"], 12)
    H = made(net, X, Y, "quadratic", "hessian")
    v, w = np.random.default_rng(0).standard_normal((2, net.layout.count))
    first = H @ v
    before = first.copy()
    second = H @ w
    assert not np.shares_memory(first, second)
    assert np.array_equal(first, before)
    assert np.array_equal(H @ makers.locked(v)[0], before)
    # All three were written by the same buffers.
    assert len(H.linearization._spare[0]) == 1


def test_an_operator_keeps_its_point():
    net, X, Y = case(SIZES["whole"], 12)
    H = made(net, X, Y, "quadratic", "hessian")
    v = np.ones(net.layout.count)
    before = H @ v
    X[...], Y[...] = 0, 0
    assert np.array_equal(H @ v, before)


def test_buffers_of_curvature_stay_as_long_as_their_addresses():
    net, X, Y = case(SIZES["whole"], 12)
    (buffers,) = prepared_by(made(net, X, Y, "quadratic", "hessian")).args
    kept = (buffers.network.weights, buffers.states, buffers.errors, buffers.inputs, buffers.slopes, buffers.terms)
    held = {array.__array_interface__["data"][0] for arrays in kept for array in arrays}
    assert held >= set(buffers.layers[:, 1:].ravel())


def test_a_jacobian_is_refused_with_the_reason():
    net, X, _ = case(SIZES["whole"], 4)
    with pytest.raises(exceptions.Refused, match="nothing is left to fuse: take 'hadamard'"):
        fm.jacobian(net, X, backend="fused")


def test_curvature_of_what_has_no_compiled_form_is_refused_by_name():
    net = fm.Network.random([3, 4, 2], ["silu", "sigmoid"], seed=0)
    with pytest.raises(exceptions.Refused, match="layer 2 has silu"):
        fm.hessian(net, np.ones((2, 3)), np.ones((2, 2)), backend="fused")
