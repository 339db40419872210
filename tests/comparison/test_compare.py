"""The comparison: rows, verdicts, reasons and times."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import sys
import threading
import types
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.backends.hadamard import Hadamard
from formulations.comparison.result import Comparison, Row, RowStatus
from formulations.comparison.threads import Threads
from formulations.comparison.trials import compare
from formulations.data.scenarios import SCENARIOS
from formulations.display.ratios import Ratio
from formulations.exceptions import InvalidInput, NotFinite, UnknownName, WrongType
from formulations.verification.tolerances.verdict import Status

SIX = {
    "hadamard": "T1", "sigma": "T1", "product": "T2", "linear": "T1", "per_neuron": "T4", "finite_difference": "P",
}  # fmt: skip
"""The book's own formulations, with the bound that judges each."""


class Halved(makers.HadamardWrapper):
    name = "halved"

    def errors(self, network, tape):
        errors = super().errors(network, tape)
        errors[0] *= 0.5
        return errors


class Endless(makers.HadamardWrapper):
    name = "endless"

    def estimate(self, network, m):
        return dataclasses.replace(super().estimate(network, m), forward_passes=10**12, multiplications=10**15)


class Talkative(makers.HadamardWrapper):
    """Little arithmetic in very many calls."""

    name = "talkative"

    def estimate(self, network, m):
        return dataclasses.replace(super().estimate(network, m), calls=10**9)


class Broken(makers.HadamardWrapper):
    name = "broken"

    def errors(self, *_):
        raise ZeroDivisionError("of another package")


class Estimated(Endless):
    name = "estimated"
    estimates = 0

    def estimate(self, network, m):
        Estimated.estimates += 1
        return super().estimate(network, m)


@pytest.fixture(scope="module")
def digits():
    return SCENARIOS["digits"]()


@pytest.fixture(scope="module")
def comparison(digits):
    return compare(digits.network, digits.X, digits.Y)


@pytest.fixture(scope="module")
def small_comparison():
    net = fm.Network.random([3, 4, 2], ["tanh", "sigmoid"], seed=0)
    return compare(net, *makers.data(net, 5))


def of(comparison):
    return {row.backend: row for row in comparison.rows}


@pytest.mark.slow
def test_on_the_digits_a_row_is_equal_or_says_why_not(comparison, digits):
    rows = of(comparison)
    assert list(rows) == fm.list_backends()
    assert comparison.equal
    for name, reason in fm.which(digits.network).items():
        assert (rows[name].status == "refused") == (reason is not None)
        assert rows[name].status == "equal" or rows[name].reason
        assert rows[name].status != "different", rows[name].reason
    assert {rows[name].status for name in SIX if name != "linear"} == {"equal"}
    assert rows["linear"].status == "refused"
    assert "identity" in rows["linear"].reason and "sigmoid" in rows["linear"].reason


@pytest.mark.slow
def test_on_an_identity_network_linear_is_equal_too(digits):
    net = fm.Network.random([64, 30, 10], "identity", seed=0)
    rows = of(compare(net, digits.X, digits.Y, backends=list(SIX)))
    assert {name: row.status for name, row in rows.items()} == dict.fromkeys(SIX, "equal")


@pytest.mark.slow
def test_a_row_has_its_time_its_bound_and_its_passes(comparison):
    rows = of(comparison)
    assert {name: rows[name].bound for name in SIX} == {**SIX, "linear": ""}
    for row in rows.values():
        if row.status == "equal":
            assert row.seconds > 0 and row.relative_time > 0
            assert row.relative_spread[0] <= row.relative_time <= row.relative_spread[1]
            assert row.difference >= 0 and 0 <= row.ratio <= 1
    assert rows["hadamard"].relative_time == 1
    assert rows["finite_difference"].forward_passes == 2 * (64 * 30 + 30 + 30 * 10 + 10) + 1


@pytest.mark.slow
def test_printed_it_is_a_table_with_a_line_for_each_row_and_its_reason(comparison):
    text = str(comparison)
    assert text.startswith("64-30-10, sigmoid, quadratic cost, 10 examples, float64\n")
    for row in comparison.rows:
        assert any(line.startswith(row.backend + " ") for line in text.splitlines())
    assert "linear, linear_collapse: it needs the activation identity" in text
    counts = Counter(row.status for row in comparison.rows)
    summary = ", ".join(f"{count} {status}" for status, count in counts.items())
    assert text.endswith(f"\n\n{summary}.\n{comparison.agreement.sentence}")


