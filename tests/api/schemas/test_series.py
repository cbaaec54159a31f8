import json
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from service.api.input.series_input import read_panel
from service.api.schemas.series import ColumnsItem, ColumnsSeries, ItemsSeries, SeriesInput, ValuesItem, ValuesSeries


class Body(BaseModel):
    series: SeriesInput


def errors_of(series: str) -> list[tuple[tuple[Any, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        Body.model_validate_json(f'{{"series": {series}}}')
    return [(error["loc"], error["msg"]) for error in caught.value.errors()]


@pytest.mark.parametrize(
    ("series", "kind"),
    [
        ("[112, 118.5, null, -1e100]", list),
        ('{"values": [1, null], "timestamps": ["2024-01-01", "2024-01-02"]}', ValuesSeries),
        ('{"values": [1, null], "timestamps": [1700, 1701], "freq": "YS"}', ValuesSeries),
        ('{"values": [1, null], "start": 1700, "freq": "YS"}', ValuesSeries),
        ('{"values": [1], "timestamps": ["11-10-2021"], "date_format": "%d-%m-%Y"}', ValuesSeries),
        ('{"columns": {"open": [1], "close": [2]}, "targets": ["close"]}', ColumnsSeries),
        ('{"items": [{"id": "a", "values": [1]}, {"id": "b", "columns": {"value": [2]}}], "freq": "D"}', ItemsSeries),
    ],
)
def test_every_form_of_the_contract_is_taken(series: str, kind: type) -> None:
    assert isinstance(Body.model_validate_json(f'{{"series": {series}}}').series, kind)


@pytest.mark.parametrize(
    ("series", "location"),
    [
        ('[1, "2"]', ("series", "<list>", 1)),
        ("[1, true]", ("series", "<list>", 1)),
        ("[1, NaN]", ("series", "<list>", 1)),
        ("[1, Infinity]", ("series", "<list>", 1)),
        ("[1, 2, -Infinity]", ("series", "<list>", 2)),
        ("[1, 1e400]", ("series", "<list>", 1)),
        ("[[1, 2]]", ("series", "<list>", 0)),
        ('{"values": [1, "x"]}', ("series", "<values>", "values", 1)),
        ('{"values": 3}', ("series", "<values>", "values")),
        ('{"values": [1], "valeus": [1]}', ("series", "<values>", "valeus")),
        ('{"values": [1], "columns": {"a": [1]}}', ("series", "<columns>", "values")),
        ('{"values": [1], "timestamps": ["2024", 2025]}', ("series", "<values>", "timestamps", "<texts>", 1)),
        ('{"values": [1], "timestamps": [2024.5]}', ("series", "<values>", "timestamps", "<texts>", 0)),
        ('{"values": [1], "timestamps": [-1]}', ("series", "<values>", "timestamps", "<numbers>", 0)),
        ('{"values": [1], "timestamps": [1e30]}', ("series", "<values>", "timestamps", "<texts>", 0)),
        ('{"values": [1], "freq": 3}', ("series", "<values>", "freq")),
        ('{"columns": {}}', ("series", "<columns>", "columns")),
        ('{"columns": {"a": [1], "b": [1, "x"]}}', ("series", "<columns>", "columns", "b", "<numbers>", 1)),
        ('{"columns": {"a": [1], "b": [null, "x", 1]}}', ("series", "<columns>", "columns", "b", "<numbers>", 1)),
        ('{"columns": {"a": [1], "b": [true, 1]}}', ("series", "<columns>", "columns", "b", "<booleans>", 1)),
        ('{"columns": {"a": [1]}, "targets": []}', ("series", "<columns>", "targets")),
        ('{"items": []}', ("series", "<items>", "items")),
        ('{"items": [{"values": [1]}]}', ("series", "<items>", "items", 0, "<values>", "id")),
        ('{"items": [{"id": "", "values": [1]}]}', ("series", "<items>", "items", 0, "<values>", "id")),
        ('{"items": [{"id": "a"}]}', ("series", "<items>", "items", 0, "<values>", "values")),
        ('{"items": [5]}', ("series", "<items>", "items", 0, "<values>")),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place(series: str, location: tuple[Any, ...]) -> None:
    assert location in [found for found, _ in errors_of(series)]


def test_an_id_has_at_most_200_characters() -> None:
    [(location, _)] = errors_of(json.dumps({"items": [{"id": "x" * 201, "values": [1]}]}))
    assert location[-1] == "id"


@pytest.mark.parametrize("series", ['"1,2,3"', "{}", '{"value": [1]}', "null", "7"])
def test_a_body_of_no_form_says_which_forms_there_are(series: str) -> None:
    [(location, message)] = errors_of(series)
    assert location == ("series",)
    for word in ("list of numbers", '"values"', '"columns"', '"items"'):
        assert word in message


def test_every_field_has_a_description_and_examples_that_can_be_read() -> None:
    for model in (ValuesSeries, ColumnsSeries, ItemsSeries, ValuesItem, ColumnsItem):
        for name, field in model.model_fields.items():
            assert field.description, (model, name)
            assert field.examples, (model, name)
            for example in field.examples:
                adapter: TypeAdapter[Any] = TypeAdapter(field.annotation or Any)
                adapter.validate_python(example)


def test_the_examples_of_the_api_page_run() -> None:
    schema = Body.model_json_schema()
    forms = [Body(series=example) for example in schema["properties"]["series"]["examples"]]
    for name in ("ValuesSeries", "ColumnsSeries", "ItemsSeries"):
        forms += [Body(series=example) for example in schema["$defs"][name]["examples"]]
    for name in ("ValuesItem", "ColumnsItem"):
        items: Any = {"items": schema["$defs"][name]["examples"]}
        forms.append(Body(series=items))
    for form in forms:
        assert read_panel(form.series).summary["rows"] >= 48
