from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from service.forecasting.config.options import TrainOptions
from service.forecasting.series.series import Panel
from service.forecasting.training.train import train
from tests.factories import items, noisy_sine, options, panel, promoted, seasonal
from tests.forecasting.covariates.test_columns import known

Told = list[dict[str, Any]]


def told_by(one: Panel, chosen: TrainOptions, step: float = 0.0) -> Told:
    """Train with a clock that goes on by ``step`` seconds with each look."""
    told: Told = []
    ticks = itertools.count()
    train(one, chosen, told.append, clock=lambda: step * next(ticks))
    return told


def check_course(told: Told) -> None:
    fractions = [one["fraction"] for one in told]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0, 1)
    assert told[-1]["eta_seconds"] == 0


def stages(told: Told) -> list[str]:
    return [stage for stage, _ in itertools.groupby(one["stage"] for one in told)]


PANELS = {
    "network": (panel(noisy_sine()), options()),
    "ensemble": (panel(noisy_sine()), options(training={"ensemble_size": 3, "objective": "windows", "epochs": 40})),
    "stops early": (panel(np.random.default_rng(0).normal(size=200)), options(training={"epochs": 90, "patience": 2})),
    "blend": (panel(seasonal(400)), TrainOptions.model_validate({"horizon": 12, "training": {}})),
    "methods": (panel(seasonal(60)), TrainOptions.model_validate({"horizon": 3, "candidates": ["theta", "naive"]})),
    "short": (panel(seasonal(12)), TrainOptions.model_validate({"horizon": 1})),
    "no refit": (panel(noisy_sine()), options(refit=False)),
    "items": (items(*(noisy_sine(90, seed=seed) for seed in range(5))), options()),
}


@pytest.mark.parametrize("name", PANELS)
def test_the_fraction_goes_from_0_to_1_and_never_falls(name: str) -> None:
    told = told_by(*PANELS[name], step=0.01)
    check_course(told)
    expected = ["candidates", "select", "weigh", "score", "refit"]
    asked = [stage for stage in expected if not (stage == "refit" and name == "no refit")]
    assert [stage for stage in stages(told) if stage != "select"] == [stage for stage in asked if stage != "select"]


def test_it_is_in_the_middle_of_something_most_of_the_time() -> None:
    told = told_by(panel(noisy_sine()), options(training={"epochs": 40, "patience": 40}))
    fractions = np.array([one["fraction"] for one in told])
    assert np.diff(fractions).max() < 0.25
    [half] = [one for one in told if one["stage"] == "select" and one.get("epoch") == 20]
    assert 0.1 < half["fraction"] < 0.6


def test_networks_tell_member_epoch_and_losses() -> None:
    told = told_by(*PANELS["ensemble"])
    selected = [one for one in told if one["stage"] == "select" and "epoch" in one]
    assert {one["candidate"] for one in selected} == {"network"}
    assert [member for member, _ in itertools.groupby(one["member"] for one in selected)] == [1, 2, 3]
    assert {(one["members"], one["epochs"]) for one in selected} == {(3, 40)}
    assert [one["epoch"] for one in selected if one["member"] == 1] == list(range(1, 41))
    assert all(one["training_loss"] > 0 for one in selected)
    assert all(one["validation_loss"] > 0 for one in selected if one["epoch"] == one["epochs"])
    assert {one["validation_loss"] for one in told if one["stage"] == "refit" and "epoch" in one} == {None}


def test_the_last_epoch_is_the_last_of_those_that_are_told() -> None:
    told = told_by(*PANELS["stops early"])
    for stage in ("score", "refit"):
        last = [one for one in told if one["stage"] == stage and "epoch" in one][-1]
        assert last["epoch"] == last["epochs"] < 90


def test_a_panel_tells_where_it_is() -> None:
    told = told_by(*PANELS["items"])
    for stage in ("candidates", "score", "refit"):
        assert [one["item"] for one in told if one["stage"] == stage and "item" in one] == [1, 2, 3, 4, 5]
    assert {one["items"] for one in told if "items" in one} == {5}


def test_columns_known_ahead_come_first() -> None:
    told = told_by(known(*promoted()), TrainOptions.model_validate({"horizon": 4, "candidates": ["theta"]}))
    check_course(told)
    assert stages(told) == ["columns", "candidates", "weigh", "score", "refit"]


def test_the_time_left_is_that_of_a_steady_course() -> None:
    told = told_by(*PANELS["ensemble"], step=0.5)
    assert told[0]["eta_seconds"] is None
    # The clock is looked at by those who know a share, and only by them.
    started = [one for one in told[:-1] if one["fraction"] >= 0.01]
    for looks, one in enumerate(started, 1):
        left = 0.5 * looks * (1 - one["fraction"]) / one["fraction"]
        assert one["eta_seconds"] == pytest.approx(left, rel=0.01, abs=0.06)
    assert started[-1]["eta_seconds"] < 10 < 0.5 * len(started)


def test_without_a_clock_the_time_left_is_unknown() -> None:
    told: Told = []
    train(panel(noisy_sine()), options(), told.append)
    assert {one["eta_seconds"] for one in told} == {None}
    assert told[-1]["fraction"] == 1
