from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from service.forecasting.config.options import TrainOptions
from service.forecasting.series.series import Panel
from service.forecasting.training.train import train
from tests.factories import items, noisy_sine, options, panel, promoted, seasonal
from tests.forecasting.covariates.test_future_covariates import known

Reports = list[dict[str, Any]]


def reports_of(one: Panel, chosen: TrainOptions, step: float = 0.0) -> Reports:
    """Train with a clock that goes on by ``step`` seconds with each look."""
    reports: Reports = []
    ticks = itertools.count()
    train(one, chosen, reports.append, clock=lambda: step * next(ticks))
    return reports


def check_reports(reports: Reports) -> None:
    fractions = [one["fraction"] for one in reports]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0, 1)
    assert reports[-1]["eta_seconds"] == 0


def stages(reports: Reports) -> list[str]:
    return [stage for stage, _ in itertools.groupby(one["stage"] for one in reports)]


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
    reports = reports_of(*PANELS[name], step=0.01)
    check_reports(reports)
    expected = ["candidates", "select", "weigh", "score", "refit"]
    asked = [stage for stage in expected if not (stage == "refit" and name == "no refit")]
    assert [stage for stage in stages(reports) if stage != "select"] == [stage for stage in asked if stage != "select"]


def test_it_is_in_the_middle_of_something_most_of_the_time() -> None:
    reports = reports_of(panel(noisy_sine()), options(training={"epochs": 40, "patience": 40}))
    fractions = np.array([one["fraction"] for one in reports])
    assert np.diff(fractions).max() < 0.25
    [half] = [one for one in reports if one["stage"] == "select" and one.get("epoch") == 20]
    assert 0.1 < half["fraction"] < 0.6


def test_networks_report_member_epoch_and_losses() -> None:
    reports = reports_of(*PANELS["ensemble"])
    selected = [one for one in reports if one["stage"] == "select" and "epoch" in one]
    assert {one["candidate"] for one in selected} == {"network"}
    assert [member for member, _ in itertools.groupby(one["member"] for one in selected)] == [1, 2, 3]
    assert {(one["members"], one["epochs"]) for one in selected} == {(3, 40)}
    assert [one["epoch"] for one in selected if one["member"] == 1] == list(range(1, 41))
    assert all(one["training_loss"] > 0 for one in selected)
    assert all(one["validation_loss"] > 0 for one in selected if one["epoch"] == one["epochs"])
    assert {one["validation_loss"] for one in reports if one["stage"] == "refit" and "epoch" in one} == {None}


def test_the_last_epoch_is_reported() -> None:
    reports = reports_of(*PANELS["stops early"])
    for stage in ("score", "refit"):
        last = [one for one in reports if one["stage"] == stage and "epoch" in one][-1]
        assert last["epoch"] == last["epochs"] < 90


def test_a_panel_reports_its_items() -> None:
    reports = reports_of(*PANELS["items"])
    for stage in ("candidates", "score", "refit"):
        assert [one["item"] for one in reports if one["stage"] == stage and "item" in one] == [1, 2, 3, 4, 5]
    assert {one["items"] for one in reports if "items" in one} == {5}


def test_columns_known_ahead_come_first() -> None:
    reports = reports_of(known(*promoted()), TrainOptions.model_validate({"horizon": 4, "candidates": ["theta"]}))
    check_reports(reports)
    assert stages(reports) == ["columns", "candidates", "weigh", "score", "refit"]


def test_the_time_left_is_that_of_a_steady_course() -> None:
    reports = reports_of(*PANELS["ensemble"], step=0.5)
    assert reports[0]["eta_seconds"] is None
    # The clock is looked at by those who know a share, and only by them.
    started = [one for one in reports[:-1] if one["fraction"] >= 0.01]
    for looks, one in enumerate(started, 1):
        left = 0.5 * looks * (1 - one["fraction"]) / one["fraction"]
        assert one["eta_seconds"] == pytest.approx(left, rel=0.01, abs=0.06)
    assert started[-1]["eta_seconds"] < 10 < 0.5 * len(started)


def test_without_a_clock_the_time_left_is_unknown() -> None:
    reports: Reports = []
    train(panel(noisy_sine()), options(), reports.append)
    assert {one["eta_seconds"] for one in reports} == {None}
    assert reports[-1]["fraction"] == 1
