"""Intervals of a panel whose items are not equally difficult."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service.forecasting.config.options import TrainOptions
from service.forecasting.evaluation.error_scale import calibrate
from service.forecasting.evaluation.rolling import RollingForecasts, evaluated_item, roll_model
from service.forecasting.forecaster.codec import forecaster_state, restore_forecaster
from service.forecasting.intervals.forecast import Bands
from service.forecasting.series.series import FloatArray, Panel, Series
from service.forecasting.training.train import Trained, train

BANDS = Bands((80.0, 95.0))
HORIZON, LENGTH = 4, 120
# Deviations of the noise: what items change by from row to row is their slope, which tells nothing of it.
EASY, HARD = 0.05, 3.0
PAIRS = [(EASY, HARD), (HARD, EASY), (HARD, HARD), (EASY, EASY)]


def slope(noise: float, seed: int, length: int = LENGTH) -> FloatArray:
    """Values that rise alike, whatever noise there is beside."""
    return np.asarray(10 * np.arange(length) + np.random.default_rng(seed).normal(0, noise, length))


def asked(**changes: Any) -> TrainOptions:
    chosen = {"horizon": HORIZON, "season_length": 1, "transform": "none", "candidates": ["drift"], **changes}
    return TrainOptions.model_validate(chosen)


def mixed(seed: int = 0, count: int = 6, length: int = LENGTH) -> Panel:
    """Half of the items easy, half hard, with kinds that say which."""
    items = [
        Series(
            slope(noise, 100 * seed + row, length)[:, None],
            f"item-{row}",
            static={"kind": "easy" if noise == EASY else "hard"},
        )
        for row, noise in enumerate([EASY, HARD] * (count // 2))
    ]
    return Panel(tuple(items), ("value",))


def heads(panel: Panel, rows: int) -> Panel:
    return Panel(tuple(one.head(rows) for one in panel), panel.targets)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train(mixed(), asked())


def width(trained: Trained, item: int, level: float = 80.0) -> float:
    low, high = trained.forecaster.forecast(HORIZON, BANDS)[item].intervals[level]
    return float((high - low).mean())


def test_easy_and_hard_items_are_covered_alike() -> None:
    """Each kind within four binomial deviations of the promise, the steps of a forecast counted as two."""
    held: dict[str, list[FloatArray]] = {"easy": [], "hard": []}
    for seed in range(12):
        whole = mixed(seed)
        cut = train(heads(whole, LENGTH - HORIZON), asked())
        for one, forecast in zip(whole, cut.forecaster.forecast(HORIZON, BANDS), strict=True):
            actual = one.values[-HORIZON:, 0]
            ends = [forecast.intervals[level] for level in BANDS.levels]
            held[one.static["kind"]].append(np.array([(low <= actual) & (actual <= high) for low, high in ends]))
    for inside in held.values():
        measured = np.mean(inside, axis=(0, 2))
        for level, share in zip((0.8, 0.95), measured, strict=True):
            assert abs(share - level) <= 4 * np.sqrt(level * (1 - level) / (2 * len(inside)))


def test_an_easy_item_has_narrow_intervals_and_a_hard_one_wide_ones(trained: Trained) -> None:
    easy, hard = ([width(trained, item) for item in range(first, 6, 2)] for first in (0, 1))
    assert max(easy) < 0.2 * min(hard)
    for item, noise in enumerate([EASY, HARD] * 3):
        assert width(trained, item, 95.0) > width(trained, item, 80.0)
        assert 0.5 < width(trained, item) / (2 * 1.28 * np.sqrt(2) * noise) < 2  # two ends of an 80 % interval


def test_a_new_item_is_taken_for_one_of_its_kind_or_for_any(trained: Trained) -> None:
    forecaster = trained.forecaster

    def width_of(kind: dict[str, str]) -> float:
        sent = Panel((Series(slope(EASY, 77)[:, None], "new", static=kind),), ("value",))
        low, high = forecaster.forecast(HORIZON, BANDS, sent)[0].intervals[80.0]
        return float((high - low).mean())

    easy, hard, unknown = width_of({"kind": "easy"}), width_of({"kind": "hard"}), width_of({})
    assert easy < 0.2 * hard
    assert easy < unknown < hard


def test_error_factors_are_stored(trained: Trained) -> None:
    state, arrays = forecaster_state(trained.forecaster)
    restored = restore_forecaster(state, arrays)
    for one, other in zip(restored.items, trained.forecaster.items, strict=True):
        np.testing.assert_array_equal(one.error_factor, other.error_factor)
    assert restored.items[0].error_factor[0] < 1 < restored.items[1].error_factor[0]


def test_a_file_from_before_difficulties_is_read(trained: Trained) -> None:
    state, arrays = forecaster_state(trained.forecaster)
    restored = restore_forecaster(state, {name: array for name, array in arrays.items() if name != "difficulty"})
    assert all(np.all(item.error_factor == 1) for item in restored.items)
    for one, other in zip(restored.forecast(3, BANDS), trained.forecaster.forecast(3, BANDS), strict=True):
        np.testing.assert_array_equal(one.intervals[95.0], other.intervals[95.0])


@pytest.mark.parametrize("candidates", [["drift"], ["network", "drift"]])
def test_nothing_after_the_split_changes_the_intervals_that_are_scored_there(candidates: list[str]) -> None:
    """One row of 20 that jumps takes one hit of 20 from each item, and none of the others."""
    options = asked(horizon=1, validation={"steps": 20}, candidates=candidates, context_length=4)
    panel = mixed()
    jumped = []
    for one in panel:
        values = one.values.copy()
        values[-1] = 1e6
        jumped.append(Series(values, one.item, static=one.static))
    plain, other = (train(each, options).score.overall.coverage for each in (panel, Panel(tuple(jumped), ("value",))))
    for level in ("80", "95"):
        before, after = plain[level] or 0.0, other[level] or 0.0
        assert before - 1 / 20 - 1e-9 <= after <= before + 1e-9
        assert after > 0.5


def rolled(trained: Trained, panel: Panel, first: int) -> list[RollingForecasts]:
    forecaster = trained.forecaster
    origins = np.arange(first, LENGTH - 2)
    items = [evaluated_item(forecaster, item, one, origins) for item, one in zip(forecaster.items, panel, strict=True)]
    return roll_model(forecaster, items, HORIZON)


def test_an_error_is_not_counted_in_what_it_says_itself(trained: Trained) -> None:
    """The error factor grows with one origin's errors, the scale of overlapping origins does not."""
    forecasts = rolled(trained, mixed(), 60)
    units = calibrate(forecasts).errors.errors
    errors = forecasts[0].errors.copy()
    errors[20] *= 3
    changed = [
        RollingForecasts(forecasts[0].evaluated, forecasts[0].actual, forecasts[0].transformed, errors),
        *forecasts[1:],
    ]
    after = calibrate(changed)
    assert after.factors[0, 0] > calibrate(forecasts).factors[0, 0]
    overlapping = np.arange(20 - HORIZON + 1, 20 + HORIZON)
    ratio = (errors / after.errors.errors[: len(errors)]) / (forecasts[0].errors / units[: len(errors)])
    known = ~np.isnan(ratio[:, 0, 0])
    near = np.isin(np.arange(len(errors)), overlapping)
    others = np.median(ratio[~near & known, 0, 0])
    assert others > np.max(ratio[near & known, 0, 0])


