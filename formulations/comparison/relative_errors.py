"""Each backend's relative error against fifty digits, beside the condition of the problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from formulations.arrays import by_name, items, precisions, unit_roundoff
from formulations.backends import get_backend, list_backends
from formulations.data import SCENARIOS, Problem
from formulations.display import format_table, html_table, html_text, html_view
from formulations.functions import get_cost
from formulations.plans import prepare, seconds_for
from formulations.verification import OracleGradient, gradient_in_digits

__all__ = ["RelativeError", "RelativeErrors", "measure_relative_errors"]

SECONDS = 5.0
"""A backend that is estimated to need longer for one gradient is left out."""


@dataclass(frozen=True)
class RelativeError:
    """The relative error of one backend on one scenario.

    Attributes
    ----------
    backend, scenario, dtype : str
        The backend, the scenario, and the precision.
    condition : float
        The largest g_abs over the largest |g|: 1 if nothing cancels in the backward pass.
    error : float
        ‖ĝ − g‖∞ / ‖g‖∞, or ‖ĝ‖∞ if g is 0.
    componentwise : float
        The largest |ĝ − g| / |g| over the entries that are not 0.
    units : float
        The error in units of u = eps/2.
    """

    backend: str
    scenario: str
    dtype: str
    condition: float
    error: float
    componentwise: float
    units: float


@dataclass(frozen=True)
class RelativeErrors:
    """The result of :func:`measure_relative_errors`; printed, one table per precision.

    Attributes
    ----------
    rows : tuple of RelativeError
        In the order of scenarios, then of backends.
    left_out : int
        Combinations that a backend refuses, or would need too long for.
    """

    rows: tuple[RelativeError, ...]
    left_out: int

    def __bool__(self) -> bool:
        return bool(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {"left_out": self.left_out, "rows": [asdict(row) for row in self.rows]}

    def _table(self, dtype: str) -> tuple[list[str], list[list[str]]]:
        rows = [row for row in self.rows if row.dtype == dtype]
        names = list(dict.fromkeys(row.backend for row in rows))
        found = {(row.scenario, row.backend): row for row in rows}
        conditions = {row.scenario: row.condition for row in rows}
        header = [f"{dtype}: error in units of u", *names]
        lines = [
            [
                f"{scenario} (condition {condition:.3g})",
                *(f"{found[scenario, name].units:.2g}" if (scenario, name) in found else "–" for name in names),
            ]
            for scenario, condition in conditions.items()
        ]
        # There are more backends than scenarios, so one row per backend is narrower.
        turned = [list(row) for row in zip(header, *lines, strict=True)]
        return turned[0], turned[1:]

    def _dtypes(self) -> list[str]:
        return list(dict.fromkeys(row.dtype for row in self.rows))

    def __str__(self) -> str:
        tables = []
        for dtype in self._dtypes():
            header, lines = self._table(dtype)
            letters = [header[0], *(f"({i})" for i in range(1, len(header)))]
            legend = "\n".join(f"({i}) {text}" for i, text in enumerate(header[1:], start=1))
            tables.append(format_table(letters, lines, right=range(1, len(header))) + f"\n\n{legend}")
        return "\n\n".join([*tables, self._sentence()])

    def __repr__(self) -> str:
        return f"<RelativeErrors of {len({row.backend for row in self.rows})} backends, {len(self.rows)} results>"

    def _repr_html_(self) -> str:
        tables = [
            html_table(header, rows, right=range(1, len(header))) for header, rows in map(self._table, self._dtypes())
        ]
        return html_view(*tables, html_text(self._sentence(), "small"))

    def _sentence(self) -> str:
        return (
            "The error is ‖ĝ − g‖ / ‖g‖ in the largest entry, u is half the distance from 1 to the next number, and "
            f"the condition is ‖g_abs‖ / ‖g‖. {self.left_out} combinations are refused or take too long."
        )

    def to_markdown(self) -> str:
        """Return the tables in Markdown."""
        tables = []
        for dtype in self._dtypes():
            header, lines = self._table(dtype)
            tables.append("\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *lines)))
        return "\n\n".join([*tables, self._sentence()])


def measure_relative_errors(
    backends: Iterable[str] | None = None,
    scenarios: Iterable[str] | None = None,
    dtypes: Iterable[str] = ("float32", "float64"),
    *,
    progress: Callable[[str], object] | None = None,
) -> RelativeErrors:
    """Measure relative errors against fifty digits.

    Parameters
    ----------
    backends, scenarios : iterable of str, optional
        Names; by default all.
    dtypes : iterable of str
        Precisions of the networks.
    progress : callable, optional
        Called with each scenario's name before it is computed.

    Returns
    -------
    RelativeErrors

    Raises
    ------
    UnknownName
        If a backend or a scenario does not exist.
    InvalidInput, WrongType
        If none is named, or the names are not a list.
    MissingExtra
        If mpmath is not installed.
    """
    flags = list_backends() if backends is None else items(backends, "backends", "['hadamard']", one=str)
    names, dtypes = by_name(SCENARIOS, scenarios, "scenario", "scenarios"), precisions(dtypes)
    rows, left_out = [], 0
    for dtype in dtypes:
        for name in names:
            if progress is not None:
                progress(f"{name}, {dtype}")
            problem = SCENARIOS[name](dtype)
            truth = gradient_in_digits(problem.network, problem.X, problem.Y, problem.cost, problem.sample_weight)
            for flag in flags:
                row = _measured(flag, name, dtype, problem, truth)
                left_out += row is None
                rows += [] if row is None else [row]
    return RelativeErrors(tuple(rows), left_out)


def _measured(flag: str, name: str, dtype: str, problem: Problem, truth: OracleGradient) -> RelativeError | None:
    net, m, backend = problem.network, len(problem.X), get_backend(flag)
    reason = backend.why_not(net, get_cost(problem.cost))
    if reason is not None or seconds_for(backend.estimate(net, m)) > SECONDS:
        return None
    with np.errstate(all="ignore"):
        plan = prepare(net, m, cost=problem.cost, backend=backend)
        found = plan(problem.X, problem.Y, problem.sample_weight).vector
    differences = [abs(float(g) - right) for g, right in zip(found, truth.vector, strict=True)]
    largest = max(map(abs, truth.vector))
    error = float(max(differences) / (largest or 1))
    entries = [float(d / abs(g)) for d, g in zip(differences, truth.vector, strict=True) if g]
    units = error / unit_roundoff(net.dtype)
    return RelativeError(flag, name, dtype, truth.condition(), error, max(entries, default=0.0), units)
