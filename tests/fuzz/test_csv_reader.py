"""Tables that nobody would send on purpose: each is read, or refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.datastructures import QueryParams

from service.api.input.query import table_options
from service.api.input.series_input import read_panel
from service.api.input.table import table_series
from service.api.output.problems import invalid, status_of
from service.api.schemas.training import TrainRequest
from service.errors import ServiceError
from service.tables.csv_table import read_table
from tests.fuzz.rounds import fuzz

pytestmark = pytest.mark.fuzz

_MOST_ROWS = 2000
_NAMES = st.sampled_from(
    ["date", "Monat", "data", "unique_id", "ds", "value", "item", "x", "y", "2024", "", "day", "Année", "a,b", "\ufeff"]
)
_STAMPS = st.datetimes().map(str) | st.dates().map(str) | st.integers(0, 10**13).map(str)
_NUMBERS = st.floats().map(repr) | st.integers().map(str) | st.decimals().map(str)
_PLAIN = st.integers(-1000, 1000).map(str) | st.floats(-1e6, 1e6).map(str)
_ODD_NUMBERS = (
    "",
    "NA",
    "nan",
    "-inf",
    "1e400",
    "1_0",
    "١٢",
    "1,5",
    "1.234,5",
    "0x10",
    "1" * 5000,
    "9" * 400,
    "é",
    '"',
)
_ODD_TIMES = (
    "2024-02-30",
    "24:00",
    "1.1.2021",
    "2021-W01",
    "2021Q3",
    "01.2020",
    "Mai 2020",
    "Q0 2020",
    "2021-W54",
    "0000-00-00",
    "2024-01-01T00:00:00+99:99",
    "-1",
)
_ODD = st.sampled_from(_ODD_NUMBERS) | st.sampled_from(_ODD_TIMES)
_CELLS = _STAMPS | _NUMBERS | _ODD | st.text(max_size=8)
_SEPARATORS = st.sampled_from([",", ";", "\t", "|", ", "])
_OPTIONS = (
    "time",
    "target",
    "item",
    "covariates",
    "future_covariates",
    "date_format",
    "freq",
    "separator",
    "decimal",
    "thousands",
)
_VALUES = (
    _NAMES
    | _SEPARATORS
    | st.sampled_from(
        ["%Y-%m-%d", "%d/%m/%y", "%H%H%Y", "%", "D", "MS", "B", "7h", "W-MON", "%YQ%q", "%G-W%V", "%B %Y"]
    )
)
_NO_QUERY: dict[str, str] = {}
_QUERIES = st.just(_NO_QUERY) | st.dictionaries(st.sampled_from(_OPTIONS), _VALUES | st.text(max_size=10), max_size=3)
_DAYS = [f"2024-{month:02}-{day:02}" for month in (1, 2) for day in range(1, 29)]


@st.composite
def _tables(draw: st.DrawFn) -> bytes:
    """A table of mostly equal rows, in columns that mostly keep to one kind of cell, with something wrong in it."""
    width, height = draw(st.integers(1, 5)), draw(st.integers(0, 12))
    kinds = [draw(st.sampled_from([_PLAIN, _NUMBERS, _STAMPS, _CELLS])) for _ in range(width)]
    dated = draw(st.booleans())
    names = draw(st.lists(_NAMES, min_size=width, max_size=width, unique=True))
    rows = [["date"] * dated + names]
    rows += [[_DAYS[row]] * dated + [draw(kind) for kind in kinds] for row in range(height)]
    separator, end = draw(_SEPARATORS), draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n"]))
    quote = draw(st.booleans())
    text = end.join(separator.join(f'"{cell}"' if quote else cell for cell in row) for row in rows)
    data = text.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-7"])), "surrogatepass")
    for place in draw(st.just([]) | st.lists(st.integers(0, max(0, len(data) - 1)), max_size=3)):
        data = data[:place] + draw(st.binary(max_size=3)) + data[place + draw(st.integers(0, 2)) :]
    return data


_TEXTS = st.text(alphabet='0123456789,;\t"\n\r.-+eE/: aZ\0', max_size=200).map(str.encode)
_EXAMPLES = st.tuples(_tables() | _TEXTS | st.binary(max_size=200), _QUERIES)


def _read(example: tuple[bytes, dict[str, str]]) -> str:
    """Read a table as POST /train does; anything but one of the service's own errors is a bug."""
    data, options = example
    try:
        query = table_options(QueryParams(options))
        table = table_series(read_table(data, most_rows=_MOST_ROWS, **query.format), **query.roles)
        panel = read_panel(_asked({**query.options, "series": table.series}).series).panel
    except ServiceError as error:
        refusal = error
    else:
        assert panel.points > 0
        return "read"
    assert refusal.detail
    assert status_of(refusal) in (400, 422)
    return "refused"


def _asked(sent: dict[str, Any]) -> TrainRequest:
    try:
        return TrainRequest.model_validate(sent)
    except ValidationError as error:
        raise invalid(error, lambda: sent) from None


def test_any_table_is_read_or_refused(seconds: float) -> None:
    fuzz("CSV reader", _EXAMPLES, _read, seconds)
