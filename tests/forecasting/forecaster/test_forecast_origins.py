"""Contexts and forecasts at origins, against the same in numpy."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from service.forecasting.config.options import TransformName
from service.forecasting.forecaster.kernels.contexts import add_network_forecasts, read_contexts
from service.forecasting.preprocessing.missing import fill
from service.forecasting.preprocessing.network_inputs import FARTHEST, network_inputs
from service.forecasting.preprocessing.scaling import fit_scaler
from service.forecasting.preprocessing.transforms import TRANSFORMS
from service.forecasting.series.series import FloatArray, IntArray

NAMES = get_args(TransformName)
LENGTH, TARGETS = 6, 2


def series(seed: int, rows: int) -> FloatArray:
    """Return two positive targets and a covariate (time, 3), with gaps."""
    generator = np.random.default_rng(seed)
    values = np.exp(generator.normal(size=(rows, 3)).cumsum(axis=0) * 0.1) * [1, 50, 1e4]
    values[1:][generator.random((rows - 1, 3)) < 0.3] = np.nan
    return np.asarray(values)


@pytest.mark.parametrize("name", NAMES)
def test_a_context_reads_nothing_after_its_origin(name: TransformName) -> None:
    transform, sent = TRANSFORMS[name], [series(1, 40), series(2, 30)]
    filled = [fill(one, "interpolate") for one in sent]
    scalers = [fit_scaler("standard", one.interpolated) for one in filled]
    origins = [np.array([8, 20, 39]), np.arange(7, 30)]
    stops, items = np.array([40, 70]), np.repeat([0, 1], [3, 23])
    rows = np.concatenate(origins) + np.repeat([0, 40], [3, 23])
    observed = np.concatenate([one.observed for one in filled])
    last_seen = np.maximum.accumulate(np.where(observed, np.arange(70)[:, None], 0), axis=0)
    contexts = np.empty((26, LENGTH, 3), np.float32)
    last, farthest = np.empty((26, TARGETS)), np.empty(26)
    read_contexts(
        np.concatenate([one.interpolated for one in filled]), np.concatenate([one.forward_filled for one in filled]),
        last_seen, stops, items, rows, np.stack([one.offset for one in scalers]),
        np.stack([one.scale for one in scalers]), transform.log, transform.difference, FARTHEST,
        contexts, last, farthest,
    )  # fmt: skip
    expected = []
    for one, scaler, chosen in zip(sent, scalers, origins, strict=True):
        for origin in chosen:
            # What is filled from the rows up to the origin alone.
            past = fill(one[: origin + 1], "interpolate").interpolated
            expected.append(network_inputs(past, transform, scaler, TARGETS)[-LENGTH:])
    np.testing.assert_allclose(contexts, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(farthest, np.abs(expected).max(axis=(1, 2)))
    known = np.concatenate([one.forward_filled for one in filled])[rows, :TARGETS]
    np.testing.assert_allclose(last, transform.apply(known))


@pytest.mark.parametrize("name", NAMES)
def test_the_network_inputs_of_later_values_invert_to_these(name: TransformName) -> None:
    transform, values = TRANSFORMS[name], fill(series(3, 30), "forward_fill").interpolated
    scaler = fit_scaler("standard", values)
    origins: IntArray = np.array([9, 14])
    scaled = network_inputs(values, transform, scaler, TARGETS)
    ahead = np.stack([scaled[origin + 1 - transform.lookback :][:10] for origin in origins])
    total, weights = np.zeros((3, 10, TARGETS)), np.ones(1)
    last = transform.apply(values[origins, :TARGETS])
    add_network_forecasts(
        ahead, np.array([2, 0]), np.zeros(2, np.int64), scaler.offset[None], scaler.scale[None], last,
        np.zeros((1, TARGETS), bool), weights, transform.difference, total,
    )  # fmt: skip
    for place, origin in zip((2, 0), origins, strict=True):
        np.testing.assert_allclose(
            transform.invert(total[place]), values[origin + 1 : origin + 11, :TARGETS], rtol=1e-9
        )
    np.testing.assert_array_equal(total[1], 0)
