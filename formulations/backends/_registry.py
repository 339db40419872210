"""The registry of backends: names, options, and the flag that selects one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

from formulations.arrays import items
from formulations.backends import _table
from formulations.backends._base import Backend, OneAtATime, convert, read_options
from formulations.backends._table import BUILT_IN, ENTRY_POINTS, load_built_in
from formulations.exceptions import InvalidInput, UnknownName, WrongType, described

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "DEFAULT",
    "VARIABLE",
    "BackendLike",
    "chosen_backend",
    "chosen_backends",
    "get_backend",
    "list_backends",
    "register",
    "use_backend",
]

BackendLike: TypeAlias = str | Backend | None

DEFAULT = "hadamard"
VARIABLE = "FORMULATIONS_BACKEND"
BATCH_CHOICES = ("whole", "example")

_chosen: ContextVar[str | Backend | None] = ContextVar("formulations_backend", default=None)


def register(backend: type[Backend] | Backend) -> type[Backend] | Backend:
    """Register a backend under its name.

    Parameters
    ----------
    backend : Backend subclass, or an instance of one
        The options of a class can be set in the flag. ``register`` works as a decorator.

    Returns
    -------
    Backend subclass, or an instance of one
        The argument.

    Raises
    ------
    InvalidInput
        If the name is taken or is not a plain word.
    WrongType
        If it is not a backend.
    """
    name = _declared_name(backend)
    if name in list_backends():
        raise InvalidInput(f"a backend named {name!r} is registered already; choose another name.")
    _table.registered[name] = backend
    return backend


def list_backends() -> list[str]:
    """Return the names of all backends, those of this library first."""
    return [*BUILT_IN, *_added()]


def get_backend(backend: BackendLike = None) -> Backend:
    """Return a backend by its flag.

    Parameters
    ----------
    backend : str, Backend or None
        A name, with options after a colon as in ``"sigma:matrix=dense"`` or ``"hadamard:batch=example"`` (one
        example at a time, for any backend). A backend is returned unchanged. None means the choice of
        :func:`use_backend`, else of the environment variable FORMULATIONS_BACKEND, else ``"hadamard"``.

    Returns
    -------
    Backend

    Raises
    ------
    UnknownName
        If there is no such backend or option; the message lists the valid names.
    InvalidInput
        If the value of an option is invalid, or an installed package declares a backend that cannot be loaded.
    WrongType
        If ``backend`` is neither a name nor a backend.

    Examples
    --------
    >>> get_backend("finite_difference:scheme=forward")
    <backend finite_difference:scheme=forward>
    """
    backend = chosen_backend(backend)
    if isinstance(backend, Backend):
        return backend
    if not isinstance(backend, str):
        raise WrongType(f"a backend is chosen by a name or an object, got {described(backend)}; try {DEFAULT!r}.")
    name, _, given = backend.partition(":")
    found = _find(name)
    options = read_options(name, given)
    batch = options.pop("batch", "whole")
    if batch not in BATCH_CHOICES:
        raise InvalidInput(
            f"option batch of backend {name!r} must be one of {', '.join(BATCH_CHOICES)}, got {batch!r}."
        )
    if isinstance(found, type):
        made = found(**convert(found, options)) if options else found()
    elif options:
        raise UnknownName("option", next(iter(options)), ["batch"], f"backend {name!r}")
    else:
        made = found
    return OneAtATime(made) if batch == "example" else made


def chosen_backend(backend: BackendLike = None) -> str | Backend:
    """Return the given backend, else the choice of ``use_backend``, the environment variable or the default."""
    return backend if backend is not None else _chosen.get() or os.environ.get(VARIABLE) or DEFAULT


def chosen_backends(backends: Any) -> dict[str, Backend]:
    """Return backends by their labels, from one or several of them or their flags.

    Raises
    ------
    InvalidInput
        If there are none, or two different ones have the same label.
    WrongType
        If they are not a list.
    UnknownName
        If one does not exist.
    """
    chosen: dict[str, Backend] = {}
    for backend in map(get_backend, items(backends, "backends", "['hadamard']", one=(str, Backend))):
        other = chosen.setdefault(backend.label, backend)
        if type(other) is not type(backend):
            raise InvalidInput(f"two different backends are both called {backend.label!r}; give one another name.")
    return chosen


@contextmanager
def use_backend(backend: str | Backend) -> Iterator[Backend]:
    """Set the default backend inside a ``with`` block.

    The setting belongs to the current thread or task, and blocks may be nested.

    Parameters
    ----------
    backend : str or Backend
        As in :func:`get_backend`.

    Yields
    ------
    Backend
        The backend in force.
    """
    found = get_backend(backend)
    token = _chosen.set(found)
    try:
        yield found
    finally:
        _chosen.reset(token)


def _find(name: str) -> type[Backend] | Backend:
    """Return a backend by its name; the packages that may add one are searched only for a name that is not built in."""
    if name in BUILT_IN:
        return load_built_in(name)
    if name not in _added():
        raise UnknownName("backend", name, list_backends())
    return _table.registered[name]


def _added() -> Mapping[str, type[Backend] | Backend]:
    """Return the registered backends by name, with those that other packages declare by an entry point."""
    for point in _table.declared():
        if point.name not in _table.registered and point.name not in BUILT_IN:
            found = _loaded(point)
            if _declared_name(found) != point.name:
                raise InvalidInput(
                    f"entry point {point.name!r} of {ENTRY_POINTS} loads a backend named {found.name!r}; "
                    "give both the same name."
                )
            _table.registered[point.name] = found
    return _table.registered


def _loaded(point: EntryPoint) -> Any:
    """Return what an entry point loads; whatever a package raises there says only that it cannot be used."""
    try:
        return point.load()
    except Exception as caught:
        package = "a package" if point.dist is None else f"{point.dist.name} {point.dist.version}"
        raise InvalidInput(
            f"entry point {point.name!r} of {package} must load a backend, got "
            f"{type(caught).__name__} ({caught}); upgrade or uninstall the package."
        ) from caught


def _declared_name(backend: Any) -> str:
    """Return the name of a backend after checking its declaration."""
    if not (isinstance(backend, Backend) or (isinstance(backend, type) and issubclass(backend, Backend))):
        raise WrongType(f"a backend derives from formulations.Backend, got {described(backend)}; subclass it.")
    for attribute in ("name", "summary", "equations", "tier"):
        if not hasattr(backend, attribute):
            raise InvalidInput(
                f"backend {backend!r} must declare {attribute}; see formulations.Backend for what it means."
            )
    if isinstance(backend, type):
        try:
            backend()
        except TypeError as caught:
            raise InvalidInput(
                f"backend {backend.name!r} must be made without arguments, its options having defaults, got: {caught}; "
                "give every option a default."
            ) from caught
    if not (isinstance(backend.name, str) and backend.name.isidentifier()):
        raise InvalidInput(f"a backend's name must be a plain word such as 'my_backend', got {backend.name!r}.")
    return backend.name
