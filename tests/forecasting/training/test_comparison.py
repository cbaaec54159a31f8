"""Which of a retrained model and its parent is champion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from service.forecasting.training.comparison import Parent, compare
from service.forecasting.training.train import train
from tests.factories import items, noisy_sine, options, panel

VALUES = noisy_sine(200)
GOOD = train(panel(VALUES[:150]), options(candidates=["theta", "ridge"])).forecaster
POOR = train(panel(VALUES[:150]), options(candidates=["mean"])).forecaster


def test_the_better_one_is_champion() -> None:
    data = panel(VALUES)
    kept = compare(POOR, [150], Parent(GOOD, (150,)), data, 3)
    promoted = compare(GOOD, [150], Parent(POOR, (150,)), data, 3)
    assert (kept.champion, promoted.champion) == ("parent", "child")
    assert "larger" in kept.reason
    assert "smaller" in promoted.reason


def test_equal_models_promote_the_child() -> None:
    assert compare(GOOD, [150], Parent(GOOD, (150,)), panel(VALUES), 3).champion == "child"


def test_only_rows_that_neither_has_seen_are_compared() -> None:
    compared = compare(POOR, [160], Parent(GOOD, (195,)), panel(VALUES), 3)
    assert compared.rows == 5
    assert compare(POOR, [195], Parent(GOOD, (160,)), panel(VALUES), 3) == compared


def test_new_items_are_left_out() -> None:
    both = items(VALUES, VALUES + 5)
    child = train(replace(both, series=tuple(one.head(150) for one in both)), options(candidates=["theta"])).forecaster
    parent = train(items(VALUES[:150]), options(candidates=["mean"])).forecaster
    compared = compare(child, [150, 150], Parent(parent, (150, 0)), both, 3)
    assert compared.rows == 50
    assert compared.champion == "child"


def test_without_values_to_compare_the_child_is_champion() -> None:
    unknown = np.where(np.arange(200) < 190, VALUES, np.nan)
    compared = compare(POOR, [190], Parent(GOOD, (190,)), panel(unknown), 3)
    assert (compared.champion, compared.rows, compared.child) == ("child", 0, None)
