"""Everything that this library raises, drawn as one tree.

The word "error" belongs to backpropagation here (δ, the derivative of the cost with respect to a weighted
input), so what goes wrong is called an exception::

    FormulationsException
    ├── InvalidInput (ValueError)        data, weights or numbers that cannot be used
    │   ├── WrongShape                   an array, or a chain of arrays, has the wrong shape
    │   └── NotFinite                    NaN or infinity, at a position that is named
    ├── WrongType (TypeError)            a dtype or a Python type that is never converted
    ├── UnknownName (ValueError)         a name that is not in its table; lists those that are
    ├── WrongDerivative (ValueError)     a slope or gradient that differs from its function's own
    ├── Refused (ValueError)             valid, but not to be had here: says why, and who can
    ├── StalePlan (ValueError)           a plan used with what it was not prepared for, field by field
    ├── CandidateFailed (RuntimeError)   a function to be judged raised, or changed what it was given
    └── MissingExtra (ImportError)       an optional package is absent; names the extra

Every message is one sentence that says what was expected, what came, and the remedy.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from types import ModuleType

__all__ = [
    "CandidateFailed",
    "FormulationsException",
    "InvalidInput",
    "MissingExtra",
    "NotFinite",
    "Refused",
    "StalePlan",
    "UnknownName",
    "WrongDerivative",
    "WrongShape",
    "WrongType",
    "needs",
    "why_absent",
]


class FormulationsException(Exception):
    """Whatever this library raises on purpose."""


class InvalidInput(FormulationsException, ValueError):
    """Data, weights or numbers that cannot be used as they are."""


class WrongShape(InvalidInput):
    """An array, or a chain of arrays, has the wrong shape."""


class NotFinite(InvalidInput):
    """NaN or infinity where only numbers can be used."""


class WrongType(FormulationsException, TypeError):
    """A dtype or a Python type that is never converted silently."""


class UnknownName(FormulationsException, ValueError):
    """A name that is not in its table.

    Parameters
    ----------
    what : str
        The kind of thing that was looked for, such as ``"backend"``.
    name : object
        The name that came.
    valid : iterable of str
        The names that exist; all of them are listed, and the closest one is suggested.
    of : str
        What has these names, where that is to be said, such as ``"backend 'sigma'"`` of an option.
    elsewhere : mapping of str to sequence of str, optional
        What other libraries call them: lower-case letters and digits alone, and the names that are meant.

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
        # Case, and the signs between words, are no part of what somebody means.
        plain, asked = {_plain(each): each for each in names}, _plain(str(name))
        meant = (elsewhere or {}).get(asked) or [plain[each] for each in difflib.get_close_matches(asked, plain, n=1)]
        suggestion = f" Did you mean {' or '.join(map(repr, meant))}?" if meant else ""
        whose = f" of {of}" if of else ""
        super().__init__(f"unknown {what} {name!r}{whose}; valid names are {', '.join(names)}.{suggestion}")


def _plain(name: str) -> str:
    """Return a name's letters and digits alone, in lower case."""
    return "".join(filter(str.isalnum, name)).lower()


class WrongDerivative(FormulationsException, ValueError):
    """A slope or gradient that differs from the numerical derivative of its own function."""


class Refused(FormulationsException, ValueError):
    """What is asked for is valid but cannot be served: by this backend, dtype, file or budget."""


class StalePlan(FormulationsException, ValueError):
    """A plan was used with something that it was not prepared for."""


class CandidateFailed(FormulationsException, RuntimeError):
    """A function that was to be judged raised an exception, or changed what it was given."""


_DISTRIBUTED_AS = {"sklearn": "scikit-learn"}
"""The names that packages are installed by, where those are not the names that they are imported by."""


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
    """Return None where an optional package is installed, else what to say of it; nothing is imported.

    Examples
    --------
    >>> why_absent("numpy")
    """
    if find_spec(package) is not None:
        return None
    return f"it needs the package {package}, and that is not installed: pip install {_distribution(package)}"


def _distribution(package: str) -> str:
    """Return the name that a package is installed by."""
    return _DISTRIBUTED_AS.get(package, package)
