import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import UnknownFrequency
from service.forecasting.series.frequency import (
    alias_of_step,
    aliases_of,
    is_current,
    quarter_alias,
    season_length_of,
    step_of,
    unit_of,
)
from service.forecasting.series.grid import Grid, date_range
from service.forecasting.series.grid_inference import infer
from service.forecasting.series.time_format import TimestampFormat

HOUR = 3600 * 10**9
FORM = TimestampFormat()


@pytest.mark.parametrize(
    ("written", "alias"),
    [
        ("M", "ME"),
        ("ME", "ME"),
        ("Q", "QE-DEC"),
        ("QE", "QE-DEC"),
        ("Q-DEC", "QE-DEC"),
        ("Q-MAR", "QE-MAR"),
        ("A", "YE-DEC"),
        ("Y", "YE-DEC"),
        ("YE", "YE-DEC"),
        ("A-JUN", "YE-JUN"),
        ("AS", "YS-JAN"),
        ("YS", "YS-JAN"),
        ("QS", "QS-JAN"),
        ("QS-OCT", "QS-OCT"),
        ("MS", "MS"),
        ("BM", "BME"),
        ("BME", "BME"),
        ("BQ", "BQE-DEC"),
        ("BA", "BYE-DEC"),
        ("BY", "BYE-DEC"),
        ("H", "h"),
        ("2H", "2h"),
        ("T", "min"),
        ("15T", "15min"),
        ("15min", "15min"),
        ("S", "s"),
        ("L", "ms"),
        ("W", "W-SUN"),
        ("4W", "4W-SUN"),
        ("W-MON", "W-MON"),
        ("B", "B"),
        ("D", "D"),
        ("1D", "D"),
        ("WOM-3FRI", "WOM-3FRI"),
    ],
)
def test_old_and_new_aliases_become_current_ones_that_pandas_takes(written: str, alias: str) -> None:
    assert aliases_of(written, ("freq",))[0] == alias
    assert pd.tseries.frequencies.to_offset(alias) is not None
    assert is_current(alias)


