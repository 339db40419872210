"""The exceptions of this library.

"Error" means δ throughout, the derivative of the cost with respect to a weighted input; what goes wrong is an
exception::

    FormulationsException
    ├── InvalidInput (ValueError)        data, weights or numbers that cannot be used
    │   ├── WrongShape                   an array, or a chain of arrays, has the wrong shape
    │   └── NotFinite                    NaN or infinity, with its position
    │       └── GradientNotFinite        in a result, of examples and parameters that are finite
    ├── WrongType (TypeError)            a dtype or a Python type that is never converted
    ├── UnknownName (ValueError)         an unknown name; the message lists the valid ones
    ├── WrongDerivative (ValueError)     a slope or gradient that differs from its function's own
    ├── Refused (ValueError)             a valid request that cannot be met; gives the reason
    ├── StalePlan (ValueError)           a plan used with what it was not prepared for
    ├── CandidateFailed (RuntimeError)   a candidate function failed or changed its arguments
    ├── WorkersLost (RuntimeError)       an executor broke before its tasks were done
    └── MissingExtra (ImportError)       an optional package is absent; names the extra

Every message is one sentence: what was expected, what was passed, and the remedy. All of them can be pickled, so that
they travel between processes. There is one warning::

    OtherKernels (UserWarning)           a worker has another BLAS or kind of processor
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.util import find_spec
from types import ModuleType
from typing import Any

__all__ = [
    "CandidateFailed",
    "FormulationsException",
    "GradientNotFinite",
    "InvalidInput",
    "MissingExtra",
    "NotFinite",
    "OtherKernels",
    "Refused",
    "StalePlan",
    "UnknownName",
    "WorkersLost",
    "WrongDerivative",
    "WrongShape",
    "WrongType",
    "bare_name",
    "described",
    "needs",
    "why_absent",
]


class FormulationsException(Exception):
    """Base class of all exceptions of this library."""

    def __reduce__(self) -> Any:
        # An exception that cannot be read back breaks the pool of processes that it comes from; by default it is made
        # again from its message, which not every class takes.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[FormulationsException], args: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
    """Return an exception that has been pickled."""
    exception = kind.__new__(kind, *args)
    exception.args = args
    exception.__dict__.update(attributes)
    return exception


class InvalidInput(FormulationsException, ValueError):
    """Data, weights or numbers that cannot be used as they are.

    Attributes
    ----------
    position : tuple of int, or None
        The position of a single entry that cannot, in the array that the message names.
    """

    def __init__(self, *args: object, position: tuple[int, ...] | None = None) -> None:
        super().__init__(*args)
        self.position = position


class WrongShape(InvalidInput):
    """An array, or a chain of arrays, has the wrong shape."""


class NotFinite(InvalidInput):
    """NaN or infinity where a finite number is expected."""


class GradientNotFinite(NotFinite):
    """NaN or infinity in a gradient or its cost, whose examples are finite: the computation has left its range."""


class WrongType(FormulationsException, TypeError):
    """A dtype or a Python type that is never converted silently."""


class UnknownName(FormulationsException, ValueError):
    """An unknown name.

    Parameters
    ----------
    what : str
        The kind of name, such as ``"backend"``.
    name : object
        The unknown name.
    valid : iterable of str
        The valid names, which the message lists; it suggests the closest one.
    of : str
        What the names belong to, such as ``"backend 'sigma'"`` for the name of an option.
    elsewhere : mapping of str to sequence of str, optional
        Names in other libraries, in lower-case letters and digits, and the valid names that they correspond to.

    Examples
    --------
    >>> print(UnknownName("activation", "ReLU", ["elu", "relu"]))
    unknown activation 'ReLU'; valid names are elu, relu. Did you mean 'relu'?
    >>> print(UnknownName("activation", "SiL-U", ["swish"], elsewhere={"silu": ["swish"]}))
    unknown activation 'SiL-U'; valid names are swish. Did you mean 'swish'?
    """

    def __init__(
        self,
        what: str,
        name: object,
        valid: Iterable[str],
        of: str = "",
        *,
        elsewhere: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        names = list(valid)
        # Ignore case and punctuation.
        plain, plain_name = {bare_name(each): each for each in names}, bare_name(str(name))
        meant = (elsewhere or {}).get(plain_name) or [
            plain[each] for each in difflib.get_close_matches(plain_name, plain, n=1)
        ]
        suggestion = f" Did you mean {' or '.join(map(repr, meant))}?" if meant else ""
        whose = f" of {of}" if of else ""
        super().__init__(f"unknown {what} {described(name)}{whose}; valid names are {', '.join(names)}.{suggestion}")


def bare_name(name: str) -> str:
    """Return a name without what is often mistaken: its letters and digits, in lower case."""
    return "".join(filter(str.isalnum, name)).lower()


class WrongDerivative(FormulationsException, ValueError):
    """A slope or gradient that differs from the numerical derivative of its function."""


class Refused(FormulationsException, ValueError):
    """A valid request that this backend, dtype, file or budget cannot meet."""


class StalePlan(FormulationsException, ValueError):
    """A plan was used with something it was not prepared for."""


class CandidateFailed(FormulationsException, RuntimeError):
    """A candidate function raised an exception or changed its arguments, or a submission's process did not start."""


