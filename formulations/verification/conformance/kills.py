"""The kill table: which check finds which planted fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.display import format_table
from formulations.exceptions import FormulationsException
from formulations.network import Network
from formulations.verification.certification import certify
from formulations.verification.conformance.check import check_backend
from formulations.verification.conformance.laws import LAWS
from formulations.verification.conformance.mutants import MUTANTS, Mutant
from formulations.verification.tolerances import Status

__all__ = ["Kill", "KillTable", "kill_table", "standard_problem"]

CERTIFY = "certify"


@dataclass(frozen=True)
class Kill:
    """What became of one mutant.

    Attributes
    ----------
    mutant, summary : str
        Its name, and what is wrong with it.
    checks : tuple of str
        The laws that it breaks, and ``"certify"`` where a certificate calls its gradient different.
    layer, equation, cause : int, str and str, or None
        What the certificate says.
    """

    mutant: str
    summary: str
    checks: tuple[str, ...]
    layer: int | None
    equation: str | None
    cause: str | None


@dataclass(frozen=True)
class KillTable:
    """What became of all mutants; true where none survives.

    Attributes
    ----------
    kills : tuple of Kill
        One for each mutant.
    """

    kills: tuple[Kill, ...]

    @property
    def survivors(self) -> list[str]:
        """The mutants that no check finds."""
        return [kill.mutant for kill in self.kills if not kill.checks]

    @property
    def counts(self) -> dict[str, int]:
        """How many mutants each check finds."""
        return {check: sum(check in kill.checks for kill in self.kills) for check in (*LAWS, CERTIFY)}

    def __bool__(self) -> bool:
        return not self.survivors

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {
            "killed": len(self.kills) - len(self.survivors),
            "mutants": len(self.kills),
            "survivors": self.survivors,
            "counts": self.counts,
            "kills": [asdict(kill) for kill in self.kills],
        }

    def _rows(self) -> list[list[str]]:
        return [
            [
                kill.mutant,
                "" if kill.layer is None else f"layer {kill.layer}, {kill.equation}",
                kill.cause or "",
                ", ".join(kill.checks) or "NONE",
            ]
            for kill in self.kills
        ]

    def _totals(self) -> str:
        alone = sum(len(kill.checks) == 1 for kill in self.kills)
        counts = ", ".join(f"{check} {count}" for check, count in self.counts.items() if count)
        idle = ", ".join(check for check, count in self.counts.items() if not count)
        return (
            f"{len(self.kills) - len(self.survivors)} of {len(self.kills)} mutants are killed, {alone} of them by a "
            f"single check.\nKilled by: {counts}." + (f"\nKills none: {idle}." if idle else "")
        )

    def __str__(self) -> str:
        header = ["mutant", "certify says", "likely cause", "killed by"]
        return "\n\n".join([format_table(header, self._rows()), self._totals()])

    def to_markdown(self) -> str:
        """Return the table as a page has it."""
        rows = [
            f"| `{kill.mutant}` | {kill.summary} | {place} | {cause} | {checks} |"
            for kill, (_, place, cause, checks) in zip(self.kills, self._rows(), strict=True)
        ]
        header = ["| mutant | what is wrong | certify says | likely cause | killed by |", "|---|---|---|---|---|"]
        return "\n".join([*header, *rows, "", *self._totals().splitlines()])


def standard_problem() -> tuple[Network, Array, Array]:
    """Return a 4-4-4-4 network of three activations with five examples: every shape fits every other."""
    random = np.random.default_rng(0)
    net = Network.random([4, 4, 4, 4], ["tanh", "sine", "sigmoid"], seed=0)
    for b in net.biases:
        b[...] = random.normal(scale=0.5, size=b.shape)
    return net, random.standard_normal((5, 4)), random.random((5, 4))


def kill_table(
    mutants: Iterable[str] | None = None,
    *,
    executor: Executor | None = None,
    progress: Callable[[str], object] | None = None,
) -> KillTable:
    """Ask every law of every mutant, and certify its gradient.

    Parameters
    ----------
    mutants : iterable of str, optional
        Names in ``MUTANTS``; by default all.
    executor : concurrent.futures.Executor, optional
        Where to run, mutant by mutant.
    progress : callable, optional
        Called with each mutant's name when it is done.

    Returns
    -------
    KillTable
    """
    names = list(MUTANTS) if mutants is None else list(mutants)
    kills = []
    for kill in (map if executor is None else executor.map)(_killed, names):
        if progress is not None:
            progress(kill.mutant)
        kills.append(kill)
    return KillTable(tuple(kills))


def _killed(name: str) -> Kill:
    mutant: Mutant = MUTANTS[name]
    checks = tuple(check_backend(mutant.backend).broken)
    layer = equation = cause = None
    found = partial(certify, *standard_problem(), mutant.backend)
    try:
        certificate = found()
    except FormulationsException:
        certificate = None
    if certificate is not None and certificate.status is Status.DIFFERENT:
        checks = (*checks, CERTIFY)
        layer, equation = certificate.layer, certificate.equation
        cause = None if certificate.cause is None else certificate.cause.name
    return Kill(name, mutant.summary, checks, layer, equation, cause)
