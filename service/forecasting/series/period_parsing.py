"""Parse years, months, quarters and ISO weeks written as numbers: 01.2024, 2024/01, 2024M01, 2024Q1, 2024-W05."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from service.errors import Path
from service.forecasting.series.parsed_times import ReadTimes, from_pattern, refuse
from service.forecasting.series.time_format import TimeForm

# The regular expressions of a pattern's directives. A month after a point needs two digits: 2024.1 may be a January or
# an October.
_PARTS = {"Y": "[0-9]{4}", "y": "[0-9]{2}", "m": "[0-9]{1,2}", "q": "[1-4]", "G": "[0-9]{4}", "V": "[0-9]{1,2}"}
_TWO_DIGITS = "%Y.%m"
_KNOWN = (
    *("%Y-%m", "%Y/%m", _TWO_DIGITS, "%m.%Y", "%m/%Y", "%m-%Y", "%YM%m", "%Y-M%m", "%Y M%m"),
    *("%YQ%q", "%Y-Q%q", "%Y Q%q", "%Y/Q%q", "Q%q %Y", "Q%q-%Y", "Q%q/%Y", "Q%q.%Y"),
    *("%G-W%V", "%GW%V", "%G W%V"),
)


def read_periods(texts: Sequence[str], path: Path) -> ReadTimes | None:
    """Parse periods in one of the known formats; return None if the first text matches none of them.

    Raises InvalidTimestamps at a text that has another format.
    """
    pattern = next((one for one in _KNOWN if _regex(one).fullmatch(texts[0])), None)
    if pattern is None:
        return None
    if any(letter in texts[0] for letter in "qmw"):
        pattern = re.sub("[QMW](?=%)", lambda match: match[0].lower(), pattern)
    return read_parts(texts, pattern, path)


def read_parts(texts: Sequence[str], pattern: str, path: Path) -> ReadTimes:
    """Parse texts with a pattern of year and month, quarter (%q) or ISO week (%G and %V), each as its first day.

    Raises InvalidTimestamps at a text that does not match.
    """
    matches = [match for text in texts if (match := _regex(pattern).fullmatch(text))]
    if len(matches) < len(texts):
        odd = next(i for i, text in enumerate(texts) if not _regex(pattern).fullmatch(text))
        refuse(texts, odd, path, f"expected the form {pattern!r}{' of the rows before it' if odd else ''}")
    parts = [match.groupdict() for match in matches]
    days = [_first_day(part) for part in parts]
    if None in days:
        refuse(texts, days.index(None), path, "there is no such ISO week")
    times = from_pattern([str(day) for day in days], "%Y-%m-%d", texts, path)
    padded = all(len(part.get("m") or part.get("V") or "00") == 2 for part in parts)
    return ReadTimes(times, TimeForm(pattern, padded=padded))


@lru_cache(maxsize=256)
def _regex(pattern: str) -> re.Pattern[str]:
    # A pattern that `fault_of_pattern` has accepted contains each directive once.
    parts = _PARTS | {"m": "[0-9]{2}"} if pattern == _TWO_DIGITS else _PARTS
    pieces = re.split(r"%(.)", pattern)
    written = [
        (f"(?P<{piece}>{parts[piece]})" if piece in parts else re.escape(piece)) if place % 2 else re.escape(piece)
        for place, piece in enumerate(pieces)
    ]
    return re.compile("".join(written), re.ASCII | re.IGNORECASE)


def _first_day(part: dict[str, str]) -> str | None:
    if "V" in part:
        try:
            return date.fromisocalendar(int(part["G"]), int(part["V"]), 1).isoformat()
        except ValueError:
            return None
    month = 3 * int(part["q"]) - 2 if "q" in part else int(part["m"])
    # The same two-digit years as in strptime.
    year = part.get("Y") or f"{'19' if part['y'] >= '69' else '20'}{part['y']}"
    return f"{year}-{month:02}-01"
