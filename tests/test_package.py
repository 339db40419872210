"""The package as a whole: its names, their documentation, and that no fact is kept by hand in two places."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import formulations as fm
from formulations.backends._table import BUILT_IN as NAMES
from formulations.comparison import describe_machine

ROOT = Path(__file__).resolve().parents[1]
PUBLIC = [
    "Activation", "Backend", "Certificate", "ChunkedPlan", "Comparison", "ConformanceReport", "Cost",
    "Diagnosis", "Estimate", "Explanation", "FunctionCertificate", "Grade", "Gradient", "History",
    "JacobianPlan", "Model", "Network", "PerNeuron", "Plan", "Source", "Spectrum", "Tape", "Tier", "activation",
    "certify", "certify_function", "check_backend", "clipped_gradient", "compare", "cost", "coupled_activation",
    "diagnose", "exact_gradient", "explain", "from_torch", "gauss_newton", "get_backend", "grade", "gradient",
    "gradient_cosines", "gradient_gram", "hessian", "input_gradient", "jacobian", "jacobian_operator",
    "list_backends", "load", "load_digits", "objective", "one_hot", "per_example_gradients",
    "per_example_norms", "prepare", "prepare_jacobian", "read_csv", "read_idx", "register", "save", "sgd",
    "sources", "spectrum", "split", "use_backend", "use_budget", "which",
]  # fmt: skip


PACKAGES = ["formulations"] + [
    module.name for module in pkgutil.walk_packages(fm.__path__, "formulations.") if module.ispkg
]


def modules():
    """Every module of the package by its name."""
    found = pkgutil.walk_packages(fm.__path__, "formulations.")
    return [module.name for module in found if not module.name.endswith("__main__")]


def imported(name):
    """Import a module, or skip the test if it needs a package that is not installed."""
    # The command line needs an extra, which is in the development set; these need one that is not.
    needed = {"formulations.backends._shared.compiled.": "numba", "formulations.estimators": "sklearn"}
    for start, package in needed.items():
        if name.startswith(start):
            pytest.importorskip(package)
    return importlib.import_module(name)


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
    module = imported(name)
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
    measured = describe_machine()["packages"][project["name"]]
    assert project["version"] == cited[1] == fm.__version__ == measured


def test_the_core_needs_numpy_and_scipy_alone():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert sorted(re.match(r"\w+", requirement)[0] for requirement in project["dependencies"]) == ["numpy", "scipy"]


def test_the_root_has_at_most_twenty_names():
    root = Path(fm.__file__).parent
    names = [path.name for path in root.iterdir() if path.name not in ("__pycache__", "py.typed")]
    assert len(names) <= 20, sorted(names)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_at_most_fifteen_files(package):
    folder = (ROOT / package.replace(".", "/")).resolve()
    # One file for each formulation.
    if package != "formulations.backends":
        assert len(list(folder.glob("*.py"))) <= 15


def test_no_two_files_of_tests_have_one_name():
    """Pytest imports them as modules of the top level."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("package", PACKAGES)
