"""The check of backends: its arguments, its report, and every option of every backend."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context

import makers
import numpy as np
import pytest

import formulations as fm
from formulations import exceptions
from formulations.backends.hadamard import Hadamard
from formulations.exceptions import InvalidInput, Refused, UnknownName, WrongType
from formulations.verification.conformance.laws.table import LAWS
from formulations.verification.conformance.problems import PROBLEMS
from formulations.verification.conformance.report import Outcome, Standing

# Each value of an option except the default, and one example at a time; the suite checks the names alone.
OPTIONS = [flag for flag in makers.FLAGS if ":" in flag and not flag.startswith("autodiff_")]
FEW = ("single_neuron", "weighted_examples", "cross_entropy", "square_weights", "integers", "hidden_softmax")


class Scaled(makers.HadamardWrapper):
    """Everything times 1 + 1e-6."""

    def errors(self, network, tape):
        errors = super().errors(network, tape)
        for delta in errors:
            delta *= tape.network.dtype.type(1.000001)
        return errors


def by_hand(net, X, Y):
    return fm.gradient(net, X, Y).vector


def wrong_by_hand(net, X, Y):
    return 2 * fm.gradient(net, X, Y).vector


@pytest.mark.parametrize("flag", OPTIONS)
def test_every_option_keeps_the_laws(flag):
    makers.skip_absent(flag)
    single = fm.check_backend(flag, scenarios=FEW[::2], dtypes=["float32"])
    double = fm.check_backend(flag, scenarios=FEW[1::2], dtypes=["float64"])
    assert not single.broken and not double.broken, f"{single}\n{double}"
    assert single.served or double.served


@pytest.mark.slow
@pytest.mark.parametrize("flag", [flag for flag in makers.FLAGS if not flag.startswith("autodiff_")])
def test_longdouble_keeps_the_laws(flag):
    # Closed forms are written down in float64.
    laws = [law for law in LAWS if law != "closed_form"]
    few = ["weighted_examples", "square_weights"][":" in flag :]
    report = fm.check_backend(flag, laws=laws, scenarios=few, dtypes=["longdouble"])
    assert report.passed or not report.served, str(report)


@pytest.mark.slow
def test_every_law_is_checked_on_some_problem():
    report = fm.check_backend("hadamard", scenarios=FEW, dtypes=["float64"])
    assert {result.law for result in report.results if result.outcome is Outcome.HELD} == set(LAWS)


@pytest.mark.slow
def test_a_subject_may_be_a_class_an_object_a_path_or_a_function():
    for subject in (Hadamard, Hadamard(), "hadamard", "formulations.backends.hadamard:Hadamard", by_hand):
        assert fm.check_backend(subject, scenarios=["digits", "single_neuron"]).passed
    assert not fm.check_backend(wrong_by_hand, scenarios=["single_neuron"])


def test_what_is_no_subject():
    with pytest.raises(WrongType, match="a backend, its name, package:Class or a function, got 3"):
        fm.check_backend(3)
    for path in ("nowhere_at_all:Backend", "formulations:Nothing"):
        with pytest.raises(InvalidInput, match="cannot be loaded"):
            fm.check_backend(path)
    with pytest.raises(UnknownName, match="unknown law 'equals'"):
        fm.check_backend("hadamard", laws=["equals"])
    with pytest.raises(UnknownName, match="unknown scenario 'digit'"):
        fm.check_backend("hadamard", scenarios=["digit"])
    with pytest.raises(UnknownName, match="unknown law"):
        fm.check_backend("hadamard", expected_failures={"speed": "it is slow"})


@pytest.mark.parametrize(
    ("options", "exception", "message"),
    [
        ({"laws": 3}, WrongType, "laws must be a list, got 3; pass one such as"),
        ({"laws": np.array("equal")}, WrongType, r"laws must be a list, got array\("),
        ({"laws": []}, InvalidInput, "laws must not be empty"),
        ({"laws": [["equal"]]}, UnknownName, "unknown law"),
        ({"scenarios": []}, InvalidInput, "scenarios must not be empty"),
        ({"dtypes": []}, InvalidInput, "dtypes must not be empty"),
        ({"dtypes": None}, WrongType, "dtypes must be a list, got None"),
        ({"dtypes": ["float16"]}, WrongType, "float32, float64 or longdouble, got 'float16'"),
        ({"expected_failures": ["equal"]}, WrongType, "expected_failures must map laws to reasons, got list"),
    ],
)
def test_what_is_no_choice(options, exception, message):
    with pytest.raises(exception, match=message):
        fm.check_backend("hadamard", **options)


def test_one_name_is_a_list_of_one():
    report = fm.check_backend("hadamard", laws="same_bits", scenarios="single_neuron", dtypes="float64")
    assert [(each.law, each.scenario, each.dtype) for each in report.results] == [
        ("same_bits", "single_neuron", "float64")
    ]


def test_a_broken_law_is_shown_with_its_place():
    report = fm.check_backend(Scaled(), scenarios=["digits"], dtypes=["float64"])
    assert not report.passed
    assert "equal" in report.broken
    assert "equal is broken:\n  digits, float64: layer 3, BP1: errors[1][" in str(report)
    plain = report.to_dict()
    assert plain["passed"] is False
    assert {result["outcome"] for result in plain["results"]} <= {"held", "broken", "refused", "not asked"}


def test_expected_failures_are_strict():
    few = {"scenarios": ["digits"], "dtypes": ["float64"]}
    broken = list(fm.check_backend(Scaled(), **few).broken)
    report = fm.check_backend(Scaled(), **few, expected_failures=dict.fromkeys(broken, "known"))
    assert report.passed
    assert "equal is broken as expected: known" in str(report)
    report = fm.check_backend("hadamard", **few, expected_failures={"equal": "it was wrong once"})
    assert not report.passed
    assert "equal was expected to be broken, but is kept." in str(report)


def test_a_backend_that_refuses_everything_does_not_pass():
    class Never(makers.HadamardWrapper):
        def why_not(self, *_):
            return "not today"

    report = fm.check_backend(Never(), laws=["equal"], scenarios=["digits"])
    assert (report.passed, report.served, report.standing) == (False, False, Standing.NOT_CHECKED)
    assert "not checked, because it refuses every problem." in str(report)
    assert "2 problems: not today" in str(report)


@pytest.mark.slow
@pytest.mark.parametrize("package", ["jax", "torch", "numba"])
def test_a_backend_whose_package_is_missing_is_not_checked(package, monkeypatch):
    monkeypatch.setattr(exceptions, "find_spec", lambda _: None)
    flag = "fused" if package == "numba" else f"autodiff_{package}"
    report = fm.check_backend(flag, expected_failures={"equal": "it never was"})
    assert (bool(report), report.standing, report.not_checked) == (False, Standing.NOT_CHECKED, list(LAWS))
    assert not report.kept_unexpectedly
    assert "kept" not in str(report)
    assert [reason for reason in report.refusals if f"the package {package}" in reason] == list(report.refusals)


def test_a_law_that_was_never_asked_does_not_count_as_kept():
    """The operators of a backend that declares none, and a law that its problems say nothing about."""

    class Plain(makers.HadamardWrapper):
        operators = ()

    report = fm.check_backend(Plain(), scenarios=["digits"], dtypes=["float64"])
    operators = [law for law in LAWS if law.startswith("operators_")]
    assert report.passed and report.not_checked == ["exact", "closed_form", *operators]
    assert not {"held", "broken"} & {each.outcome for each in report.results if each.law in report.not_checked}
    assert "every law that could be checked is kept" in str(report)
    said = f"exact (the gradient is rounded); closed_form (the problem has no closed form); {', '.join(operators)} ("
    assert said in " ".join(str(report).split())
    nothing = fm.check_backend(Plain(), laws=operators, scenarios=["digits"], expected_failures={operators[0]: "never"})
    assert (nothing.passed, nothing.standing) == (False, Standing.NOT_CHECKED)
    assert "not checked, because nothing could be asked." in str(nothing) and not nothing.kept_unexpectedly


def test_what_another_package_raises_is_a_complaint():
    class Raises(makers.HadamardWrapper):
        def errors(self, *_):
            raise KeyError("lost")

    report = fm.check_backend(Raises(), laws=["equal"], scenarios=["digits"])
    assert "it raised KeyError, which is not an exception of this library: 'lost'" in str(report)

    class Refuses(makers.HadamardWrapper):
        def errors(self, *_):
            raise Refused("not these numbers.")

    assert fm.check_backend(Refuses(), laws=["equal"], scenarios=["digits"]).results[0].outcome is Outcome.REFUSED


# A forked process inherits locks whose threads it does not have.
SPAWNING = partial(ProcessPoolExecutor, mp_context=get_context("spawn"))


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, SPAWNING], ids=["threads", "processes"])
@pytest.mark.slow
def test_any_executor_gives_the_same_report(pool):
    few = {"laws": ["equal", "exact", "same_bits"], "scenarios": ["digits", "integers"]}
    alone = fm.check_backend("sigma:matrix=dense", **few)
    with pool(2) as executor:
        assert fm.check_backend("sigma:matrix=dense", executor=executor, **few) == alone
        wrong, again = (fm.check_backend(Scaled(), executor=each, **few) for each in (None, executor))
        assert wrong.broken and again == wrong and str(again) == str(wrong)


def test_threads_give_the_same_report_in_the_same_order():
    few = {"laws": ["equal", "same_bits"], "scenarios": ["single_neuron", "digits"]}
    told, alone = [], []
    report = fm.check_backend(Scaled(), **few, progress=alone.append)
    with ThreadPoolExecutor(2) as threads:
        assert fm.check_backend(Scaled(), **few, executor=threads, progress=told.append) == report
    assert report.broken and told == alone == ["wrapper: equal", "wrapper: same_bits"]


def test_an_executor_that_cannot_be_used_is_refused_before_a_law_is_checked():
    few = {"laws": ["same_bits"], "scenarios": ["single_neuron"]}
    with pytest.raises(WrongType, match=r"executor must be None or an executor of concurrent\.futures, got int"):
        fm.check_backend("hadamard", executor=2, **few)
    ended = ThreadPoolExecutor(1)
    ended.shutdown()
    with pytest.raises(Refused, match="has been shut down"):
        fm.check_backend("hadamard", executor=ended, **few)

    class Local(Hadamard):
        name = "local"

    where = "backend 'local' must be something that the executor can send to its workers"
    with SPAWNING(1) as executor, pytest.raises(WrongType, match=where):
        fm.check_backend(Local(), executor=executor, **few)


def test_what_stops_a_check_stops_the_executor():
    def interrupt(label):
        if label.endswith("same_bits"):
            raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as threads:
        with pytest.raises(KeyboardInterrupt):
            fm.check_backend("hadamard", scenarios=["single_neuron"], executor=threads, progress=interrupt)
        threads.shutdown()
        assert threads._work_queue.qsize() <= 1  # the mark of its end


def test_fail_fast_stops_at_the_first_broken_law():
    report = fm.check_backend(Scaled(), scenarios=["digits"], fail_fast=True)
    assert list(report.broken) == ["equal"]
    assert {result.law for result in report.results} == {"equal"}


def test_fail_fast_passes_by_failures_that_are_expected():
    some = {"laws": ["equal", "same_bits", "dtype_kept"], "scenarios": ["digits"]}
    report = fm.check_backend(Scaled(), **some, expected_failures={"equal": "known"}, fail_fast=True)
    assert report.passed and {result.law for result in report.results} == set(some["laws"])


def test_problems_are_the_same_numbers_in_every_dtype_and_cover_what_could_hide():
    for scenario in PROBLEMS.values():
        single, double = scenario("float32"), scenario("float64")
        assert single.network.dtype == np.float32
        assert single.network.activations == double.network.activations
    made = [scenario() for scenario in PROBLEMS.values()]
    assert {len(p.X) for p in made} >= {1, 2, 3, 4, 5, 16}
    assert any(p.network.layout.is_sparse for p in made)
    assert any(p.sample_weight is not None for p in made)
    assert {f.name for p in made for a in p.network.activations for f in a.functions} >= set(makers.ELEMENTWISE)


def test_engine_that_rounds_otherwise_in_another_thread_keeps_the_law_of_threads() -> None:
    """A product by one thread of the engine's own differs in its last bits from a product by two."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1 if before > 1 else 2)  # of this thread alone: others keep the number of cores
    try:
        report = fm.check_backend("autodiff_torch", laws=["threads"], scenarios=["digits"])
    finally:
        torch.set_num_threads(before)
    assert not report.broken, str(report)
