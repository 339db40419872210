"""Independent calls by an executor: their order, what can be sent, and what ends them early."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from itertools import count
from multiprocessing import get_context

import numpy as np
import pytest

import formulations as fm
from formulations.arrays.budget import current_budget
from formulations.exceptions import Refused, WorkersLost, WrongType
from formulations.plans.executors.checks import probed
from formulations.plans.executors.independent import AHEAD, in_order


class Sent(Executor):
    """Computes at once, with what has been pickled and read again, as a process would receive it."""

    def __init__(self):
        self.submitted = 0

    def submit(self, function, /, *arguments, **keywords):
        self.submitted += 1
        future = Future()
        future.set_running_or_notify_cancel()
        function, arguments = pickle.loads(pickle.dumps((function, arguments)))
        try:
            future.set_result(function(*arguments, **keywords))
        except Exception as caught:
            future.set_exception(caught)
        return future


class Backwards(Executor):
    """Computes nothing until it is told, the last call first."""

    def __init__(self):
        self.held = []

    def submit(self, function, /, *arguments):
        future = Future()
        self.held.append((future, function, arguments))
        return future

    def run(self):
        for future, function, arguments in reversed(self.held):
            if future.set_running_or_notify_cancel():
                future.set_result(function(*arguments))


def squared(number):
    return number * number


def reciprocal(number):
    return 1 / number


def limit():
    return current_budget().seconds


def divided():
    return float(np.array(1.0) / np.array(0.0))


CASES = [(number,) for number in range(20)]


def test_results_come_in_the_order_of_the_cases():
    expected = [number * number for (number,) in CASES]
    assert list(in_order(squared, CASES, None)) == expected
    with ThreadPoolExecutor(3) as threads:
        assert list(in_order(squared, iter(CASES), threads)) == expected
    assert list(in_order(squared, CASES, Sent())) == expected
    late = Backwards()
    found = in_order(squared, CASES, late)
    waiting = threading.Thread(target=lambda: results.extend(found))
    results = []
    waiting.start()
    while len(late.held) <= len(CASES):  # and the call that shows that it accepts any
        waiting.join(0.001)
    late.run()
    waiting.join()
    assert results == expected
    assert list(in_order(squared, [], Sent())) == []


def test_without_an_executor_nothing_is_computed_in_advance():
    numbers = count(1)
    found = in_order(reciprocal, ((number,) for number in numbers), None)
    assert [next(found), next(found)] == [1, 0.5]
    assert next(numbers) == 3


def test_only_so_many_are_submitted_in_advance():
    executor = Sent()
    found = in_order(squared, ((number,) for number in range(10 * AHEAD)), executor)
    assert [next(found) for _ in range(5)] == [0, 1, 4, 9, 16]
    assert executor.submitted == 1 + AHEAD + 4
    found.close()


class Raises(Backwards):
    """Computes the first case, which raises; the others wait."""

    def __init__(self, exception):
        super().__init__()
        self.exception = exception

    def submit(self, function, /, *arguments):
        future = super().submit(function, *arguments)
        if len(self.held) == 2:  # after the call that shows that it accepts any
            future.set_exception(self.exception)
        return future


@pytest.mark.parametrize("exception", [ValueError("no"), KeyboardInterrupt()])
def test_what_a_case_raises_is_raised_and_cancels_the_rest(exception):
    with pytest.raises(ZeroDivisionError):
        list(in_order(reciprocal, [(1,), (0,), (2,)], None))
    executor = Raises(exception)
    with pytest.raises(type(exception)):
        next(in_order(squared, CASES, executor))
    assert len(executor.held) == 1 + len(CASES)
    assert all(future.cancelled() for future, *_ in executor.held[2:])


class First(Backwards):
    """Computes the first case; the others wait."""

    def submit(self, function, /, *arguments):
        future = super().submit(function, *arguments)
        if len(self.held) == 2:
            future.set_result(function(*arguments))
        return future


def test_who_stops_early_cancels_the_rest():
    executor = First()
    with closing(in_order(squared, CASES, executor)) as found:
        assert next(found) == 0
    assert all(future.cancelled() for future, *_ in executor.held[2:])


def test_the_budget_and_the_quiet_of_the_caller_go_along():
    with ThreadPoolExecutor(1) as threads, fm.use_budget(seconds=7), np.errstate(all="raise"):
        assert list(in_order(limit, [()], threads)) == [7]
        assert list(in_order(divided, [()], threads)) == [float("inf")]


def test_an_executor_that_is_none_or_has_ended():
    with pytest.raises(WrongType, match=r"executor must be None or an executor of concurrent.futures, got int"):
        list(in_order(squared, CASES, 2))
    ended = ThreadPoolExecutor(1)
    ended.shutdown()
    with pytest.raises(Refused, match="has been shut down"):
        list(in_order(squared, CASES, ended))


def test_what_cannot_be_sent_is_said_before_anything_is_submitted():
    executor = Sent()
    with pytest.raises(WrongType, match=r"a lock must be something .* cannot pickle '_thread.lock' object\); define"):
        list(in_order(squared, CASES, executor, {"a name": 3, "a lock": threading.Lock()}))
    # An integer, to see whether it accepts any, then all things, and each.
    assert executor.submitted == 4
    with ThreadPoolExecutor(1) as threads:
        assert list(in_order(lambda: 0, [()], threads, {"a lock": threading.Lock()})) == [0]


class AnotherPickle(Sent):
    """Sends what pickle alone cannot, as loky and Dask do by cloudpickle."""

    def submit(self, function, /, *arguments, **keywords):
        self.submitted += 1
        future = Future()
        future.set_result(function(*arguments, **keywords))
        return future


def test_other_executors_may_send_more_than_pickle_can():
    assert list(in_order(squared, CASES[:2], AnotherPickle(), {"a function": lambda: 0})) == [0, 1]
    with ProcessPoolExecutor(1) as processes, pytest.raises(WrongType, match="a function must be something"):
        probed(processes, [("a function", lambda: 0)])


def unreadable():
    raise AttributeError("it is not there")


class Unreadable:
    """Can be pickled, but not read again."""

    def __reduce__(self):
        return unreadable, ()


def test_what_a_process_cannot_read_leaves_the_pool_alive():
    # As a function that a script has defined after its processes have started.
    with ProcessPoolExecutor(1) as processes:
        with pytest.raises(WrongType, match=r"the second must be something .* \(AttributeError: it is not there\)"):
            list(in_order(squared, CASES, processes, {"the first": 3, "the second": Unreadable()}))
        assert list(in_order(squared, CASES[:3], processes, {"the first": 3})) == [0, 1, 4]


class Unable(Executor):
    """Cannot start a process."""

    def submit(self, *_):
        raise RuntimeError("An attempt has been made to start a new process before ...")


def test_only_an_executor_that_was_shut_down_is_called_so():
    with pytest.raises(RuntimeError, match=r"^An attempt has been made"):
        list(in_order(squared, CASES, Unable()))


class Closes(Sent):
    """Accepts three calls, such as a client that somebody closes."""

    def submit(self, function, /, *arguments, **keywords):
        if self.submitted == 3:
            raise ValueError("it was closed")
        return super().submit(function, *arguments, **keywords)


def test_an_executor_that_stops_accepting_calls_is_told():
    with pytest.raises(WorkersLost, match=r"it broke \(ValueError: it was closed\); make a new one"):
        list(in_order(squared, CASES, Closes()))


class Breaks(Sent):
    """Loses its process with the third call."""

    def submit(self, function, /, *arguments, **keywords):
        future = super().submit(function, *arguments, **keywords)
        if self.submitted == 3:
            future = Future()
            future.set_exception(BrokenExecutor("a process ended abruptly"))
        return future


def test_a_process_that_ends_is_told():
    with pytest.raises(WorkersLost, match=r"it broke \(BrokenExecutor: a process ended .*\); make a new one"):
        list(in_order(squared, CASES, Breaks()))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_what_is_defined_in_an_interactive_session_is_said_before_anything_is_submitted(method):
    source = f"""
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context
        import formulations as fm
        from formulations.backends.hadamard import Hadamard
        class Mine(Hadamard):
            name = "mine"
        few = dict(laws=["same_bits"], scenarios=["single_neuron"], dtypes=["float64"])
        with ProcessPoolExecutor(1, mp_context=get_context({method!r})) as pool:
            print(fm.check_backend("hadamard", executor=pool, **few).passed)
            try:
                fm.check_backend(Mine(), executor=pool, **few)
            except fm.exceptions.WrongType as caught:
                print(caught)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(source)], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first == "True"
    assert second.startswith("backend 'mine' must be something that the executor can send") and "'Mine' on" in second


@pytest.mark.slow
def test_processes_use_one_thread_of_blas():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        (found,) = in_order(threadpoolctl.threadpool_info, [()], pool)
    assert {library["num_threads"] for library in found if library["user_api"] == "blas"} == {1}
