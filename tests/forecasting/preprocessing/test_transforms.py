from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from service.errors import InvalidSeries
from service.forecasting.config.options import TransformName
from service.forecasting.preprocessing.transforms import TRANSFORMS, require_positive

NAMES = get_args(TransformName)


def test_every_name_has_a_transform() -> None:
    assert set(TRANSFORMS) == set(NAMES)


def test_log_difference_is_the_logarithm_of_returns() -> None:
    transform = TRANSFORMS["log_difference"]
    steps = transform.to_steps(transform.apply(np.array([[100.0], [110.0], [99.0]])))
    np.testing.assert_allclose(np.exp(steps), [[1.1], [0.9]])


def test_levels_that_run_away_stay_finite() -> None:
    assert np.isfinite(TRANSFORMS["log"].invert(np.array([-1e9, 1e9]))).all()


def test_logarithms_need_positive_values() -> None:
    values = np.array([[3.0], [np.nan], [0.0]])
    with pytest.raises(InvalidSeries, match="row 2 has 0") as raised:
        require_positive(values, "log", ("series",))
    assert raised.value.faults[0].path == ("series",)
    require_positive(values, "difference", ("series",))


def test_what_a_logarithm_cannot_take_is_named_beside_a_missing_value() -> None:
    with pytest.raises(InvalidSeries, match="row 1 has -2"):
        require_positive(np.array([[3.0, 1.0], [np.nan, -2.0]]), "log", ("series",))
