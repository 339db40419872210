"""Reading of list arguments: names, dtypes and numbers.

A single name counts as a list of one; an empty list is an exception unless it is allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from formulations.arrays.checks import positive_integer
from formulations.arrays.dtypes import as_dtype, format_dtype
from formulations.exceptions import InvalidInput, UnknownName, WrongType, described

__all__ = ["by_name", "integers", "items", "precisions"]

T = TypeVar("T")


def items(values: Any, name: str, example: str, *, one: Any = (), some: bool = True) -> list[Any]:
    """Return the elements of a list argument.

    Parameters
    ----------
    values : object
        The argument.
    name, example : str
        The name of the argument and a valid value, for the messages.
    one : type or tuple of types
        Types of which a single value counts as a list of one.
    some : bool
        Whether at least one element is required.

    Raises
    ------
    InvalidInput
        If it is empty.
    WrongType
        If it is not a list. Text is not one: it would be read letter by letter.
    """
    if isinstance(values, one):
        return [values]
    # An array without dimensions is iterable by its type alone.
    if isinstance(values, str | bytes) or not isinstance(values, Iterable) or getattr(values, "ndim", 1) == 0:
        raise WrongType(f"{name} must be a list, got {described(values)}; pass one such as {example}.")
    found = list(values)
    if some and not found:
        raise InvalidInput(f"{name} must not be empty; pass a list such as {example}.")
    return found


def integers(values: Any, name: str) -> tuple[int, ...]:
    """Return positive integers in ascending order, without duplicates.

    Raises
    ------
    InvalidInput
        If there are none, or one is below 1.
    WrongType
        If they are not iterable, or one is not an integer.
    """
    return tuple(sorted({positive_integer(value, name) for value in items(values, name, "[10, 100]")}))


def precisions(values: Any) -> list[str]:
    """Return the names of dtypes that a network can have, without duplicates.

    Raises
    ------
    InvalidInput
        If there are none.
    WrongType
        If they are not a list, or a network cannot have one of them.
    """
    given = items(values, "dtypes", "['float32']", one=str)
    return list(dict.fromkeys(format_dtype(as_dtype(dtype)) for dtype in given))


def by_name(table: Mapping[str, T], names: Any, what: str, name: str, *, some: bool = True) -> dict[str, T]:
    """Return the entries of a table with these names, without duplicates; all entries for None.

    Raises
    ------
    InvalidInput
        If there are no names and ``some`` is true.
    WrongType
        If the names are not a list.
    UnknownName
        If the table has no such name.
    """
    if names is None:
        return dict(table)
    chosen = items(names, name, repr([next(iter(table))]), one=str, some=some)
    for each in chosen:
        if not isinstance(each, str) or each not in table:
            raise UnknownName(what, each, table)
    return {each: table[each] for each in chosen}
