"""Requests and responses of POST /train."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.api.schemas.examples import EXAMPLE_NAME, PLACEHOLDER_JOB_ID, PLACEHOLDER_MODEL_ID, SEASONAL_SERIES
from service.api.schemas.series import ColumnName, SeriesInput, TimeZone
from service.forecasting.config.options import TrainOptions
from service.forecasting.prior.zero_shot import ZERO_SHOT
from service.forecasting.series.resampling import Resample
from service.storage.files.model_codec import RetrainingStart
from service.usecases.retraining_policy import RetrainPolicy


def _free(name: str) -> str:
    if name == ZERO_SHOT:
        raise ValueError(f"{ZERO_SHOT} is the ID of the pre-trained forecaster: give another name")
    return name


ModelName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="Name for use instead of the ID; it refers to the newest ready model with this name. "
        "Not `zero-shot`, which is the ID of the pre-trained forecaster.",
        examples=["sales"],
    ),
    AfterValidator(_free),
]


class TrainRequest(TrainOptions):
    """A series and training options; options that are left out are chosen from the data."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"series": SEASONAL_SERIES, "name": EXAMPLE_NAME, "horizon": 4}]},
    )

    series: SeriesInput = Field(description="The series in one of four forms.")
    name: ModelName | None = Field(None, description="Name of the model, not unique.", examples=["sales"])
    future_covariates: list[ColumnName] | None = Field(None, max_length=1000, examples=[None])
    """Columns of future covariates, if the series does not name them: a forecast needs their values for its steps.
    Those that do not improve the forecasts are not used."""

    time_zone: TimeZone | None = Field(None, examples=[None])
    """Time zone of local times, such as Europe/Berlin: times without an offset from UTC are local times of it, days are
    its days, and forecasts are in it, also where clocks are set forward or back."""
    resample: Resample | None = Field(None, examples=[None])
    """Aggregate rows to a longer, regular step: irregular readings to minutes, daily values to weeks. An incomplete
    first or last step is left out. Later histories and backtests are aggregated alike."""

    adaptive: bool = Field(False, examples=[False])
    """Whether the intervals of later forecasts adapt to how well they held the values that were observed since the
    training."""
    retrain: RetrainPolicy | None = Field(None, examples=[None])
    """When the model is retrained by itself on what was observed: on drift, after so many rows, on a schedule; null:
    never."""

    def options(self) -> TrainOptions:
        """Return the options without the series."""
        return TrainOptions.model_construct(**{name: getattr(self, name) for name in TrainOptions.model_fields})


class RetrainRequest(BaseModel):
    """How a model is retrained."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, json_schema_extra={"examples": [{"start": "warm"}]}
    )

    start: RetrainingStart = Field("warm", examples=["warm"])
    """Whether networks start from the weights that they have (`warm`), or from scratch. Simple methods are fitted anew
    in either case."""


class AcceptedTraining(BaseModel):
    """The training continues; poll the job."""

    job_id: str = Field(description="ID of the job.", examples=[PLACEHOLDER_JOB_ID])
    model_id: str = Field(description="ID of the future model.", examples=[PLACEHOLDER_MODEL_ID])
    status: str = Field(description="queued or running.", examples=["running"])
    links: dict[str, str] = Field(description="Related URLs.", examples=[{"self": f"/jobs/{PLACEHOLDER_JOB_ID}"}])
    warnings: list[str] = Field(description="Why the job may have to wait for a worker.", examples=[[]])


class DryRun(BaseModel):
    """The configuration that a training would use."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    series: dict[str, Any] = Field(examples=[{"items": 1, "rows": 40, "gaps": 0, "freq": None}])
    """How the series was interpreted."""
    configuration: dict[str, Any] = Field(
        examples=[{"horizon": 4, "season_length": 4, "chosen": {"season_length": "an F test finds it (frequency QS)"}}]
    )
    """Every option as it would be used; `chosen` has the reasons."""
    min_history: int = Field(description="Number of values that a forecast needs.", examples=[25])
    warnings: list[str] = Field(description="Warnings about the training.", examples=[[]])