def test_json_has_everything(small_comparison):
    found = json.loads(json.dumps(small_comparison.to_dict()))
    assert found["equal"] is True
    assert [row["backend"] for row in found["rows"]] == fm.list_backends()
    assert found["counts"] == Counter(row["status"] for row in found["rows"])
    assert found["counts"]["equal"] > found["counts"]["refused"] > 0


def test_a_different_row_is_named_and_not_timed(digits):
    c = compare(digits.network, digits.X, digits.Y, backends=["hadamard", Halved()])
    wrong = c.rows[1]
    assert wrong.status == "different" and not c.equal
    assert wrong.seconds is None and wrong.relative_time is None
    assert wrong.ratio > 1
    assert "layer 2" in wrong.reason


# A forked process inherits locks whose threads it does not have.
SPAWNING = partial(ProcessPoolExecutor, mp_context=get_context("spawn"))


def untimed(comparison):
    """Return all that does not depend on the clock."""
    found = json.loads(json.dumps(comparison.to_dict()))
    for row in found["rows"]:
        for name in ("seconds", "relative_time", "relative_spread"):
            assert (row.pop(name) is None) == (row["status"] in ("different", "refused", "failed", "skipped")), name
    for name in ("threads", "control", "noise"):
        found.pop(name, None)
    return found


@pytest.mark.parametrize("operator", ["gradient", "hessian"])
@pytest.mark.parametrize(
    "pool", [ThreadPoolExecutor, pytest.param(SPAWNING, marks=pytest.mark.slow)], ids=["threads", "processes"]
)
def test_an_executor_gives_the_same_rows_in_the_same_order(pool, operator, monkeypatch):
    module = importlib.import_module("formulations.comparison.trials")
    monkeypatch.setattr(module, "interleave", partial(module.interleave, budget=1e-3, sample=1e-5))
    net = fm.Network.random([3, 4, 2], ["tanh", "sigmoid"], seed=0, dtype="float32")
    X, Y = makers.data(net, 5)
    weights = [1.0, 0.0, 2.0, 1.0, 3.0] if operator == "gradient" else None
    given = {"operator": operator, "sample_weight": weights, "backends": ["sigma", Halved(), Broken(), "linear",
             Endless(), "finite_difference", "hadamard"]}  # fmt: skip
    alone, told, again = compare(net, X, Y, **given), [], []
    compare(net, X, Y, **given, progress=told.append)
    with pool(2) as executor:
        assert untimed(compare(net, X, Y, **given, executor=executor, progress=again.append)) == untimed(alone)
    assert told == again
    assert [row.backend for row in alone.rows] == told[:-1]
    if operator == "gradient":
        assert [row.status for row in alone.rows] == [
            "equal", "different", "failed", "refused", "skipped", "inconclusive", "equal"
        ]  # fmt: skip


def test_with_an_executor_what_is_slow_is_timed_afterwards_and_here(digits, monkeypatch):
    module, threads = importlib.import_module("formulations.comparison.trials"), []
    monkeypatch.setattr(module, "SLOW", 0.0)
    # A product of any size takes one thread then, since workers share the cores.
    monkeypatch.setattr(module, "SMALL", 0)

    class Watched(makers.HadamardWrapper):
        name = "watched"

        def errors(self, *given):
            threads.append(threading.current_thread())
            return super().errors(*given)

    with ThreadPoolExecutor(1) as executor:
        c = compare(digits.network, digits.X, digits.Y, backends=["hadamard", Watched()], executor=executor)
    assert [row.status for row in c.rows] == ["equal", "equal"] and c.rows[1].seconds > 0
    here = [thread is threading.current_thread() for thread in threads]
    # Twice, since the first call may compile something.
    assert here == [False, False, True, True]
    assert c.threads.limit == 1


