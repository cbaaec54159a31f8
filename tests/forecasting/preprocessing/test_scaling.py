from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.forecasting.config.options import Scaling
from service.forecasting.preprocessing.scaling import constant_channels, fit_scaler, spread
from service.forecasting.series.series import FloatArray

SCALINGS = get_args(Scaling)
values = arrays(np.float64, st.tuples(st.integers(2, 40), st.integers(1, 3)), elements=st.floats(-1e6, 1e6))


@pytest.mark.parametrize("scaling", SCALINGS)
@given(values)
def test_inverts(scaling: Scaling, rows: FloatArray) -> None:
    scaler = fit_scaler(scaling, rows)
    assert np.all(scaler.scale > 0)
    np.testing.assert_allclose(scaler.apply(rows) * scaler.scale + scaler.offset, rows, rtol=1e-9, atol=1e-6)


def test_says_what_its_name_says() -> None:
    rows = np.array([[1.0], [2.0], [3.0], [4.0], [10.0]])
    assert fit_scaler("minmax", rows).apply(rows)[[0, -1]].ravel().tolist() == [0, 1]
    assert fit_scaler("minmax", rows, (-1, 1)).apply(rows)[[0, -1]].ravel().tolist() == [-1, 1]
    standard = fit_scaler("standard", rows).apply(rows)
    assert standard.mean() == pytest.approx(0)
    assert standard.std() == pytest.approx(1)
    robust = fit_scaler("robust", rows).apply(rows)
    assert np.median(robust) == 0
    assert np.subtract(*np.percentile(robust, [75, 25])) == pytest.approx(1)
    assert fit_scaler("none", rows).apply(rows).tolist() == rows.tolist()


@pytest.mark.parametrize("scaling", SCALINGS)
def test_leaves_missing_values_out(scaling: Scaling) -> None:
    rows = np.array([[1.0], [np.nan], [3.0], [7.0]])
    assert fit_scaler(scaling, rows) == pytest.approx(fit_scaler(scaling, rows[[0, 2, 3]])) or np.allclose(
        [fit_scaler(scaling, rows).offset, fit_scaler(scaling, rows).scale],
        [fit_scaler(scaling, rows[[0, 2, 3]]).offset, fit_scaler(scaling, rows[[0, 2, 3]]).scale],
    )


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_constant_gets_the_scale_one(scaling: Scaling) -> None:
    assert fit_scaler(scaling, np.full((9, 1), 7.3)).scale.tolist() == [1]


def test_robust_scaling_survives_a_channel_that_mostly_rests() -> None:
    rows = np.zeros((100, 1))
    rows[::20] = 50
    assert fit_scaler("robust", rows).scale[0] == pytest.approx(rows.std())


def test_constant_channels_are_found_at_any_size() -> None:
    rows = np.stack([np.full(5, 1e9), 1e9 + np.arange(5.0), np.zeros(5)], axis=1)
    assert constant_channels(rows).tolist() == [True, False, True]
    assert spread(rows)[[0, 2]].tolist() == [1, 1]
