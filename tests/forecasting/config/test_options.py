from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from service.forecasting.config.options import NetworkOptions, TrainingOptions, TrainOptions


def parsed(**asked: Any) -> TrainOptions:
    return TrainOptions.model_validate(asked, strict=True)


def names(model: type[BaseModel]) -> list[str]:
    return list(model.model_fields)


@pytest.mark.parametrize("name", names(TrainOptions))
def test_null_means_choose(name: str) -> None:
    assert parsed(**{name: None}) == parsed()


@pytest.mark.parametrize("name", [name for name in names(TrainingOptions) if name != "clip_norm"])
def test_null_means_choose_within_training(name: str) -> None:
    assert parsed(training={name: None}) == parsed()


@pytest.mark.parametrize("name", names(NetworkOptions))
def test_null_means_choose_within_the_network(name: str) -> None:
    assert parsed(network={name: None}) == parsed()


def test_null_for_clip_norm_means_no_clipping() -> None:
    assert parsed(training={"clip_norm": None}).training.clip_norm is None
    assert parsed().training.clip_norm == 1


@pytest.mark.parametrize("asked", [{"epoch": 3}, {"training": {"epoch": 3}}, {"epoch": None}])
def test_unknown_names_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="epoch"):
        parsed(**asked)


def test_a_range_must_rise() -> None:
    sent = '{"scaling_range": [-1, 1], "network": {"dropout": 0}}'
    assert TrainOptions.model_validate_json(sent, strict=True).scaling_range == (-1, 1)
    with pytest.raises(ValidationError, match="below the second"):
        TrainOptions.model_validate_json('{"scaling_range": [1, 1]}', strict=True)
