"""Submissions that misbehave: the marker says what each does, goes on, and leaves nothing behind."""

from __future__ import annotations

import errno
import json
import os
import select
import struct
import subprocess
import sys
import time
from io import BytesIO

import numpy as np
import pytest

from formulations.exceptions import CandidateFailed
from formulations.verification.grading import child, submission
from formulations.verification.grading.submission import (
    FileSubmission,
    FunctionSubmission,
    Limits,
    NotDefined,
    NotLoaded,
)

LIMITS = Limits()


def answers(path, text, limits=LIMITS, depths=0):
    path = path / "submission.py"
    path.write_text(text)
    return FileSubmission(path, limits).answers("f", depths, lambda: [[np.arange(3.0)], [np.ones(2)]])


def test_a_function_returns_its_numbers(tmp_path):
    # What it prints does not mix with them.
    text = "import numpy as np\nprint('loaded')\ndef f(x):\n    print(x, flush=True)\n    return np.cumsum(x)"
    first, second = answers(tmp_path, text)
    assert first.result.tolist() == [0, 1, 3] and second.result.tolist() == [1, 2]
    assert first.why == second.why == "" and first.changed is False


@pytest.mark.slow
def test_inputs_are_drawn_after_the_import(tmp_path):
    path = tmp_path / "submission.py"
    path.write_text(f"open({str(tmp_path / 'imported')!r}, 'w').close()\ndef f(x):\n    return x")
    seen = []

    def draw():
        seen.append((tmp_path / "imported").exists())
        return [[np.ones(1)]]

    FileSubmission(path, LIMITS).answers("f", 0, draw)
    assert seen == [True]


def test_a_call_that_loops_is_ended_and_what_came_before_it_counts(tmp_path, monkeypatch):
    looping, answer = tmp_path / "looping", submission._Process.answer
    # It has started, it is loaded, it has answered the first call: each takes as long as it takes.
    seconds = iter([600, 600, 600])

    def impatient(self, _):
        """Wait until the loop has begun, and no longer."""
        patience = next(seconds, 0)
        while not patience and not looping.exists():
            time.sleep(0.005)
        return answer(self, patience)

    monkeypatch.setattr(submission._Process, "answer", impatient)
    text = (
        "def f(x):\n"
        "    if len(x) == 2:\n"
        f"        open({str(looping)!r}, 'w').close()\n"
        "    while len(x) == 2:\n"
        "        pass\n"
        "    return x"
    )
    first, second = answers(tmp_path, text, Limits(seconds=0.5))
    assert first.result.tolist() == [0, 1, 2]
    assert second.result is None and second.why == "did not return within 0.5 s"


FAILING = {
    "exits": ("def f(x):\n    import sys\n    sys.exit(3)", "exited with SystemExit(3) (line 3)"),
    "is interrupted": ("def f(x):\n    raise KeyboardInterrupt", "raised KeyboardInterrupt (line 2)"),
    "raises": (
        "def f(x):\n    def g():\n        return 1 / 0\n    g()",
        "raised ZeroDivisionError: division by zero (line 3)",
    ),
    "ends the process": ("import os\ndef f(x):\n    os._exit(3)", "ended the process, with exit status 3"),
    "reads": ("def f(x):\n    return float(input())", "raised EOFError: EOF when reading a line (line 2)"),
    "returns nothing": ("def f(x):\n    x * 2", "returned None (no return?) instead of an array of numbers"),
    "ragged": ("def f(x):\n    return [[1], [1, 2]]", "returned a list of length 2 instead of an array of numbers"),
    "text": ("def f(x):\n    return 'x'", "returned a str instead of an array of numbers"),
    "object": (
        "import numpy\ndef f(x):\n    return numpy.array([f])",
        "returned an array of dtype object instead of an array of numbers",
    ),
    "recursion": ("def f(x):\n    return f(x)", "raised RecursionError: maximum recursion depth exceeded (line 2)"),
    "formulations": (
        "def f(x):\n    import formulations",
        "raised ModuleNotFoundError: formulations may not be imported here (line 2)",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAILING)
def test_a_failure_is_told_with_its_line(tmp_path, name):
    text, why = FAILING[name]
    assert answers(tmp_path, text)[0].why == why


@pytest.mark.parametrize("name", ["exits", "raises", "returns nothing", "ragged", "text", "object"])
def test_functions_are_called_in_this_process(name):
    text, why = FAILING[name]
    scope = {}
    exec(compile(text, "cell", "exec"), scope)
    (answer,) = FunctionSubmission({"f": scope["f"]}).answers("f", 0, lambda: [[np.ones(2)]])
    assert answer.why == why
    with pytest.raises(NotDefined) as missing:
        FunctionSubmission({"f": scope["f"]}).answers("g", 0, list)
    assert missing.value.names == ["f"]


NOT_LOADED = {
    "loops": ("while True: pass", "its import did not return within 0.5 s"),
    "torch": ("import torch", "its import raised ModuleNotFoundError: torch may not be imported here (line 1)"),
    "scipy": (
        "from scipy import linalg",
        "its import raised ModuleNotFoundError: scipy may not be imported here (line 1)",
    ),
    "syntax": ("x = 1\ndef f(x)\n    return x", "its import raised SyntaxError: expected ':' (line 2)"),
    "exits": ("exit()", "its import exited with SystemExit(None) (line 1)"),
    "ends": ("import os\nos._exit(0)", "its import ended the process, with exit status 0"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=[pytest.mark.slow] * (each != "torch")) for each in NOT_LOADED]
)
def test_an_import_that_fails_is_told_with_its_line(tmp_path, name):
    text, why = NOT_LOADED[name]
    with pytest.raises(NotLoaded) as caught:
        answers(tmp_path, text, Limits(seconds=0.5 if name == "loops" else 10.0))
    assert str(caught.value) == why


