"""Rolling origins."""

from __future__ import annotations

import pytest

from service.forecasting.evaluation.rolling import rolling_origins


@pytest.mark.parametrize(("partial", "last"), [(False, 16), (True, 18)])
def test_origins_forecast_what_comes_after_the_first_row(partial: bool, last: int) -> None:
    assert rolling_origins(10, 20, 3, partial=partial).tolist() == list(range(9, last + 1))


def test_an_origin_is_left_where_none_has_its_whole_horizon() -> None:
    assert rolling_origins(10, 12, 5).tolist() == [9]


@pytest.mark.parametrize(("horizon", "items", "most"), [(24, 1, 4096), (24, 64, 64), (24, 10_000, 1), (8192, 1, 256)])
def test_origins_are_thinned_so_that_their_forecasts_fit_in_memory(horizon: int, items: int, most: int) -> None:
    origins = rolling_origins(1000, 200_000, horizon, items)
    assert len(origins) == most
    assert origins[0] == 999
    assert most == 1 or origins[-1] == 200_000 - 1 - horizon
