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
from formulations.exceptions import CandidateFailed, FormulationsException, MissingExtra, Refused, WrongType
from formulations.functions import get_cost
from formulations.plans import in_order, seconds_for
from formulations.verification.conformance.law import NotAsked
from formulations.verification.conformance.laws import LAWS
from formulations.verification.conformance.plain import PlainFunction
from formulations.verification.conformance.report import ConformanceReport, Outcome, Result
from formulations.verification.conformance.subjects import problems_of, read_subject

__all__ = ["check_backend", "check_one"]

SECONDS = 0.05
"""A backend is checked on the problems whose gradient takes at most this long, by its own estimate."""


@quiet
def check_backend(
    backend: Any,
    *,
    serves: Mapping[str, Any] | None = None,
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
        in a form that :func:`formulations.certify` accepts, also as ``"file.py:function"``.
    serves : dict, optional
        What a plain function serves. ``"activations"``, ``"outputs"`` (of the output layer, if others), ``"costs"``
        (a factor may precede the name: ``"2 quadratic"``) and ``"sizes"`` are lists; ``"sparse"`` (weights) and
        ``"coupled"`` (activations such as softmax) are True or False. It is asked for all that it claims, and for
        nothing that a list leaves out. Keys that are left out are found by a first probe, except that the cost is
        quadratic: a failed call, NaN, or the bits of the result for other activations excuse it, and the report says
        from what.
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
        If there is no law, scenario or backend with a given name, or no such key, activation or cost of ``serves``.
    WrongType
        If ``backend`` is not a backend, ``executor`` is not an executor, or names are not a list; or if the backend
        cannot be sent to the executor's processes, and then nothing has been submitted.
    InvalidInput
        If a list is empty, a file or package cannot be loaded, or ``serves`` is for a backend.
    Refused
        If the executor was shut down.
    WorkersLost
        If one of its workers has ended.

    Examples
    --------
    >>> report = check_backend("hadamard", laws=["same_bits"], scenarios=["single_neuron"])
    >>> report.passed, len(report.results)
    (True, 2)

    A function for sigmoid neurons and the quadratic cost:

    >>> def by_hand(net, X, Y):
    ...     a = [X]
    ...     for w, b in zip(net.weights, net.biases):
    ...         a.append(1 / (1 + np.exp(-(a[-1] @ w.T + b))))
    ...     delta, weights, biases = (a[-1] - Y) / len(X), [], []
    ...     for l in range(len(net.weights), 0, -1):
    ...         delta = delta * a[l] * (1 - a[l])
    ...         weights.insert(0, delta.T @ a[l - 1])
    ...         biases.insert(0, delta.sum(axis=0))
    ...         delta = delta @ net.weights[l - 1]
    ...     return weights, biases
    >>> check_backend(by_hand, laws=["equal", "same_bits"]).passed
    True
    """
    subject = read_subject(backend, serves)
    if not isinstance(expected_failures, Mapping | None):
        raise WrongType(
            f"expected_failures must map laws to reasons, got {type(expected_failures).__name__}; "
            "pass a dictionary such as {'same_bits': 'it draws at random'}."
        )
    expected = dict(expected_failures or {})
    chosen = by_name(LAWS, laws, "law", "laws")
    names = by_name(problems_of(subject), scenarios, "scenario", "scenarios")
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
    notes = subject.serves.notes if isinstance(subject, PlainFunction) else ()
    return ConformanceReport(subject.label, tuple(results), expected, notes)


def check_one(backend: Backend, law: str, scenario: str, dtype: str) -> Result:
    """Check one law on one problem."""
    problem = problems_of(backend)[scenario](dtype)
    plain = isinstance(backend, PlainFunction)
    try:
        if isinstance(backend, PlainFunction) and (unasked := backend.why_not_asked(problem) or LAWS[law].of_backends):
            raise NotAsked(unasked)
        reason = backend.why_not(problem.network, get_cost(problem.cost))
        if reason is None and seconds_for(backend.estimate(problem.network, len(problem.X))) > SECONDS:
            reason = "it would take too long"
        if reason is not None and law != "refusals":
            return Result(law, scenario, dtype, Outcome.REFUSED, str(reason))
        with np.errstate(all="ignore"):
            complaint = LAWS[law].complaint(backend, problem)
    except NotAsked as caught:
        return Result(law, scenario, dtype, Outcome.NOT_ASKED, str(caught))
    except (Refused, MissingExtra) as caught:
        if not plain:
            return Result(law, scenario, dtype, Outcome.REFUSED, str(caught))
        complaint = f"it raised {type(caught).__name__}: {caught}"
    except CandidateFailed as caught:
        complaint = str(caught)
    except FormulationsException as caught:
        complaint = f"it raised {type(caught).__name__}: {caught}"
    except Exception as caught:  # any exception of a user-supplied backend is a finding
        foreign = "" if plain else ", which is not an exception of this library"
        complaint = f"it raised {type(caught).__name__}{foreign}: {caught}"
    return Result(law, scenario, dtype, Outcome.HELD if complaint is None else Outcome.BROKEN, complaint or "")
