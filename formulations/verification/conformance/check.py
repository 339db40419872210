"""The check of a backend: each law on each problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from contextlib import closing
from itertools import islice
from typing import Any

import numpy as np

from formulations.arrays import by_name, precisions, quiet
from formulations.backends import Backend
from formulations.exceptions import FormulationsException, MissingExtra, Refused, WrongType
from formulations.functions import get_cost
from formulations.plans import in_order, seconds_for
from formulations.verification.conformance.laws import LAWS
from formulations.verification.conformance.problems import PROBLEMS
from formulations.verification.conformance.report import ConformanceReport, Outcome, Result
from formulations.verification.conformance.subjects import read_subject

__all__ = ["check_backend", "check_one"]

SECONDS = 0.05
"""A backend is checked on the problems whose gradient takes at most this long, by its own estimate."""


@quiet
def check_backend(
    backend: Any,
    *,
    laws: Iterable[str] | None = None,
    scenarios: Iterable[str] | None = None,
    dtypes: Iterable[str] = ("float32", "float64"),
    expected_failures: Mapping[str, str] | None = None,
    executor: Executor | None = None,
    progress: Callable[[str], object] | None = None,
    fail_fast: bool = False,
) -> ConformanceReport:
    """Check that a backend keeps every law of the contract, like scikit-learn's ``check_estimator``.

    Parameters
    ----------
    backend : Backend, class, str or callable
        A backend, its class, its name, ``"package:Class"``, or a plain function ``(net, X, Y)`` that returns a gradient
        in a form that :func:`formulations.certify` accepts.
    laws, scenarios : iterable of str, optional
        Names of the laws and scenarios to check; by default all.
    dtypes : iterable of str
        The dtypes of the networks.
    expected_failures : mapping of str to str, optional
        The laws that the backend is known to break, and why. The check fails if it keeps one of them.
    executor : concurrent.futures.Executor, optional
        Checks problems in parallel; the report is the same. For processes, the backend must be one that can be pickled
        and imported.
    progress : callable, optional
        Called with the name of each law before its results are awaited.
    fail_fast : bool
        Whether to stop at the first broken law.

    Returns
    -------
    ConformanceReport
        True if every law is kept.

    Raises
    ------
    UnknownName
        If there is no law, scenario or backend with a given name.
    WrongType
        If ``backend`` is not a backend, ``executor`` is not an executor, or names are not a list; or if the backend
        cannot be sent to the executor's processes, and then nothing has been submitted.
    InvalidInput
        If a list is empty.
    Refused
        If the executor was shut down.
    WorkersLost
        If one of its workers has ended.

    Examples
    --------
    >>> report = check_backend("hadamard", laws=["same_bits"], scenarios=["single_neuron"])
    >>> report.passed, len(report.results)
    (True, 2)
    """
    subject = read_subject(backend)
    if not isinstance(expected_failures, Mapping | None):
        raise WrongType(
            f"expected_failures must map laws to reasons, got {type(expected_failures).__name__}; "
            "pass a dictionary such as {'same_bits': 'it draws at random'}."
        )
    expected = dict(expected_failures or {})
    chosen = by_name(LAWS, laws, "law", "laws")
    names = by_name(PROBLEMS, scenarios, "scenario", "scenarios")
    by_name(LAWS, expected, "law", "expected_failures", some=False)
    dtypes = precisions(dtypes)
    results: list[Result] = []
    cases = ((subject, law, name, dtype) for law in chosen for name in names for dtype in dtypes)
    with closing(in_order(check_one, cases, executor, {f"backend {subject.label!r}": subject})) as checked:
        for law in chosen:
            if progress is not None:
                progress(f"{subject.label}: {law}")
            results += (found := list(islice(checked, len(names) * len(dtypes))))
            if fail_fast and law not in expected and any(result.outcome is Outcome.BROKEN for result in found):
                break
    return ConformanceReport(subject.label, tuple(results), expected)


def check_one(backend: Backend, law: str, scenario: str, dtype: str) -> Result:
    """Check one law on one problem."""
    problem = PROBLEMS[scenario](dtype)
    try:
        reason = backend.why_not(problem.network, get_cost(problem.cost))
        if reason is None and seconds_for(backend.estimate(problem.network, len(problem.X))) > SECONDS:
            reason = "it would take too long"
        if reason is not None and law != "refusals":
            return Result(law, scenario, dtype, Outcome.REFUSED, str(reason))
        with np.errstate(all="ignore"):
            complaint = LAWS[law].complaint(backend, problem)
    except (Refused, MissingExtra) as caught:
        return Result(law, scenario, dtype, Outcome.REFUSED, str(caught))
    except FormulationsException as caught:
        complaint = f"it raised {type(caught).__name__}: {caught}"
    except Exception as caught:  # any exception of a user-supplied backend is a finding
        complaint = f"it raised {type(caught).__name__}, which is not an exception of this library: {caught}"
    return Result(law, scenario, dtype, Outcome.HELD if complaint is None else Outcome.BROKEN, complaint or "")