def test_an_init_shows_type_checkers_what_it_loads(package):
    """Each lazily loaded name stands in the block for type checkers too, from the same module."""
    tree = ast.parse(Path(importlib.import_module(package).__file__).read_text(encoding="utf-8"))
    loaded = {
        (f"{package}.{module}", name)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "attach"
        for module, names in ast.literal_eval(call.args[1]).items()
        for name in names
    }
    if package == "formulations":
        loaded |= {(package, "exceptions"), (package, "testing")}
    shown = {
        (node.module, alias.name)
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert loaded == shown


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_has_the_name_of_what_its_package_offers(package):
    """Importing the module would hide the function."""
    loaded = importlib.import_module(package)
    modules = {module.name for module in pkgutil.iter_modules(loaded.__path__)}
    assert not modules & set(getattr(loaded, "__all__", ()))


@pytest.mark.parametrize("name", modules())
def test_no_module_has_the_name_of_a_function_in_it_or_of_a_public_name(name):
    """Such a name has two meanings. A command's file has the command's name, since users do not import it."""
    functions = {
        found for found, value in vars(imported(name)).items() if inspect.isfunction(value) and value.__module__ == name
    }
    public = () if name.startswith("formulations.cli.") else fm.__all__
    assert name.rpartition(".")[2] not in functions.union(public)


def loaded_by(code):
    """Return the modules that are loaded after some lines of Python in a fresh interpreter."""
    lines = f"{code}\nimport sys\nprint(*sys.modules, sep='\\n')"
    return set(subprocess.run([sys.executable, "-c", lines], check=True, capture_output=True, text=True).stdout.split())


def test_an_import_loads_no_package_that_is_not_used():
    assert {name for name in loaded_by("import formulations") if name.startswith("formulations")} == {
        "formulations", "formulations._lazy",
    }  # fmt: skip
    found = loaded_by(
        "import formulations as fm\n"
        "fm.gradient(fm.Network.random([2, 3, 1], seed=0), [[0.0, 1.0]], [[1.0]])"
    )  # fmt: skip
    packages = {name.split(".")[1] for name in found if name.startswith("formulations.")}
    assert packages == {"_lazy", "arrays", "backends", "display", "exceptions", "functions", "network", "plans"}
    pages = {name.split(".")[2] for name in found if name.startswith("formulations.backends.")}
    assert {name for name in pages if not name.startswith("_")} == {"hadamard"}
    # Each takes longer than the library itself.
    assert not found & {"scipy.special", "scipy.differentiate", "scipy.sparse.linalg"}


def test_the_packages_are_attributes_before_they_are_used():
    loaded_by("import formulations as fm; fm.exceptions.InvalidInput; fm.backends.get_backend")


@pytest.mark.slow
def test_type_checkers_find_a_misspelled_name(tmp_path):
    api = pytest.importorskip("mypy.api")
    program = tmp_path / "program.py"
    program.write_text(
        "import formulations as fm\nfrom formulations.plans import gradeint\n"
        "fm.gradeint\nfm.exceptions.InvalidInput\nfm.gradient\nfm.__version__\n"
    )
    found, _, status = api.run(["--strict", "--cache-dir", str(tmp_path / "cache"), str(program)])
    assert status == 1
    assert found.count("error:") == found.count("gradeint") == 2, found


def test_the_pytest_plugin_loads_no_package():
    found = loaded_by("import formulations.verification.conformance.plugin")
    assert "numpy" not in found
    assert {name for name in found if name.startswith("formulations")} == {
        "formulations", "formulations._lazy", "formulations.verification", "formulations.verification.conformance",
        "formulations.verification.conformance.plugin",
    }  # fmt: skip


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


@pytest.mark.parametrize("package", ["formulations", "formulations.training", "formulations.data"])
def test_dir_shows_the_names_of_a_package_and_not_what_its_file_imports(package):
    loaded = importlib.import_module(package)
    shown = {name for name in dir(loaded) if not name.startswith("__")}
    assert set(loaded.__all__) <= shown
    modules = {module.name for module in pkgutil.iter_modules(loaded.__path__)}
    assert shown <= set(loaded.__all__) | modules


SECTIONS = [
    "Parameters",
    "Attributes",
    "Returns",
    "Yields",
    "Raises",
    "Warns",
    "See Also",
    "Laws",
    "Notes",
    "References",
    "Examples",
]


@pytest.mark.slow
def test_the_sections_of_docstrings_have_one_order_and_list_each_exception_once():
    misplaced = []
    for path in sorted(Path(fm.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = ast.get_docstring(node) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) else None
            found = re.findall(r"^([A-Z].*)\n-{4,}$", text or "", re.MULTILINE)
            raised = re.search(r"^Raises\n------\n((?:\S.*\n(?: .*(?:\n|$))+)+)", text or "", re.MULTILINE)
            names = re.findall(r"\w+", "".join(re.findall(r"^\S.*\n", raised[1], re.MULTILINE))) if raised else []
            if found != [section for section in SECTIONS if section in found] or len(names) > len(set(names)):
                misplaced.append((path.name, getattr(node, "name", ""), found, names))
    assert not misplaced