def test_an_executor_that_cannot_be_used_is_refused_before_a_backend_is_judged(digits):
    with pytest.raises(WrongType, match=r"executor must be None or an executor of concurrent\.futures, got str"):
        compare(digits.network, digits.X, digits.Y, backends=["hadamard"], executor="threads")

    class Local(makers.HadamardWrapper):
        name = "local"

    given = digits.network, digits.X, digits.Y
    with SPAWNING(1) as executor, pytest.raises(WrongType, match="backend 'local' must be something"):
        compare(*given, backends=["hadamard", Local()], executor=executor)
    own = fm.cost(lambda a, y: (a - y).sum(axis=1), gradient=lambda a, _: np.ones_like(a), name="own")
    with SPAWNING(1) as executor, pytest.raises(WrongType, match="the network with its cost must be something"):
        compare(*given, own, backends=["hadamard"], executor=executor)


def test_a_backend_that_would_take_minutes_says_so_and_is_skipped_unless_requested(digits):
    c = compare(digits.network, digits.X, digits.Y, backends=[Endless()])
    assert c.rows[0].status == "skipped" and "1000000000000 forward passes" in c.rows[0].reason
    assert c.rows[0].reason.endswith("more than the budget; compare it with budget=math.inf")
    assert not c.equal
    c = compare(digits.network, digits.X, digits.Y, backends=[Endless()], budget=math.inf)
    assert c.rows[0].status == "equal"


def test_what_decides_to_skip_a_backend_is_also_what_its_reason_says(digits):
    before = Estimated.estimates
    c = compare(digits.network, digits.X, digits.Y, backends=[Estimated()])
    assert c.rows[0].status == "skipped"
    assert Estimated.estimates == before + 1


@pytest.mark.parametrize("backend", [Endless(), Talkative()], ids=["multiplications", "calls"])
def test_multiplications_and_calls_both_count_against_the_budget(digits, backend):
    c = compare(digits.network, digits.X, digits.Y, backends=[backend], budget=20.0)
    assert c.rows[0].status == "skipped" and "more than the budget" in c.rows[0].reason


def test_an_exception_of_a_backend_costs_its_own_row_alone(digits):
    c = compare(digits.network, digits.X, digits.Y, backends=["hadamard", Broken()])
    assert [row.status for row in c.rows] == ["equal", "failed"] and not c.equal
    assert c.rows[1].reason == "ZeroDivisionError: of another package"
    assert "1 equal, 1 failed." in str(c)


def test_an_inconclusive_row_is_timed_and_counted(digits, monkeypatch):
    buffer = importlib.import_module("formulations.comparison.quantities")
    judge = buffer.judge_backend

    def undecided(*given):
        return dataclasses.replace(judge(*given), status=Status.INCONCLUSIVE)

    monkeypatch.setattr(buffer, "judge_backend", undecided)
    c = compare(digits.network, digits.X, digits.Y, backends=["hadamard"])
    assert c.rows[0].status == "inconclusive"
    assert c.rows[0].seconds > 0 and c.rows[0].relative_time == 1
    assert c.to_dict()["counts"] == {"inconclusive": 1} and not c


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_parameters_that_are_not_finite_are_refused_by_name(digits, value):
    net = digits.network.copy()
    net.weights[1][3, 7] = value
    with pytest.raises(NotFinite, match=r"parameters must be finite, got (nan|inf) at network\.weights\[1\]\[3, 7\]"):
        compare(net, digits.X, digits.Y)


def test_the_title_calls_longdouble_by_its_name():
    problem = SCENARIOS["digits"]("longdouble")
    c = compare(problem.network, problem.X, problem.Y, backends=["hadamard"])
    assert c.title.endswith(", longdouble")


def test_a_status_is_a_verdict_or_why_there_is_none(small_comparison):
    verdicts = {str(status) for status in Status}
    assert {str(status) for status in RowStatus} == verdicts | {"refused", "skipped", "failed"}
    assert all(isinstance(row.status, RowStatus) for row in small_comparison.rows)


@pytest.mark.parametrize(
    ("statuses", "equal"),
    [
        (["equal"], True),
        (["equal", "inconclusive", "refused", "skipped"], True),
        (["equal", "different"], False),
        (["equal", "failed"], False),
        (["inconclusive"], False),
        (["refused", "skipped"], False),
    ],
)
def test_it_is_equal_if_at_least_one_gradient_is_and_none_is_different(statuses, equal):
    rows = [Row(f"b{i}", (), RowStatus(status)) for i, status in enumerate(statuses)]
    assert Comparison("", tuple(rows)).equal is equal
    assert bool(Comparison("", tuple(rows))) is equal


