"""What is asked for: lists, numbers and names, checked before anything is measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from formulations.contract import Backend
from formulations.exceptions import InvalidInput, UnknownName, WrongType
from formulations.inputs import positive_integer
from formulations.registry import get_backend

__all__ = ["by_name", "chosen_backends", "integers", "items"]

T = TypeVar("T")


def items(values: Any, name: str, example: str, *, some: bool = True) -> list[Any]:
    """Return a list of what was given as one, which must not be empty where ``some`` are needed.

    Raises
    ------
    InvalidInput
        Where it is empty.
    WrongType
        Where it is no list; a text would be taken letter by letter.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise WrongType(f"{name} must be a list, got {values!r}; pass one such as {example}.")
    found = list(values)
    if some and not found:
        raise InvalidInput(f"{name} must not be empty; pass a list such as {example}.")
    return found


def integers(values: Any, name: str) -> tuple[int, ...]:
    """Return positive integers in ascending order, each once.

    Raises
    ------
    InvalidInput
        Where there is none, or one is below 1.
    WrongType
        Where they are not iterable, or one is not an integer.
    """
    return tuple(sorted({positive_integer(value, name) for value in items(values, name, "[10, 100]")}))


def by_name(table: Mapping[str, T], names: Any, what: str, name: str, *, some: bool = True) -> list[T]:
    """Return a table's entries of these names, each once; all of them for None.

    Raises
    ------
    InvalidInput
        Where there is no name, and ``some`` are needed.
    WrongType
        Where the names are no list.
    UnknownName
        Where the table has no such name.
    """
    chosen = list(table) if names is None else items(names, name, repr([next(iter(table))]), some=some)
    for each in chosen:
        if each not in table:
            raise UnknownName(what, each, table)
    return [table[each] for each in dict.fromkeys(chosen)]


def chosen_backends(backends: Any) -> dict[str, Backend]:
    """Return backends by their labels, from one or several of them or their flags.

    Raises
    ------
    InvalidInput
        Where there is none.
    WrongType
        Where they are no list.
    UnknownName
        Where one does not exist.
    """
    asked = [backends] if isinstance(backends, str | Backend) else items(backends, "backends", "['hadamard']")
    return {backend.label: backend for backend in map(get_backend, asked)}
