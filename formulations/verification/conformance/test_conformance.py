"""The suite as tests, one for each backend and law, over all problems; collected by ``--pyargs``."""

from __future__ import annotations

import pytest

from formulations.verification.conformance.check import check_backend
from formulations.verification.conformance.report import Outcome
from formulations.verification.conformance.subjects import problems_of, read_subject

# A backend that compiles for every plan is checked on a few problems of each kind.
FEW = ("single_neuron", "saturated_neuron", "weighted_examples", "activation_tanh", "cross_entropy", "integers")


def test_law(subject: str, law: str, pytestconfig: pytest.Config) -> None:
    """Check one law for one backend on every problem.

    With ``--backend``, each problem is checked in both precisions; for the registered backends, in one of them in turn.
    """
    backend = read_subject(subject)
    problems = FEW if backend.name == "autodiff_jax" else tuple(problems_of(backend))
    turns = 1 if pytestconfig.getoption("--backend", default=[], skip=False) else 2
    reports = [
        check_backend(backend, laws=[law], scenarios=problems[i % turns :: turns], dtypes=[dtype])
        for i, dtype in enumerate(("float32", "float64"))
    ]
    results = [result for report in reports for result in report.results]
    if all(result.outcome in (Outcome.REFUSED, Outcome.NOT_ASKED) for result in results):
        pytest.skip(results[0].complaint)
    assert not any(report.broken for report in reports), "\n".join(map(str, reports))
