"""Which names and cells say time."""

from __future__ import annotations

import pytest

from service.errors import InvalidSeries
from service.forecasting.series.time_parsing import read_times
from service.tables.column_roles import look_like_times, look_like_years, role_of_name, says_time


@pytest.mark.parametrize(
    ("name", "role"),
    [
        *((name, "time") for name in ("date", "Datum", "DS", "Date Time", "date_time", " timestamp ", "Zeit", "fecha")),
        *(
            (name, "period")
            for name in ("Monat", "YEAR", "Jahr", "année", "Año", "Mês", "mese", "Quartal", "KW", "tag")
        ),
        *((name, "unsure") for name in ("data", "Index")),
        *((name, None) for name in ("Umsatz", "y", "updates", "daytime sales", "", "yearly", "datapoint")),
    ],
)
def test_roles_of_names(name: str, role: str | None) -> None:
    assert role_of_name(name) == role


@pytest.mark.parametrize(
    "cell",
    [
        *("2024-01-31", "31.01.2024", "1/2/2024", "2024-01-31T10:00:00Z", "2024-01", "2024/1", "01.2020", "1/2020"),
        *("20240131", "2020M01", "2020-M1", "2020Q1", "2020-Q4", "Q1 2020", "2020-W05", "Jan 2020", "Januar 2020"),
        *("MÄRZ 2020", "janv. 2020", "15. Januar 2020", "January 15, 2020", "15-Jan-2020", "2020 Dez", "31.01.24"),
        *("Jan-20", "enero de 2020"),
    ],
)
def test_cells_that_look_like_times(cell: str) -> None:
    assert look_like_times([cell, "", cell])
    assert says_time("x", [cell])
    assert not look_like_times([cell, "7"])


@pytest.mark.parametrize(
    "cell",
    ["", "1.5", "2024", "2024.05", "1.2020", "13.2020", "1120", "202405", "Model 2020", "01.3020", "20241301", "x"],
)
def test_cells_that_may_be_values(cell: str) -> None:
    assert not look_like_times([cell, cell])


def test_years_are_times_by_name_only() -> None:
    assert look_like_years(["2020", "2021"])
    assert look_like_years(["202012", "202101"])
    assert not look_like_years(["998", "2021"])
    assert not look_like_times(["2020", "2021"])


@pytest.mark.parametrize(
    "cells",
    [
        ["2024-01-31", "2024-02-29"], ["31.01.2024", "29.02.2024"], ["01.2020", "02.2020"], ["1/2020", "2/2020"],
        ["2020M01", "2020M02"], ["2020Q1", "2020Q2"], ["Q1.2020", "Q2.2020"], ["2020-W05", "2020-W06"],
        ["März 2020", "April 2020"], ["15. Januar 2020", "16. Januar 2020"], ["20240131", "20240229"],
    ],
)  # fmt: skip
def test_what_looks_like_a_time_is_read(cells: list[str]) -> None:
    assert look_like_times(cells)
    assert len(read_times(cells, None, ()).times) == len(cells)


@pytest.mark.parametrize("cell", ["Jan-20", "31.01.24", "02.01.2024"])
def test_what_looks_like_a_time_and_may_be_another_needs_a_date_format(cell: str) -> None:
    assert look_like_times([cell])
    with pytest.raises(InvalidSeries, match="date_format"):
        read_times([cell], None, ())
