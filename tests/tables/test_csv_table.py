"""How a CSV file is split into columns, and where its first line names none."""

from __future__ import annotations

import pytest

from service.errors import InvalidSeries, MalformedBody
from service.tables.csv_table import read_table


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("Monat;Umsatz, EUR\n01.2024;1.000,50\n02.2024;998,00\n", ["Monat", "Umsatz, EUR"]),
        ("Monat;Umsatz, netto, EUR\n01.2024;1,5\n", ["Monat", "Umsatz, netto, EUR"]),
        ("month,sales;net\n2024-01,1.5\n2024-02,2\n", ["month", "sales;net"]),
        ('month,"a;b;c"\n2024-01,1.5\n', ["month", "a;b;c"]),
        ("a\tb, c\n1,5\t2\n", ["a", "b, c"]),
        ("sep=\t\r\na\tb\r\n1\t2\r\n", ["a", "b"]),
        ("\ufeffSEP=;\r\na;b\r\n1;2\r\n", ["a", "b"]),
        ('a;b\n"1;5";"x\n;"\n', ["a", "b"]),
        ("a,b\n" + f"1,{'9' * 70_000}\n" * 3, ["a", "b"]),
    ],
)
def test_the_separator_is_the_one_that_splits_the_rows_as_it_splits_the_header(text: str, columns: list[str]) -> None:
    assert list(read_table(text.encode()).columns) == columns


def test_a_note_beside_the_table_does_not_make_the_decimal_comma_a_separator() -> None:
    with pytest.raises(InvalidSeries, match="line 3 has 3 cells, the header has 2"):
        read_table(b"Monat;Umsatz, EUR\n01.2024;1.000,50\n02.2024;998,00;guess\n")


def test_the_line_of_excel_keeps_the_numbers_of_lines() -> None:
    with pytest.raises(InvalidSeries, match="line 3 has 3 cells, the header has 2"):
        read_table(b"sep=;\r\na;b\r\n1;2;3\r\n")


@pytest.mark.parametrize("text", ["sep=;\r\nWert\r\n1\r\n", "sep=|\r\n1\r\n2\r\n"])
def test_a_line_that_looks_like_it_is_no_column(text: str) -> None:
    assert list(read_table(text.encode()).columns) in (["Wert"], ["sep=|"])


@pytest.mark.parametrize(
    "text",
    [
        "01.2024;1.000,50\n02.2024;998,00\n",
        "2024-01,5\n2024-02,6\n",
        "Jan 2024,5\nFeb 2024,6\n",
        "2024Q1,5\n2024Q2,6\n",
        '2024-01-01,"1,000.5"\n2024-01-02,"998.5"\n',
        "north,2024-01-01,5\nnorth,2024-01-02,6\n",
    ],
)
def test_a_first_line_of_values_is_refused(text: str) -> None:
    with pytest.raises(InvalidSeries, match="the first line must name the columns"):
        read_table(text.encode())


def test_months_may_be_names_of_columns() -> None:
    assert list(read_table(b"item;01.2024;02.2024\nnorth;1;2\n").columns) == ["item", "01.2024", "02.2024"]


def test_decimal_commas_between_commas_are_refused_with_a_cure() -> None:
    with pytest.raises(InvalidSeries, match="give separator"):
        read_table(b"Monat,Wert\n01.2024,1,5\n")
    assert read_table(b'Monat,Wert\n01.2024,"1,5"\n').numbers("Wert") == [1.5], "quoted, it works"


def test_a_quote_that_is_not_closed_is_told_whatever_the_separator() -> None:
    for separator in (",", ";", "\t"):
        with pytest.raises(MalformedBody, match="line 2 of the CSV cannot be read"):
            read_table(f'a{separator}"b\n1{separator}2'.encode())
