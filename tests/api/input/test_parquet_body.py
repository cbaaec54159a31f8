"""POST /train with Parquet: read as CSV is, in a process of its own that may take so much and no more."""

from __future__ import annotations

import io
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from service.api.input import parquet_body
from service.api.input.parquet_body import ParquetTable, read_parquet
from service.api.input.table import TableSeries, table_series
from service.errors import InvalidOption, InvalidSeries, MalformedBody, UnsupportedContentType
from tests.api.application import Application
from tests.api.contract import problem_of
from tests.api.series import DAYS, VALUES, csv_of

KIND = "application/vnd.apache.parquet"
QUICK: dict[str, Any] = {
    "horizon": 3,
    "network.cell": "gru",
    "network.hidden_size": 6,
    "context_length": 8,
    "training.epochs": 4,
}


def reading(data: bytes, separator: str | None = None, **roles: Any) -> TableSeries:
    return table_series(read_parquet(data, 1_000_000, 2**20, separator=separator), **roles)


def file_of(columns: dict[str, Any] | pd.DataFrame, **options: Any) -> bytes:
    table = pa.Table.from_pandas(columns) if isinstance(columns, pd.DataFrame) else pa.table(columns)
    written = io.BytesIO()
    parquet.write_table(table, written, **options)
    return written.getvalue()


def post(client: httpx.Client, data: bytes, **query: Any) -> httpx.Response:
    return client.post("/train", params={"wait": 120, **QUICK, **query}, content=data, headers={"Content-Type": KIND})


def test_it_trains_the_same_model_as_csv(client: httpx.Client) -> None:
    times = pd.to_datetime(pd.Series(DAYS))
    of_parquet = post(client, file_of({"day": times, "units": VALUES, "note": ["x"] * len(VALUES)}), target="units")
    assert of_parquet.status_code == 201, of_parquet.text
    table = csv_of({"day": DAYS, "units": VALUES, "note": ["x"] * len(VALUES)})
    of_csv = client.post(
        "/train", params={"wait": 120, **QUICK, "target": "units"}, content=table, headers={"Content-Type": "text/csv"}
    )
    for field in ("series", "configuration", "metrics", "warnings", "targets"):
        assert of_parquet.json()[field] == of_csv.json()[field], field
    assert of_parquet.json()["lineage"]["data_hash"] == of_csv.json()["lineage"]["data_hash"]


NUMBERS: dict[str, tuple[pa.Array, list[float | None]]] = {
    "int8": (pa.array([1, None, 3], pa.int8()), [1.0, None, 3.0]),
    "uint64": (pa.array([1, 2, 2**63], pa.uint64()), [1.0, 2.0, 2.0**63]),
    "float32": (pa.array([1.5, float("nan"), None], pa.float32()), [1.5, None, None]),
    "decimal": (pa.array([Decimal("1.25"), None, Decimal("-3")]), [1.25, None, -3.0]),
    "dictionary": (pa.array([7.0, 7.0, None]).dictionary_encode(), [7.0, 7.0, None]),
}
TIMES: dict[str, pd.Series[Any]] = {
    "timestamp": pd.Series(pd.date_range("2024-03-30", periods=3, freq="D")),
    "date": pd.Series([date(2024, 3, 30) + timedelta(days) for days in range(3)]),
    "text": pd.Series(["2024-03-30", "2024-03-31", "2024-04-01"]),
    "zone": pd.Series(pd.date_range("2024-03-30", periods=3, freq="D", tz="Europe/Berlin")),
}


@pytest.fixture(scope="module")
def kinds() -> ParquetTable:
    """A table with a column of each kind, read once: each file is read by a process of its own."""
    table = pa.Table.from_pandas(pd.DataFrame(TIMES))
    for name, (column, _) in NUMBERS.items():
        table = table.append_column(name, column)
    written = io.BytesIO()
    parquet.write_table(table, written)
    return read_parquet(written.getvalue(), 1_000_000, 2**20)


@pytest.mark.parametrize("kind", NUMBERS)
def test_kinds_of_numbers(kinds: ParquetTable, kind: str) -> None:
    assert table_series(only(kinds, y=kind)).series["columns"]["y"] == NUMBERS[kind][1]