def test_bare_letters_mean_any_anchor_and_explicit_ones_only_themselves() -> None:
    assert aliases_of("M", ()) == ("ME", "MS")
    assert aliases_of("ME", ()) == ("ME",)
    assert set(aliases_of("W", ())) == {f"W-{day}" for day in ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")}
    assert aliases_of("W-TUE", ()) == ("W-TUE",)
    assert aliases_of("2Q", ())[::3] == ("2QE-DEC", "2QS-JAN")


@pytest.mark.parametrize(
    "written",
    ["", "fortnight", "m", "X", "15", "-1D", "0D", "1.5h", "W-DEC", "Q-MON", "WOM", "MS-JAN", "D D", "9" * 30 + "D"],
)
def test_unknown_aliases_are_refused_with_common_ones(written: str) -> None:
    with pytest.raises(UnknownFrequency) as caught:
        aliases_of(written, ("series", "freq"))
    assert caught.value.faults[0].path == ("series", "freq")
    assert "W-MON" in caught.value.detail or "200 years" in caught.value.detail


@pytest.mark.parametrize(
    ("freq", "season"),
    [
        ("h", 24),
        ("2h", 12),
        ("24h", 7),
        ("15min", 96),
        ("30min", 48),
        ("60min", 24),
        ("min", 60),
        ("s", 60),
        ("D", 7),
        ("7D", 52),
        ("B", 5),
        ("W-SUN", 52),
        ("4W-MON", 13),
        ("ME", 12),
        ("3MS", 4),
        ("QE-DEC", 4),
        ("YS-JAN", 1),
        ("ms", None),
        ("7min", None),
        ("5h", None),
        ("2D", None),
    ],
)
def test_season_length(freq: str, season: int | None) -> None:
    assert season_length_of(freq) == season


def test_steps_and_units() -> None:
    assert step_of("2h") == 2 * HOUR
    assert step_of("W-MON") == 168 * HOUR
    assert step_of("B") is None
    assert (unit_of("YE-DEC"), unit_of("QS-JAN"), unit_of("B"), unit_of("15min"), unit_of("s")) == (
        "Y",
        "Q",
        "D",
        "m",
        "s",
    )
    assert alias_of_step(168 * HOUR, 2) == "W-WED"
    assert alias_of_step(36 * HOUR, 0) == "36h"
    assert quarter_alias("QS", 9) == "QS-JAN"
    with pytest.raises(ValueError, match="no current"):
        step_of("M")


@pytest.mark.parametrize(
    "freq",
    [
        *("YE-DEC", "YS-JAN", "5YS-JAN", "YE-JUN", "BYE-DEC", "QE-DEC", "QS-JAN", "QS-FEB", "BQE-NOV"),
        *("ME", "MS", "2MS", "BME", "BMS", "WOM-2TUE", "W-SUN", "W-WED", "2W-FRI"),
        *("B", "D", "3D", "h", "6h", "15min", "min", "10s", "250ms", "us", "ns"),
    ],
)
@pytest.mark.parametrize("missing", [(), (5,), (7, 8, 20)])
def test_inference_finds_the_grid_with_and_without_gaps(freq: str, missing: tuple[int, ...]) -> None:
    grid = np.asarray(pd.date_range("1999-12-31 00:00", periods=40, freq=freq, unit="ns").to_numpy())
    found = infer(np.delete(grid, missing), FORM)
    assert found is not None
    assert np.array_equal(found.grid.range(found.times[0], found.length), grid)
    assert np.array_equal(grid[found.positions], found.times)
    assert found.grid.freq == freq


@given(
    step=st.sampled_from(["MS", "ME", "W-MON", "D", "h", "15min"]),
    kept=st.sets(st.integers(0, 59), min_size=2),
)
def test_inferred_grid_always_holds_all_times(step: str, kept: set[int]) -> None:
    grid = np.asarray(pd.date_range("2021-03-01", periods=60, freq=step, unit="ns").to_numpy())
    times = grid[sorted(kept)]
    found = infer(times, FORM)
    assert found is not None
    assert found.length >= len(times)
    assert np.array_equal(found.grid.range(times[0], found.length)[found.positions], times)


def test_two_rows_prefer_the_calendar_to_a_number_of_days() -> None:
    for first, second, freq in [
        ("2024-01-01", "2024-02-01", "MS"),
        ("2024-01-31", "2024-02-29", "ME"),
        ("2023-01-01", "2024-01-01", "YS-JAN"),
        ("2024-01-01", "2024-04-01", "QS-JAN"),
        ("2024-01-01", "2024-01-08", "W-MON"),
        ("1700-01-01", "2200-01-01", "500YS-JAN"),
        ("2024-01-01", "2024-01-03", "2D"),
    ]:
        found = infer(np.array([first, second], dtype="datetime64[ns]"), FORM)
        assert found is not None
        assert found.grid.freq == freq


def test_times_off_the_grid_are_not_placed() -> None:
    times = np.array(["2024-01-01", "2024-01-02", "2024-01-04"], dtype="datetime64[ns]")
    assert Grid("2D", FORM).locate(times) is None
    assert Grid("W-MON", FORM).locate(times) is None
    assert Grid("W-SUN", FORM).locate(times) is None
    assert Grid("MS", FORM).locate(times) is None
    placed = Grid("D", FORM).locate(times)
    assert placed is not None
    assert placed.positions.tolist() == [0, 1, 3]


def test_months_are_moved_to_where_the_frequency_has_them() -> None:
    months = np.array(["1949-01", "1949-02"], dtype="datetime64[M]").astype("datetime64[ns]")
    assert Grid("ME", FORM).snap(months, "M").astype("datetime64[D]").astype(str).tolist() == [
        "1949-01-31",
        "1949-02-28",
    ]
    assert np.array_equal(Grid("ME", FORM).snap(months, "D"), months)
    assert np.array_equal(Grid("QE-DEC", FORM).snap(months, "M"), months)


def test_walking_beyond_what_nanoseconds_hold_is_an_overflow() -> None:
    for freq in ("YE-DEC", "D", "ME", "W-MON", "73200YS-JAN"):
        with pytest.raises(OverflowError):
            date_range(freq, np.datetime64("2255-12-31", "ns"), 100_000)
