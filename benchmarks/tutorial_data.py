"""The series of the nine tutorials: formulas, and files in a folder.

Every loader takes that folder and raises `FileNotFoundError` if its file does not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Fixed, so that every seed of a network is evaluated on the same noise.
NOISE_SEED = 2024


@dataclass(frozen=True)
class TutorialSeries:
    """A series and the start of its test set.

    values: (time, target), in the series' own units.
    train_length: number of rows before the test set.
    dates: one ISO date per row if the tutorial splits by date; the service then receives ``test_start`` for its split.
    """

    values: FloatArray
    train_length: int
    targets: tuple[str, ...] = ("value",)
    dates: tuple[str, ...] | None = None
    test_start: str | None = None

    @property
    def train(self) -> FloatArray:
        """Rows before the split, (time, target)."""
        return self.values[: self.train_length]

    @property
    def test(self) -> FloatArray:
        """Rows from the split on, (time, target)."""
        return self.values[self.train_length :]

    @property
    def naive_rmse(self) -> float:
        """RMSE of "same as yesterday" on the test part."""
        yesterday = self.values[self.train_length - 1 : -1]
        return float(np.sqrt(np.mean((self.test - yesterday) ** 2)))


Loader = Callable[[Path], TutorialSeries]


def split_by_fraction(values: FloatArray, train_fraction: float) -> TutorialSeries:
    """Split a plain list of numbers; the first ``train_fraction`` is for training."""
    return TutorialSeries(values.reshape(-1, 1), train_length=int(len(values) * train_fraction))


def noisy_sine(_: Path) -> TutorialSeries:
    """Return sin(t) + N(0, 0.1) for t = 0, 0.1, .. below 100: 1,000 values, the last 20 % for test."""
    t = np.arange(1000) / 10
    return split_by_fraction(np.sin(t) + np.random.default_rng(NOISE_SEED).normal(0, 0.1, t.shape), 0.8)


def white_noise(_: Path) -> TutorialSeries:
    """Return N(0, 1) noise of the sine's length, which cannot be forecast."""
    return split_by_fraction(np.random.default_rng(NOISE_SEED + 1).normal(0, 1, 1000), 0.8)


def damped_sines(_: Path) -> TutorialSeries:
    """Return the damped sum of sines for t = 0, 0.1, .. below 200: 2,000 values, the last 20 % for test."""
    t = np.arange(2000) / 10
    sin = np.sin
    waves = sin(t) + 0.5 * sin(t / 10) + 0.25 * sin(2 * t) + 0.1 * sin(3 * t) + 0.5 * sin(t / 20) * sin(t / 15)
    ripples = 0.1 * sin(t / 5) ** 2 + 0.15 * sin(t / 8) * sin(t / 12) * sin(t / 20)
    return split_by_fraction(np.exp(-t / 100) * (waves + ripples), 0.8)


def integer_sine(_: Path) -> TutorialSeries:
    """Return sin(0), sin(1), .. sin(199); the last 50 values for test, as with the tutorial's 100 and 50 windows."""
    return split_by_fraction(np.sin(np.arange(200.0)), 0.75)


def stock_close(symbol: str) -> Loader:
    """Return a loader of one stock's five years of closes, 80 % for training."""

    def load(folder: Path) -> TutorialSeries:
        return split_by_fraction(column(folder / f"{symbol}_data.csv", "close"), 0.8)

    return load


def netflix_cumulative_return(folder: Path) -> TutorialSeries:
    """Return the cumulative return over the last 800 closes, 70 % for training.

    The cumulative product of 1 + daily return, minus 1: 0 on the first of the 800 days, 0.5 if the price has risen by
    half. It telescopes to close / first close - 1. Subtracting 1 changes no error and no scaled value.
    """
    close = column(folder / "NFLX_yahoo.csv", "Close")[-800:]
    return split_by_fraction(close / close[0] - 1, 0.7)


def tesla_open(folder: Path) -> TutorialSeries:
    """Return Tesla's opening price, the first 80 % for training."""
    return split_by_fraction(column(folder / "tsla.us.txt", "Open"), 0.8)


def mastercard_high(folder: Path) -> TutorialSeries:
    """Return Mastercard's daily high from 2016 on; 2016..2020 for training, 2021 for test, by date."""
    table = pd.read_csv(folder / "Mastercard_stock_history.csv", dtype={"Date": str})
    table = table[table["Date"] >= "2016-01-01"]
    dates = tuple(table["Date"])
    return TutorialSeries(
        table["High"].to_numpy(dtype=np.float64).reshape(-1, 1),
        train_length=sum(date < "2021-01-01" for date in dates),
        dates=dates,
        test_start="2021-01-01",
    )


def plane_path(folder: Path) -> TutorialSeries:
    """Return x and y of a path in the plane, one row per frame, the first 80 % for training."""
    table = pd.read_csv(folder / "trajectory_xy.csv")
    values = table[["x", "y"]].to_numpy(dtype=np.float64)
    return TutorialSeries(values, train_length=int(len(values) * 0.8), targets=("x", "y"))


def column(path: Path, name: str) -> FloatArray:
    """Read one column of a CSV file as numbers, oldest row first."""
    return pd.read_csv(path)[name].to_numpy(dtype=np.float64)
