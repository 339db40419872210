"""The pytest plugin: ``pytest --pyargs formulations.verification.conformance --backend my_package:MyBackend``.

The option exists only if the command names the suite, so it cannot collide with an option of the same name in other
tests. The fixtures ``backend`` and ``scenario`` are available in all tests; fixtures of the same name override them.
"""

from __future__ import annotations

from typing import Any

import pytest

__all__ = ["backend", "pytest_generate_tests", "pytest_load_initial_conftests", "scenario"]

SUITE = "formulations.verification.conformance"


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: Any, parser: Any, args: list[str]) -> None:  # noqa: ARG001
    """Add the option if an argument names the suite."""
    if any(str(argument).startswith(SUITE) for argument in args):
        group = parser.getgroup("formulations", "conformance of backends")
        group.addoption(
            "--backend",
            action="append",
            default=[],
            metavar="BACKEND",
            help="Backend to check: package:Class, file.py:function or a registered name; can be repeated.  "
            "[default: all registered]",
        )


def pytest_generate_tests(metafunc: Any) -> None:
    """Run the tests of the suite for each selected backend and each law."""
    if metafunc.module.__name__ != f"{SUITE}.test_conformance":
        return
    from formulations.backends import list_backends
    from formulations.verification.conformance.laws import LAWS

    chosen = metafunc.config.getoption("--backend", default=[], skip=False) or list_backends()
    metafunc.parametrize("subject", chosen)
    metafunc.parametrize("law", LAWS)


@pytest.fixture
def backend(request: Any) -> Any:
    """Return the first backend given with ``--backend``, or the default backend."""
    from formulations.backends import DEFAULT
    from formulations.verification.conformance.subjects import read_subject

    return read_subject((request.config.getoption("--backend", default=[]) or [DEFAULT])[0])


@pytest.fixture
def scenario(request: Any) -> Any:
    """Return the problem named by ``@pytest.mark.parametrize("scenario", …, indirect=True)``, or the digits."""
    from formulations.verification.conformance.problems import PROBLEMS

    return PROBLEMS[getattr(request, "param", "digits")]()
