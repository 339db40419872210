"""The process in which a submission runs: it reads inputs, calls one function on each, and writes numbers.

The marker starts this file by its path, in Python's isolated mode, where ``formulations`` cannot be imported. So it
imports NumPy and the standard library alone. The marker imports it too, for :func:`pack`, :func:`unpack` and
:func:`call`: both sides write and read the same messages, in which nothing is pickled.

A message is its length in eight bytes, a line of JSON, and the numbers of the arrays that this describes. Messages come
from standard input, and go to what was standard output when the process started; what the submission prints goes to
standard error, which the marker has sent to a file.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import IO, Any

import numpy as np

__all__ = ["FUNCTIONS", "LARGEST", "call", "pack", "receive", "send", "unpack"]

LARGEST = 2**26
"""The largest message, in bytes."""

NUMBERS = "biufc"
"""The kinds of dtypes of numbers."""

MOST = 1000
"""The most functions that are listed where the one asked for is not there."""

LONGEST = 300
"""The longest quotation from an exception, in characters."""

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "tanh": np.tanh,
    "slope of tanh": lambda z: 1 - np.tanh(z) ** 2,
    "square": np.square,
    "slope of square": lambda z: 2 * z,
}
"""The functions that a message can name as arguments."""


class NotNumbers(Exception):
    """A result that is not made of arrays of numbers; the message says what it is."""


def pack(value: Any) -> bytes:
    """Return numbers, text, arrays, and lists and mappings of them, as a message without its length."""
    contents: list[bytes] = []

    def plain(part: Any) -> Any:
        if isinstance(part, np.ndarray):
            contents.append(part.tobytes())
            return {"dtype": part.dtype.str, "shape": part.shape}
        if isinstance(part, Mapping):
            return {"mapping": {key: plain(held) for key, held in part.items()}}
        return [plain(each) for each in part] if isinstance(part, list | tuple) else part

    # The text comes first, the arrays in the order in which it names them.
    text = json.dumps(plain(value)).encode()
    return b"\n".join([text, b"".join(contents)])


def unpack(message: bytes) -> Any:
    """Return what :func:`pack` was given, with lists for tuples.

    Raises
    ------
    ValueError
        If it is not such a message.
    """
    text, _, contents = message.partition(b"\n")
    read = 0

    def value(part: Any) -> Any:
        nonlocal read
        if isinstance(part, list):
            return [value(each) for each in part]
        if not isinstance(part, dict):
            return part
        if "mapping" in part:
            return {key: value(held) for key, held in part["mapping"].items()}
        dtype, shape = np.dtype(part["dtype"]), tuple(part["shape"])
        if dtype.kind not in NUMBERS:
            raise ValueError(f"an array of a message holds numbers, got {dtype}")
        array = np.ndarray(shape, dtype, contents, read).copy()
        read += array.nbytes
        return array

    try:
        return value(json.loads(text))
    except (KeyError, TypeError, AttributeError, RecursionError, OverflowError) as caught:
        raise ValueError(f"not a message: {caught}") from None


def send(stream: IO[bytes], value: Any) -> None:
    """Write a message to a stream."""
    message = pack(value)
    stream.write(len(message).to_bytes(8, "big") + message)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read a message from a stream.

    Raises
    ------
    EOFError
        If the stream ends.
    ValueError
        If what it holds is not a message, or too long.
    """
    length = int.from_bytes(_exactly(stream, 8), "big")
    if length > LARGEST:
        raise ValueError(f"a message has at most {LARGEST} bytes, got {length}")
    return unpack(_exactly(stream, length))


def _exactly(stream: IO[bytes], count: int) -> bytes:
    found = stream.read(count)
    if len(found) < count:
        raise EOFError
    return found


def call(function: Callable[..., Any], arguments: Sequence[Any], depths: int | Sequence[int], file: str) -> Any:
    """Call a function on a copy of the arguments, and describe the outcome.

    Parameters
    ----------
    function : callable
        The function.
    arguments : sequence
        What :func:`unpack` returns.
    depths : int or sequence of int
        What it must return: 0 for an array, 1 for a list of arrays; a sequence of them for a tuple.
    file : str
        The file whose lines are quoted if it raises an exception.

    Returns
    -------
    dict
        ``result``: arrays, and lists of them, and ``changed``: whether it has changed its arguments; or ``why``: the
        reason for which there is no result.

    Raises
    ------
    KeyboardInterrupt
        As the function does.
    """
    given = unpack(pack(arguments))
    try:
        result = _arrays(function(*_called(given)), depths)
    except NotNumbers as caught:
        return {"why": str(caught)}
    except KeyboardInterrupt:
        # Ctrl-C, if the function runs in the process of its caller.
        raise
    # Whatever else a submission raises is a finding, SystemExit included.
    except BaseException as caught:
        return {"why": _raised(caught, file)}
    if sum(array.nbytes for array in _leaves(result)) > LARGEST // 2:
        return {"why": "returned more numbers than any answer has"}
    return {"result": result, "changed": not _same(arguments, given)}


def _same(before: Any, after: Any) -> bool:
    """Whether arguments are what they were; a submission may have put anything into their lists."""
    if isinstance(before, np.ndarray):
        return isinstance(after, np.ndarray) and np.array_equal(before, after)
    if isinstance(before, list | tuple):
        return isinstance(after, list | tuple) and len(before) == len(after) and all(map(_same, before, after))
    return bool(before == after)


