"""When a model is retrained by itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from croniter import CroniterError, croniter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from service.storage.files.model_codec import RetrainingReason, RetrainingStart
from service.storage.registry.maintenance.monitoring import MonitoringStatus
from service.storage.registry.maintenance.policies import PolicyState

_FIELDS = 5
# croniter also takes R and H, which mean another time at each call.
_NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat"
_SYNTAX = re.compile(rf"[\d\s*/,\-#?LW]|{_NAMES}", re.IGNORECASE | re.ASCII)


def _cron(text: str) -> str:
    """Return a schedule. Raises ValueError if it is none, or never comes."""
    cure = 'give minute, hour, day, month and weekday, such as "0 3 * * 1" for Mondays at 3:00'
    if len(text.split()) != _FIELDS:
        raise ValueError(f"a schedule has {_FIELDS} parts: {cure}")
    if unknown := _SYNTAX.sub("", text):
        raise ValueError(f"a schedule does not have {unknown[:20]!r}: {cure}")
    try:
        croniter(text, datetime(2000, 1, 1, tzinfo=UTC)).get_next(datetime)
    except CroniterError as error:
        raise ValueError(f"{error!s:.200}: {cure}") from None
    return text


class RetrainPolicy(BaseModel):
    """When a model is retrained by itself: on drift, after so many rows, on a schedule, or whichever comes first."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"when": "drift"}, {"when": "drift", "every": 500}, {"schedule": "0 3 * * 1"}]},
    )

    when: Literal["drift"] | None = Field(None, examples=["drift"])
    """Retrain when the status of its monitoring is `drifting`."""
    every: int | None = Field(None, ge=1, le=10**9, examples=[500])
    """Retrain after so many rows were observed since its training."""
    schedule: Annotated[str, Field(max_length=100), AfterValidator(_cron)] | None = Field(None, examples=["0 3 * * 1"])
    """Retrain at these times (cron, in UTC), if anything was observed since its training."""
    start: RetrainingStart = Field("warm", examples=["warm"])
    """Whether networks start from the weights that they have, or from scratch."""

    @model_validator(mode="after")
    def _is_any(self) -> Self:
        if self.when is None and self.every is None and self.schedule is None:
            raise ValueError(
                'give "when": "drift", "every": a number of rows, or "schedule", or null for no retraining'
            )
        return self

    def next_time(self, after: datetime) -> datetime | None:
        """Return the next time of the schedule, UTC; None without a schedule."""
        if self.schedule is None:
            return None
        found: datetime = croniter(self.schedule, after.astimezone(ZoneInfo("UTC"))).get_next(datetime)
        return found

    def reason(self, status: MonitoringStatus | None, rows: int, state: PolicyState) -> RetrainingReason | None:
        """Return why a model is to be retrained now, or None.

        status: of its monitoring; rows: observed since its training.
        """
        if not rows:
            return None
        if self.when is not None and status == "drifting":
            return "drift"
        if self.every is not None and rows >= self.every * (1 + state.lost):
            return "observations"
        scheduled = self.next_time(state.last)
        return "schedule" if scheduled is not None and scheduled <= state.now else None


def policy_columns(policy: RetrainPolicy | None, now: datetime) -> dict[str, Any]:
    """Return the columns of a model with this policy, which is looked at as soon as the model is ready."""
    if policy is None:
        return {"retrain": None, "retrain_due_at": None}
    return {"retrain": policy.model_dump(exclude_none=True), "retrain_due_at": now}
