"""JSON schemas in words of Markdown: what type a value has, and a table of the fields of an object."""

from __future__ import annotations

import json
from typing import Any

Schema = dict[str, Any]

_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "at least {} long",
    "maxLength": "at most {} long",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
}


def in_cell(text: str) -> str:
    """Return a text that stays in one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def anchor_of(schema_name: str) -> str:
    """Return the anchor of a schema's heading."""
    return schema_name.lower()


def type_of(schema: Schema) -> str:
    """Return the type of a value, with links to the schemas of objects."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{anchor_of(name)})"
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(one)}`" for one in schema["enum"])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(type_of(one) for one in schema[key]))
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_together(type_of(schema['items']))}" if "items" in schema else "list"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_together(type_of(schema['additionalProperties']))}"
    return kind


def _together(kind: str) -> str:
    return f"({kind})" if " or " in kind else kind


def bounds_of(schema: Schema) -> str:
    """Return what a value keeps to, in words; empty where it keeps to nothing."""
    parts = [schema, *(one for key in ("anyOf", "oneOf") for one in schema.get(key, ()))]
    found = [words.format(f"{part[key]:,}") for part in parts for key, words in _BOUNDS.items() if key in part]
    return ", ".join(dict.fromkeys(found))


def meaning_of(schema: Schema, schemas: dict[str, Schema]) -> str:
    """Return the description of a value, or that of the object it is, with its bounds."""
    named = schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
    text = str(schema.get("description") or named.get("description", ""))
    bounds = bounds_of(schema)
    return in_cell(f"{text.rstrip('.')}; {bounds}." if text and bounds else text or f"{bounds.capitalize()}.")


def default_of(schema: Schema) -> str:
    """Return the value that is taken where none is sent; empty where that is nothing."""
    return "" if schema.get("default") is None else f"`{json.dumps(schema['default'])}`"


def fields_table(schema: Schema, schemas: dict[str, Schema]) -> list[str]:
    """Return the lines of a table of an object's fields."""
    required = set(schema.get("required", ()))
    lines = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for name, field in schema.get("properties", {}).items():
        default = "needed" if name in required else default_of(field)
        lines.append(f"| `{name}` | {type_of(field)} | {default} | {meaning_of(field, schemas)} |")
    return lines