def _called(arguments: Iterable[Any]) -> list[Any]:
    """Return arguments with a function in place of its name."""
    return [FUNCTIONS[each] if isinstance(each, str) else each for each in arguments]


def _arrays(found: Any, depths: int | Sequence[int]) -> Any:
    """Return a result as arrays, and lists of them."""
    wrong = NotNumbers(f"returned {_named(found)} instead of {_wanted(depths)}")
    if depths == 0:
        try:
            array = np.asarray(found)
        except (ValueError, TypeError, RuntimeError):
            raise wrong from None
        if array.dtype.kind not in NUMBERS:
            raise wrong
        return array
    if isinstance(depths, int):
        if not isinstance(found, list | tuple) and not (isinstance(found, np.ndarray) and found.ndim):
            raise wrong
        return [_arrays(each, depths - 1) for each in found]
    # An array of two numbers is no pair.
    if not isinstance(found, list | tuple) or len(found) != len(depths):
        raise wrong
    return [_arrays(each, depth) for each, depth in zip(found, depths, strict=True)]


def _wanted(depths: int | Sequence[int]) -> str:
    if isinstance(depths, int):
        return "a list of arrays" if depths else "an array of numbers"
    return f"a tuple of {len(depths)} lists of arrays"


def _named(found: Any) -> str:
    if found is None:
        return "None (no return?)"
    if isinstance(found, np.ndarray):
        return f"an array of dtype {found.dtype}"
    kind = type(found).__name__
    size = f" of length {len(found)}" if isinstance(found, list | tuple) else ""
    return f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind}{size}"


def _leaves(result: Any) -> list[Any]:
    return [leaf for each in result for leaf in _leaves(each)] if isinstance(result, list) else [result]


def _raised(caught: BaseException, file: str) -> str:
    """Say what a submission has raised, and in which of its lines."""
    if isinstance(caught, SystemExit):
        what = f"exited with SystemExit({caught.code!r})"[:LONGEST]
    elif isinstance(caught, MemoryError):
        what = "ran out of memory"
    else:
        # An exception may have no text, or one that cannot be made.
        text = " ".join(traceback.format_exception_only(type(caught), caught)[-1].split())
        what = f"raised {text if len(text) <= LONGEST else text[:LONGEST] + '…'}"
    lines = [frame.lineno for frame in traceback.extract_tb(caught.__traceback__) if frame.filename == file]
    if isinstance(caught, SyntaxError) and caught.filename == file:
        lines.append(caught.lineno)
    return f"{what} (line {lines[-1]})" if lines else what


class _Finder(MetaPathFinder):
    """Refuse to import any package but those that are allowed."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = {*allowed, *sys.stdlib_module_names}

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG002 - the interface
        """Let the next finder look for an allowed package; refuse others."""
        # The standard library does not list the module in which it keeps how it was built.
        if name.partition(".")[0] in self._allowed or name.startswith("_sysconfigdata"):
            return None
        raise ModuleNotFoundError(f"{name} may not be imported here", name=name)


def _limit(memory: int, seconds: int) -> None:
    """Limit memory, files and processor time, where the system can."""
    try:
        import resource
    except ImportError:
        return
    limits = [(resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, LARGEST), (resource.RLIMIT_CORE, 0)]
    # It ends the process if the marker, which limits the time that passes, has died.
    limits.append((resource.RLIMIT_CPU, seconds))
    for kind, most in limits:
        _, hard = resource.getrlimit(kind)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (ValueError, OSError):
            # macOS has the names of limits that it does not set.
            continue


def _load(file: str) -> ModuleType:
    spec = spec_from_file_location("submission", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = module_from_spec(spec)
    sys.modules["submission"] = module
    spec.loader.exec_module(module)
    return module


def main(settings: Mapping[str, Any]) -> None:
    """Load a submission, and call one of its functions on the inputs that come when it is loaded.

    Parameters
    ----------
    settings : mapping
        ``file``: the submission; ``function``: the name; ``depths``: as for :func:`call`; ``packages``: those that it
        may import; ``memory`` in bytes and ``seconds`` of the processor.
    """
    # The submission reads no messages and writes none: it gets an empty input, and the file for its output.
    inputs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.dup2(2, 1)
    sys.meta_path.insert(0, _Finder(settings["packages"]))
    _limit(settings["memory"], settings["seconds"])
    send(answers, {"state": "started"})
    file = settings["file"]
    try:
        module = _load(file)
    except BaseException as caught:
        send(answers, {"state": "failed", "why": _raised(caught, file)})
        return
    function = getattr(module, settings["function"], None)
    if not callable(function):
        names = [name for name, held in vars(module).items() if callable(held)]
        send(answers, {"state": "loaded", "functions": names[:MOST]})
        return
    send(answers, {"state": "loaded"})
    for arguments in receive(inputs):
        try:
            answer = call(function, arguments, settings["depths"], file)
        except KeyboardInterrupt as caught:
            # Nobody presses Ctrl-C in a process of its own group.
            answer = {"why": _raised(caught, file)}
        send(answers, answer)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
    # Threads and exit handlers of the submission have nothing more to say.
    os._exit(0)