@pytest.mark.slow
def test_a_function_that_is_not_there_is_told_with_those_that_are_and_nothing_is_drawn(tmp_path):
    (tmp_path / "submission.py").write_text("f = 1\ndef g(x):\n    return x")
    with pytest.raises(NotDefined) as missing:
        FileSubmission(tmp_path / "submission.py", LIMITS).answers("f", 0, None)
    assert missing.value.names == ["g"]


@pytest.mark.slow
def test_packages_may_be_allowed(tmp_path):
    text = "from scipy import linalg\ndef f(x):\n    return x"
    assert answers(tmp_path, text, Limits(packages=("numpy", "scipy")))[0].why == ""


@pytest.mark.slow
def test_results_have_a_size(tmp_path):
    text = "import numpy as np\ndef f(x):\n    return np.ones(10**7 if len(x) == 3 else 2)"
    first, second = answers(tmp_path, text)
    assert first.why == "returned more numbers than any answer has"
    assert second.result.tolist() == [1, 1]


@pytest.mark.slow
def test_memory_is_limited(tmp_path):
    pytest.importorskip("resource")
    if sys.platform == "darwin":
        pytest.skip("macOS limits no address space")
    text = "import numpy as np\ndef f(x):\n    return np.ones(10**8 if len(x) == 3 else 2)"
    first, second = answers(tmp_path, text, Limits(memory=2 * 10**8))
    assert first.why == "ran out of memory (line 3)"
    assert second.result.tolist() == [1, 1]


def test_files_have_a_size(tmp_path):
    pytest.importorskip("resource")
    text = (
        "def f(x):\n"
        "    with open('file', 'wb', buffering=0) as file:\n"
        f"        file.seek({child.LARGEST})\n"
        "        file.write(b'1')\n"
        "    return x"
    )
    assert answers(tmp_path, text)[0].why == f"raised OSError: [Errno {errno.EFBIG}] File too large (line 4)"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_what_it_has_started_is_killed_and_its_files_are_removed(tmp_path):
    os.mkfifo(tmp_path / "held")
    text = (
        "import os, time\n"
        "def f(x):\n"
        "    open('left.txt', 'w').write('x')\n"
        f"    os.open({str(tmp_path / 'held')!r}, os.O_WRONLY)\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(600)\n"
        "    return list(map(ord, os.getcwd()))"
    )
    reader = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    try:
        first, _ = answers(tmp_path, text)
        # The pipe ends with the last process that holds it.
        assert select.select([reader], [], [], 60)[0] and os.read(reader, 1) == b""
    finally:
        os.close(reader)
    assert not os.path.exists("".join(map(chr, first.result)))


