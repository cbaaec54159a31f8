"""What a client knows of a model: the server's record, and how its data was sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.client.columns import Roles
from service.client.steps import Call
from service.client.times import TimeStyle, Zone, is_absolute


@dataclass(frozen=True)
class Training:
    """A request to train, and what to remember of its data."""

    call: Call
    roles: Roles | None = None
    zone: Zone | None = None


class KnownModel:
    """record: as `GET /models/{id}` answers it; roles: of the columns of the data, where this client has trained it.

    time_zone: that forecasts are told in where their times have one, or were sent as the clock on the wall showed them;
    it may be set.
    """

    def __init__(self, record: dict[str, Any], roles: Roles | None = None, time_zone: Zone | None = None) -> None:
        self.record = record
        self.roles = roles
        self.time_zone = time_zone

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        skill = f", skill {self.skill:.2f}" if self.skill is not None else ""
        return f"<{type(self).__name__} {self.id}{name}: {self.status}{skill}>"

    @property
    def id(self) -> str:
        """ID of the model."""
        return str(self.record["model_id"])

    @property
    def name(self) -> str | None:
        """Its name, which others may have too."""
        name: str | None = self.record.get("name")
        return name

    @property
    def status(self) -> str:
        """Whether it is training, ready or failed, when the record was read."""
        return str(self.record["status"])

    @property
    def metrics(self) -> dict[str, Any]:
        """Errors on the part after the split, in the series' own units."""
        return dict(self.record.get("metrics") or {})

    @property
    def baseline(self) -> dict[str, Any]:
        """The same for a forecast that costs nothing."""
        return dict(self.record.get("baseline") or {})

    @property
    def skill(self) -> float | None:
        """1 - MAE / MAE of the baseline."""
        skill: float | None = self.record.get("skill")
        return skill

    @property
    def configuration(self) -> dict[str, Any]:
        """Every option as it was used; ``chosen`` says why."""
        return dict(self.record.get("configuration") or {})

    @property
    def warnings(self) -> list[str]:
        """What to know before trusting it."""
        return list(self.record.get("warnings") or ())

    @property
    def item_column(self) -> str | None:
        """Column of the data that said which item a row is of."""
        return self.roles.item if self.roles else None

    @property
    def time_column(self) -> str | None:
        """Column of the data that said when a row was."""
        return self.roles.time if self.roles else None

    @property
    def time_style(self) -> TimeStyle | None:
        """How the times of its series were sent; None where that is not known."""
        end = (self.record.get("series") or {}).get("end")
        if end is not None and is_absolute(end):
            return TimeStyle(self.time_zone, by_the_clock=False)
        return TimeStyle(self.time_zone, by_the_clock=True) if end is not None and self.time_zone is not None else None

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of its ``targets``, ``covariates`` or ``future_covariates``."""
        return tuple(self.record.get(kind) or ())


class KnownJob:
    """record: as `GET /jobs/{id}` answers it; training: the request, where this client has sent it."""

    def __init__(self, record: dict[str, Any], training: Training | None = None) -> None:
        self.record = record
        self._training = training

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.status}>"

    @property
    def id(self) -> str:
        """ID of the job."""
        return str(self.record["job_id"])

    @property
    def model_id(self) -> str:
        """ID of the model that it trains."""
        return str(self.record["model_id"])

    @property
    def status(self) -> str:
        """Whether it was queued, running, succeeded, failed or cancelled when the record was read."""
        return str(self.record["status"])

    @property
    def progress(self) -> dict[str, Any]:
        """How far it is: stage, epoch, fraction, eta_seconds and more, as far as known."""
        return dict(self.record.get("progress") or {})
