"""Item IDs as text: equal values have one, different values never the same."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.tables.item_ids import (
    LONGEST_ID,
    in_order,
    joined_id,
    named_columns,
    split_id,
    text_of,
    too_long,
    type_of_texts,
)

_PARTS = st.lists(st.text(st.sampled_from("a1|\\ ,é"), max_size=6), min_size=2, max_size=4)


@given(_PARTS)
def test_composite_ids_are_split_again(parts: list[str]) -> None:
    assert split_id(joined_id(parts), len(parts)) == parts


@given(_PARTS, _PARTS)
def test_different_values_have_different_ids(one: list[str], other: list[str]) -> None:
    if len(one) == len(other):
        assert (joined_id(one) == joined_id(other)) == (one == other)


@pytest.mark.parametrize("text", ["a", "a|b|c", "a\\", "a\\b|c"])
def test_ids_of_other_columns_are_not_split(text: str) -> None:
    with pytest.raises(ValueError, match="2 parts"):
        split_id(text, 2)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("007", "007"),
        (7, "7"),
        (7.0, "7"),
        (np.int32(7), "7"),
        (np.float32(7), "7"),
        (2**63, str(2**63)),
        (0.5, "0.5"),
        (True, "True"),
        (np.bool_(False), "False"),
        (dt.date(2024, 1, 2), "2024-01-02"),
        (dt.datetime(2024, 1, 2), "2024-01-02"),
        (dt.datetime(2024, 1, 2, 3), "2024-01-02T03:00:00"),
        (dt.datetime(2024, 1, 2, tzinfo=dt.UTC), "2024-01-02T00:00:00+00:00"),
    ],
)
def test_values_as_text(value: Any, text: str) -> None:
    assert text_of(value) == text


def test_columns_named_in_one_text() -> None:
    columns = ["store", "sku", "a,b"]
    assert named_columns(["store,sku"], columns) == ("store", "sku")
    assert named_columns(["store", "sku"], columns) == ("store", "sku")
    assert named_columns(["a,b"], columns) == ("a,b",)
    assert named_columns(["store, no"], columns) == ("store, no",)


def test_types_and_lengths() -> None:
    assert type_of_texts(["0", "-7", "12"]) == "integer"
    assert {type_of_texts([text]) for text in ("007", "1.0", "a", "")} == {"string"}
    assert too_long("x" * LONGEST_ID) is None
    assert f"{LONGEST_ID + 1} characters" in str(too_long("x" * (LONGEST_ID + 1)))


def test_ids_are_ordered_by_the_numbers_in_them_however_long() -> None:
    ordered = ["0", "2", "9", "10", "10a", "9" * 5000, "1" + "0" * 5000, "a2b", "a10b", "a010c"]
    assert in_order(ordered[::-1]) == ordered
