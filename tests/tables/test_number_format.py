"""How numbers of CSV cells are read: what settles decimal mark and thousands, and where the caller is asked."""

from __future__ import annotations

import pytest

from service.errors import AmbiguousNumbers, InvalidOption, InvalidSeries
from service.tables.csv_table import read_table
from tests.tables.csv_cases import CASES, Numbers, german


@pytest.mark.parametrize(("text", "numbers"), CASES.values(), ids=CASES)
def test_numbers_are_read_as_meant_or_asked_for(text: str, numbers: Numbers) -> None:
    table = read_table(text.encode())
    assert table.is_numeric("Wert")
    if numbers is not None:
        assert table.numbers("Wert") == pytest.approx(numbers)
        return
    with pytest.raises(AmbiguousNumbers) as caught:
        table.numbers("Wert")
    assert caught.value.faults[0].path == ("decimal",)
    assert "line 2, column 'Wert'" in caught.value.detail or "line 3, column 'Wert'" in caught.value.detail
    read = {mark: read_table(text.encode(), decimal=mark).numbers("Wert") for mark in ("point", "comma")}
    assert read["point"] != read["comma"], "the cure works"
    for mark in read:
        assert f"decimal={mark}" in caught.value.detail


@pytest.mark.parametrize(
    ("cells", "options", "numbers"),
    [
        (["2.210", "1.005"], {"decimal": ","}, [2210, 1005]),
        (["2.210", "1.005"], {"decimal": "."}, [2.21, 1.005]),
        (["2.210", "1.005"], {"thousands": "."}, [2210, 1005]),
        (["2.210", "1.005"], {"thousands": "comma"}, [2.21, 1.005]),
        (["1 005,5", "1\u202f000"], {"thousands": "space"}, [1005.5, 1000]),
        (["1'005.5", "1\u20191000.5".replace("1000", "000")], {"thousands": "apostrophe"}, [1005.5, 1000.5]),
        (["2.210", "1'005"], {"thousands": "'"}, [2.21, 1005]),
    ],
)
def test_marks_may_be_given(cells: list[str], options: dict[str, str], numbers: list[float]) -> None:
    assert read_table(german(*cells).encode(), **options).numbers("Wert") == numbers  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"decimal": ";"}, "decimal", "point (.) or comma (,)"),
        ({"decimal": ".."}, "decimal", "point (.) or comma (,)"),
        ({"thousands": "x"}, "thousands", "apostrophe"),
        ({"thousands": ""}, "thousands", "apostrophe"),
        ({"decimal": ",", "thousands": "comma"}, "thousands", "must differ"),
        ({"decimal": ",", "separator": "comma"}, "decimal", "separates the columns"),
        ({"thousands": ",", "separator": "comma"}, "thousands", "separates the columns"),
    ],
)
def test_marks_that_cannot_work_are_refused(options: dict[str, str], path: str, says: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        read_table(german("1", "2").encode(), **options)  # type: ignore[arg-type]
    assert caught.value.faults[0].path == (path,)
    assert says in caught.value.detail


@pytest.mark.parametrize(
    ("cells", "options", "blamed"),
    [
        (["1,5", "2.5"], {}, "line 3"),
        (["1.5", "2,5"], {}, "line 3"),
        (["1.50", "2.0"], {"decimal": "comma"}, "line 2"),
        (["12.34.567", "1"], {}, "line 2"),
        (["0.005.000", "1"], {}, "line 2"),
        (["1.005e3", "1,5"], {}, "line 3"),
    ],
)
def test_what_fits_no_way_is_refused_with_line_and_column(
    cells: list[str], options: dict[str, str], blamed: str
) -> None:
    with pytest.raises(InvalidSeries, match=f"{blamed}, column 'Wert'"):
        read_table(german(*cells).encode(), **options).numbers("Wert")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cell", "bare"), [("1.000,50 €", "1.000,50"), ("$1,000.50", "1,000.50"), ("12,5 %", "12,5"), ("3\u00a0£", "3")]
)
def test_a_number_with_a_unit_is_refused_with_the_number_to_write(cell: str, bare: str) -> None:
    with pytest.raises(InvalidSeries, match=r"line 2, column 'Wert'") as caught:
        read_table(german(cell, "2").encode()).numbers("Wert")
    assert f"write {bare!r} alone" in caught.value.detail
    assert read_table(german(bare).encode()).is_numeric("Wert"), "the cure works"