@pytest.mark.parametrize(
    ("median", "quartiles", "shown"),
    [
        (1.0, (1.0, 1.0), "1.00×"),
        (1.254, (1.2, 1.4), "1.25× (1.20–1.40)"),
        (12.34, (9.996, 99.96), "12.3× (10.0–100)"),
        (2181.7, (2100.2, 2250.9), "2182× (2100–2251)"),
        (None, None, "–"),
    ],
)
def test_a_relative_time_is_shown_with_its_quartiles(median, quartiles, shown):
    row = Row("sigma", ("33",), RowStatus.EQUAL, relative_time=median, relative_spread=quartiles)
    line = next(line for line in str(Comparison("", (row,))).splitlines() if line.startswith("sigma"))
    assert line.endswith(f"  {shown}")


def test_times_are_relative_to_hadamard_even_if_it_has_no_row(digits):
    c = compare(digits.network, digits.X, digits.Y, backends=["sigma"])
    assert len(c.rows) == 1 and c.rows[0].relative_time is not None


@pytest.mark.parametrize(
    ("small", "given", "held"), [(10**7, {}, {1}), (0, {}, {3}), (10**7, {"threads": 2}, {2}), (0, {"threads": 2}, {2})]
)
def test_small_products_are_timed_with_one_thread_in_every_pool(digits, monkeypatch, small, given, held):
    tool, module = pytest.importorskip("threadpoolctl"), importlib.import_module("formulations.comparison.trials")
    found, timed = [], module.interleave
    monkeypatch.setattr(module, "SMALL", small, raising=False)

    def pools():
        return {pool["num_threads"] for pool in tool.threadpool_info()}

    def interleaved(*arguments, **options):
        found.append(pools())
        return timed(*arguments, **options)

    monkeypatch.setattr(module, "interleave", interleaved)
    with tool.threadpool_limits(3):
        c = compare(digits.network, digits.X, digits.Y, backends=["hadamard"], **given)
        assert pools() == {3}
    assert found == [held]
    assert c.threads.limit == (None if held == {3} else held.pop())
    assert f"\nthreads: {c.threads.limit or 'unchanged ('}" in str(c)


def test_a_pool_that_a_backend_brings_is_limited_too(digits, monkeypatch):
    module, held, found = importlib.import_module("formulations.comparison.trials"), [8], []
    fake = types.SimpleNamespace(get_num_threads=lambda: held[0], set_num_threads=lambda n: held.__setitem__(0, n))
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    timed = module.interleave
    monkeypatch.setattr(module, "interleave", lambda *given, **more: (found.append(held[0]), timed(*given, **more))[1])

    class Loading(makers.HadamardWrapper):
        name = "loading"

        def errors(self, network, tape):
            monkeypatch.setitem(sys.modules, "torch", fake)
            return super().errors(network, tape)

    compare(digits.network, digits.X, digits.Y, backends=[Loading()])
    assert (found, held) == ([1], [8])


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2"])
def test_a_number_of_threads_is_a_positive_integer(digits, threads):
    with pytest.raises((InvalidInput, WrongType), match="threads must"):
        compare(digits.network, digits.X, digits.Y, backends=["hadamard"], threads=threads)


def test_the_baseline_is_timed_against_itself_in_memory_of_its_own(digits, monkeypatch):
    module, heard = importlib.import_module("formulations.comparison.trials"), {}
    timed = module.interleave
    monkeypatch.setattr(
        module, "interleave", lambda calls, **options: (heard.update(calls), timed(calls, **options))[1]
    )
    c = compare(digits.network, digits.X, digits.Y, backends=["sigma", "hadamard"])
    (*_, (name, control)) = heard.items()
    assert name not in [row.backend for row in c.rows]
    assert control.plan.backend == heard["hadamard"].plan.backend
    assert control.plan is not heard["hadamard"].plan
    assert c.control.lower <= c.control.median <= c.control.upper
    assert "hadamard against itself is " in str(c)
    assert json.loads(json.dumps(c.to_dict()))["control"]["ratio"] == c.control.median


ROWS = (Row("hadamard", ("BP1",), RowStatus.EQUAL, seconds=1e-5, relative_time=1.0, relative_spread=(1.0, 1.0)),)


