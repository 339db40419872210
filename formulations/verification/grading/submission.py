"""Submissions: files, run in a process of their own within limits, and functions, run in this one.

A file is not trusted to return: its import and each of its calls have a time limit, its memory and its files a size,
and at the end its process and all that it has started are killed. It is not prevented from doing harm on purpose.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO, Any, Protocol

import numpy as np

from formulations.exceptions import CandidateFailed
from formulations.verification.grading import child

__all__ = ["FileSubmission", "FunctionSubmission", "Limits", "NotDefined", "NotLoaded", "Returned", "Submission"]

STARTING = 60.0
"""The seconds in which Python and NumPy start, on a busy machine."""

KEPT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL")
"""What a submission sees of the environment; the rest may hold secrets."""

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class NotLoaded(Exception):
    """A submission of which nothing can be called; the message says why."""


class NotDefined(Exception):
    """A submission without the function that is asked for.

    Attributes
    ----------
    names : list of str
        The functions that there are.
    """

    def __init__(self, names: Iterable[Any]) -> None:
        self.names = [_line(name) for name in names]
        super().__init__(self.names)


@dataclass(frozen=True)
class Limits:
    """The limits of a submission.

    Attributes
    ----------
    seconds : float
        The time limit of its import, and of each call.
    memory : int
        The memory limit of its process, in bytes.
    packages : tuple of str
        What it may import besides the standard library.
    """

    seconds: float = 10.0
    memory: int = 10**9
    packages: tuple[str, ...] = ("numpy",)


@dataclass(frozen=True)
class Returned:
    """The outcome of a call.

    Attributes
    ----------
    result : list, ndarray or None
        The numbers that it returned; None if it returned none.
    why : str
        The reason, as a predicate: ``"raised ValueError: … (line 12)"``.
    changed : bool
        Whether it has changed its arguments.
    """

    result: Any = None
    why: str = ""
    changed: bool = False


class Submission(Protocol):
    """User-supplied functions that can be called on inputs."""

    def answers(
        self, name: str, depths: int | Sequence[int], draw: Callable[[], Sequence[Sequence[Any]]]
    ) -> list[Returned]:
        """Call a function on inputs that are drawn when it is there.

        Parameters
        ----------
        name : str
            The name of the function.
        depths : int or sequence of int
            The structure of what it must return: 0 is an array, 1 a list of arrays, a sequence a tuple.
        draw : callable () -> sequence
            Returns the arguments of each call.

        Returns
        -------
        list of Returned
            One for each call.

        Raises
        ------
        NotDefined
            If there is no such function.
        NotLoaded
            If there are no functions at all.
        """


@dataclass(frozen=True)
class FunctionSubmission:
    """Functions that are called in this process, without limits."""

    functions: Mapping[str, Callable[..., Any]]

    def answers(
        self, name: str, depths: int | Sequence[int], draw: Callable[[], Sequence[Sequence[Any]]]
    ) -> list[Returned]:
        """Call a function; see :class:`Submission`."""
        function = self.functions.get(name)
        if function is None:
            raise NotDefined(self.functions)
        file = getattr(getattr(function, "__code__", None), "co_filename", "")
        return [_returned(child.call(function, arguments, depths, file), depths) for arguments in draw()]


@dataclass(frozen=True)
class FileSubmission:
    """A file, each function of which is called in a process of its own."""

    path: Path
    limits: Limits

    def answers(
        self, name: str, depths: int | Sequence[int], draw: Callable[[], Sequence[Sequence[Any]]]
    ) -> list[Returned]:
        """Call a function; see :class:`Submission`.

        Raises
        ------
        NotDefined
            If there is no such function.
        NotLoaded
            If the file cannot be imported, with what it raises.
        CandidateFailed
            If no process starts.
        """
        limits, file = self.limits, str(self.path.resolve())
        # The import and every call may take their time, and starting takes some, too.
        processor = int(STARTING + 10 * limits.seconds)
        settings = {
            "file": file, "function": name, "depths": depths, "packages": limits.packages, "memory": limits.memory,
            "seconds": processor,
        }  # fmt: skip
        with _process(settings) as process:
            if process.answer(STARTING) is None:
                raise CandidateFailed(
                    f"a submission needs a process of its own, which did not start: {process.output()}; "
                    "check that Python and NumPy start here."
                )
            loaded = process.answer(limits.seconds)
            if loaded is None:
                raise NotLoaded(f"its import {process.end(limits.seconds)}")
            if "why" in loaded:
                raise NotLoaded(f"its import {_line(loaded['why'])}")
            if "functions" in loaded:
                raise NotDefined(loaded["functions"] if isinstance(loaded["functions"], list) else [])
            calls = list(draw())
            process.send(calls)
            return list(_answers(process, len(calls), depths, limits.seconds))


def _answers(process: _Process, count: int, depths: int | Sequence[int], seconds: float) -> Iterator[Returned]:
    ended = ""
    for _ in range(count):
        found = None if ended else process.answer(seconds)
        if found is not None:
            yield _returned(found, depths)
        else:
            yield Returned(why=ended or process.end(seconds))
            ended = "was not called again"


def _returned(found: Mapping[str, Any], depths: int | Sequence[int]) -> Returned:
    changed = bool(found.get("changed"))
    if "result" not in found:
        return Returned(None, _line(found.get("why")), changed)
    if not _has_depths(found["result"], depths):
        return Returned(None, "did not send numbers", changed)
    return Returned(found["result"], "", changed)


def _has_depths(result: Any, depths: int | Sequence[int]) -> bool:
    """Whether a result has its structure; the process that sent it is the submission's own."""
    if depths == 0:
        return isinstance(result, np.ndarray)
    if not isinstance(result, list):
        return False
    if isinstance(depths, int):
        return all(_has_depths(each, depths - 1) for each in result)
    return len(result) == len(depths) and all(map(_has_depths, result, depths))


