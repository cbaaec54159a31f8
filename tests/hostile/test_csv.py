"""Tables that are made to do harm: refused with a reason, in bounded memory, and the server goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from service.errors import ServiceError
from service.tables.csv_table import MOST_COLUMNS
from tests.api.contract import problem_of
from tests.api.series import read_csv
from tests.hostile.conftest import Victim

pytestmark = [pytest.mark.process, pytest.mark.slow]

HUGE = 30_000_000
CSV = {"Content-Type": "text/csv"}
TABLES: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "a million columns": (lambda: ",".join(f"c{n}" for n in range(10**6)).encode(), 422, "has 1000000 columns"),
    "thirty million columns": (lambda: b"," * (HUGE - 1) + b"x", 422, f"at most {MOST_COLUMNS} are read"),
    "one line": (lambda: b"x" * HUGE, 400, "field limit"),
    "one cell": (lambda: b"date,n\n2024-01-01," + b"1" * HUGE, 400, "line 2 .*field limit"),
    "a quote that is never closed": (lambda: b'date,n\n"' + b"x" * HUGE, 400, "field limit"),
    "a quote around lines": (lambda: b'date,n\n"' + b"2024-01-01,1\n" * (HUGE // 13), 400, "field limit"),
    "quotes": (lambda: b'"' * HUGE, 400, "line 1 "),
    "empty lines": (lambda: b"\n" * HUGE, 422, "no content"),
    "returns": (lambda: b"\r" * HUGE, 422, "no content"),
    "separators": (lambda: b"a,b\n" + b",\n" * (HUGE // 2), 422, "a header but no rows"),
    "rows": (lambda: b"n\n" + b"1\n" * (HUGE // 2), 422, "more than 2000000 rows"),
    "long rows": (lambda: b"a,n\n" + b"10,123456789\n" * (HUGE // 13), 422, "more than 2000000 rows"),
    "NUL bytes": (lambda: b"date,n\n" + b"\0" * HUGE, 400, "NUL bytes"),
    "no UTF-8": (lambda: b"date,n\n" + b"\x81" * HUGE, 400, "not in UTF-8"),
    "half a character": (lambda: b"date,n\n2024-01-01,1\n\xe2\x82", 400, "not in UTF-8"),
    "a NUL in a name": (lambda: b"da\0te,n\n2024-01-01,1\n", 400, "NUL bytes"),
}


@pytest.mark.fuzz
@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_a_bomb(victim: Victim, name: str) -> None:
    table, status, told = TABLES[name]
    body = table()
    with victim.takes_at_most(1200):
        answer = victim.client.post("/train", content=body, headers=CSV, timeout=300)
    problem_of(answer, status, "invalid-series" if status == 422 else "malformed-body", contains=told)
    assert len(answer.content) < 10_000
    victim.check_alive()


# With a pattern that could match a number in two ways, this took the square of the length.
@pytest.mark.parametrize("digits", ["1" * 120_000, "." + "1" * 120_000, "1" * 60_000 + "." + "1" * 60_000])
@pytest.mark.parametrize("end", ["x", "e", "e+", "..", "\u0661"])
def test_a_cell_that_is_nearly_a_number_is_read_as_fast_as_another(digits: str, end: str) -> None:
    with pytest.raises(ServiceError):
        read_csv(f"date,n\n2024-01-01,{digits}{end}\n".encode())


def test_columns_that_are_not_used_are_told_in_few_words(victim: Victim) -> None:
    names = [f"c{n}" for n in range(MOST_COLUMNS - 1)]
    rows = "".join(",".join(["1"] * MOST_COLUMNS) + "\n" for _ in range(8))
    table = f"n,{','.join(names)}\n{rows}".encode()
    query = {"target": "n", "dry_run": "true"}
    answer = victim.client.post("/train", params=query, content=table, headers=CSV)
    assert answer.status_code == 200, answer.text
    assert any("c19 and more" in warning for warning in answer.json()["warnings"])
    assert len(answer.content) < 20_000


def test_an_option_that_is_given_thousands_of_times(victim: Victim) -> None:
    query = {"target": ["n"] * 5000}
    answer = victim.client.post("/train", params=query, content=b"date,n\n2024-01-01,1\n", headers=CSV)
    assert answer.status_code == 422, answer.text
