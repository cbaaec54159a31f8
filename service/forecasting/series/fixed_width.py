"""Texts of one width with digits in the same places: read all at once, without a regular expression for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from service.forecasting.series.time_format import FIRST, LAST, TimeArray

Codes = NDArray[np.uint8]

_LINE_END = ord("\n")
_ZERO = ord("0")


def codes_of(texts: Sequence[str]) -> Codes | None:
    """Return the ASCII codes (text, character) of texts that differ in digits only, or None of others."""
    width = len(texts[0])
    try:
        codes = np.frombuffer("\n".join([*texts, ""]).encode("ascii"), np.uint8)
    except UnicodeEncodeError:
        return None
    if len(codes) != len(texts) * (width + 1) or np.count_nonzero(codes == _LINE_END) != len(texts):
        return None
    rows = codes.reshape(len(texts), width + 1)
    is_digit = rows[0] - np.uint8(_ZERO) <= 9  # unsigned: what is below 0 wraps around
    same = (rows[:, ~is_digit] == rows[0, ~is_digit]).all()
    return rows[:, :width] if same and (rows[:, is_digit] - np.uint8(_ZERO) <= 9).all() else None


def numbers_at(codes: Codes, span: tuple[int, int]) -> NDArray[np.int64]:
    """Return the number (text,) that the digits from ``span[0]`` up to ``span[1]`` make."""
    digits = codes[:, span[0] : span[1]].astype(np.int64) - _ZERO
    return np.asarray(digits @ (10 ** np.arange(digits.shape[1] - 1, -1, -1)))


def times_of(parts: Mapping[str, NDArray[np.int64]]) -> tuple[TimeArray, NDArray[np.bool_]]:
    """Return the times (text,) of years, months, days, hours, minutes, seconds and nanoseconds, and which exist.

    24:00 is the start of the next day.
    """
    months = ((parts["year"] - 1970) * 12 + parts["month"] - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (parts["day"] - 1)
    zeros = np.zeros(len(days), np.int64)
    hour, minute, seconds, nanoseconds = (
        parts.get(name, zeros) for name in ("hour", "minute", "seconds", "nanoseconds")
    )
    is_next = (hour == 24) & (minute == 0) & (seconds == 0) & (nanoseconds == 0)
    exist = (parts["month"] >= 1) & (parts["month"] <= 12) & (days.astype("datetime64[M]") == months)
    exist &= ((hour < 24) | is_next) & (minute < 60) & (seconds < 60)
    exist &= (days >= FIRST.astype("datetime64[D]")) & (days + is_next < LAST.astype("datetime64[D]"))
    clock = ((hour * 60 + minute) * 60 + seconds) * 10**9 + nanoseconds
    found = np.where(exist, days, np.datetime64("NaT", "D")).astype("datetime64[ns]") + clock.astype("timedelta64[ns]")
    return found, exist
