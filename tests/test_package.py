"""The package as a whole: its names, their documentation, and that nothing is kept by hand in two places."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

import formulations as fm
from formulations.backends._table import BUILT_IN

ROOT = Path(__file__).resolve().parents[1]
NAMES = [backend.name for backend in BUILT_IN]
PUBLIC = [
    "Activation", "Backend", "Certificate", "ChunkedPlan", "Comparison", "ConformanceReport", "Cost",
    "Estimate", "Explanation", "Gradient", "History", "Network", "PerNeuron", "Plan", "Tape", "Tier",
    "activation", "certify", "check_backend", "compare", "cost", "coupled_activation", "exact_gradient",
    "explain", "get_backend", "gradient", "list_backends", "load", "load_digits", "per_example_gradients",
    "prepare", "register", "save", "sgd", "use_backend", "use_budget", "which",
]  # fmt: skip


def modules():
    """Every module of the package by its name."""
    found = pkgutil.walk_packages(fm.__path__, "formulations.")
    return [module.name for module in found if not module.name.endswith("__main__")]


def test_the_public_names_are_pinned():
    assert sorted(fm.__all__) == PUBLIC


def test_all_is_sorted():
    assert fm.__all__ == sorted(fm.__all__)


@pytest.mark.parametrize("name", fm.__all__)
def test_every_public_name_is_documented(name):
    thing = getattr(fm, name)
    assert inspect.getdoc(thing)
    if inspect.isclass(thing):
        for attribute, member in vars(thing).items():
            if not attribute.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                assert inspect.getdoc(member), f"{name}.{attribute}"


@pytest.mark.parametrize("name", modules())
def test_every_module_says_what_it_is_for_and_exports_what_it_has(name):
    # The command line needs an extra, which is in the development set; compiled code one that is not.
    if name.startswith("formulations.backends._shared.compiled."):
        pytest.importorskip("numba")
    module = importlib.import_module(name)
    assert module.__doc__
    for exported in getattr(module, "__all__", ()):
        assert hasattr(module, exported)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", ["formulations/backends/{}.py", "docs/backends/{}.md", "tests/backends/test_{}.py"])
def test_a_backend_has_one_name_everywhere(name, path):
    assert (ROOT / path.format(name)).is_file()


@pytest.mark.parametrize(
    ("folder", "pattern"), [("formulations/backends", r"(\w+)\.py"), ("docs/backends", r"(\w+)\.md")]
)
def test_no_file_is_left_of_a_backend_that_there_is_not(folder, pattern):
    found = {match[1] for path in (ROOT / folder).iterdir() if (match := re.fullmatch(pattern, path.name))}
    assert {name for name in found if not name.startswith("_")} - {"index", "README"} == set(NAMES)


@pytest.mark.parametrize("name", fm.list_backends())
def test_a_backend_describes_itself(name):
    backend = fm.get_backend(name)
    assert backend.name == name
    assert backend.summary and "\n" not in backend.summary and not backend.summary.endswith(".")
    assert backend.equations and all(isinstance(equation, str) for equation in backend.equations)
    assert isinstance(backend.tier, fm.Tier)
    assert backend.variant_of is None or backend.variant_of in fm.list_backends()


@pytest.mark.parametrize("name", NAMES)
def test_a_backends_file_reads_like_a_page_of_the_book(name):
    page = inspect.getdoc(importlib.import_module(f"formulations.backends.{name}"))
    for part in (".. math::", "It misleads", "Source: ", ">>> import formulations as fm"):
        assert part in page


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = re.search(r'^version: "?([^"\n]+)"?$', (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert project["version"] == cited[1] == fm.__version__


def test_the_core_needs_numpy_and_scipy_alone():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert sorted(re.match(r"\w+", requirement)[0] for requirement in project["dependencies"]) == ["numpy", "scipy"]


def test_types_are_shipped():
    assert (Path(fm.__file__).parent / "py.typed").is_file()


def test_the_floors_in_the_docs_are_those_that_are_enforced():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    enforced = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page[page.index("| floor |") :].split("\n\n")[0].splitlines()[2:]
    shown = [re.findall(r"`(\w+)`", row.split("|")[1]) for row in table]
    assert shown == [[name.strip() for name in layer.split("|")] for layer in enforced]
