from __future__ import annotations

import numpy as np
import pytest

from service.errors import MissingValues
from service.forecasting.preprocessing.missing import drop_leading, fill, open_end_warnings, refuse_missing
from service.forecasting.series.series import Series

NAN = np.nan


def column(*values: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array(values, dtype=float)[:, None]


def test_interpolates_between_and_carries_behind() -> None:
    filled = fill(column(1, NAN, NAN, 4, NAN), "interpolate")
    assert filled.interpolated.ravel().tolist() == [1, 2, 3, 4, 4]
    assert filled.forward_filled.ravel().tolist() == [1, 1, 1, 4, 4]
    assert filled.observed.ravel().tolist() == [True, False, False, True, False]


def test_forward_fill_uses_the_past_alone() -> None:
    assert fill(column(1, NAN, 4), "forward_fill").interpolated.ravel().tolist() == [1, 1, 4]


def test_columns_are_filled_apart() -> None:
    values = np.array([[1, 10], [NAN, 20], [3, NAN]])
    assert fill(values, "interpolate").interpolated.tolist() == [[1, 10], [2, 20], [3, 20]]


def test_leading_rows_go_until_every_column_has_begun() -> None:
    series, dropped = drop_leading(Series(np.array([[1, NAN], [2, NAN], [NAN, 5], [4, 6]])), ("a", "b"), ())
    assert dropped == 2
    np.testing.assert_array_equal(series.values, [[2, 5], [4, 6]])


def test_leading_rows_go_until_the_first_row_is_whole_enough_to_fill() -> None:
    series, _ = drop_leading(Series(np.array([[1, NAN], [NAN, 5], [3, 6]])), ("a", "b"), ())
    assert np.isfinite(fill(series.values, "interpolate").interpolated).all()
    assert np.isfinite(fill(series.values, "forward_fill").interpolated).all()


def test_a_column_without_any_value_is_named() -> None:
    with pytest.raises(MissingValues, match="column 'b' has no value"):
        drop_leading(Series(np.array([[1, NAN], [2, NAN]])), ("a", "b"), ())


def test_refuses_with_the_row() -> None:
    with pytest.raises(MissingValues, match="2 rows have missing values, the first is row 1"):
        refuse_missing(Series(column(1, NAN, 3, NAN)), ())
    refuse_missing(Series(column(1, 2)), ())


def test_series_that_end_without_a_value_give_a_warning() -> None:
    whole, open_end = np.array([[1, NAN], [2, 5]]), np.array([[1, 3], [NAN, 4], [NAN, 5]])
    panel = [Series(whole, "a"), Series(open_end, "b"), Series(open_end[:2], "c")]
    assert open_end_warnings(panel[:1], [0, 1]) == []
    assert open_end_warnings(panel, [0, 1]) == []  # one of two targets is known to the end
    assert open_end_warnings(panel, [1]) == []
    (warning,) = open_end_warnings(panel, [0])
    assert warning.startswith("item 'b' and 1 more ends in 2 rows without a value")
    (warning,) = open_end_warnings([Series(open_end)], [0])
    assert warning.startswith("the series ends in 2 rows without a value")
