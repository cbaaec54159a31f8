"""Where the validation part before the split starts: a fifth before it, or a year where a series is long."""

from __future__ import annotations

import numpy as np
import pytest

from service.errors import Path
from service.forecasting.config.options import TrainOptions, ValidationFraction
from service.forecasting.preprocessing.splits import Split, split_series
from service.forecasting.series.row_placement import axis_from_start
from service.forecasting.series.series import Panel, Series
from service.forecasting.training.planning import plan_training

PATH: Path = ("series",)


def series(length: int, freq: str | None) -> Series:
    times = axis_from_start("2001-01-01", freq, length, ("series", "start")) if freq else None
    return Series(np.sin(np.arange(float(length)))[:, None], None, times)


def split(length: int, freq: str | None, reach: int = 1) -> Split:
    return split_series(series(length, freq), ValidationFraction(fraction=0.2), PATH, reach)


@pytest.mark.parametrize(
    ("freq", "length", "year"), [("D", 1000, 365), ("D", 1500, 365), ("h", 30_000, 8766), ("B", 1300, 261)]
)
def test_a_long_series_is_validated_over_a_year(freq: str, length: int, year: int) -> None:
    found = split(length, freq)
    assert found.test == length * 4 // 5
    assert found.test - found.stopping == year
    assert found.usual_stopping == found.test * 4 // 5


def test_an_hourly_series_of_less_than_two_years_is_validated_over_half_of_it() -> None:
    found = split(15_000, "h")
    assert found.stopping == found.test // 2


@pytest.mark.parametrize(
    ("freq", "length", "reach"),
    [("D", 900, 1), ("h", 8000, 1), ("MS", 3000, 1), ("W", 3000, 1), (None, 3000, 1), ("D", 1000, 120)],
)
def test_other_series_are_validated_over_a_fifth(freq: str | None, length: int, reach: int) -> None:
    """Two years are not known, too few rows would be left to fit on, or rows are longer than days."""
    found = split(length, freq, reach)
    assert found.stopping == found.usual_stopping


def test_a_year_of_validation_has_no_more_epochs() -> None:
    """Epochs, which later fits repeat, are those of as many rows without times."""
    long, plain = (
        plan_training(Panel((series(1000, freq),), ("value",)), TrainOptions(horizon=7)) for freq in ("D", None)
    )
    assert long.splits[0].stopping < plain.splits[0].stopping
    assert long.choice.specification.training.epochs == plain.choice.specification.training.epochs
