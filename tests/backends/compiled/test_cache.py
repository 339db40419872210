"""The cache of compiled code: what it depends on, and what is said when it does not help."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from formulations.backends._shared.compiled import cache
from formulations.display import announcements_shown

FILES = {
    "__init__": "",
    "compiler": """
def compiled(function): return function
intrinsic = compiled
def overload(function): return compiled
""",
    "kernel": """
import numpy as np
from parcel.compiler import compiled, intrinsic, overload
from parcel.constants import FIRST, SECOND, THIRD, FOURTH, FIFTH, LIMIT as LARGEST, UNUSED
from parcel.helpers import doubled
from parcel.python import other

STEP: UNUSED = THIRD

@compiled
def kernel(x: UNUSED):
    result: UNUSED = own(x)
    return result

def own(x, first=FIRST, *, second=SECOND):
    return np.minimum(doubled(x), LARGEST)

@intrinsic
def of_compiler(typing):
    return FOURTH

@overload(own)
def of_own(x):
    return lambda x: FIFTH

def of_python(x):
    return other(x) + UNUSED
""",
    "helpers": "from parcel.compiler import compiled\n\n@compiled\ndef doubled(x):\n    return 2 * x\n",
    "constants": """
from parcel.origin import START

FIRST, SECOND, THIRD, FOURTH, FIFTH = 6, 8, 10, 12, 14
LIMIT = 2 * START
UNUSED = 0
""",
    "origin": "START = 4\n",
    "python": "def other(x):\n    return x\n",
}


@pytest.fixture
def letters(tmp_path, monkeypatch):
    """Return the fingerprint of a kernel in a package of these files, some of them replaced."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    folder = tmp_path / "parcel"
    folder.mkdir()

    def found(**replaced):
        for name, text in {**FILES, **replaced}.items():
            (folder / f"{name}.py").write_text(text)
        for name in [name for name in sys.modules if name.partition(".")[0] == "parcel"]:
            monkeypatch.delitem(sys.modules, name)
        importlib.invalidate_caches()
        importlib.import_module("parcel.kernel")
        cache._ingredients.cache_clear()
        return cache.fingerprint("parcel.kernel")

    yield found
    cache._ingredients.cache_clear()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("kernel", "2", "3"),
        ("helpers", "2 * x", "3 * x"),
        ("constants", "2 *", "3 *"),
        ("constants", "6", "7"),
        ("constants", "8", "9"),
        ("constants", "10", "11"),
        ("constants", "12", "13"),
        ("constants", "14", "15"),
        ("origin", "4", "5"),
    ],
)
def test_compiled_code_depends_on_what_it_uses_wherever_that_is(letters, name, old, new):
    before = letters()
    text = FILES[name].replace(old, new) if old in FILES[name] else f"{FILES[name]}#"
    assert letters() == before != letters(**{name: text})


def test_compiled_code_does_not_depend_on_what_only_python_and_annotations_use(letters):
    assert letters(python="def other(x):\n    return -x\n", constants=FILES["constants"] + "UNUSED = 1\n") == letters()


def test_compiled_code_depends_on_the_version_of_numpy(letters, monkeypatch):
    before = letters()
    monkeypatch.setattr(np, "__version__", "0")
    assert letters() != before


def test_another_process_finds_the_code_again(letters):
    """The order of a set differs from process to process."""
    expected, folder = letters(), Path(sys.modules["parcel"].__file__).parents[1]
    lines = (
        f"import sys; sys.path.append({str(folder)!r}); import parcel.kernel; print(cache.fingerprint('parcel.kernel'))"
    )
    run = [sys.executable, "-c", f"from {cache.__package__} import cache; {lines}"]
    for seed in "123":
        found = subprocess.check_output(run, env={**os.environ, "PYTHONHASHSEED": seed}, text=True)
        assert found.strip() == expected


def test_every_compiled_function_is_cached_under_the_letters_of_its_files():
    pytest.importorskip("numba")
    from formulations.backends._shared.compiled import compiler, elementwise, whole

    for function in (elementwise.activate, whole._compute):
        assert function.py_func.__qualname__.endswith(f"_{cache.fingerprint(function.__module__, compiler.__name__)}")


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Return a small compiled function of this library, as a new process has it."""
    pytest.importorskip("numba")
    from formulations.backends._shared.compiled import compiler

    name = f"{compiler.__package__}.small"
    (tmp_path / "small.py").write_text("def first(y):\n    return y[0]\n\ndef small(x, y):\n    return x + first(y)\n")

    def loaded():
        spec = importlib.util.spec_from_file_location(name, tmp_path / "small.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        module.first = compiler.compiled(module.first)
        return compiler.compiled(module.small)

    return loaded


def test_compilation_is_announced_once_and_no_use_of_the_cache(small, caplog):
    caplog.set_level(logging.INFO, "formulations")
    function = small()
    assert function(1.0, np.ones(1, np.float32)) == function(1.0, np.ones(1, np.float32)) == 2
    started, ended = caplog.messages
    what = "compiling small.small of backend fused for float32, float64"
    assert started == f"{what}, which takes some seconds once on this machine"
    assert ended.startswith("compiled small.small in ")
    caplog.clear()
    assert small()(1.0, np.ones(1, np.float32)) == 2
    assert not caplog.messages


def test_announcements_are_shown_inside_the_block_alone(caplog):
    # The level at which Python starts; the one of this suite lets announcements through anyway.
    caplog.set_level(logging.WARNING)
    logger, shown = logging.getLogger("formulations"), []
    level, handlers = logger.level, list(logger.handlers)
    with announcements_shown(shown.append):
        logger.info("compiling %s", "it")
    logger.info("unseen")
    assert shown == ["compiling it"]
    assert (logger.level, logger.handlers) == (level, handlers)
