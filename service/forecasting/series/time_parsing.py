"""Parse a column of times in the formats that clients use: one format for the column as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from service.errors import AmbiguousDates, InvalidOption, InvalidSeries, Path
from service.forecasting.series.date_parsing import (
    KNOWN_FORMS,
    LAST,
    YEARS,
    ReadTimes,
    from_pattern,
    in_english,
    match_all,
    read_dates,
    read_named_months,
    read_parts,
    read_periods,
    refuse,
    refuse_first,
    to_utc,
)
from service.forecasting.series.time_format import (
    EPOCH_MILLISECONDS,
    EPOCH_SECONDS,
    NANOSECONDS_PER,
    OFFSET_PATTERN,
    RawTime,
    TimeArray,
    TimestampFormat,
    directives_of,
    fault_of_pattern,
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
        refuse_first(texts, counts >= LAST.astype(np.int64) // nanoseconds, path, f"it lies outside {YEARS}")
        return ReadTimes((counts * nanoseconds).view("datetime64[ns]"), form)
    if form.pattern == "%Y%m":
        _refuse_days(texts, path)
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


def _refuse_days(texts: list[str], path: Path) -> None:
    """Raise AmbiguousDates if all texts of six digits could also be days with two-digit years: 200101."""
    if all(re.fullmatch("[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|1[0-2])", text) for text in texts):
        detail = f"{texts[0]!r} can be a month (date_format=%Y%m) or a day (date_format=%y%m%d): give date_format"
        raise AmbiguousDates.at((*path, 0), detail)


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