class WorkersLost(FormulationsException, RuntimeError):
    """An executor broke, or its workers died, before all tasks were done.

    Parameters
    ----------
    message : str
        The message.
    unfinished : sequence of range
        The chunks that are not part of the sum.

    Attributes
    ----------
    unfinished : tuple of range
        As above.
    """

    def __init__(self, message: str, unfinished: Iterable[range] = ()) -> None:
        super().__init__(message)
        self.unfinished = tuple(unfinished)


class OtherKernels(UserWarning):
    """A worker has another BLAS or kind of processor, so its sums may differ in the last bits."""


_DISTRIBUTED_AS = {"sklearn": "scikit-learn"}
"""Names of distributions that differ from the names of their packages."""


class MissingExtra(FormulationsException, ImportError):
    """An optional package is not installed.

    Parameters
    ----------
    what : str
        What needs it, such as ``"the command line"``.
    package : str
        The package.
    extra : str
        The extra of this library that installs it.
    """

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs {package}, which is not installed; install it with: pip install "
            f"{_distribution(package)}, or this library with its extra {extra!r}."
        )


LONGEST = 100
"""The characters of a value in a message."""


def described(value: object) -> str:
    """Return a value as a message shows it: its repr, but the shape of an array and the length of a long list.

    Examples
    --------
    >>> described(0.5), described(range(3)), described([0.0] * 1000)
    ('0.5', 'range(0, 3)', 'a list of length 1000')
    >>> import numpy
    >>> described(numpy.zeros((360, 64)))
    'an array of shape (360, 64)'
    """
    kind, shape = type(value).__name__, getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        return f"{'an array' if kind == 'ndarray' else f'a {kind}'} of shape {shape}"
    text = repr(value)
    if len(text) <= LONGEST:
        return text
    if isinstance(value, Collection) and not isinstance(value, str | bytes):
        return f"a {kind} of length {len(value)}"
    return f"{text[: LONGEST - 1]}…"


def needs(extra: str, package: str, what: str) -> ModuleType:
    """Import an optional package.

    Parameters
    ----------
    extra : str
        The extra of this library that installs it.
    package : str
        The name under which it is imported.
    what : str
        What needs it, for the message.

    Returns
    -------
    module

    Raises
    ------
    MissingExtra
        If the package is not installed.
    ModuleNotFoundError
        If it is installed, but lacks a package that it needs.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as caught:
        if caught.name != package:
            raise
        raise MissingExtra(what, package, extra) from caught


def why_absent(package: str) -> str | None:
    """Return None if an optional package is installed, else the reason and the remedy; nothing is imported.

    Examples
    --------
    >>> why_absent("numpy")
    """
    if find_spec(package) is not None:
        return None
    return f"it needs the package {package}, and that is not installed: pip install {_distribution(package)}"


def _distribution(package: str) -> str:
    """Return the name of the distribution that installs a package."""
    return _DISTRIBUTED_AS.get(package, package)
