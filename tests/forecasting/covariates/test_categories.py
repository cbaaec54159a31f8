"""Categories as columns of 0 and 1, in the panel of a training and in the terms of a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder

from service.errors import InvalidSeries
from service.forecasting.config.options import TrainOptions
from service.forecasting.covariates.categories import indicator_names, original_names, with_indicators
from service.forecasting.forecaster.codec import forecaster_state, restore_forecaster
from service.forecasting.series.series import Panel, Series, panel_state, restore_panel
from service.forecasting.training.planning import plan_training
from service.forecasting.training.train import train

KINDS = np.random.default_rng(0).choice(["a", "b", "c"], 60)
LABELS = {"kind": ("a", "b", "c")}
PLACES = np.searchsorted(LABELS["kind"], KINDS).astype(float)
OPTIONS = TrainOptions.model_validate({"horizon": 2, "season_length": 1, "transform": "none", "candidates": ["mean"]})


def panel(kinds: list[float], **more: object) -> Panel:
    values = np.stack([20 * PLACES + np.arange(60) % 5, np.asarray(kinds)], axis=1)
    return replace(Panel((Series(values),), ("y",), ("kind",), (), LABELS), **more)  # type: ignore[arg-type]


def test_they_are_those_of_scikit_learn() -> None:
    encoder = OneHotEncoder(categories=[["a", "b", "c"]], handle_unknown="ignore", sparse_output=False)
    sent = np.array([*KINDS, "unknown"], dtype=object)[:, None]
    expected = encoder.fit_transform(sent)
    values = np.stack([np.arange(61), np.append(PLACES, -1)], axis=1)
    encoded = with_indicators(values, ["y", "kind"], LABELS)
    np.testing.assert_array_equal(encoded, np.column_stack([np.arange(61), expected]))
    missing = with_indicators(np.array([[1, np.nan]]), ["y", "kind"], LABELS)
    np.testing.assert_array_equal(missing, [[1, np.nan, np.nan, np.nan]])


def test_names() -> None:
    names = indicator_names(["y", "kind", "x"], LABELS)
    assert names == ("y", "kind=a", "kind=b", "kind=c", "x")
    assert original_names(names, LABELS) == ("y", "kind", "x")


def test_a_category_named_like_another_column_is_refused() -> None:
    both = Panel((Series(np.zeros((60, 3))),), ("y",), ("kind", "kind=a"), (), LABELS)
    with pytest.raises(InvalidSeries, match="'kind=a' is the name of two columns"):
        plan_training(both, OPTIONS)


def test_labels_are_stored_with_the_panel() -> None:
    record, arrays = panel_state(panel(PLACES.tolist()))
    assert restore_panel(record, arrays["values"]).labels == LABELS


def test_gaps_and_columns_that_do_not_change() -> None:
    gaps = PLACES.copy()
    gaps[[7, 20, 21]] = np.nan
    plan = plan_training(panel(gaps.tolist(), covariates=(), future_covariates=("kind",)), OPTIONS)
    ahead = plan.panel.series[0].ahead
    assert ahead is not None
    np.testing.assert_array_equal(ahead[:, :3].sum(axis=1), np.ones(60))  # filled with the last category
    np.testing.assert_array_equal(ahead[21, :3], ahead[19, :3])
    constant = plan_training(panel([1.0] * 60), OPTIONS)
    assert constant.choice.specification.constant_covariates == {"kind": "b"}
    assert constant.choice.specification.categories == {}
    assert constant.panel.columns == ("y",)
    assert "kind is 'b' in all rows, so it is not used" in constant.warnings


def test_a_model_is_restored_and_takes_labels_in_any_order() -> None:
    trained = train(panel(PLACES.tolist(), covariates=(), future_covariates=("kind",)), OPTIONS)
    record, arrays = forecaster_state(trained.forecaster)
    restored = restore_forecaster(record, arrays)
    assert restored.specification.categories == LABELS
    same = panel(PLACES.tolist(), covariates=(), future_covariates=("kind",))
    reversed_places = [2 - place for place in PLACES]
    other = panel(reversed_places, covariates=(), future_covariates=("kind",), labels={"kind": ("c", "b", "a")})
    [one], [two] = restored.align(same, ("series",)), restored.align(other, ("series",))
    np.testing.assert_array_equal(one.series.ahead, two.series.ahead)


def test_a_file_whose_categories_do_not_fit_is_refused() -> None:
    trained = train(panel(PLACES.tolist()), OPTIONS)
    assert trained.forecaster.covariates == ("kind=a", "kind=b", "kind=c")
    assert trained.forecaster.past_covariates == ("kind",)
    record, arrays = forecaster_state(trained.forecaster)
    assert restore_forecaster(record, arrays).covariates == trained.forecaster.covariates
    for labels in (["a", "b", "c", "d"], ["c", "b", "a"], ["a", "a", "b"]):
        record["specification"]["categories"] = {"kind": labels}
        with pytest.raises(ValueError, match="categories"):
            restore_forecaster(record, arrays)
