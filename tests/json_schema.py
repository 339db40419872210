"""The part of JSON Schema (draft 2020-12) that the walk's schema uses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

SCHEMA = json.loads(files("formulations.explanation.walk").joinpath("assets", "schema.json").read_text("utf-8"))
TYPES = {"object": dict, "array": list, "string": str, "number": (int, float), "integer": int, "null": type(None)}
KNOWN = {
    "$schema", "$id", "$ref", "$defs", "title", "description", "type", "const", "enum", "oneOf", "properties",
    "required", "additionalProperties", "items", "minItems", "maxItems", "minimum",
}  # fmt: skip


def violations(value: Any, schema: dict[str, Any] = SCHEMA, at: str = "$") -> Iterator[str]:
    """Yield what in a value the schema does not allow."""
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    if "$ref" in schema:
        yield from violations(value, SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")], at)
    if "oneOf" in schema:
        found = [next(violations(value, each, at), None) for each in schema["oneOf"]]
        if found.count(None) != 1:
            yield f"{at}: not exactly one of {found}"
    if "type" in schema and not _is(value, schema["type"]):
        yield f"{at}: {value!r} is not {schema['type']}"
        return
    for allowed in ([schema["const"]] if "const" in schema else [], schema.get("enum", [])):
        if allowed and not any(value == each and type(value) is type(each) for each in allowed):
            yield f"{at}: {value!r} is none of {allowed}"
    if value is not None and "minimum" in schema and value < schema["minimum"]:
        yield f"{at}: {value!r} is too small"
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        yield from (f"{at}: no {name}" for name in schema.get("required", []) if name not in value)
        for name, each in value.items():
            if name in properties:
                yield from violations(each, properties[name], f"{at}.{name}")
            elif schema.get("additionalProperties") is False:
                yield f"{at}: unknown {name}"
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{at}: {len(value)} items"
        if "items" in schema:
            for i, each in enumerate(value):
                yield from violations(each, schema["items"], f"{at}[{i}]")


def _is(value: Any, types: str | list[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in ([types] if isinstance(types, str) else types)
    return any(
        name in TYPES and isinstance(value, TYPES[name]) for name in ([types] if isinstance(types, str) else types)
    )
