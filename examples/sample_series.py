"""Generate the examples of the web page from a seed: `python -m examples.sample_series`."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

PLACE = Path(__file__).parent.parent / "service" / "web" / "examples"


def museum_visitors() -> str:
    """Twelve years of months: growth, a summer season, one year of construction works."""
    numbers = np.random.default_rng(7)
    months = np.arange(144)
    season = 1 + 0.34 * np.sin(2 * np.pi * (months - 3) / 12) + 0.08 * np.sin(4 * np.pi * months / 12)
    works = np.where((months >= 68) & (months < 80), 0.8, 1.0)
    visitors = 9000 * np.exp(0.0055 * months) * season * works * np.exp(numbers.normal(0, 0.045, 144))
    rows = (f"{2013 + month // 12}-{month % 12 + 1:02d},{visitors[month]:.0f}" for month in months)
    return "\n".join(["month,visitors", *rows, ""])


def electric_load() -> str:
    """Seven weeks of hours: a daily pattern that is flatter on weekends, and persistent weather."""
    numbers = np.random.default_rng(11)
    hours = np.arange(7 * 7 * 24)
    weather = np.zeros(len(hours))
    for hour in hours[1:]:
        weather[hour] = 0.97 * weather[hour - 1] + numbers.normal(0, 6)
    daily = 90 * np.sin(2 * np.pi * (hours % 24 - 8) / 24) + 45 * np.sin(4 * np.pi * (hours % 24 - 5) / 24)
    weekday = np.where(hours // 24 % 7 < 5, 1.0, 0.55)
    load = 620 + daily * weekday + 40 * weekday + weather + numbers.normal(0, 7, len(hours))
    start = datetime(2025, 3, 3)
    rows = (f"{start + timedelta(hours=int(hour)):%Y-%m-%d %H:%M},{load[hour]:.1f}" for hour in hours)
    return "\n".join(["time,megawatts", *rows, ""])


def three_shops() -> str:
    """Eight months of days in three shops with the same weekly pattern."""
    numbers = np.random.default_rng(3)
    week = np.array([0.82, 0.86, 0.92, 1.0, 1.25, 1.5, 0.65])
    lines = ["date,shop,units"]
    for shop, size, trend in (("harbour", 120, 0.0012), ("market", 74, 0.0), ("station", 210, -0.0007)):
        for day in range(240):
            expected = size * week[day % 7] * np.exp(trend * day)
            lines.append(f"{date(2025, 1, 6) + timedelta(days=day)},{shop},{numbers.poisson(expected)}")
    return "\n".join([*lines, ""])


SERIES = {
    "museum_visitors.csv": museum_visitors,
    "electric_load.csv": electric_load,
    "three_shops.csv": three_shops,
}
"""The files, and the function that generates each."""


def main() -> None:
    """Write all files."""
    PLACE.mkdir(exist_ok=True)
    for name, make in SERIES.items():
        (PLACE / name).write_text(make())


if __name__ == "__main__":
    main()
