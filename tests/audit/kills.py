"""The kill table: which check finds which planted fault.

``python -m tests.audit.kills --jobs 2 --markdown`` prints the table of ``docs/explanation/mutants.md``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from formulations.arrays import Array
from formulations.display import format_table
from formulations.exceptions import FormulationsException
from formulations.network import Network
from formulations.verification import LAWS, Certificate, Status, certify, check_backend
from tests.audit.command import markdown_table, parser, print_table, processes, show
from tests.audit.mutants import MUTANTS, Mutant

__all__ = ["Kill", "KillTable", "kill_table", "standard_problem"]

CERTIFY = "certify"


@dataclass(frozen=True)
class Kill:
    """The checks that find one mutant.

    Attributes
    ----------
    mutant : str
        The mutant's name.
    checks : tuple of str
        The laws that it breaks, and ``"certify"`` if a certificate calls its gradient different.
    certificate : Certificate or None
        The certificate of its gradient, if that says "different".
    """

    mutant: str
    checks: tuple[str, ...]
    certificate: Certificate | None = None


@dataclass(frozen=True)
class KillTable:
    """The checks that find each mutant; true if none survives.

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
        """The number of mutants that each check finds."""
        return {check: sum(check in kill.checks for kill in self.kills) for check in (*LAWS, CERTIFY)}

    def __bool__(self) -> bool:
        return not self.survivors

    def _rows(self) -> list[tuple[str, str, str, str]]:
        rows = []
        for kill in self.kills:
            c = kill.certificate
            place = "" if c is None else f"layer {c.layer}, {c.equation}"
            cause = "" if c is None or c.cause is None else c.cause.name
            rows.append((kill.mutant, place, cause, ", ".join(kill.checks) or "NONE"))
        return rows

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
        """Return the table and the totals in Markdown."""
        header = ["mutant", "what is wrong", "certify says", "likely cause", "killed by"]
        rows = [(f"`{name}`", MUTANTS[name].summary, *rest) for name, *rest in self._rows()]
        return f"{markdown_table(header, rows)}\n\n{self._totals()}"


def standard_problem() -> tuple[Network, Array, Array]:
    """Return a 4-4-4-4 network of three activations with five examples: every matrix fits in the place of another."""
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
    """Check every law for every mutant, and certify its gradient.

    Parameters
    ----------
    mutants : iterable of str, optional
        Names in ``MUTANTS``; by default all.
    executor : concurrent.futures.Executor, optional
        Runs the mutants.
    progress : callable, optional
        Called with each mutant's name when it is done.

    Returns
    -------
    KillTable
    """
    names = list(MUTANTS) if mutants is None else list(mutants)
    kills = []
    for kill in (map if executor is None else executor.map)(killed, names):
        if progress is not None:
            progress(kill.mutant)
        kills.append(kill)
    return KillTable(tuple(kills))


def killed(name: str) -> Kill:
    """Return the checks that find one mutant."""
    mutant: Mutant = MUTANTS[name]
    checks = tuple(check_backend(mutant.backend).broken)
    try:
        certificate = certify(*standard_problem(), mutant.backend)
    except FormulationsException:
        return Kill(name, checks)
    if certificate.status is not Status.DIFFERENT:
        return Kill(name, checks)
    return Kill(name, (*checks, CERTIFY), certificate)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the kill table; the exit status is 1 if a mutant survives."""
    command = parser(
        "kills",
        "Print which check finds which planted fault. Exit status 1 if a fault survives.",
        "--jobs 2 --markdown",
    )
    command.add_argument("mutants", nargs="*", metavar="MUTANT", help="names of mutants (default: all)")
    given = command.parse_args(arguments)
    if unknown := [name for name in given.mutants if name not in MUTANTS]:
        command.error(f"unknown mutant {unknown[0]!r}; valid names are {', '.join(MUTANTS)}")
    with processes(given.jobs) as executor:
        table = kill_table(given.mutants or None, executor=executor, progress=show)
    return print_table(table, given.markdown)


if __name__ == "__main__":
    sys.exit(main())
