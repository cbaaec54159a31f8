"""The reference of the API, made from the service's own OpenAPI document, which docs/api.md ends with in the site."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from website.schema_words import default_of, fields_table, in_cell, meaning_of, type_of

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page

PLACE = "api.md"
_LONGEST_LIST = 6
_SAYS_NOTHING = "Successful Response"


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Add the reference to its page."""
    if page.file.src_uri != PLACE:
        return markdown
    from service.app import create_app
    from service.settings import Settings

    return f"{markdown}\n{reference(create_app(Settings()).openapi())}"


def reference(document: dict[str, Any]) -> str:
    """Return an OpenAPI document as Markdown: its routes by tag, what problems mean, its schemas."""
    schemas = document["components"]["schemas"]
    by_tag: dict[str, list[str]] = {}
    problems: dict[str, str] = {}
    for path, routes in document["paths"].items():
        for method, route in routes.items():
            tag = route.get("tags", ["other"])[0]
            by_tag.setdefault(tag, []).extend(_route(f"{method.upper()} {path}", route, schemas))
            problems |= {status: one["description"] for status, one in route["responses"].items() if status >= "400"}
    lines = [line for tag, routes in by_tag.items() for line in (f"## {tag.capitalize()}", "", *routes)]
    lines += ["## Statuses of problems", "", "| status | when |", "|---|---|"]
    lines += [f"| {status} | {in_cell(when)} |" for status, when in sorted(problems.items())]
    lines += ["", "## Schemas", ""]
    for name, schema in sorted(schemas.items()):
        lines += [f"### {name}", "", schema.get("description", ""), "", *fields_table(schema, schemas), ""]
    return "\n".join(lines)


def _route(title: str, route: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    summary = route["summary"].rstrip("?")
    lines = [f"### {title}", "", f"**{summary}.** {route.get('description', '')}", ""]
    parameters = route.get("parameters", [])
    if parameters:
        lines += ["| parameter | in | type | default | meaning |", "|---|---|---|---|---|"]
        lines += [_parameter(one, schemas) for one in parameters] + [""]
    for media_type, content in route.get("requestBody", {}).get("content", {}).items():
        lines += [f"Body, `{media_type}`: {type_of(content['schema'])}", ""]
        if media_type == "application/json" and "example" in content:
            lines += ["```json", json.dumps(shortened(content["example"])), "```", ""]
    answers = sorted(route["responses"].items())
    lines += ["| status | answer | |", "|---|---|---|"]
    lines += [_response(status, one) for status, one in answers if status < "400"]
    problems = ", ".join(status for status, _ in answers if status >= "400")
    return [*lines, "", *([f"[Problems](#statuses-of-problems): {problems}", ""] if problems else [])]


def _parameter(one: dict[str, Any], schemas: dict[str, Any]) -> str:
    schema = one["schema"]
    meaning = meaning_of({**schema, "description": one.get("description", schema.get("description", ""))}, schemas)
    default = "needed" if one.get("required") else default_of(schema)
    return f"| `{one['name']}` | {one['in']} | {type_of(schema)} | {default} | {meaning} |"


def _response(status: str, one: dict[str, Any]) -> str:
    answers = [
        type_of(content.get("schema", {})) if media_type == "application/json" else f"`{media_type}`"
        for media_type, content in one.get("content", {}).items()
    ]
    meaning = "" if one["description"] == _SAYS_NOTHING else in_cell(one["description"])
    return f"| {status} | {', '.join(answers)} | {meaning} |"


def shortened(example: Any) -> Any:
    """Return an example with long lists of numbers cut, so that a page shows what it is about."""
    if isinstance(example, dict):
        return {name: shortened(one) for name, one in example.items()}
    if isinstance(example, list):
        return [shortened(one) for one in example[:_LONGEST_LIST]]
    return example
