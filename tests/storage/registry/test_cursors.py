from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidOption
from service.storage.registry.pagination import read_cursor, write_cursor

ID = "0123456789abcdef" * 2


def encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_cursor_leads_back_to_its_row(created_at: datetime, entry_id: object) -> None:
    row = (created_at, str(entry_id).replace("-", ""))
    assert read_cursor(write_cursor(*row)) == row


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é",
        "null",
        "=" * 8,
        encode(""),
        encode(":"),
        encode(ID),
        encode(f"1:{ID}x"),
        encode(f"1:{ID}'; DROP TABLE models"),
        encode(f"1.5:{ID}"),
        encode(f" 1:{ID}"),
        encode(f"{10**30}:{ID}"),
        encode(f"-{10**18}:{ID}"),
        encode(f"nan:{ID}"),
        encode("9" * 5000 + f":{ID}"),
        write_cursor(datetime(2024, 1, 1, tzinfo=UTC), ID) + "=",
        write_cursor(datetime(2024, 1, 1, tzinfo=UTC), ID)[:-2],
    ],
)
def test_broken_cursor_is_refused_at_its_place(cursor: str) -> None:
    with pytest.raises(InvalidOption, match="next_cursor") as caught:
        read_cursor(cursor)
    assert caught.value.faults[0].path == ("cursor",)


@given(st.text())
def test_any_text_is_refused_in_peace(cursor: str) -> None:
    with pytest.raises(InvalidOption):
        read_cursor(cursor)