def test_a_process_ends_after_its_last_answer_although_a_thread_goes_on(tmp_path):
    # The marker kills it, but may have been killed itself.
    text = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\ndef f(x):\n    return x"
    (tmp_path / "submission.py").write_text(text)
    settings = {
        "file": str(tmp_path / "submission.py"), "function": "f", "depths": 0, "packages": ["numpy"],
        "memory": LIMITS.memory, "seconds": 60,
    }  # fmt: skip
    command = [sys.executable, "-I", child.__file__, json.dumps(settings)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            child.send(process.stdin, [[np.ones(2)]])
            *_, answer = (child.receive(process.stdout) for _ in range(3))
            assert answer["result"].tolist() == [1, 1]
            assert process.wait(60) == 0
        finally:
            process.kill()


@pytest.mark.slow
def test_it_sees_neither_secrets_nor_its_own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TOKEN_OF_THE_COURSE", "secret")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "numpy.py").write_text("raise RuntimeError('another numpy')")
    text = "import numpy, os\ndef f(x):\n    return len(os.environ.get('TOKEN_OF_THE_COURSE', '')) + 0 * numpy.ones(1)"
    assert answers(tmp_path, text)[0].result.tolist() == [0]


@pytest.mark.parametrize(
    "change", ["x += 1", "parts[0] += 1", "parts[0] = print", "parts.append({1})", "parts.clear()"]
)
def test_arguments_that_it_changes_are_told(change):
    scope = {}
    exec(f"def f(x, parts):\n    {change}\n    return [1.0]", scope)
    (answer,) = FunctionSubmission(scope).answers("f", 0, lambda: [[np.ones(2), [np.zeros(1), np.ones(3)]]])
    assert answer.changed is True and answer.result.tolist() == [1]


def test_what_a_result_raises_is_told_as_what_a_function_raises():
    class Odd:
        def __array__(self, dtype=None, copy=None):
            raise KeyError("odd")

    (answer,) = FunctionSubmission({"f": Odd}).answers("f", 0, lambda: [[]])
    assert answer.why.startswith("raised KeyError: 'odd'")


def test_ctrl_c_ends_the_caller_and_not_the_function_alone():
    def f():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FunctionSubmission({"f": f}).answers("f", 0, lambda: [[]])


def test_what_it_says_is_one_line_of_text():
    def f():
        raise ValueError("first\nsecond \x1b[2J\x07 third")

    (answer,) = FunctionSubmission({"f": f}).answers("f", 0, lambda: [[]])
    assert answer.why.startswith("raised ValueError: first second \N{REPLACEMENT CHARACTER}[2J")
    assert answer.why.isprintable()


@pytest.mark.parametrize(
    "sent",
    ["'result': 'text'", "'result': [1, 2]", "'result': {'mapping': {}}", "'why': 3", "'changed': 3", "'other': 1"],
)
def test_a_process_that_answers_for_itself_sends_numbers_or_none(sent):
    answer = submission._returned(eval(f"{{{sent}}}"), 0)
    assert answer.result is None and isinstance(answer.why, str)


@pytest.mark.slow
def test_rubbish_on_the_way_to_its_results_ends_it(tmp_path):
    text = (
        "import contextlib, os\n"
        "def f(x):\n"
        "    for number in range(3, 9):\n"
        "        with contextlib.suppress(OSError):\n"
        "            os.write(number, b'rubbish' * 9)\n"
        "    return x"
    )
    first, second = answers(tmp_path, text)
    assert first.result is None and first.why.startswith("ended the process")
    assert second.why == "was not called again"


def test_the_structure_of_a_result_is_checked():
    def returned(value, depths):
        return FunctionSubmission({"f": lambda: value}).answers("f", depths, lambda: [[]])[0]

    assert [part.tolist() for part in returned(([1.0], np.ones(2)), 1).result] == [[1], [1, 1]]
    assert returned(3.0, 1).why == "returned a float instead of a list of arrays"
    assert returned(([1], [2]), (1, 1, 1)).why == "returned a tuple of length 2 instead of a tuple of 3 lists of arrays"
    assert returned(np.ones((2, 1)), (1, 1)).why.endswith("instead of a tuple of 2 lists of arrays")
    assert returned(([1], None), (1, 1)).why == "returned None (no return?) instead of a list of arrays"
    # NumPy once made such arrays of lists of arrays.
    parts = np.empty(2, object)
    parts[:] = [np.ones(1), np.ones(2)]
    assert [part.tolist() for part in returned(parts, 1).result] == [[1], [1, 1]]


def test_a_process_that_does_not_start_is_told(tmp_path, monkeypatch):
    broken = tmp_path / "child.py"
    broken.write_text("raise RuntimeError('no NumPy here')")
    monkeypatch.setattr(submission.child, "__file__", str(broken))
    with pytest.raises(CandidateFailed, match="did not start: RuntimeError: no NumPy here; check that"):
        answers(tmp_path, "")


def test_messages_hold_numbers_and_nothing_pickled():
    value = [1, "tanh", None, np.arange(6).reshape(2, 3), {"a": [np.zeros(0), True]}]
    found = child.unpack(child.pack(value))
    assert found[:3] == value[:3] and found[4]["a"][1] is True
    assert found[3].tolist() == value[3].tolist() and found[4]["a"][0].shape == (0,)
    with pytest.raises(ValueError, match="holds numbers, got object"):
        child.unpack(child.pack([np.array([print])]))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"rubbish",
        b"\xff\n",
        b'{"mapping": 3}\n',
        b'{"dtype": "<f8"}\n',
        b'{"dtype": 3, "shape": [1]}\n12345678',
        b'{"dtype": "<f8", "shape": [2]}\n12345678',
        b'{"dtype": "<f8", "shape": [1e9]}\n',
        b'{"dtype": "<f8", "shape": [-2]}\n',
    ],
)
def test_a_message_that_is_none_is_refused(message):
    with pytest.raises(ValueError):  # noqa: PT011 - json, numpy and this module each have their own text
        child.unpack(message)


def test_a_message_that_is_too_long_is_not_read():
    with pytest.raises(ValueError, match="at most"):
        child.receive(BytesIO(struct.pack(">Q", child.LARGEST + 1)))
    with pytest.raises(EOFError):
        child.receive(BytesIO(b"123"))
