"""The options of backends: fields of a dataclass, checked on creation and converted from text by their types."""

from __future__ import annotations

import types
from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from formulations.exceptions import InvalidInput, UnknownName

__all__ = ["check_choices", "convert", "option_types", "read_options"]


@cache
def option_types(backend: Hashable) -> Mapping[str, Any]:
    """Return the type of each option of a backend."""
    if not is_dataclass(backend):
        return {}
    hints = get_type_hints(backend)
    return {field.name: hints[field.name] for field in fields(backend)}


def check_choices(backend: Any) -> None:
    """Raise an exception if the value of an option is not among those of its type.

    Raises
    ------
    InvalidInput
        If a value is invalid; the message lists the valid ones.
    """
    declared: Any = type(backend)
    for key, kind in option_types(declared).items():
        value = getattr(backend, key)
        if get_origin(kind) is Literal and value not in get_args(kind):
            valid = ", ".join(map(str, get_args(kind)))
            raise InvalidInput(f"option {key} of backend {backend.name!r} must be one of {valid}, got {value!r}.")


def read_options(name: str, text: str) -> dict[str, str]:
    """Split ``"key=value,key=value"``.

    Raises
    ------
    InvalidInput
        If a part has another form, or a key is repeated.
    """
    options: dict[str, str] = {}
    for item in text.split(",") if text else []:
        key, _, value = (part.strip() for part in item.partition("="))
        if not (key and value):
            raise InvalidInput(
                f"backend {name!r}: an option is written key=value, got {item!r}; for instance batch=example."
            )
        if key in options:
            raise InvalidInput(f"backend {name!r}: option {key} is given twice; give it once.")
        options[key] = value
    return options


def convert(backend: type, options: Mapping[str, str]) -> dict[str, Any]:
    """Convert options from text by their types.

    Raises
    ------
    UnknownName
        If the backend has no such option; the message lists those that exist.
    InvalidInput
        If a text cannot be converted to the type of its option.
    """
    known = option_types(backend)
    name = getattr(backend, "name", backend.__name__)
    converted = {}
    for key, text in options.items():
        if key not in known:
            raise UnknownName("option", key, [*known, "batch"], f"backend {name!r}")
        converted[key] = _convert(name, key, text, known[key])
    return converted


def _convert(name: str, key: str, text: str, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        return text
    members = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    for member in members:
        if member in (int, float, str):
            try:
                return member(text)
            except ValueError:
                continue
    wanted = " or ".join(member.__name__ for member in members if member is not type(None))
    raise InvalidInput(f"option {key} of backend {name!r} must be of type {wanted}, got {text!r}; correct its value.")
