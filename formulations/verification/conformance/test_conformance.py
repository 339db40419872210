"""The suite as tests, one for each backend and law, over all problems; collected by ``--pyargs``."""

from __future__ import annotations

import pytest

from formulations.verification.conformance.check import check_backend
from formulations.verification.conformance.report import Outcome
from formulations.verification.conformance.subjects import read_subject

# A backend that compiles for every plan is checked on a few problems of each kind.
FEW = ("single_neuron", "saturated_neuron", "weighted_examples", "activation_tanh", "cross_entropy", "integers")


def test_law(subject: str, law: str) -> None:
    """Check one law for one backend on every problem."""
    report = check_backend(subject, laws=[law], scenarios=FEW if read_subject(subject).name == "autodiff_jax" else None)
    if all(result.outcome is Outcome.REFUSED for result in report.results):
        pytest.skip(report.results[0].complaint)
    assert not report.broken, str(report)
