"""JSON that is made to do harm: refused with a reason, in bounded memory, and the server goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from service.api.input.body import parse_json
from service.api.schemas.forecasting import ForecastRequest
from service.api.schemas.training import TrainRequest
from service.errors import MalformedBody
from tests.api.contract import problem_of
from tests.hostile.conftest import Victim

pytestmark = [pytest.mark.process, pytest.mark.slow]

DEEP = 100_000
HUGE = 30_000_000
JSON = {"Content-Type": "application/json"}
ROUTES = ("/train", "/forecast", "/backtest")


def send(client: httpx.Client, path: str, body: bytes) -> httpx.Response:
    return client.post(path, content=body, headers=JSON, timeout=300)


def series(text: bytes) -> bytes:
    return b'{"series": ' + text + b"}"


NESTED = {
    "lists": b"[" * DEEP + b"]" * DEEP,
    "objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "a series of lists": series(b"[" * DEEP + b"]" * DEEP),
    "a series of objects": series(b'{"values":' * DEEP + b"1" + b"}" * DEEP),
    "a list that is not closed": b"[" * DEEP,
    "items in items": b'{"series": ' + b'{"items": [' * DEEP + b"]}" * DEEP + b"}",
}


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("name", NESTED)
def test_what_is_nested_too_deep(victim: Victim, path: str, name: str) -> None:
    with victim.takes_at_most(200):
        problem_of(send(victim.client, path, NESTED[name]), 400, "malformed-body")
    victim.check_alive()


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"1E+999999999", b"1" + b"0" * 5000, b"-" + b"9" * 400])
def test_numbers_that_no_float_holds(victim: Victim, number: bytes) -> None:
    answer = send(victim.client, "/train", series(b"[1, 2, 3, 4, 5, 6, 7, " + number + b"]"))
    # The parser itself refuses to read thousands of digits.
    assert answer.status_code == (400 if len(number) > 4300 else 422), answer.text
    assert "series/7" in answer.text or "number out of range" in answer.text


@pytest.mark.parametrize("number", [b"1e-999999999", b"0." + b"0" * 5000 + b"1", b"-0.0", b"5e-324"])
def test_numbers_that_are_next_to_nothing(victim: Victim, number: bytes) -> None:
    body = series(b"[1, 2, 3, 4, 5, 6, 7, " + number + b"]")
    answer = victim.client.post("/train", params={"dry_run": "true"}, content=body, headers=JSON)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("number", [b"1" + b"0" * 5000, b"1e400", b"1e18", b"1.5", b"-1", b"9223372036854775808"])
@pytest.mark.parametrize("field", ["horizon", "context_length", "season_length"])
def test_options_that_no_integer_holds(victim: Victim, field: str, number: bytes) -> None:
    body = b'{"series": [1, 2, 3, 4, 5, 6, 7], "%b": %b}' % (field.encode(), number)
    answer = send(victim.client, "/train", body)
    assert answer.status_code == (400 if len(number) > 4300 else 422), answer.text


@pytest.mark.parametrize("field", ["name", "series", "horizon", "freq", "x", "network"])
def test_a_text_of_30_megabytes(victim: Victim, field: str) -> None:
    with victim.takes_at_most(400):
        answer = send(victim.client, "/train", b'{"series": [1, 2, 3], "%b": "%b"}' % (field.encode(), b"x" * HUGE))
    # A field of the schema that is sent twice is looked at before that is noticed.
    assert answer.status_code in (400, 422), answer.text[:1000]
    assert len(answer.content) < 10_000


@pytest.mark.parametrize("path", ROUTES)
def test_a_name_of_30_megabytes(victim: Victim, path: str) -> None:
    with victim.takes_at_most(400):
        answer = send(victim.client, path, b'{"%b": 1}' % (b"x" * HUGE))
    assert answer.status_code == 422
    assert len(answer.content) < 10_000


FLOODS: dict[str, Callable[[], bytes]] = {
    "numbers": lambda: series(b"[" + b"1," * (HUGE // 2) + b"1]"),
    "nulls": lambda: series(b"[" + b"null," * (HUGE // 5) + b"1]"),
    "lists": lambda: series(b"[" + b"[]," * (HUGE // 3) + b"1]"),
    "texts": lambda: series(b'{"values": [1, 2], "timestamps": [' + b'"",' * (HUGE // 3) + b'""]}'),
    "objects": lambda: series(b'{"items": [' + b"{}," * (HUGE // 3) + b"{}]}"),
    "columns": lambda: series(json.dumps({"columns": {str(n): [n] for n in range(200_000)}}).encode()),
    "empty columns": lambda: series(json.dumps({"columns": {str(n): [] for n in range(200_000)}}).encode()),
    "names": lambda: json.dumps({str(n): 0 for n in range(500_000)}).encode(),
    "categories": lambda: json.dumps(
        {"series": {"items": [{"id": "a", "values": [1, 2], "static": {str(n): 0 for n in range(200_000)}}]}}
    ).encode(),
    "targets": lambda: series(b'{"columns": {"x": [1, 2]}, "targets": [' + b'"x",' * (HUGE // 4) + b'"x"]}'),
    "levels": lambda: b'{"model_id": "x", "level": [' + b"80," * (HUGE // 3) + b"80]}",
}


@pytest.mark.fuzz
@pytest.mark.parametrize("name", FLOODS)
def test_thirty_megabytes_of_the_same(victim: Victim, name: str) -> None:
    body = FLOODS[name]()
    with victim.takes_at_most(1800):
        answer = send(victim.client, "/forecast" if name == "levels" else "/train", body)
    assert answer.status_code == 422, answer.text[:1000]
    assert len(answer.content) < 1_000_000
    victim.check_alive()


WRONG_TEXTS = {
    "no UTF-8": b"\xff\xfe",
    "an overlong slash": b"\xc0\xaf",
    "half a surrogate, as bytes": b"\xed\xa0\x80",
    "half a surrogate, escaped": rb"\ud800",
    "a bare control": b"\x01",
    "a bare NUL": b"\x00",
    "an unknown escape": rb"\x00",
    "a cut escape": rb"\u12",
}


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("name", WRONG_TEXTS)
def test_texts_that_are_none(victim: Victim, path: str, name: str) -> None:
    for body in (b'{"name": "%b", "series": [1, 2]}', b'{"%b": 1}', b'{"series": {"columns": {"%b": [1]}}}'):
        problem_of(send(victim.client, path, body % WRONG_TEXTS[name]), 400, "malformed-body")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig", "cp037"])
def test_json_in_another_encoding(victim: Victim, encoding: str) -> None:
    problem_of(send(victim.client, "/train", '{"series": [1, 2, 3]}'.encode(encoding)), 400, "malformed-body")


@pytest.mark.parametrize("field", ["name", "model_id"])
def test_a_nul_in_what_a_model_is_asked_for_by(victim: Victim, field: str) -> None:
    answer = victim.client.post("/forecast", json={field: "a\0b", "horizon": 1})
    assert answer.status_code in (404, 422), answer.text
    assert victim.client.get("/models", params={field: "a\0b"}).status_code in (200, 422)


def test_a_nul_in_a_name_of_a_model(victim: Victim) -> None:
    answer = victim.client.post("/train", json={"series": [1, 2, 3, 4, 5, 6], "name": "a\0b"})
    problem_of(answer, 422, "invalid-request", "#/name")


def test_a_nul_in_names_of_columns_items_and_categories_is_a_character(victim: Victim) -> None:
    values = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    item = {"id": "i\0", "columns": {"c\0": values, "\0d": values}, "static": {"s\0": "v\0"}}
    body = {"series": {"items": [item]}, "candidates": ["naive"], "horizon": 2}
    trained = victim.client.post("/train", params={"wait": 60}, json=body)
    assert trained.status_code == 201, trained.text
    answer = victim.client.post("/forecast", json={"model_id": trained.json()["model_id"], "items": ["i\0"]})
    assert {one["target"] for one in answer.json()["forecasts"]} == {"c\0", "\0d"}


DOUBLED = {
    "at the top": (b'{"model_id": "x", "horizon": 1, "horizon": 2}', "horizon"),
    "of the same value": (b'{"model_id": "x", "model_id": "x"}', "model_id"),
    "once escaped": (rb'{"model_id": "x", "horizon": 1, "hor\u0069zon": 2}', "horizon"),
    "in the history": (b'{"model_id": "x", "history": {"values": [1], "values": [2]}}', "values"),
    "a column": (b'{"model_id": "x", "history": {"columns": {"a:b": [1], "y": [1], "a:b": [2]}}}', "a:b"),
    "in an item": (b'{"model_id": "x", "history": {"items": [{"id": "a", "values": [1], "id": "b"}]}}', "id"),
    "among colons": (b'{"name": "a:b::c", "name": "\\":\\\\"}', "name"),
}


@pytest.mark.parametrize("where", DOUBLED)
def test_a_name_that_stands_twice_in_an_object(victim: Victim, where: str) -> None:
    body, name = DOUBLED[where]
    problem_of(send(victim.client, "/forecast", body), 400, "malformed-body", contains=f"'{name}' twice in one object")


@pytest.mark.parametrize("path", ["/train", "/backtest", "/models/x"])
def test_a_doubled_name_is_refused_on_every_route(victim: Victim, path: str) -> None:
    body = {
        "/train": b'{"series": [1, 2, 3], "name": "a", "name": "b"}',
        "/backtest": b'{"model_id": "x", "series": [1, 2], "stride": 1, "stride": 1}',
        "/models/x": b'{"name": "a", "name": "b"}',
    }[path]
    method = "PATCH" if path == "/models/x" else "POST"
    answer = victim.client.request(method, path, content=body, headers=JSON)
    problem_of(answer, 400, "malformed-body", contains="twice in one object")


@pytest.mark.parametrize(
    "body",
    [
        b'{"model_id": "a:b", "horizon": 1}',
        rb'{"name": "\":\"", "horizon": 1}',
        rb'{"name": "\\", "history": {"values": [1], "start": "2024-01-01T00:00:00", "freq": "h"}}',
        b'{"name": "x", "history": {"items": [{"id": "a", "values": [1]}, {"id": "b", "values": [1]}]}}',
        b'{"name": "x", "history": {"columns": {"values": [1], "columns": [1]}, "targets": null}}',
    ],
)
def test_names_that_stand_once_are_taken(body: bytes) -> None:
    assert isinstance(parse_json(ForecastRequest, body), ForecastRequest)


def test_the_same_name_in_different_objects_is_taken() -> None:
    items: list[dict[str, Any]] = [
        {"id": str(n), "values": [1.0], "static": {"id": "x", "values": 1}} for n in range(50)
    ]
    body = json.dumps({"series": {"items": items}}).encode()
    assert isinstance(parse_json(TrainRequest, body), TrainRequest)
    with pytest.raises(MalformedBody, match="'id' twice"):
        parse_json(TrainRequest, body.replace(b'{"id": "x"', b'{"id": "y", "id": "x"', 1))