@pytest.mark.parametrize(
    ("control", "load", "said"),
    [
        (Ratio(1.0, 0.9, 1.2), 1.5, []),
        (None, None, []),
        (Ratio(1.1, 0.9, 3.1), 1.5, ["hadamard against itself is 1.10× (0.90–3.10)"]),
        (Ratio(0.9, 0.5, 1.1), 1.5, ["hadamard against itself is 0.90× (0.50–1.10)"]),
        (Ratio(1.0, 0.9, 1.2), 7.8, ["load 7.8 on 2 cores"]),
        (Ratio(9.0, 8.0, 9.5), 7.8, ["hadamard against itself is 9.00× (8.00–9.50)", "load 7.8 on 2 cores"]),
    ],
)
def test_a_machine_that_is_not_quiet_is_warned_of(control, load, said):
    c = Comparison("title", ROWS, threads=Threads(1, cores=2, load=load), control=control)
    assert len(c.noise) == len(said) and c.to_dict()["noise"] == list(c.noise)
    (*lines,) = (line for line in str(c).splitlines() if line.startswith("warning: "))
    assert len(lines) == bool(said)
    for part in said:
        assert part in lines[0]


@pytest.mark.parametrize(("kind", "seconds"), [(Hadamard, 0.125), (Endless, 60.0)])
def test_a_first_call_that_compiles_for_a_minute_is_no_time_of_a_gradient(digits, monkeypatch, kind, seconds):
    """The second call counts, unless the backend is estimated to take that long at every call."""
    module, now = importlib.import_module("formulations.comparison.trials"), [0.0]
    takes = iter([60.0, *[0.125] * 100])

    class Compiling(kind):
        name = "compiling"

        def errors(self, network, tape):
            now[0] += next(takes)
            return super().errors(network, tape)

    monkeypatch.setattr(module, "perf_counter", lambda: now[0])
    monkeypatch.setattr(module, "SLOW", 0.01)
    (row,) = compare(digits.network, digits.X, digits.Y, backends=[Compiling()], budget=math.inf).rows
    assert row.seconds == seconds


def test_progress_hears_every_backend(digits):
    heard = []
    compare(digits.network, digits.X, digits.Y, backends=["hadamard", "sigma"], progress=heard.append)
    assert heard == ["hadamard", "sigma", "timing"]


@pytest.mark.slow
def test_sample_weights_and_costs_reach_every_row(digits):
    c = compare(
        digits.network, digits.X, digits.Y, "binary_cross_entropy", sample_weight=np.arange(10.0), backends=list(SIX)
    )
    assert [row.status for row in c.rows if row.backend != "linear"] == ["equal"] * 5


def test_options_and_instances_are_rows_of_their_own_and_doubles_are_one(digits):
    flags = ["hadamard", "sigma:matrix=dense", "hadamard:batch=example", "hadamard"]
    c = compare(digits.network, digits.X, digits.Y, backends=flags)
    assert [row.backend for row in c.rows] == flags[:3]
    assert [row.status for row in c.rows] == ["equal"] * 3


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "longdouble"])
def test_other_dtypes_are_never_different(dtype):
    net = fm.Network.random([6, 5, 3], "sigmoid", seed=0, dtype=dtype)
    c = compare(net, *makers.data(net))
    assert "different" not in {row.status for row in c.rows}
    assert {row.backend: row.status for row in c.rows}["hadamard"] == "equal"


def test_bad_input(digits):
    with pytest.raises(UnknownName, match="valid names are hadamard"):
        compare(digits.network, digits.X, digits.Y, backends=["hadamrd"])
    with pytest.raises(InvalidInput, match="backends must not be empty"):
        compare(digits.network, digits.X, digits.Y, backends=[])
    with pytest.raises(WrongType, match="Network"):
        compare(None, digits.X, digits.Y)


@pytest.mark.parametrize(
    ("backends", "exception"),
    [(np.array("hadamard"), WrongType), (np.array(["sigma", "unknown"]), UnknownName), (np.array([]), InvalidInput)],
)
def test_arrays_that_name_no_backends_are_refused(backends, exception):
    net = fm.Network.random([2, 1], seed=0)
    with pytest.raises(exception):
        fm.compare(net, [[0.0, 1.0]], [[1.0]], backends=backends)
