"""CSV texts and the numbers in their column ``Wert``, for all that read them: server, command line and page."""

from __future__ import annotations

ASKED = None
"""Instead of numbers: they can be read two ways, and the caller is asked."""

Numbers = list[float | None] | None


def german(*cells: str, separator: str = ";", decimal: str | None = None) -> str:
    """Return a file of days; decimal: cells of another column, separated by a blank."""
    more = decimal.split() if decimal else []
    lines = [separator.join(["Datum", "Wert", *(["Preis"] if more else [])])]
    for row, cell in enumerate(cells):
        lines.append(separator.join([f"2024-01-{row + 1:02}", cell, *more[row : row + 1]]))
    return "\n".join([*lines, ""])


CASES: dict[str, tuple[str, Numbers]] = {
    "thousands beside whole numbers": (german("998", "1.005", "1.020"), [998, 1005, 1020]),
    "thousands and decimals": (german("998,5", "1.005,25", "2.210"), [998.5, 1005.25, 2210]),
    "several groups": (german("1.000.000", "998.000", "12.000"), [1e6, 998e3, 12e3]),
    "all can be read both ways": (german("2.210", "1.005", "3.400"), ASKED),
    "decimals elsewhere settle thousands": (german("2.210", "1.005", "3.4", decimal="1,5 2,5 3,5"), [2.21, 1.005, 3.4]),
    "decimal commas elsewhere": (german("2.210", "1.005", "3.400", decimal="1,5 2,5 3,5"), [2210, 1005, 3400]),
    "decimal points elsewhere": (german("2.210", "1.005", "3.400", decimal="1.5 2.5 3.5"), [2.21, 1.005, 3.4]),
    "a leading zero": (german("0.998", "1.005", "1.020"), [0.998, 1.005, 1.02]),
    "whole numbers without groups": (german("1234", "1.005", "2345"), [1234, 1.005, 2345]),
    "whole numbers of both kinds": (german("998", "1.005", "2345"), ASKED),
    "four digits without, five with a mark": (german("9876", "10.045", "11.200"), [9876, 10045, 11200]),
    "decimal commas with semicolons": (german("2,210", "1,005", "3,400"), [2.21, 1.005, 3.4]),
    "commas beside short whole numbers": (german("998", "1,005", "1,020"), ASKED),
    "commas with decimal points elsewhere": (german("998", "1,005", "1,020", decimal="1.5 2.5 3.5"), [998, 1005, 1020]),
    "points with semicolons": (german("1.5", "-2.0", "3"), [1.5, -2, 3]),
    "tab and decimal commas": (german("1010,5", "998", "1.005,5", separator="\t"), [1010.5, 998, 1005.5]),
    "tab and both ways": (german("2.210", "1.005", "3.400", separator="\t"), ASKED),
    "tab and commas both ways": (german("2,210", "1,005", "3,400", separator="\t"), ASKED),
    "plain decimals": (german("1.005", "0.5", "12.25", separator=","), [1.005, 0.5, 12.25]),
    "three decimals everywhere, with commas": (german("2.210", "1.005", "3.400", separator=","), [2.21, 1.005, 3.4]),
    "three decimals and whole numbers, with commas": (
        german("998", "1.005", "1.02", separator=","),
        [998, 1.005, 1.02],
    ),
    "quoted thousands": (german("998", '"1,005"', '"1,020.5"', separator=","), [998, 1005, 1020.5]),
    "quoted decimal commas": (german('"0,5"', '"1,005"', '"1,5"', separator=","), [0.5, 1.005, 1.5]),
    "apostrophes between thousands": (german("998.5", "1'005.25", "1\u2019020"), [998.5, 1005.25, 1020]),
    "blanks between thousands": (german("998,5", "1 005,25", "1\u202f020 000"), [998.5, 1005.25, 1020000]),
    "a comma in the name of another column": (
        "Datum;Preis, EUR;Wert\n01.2024;1,50;1.005,5\n02.2024;2,50;998,5\n",
        [1005.5, 998.5],
    ),
    "as many commas as semicolons": ("Wert;Preis, netto\n1.005;1,50\n998;2,50\n", [1005, 998]),
    "Excel's line of the separator": ("sep=;\r\n" + german("1,5", "2,5"), [1.5, 2.5]),
    "Excel's line, with the comma": ('"sep=,"\r\n' + german("1.5", '"1,005"', separator=","), [1.5, 1005]),
    "empty cells after the last column": ("Datum;Wert\n2024-01-01;1,5;;\n2024-01-02;2,5;;\n;;;\n", [1.5, 2.5]),
    "columns without name and cells": ("Datum;Wert;;\n2024-01-01;1,5\n2024-01-02;2,5;;\n", [1.5, 2.5]),
    "a currency before, with thousands": (german("$892.85", '"$1,093.10"', "-$5", separator=","), [892.85, 1093.1, -5]),
    "a currency behind, with decimal commas": (german("1.093,10 \u20ac", "0", "5,00 \u20ac"), [1093.1, 0, 5]),
    "percent and missing cells": (german("8.93%", "-", "?", "9%", separator=","), [8.93, None, None, 9]),
    "negative amounts in brackets": (german("(1,234.50)", "10", "3-", separator="\t"), [-1234.5, 10, -3]),
    "other missing cells": (german(".", ":", "n.a.", "1.5", separator="\t"), [None, None, None, 1.5]),
    "a title above the header": ("Umsatz 2024\nin Tausend, netto\n\n" + german("1,5", "2,5"), [1.5, 2.5]),
    "a title as Excel exports it": ("Umsatz;\n;\n" + german("1,5", "2,5"), [1.5, 2.5]),
    "a title, with commas": ("Category: All\n\n" + german("1.5", "2", separator=","), [1.5, 2]),
    "a title of several cells": ("Umsatz;Filiale Nord\n" + german("1,5", "2,5"), [1.5, 2.5]),
    "a title of as many cells as the header": ("Umsatz;Nord;netto\n" + german("1,5", "2", decimal="3 4"), [1.5, 2]),
    "titles of several cells with dates": ("Stand;2024-05-01\nFiliale;Nord\n;\n" + german("1,5", "2,5"), [1.5, 2.5]),
    "a title with a number": ("Filiale;12;\n" + german("1,5", "2", decimal="3 4"), [1.5, 2]),
    "texts that are names of times": ("Ort,Art,Wert\na,b,1.5\na,Zeit,\na,b,2\n", [1.5, None, 2]),
    "texts that are names of times, in the first row": ("Ort,Art,Wert\na,Zeit,-\na,b,2\na,b,3\n", [None, 2, 3]),
    "a header above missing cells is no title": (german("n/a", "-", "7"), [None, None, 7]),
    "units below the header": ("Datum;Wert\n;EUR\n2024-01-01;1,5\n2024-01-02;2,5\n", [1.5, 2.5]),
    "units in brackets": ("Datum,Wert\n(YYYY-MM-DD),[kWh/m2]\n2024-01-01,1.5\n2024-01-02,2\n", [1.5, 2]),
    "a total at the end": (german("1,5", "2,5") + "Summe;4,0\n", [1.5, 2.5]),
    "a grand total": (german("1.5", "2.5", separator=",") + "Grand Total:,4\n", [1.5, 2.5]),
    "one column with decimal commas": ("Wert\n0,5\n1,5\n", [0.5, 1.5]),
    "one column, both ways": ("Wert\n1.005\n2.210\n", ASKED),
    "one column, commas both ways": ("Wert\n1,005\n2,210\n", ASKED),
    "one column with quoted thousands": ('Wert\n"1,005"\n"2,210"\n', [1005, 2210]),
    "missing cells": (german("998", "", "1.005"), [998, None, 1005]),
    "signs and exponents": (german("-1,5", "+2e3", "1,5e-1"), [-1.5, 2000, 0.15]),
}