def _line(text: Any) -> str:
    """Return a text of the submission as one line without control characters."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(text))


class _Process:
    """A started process, and the messages to and from it."""

    def __init__(self, process: subprocess.Popen[bytes], output: IO[bytes]) -> None:
        self._process, self._output = process, output
        self._messages: queue.Queue[Any] = queue.Queue()
        self._timed_out = False
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream, suppress(EOFError, ValueError, OSError):
            while True:
                self._messages.put(child.receive(stream))
        self._messages.put(None)

    def send(self, value: Any) -> None:
        """Send a message; a process that has ended reads none."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            child.send(self._process.stdin, value)

    def answer(self, seconds: float) -> dict[str, Any] | None:
        """Return the next message, or None if the process ends, or takes longer."""
        try:
            found = self._messages.get(timeout=seconds)
        except queue.Empty:
            self._timed_out = True
            return None
        return found if isinstance(found, dict) else None

    def end(self, seconds: float) -> str:
        """Kill it, and say why the answer did not come."""
        self.kill()
        if self._timed_out:
            return f"did not return within {seconds:g} s"
        return f"ended the process, {_status(self._process.returncode)}"

    def output(self) -> str:
        """Return the last line of what it printed."""
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it printed nothing")[: child.LONGEST]

    def kill(self) -> None:
        """Kill it and its group, once, and release its streams."""
        if self._process.returncode is not None:
            return
        if hasattr(os, "killpg"):
            # Even if it has ended, nobody else has its number before it is waited for.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        # The stream ends with the process, unless one that has left the group holds it.
        self._reader.join(1)


def _status(code: int) -> str:
    if code >= 0:
        return f"with exit status {code}"
    with suppress(ValueError):
        return f"by the signal {signal.Signals(-code).name}"
    return f"by the signal {-code}"


@contextmanager
def _process(settings: Mapping[str, Any]) -> Iterator[_Process]:
    """Start a process in an empty folder; at the end, kill it and its group, and remove the folder."""
    environment = {name: os.environ[name] for name in KEPT if name in os.environ} | dict.fromkeys(THREADS, "1")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            # Isolated: neither its folder, nor the user's packages, nor variables of Python change what it imports.
            [sys.executable, "-I", "-B", child.__file__, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            cwd=folder,
            env=environment | dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP"), folder),
            start_new_session=True,
        )
        running = _Process(process, output)
        try:
            yield running
        finally:
            running.kill()
