"""Requests and responses of POST /train."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.api.schemas.examples import EXAMPLE_NAME, SEASONAL_SERIES
from service.api.schemas.series import ColumnName, SeriesInput
from service.forecasting.config.options import TrainOptions

ModelName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="A name to ask for instead of the ID; it means the newest ready model that has it.",
        examples=["sales"],
    ),
]


class TrainRequest(TrainOptions):
    """A series and training options; options that are left out are chosen from the data."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"series": SEASONAL_SERIES, "name": EXAMPLE_NAME, "horizon": 4}]}
    )

    series: SeriesInput = Field(description="The series in one of four forms.")
    name: ModelName | None = Field(None, description="A name for the model, not unique.", examples=["sales"])

    future_covariates: list[ColumnName] | None = Field(
        None,
        max_length=1000,
        description="Columns of the series that are known ahead, where the series does not name them itself: a "
        "forecast needs their values for its steps. They are left out where they do not make forecasts better.",
        examples=[None],
    )

    def options(self) -> TrainOptions:
        """Return the options without the series."""
        return TrainOptions.model_construct(**{name: getattr(self, name) for name in TrainOptions.model_fields})


class AcceptedTraining(BaseModel):
    """The training continues; poll the job."""

    job_id: str = Field(description="ID of the job.", examples=["3f2b8c5d9e0a47b1a6c4d2e8f0b1c3d5"])
    model_id: str = Field(description="ID that the model will have.", examples=["9c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f"])
    status: str = Field(description="queued or running.", examples=["running"])
    links: dict[str, str] = Field(
        description="Where to go on.", examples=[{"self": "/jobs/3f2b8c5d9e0a47b1a6c4d2e8f0b1c3d5"}]
    )
    warnings: list[str] = Field(
        description="Why the job may wait: no trainer is alive, or the server's own does not run.", examples=[[]]
    )


class DryRun(BaseModel):
    """The configuration that a training would use."""

    series: dict[str, Any] = Field(
        description="What was understood of the series.", examples=[{"items": 1, "rows": 40, "gaps": 0, "freq": None}]
    )
    configuration: dict[str, Any] = Field(
        description="Every option as it would be used; `chosen` says why.",
        examples=[{"horizon": 4, "season_length": 4, "chosen": {"season_length": "shows in the autocorrelation"}}],
    )
    min_history: int = Field(description="Values that a forecast needs.", examples=[25])
    warnings: list[str] = Field(description="What you should know before training.", examples=[[]])
