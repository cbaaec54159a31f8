from __future__ import annotations

from typing import Any

import pytest

from service.app import create_app
from service.settings import Settings
from website.api_reference import reference, shortened
from website.schema_words import bounds_of, fields_table, meaning_of, type_of


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


@pytest.fixture(scope="module")
def page(document: dict[str, Any]) -> str:
    return reference(document)


def test_every_route_is_there(document: dict[str, Any], page: str) -> None:
    for path, routes in document["paths"].items():
        for method in routes:
            assert f"\n### {method.upper()} {path}\n" in page


def test_every_schema_and_field_is_there(document: dict[str, Any], page: str) -> None:
    for name, schema in document["components"]["schemas"].items():
        section = page.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
        for field in schema["properties"]:
            assert f"\n| `{field}` | " in section


def test_tables_have_as_many_cells_as_their_heads(page: str) -> None:
    width = 0
    for line in page.splitlines():
        cells = line.replace("\\|", "").count("|")
        if line.startswith("|--"):
            width = cells
        elif line.startswith("| `") or line.startswith("| 2"):
            assert cells == width, line


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer"}, "integer"),
        ({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]}, "list of string or null"),
        ({"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "null"}]}}, "list of (number or null)"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "object of number"),
        ({"type": "object", "additionalProperties": True}, "object"),
        ({"enum": ["a", "b"]}, '`"a"`, `"b"`'),
        ({"$ref": "#/components/schemas/Problem"}, "[Problem](#problem)"),
    ],
)
def test_types(schema: dict[str, Any], words: str) -> None:
    assert type_of(schema) == words


def test_bounds() -> None:
    assert (
        bounds_of({"anyOf": [{"minimum": 1, "exclusiveMaximum": 2000}, {"type": "null"}]}) == "at least 1, below 2,000"
    )
    assert meaning_of({"description": "Steps.", "minimum": 1}, {}) == "Steps; at least 1."
    assert meaning_of({"minimum": 1}, {}) == "At least 1."
    assert meaning_of({"$ref": "#/x/One"}, {"One": {"description": "A | B"}}) == "A \\| B"


def test_fields_tell_what_is_needed_and_what_is_taken() -> None:
    schema = {
        "required": ["a"],
        "properties": {"a": {"type": "string"}, "b": {"type": "boolean", "default": False}, "c": {"default": None}},
    }
    assert [row.split(" | ")[2] for row in fields_table(schema, {})[2:]] == ["needed", "`false`", ""]


def test_examples_are_cut() -> None:
    assert shortened({"series": list(range(40)), "horizon": 4}) == {"series": [0, 1, 2, 3, 4, 5], "horizon": 4}
