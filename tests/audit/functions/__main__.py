"""``python -m tests.audit.functions --jobs 2 --markdown`` prints the tables of ``function-certificates.md``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.audit.command import parser, print_table, processes, show
from tests.audit.functions import FUNCTIONS
from tests.audit.functions.study import study


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the false alarms and misses of every checker; the exit status is 1 if ``certify_function`` has any."""
    command = parser(
        "functions",
        "Let certify_function and other checkers judge right and wrong gradients of many functions. Exit status 1 if "
        "certify_function raises a false alarm, or misses a fault that it says it sees.",
        "--jobs 2 --markdown",
    )
    command.add_argument("functions", nargs="*", metavar="FUNCTION", help="names of functions (default: all)")
    given = command.parse_args(arguments)
    if unknown := [name for name in given.functions if name not in FUNCTIONS]:
        command.error(f"unknown function {unknown[0]!r}; valid names are {', '.join(FUNCTIONS)}")
    with processes(given.jobs) as executor:
        found = study(given.functions or None, executor=executor, progress=show)
    return print_table(found, given.markdown)


if __name__ == "__main__":
    sys.exit(main())
