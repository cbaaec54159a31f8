"""When a policy asks for a retraining."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from service.storage.registry.maintenance.policies import PolicyState
from service.usecases.retraining_policy import RetrainPolicy, policy_columns

NOW = datetime(2026, 3, 2, 3, 30, tzinfo=UTC)  # a Monday


def policy(**fields: Any) -> RetrainPolicy:
    return RetrainPolicy.model_validate(fields)


@pytest.mark.parametrize(
    ("fields", "status", "rows", "last", "reason"),
    [
        ({"when": "drift"}, "drifting", 30, 1, "drift"),
        ({"when": "drift"}, "stable", 30, 1, None),
        ({"when": "drift"}, None, 30, 1, None),
        ({"every": 30}, "stable", 30, 1, "observations"),
        ({"every": 31}, "drifting", 30, 1, None),
        ({"schedule": "0 3 * * 1"}, "stable", 1, 1, "schedule"),
        ({"schedule": "0 3 * * 1"}, "stable", 0, 1, None),
        ({"schedule": "0 3 * * 1"}, "stable", 1, 0.25, None),
        ({"schedule": "0 3 * * 2"}, "stable", 1, 24, None),
        ({"when": "drift", "every": 30, "schedule": "0 3 * * *"}, "drifting", 30, 24, "drift"),
        ({"when": "drift", "every": 30, "schedule": "0 3 * * *"}, "stable", 30, 24, "observations"),
        ({"when": "drift", "every": 30, "schedule": "0 3 * * *"}, "stable", 29, 24, "schedule"),
    ],
)
def test_reason(fields: dict[str, Any], status: Any, rows: int, last: float, reason: str | None) -> None:
    state = PolicyState(NOW, NOW - timedelta(hours=last), is_champion=True)
    assert policy(**fields).reason(status, rows, state) == reason


def test_rows_count_from_the_last_retraining_that_lost() -> None:
    state = PolicyState(NOW, NOW - timedelta(hours=1), is_champion=True, lost=2)
    assert policy(every=10).reason("stable", 29, state) is None
    assert policy(every=10).reason("stable", 30, state) == "observations"


def test_next_time_is_in_utc() -> None:
    assert policy(schedule="0 3 * * 1").next_time(NOW) == NOW + timedelta(days=7, minutes=-30)
    east = NOW.astimezone(tz=None)
    assert policy(schedule="0 3 * * *").next_time(east) == NOW + timedelta(days=1, minutes=-30)
    assert policy(every=5).next_time(NOW) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, 'give "when": "drift", "every"'),
        ({"start": "warm"}, 'give "when": "drift"'),
        ({"when": "never"}, "drift"),
        ({"every": 0}, "greater than or equal to 1"),
        ({"schedule": "0 3 * *"}, "a schedule has 5 parts"),
        ({"schedule": "* * * * * *"}, "a schedule has 5 parts"),
        ({"schedule": "@daily"}, "a schedule has 5 parts"),
        ({"schedule": "R R * * *"}, "does not have 'RR': give minute"),
        ({"schedule": "H 3 * * *"}, "does not have 'H'"),
        ({"schedule": "61 * * * *"}, "out of range: give minute, hour"),
        ({"schedule": "0 0 31 2 *"}, "failed to find next date"),
        ({"schedule": "0 0 * * *" + " " * 100}, "at most 100"),
        ({"every": 5, "cron": "x"}, "Extra inputs"),
    ],
)
def test_invalid_policies_are_refused_with_a_cure(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        policy(**fields)


@pytest.mark.parametrize("schedule", ["*/5 8-18 1,15 Jan-Mar MON-FRI", "0 0 L * *", "0 9 * * 1#2"])
def test_usual_schedules_are_taken(schedule: str) -> None:
    assert policy(schedule=schedule).next_time(NOW) is not None


def test_columns_of_a_model() -> None:
    assert policy_columns(policy(every=5), NOW) == {"retrain": {"every": 5, "start": "warm"}, "retrain_due_at": NOW}
    assert policy_columns(None, NOW) == {"retrain": None, "retrain_due_at": None}
