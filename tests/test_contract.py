"""The API changes by addition only: everything of the document in tests/fixtures is in today's, and means the same.

After an addition, ``python -m tests.fixtures.make openapi`` writes the document anew, so that it is kept as well.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.fixtures.files import NAMES, OPENAPI, without_texts

Document = dict[str, Any]

OLD: Document = json.loads(OPENAPI.read_text())
_REFERENCE = re.compile(r'"#/components/schemas/([^"]+)"')
# Bounds of what is allowed: whether a smaller one allows more.
_BOUNDS = {
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), True),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), False),
}


def broken(new: Document, old: Document = OLD) -> list[str]:
    """Return what clients of the old document may rely on, and the new one does not have."""
    sent, schemas = sent_schemas(old), new["components"]["schemas"]
    found = [*_missing_names(new["paths"], old["paths"], "/paths", sent=False)]
    for name, schema in old["components"]["schemas"].items():
        found += _missing(schemas.get(name), schema, f"/components/schemas/{name}", name in sent)
    keys = "securitySchemes"
    return [*found, *_missing_names(new["components"][keys], old["components"][keys], f"/components/{keys}", sent=True)]


def sent_schemas(document: Document) -> set[str]:
    """Return the schemas of what clients send, also within another."""
    schemas = document["components"]["schemas"]
    found: set[str] = set()
    waiting = [
        operation.get(part)
        for methods in document["paths"].values()
        for operation in methods.values()
        for part in ("requestBody", "parameters")
    ]
    while waiting:
        names = set(_REFERENCE.findall(json.dumps(waiting.pop()))) - found
        found |= names
        waiting += [schemas[name] for name in names]
    return found


def _missing(new: Any, old: Any, place: str, sent: bool) -> Iterator[str]:
    """Yield what is missing. sent: whether clients send this; they must not have to send more than before."""
    if isinstance(old, dict):
        if not isinstance(new, dict):
            yield f"{place} is gone"
            return
        new, old = _without_const(new), _without_const(old)
        for key in sorted({*old, *({"required"} & set(new))}):
            yield from _missing_of_key(key, new, old, f"{place}/{key}", sent)
    elif isinstance(old, list):
        yield from _missing_of_list(new, old, place, sent)
    elif new != old or type(new) is not type(old):
        yield f"{place} is {new!r}, was {old!r}"


def _missing_names(new: Any, old: Document, place: str, sent: bool) -> Iterator[str]:
    """Yield what is missing of an object whose keys are names."""
    for name, one in old.items():
        yield from _missing(new.get(name) if isinstance(new, dict) else None, one, f"{place}/{name}", sent)


def _missing_of_key(key: str, new: Document, old: Document, place: str, sent: bool) -> Iterator[str]:
    if key == "required" and (isinstance(old.get(key), list) or isinstance(new.get(key), list)):
        now, before = set(new.get(key, [])), set(old.get(key, []))
        for name in sorted(now - before if sent else before - now):
            yield f"{place}: {name} {'must be sent' if sent else 'may be left out'}"
    elif key == "required":
        if new.get(key, False) and not old.get(key, False):
            yield f"{place}: it must be sent"
    elif key in _BOUNDS and key not in new:
        return
    elif key in _BOUNDS and isinstance(old[key], int | float):
        if new[key] > old[key] if _BOUNDS[key] else new[key] < old[key]:
            yield f"{place} is {new[key]}, was {old[key]}"
    elif key in NAMES:
        yield from _missing_names(new.get(key), old[key], place, sent)
    elif key == "parameters" and isinstance(old[key], list):
        yield from _missing_parameters(new.get(key, []), old[key], place)
    else:
        yield from _missing(new.get(key), old[key], place, sent or key == "requestBody")


def _missing_parameters(new: list[Document], old: list[Document], place: str) -> Iterator[str]:
    before, now = ({(one["in"], one["name"]): one for one in some} for some in (old, new))
    for key, parameter in before.items():
        yield from _missing(now.get(key), parameter, f"{place}/{key[1]}", sent=True)
    for key, parameter in now.items():
        if key not in before and parameter.get("required"):
            yield f"{place}/{key[1]}: it must be sent"


def _missing_of_list(new: Any, old: list[Any], place: str, sent: bool) -> Iterator[str]:
    """Yield those elements, whose order is of no importance, that none of the new list has."""
    if not isinstance(new, list):
        yield f"{place} is gone"
        return
    for number, one in enumerate(old):
        if not any(not list(_missing(other, one, place, sent)) for other in new):
            yield f"{place}/{number} is gone: {json.dumps(one)[:200]}"


def _without_const(schema: Document) -> Document:
    """Return a schema in which a single value is a list of one, to which others may come."""
    if "const" not in schema or isinstance(schema["const"], dict):
        return schema
    return {**{key: value for key, value in schema.items() if key != "const"}, "enum": [schema["const"]]}


@pytest.mark.process
def test_all_that_clients_rely_on_is_still_there(server_url: str) -> None:
    assert broken(without_texts(httpx.get(f"{server_url}/openapi.json").json())) == []


Change = Callable[[Document, Document], object]
"""Changes the paths and the schemas of a document."""

ADDITIONS: dict[str, Change] = {
    "a path": lambda paths, _: paths.update({"/new": {"get": {"responses": {"200": {}}}}}),
    "a method": lambda paths, _: paths["/models"].update(put={"responses": {}}),
    "a status": lambda paths, _: paths["/livez"]["get"]["responses"].update({"418": {}}),
    "a parameter": lambda paths, _: paths["/train"]["post"].update(
        parameters=[*paths["/train"]["post"]["parameters"], {"in": "query", "name": "new", "schema": {}}]
    ),
    "a media type": lambda paths, _: paths["/train"]["post"]["requestBody"]["content"].update({"text/new": {}}),
    "an option": lambda _, schemas: schemas["NetworkOptions"]["properties"].update(new={"type": "integer"}),
    "a field that answers always have": lambda _, schemas: (
        schemas["JobAnswer"]["properties"].update(new={}),
        schemas["JobAnswer"]["required"].append("new"),
    ),
    "a value of an option": lambda _, schemas: schemas["TrainingOptions"]["properties"]["optimizer"]["enum"].insert(
        0, "new"
    ),
    "a value beside the only one": lambda _, schemas: schemas["Alive"]["properties"].update(
        status={"type": "string", "enum": ["well", "alive"]}
    ),
    "a type of an option": lambda _, schemas: schemas["NetworkOptions"]["properties"]["hidden_size"]["anyOf"].insert(
        0, {"type": "string"}
    ),
    "an option that may be left out": lambda _, schemas: schemas["BacktestRequest"]["required"].clear(),
    "a limit that is higher": lambda _, schemas: schemas["ForecastRequest"]["properties"]["seed"].update(
        exclusiveMaximum=2**40
    ),
}
BREAKS: dict[str, Change] = {
    "a path": lambda paths, _: paths.pop("/backtest"),
    "a method": lambda paths, _: paths["/models/{model_id}"].pop("patch"),
    "a status": lambda paths, _: paths["/train"]["post"]["responses"].pop("202"),
    "a parameter": lambda paths, _: paths["/train"]["post"]["parameters"].pop(),
    "a parameter that must be sent": lambda paths, _: paths["/train"]["post"]["parameters"].append(
        {"in": "query", "name": "new", "required": True, "schema": {}}
    ),
    "a media type": lambda paths, _: paths["/train"]["post"]["requestBody"]["content"].popitem(),
    "a name of an operation": lambda paths, _: paths["/train"]["post"].update(operationId="other"),
    "a schema": lambda _, schemas: schemas.pop("JobAnswer"),
    "an option": lambda _, schemas: schemas["NetworkOptions"]["properties"].pop("cell"),
    "an option that must be sent": lambda _, schemas: schemas["TrainRequest"]["required"].append("horizon"),
    "a field that answers may lack": lambda _, schemas: schemas["JobAnswer"]["required"].remove("status"),
    "a value of an option": lambda _, schemas: schemas["TrainingOptions"]["properties"]["optimizer"]["enum"].remove(
        "sgd"
    ),
    "a default": lambda _, schemas: schemas["TrainingOptions"]["properties"]["optimizer"].update(default="sgd"),
    "a type": lambda _, schemas: schemas["JobAnswer"]["properties"]["attempt"].update(type="string"),
    "a type of an option": lambda _, schemas: schemas["NetworkOptions"]["properties"]["hidden_size"]["anyOf"].remove(
        {"type": "null"}
    ),
    "a limit that is lower": lambda _, schemas: schemas["ForecastRequest"]["properties"]["seed"].update(
        exclusiveMaximum=9
    ),
    "a way to send a key": lambda paths, _: paths["/train"]["post"]["security"].pop(),
}


def changed(change: Change) -> Document:
    document = copy.deepcopy(OLD)
    change(document["paths"], document["components"]["schemas"])
    assert document != OLD
    return document


@pytest.mark.parametrize("name", ADDITIONS)
def test_an_addition_breaks_nothing(name: str) -> None:
    assert broken(changed(ADDITIONS[name])) == []


@pytest.mark.parametrize("name", BREAKS)
def test_any_other_change_is_found(name: str) -> None:
    assert broken(changed(BREAKS[name])) != []


def test_texts_are_left_out_and_names_are_not() -> None:
    problem = {"title": "Problem", "description": "text", "properties": {"title": {"title": "Title", "type": "string"}}}
    assert without_texts({"info": problem}) == {"info": {"properties": {"title": {"type": "string"}}}}
