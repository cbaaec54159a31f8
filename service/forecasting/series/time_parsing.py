"""Parse a column of times in the formats that clients use: one format for the column as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.errors import AmbiguousDates, InvalidOption, InvalidSeries, InvalidTimestamps, Path
from service.forecasting.series.fixed_width import Codes, codes_of, numbers_at, times_of
from service.forecasting.series.local_time import to_utc_of_zone
from service.forecasting.series.period_parsing import in_english, read_named_months, read_parts, read_periods
from service.forecasting.series.time_format import (
    LAST,
    NANOSECONDS_PER,
    PARTS_OF_YEARS,
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
from service.tables.time_parts import OFFSET_PATTERN

_DATE = re.compile(
    r"(?P<first>[0-9]{1,4})(?P<separator>[-/.])(?P<second>[0-9]{1,2})(?P=separator)(?P<third>[0-9]{1,4})"
    r"(?:(?P<mark>T|,? )(?P<hour>[0-9]{1,2})"
    r"(?::(?P<minute>[0-9]{2})(?::(?P<seconds>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?)?)?"
    rf"(?P<half> ?[AaPp]\.?[Mm]\.?)?)?(?P<offset>{OFFSET_PATTERN})?"
)
_COMPACT = re.compile(
    r"(?P<date>[0-9]{8})(?P<mark>[T _-])(?P<hour>[0-9]{2})(?P<minute>[0-9]{2})(?P<seconds>[0-9]{2})?"
    rf"(?P<offset>{OFFSET_PATTERN})?"
)
_PARTS = ("first", "second", "third", "hour", "minute", "seconds", "fraction")
_SHAPE = str.maketrans("123456789", "0" * 9)
_RANGE = re.compile(
    r"([0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}) ?(?:[-/]|to|\u2013) ?([0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4})"
)
_TIME_OF_DAY = re.compile(r"[0-9]{1,2}:[0-9]{2}.*")
# The days from 1954 to 2064, since the origin that Excel's dates after February 1900 have.
_EXCEL_DAYS = (20_000, 60_000)
_EXCEL_ORIGIN = np.datetime64("1899-12-30", "ns")
_LONGEST_COUNT = 3
KNOWN_FORMS = (
    "2024-01-31, 31.01.2024, 2024-01, 01.2024, Jan 2024, 2024Q1, 2024-W05, 2024, 20240131, 2024-01-31T12:00:00Z or "
    "seconds since 1970; for another form give date_format (such as %d.%m.%y for 31.01.24, %m/%y for 01/24)"
)
_FOUR_DIGITS = (
    "the year must have four digits and the same position in all rows, or give date_format (such as %d.%m.%y)"
)
_NUMBER = re.compile(r"[0-9]{1,19}")
_DAY_AND_HOUR = r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[01][0-9]|2[0-3])"
# Numbers that would be seconds or milliseconds in later years are first taken as dates with hours.
_TIMED_NUMBERS = tuple(
    (re.compile(_DAY_AND_HOUR + "[0-5][0-9]" * more), "%Y%m%d%H" + "".join(("%M", "%S")[:more])) for more in range(3)
)
_NUMBER_WITH_ZEROS = re.compile(r"([0-9]{1,19})\.0+")
_TRAILING_OFFSET = re.compile(rf"(.*?)({OFFSET_PATTERN})", re.DOTALL)


def read_times(raw: Sequence[RawTime], date_format: str | None, path: Path, time_zone: str | None = None) -> ReadTimes:
    """Parse a column of times at ``path``; those without an offset from UTC are local times of ``time_zone``.

    Raises InvalidTimestamps at the first element that cannot be parsed, AmbiguousDates if day and month cannot be
    distinguished, InvalidOption for an invalid ``date_format``.
    """
    if not raw:
        return ReadTimes(np.empty(0, "datetime64[ns]"), TimestampFormat())
    kind = type(raw[0])
    if set(map(type, raw)) not in ({str}, {int}):
        others = (type(value) is not kind or kind not in (str, int) for value in raw)
        refuse_first(raw, others, path, "times must all be strings, or all be whole numbers")
    texts = _without_zeros([str(value) for value in raw])
    read = _read_ranges(texts, date_format, path) if _RANGE.fullmatch(texts[0]) else _read(texts, date_format, path)
    read = replace(read, form=replace(read.form, numeric=kind is int))
    return read if time_zone is None else in_zone(read, time_zone, raw, path)


def read_together(columns: Sequence[Sequence[RawTime]], date_format: str | None) -> list[ReadTimes] | None:
    """Parse several columns of times that differ in digits only; return None if each has to be parsed by itself.

    That is so if one of them cannot be read, and the error is to name it, or if there are warnings.
    """
    texts = [text for column in columns for text in column]
    if not all(isinstance(text, str) for text in texts) or codes_of([str(text) for text in texts]) is None:
        return None
    try:
        read = read_times(texts, date_format, ())
    except InvalidSeries:
        return None
    ends = np.cumsum([len(column) for column in columns])
    return None if read.warnings else [ReadTimes(part, read.form) for part in np.split(read.times, ends[:-1])]


def in_zone(read: ReadTimes, time_zone: str, raw: Sequence[RawTime], path: Path) -> ReadTimes:
    """Take times without an offset from UTC as local times. Raises InvalidTimestamps at one that clocks skip."""
    form = replace(read.form, zone=time_zone)
    if form.offset is not None or form.is_epoch:
        # That they have several offsets needs no warning.
        return ReadTimes(read.times, form)
    return ReadTimes(to_utc_of_zone(read.times, time_zone, raw, path), form, read.warnings)


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
    if fault is None and date_format.endswith("%z") and PARTS_OF_YEARS & set(directives_of(date_format)):
        fault = f"{date_format!r}: a period has no offset from UTC (%z)"
    if fault:
        raise InvalidOption.at(path, fault)


def _read_ranges(texts: list[str], date_format: str | None, path: Path) -> ReadTimes:
    """Parse ranges of days as their first days; the last days help to distinguish day from month."""
    ranges = match_all(_RANGE, texts, path, "the rows before it are ranges of days")
    rows = len(texts)
    try:
        read = _read([*(one[1] for one in ranges), *(one[2] for one in ranges)], date_format, path)
    except (InvalidTimestamps, AmbiguousDates) as error:
        *column, index = error.faults[0].path
        raise type(error).at((*column, int(index) % rows), error.detail) from None
    starts, ends = read.times[:rows], read.times[rows:]
    if (is_reversed := ends < starts).any():
        refuse(texts, int(is_reversed.argmax()), path, "it ends before it starts")
    told = f"the times are ranges of days: {texts[0]!r} was read as the period from {ranges[0][1]} on"
    return ReadTimes(starts, read.form, (*read.warnings, told))


def _read(texts: list[str], date_format: str | None, path: Path) -> ReadTimes:
    if date_format is not None:
        return _read_pattern(texts, date_format, path)
    if _NUMBER.fullmatch(texts[0]):
        return _read_numbers(texts, path)
    if _COMPACT.fullmatch(texts[0]):
        return _read_compact(texts, path)
    return read_periods(texts, path) or read_named_months(texts, path) or read_dates(texts, path)


def _without_zeros(texts: list[str]) -> list[str]:
    """Return whole numbers without the decimals that they have where a column with missing cells was written."""
    if not _NUMBER_WITH_ZEROS.fullmatch(texts[0]):
        return texts
    matches = [match for text in texts if (match := _NUMBER_WITH_ZEROS.fullmatch(text))]
    return [match[1] for match in matches] if len(matches) == len(texts) else texts


def _read_compact(texts: list[str], path: Path) -> ReadTimes:
    """Parse dates and times without marks between their parts: 20240131T060000."""
    matches = match_all(_COMPACT, texts, path, "expected the form of the rows before it")
    first = matches[0]
    pattern = f"%Y%m%d{first['mark']}%H%M{'%S' if first['seconds'] else ''}"
    offsets = [match["offset"] for match in matches]
    bare = [text.removesuffix(offset or "") for text, offset in zip(texts, offsets, strict=True)]
    return to_utc(from_pattern(bare, pattern, texts, path), offsets, TimestampFormat(pattern), texts, path)


def _read_numbers(texts: list[str], path: Path) -> ReadTimes:
    """Parse years (4 digits), months (6), compact dates (8), or seconds (10) to nanoseconds (19) since 1970."""
    match_all(_NUMBER, texts, path, "the rows before it are whole numbers")
    timed = next((one for one in _TIMED_NUMBERS if all(map(one[0].fullmatch, texts))), None)
    if timed:
        return ReadTimes(from_pattern(texts, timed[1], texts, path), TimestampFormat(timed[1]))
    lengths = {len(text) for text in texts}
    if lengths == {5} and all(_EXCEL_DAYS[0] <= int(text) <= _EXCEL_DAYS[1] for text in texts):
        days = _EXCEL_ORIGIN + np.array([int(text) for text in texts]).astype("timedelta64[D]")
        warning = f"the times are days as Excel counts them: {texts[0]} was read as {days[0].astype('datetime64[D]')}"
        return ReadTimes(days, TimestampFormat(), (warning,))
    form = _form_of_numbers(lengths)
    if form is None and max(lengths) <= _LONGEST_COUNT:
        refuse(texts, 0, path, "if such numbers only count the rows, leave the timestamps out")
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
    for pattern, longest in zip(NANOSECONDS_PER, (10, 13, 16, 19), strict=True):
        # Counts before September 2001 have one digit less.
        if longest in lengths and lengths <= {longest - 1, longest}:
            return TimestampFormat(pattern)
    return None


def _read_pattern(texts: list[str], date_format: str, path: Path) -> ReadTimes:
    check_date_format(date_format, (*path[:-1], "date_format"))
    if PARTS_OF_YEARS & set(directives_of(date_format)):
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
    if _TIME_OF_DAY.fullmatch(texts[0]):
        refuse(texts, 0, path, "it is a time of day: write the date before it, as in 2024-01-31 07:30")
    groups = _alike(texts, path)
    dates = [one.first for one in groups]
    year_first = len(dates[0]["first"]) == 4
    year, other = ("first", "third") if year_first else ("third", "first")
    separator = dates[0]["separator"]
    for rows, date, _, _ in groups:
        if len(date[year]) != 4 or len(date[other]) > 2:
            refuse(texts, int(rows[0]), path, _FOUR_DIGITS)
        if date["separator"] != separator:
            refuse(texts, int(rows[0]), path, f"the rows before it are written with {separator!r}")
    numbers = _numbers_of(groups, len(texts))
    order = "Ymd" if year_first else _order_of(numbers, dates, texts, path)
    names = dict(zip(order, ("first", "second", "third"), strict=True))
    days = {part: numbers[names[letter]] for part, letter in (("year", "Y"), ("month", "m"), ("day", "d"))}
    local, exist = times_of(numbers | days)
    if not exist.all():
        refuse(texts, int(exist.argmin()), path, f"it is not a calendar time, or lies outside {YEARS}")
    offsets = np.empty(len(texts), dtype=object)
    for group in groups:
        offsets[group.rows] = group.offsets
    return to_utc(local, offsets.tolist(), _form_of(dates, order), texts, path)


class _Alike(NamedTuple):
    """Dates that differ in digits only: their rows in order, the match of the first, and the offsets of all."""

    rows: NDArray[np.intp]
    first: re.Match[str]
    codes: Codes
    offsets: list[str] | None


def _alike(texts: Sequence[str], path: Path) -> list[_Alike]:
    """Group dates that are alike, in the order of their first rows: that of each says where their parts are."""
    alone, shapes = codes_of(texts), {"": list(range(len(texts)))}
    if alone is None:
        shapes = {}
        for row, text in enumerate(texts):
            shapes.setdefault(text.translate(_SHAPE), []).append(row)
    groups = []
    for rows in shapes.values():
        same = [texts[row] for row in rows]
        first, codes = _DATE.fullmatch(same[0]), codes_of(same) if alone is None else alone
        if first is None or codes is None:
            refuse(texts, rows[0], path, f"expected {KNOWN_FORMS}")
        start, end = first.span("offset")
        offsets = [text[start:end] for text in same] if start >= 0 else None
        groups.append(_Alike(np.array(rows), first, codes, offsets))
    return sorted(groups, key=lambda group: int(group.rows[0]))


def _numbers_of(groups: Sequence[_Alike], length: int) -> dict[str, NDArray[np.int64]]:
    """Return the parts of dates as numbers (text,); an hour that there is not becomes 99."""
    numbers = {name: np.zeros(length, np.int64) for name in (*_PARTS, "nanoseconds")}
    for rows, date, codes, _ in groups:
        for name in _PARTS:
            if date[name]:
                numbers[name][rows] = numbers_at(codes, date.span(name))
        numbers["nanoseconds"][rows] = numbers["fraction"][rows] * 10 ** (9 - len(date["fraction"] or ""))
        if date["half"]:
            hour, noon = numbers["hour"][rows], 12 if "p" in date["half"].lower() else 0
            numbers["hour"][rows] = np.where((hour >= 1) & (hour <= 12), hour % 12 + noon, 99)
    return numbers


def _order_of(
    numbers: Mapping[str, NDArray[np.int64]], dates: Sequence[re.Match[str]], texts: Sequence[str], path: Path
) -> str:
    """Decide between day-first and month-first by a row that only one of them allows."""
    day_first, month_first = numbers["first"] > 12, numbers["second"] > 12
    if day_first.any() and month_first.any():
        later = max(int(day_first.argmax()), int(month_first.argmax()))
        refuse(texts, later, path, "its day and month are in the opposite order to those of other rows")
    if day_first.any() or month_first.any():
        return "dmY" if day_first.any() else "mdY"
    cures = " or ".join(_pattern_to_give(dates, order) for order in ("dmY", "mdY"))
    detail = f"{texts[0]!r} can be day first or month first, no other row decides: give date_format (such as {cures})"
    raise AmbiguousDates.at((*path, 0), detail)


def _pattern_to_give(dates: Sequence[re.Match[str]], order: str) -> str:
    """Return the ``date_format`` of dates."""
    form = _form_of(dates, order)
    pattern = form.pattern.replace("%S", "%S.%f") if form.fraction else form.pattern
    return pattern + ("%z" if dates[0]["offset"] else "")


def _form_of(dates: Sequence[re.Match[str]], order: str) -> TimestampFormat:
    """Return the finest format that occurs in the column."""
    pattern = dates[0]["separator"].join(f"%{letter}" for letter in order)
    timed = [one for one in dates if one["mark"]]
    if timed:
        half = next((one["half"] for one in timed if one["half"]), None)
        pattern += timed[0]["mark"] + ("%I" if half else "%H")
        pattern += ":%M" if any(one["minute"] for one in timed) else ""
        pattern += ":%S" if any(one["seconds"] for one in timed) else ""
        pattern += f"{half[: len(half) - len(half.lstrip())]}%p" if half else ""
    fraction = max(len(one["fraction"] or "") for one in dates)
    padded = all(1 not in map(len, one.group("first", "second", "third")) for one in dates)
    hours_padded = all(len(one["hour"]) == 2 for one in timed)
    return TimestampFormat(pattern, fraction, padded=padded, hours_padded=hours_padded)


def to_utc(
    local: TimeArray, offsets: Sequence[str | None], form: TimestampFormat, raw: Sequence[RawTime], path: Path
) -> ReadTimes:
    """Convert local times to UTC: one common offset is kept in the format, mixed ones become UTC with a warning."""
    found = dict.fromkeys(offsets)
    if found.keys() == {None}:
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
    cure = "give time_zone (such as Europe/Berlin) for local times"
    warning = f"the timestamps have several offsets from UTC ({shown}): they were moved to UTC; {cure}"
    return ReadTimes(utc, replace(form, offset="Z"), (warning,))
