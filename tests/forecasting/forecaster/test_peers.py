"""Items like a new one, by static categories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service.forecasting.config.options import TrainOptions
from service.forecasting.covariates.future_covariates import FutureCovariates, SentCovariates
from service.forecasting.forecaster.codec import forecaster_state, restore_forecaster
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.forecaster.new_items import Peers
from service.forecasting.intervals.forecast import Bands
from service.forecasting.series.series import FloatArray, Panel, Series
from service.forecasting.training.train import train
from tests.factories import promoted

PEERS = Peers([{"kind": "a", "town": "x"}, {"kind": "a", "town": "y"}, {"kind": "b", "town": "x"}, {}])


@pytest.mark.parametrize(
    ("static", "rows"),
    [
        ({}, [0, 1, 2, 3]),
        ({"kind": "a"}, [0, 1]),
        ({"town": "x"}, [0, 2]),
        ({"kind": "a", "town": "y"}, [0, 1]),  # one item alone has both
        ({"kind": "b"}, [0, 1, 2, 3]),
        ({"kind": "c"}, [0, 1, 2, 3]),
        ({"colour": "a"}, [0, 1, 2, 3]),
    ],
)
def test_peers_share_most_categories(static: dict[str, str], rows: list[int]) -> None:
    assert PEERS.of(static).tolist() == rows


def test_what_no_item_has_is_unseen() -> None:
    assert PEERS.unseen({"kind": "c", "town": "x", "colour": "red"}) == ["kind", "colour"]


def series(seed: int, kind: str, item: str) -> Series:
    values, promotion = promoted(160, effect=30.0 if kind == "big" else 5.0, seed=seed)
    return Series(np.stack([values, promotion], axis=1), item, static={"kind": kind})


@pytest.fixture(scope="module")
def forecaster() -> Forecaster:
    kinds = ["big", "small"] * 3
    rows = tuple(series(seed, kind, f"item-{seed}") for seed, kind in enumerate(kinds))
    asked = TrainOptions.model_validate({"horizon": 2, "season_length": 1, "transform": "none"})
    return train(Panel(rows, ("value",), (), ("promo",)), asked).forecaster


def effect(forecaster: Forecaster, one: Series) -> float:
    """What a promotion adds to the forecast of an item."""

    def forecast(promotion: float) -> FloatArray:
        future = FutureCovariates(SentCovariates({"promo": [promotion]}, ()))
        history = Panel((one,), ("value",), (), ("promo",))
        return forecaster.forecast(1, Bands(), history, future=future)[0].mean

    return float(forecast(1)[0] - forecast(0)[0])


def test_a_new_item_has_the_effects_of_its_kind(forecaster: Forecaster) -> None:
    effects = {kind: effect(forecaster, series(20, kind, "new")) for kind in ("big", "small", "other")}
    assert effects["big"] == pytest.approx(30, rel=0.3)
    assert effects["small"] == pytest.approx(5, rel=0.3)
    assert effects["small"] < effects["other"] < effects["big"]


def test_a_new_item_is_blended_as_its_kind_is(forecaster: Forecaster) -> None:
    [aligned] = forecaster.align(Panel((series(20, "big", "new"),), ("value",), (), ("promo",)), ())
    item = forecaster.item_at_end(aligned.series, aligned.item)
    np.testing.assert_allclose(forecaster.weights_of([item])[0], forecaster.blend.weights[[0, 2, 4]].mean(axis=0))


def test_categories_are_stored(forecaster: Forecaster) -> None:
    restored = restore_forecaster(*forecaster_state(forecaster))
    new = series(20, "big", "new")
    assert effect(restored, new) == effect(forecaster, new)


@pytest.mark.parametrize("static", [3, ["a"], {"a": 1}, {str(number): "x" for number in range(21)}])
def test_categories_in_a_file_are_not_trusted(forecaster: Forecaster, static: Any) -> None:
    record, arrays = forecaster_state(forecaster)
    items = [{**record["tails"]["items"][0], "static": static}, *record["tails"]["items"][1:]]
    with pytest.raises((ValueError, TypeError)):
        restore_forecaster({**record, "tails": {**record["tails"], "items": items}}, arrays)