@pytest.mark.parametrize("kind", TIMES)
def test_kinds_of_times(kinds: ParquetTable, kind: str) -> None:
    series = table_series(only(kinds, ds=kind, y="uint64")).series
    assert [text[:10] for text in series["timestamps"]] == ["2024-03-30", "2024-03-31", "2024-04-01"]


def only(table: ParquetTable, **names: str) -> ParquetTable:
    """Return a table of some of the columns, under other names."""
    columns = {name: table.columns[old] for name, old in names.items()}
    return ParquetTable(columns, table.lines, {name: table.read[old] for name, old in names.items()})


def test_items_targets_and_what_is_left_out(client: httpx.Client) -> None:
    frame = pd.DataFrame({"store": ["a"] * 60 + ["b"] * 60, "units": VALUES + VALUES, "list": [[1, 2]] * 120})
    answer = post(client, file_of(frame), item="store", target="units", dry_run=True)
    assert answer.status_code == 200, answer.text
    assert answer.json()["series"]["items"] == 2
    assert any("list" in warning for warning in answer.json()["warnings"])
    with pytest.raises(InvalidSeries, match=r"column 'list' contains list<.*, not numbers"):
        reading(file_of(frame), targets=["list"])


def test_an_index_of_pandas_is_a_column(client: httpx.Client) -> None:
    frame = pd.DataFrame({"units": VALUES}, index=pd.to_datetime(DAYS))
    assert post(client, file_of(frame), dry_run=True).json()["series"]["freq"] == "D"


@pytest.mark.parametrize("data", [b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"x" * 10_000, file_of({"y": VALUES})[:-9]])
def test_what_is_no_parquet_is_malformed(client: httpx.Client, data: bytes) -> None:
    problem_of(post(client, data), 400, "malformed-body", contains="the Parquet file cannot be read")


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"y": [1.0, float("inf")]}, "row 2, column 'y' is infinite"),
        ({"y": pa.array([], pa.float64())}, "no rows"),
        ({"y": np.zeros(1_000_001)}, "1000001 cells; this server accepts at most 1000000"),
        ({"t": ["a", "b"]}, "column 't' contains text or times, not numbers"),
    ],
)
def test_what_cannot_be_used_is_told(columns: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidSeries, match=told):
        reading(file_of(columns))


def test_bombs_stop_at_the_limit() -> None:
    long_text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(900_000, np.int32)), pa.array(["x" * 1_000_000]))
    repeated = file_of({"s": long_text})
    assert len(repeated) < 100_000
    with pytest.raises((InvalidSeries, MalformedBody), match=r"more than this server accepts|memory|malloc"):
        reading(repeated)
    nested = pa.array([[0.0] * 3_000_000] * 3).cast(pa.large_list(pa.float64()))
    with pytest.raises((InvalidSeries, MalformedBody)):
        reading(file_of({"y": nested}, compression="zstd"))


def test_spoilt_bytes_never_break_more_than_their_request(application: Application) -> None:
    good = file_of({"ds": DAYS, "y": VALUES})
    numbers = np.random.default_rng(0)
    for _ in range(8):
        spoilt = bytearray(good)
        for place in numbers.integers(4, len(good), 20):
            spoilt[place] = numbers.integers(256)
        assert post(application.client, bytes(spoilt), dry_run=True).status_code in (200, 400, 422)
    assert post(application.client, good, dry_run=True).status_code == 200


def test_without_the_extra_it_is_415(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_body, "find_spec", lambda _: None)
    with pytest.raises(UnsupportedContentType, match=r"\[parquet\]"):
        reading(b"PAR1")
    problem_of(post(client, b"PAR1"), 415, "unsupported-content-type", contains="send CSV")


def test_a_separator_is_refused() -> None:
    with pytest.raises(InvalidOption, match="has no separator"):
        reading(b"", separator=";")


def test_the_process_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}

    def note(command: list[str], env: dict[str, str], **_: Any) -> Any:
        seen.update(env)
        raise OSError("no more")

    monkeypatch.setenv("FORECAST_API_KEYS", "acme:secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr("service.api.input.reader_process.subprocess.run", note)
    with pytest.raises(OSError, match="no more"):
        reading(b"PAR1")
    assert seen
    assert "secret" not in str(seen)
