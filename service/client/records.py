"""What a client knows about models and jobs: the record from the server, and how the data was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.client.data.columns import Roles
from service.client.data.item_ids import ItemIds
from service.client.data.times import TimeStyle, Zone, is_absolute


@dataclass(frozen=True)
class AnswerForm:
    """How answers are returned: the time zone of their times, and the columns of their items."""

    zone: Zone | None = None
    ids: ItemIds | None = None


def skill_words(answer: Mapping[str, Any]) -> str | None:
    """Return the skill of a model's record or of a backtest in words; None where it is unknown."""
    skill, interval = answer.get("skill"), answer.get("skill_interval")
    if skill is None:
        return None
    baseline = (answer.get("baseline") or {}).get("words") or "the naive forecast"
    if interval and interval[0] <= 0 <= interval[1]:
        return f"about as good as {baseline}"
    return f"{abs(skill):.0%} {'better' if skill > 0 else 'worse'} than {baseline}"


@dataclass(frozen=True)
class NameRecord:
    """What a name means. record: as returned by `GET /names/{name}`, or without the history by other requests."""

    record: dict[str, Any]

    @property
    def name(self) -> str:
        """The name."""
        return str(self.record["name"])

    @property
    def model_id(self) -> str | None:
        """ID of the model that it means; None if it was moved, and no ready model has it now."""
        found: str | None = self.record["model_id"]
        return found

    @property
    def mode(self) -> str:
        """``newest`` or ``pinned``."""
        return str(self.record["mode"])

    @property
    def revision(self) -> int:
        """Number of its moves so far; the moves of a client take it, so that none is based on what is no longer so."""
        return int(self.record["revision"])

    @property
    def history(self) -> list[dict[str, Any]]:
        """Its moves, newest first; of a name that `Client.name` returned."""
        return list(self.record.get("history") or ())


@dataclass(eq=False, repr=False)
class KnownModel:
    """record: as returned by `GET /models/{id}`; roles: of the data's columns, if this client trained the model.

    ids: of the items; if this client did not train the model, as far as the record has them.

    time_zone: the time zone in which forecasts are returned if their times have an offset or were sent as local times;
    it may be set.
    """

    record: dict[str, Any]
    roles: Roles | None = None
    time_zone: Zone | None = None
    ids: ItemIds | None = None

    def __post_init__(self) -> None:
        self.ids = self.ids or ItemIds.of_record(self.record)

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        words = skill_words(self.record)
        return f"<{type(self).__name__} {self.id}{name}: {self.status}{f', {words}' if words else ''}>"

    @property
    def id(self) -> str:
        """ID of the model."""
        return str(self.record["model_id"])

    @property
    def name(self) -> str | None:
        """Name of the model; other models may have the same one."""
        name: str | None = self.record.get("name")
        return name

    @property
    def status(self) -> str:
        """Status when the record was read: training, ready or failed."""
        return str(self.record["status"])

    @property
    def metrics(self) -> dict[str, Any]:
        """Errors on the part of the data after the split, in the units of the series."""
        return dict(self.record.get("metrics") or {})

    @property
    def baseline(self) -> dict[str, Any]:
        """The same errors for the baseline forecast."""
        return dict(self.record.get("baseline") or {})

    @property
    def skill(self) -> float | None:
        """1 - MAE / MAE of the baseline."""
        skill: float | None = self.record.get("skill")
        return skill

    @property
    def skill_interval(self) -> tuple[float, float] | None:
        """The 90 % interval of the skill; None where it is unknown."""
        interval = self.record.get("skill_interval")
        return tuple(interval) if interval else None

    @property
    def configuration(self) -> dict[str, Any]:
        """Every option with the value that was used; ``chosen`` gives the reasons."""
        return dict(self.record.get("configuration") or {})

    @property
    def warnings(self) -> list[str]:
        """Caveats to read before trusting the model."""
        return list(self.record.get("warnings") or ())

    @property
    def item_columns(self) -> tuple[str, ...]:
        """Columns of the data that identify the item of a row."""
        return (self.roles.item if self.roles else ()) or (self.ids.names if self.ids else ())

    @property
    def time_column(self) -> str | None:
        """Column of the data that contains the times."""
        return self.roles.time if self.roles else None

    @property
    def time_style(self) -> TimeStyle | None:
        """How the times of the series were sent; None if unknown."""
        end = (self.record.get("series") or {}).get("end")
        if end is None or (self.time_zone is None and not is_absolute(end)):
            return None
        return TimeStyle(self.time_zone, by_the_clock=not is_absolute(end))

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of its ``targets``, ``covariates`` or ``future_covariates``."""
        return tuple(self.record.get(kind) or ())
