"""The hit rate of the diagnosis: how often a certificate names a planted mistake, and how often it names another.

``python -m tests.audit.diagnoses --markdown`` prints the table of ``docs/explanation/diagnoses.md``.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np

import formulations as fm
from formulations.display import format_table
from formulations.exceptions import FormulationsException
from formulations.verification import Status
from tests.audit.command import markdown_table, parser, positive, print_table, processes, show
from tests.audit.wrong_gradients import KINDS, random_case

__all__ = ["Diagnosed", "HitRates", "diagnosed", "hit_rates"]

NETWORKS = 24


@dataclass(frozen=True)
class Diagnosed:
    """What a certificate says of one planted mistake.

    Attributes
    ----------
    kind : str
        The kind of mistake.
    number : int
        The number of the network.
    named : tuple of str
        The mistake that the certificate names, and its further readings; a second mistake follows a plus sign.
    hit, first : bool
        Whether the mistake is among them, or the first of them.
    """

    kind: str
    number: int
    named: tuple[str, ...]
    hit: bool
    first: bool


@dataclass(frozen=True)
class HitRates:
    """The diagnoses of planted mistakes; true if no mistake is given the name of another.

    Attributes
    ----------
    diagnosed : tuple of Diagnosed
        One for each mistake that makes a gradient different.
    networks : int
        The number of networks.
    """

    diagnosed: tuple[Diagnosed, ...]
    networks: int

    def __bool__(self) -> bool:
        return not self.wrong

    @property
    def wrong(self) -> list[Diagnosed]:
        """The mistakes that are given the name of another."""
        return [each for each in self.diagnosed if each.named and not each.hit]

    def of(self, kind: str) -> list[Diagnosed]:
        """Return the diagnoses of one kind."""
        return [each for each in self.diagnosed if each.kind == kind]

    def _rows(self) -> list[list[str]]:
        rows = []
        for name, kind in KINDS.items():
            found = self.of(name)
            if not found:
                continue
            hits, first = (sum(getattr(each, of) for each in found) for of in ("hit", "first"))
            others = Counter(each.named[0] for each in found if each.named and not each.hit)
            named = f"{hits / len(found):.0%}", f"{first / len(found):.0%}"
            rows.append(
                [
                    name,
                    str(len(found)),
                    *(named if kind.causes else ("–", "–")),
                    f"{sum(not each.named for each in found) / len(found):.0%}",
                    ", ".join(f"{other} {count}" for other, count in others.most_common()) or "–",
                ]
            )
        return rows

    def _totals(self) -> str:
        known = [each for each in self.diagnosed if KINDS[each.kind].causes]
        unknown = [each for each in self.diagnosed if not KINDS[each.kind].causes]
        kinds = {each.kind for each in known}
        return (
            f"{self.networks} networks. Of {len(known):,} mistakes of {len(kinds)} kinds, "
            f"{sum(each.hit for each in known) / max(1, len(known)):.1%} are named and "
            f"{sum(bool(each.named) and not each.hit for each in known) / max(1, len(known)):.1%} given the name of "
            f"another. Of {len(unknown)} mistakes that no kind covers, {sum(bool(each.named) for each in unknown)} "
            "are given a name."
        )

    def __str__(self) -> str:
        return f"{format_table(_HEADER, self._rows(), right=range(1, 5))}\n\n{self._totals()}"

    def to_markdown(self) -> str:
        """Return the table and the totals in Markdown."""
        rows = [[f"`{name}`", *rest] for name, *rest in self._rows()]
        return f"{markdown_table(_HEADER, rows)}\n\n{self._totals()}"


_HEADER = ["planted", "networks", "named", "named first", "no name", "another name"]


def hit_rates(
    networks: int,
    kinds: Iterable[str] | None = None,
    *,
    seed: int = 0,
    executor: Executor | None = None,
    progress: Callable[[str], object] | None = None,
) -> HitRates:
    """Plant mistakes of each kind in random networks, and diagnose them.

    Parameters
    ----------
    networks : int
        The number of networks.
    kinds : iterable of str, optional
        Names in ``KINDS``; by default all.
    seed : int
        The seed of their series.
    executor : concurrent.futures.Executor, optional
        Runs the networks.
    progress : callable, optional
        Called with the number of networks done, every 8 networks.

    Returns
    -------
    HitRates
    """
    work = partial(diagnosed, kinds=tuple(KINDS if kinds is None else kinds), seed=seed)
    found: list[Diagnosed] = []
    for done, each in enumerate((map if executor is None else executor.map)(work, range(networks)), start=1):
        found += each
        if progress is not None and done % 8 == 0:
            progress(f"{done} of {networks} networks")
    return HitRates(tuple(found), networks)


def diagnosed(number: int, kinds: Sequence[str], seed: int = 0) -> list[Diagnosed]:
    """Return the diagnoses of one network's wrong gradients."""
    found = []
    for name in kinds:
        kind = KINDS[name]
        case = kind.of(random_case(number, seed))
        with np.errstate(all="ignore"):
            try:
                candidate = kind.plant(case)
            except FormulationsException:
                # The mutant or the other cost does not serve this network.
                continue
            if candidate is None:
                continue
            arguments = {"cost": case.cost, **kind.arguments(case)}
            c = fm.certify(case.net, case.X, case.Y, candidate, **arguments)
        # Some mistakes have no effect on some networks.
        if c.status is not Status.DIFFERENT:
            continue
        names = () if c.cause is None else c.cause.names
        second = () if c.cause is None or c.cause.also is None else c.cause.also.names
        hit = bool(set(names) & set(kind.causes)) and (kind.second in second if kind.second else not second)
        first = hit and names[0] in kind.causes
        # Without a name that fits, a second mistake is part of what was named.
        named = (names[0] + (f" + {second[0]}" if second else ""), *names[1:]) if names else ()
        found.append(Diagnosed(name, number, named, hit, first))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print how often each kind of mistake is named; the exit status is 1 if one is given the name of another."""
    command = parser(
        "diagnoses",
        "Plant mistakes in random networks, and print how often a certificate names them. Exit status 1 if a mistake "
        "is given the name of another.",
        "--jobs 2 --markdown",
    )
    command.add_argument("kinds", nargs="*", metavar="KIND", help="kinds of mistakes (default: all)")
    command.add_argument("--networks", type=positive, default=NETWORKS, metavar="N", help="default: %(default)s")
    command.add_argument("--seed", type=int, default=0, help="seed of the series (default: 0)")
    given = command.parse_args(arguments)
    if unknown := [name for name in given.kinds if name not in KINDS]:
        command.error(f"unknown kind {unknown[0]!r}; valid names are {', '.join(KINDS)}")
    with processes(given.jobs) as executor:
        table = hit_rates(given.networks, given.kinds or None, seed=given.seed, executor=executor, progress=show)
    return print_table(table, given.markdown)


if __name__ == "__main__":
    sys.exit(main())
