"""Parse a column of times in the formats that clients use: one format for the column as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from service.errors import AmbiguousDates, InvalidOption, InvalidSeries, Path
from service.forecasting.series.period_parsing import in_english, read_named_months, read_parts, read_periods
from service.forecasting.series.time_format import (
    EPOCH_MILLISECONDS,
    EPOCH_SECONDS,
    LAST,
    NANOSECONDS_PER,
    OFFSET_PATTERN,
    YEARS,
    RawTime,
    ReadTimes,
    TimeArray,
    TimestampFormat,
    directives_of,
    fault_of_pattern,
    from_pattern,
    match_all,
    minutes_of,
    refuse,
    refuse_first,
)

_DATE = re.compile(
    r"(?P<first>[0-9]{1,4})(?P<separator>[-/.])(?P<second>[0-9]{1,2})(?P=separator)(?P<third>[0-9]{1,4})"
    r"(?:(?P<mark>[T ])(?P<clock>[0-9]{2}:[0-9]{2}(?P<seconds>:[0-9]{2}(?:\.(?P<fraction>[0-9]{1,9}))?)?))?"
    rf"(?P<offset>{OFFSET_PATTERN})?"
)
KNOWN_FORMS = (
    "2024-01-31, 31.01.2024, 2024-01, 01.2024, Jan 2024, 2024Q1, 2024-W05, 2024, 20240131, 2024-01-31T12:00:00Z or "
    "seconds since 1970; for another form give date_format (such as %d.%m.%y for 31.01.24, %m/%y for 01/24)"
)
_FOUR_DIGITS = (
    "the year must have four digits and the same position in all rows, or give date_format (such as %d.%m.%y)"
)
_NUMBER = re.compile(r"[0-9]{1,13}")
_TRAILING_OFFSET = re.compile(rf"(.*?)({OFFSET_PATTERN})", re.DOTALL)


def read_times(raw: Sequence[RawTime], date_format: str | None, path: Path) -> ReadTimes:
    """Parse a column of times at ``path``.

    Raises InvalidTimestamps at the first element that cannot be parsed, AmbiguousDates if day and month cannot be
    distinguished, InvalidOption for an invalid ``date_format``.
    """
    if not raw:
        return ReadTimes(np.empty(0, "datetime64[ns]"), TimestampFormat())
    kind = type(raw[0])
    others = (type(value) is not kind or kind not in (str, int) for value in raw)
    refuse_first(raw, others, path, "times must all be strings, or all be whole numbers")
    texts = [str(value) for value in raw]
    read = _read_known(texts, path) if date_format is None else _read_pattern(texts, date_format, path)
    return replace(read, form=replace(read.form, numeric=kind is int))


@contextmanager
def errors_at(path: Path) -> Iterator[None]:
    """Let errors of `read_times` for a single time refer to ``path`` itself."""
    try:
        yield
    except InvalidSeries as error:
        raise type(error).at(path, error.detail) from None


def check_date_format(date_format: str, path: Path) -> None:
    """Raise InvalidOption at ``path`` unless this strptime pattern can both parse and write times."""
    fault = fault_of_pattern(date_format.removesuffix("%z"))
    if fault is None and date_format.endswith("%z") and set("qGV") & set(directives_of(date_format)):
        fault = f"{date_format!r}: a quarter or week has no offset from UTC (%z)"
    if fault:
        raise InvalidOption.at(path, fault)


def _read_known(texts: list[str], path: Path) -> ReadTimes:
    if _NUMBER.fullmatch(texts[0]):
        return _read_numbers(texts, path)
    return read_periods(texts, path) or read_named_months(texts, path) or read_dates(texts, path)


def _read_numbers(texts: list[str], path: Path) -> ReadTimes:
    """Parse years (4 digits), months (6), compact dates (8), seconds (10) or milliseconds (13) since 1970."""
    match_all(_NUMBER, texts, path, "the rows before it are whole numbers")
    form = _form_of_numbers({len(text) for text in texts})
    if form is None:
        odd = next((i for i, text in enumerate(texts) if len(text) != len(texts[0])), 0)
        refuse(texts, odd, path, f"expected {KNOWN_FORMS}")
    if form.is_epoch:
        counts, nanoseconds = np.array([int(text) for text in texts]), NANOSECONDS_PER[form.pattern]
        beyond = counts >= LAST.astype(np.int64) // nanoseconds
        if beyond.any():
            refuse(texts, int(beyond.argmax()), path, f"it lies outside {YEARS}")
        return ReadTimes((counts * nanoseconds).view("datetime64[ns]"), form)
    if form.pattern == "%Y%m" and all(re.fullmatch("[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|1[0-2])", text) for text in texts):
        # All texts could also be days with two-digit years: 200101.
        detail = f"{texts[0]!r} can be a month (date_format=%Y%m) or a day (date_format=%y%m%d): give date_format"
        raise AmbiguousDates.at((*path, 0), detail)
    dates = [f"{text}{'0101'[len(text) - 4 :]}" if len(text) < 8 else text for text in texts]
    return ReadTimes(from_pattern(dates, "%Y%m%d", texts, path), form)


def _form_of_numbers(lengths: set[int]) -> TimestampFormat | None:
    if lengths in ({4}, {6}, {8}):
        return TimestampFormat({4: "%Y", 6: "%Y%m", 8: "%Y%m%d"}[max(lengths)])
    for pattern, longest in ((EPOCH_SECONDS, 10), (EPOCH_MILLISECONDS, 13)):
        # Counts before September 2001 have one digit less.
        if longest in lengths and lengths <= {longest - 1, longest}:
            return TimestampFormat(pattern)
    return None


def _read_pattern(texts: list[str], date_format: str, path: Path) -> ReadTimes:
    check_date_format(date_format, (*path[:-1], "date_format"))
    if set("qGV") & set(directives_of(date_format)):
        return read_parts(texts, date_format, path)
    if set("bB") & set(directives_of(date_format)):
        english, language = in_english(texts, date_format)
        if english != texts:
            read = _read_pattern(list(english), date_format, path)
            return replace(read, form=replace(read.form, language=language))
    if not date_format.endswith("%z"):
        times = from_pattern(texts, date_format, texts, path)
        return ReadTimes(times, _padded_as(texts, times, TimestampFormat(date_format)))
    # A space before the offset is part of the offset.
    pattern = date_format.removesuffix("%z").removesuffix(" ")
    matches = match_all(_TRAILING_OFFSET, texts, path, "it has no offset from UTC at its end (%z)")
    local = from_pattern([match[1] for match in matches], pattern, texts, path)
    form = _padded_as([match[1] for match in matches], local, TimestampFormat(pattern))
    return to_utc(local, [match[2] for match in matches], form, texts, path)


def _padded_as(texts: list[str], times: TimeArray, form: TimestampFormat) -> TimestampFormat:
    """Return the format without leading zeros if the first rows are written without them."""
    bare = replace(form, padded=False)
    first = times[:50]
    return bare if bare.write(first) == texts[:50] != form.write(first) else form


def read_dates(texts: Sequence[str], path: Path) -> ReadTimes:
    """Parse a column of dates. Raises InvalidTimestamps, and AmbiguousDates if no row distinguishes day from month."""
    dates = match_all(_DATE, texts, path, f"expected {KNOWN_FORMS}")
    year_first = len(dates[0]["first"]) == 4
    year, other = ("first", "third") if year_first else ("third", "first")
    refuse_first(texts, (len(one[year]) != 4 or len(one[other]) > 2 for one in dates), path, _FOUR_DIGITS)
    separator = dates[0]["separator"]
    others = (one["separator"] != separator for one in dates)
    refuse_first(texts, others, path, f"the rows before it are written with {separator!r}")
    order = "Ymd" if year_first else _order_of(dates, texts, path)
    year, month, day = (("first", "second", "third")[order.index(letter)] for letter in "Ymd")
    days = [f"{one[year]}-{one[month]:0>2}-{one[day]:0>2}" for one in dates]
    iso = [f"{text}T{clock}" if (clock := one["clock"]) else text for text, one in zip(days, dates, strict=True)]
    local = from_pattern(iso, "ISO8601", texts, path)
    return to_utc(local, [one["offset"] for one in dates], _form_of(dates, order), texts, path)


def _order_of(dates: Sequence[re.Match[str]], texts: Sequence[str], path: Path) -> str:
    """Decide between day-first and month-first by a row that only one of them allows."""
    day_first = next((i for i, one in enumerate(dates) if int(one["first"]) > 12), None)
    month_first = next((i for i, one in enumerate(dates) if int(one["second"]) > 12), None)
    if day_first is not None and month_first is not None:
        later = max(day_first, month_first)
        refuse(texts, later, path, "its day and month are in the opposite order to those of other rows")
    if day_first is not None or month_first is not None:
        return "mdY" if day_first is None else "dmY"
    cures = " or ".join(dates[0]["separator"].join(f"%{letter}" for letter in order) for order in ("dmY", "mdY"))
    detail = f"{texts[0]!r} can be day first or month first, no other row decides: give date_format (such as {cures})"
    raise AmbiguousDates.at((*path, 0), detail)


def _form_of(dates: Sequence[re.Match[str]], order: str) -> TimestampFormat:
    """Return the finest format that occurs in the column."""
    pattern = dates[0]["separator"].join(f"%{letter}" for letter in order)
    mark = next((one["mark"] for one in dates if one["mark"]), None)
    if mark:
        seconds = ":%S" if any(one["seconds"] for one in dates) else ""
        pattern = f"{pattern}{mark}%H:%M{seconds}"
    fraction = max(len(one["fraction"] or "") for one in dates)
    padded = all(1 not in map(len, one.group("first", "second", "third")) for one in dates)
    return TimestampFormat(pattern, fraction, padded=padded)


def to_utc(
    local: TimeArray, offsets: Sequence[str | None], form: TimestampFormat, raw: Sequence[RawTime], path: Path
) -> ReadTimes:
    """Convert local times to UTC: one common offset is kept in the format, mixed ones become UTC with a warning."""
    found = set(offsets)
    if found == {None}:
        return ReadTimes(local, form)
    if None in found:
        mixed = ((offset is None) != (offsets[0] is None) for offset in offsets)
        refuse_first(raw, mixed, path, "some times have an offset from UTC and some have none; give all or none")
    minutes = {}
    for offset in found:
        try:
            minutes[offset] = minutes_of(offset)
        except ValueError:
            refuse(raw, offsets.index(offset), path, "there is no such offset from UTC")
    utc = local - np.array([minutes[offset] for offset in offsets], dtype="timedelta64[m]")
    if len(set(minutes.values())) == 1:
        return ReadTimes(utc, replace(form, offset=offsets[0]))
    shown = ", ".join(sorted(str(offset).strip() for offset in found)[:4])
    warning = f"the timestamps have several offsets from UTC ({shown}): they were moved to UTC"
    return ReadTimes(utc, replace(form, offset="Z"), (warning,))
