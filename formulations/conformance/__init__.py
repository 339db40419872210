"""Conformance: whether a backend, of this package or another, keeps the laws of the contract."""

from __future__ import annotations

from formulations.conformance.check import check_backend
from formulations.conformance.laws import LAWS
from formulations.conformance.problems import PROBLEMS
from formulations.conformance.report import Outcome, Report, Result, Standing

__all__ = ["LAWS", "PROBLEMS", "Outcome", "Report", "Result", "Standing", "check_backend"]
