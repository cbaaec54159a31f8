from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.errors import HorizonTooLong, InvalidOption, InvalidSeries
from service.forecasting.config.options import TrainOptions
from service.forecasting.series.series import Panel, Series
from service.settings import Settings
from service.usecases.limits import Limits

LIMITS = Limits(
    Settings(
        max_points=100,
        max_items=3,
        max_columns=2,
        max_horizon=10,
        max_context_length=20,
        max_hidden_size=8,
        max_epochs=5,
        max_answer_numbers=50,
    )
)


def rows(length: int, columns: int = 1, items: int = 1) -> Panel:
    names = tuple(f"c{number}" for number in range(columns))
    return Panel(tuple(Series(np.zeros((length, columns)), str(item)) for item in range(items)), names)


def test_a_panel_at_the_limit_passes() -> None:
    LIMITS.check_panel(rows(50, columns=2), ("series",))
    LIMITS.check_panel(rows(30, items=3), ("series",))


@pytest.mark.parametrize(
    ("panel", "what"), [(rows(101), "values"), (rows(1, columns=3), "columns"), (rows(1, items=4), "items")]
)
def test_a_panel_beyond_a_limit_is_refused(panel: Panel, what: str) -> None:
    with pytest.raises(InvalidSeries, match=f"{what}; this server takes at most"):
        LIMITS.check_panel(panel, ("series",))


def test_categories_count_as_the_columns_that_they_become() -> None:
    one = rows(20, columns=1)
    LIMITS.check_panel(replace(one, labels={"c0": ("no", "yes")}), ("series",))
    LIMITS.check_panel(replace(one, labels={"c0": ("a", "b")}), ("series",))
    with pytest.raises(InvalidSeries, match="3 columns with one for each category; this server takes at most 2"):
        LIMITS.check_panel(replace(one, labels={"c0": ("a", "b", "c")}), ("series",))


def test_horizon_and_answer() -> None:
    LIMITS.check_horizon(10)
    LIMITS.check_answer(50)
    with pytest.raises(HorizonTooLong, match="limit of 10"):
        LIMITS.check_horizon(11)
    with pytest.raises(InvalidOption, match="51 numbers"):
        LIMITS.check_answer(51)


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({"context_length": 21}, ("context_length",)),
        ({"season_length": 21}, ("season_length",)),
        ({"output_chunk_length": 11}, ("output_chunk_length",)),
        ({"network": {"hidden_size": 9}}, ("network", "hidden_size")),
        ({"training": {"epochs": 6}}, ("training", "epochs")),
    ],
)
def test_options_beyond_a_limit_name_the_option(asked: dict[str, Any], path: tuple[str, ...]) -> None:
    with pytest.raises(InvalidOption) as raised:
        LIMITS.check_options(TrainOptions.model_validate(asked))
    assert raised.value.faults[0].path == path
