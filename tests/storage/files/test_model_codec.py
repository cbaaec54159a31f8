"""Model files: whole ones come back the same, hostile ones are refused without harm."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.errors import ForecastTooLarge, InvalidModelFile
from service.forecasting.forecaster.codec import forecaster_state
from service.forecasting.intervals.error_prior import EARLIER
from service.forecasting.intervals.forecast import Bands
from service.forecasting.series.row_placement import axis_from_start
from service.forecasting.series.series import Panel, Series
from service.forecasting.training.train import Trained, train
from service.storage.files.model_codec import (
    Retraining,
    TrainingInput,
    load_forecaster,
    model_file,
    read_training_input,
    training_input_file,
)
from service.storage.files.model_file import read_model_file, write_model_file
from tests.factories import items, noisy_sine, options, panel

BANDS = Bands((80.0,))


@pytest.fixture(scope="module")
def trained() -> Trained:
    values = noisy_sine(120)
    times = axis_from_start("2024-01-01", "D", 120, ("series", "start"))
    one = Panel((Series(np.stack([values, values**2], axis=1), None, times),), ("x",), ("y",))
    return train(one, options(training={"ensemble_size": 2}))


def test_a_model_comes_back_the_same(trained: Trained) -> None:
    loaded = load_forecaster(model_file(trained.forecaster, {"skill": 0.5}))
    before, after = trained.forecaster.forecast(9, BANDS)[0], loaded.forecast(9, BANDS)[0]
    assert np.array_equal(before.mean, after.mean)
    np.testing.assert_allclose(before.intervals[80.0][0], after.intervals[80.0][0], rtol=1e-6)
    assert before.times
    assert after.times
    assert before.times.written() == after.times.written()
    assert loaded.specification == trained.forecaster.specification
    assert loaded.errors.prior == trained.forecaster.errors.prior != EARLIER


def test_a_model_of_an_earlier_version_has_the_prior_of_that_time(trained: Trained) -> None:
    state, arrays = forecaster_state(trained.forecaster)
    without = {name: value for name, value in state.items() if name != "error_prior"}
    loaded = load_forecaster(write_model_file({"forecaster": without, "model": {}}, arrays))
    assert loaded.errors.prior == EARLIER


def test_many_items_come_back_the_same() -> None:
    forecaster = train(items(noisy_sine(60), noisy_sine(90, seed=1)), options()).forecaster
    loaded = load_forecaster(model_file(forecaster, {}))
    for one, other in zip(forecaster.forecast(4, BANDS), loaded.forecast(4, BANDS), strict=True):
        assert one.item == other.item
        assert np.array_equal(one.mean, other.mean)


def test_the_same_training_makes_the_same_file() -> None:
    files = [model_file(train(panel(noisy_sine(80)), options()).forecaster, {}) for _ in range(2)]
    assert files[0] == files[1]


State = dict[str, Any]
BIAS = "network.0.head.bias"
SPOILINGS: dict[str, Callable[[State, State], Any]] = {
    "no specification": lambda state, arrays: state.pop("specification"),
    "unknown cell": lambda state, arrays: state["specification"]["network"].update(cell="os.system"),
    "huge network": lambda state, arrays: state["specification"]["network"].update(hidden_size=10**9),
    "large network": lambda state, arrays: state["specification"]["network"].update(hidden_size=10**6),
    "many layers": lambda state, arrays: state["specification"]["network"].update(num_layers=10**9),
    "one layer more": lambda state, arrays: state["specification"]["network"].update(num_layers=2),
    "negative size": lambda state, arrays: state["specification"]["network"].update(hidden_size=-1),
    "many members": lambda state, arrays: state["specification"]["training"].update(ensemble_size=10**9),
    "one member more": lambda state, arrays: state["specification"]["training"].update(ensemble_size=3),
    "unknown option": lambda state, arrays: state["specification"].update(more=1),
    "huge context": lambda state, arrays: state["specification"].update(context_length=10**12),
    "long context": lambda state, arrays: state["specification"].update(context_length=10**4),
    "other chunk": lambda state, arrays: state["specification"].update(output_chunk_length=4),
    "no tails": lambda state, arrays: arrays.pop("tails"),
    "infinite tails": lambda state, arrays: arrays.update(tails=arrays["tails"] / 0),
    "logarithms of what is below 0": lambda state, arrays: state["specification"].update(transform="log"),
    "missing weight": lambda state, arrays: arrays.pop(BIAS),
    "wrong shape": lambda state, arrays: arrays.update({BIAS: arrays[BIAS][:-1]}),
    "infinite weight": lambda state, arrays: arrays.update({BIAS: arrays[BIAS] / 0}),
    "weights of text": lambda state, arrays: arrays.update({BIAS: np.zeros(len(arrays[BIAS]), bool)[:, None]}),
    "zero scale": lambda state, arrays: arrays.update({"scaler.scale": arrays["scaler.scale"] * 0}),
    "missing item": lambda state, arrays: state["tails"].update(items=[]),
    "rows that lie": lambda state, arrays: state["tails"]["items"][0].update(length=10**9),
    "times that lie": lambda state, arrays: state["tails"]["items"][0].update(times={"freq": "os.system"}),
    "times of text": lambda state, arrays: state["tails"]["items"][0].update(times="now"),
    "items of text": lambda state, arrays: state["tails"].update(items="abc"),
    "errors without steps": lambda state, arrays: arrays.update(errors=arrays["errors"][:, :0]),
    "infinite errors": lambda state, arrays: arrays.update(errors=arrays["errors"] / 0),
    "no difficulty": lambda state, arrays: arrays.update(difficulty=arrays["difficulty"] * 0),
    "difficulties of nobody": lambda state, arrays: arrays.update(difficulty=arrays["difficulty"][:0]),
    "a unit whose product with an error is no number": lambda state, arrays: arrays.update(unit=arrays["unit"] * 1e200),
    "errors beyond all": lambda state, arrays: arrays.update(errors=arrays["errors"].astype(float) * 1e200),
    "a prior of nobody": lambda state, arrays: state["error_prior"].update(level=[1.0] * 3),
    "a prior of text": lambda state, arrays: state.update(error_prior="none"),
    "a prior beyond all": lambda state, arrays: state["error_prior"].update(growth=[1e9]),
    "huge unit": lambda state, arrays: arrays.update(unit=arrays["unit"] / 0),
}


@pytest.mark.parametrize("how", SPOILINGS)
def test_a_file_with_a_right_checksum_and_lies_inside_is_refused(trained: Trained, how: str) -> None:
    state, arrays = forecaster_state(trained.forecaster)
    state, arrays = copy.deepcopy(state), dict(arrays)
    with np.errstate(divide="ignore"):
        SPOILINGS[how](state, arrays)
    with pytest.raises(InvalidModelFile, match="no model of this service"):
        load_forecaster(write_model_file({"forecaster": state, "model": {}}, arrays))


def test_a_forecast_that_is_no_number_is_refused(trained: Trained) -> None:
    [item] = trained.forecaster.items
    spoiled = replace(item, scaler=replace(item.scaler, scale=item.scaler.scale * np.inf))
    with pytest.raises(ForecastTooLarge):
        replace(trained.forecaster, items=(spoiled,)).forecast(3, BANDS)


def test_workers_of_earlier_versions_can_read_the_input_of_a_training_without_a_parent() -> None:
    content = TrainingInput("m", "sales", panel(noisy_sine(50)), options(), {}, ())
    assert "retraining" not in read_model_file(training_input_file(content)).record
    retraining = Retraining("p", 1, 3, "warm", "request", (40,), (0,))
    assert read_training_input(training_input_file(replace(content, retraining=retraining))).retraining == retraining


def test_a_training_input_comes_back_the_same() -> None:
    values = noisy_sine(50)
    values[7] = np.nan
    content = TrainingInput("m", "sales", panel(values), options(), {"freq": "D"}, ("note",))
    back = read_training_input(training_input_file(content))
    np.testing.assert_array_equal(back.panel.series[0].values, content.panel.series[0].values)
    assert (back.model_id, back.name, back.options, back.series, back.warnings) == (
        content.model_id,
        content.name,
        content.options,
        content.series,
        content.warnings,
    )