def test_of_one_item_nothing_is_changed(trained: Trained) -> None:
    alone = rolled(trained, mixed(), 60)[:1]
    calibration = calibrate(alone)
    assert calibration.factors.tolist() == [[1.0]]
    np.testing.assert_array_equal(calibration.errors.errors, alone[0].errors)


@pytest.mark.parametrize("length", [24, LENGTH])
def test_chance_alone_makes_no_item_difficult(length: int) -> None:
    """Items that are alike: those of few origins are drawn to all, of many origins chance is little."""
    alike = Panel(tuple(Series(slope(HARD, seed, length)[:, None], f"item-{seed}") for seed in range(8)), ("value",))
    factors = np.array([item.error_factor for item in train(alike, asked()).forecaster.items])
    assert np.all((factors > 0.65) & (factors < 1.5))


def test_items_without_any_error_to_measure_are_as_difficult_as_all() -> None:
    panel = Panel((*mixed(), Series(np.full((8, 1), 3.0), "short")), ("value",))
    forecasts = train(panel, asked()).forecaster.forecast(HORIZON, BANDS)
    assert all(np.isfinite(one.intervals[95.0]).all() for one in forecasts)


def test_each_target_of_an_item_has_its_own_error_factor() -> None:
    rows = [np.stack([slope(one, row), slope(other, 50 + row)], axis=1) for row, (one, other) in enumerate(PAIRS)]
    rows[0][20:23, 0] = np.nan
    panel = Panel(tuple(Series(values, f"item-{row}") for row, values in enumerate(rows)), ("a", "b"))
    factors = np.array([item.error_factor for item in train(panel, asked()).forecaster.items])
    np.testing.assert_array_equal(factors < 1, np.array(PAIRS) == EASY)
