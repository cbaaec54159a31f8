"""Networks that start from the weights of a parent, and what is held out of the rows that it has seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.forecasting.training.comparison import Parent
from service.forecasting.training.planning import plan_training
from service.forecasting.training.train import train
from service.forecasting.training.warm_start import warm_started
from tests.factories import items, noisy_sine, options, panel
from tests.forecasting.training.test_checkpoint import Memory, check_same, interrupted

VALUES = noisy_sine(300)
ASKED = options(candidates=["network"])
PARENT = Parent(train(panel(VALUES[:200]), ASKED).forecaster, (200,), warm=True)


def test_a_retrained_network_starts_from_the_weights_of_its_parent() -> None:
    asked = options(candidates=["network"], training={"seed": 1, "epochs": 10})
    warm, fresh = (train(panel(VALUES), asked, parent=replace(PARENT, warm=warm)) for warm in (True, False))
    assert (warm.is_warm, fresh.is_warm) == (True, False)
    start, *both = (one.networks[0].weights for one in (PARENT.forecaster, warm.forecaster, fresh.forecaster))
    moved, away = (np.abs(one - start).mean() for one in both)
    assert 0 < moved < away / 2
    assert warm.curve is not None
    assert fresh.curve is not None
    assert warm.curve.epochs[-1] < fresh.curve.epochs[-1]


def test_nothing_that_the_parent_has_seen_is_held_out() -> None:
    plan, start = warm_started(plan_training(panel(VALUES), ASKED), PARENT, panel(VALUES))
    assert len(start) == 1
    split = plan.splits[0]
    assert 200 < split.stopping < split.test < split.length == 300
    assert any("scored on the newest 25 rows" in one for one in plan.warnings)


def test_rows_are_counted_as_in_the_request() -> None:
    data = panel(np.concatenate([np.full(7, np.nan), VALUES]))
    plan, start = warm_started(plan_training(data, ASKED), replace(PARENT, seen=(207,)), data)
    assert start
    assert plan.splits[0].stopping == 250


def test_usual_splits_are_kept_where_the_parent_has_not_seen_what_they_hold_out() -> None:
    usual = plan_training(panel(VALUES), ASKED)
    plan, start = warm_started(usual, replace(PARENT, seen=(150,)), panel(VALUES))
    assert start
    assert plan is usual or plan.splits == usual.splits


@pytest.mark.parametrize(
    "changes",
    [
        {"network": {"hidden_size": 7}},
        {"network": {"cell": "lstm"}},
        {"output_chunk_length": 2},
        {"scaling": "minmax"},
        {"training": {"ensemble_size": 2}},
        {"training": {"objective": "windows"}},
        {"candidates": ["theta"]},
        {"validation": {"steps": 60}},
    ],
    ids=str,
)
def test_others_start_from_scratch(changes: dict[str, Any]) -> None:
    asked = options(**{"candidates": ["network"], **changes})
    usual = plan_training(panel(VALUES), asked)
    assert warm_started(usual, PARENT, panel(VALUES)) == (usual, ())


def test_few_new_rows_start_from_scratch() -> None:
    data = panel(VALUES[:230])
    assert not train(data, ASKED, parent=PARENT).is_warm


def test_new_items_learn_from_the_parent_too() -> None:
    known = items(VALUES[:200])
    parent = Parent(train(known, ASKED).forecaster, (200, 0), warm=True)
    trained = train(items(VALUES, noisy_sine(120, seed=1)), ASKED, parent=parent)
    assert trained.is_warm
    assert trained.comparison is not None


@pytest.mark.parametrize("objective", ["chunks", "windows"])
@pytest.mark.parametrize("at", [1, 2])
def test_a_warm_training_resumes_to_the_bit(objective: str, at: int) -> None:
    asked = options(candidates=["network"], training={"objective": objective, "epochs": 10})
    data, parent = panel(VALUES), replace(PARENT, forecaster=train(panel(VALUES[:200]), asked).forecaster)
    found = interrupted(data, asked, at, parent=parent)
    check_same(train(data, asked, checkpoints=Memory(found=found), parent=parent), train(data, asked, parent=parent))
    other = replace(parent, forecaster=train(panel(VALUES[:190]), asked).forecaster)
    check_same(train(data, asked, checkpoints=Memory(found=found), parent=other), train(data, asked, parent=other))
