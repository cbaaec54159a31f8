"""The OpenAPI document: complete, true, and its examples run as they stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from service.api.schemas import forecasting, jobs, models, monitoring, names, observations, series, training
from service.api.schemas.series import SeriesInput
from service.storage.files.model_record import MetricValues
from tests.api.application import Application, running
from tests.api.contract import schema_of
from tests.factories import QUICK

Document = dict[str, Any]
ACCESS = {"401", "403", "421", "429"}
CONTRACT = {
    ("post", "/train"): ACCESS | {"200", "201", "202", "400", "404", "409", "413", "415", "422", "500", "503"},
    ("post", "/csv"): ACCESS | {"200", "400", "413", "415", "422", "500", "503"},
    ("post", "/forecast"): ACCESS | {"200", "400", "404", "409", "413", "415", "422", "500", "503"},
    ("post", "/forecast/batch"): ACCESS | {"200", "400", "413", "415", "422", "500", "503"},
    ("post", "/observations/batch"): ACCESS | {"200", "400", "413", "415", "422", "500", "503"},
    ("post", "/backtest"): ACCESS | {"200", "400", "404", "409", "413", "415", "422", "500", "503"},
    ("get", "/models"): ACCESS | {"200", "422", "500", "503"},
    ("post", "/models"): ACCESS | {"201", "400", "413", "415", "422", "500", "503"},
    ("get", "/models/zero-shot"): ACCESS | {"200", "500", "503"},
    ("get", "/models/{model_id}"): ACCESS | {"200", "404", "500", "503"},
    ("patch", "/models/{model_id}"): ACCESS | {"200", "400", "404", "413", "415", "422", "500", "503"},
    ("delete", "/models/{model_id}"): ACCESS | {"204", "404", "409", "500", "503"},
    ("get", "/models/{model_id}/file"): ACCESS | {"200", "404", "409", "500", "503"},
    ("get", "/models/{model_id}/observations"): ACCESS | {"200", "404", "409", "422", "500", "503"},
    ("post", "/models/{model_id}/observations"): ACCESS
    | {"200", "400", "404", "409", "413", "415", "422", "500", "503"},
    ("delete", "/models/{model_id}/observations"): ACCESS | {"200", "404", "409", "422", "500", "503"},
    ("post", "/models/{model_id}/retrain"): ACCESS
    | {"201", "202", "400", "404", "409", "413", "415", "422", "500", "503"},
    ("post", "/names/{name}/retrain"): ACCESS | {"201", "202", "400", "404", "409", "413", "415", "422", "500", "503"},
    ("get", "/models/{model_id}/monitoring"): ACCESS | {"200", "404", "409", "422", "500", "503"},
    ("get", "/names/{name}/monitoring"): ACCESS | {"200", "404", "409", "422", "500", "503"},
    ("get", "/names/{name}/observations"): ACCESS | {"200", "404", "409", "422", "500", "503"},
    ("post", "/names/{name}/observations"): ACCESS | {"200", "400", "404", "409", "413", "415", "422", "500", "503"},
    ("delete", "/names/{name}/observations"): ACCESS | {"200", "404", "409", "422", "500", "503"},
    ("get", "/names"): ACCESS | {"200", "422", "500", "503"},
    ("get", "/names/{name}"): ACCESS | {"200", "404", "422", "500", "503"},
    ("post", "/names/{name}/promote"): ACCESS | {"200", "400", "404", "409", "413", "415", "422", "500", "503"},
    ("post", "/names/{name}/rollback"): ACCESS | {"200", "404", "409", "422", "500", "503"},
    ("post", "/names/{name}/follow"): ACCESS | {"200", "404", "409", "422", "500", "503"},
    ("get", "/jobs"): ACCESS | {"200", "422", "500", "503"},
    ("get", "/jobs/{job_id}"): ACCESS | {"200", "404", "500", "503"},
    ("get", "/jobs/{job_id}/events"): ACCESS | {"200", "204", "404", "422", "500", "503"},
    ("delete", "/jobs/{job_id}"): ACCESS | {"204", "404", "409", "500", "503"},
    ("get", "/livez"): {"200"},
    ("get", "/readyz"): {"200", "500", "503"},
    ("get", "/metrics"): ACCESS | {"200", "500", "503"},
}


@pytest.fixture(scope="module")
def document(application: Application) -> Document:
    read: Document = application.client.get("/openapi.json").json()
    return read


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_it_has_the_routes_of_the_contract_and_what_each_answers(document: Document) -> None:
    found = {(method, path): set(operation["responses"]) for method, path, operation in operations(document)}
    assert found == CONTRACT


def test_every_route_parameter_and_answer_is_described(document: Document) -> None:
    for method, path, operation in operations(document):
        assert operation["summary"], path
        assert operation["description"], (method, path)
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (method, path, parameter["name"])
        for status, response in operation["responses"].items():
            assert response["description"], (method, path, status)
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"], (method, path, status)


def has_example(schema: Document) -> bool:
    """Tell whether a reader sees a value: an example, a default, or a schema of its own that is looked at too."""
    if {"examples", "example", "default", "enum", "const"} & set(schema):
        return True
    inner = [schema.get("items", {}), schema.get("additionalProperties", {}), *schema.get("anyOf", [])]
    return "$ref" in schema or any("$ref" in one for one in inner if isinstance(one, dict))


def test_every_field_is_described_and_has_an_example(document: Document) -> None:
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        assert schema["description"], name
        for field, one in schema.get("properties", {}).items():
            described = "description" in one or schemas[one["$ref"].rpartition("/")[2]]["description"]
            assert described, (name, field)
            assert has_example(one), (name, field)


def test_every_reference_leads_somewhere(document: Document) -> None:
    text = json.dumps(document)
    names = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names == set(document["components"]["schemas"])


def test_the_schemas_are_those_that_the_tests_hold_answers_to(document: Document) -> None:
    for method, path, operation in operations(document):
        example_path = path.replace("{model_id}", "x").replace("{job_id}", "x").replace("{name}", "x")
        for status, response in operation["responses"].items():
            content = response.get("content", {}).get("application/json")
            if int(status) < 400 and content:
                held_to = schema_of(method.upper(), example_path, int(status))
                assert held_to is not None, (method, path)
                assert content["schema"]["$ref"].rpartition("/")[2] == held_to.__name__


def test_the_examples_of_fields_are_values_that_these_fields_take() -> None:
    for module in (forecasting, jobs, models, monitoring, names, observations, series, training):
        for schema in vars(module).values():
            if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
                continue
            for name, field in schema.model_fields.items():
                annotated: Any = field.annotation
                for example in field.examples or []:
                    assert is_taken(annotated, example), (schema, name)


def is_taken(annotated: Any, example: Any) -> bool:
    try:
        TypeAdapter(annotated).validate_python(example)
    except ValidationError:
        return False
    return True


def bodies(document: Document) -> dict[tuple[str, str, str], Any]:
    """Return the example of each body, as a Swagger page would send it."""
    return {
        (method, path, kind): content["example"]
        for method, path, operation in operations(document)
        for kind, content in operation.get("requestBody", {}).get("content", {}).items()
        if "example" in content
    }


def send(client: httpx.Client, method: str, path: str, kind: str, example: Any) -> httpx.Response:
    content = example if isinstance(example, str) else json.dumps(example)
    return client.request(method, path, params={}, content=content, headers={"Content-Type": kind})


def test_the_examples_of_bodies_run_as_they_stand(document: Document, tmp_path_factory: pytest.TempPathFactory) -> None:
    examples = bodies(document)
    assert set(examples) == {
        ("post", "/train", "application/json"),
        ("post", "/train", "text/csv"),
        ("post", "/forecast", "application/json"),
        ("post", "/backtest", "application/json"),
        ("post", "/models/{model_id}/observations", "application/json"),
        ("post", "/names/{name}/observations", "application/json"),
        ("patch", "/models/{model_id}", "application/json"),
        ("post", "/names/{name}/promote", "application/json"),
        ("post", "/models/{model_id}/retrain", "application/json"),
        ("post", "/names/{name}/retrain", "application/json"),
    }
    # A server that is as new as the reader of the page, who goes from top to bottom.
    with running(tmp_path_factory.mktemp("examples")) as new:
        statuses = {}
        for (method, path, kind), example in examples.items():
            model_id = [one["model_id"] for one in new.client.get("/models").json()["models"]][-1:]
            place = path.format(model_id=model_id[0], name="sales") if "{" in path else path
            # IDs are made by the server.
            sent = {**example, "model_id": model_id[0]} if path.endswith("/promote") else example
            statuses[path, kind] = send(new.client, method, place, kind, sent).status_code
        assert statuses == {
            ("/train", "application/json"): 201,
            ("/train", "text/csv"): 201,
            ("/forecast", "application/json"): 200,
            ("/backtest", "application/json"): 200,
            ("/models/{model_id}/observations", "application/json"): 200,
            ("/names/{name}/observations", "application/json"): 200,
            ("/models/{model_id}", "application/json"): 200,
            ("/names/{name}/promote", "application/json"): 200,
            ("/models/{model_id}/retrain", "application/json"): 201,
            # Nothing was observed since.
            ("/names/{name}/retrain", "application/json"): 409,
        }


def test_the_examples_of_series_are_trained_on_as_they_stand(application: Application) -> None:
    examples = TypeAdapter(SeriesInput).json_schema()["examples"]
    assert len(examples) >= 4
    for example in examples:
        application.train(example)
        told = application.client.post("/train", params={"dry_run": "true"}, json={"series": example})
        assert told.status_code == 200, told.text


@pytest.mark.parametrize("horizon", [1, QUICK["horizon"]])
def test_answers_have_no_fields_that_the_document_does_not_have(
    application: Application, items_model: Document, horizon: int
) -> None:
    answer = application.forecast(model_id=items_model["model_id"], horizon=horizon)
    for one in answer["forecasts"]:
        assert set(one) <= set(forecasting.ForecastValues.model_fields)
    body = {"model_id": items_model["model_id"], "series": {"items": [{"id": "x", "values": list(range(20))}]}}
    rolled = application.client.post("/backtest", json=body).json()
    assert set(rolled["forecasts"][0]) <= set(forecasting.BacktestValues.model_fields)
    assert set(rolled["metrics"]) <= set(MetricValues.model_fields)


def test_links_lead_to_operations_and_name_their_parameters(document: Document) -> None:
    found = {operation["operationId"]: operation for _, _, operation in operations(document)}
    links = [
        link
        for operation in found.values()
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    ]
    for link in links:
        target = found[link["operationId"]]
        assert set(link.get("parameters", {})) <= {one["name"] for one in target.get("parameters", [])}
        assert ("requestBody" in link) <= ("requestBody" in target)
    followed = {link["operationId"].partition("_")[0] for link in links}
    assert followed == {"show", "download", "rename", "delete", "forecast", "events", "cancel", "list"}


def test_events_are_described_one_by_one(document: Document) -> None:
    answers = document["paths"]["/jobs/{job_id}/events"]["get"]["responses"]
    [(kind, content)] = answers["200"]["content"].items()
    assert kind == "text/event-stream"
    assert "schema" not in content
    assert set(content["itemSchema"]["properties"]) == {"event", "id", "retry", "data"}
