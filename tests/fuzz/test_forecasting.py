"""Series of any numbers: each trains and forecasts finite numbers, or is refused with a reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import ValidationError

from service.api.input.series_input import read_panel
from service.api.output.problems import invalid, status_of
from service.api.schemas.training import TrainRequest
from service.errors import ServiceError
from service.forecasting.intervals.forecast import Bands
from service.forecasting.intervals.sample_paths import Draw
from service.forecasting.series.series import LARGEST, FloatArray
from service.forecasting.training.train import Trained, train
from service.storage.files.model_codec import load_forecaster, model_file
from service.worker.train_job import trained_record
from tests.api.contract import check_finite
from tests.factories import QUICK
from tests.fuzz.rounds import fuzz

pytestmark = pytest.mark.fuzz

_LONGEST = 5000
_EXTREME = st.sampled_from(
    [0.0, -0.0, 5e-324, -5e-324, 2.2e-308, 1e-160, 1e-9, 1.0, -1.0, 1e9, 1e154, LARGEST, -LARGEST]
)
_ANY = _EXTREME | st.floats(-LARGEST, LARGEST) | st.floats(-1e6, 1e6)
_LENGTHS = st.integers(0, 40) | st.integers(0, 300) | st.sampled_from([999, 1000, _LONGEST])


@st.composite
def _series(draw: st.DrawFn) -> FloatArray:
    """Constants, steps, alternations, spikes, slopes and noise of any size; some with missing values."""
    length = draw(_LENGTHS)
    level, size = draw(_ANY), draw(_ANY)
    steps = np.arange(length)
    noise = np.random.default_rng(draw(st.integers(0, 99))).normal(size=length)
    kinds: dict[str, Any] = {
        "constant": np.full(length, level),
        "alternating": np.where(steps % 2, level, size),
        "step": np.where(steps < length // 2, level, size),
        "spike": np.where(steps == draw(st.integers(0, max(0, length - 1))), size, level),
        "slope": level + size / max(1, length) * steps,
        "noise": level + size * noise,
        "growth": level * 10.0 ** (steps / max(1, length) * draw(st.integers(-90, 90))),
        "season": level + size * np.sin(steps * 2 * np.pi / draw(st.integers(2, 30))),
        "few values": draw(hnp.arrays(np.float64, min(length, 60), elements=_ANY)),
        "any floats": draw(hnp.arrays(np.float64, min(length, 60), elements=st.floats())),
    }
    with np.errstate(all="ignore"):
        values = np.asarray(kinds[draw(st.sampled_from(sorted(kinds)))], np.float64)
    if len(values) and draw(st.integers(0, 3)) == 0:
        values[noise[: len(values)] > draw(st.floats(-1, 3))] = np.nan
    return values


_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "horizon": st.sampled_from([1, 3, 24]),
        "context_length": st.sampled_from([1, 8, 30]),
        "season_length": st.sampled_from([None, 1, 2, 12]),
        "transform": st.sampled_from(["auto", "none", "log", "difference", "log_difference"]),
        "scaling": st.sampled_from(["auto", "minmax", "standard", "robust", "none"]),
        "centering": st.sampled_from(["auto", "last", "none"]),
        "missing": st.sampled_from(["auto", "error", "forward_fill"]),
        "candidates": st.none()
        | st.lists(
            st.sampled_from(["network", "naive", "mean", "ridge", "theta", "harmonic"]), min_size=1, unique=True
        ),
        "nonnegative": st.booleans(),
        "maximum": st.none() | _ANY,
        "validation": st.sampled_from([{"fraction": 0.2}, {"fraction": 0.9}, {"steps": 1}]),
        "refit": st.booleans(),
    },
)


def _train(example: tuple[FloatArray, dict[str, Any]]) -> str:
    """Train as a request would, write the file, read it again, forecast."""
    values, options = example
    body = {**QUICK, **options, "series": [None if np.isnan(one) else float(one) for one in values]}
    try:
        with np.errstate(all="ignore"):
            asked = _asked(body)
            trained = train(read_panel(asked.series).panel, asked.options())
    except ServiceError as error:
        refusal = error
    else:
        _check(trained)
        return "forecast"
    assert refusal.detail
    assert status_of(refusal) in (400, 422), refusal.detail
    return "refused"


def _check(trained: Trained) -> None:
    check_finite(trained_record(trained, {}, [], {}))
    forecaster = load_forecaster(model_file(trained.forecaster, {}))
    for horizon in (1, 40):
        [one] = forecaster.forecast(horizon, Bands((80.0, 99.0)), draw=Draw(4, 0))
        assert np.isfinite(one.mean).all()
        assert one.samples is not None
        assert np.isfinite(one.samples).all()
        for lower, upper in one.intervals.values():
            assert np.isfinite(lower).all()
            assert np.isfinite(upper).all()
            assert (lower <= upper).all()


def _asked(body: dict[str, Any]) -> TrainRequest:
    try:
        return TrainRequest.model_validate(body, strict=True)
    except ValidationError as error:
        raise invalid(error, lambda: body) from None


def test_any_series_is_forecast_or_refused(seconds: float) -> None:
    fuzz("forecasting", st.tuples(_series(), _OPTIONS), _train, seconds)
