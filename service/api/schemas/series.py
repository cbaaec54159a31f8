"""The forms in which a client may send a series.

Tags are in angle brackets: they occur in the locations of errors, and are left out of JSON pointers.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from service.api.schemas import examples as examples
from service.forecasting.series.panel_codec import MOST_CATEGORIES

LARGEST = 1e100

# The reader checks the bounds in bulk, and reports a violation concisely.
Number = Annotated[
    float,
    Field(strict=True, allow_inf_nan=False, json_schema_extra={"minimum": -LARGEST, "maximum": LARGEST}),
]
# Fail fast: millions of invalid values in one list would take gigabytes to report, and the first one is enough.
Values = Annotated[list[Number | None], Field(fail_fast=True)]
TimeText = Annotated[str, Field(strict=True, max_length=64)]
TimeNumber = Annotated[int, Field(strict=True, ge=0, lt=10**13)]
ColumnName = Annotated[str, Field(strict=True, max_length=200)]


def _tag_of_times(value: Any) -> str:
    first = value[0] if isinstance(value, list) and value else value
    return "<numbers>" if isinstance(first, int) else "<texts>"


# One tag for the whole list: a tag for each time would cost one call per time.
Timestamps = Annotated[
    Annotated[list[TimeText], Field(fail_fast=True), Tag("<texts>")]
    | Annotated[list[TimeNumber], Field(fail_fast=True), Tag("<numbers>")],
    Discriminator(_tag_of_times),
]
Start = Annotated[
    Annotated[TimeText, Tag("<texts>")] | Annotated[TimeNumber, Tag("<numbers>")],
    Discriminator(_tag_of_times),
]

_FREQ = Field(
    default=None,
    max_length=40,
    description="Step from row to row as a pandas alias, in old or new spelling: D, B, W-MON, MS, M or ME, QS, 15min, "
    "H or h. Found from the timestamps where it is left out; needed with `start`.",
    examples=["MS"],
)
_DATE_FORMAT = Field(
    default=None,
    max_length=66,
    description="How the times are written, as a strptime pattern (%d-%m-%Y), with %q for a quarter. Needed only where "
    "they can be read two ways, or are in no form that is known.",
    examples=["%Y-%m"],
)
_TARGETS = Field(
    default=None,
    min_length=1,
    description="Columns to forecast. Where this is left out, all of them, without those whose names say time (date, "
    "month, Jahr), which are not used then. Where it is given, the others are past covariates.",
    examples=[["passengers"]],
)
_FUTURE_COVARIATES = Field(
    default=None,
    max_length=1000,
    description="Columns that are known ahead, such as prices, promotions and holidays: a forecast needs their values "
    "for its steps. They are no targets and no past covariates.",
    examples=[["price"]],
)
_ID = Field(
    min_length=1, max_length=200, description="Name of the item, different from the others'.", examples=["store-1"]
)


class TimedRows(BaseModel):
    """Times of the rows of a series: by `timestamps`, by `start` and `freq`, or none."""

    model_config = ConfigDict(extra="forbid", strict=True)

    timestamps: Timestamps | None = Field(
        default=None,
        description="One time for each row: ISO 8601 dates or times, months (2024-01, 01.2024, Jan 2024), quarters "
        "(2024Q1), weeks (2024-W05), years, or seconds or milliseconds since 1970. Forecasts are written the same way. "
        "Rows that are absent are taken as missing values.",
        examples=[examples.MONTHS],
    )
    start: Start | None = Field(
        default=None,
        description="Time of the first row, instead of `timestamps`; needs `freq`.",
        examples=["1949-01"],
    )
    freq: str | None = _FREQ
    date_format: str | None = _DATE_FORMAT


class ValuesSeries(TimedRows):
    """One target, with or without times."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.VALUES_SERIES, examples.VALUES_WITH_START]})

    values: Values = Field(
        description="The observations in order of time; null where one is missing.",
        examples=[examples.PASSENGERS],
    )


class ColumnsSeries(TimedRows):
    """Several columns of equal length: targets, past covariates and future covariates."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.COLUMNS_SERIES, examples.FUTURE_SERIES]})

    columns: dict[ColumnName, Values] = Field(
        min_length=1,
        description="Observations by name, each list as long as the others; null where one is missing.",
        examples=[examples.COLUMNS],
    )
    targets: list[ColumnName] | None = _TARGETS
    future_covariates: list[ColumnName] | None = _FUTURE_COVARIATES


class TimedColumns(BaseModel):
    """Values of future covariates, each row with its time."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [examples.TIMED_COLUMNS]})

    timestamps: Timestamps = Field(
        description="One time for each row, in any order, written as those of the series or in any form that a series "
        "may have. Each step of the forecast takes the row of its time; other rows, such as those of the past, are "
        "ignored.",
        examples=[examples.TIMED_COLUMNS["timestamps"]],
    )
    columns: dict[ColumnName, Values] = Field(
        max_length=1000,
        description="Values by name, as many as there are timestamps; null may stand for rows that no step takes.",
        examples=[examples.TIMED_COLUMNS["columns"]],
    )
    date_format: str | None = _DATE_FORMAT


def is_timed(value: Any) -> bool:
    """Return whether future covariates were sent as `TimedColumns`; columns or items by name never have that form."""
    if isinstance(value, dict):
        timestamps = value.get("timestamps")
        return isinstance(value.get("columns"), dict) and timestamps is not None and not isinstance(timestamps, dict)
    return isinstance(value, TimedColumns)


def _tag_of_ahead(value: Any) -> str:
    if is_timed(value):
        return "<timed>"
    return "<values>" if isinstance(value, dict) else "<names>"


def _tag_of_values(value: Any) -> str:
    return "<timed>" if is_timed(value) else "<values>"


_NamedValues = Annotated[dict[ColumnName, Values], Field(max_length=1000)]
ValuesAhead = Annotated[
    Annotated[_NamedValues, Tag("<values>")] | Annotated[TimedColumns, Tag("<timed>")],
    Discriminator(_tag_of_values),
]
ColumnsAhead = Annotated[
    Annotated[list[ColumnName], Tag("<names>")]
    | Annotated[_NamedValues, Tag("<values>")]
    | Annotated[TimedColumns, Tag("<timed>")],
    Discriminator(_tag_of_ahead),
]


Category = Annotated[
    Annotated[str, Field(strict=True, max_length=200)]
    | Annotated[int, Field(strict=True)]
    | Annotated[float, Field(strict=True, allow_inf_nan=False)],
    Field(union_mode="left_to_right"),
]
_STATIC = Field(
    default=None,
    max_length=MOST_CATEGORIES,
    description="What the item is, by name. A model forecasts an item that it has not seen as it does those of the "
    "same categories, where it has two or more of them.",
    examples=[{"store_type": "A", "floor": 2}],
)


class ValuesItem(ValuesSeries):
    """One item with one target."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.VALUES_ITEM]})

    id: str = _ID
    static: dict[ColumnName, Category] | None = _STATIC


class ColumnsItem(ColumnsSeries):
    """One item with several columns."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.COLUMNS_ITEM]})

    id: str = _ID
    static: dict[ColumnName, Category] | None = _STATIC
    future_covariates: ColumnsAhead | None = Field(  # type: ignore[assignment]
        default=None,
        description="Names of columns that are known ahead; or, in the `history` of a forecast, their values: by name, "
        "from the first step ahead on, or as `columns` with `timestamps`, matched by time.",
        examples=[["price"]],
    )


def _tag_of_item(value: Any) -> str:
    has_columns = "columns" in value if isinstance(value, dict) else isinstance(value, ColumnsItem)
    return "<columns>" if has_columns else "<values>"


Item = Annotated[
    Annotated[ValuesItem, Tag("<values>")] | Annotated[ColumnsItem, Tag("<columns>")],
    Discriminator(_tag_of_item),
]


class ItemsSeries(BaseModel):
    """Many series with the same columns, for one model."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"items": examples.ITEMS}]})

    items: Annotated[list[Item], Field(fail_fast=True)] = Field(
        min_length=1,
        description="The series, each with an `id` and a form of its own. What stands beside the items (`targets`, "
        "`future_covariates`, `freq`, `date_format`) holds for all that do not say otherwise.",
        examples=[examples.ITEMS],
    )
    targets: list[ColumnName] | None = _TARGETS
    future_covariates: list[ColumnName] | None = _FUTURE_COVARIATES
    freq: str | None = _FREQ
    date_format: str | None = _DATE_FORMAT


def _tag_of_series(value: Any) -> str | None:
    if isinstance(value, list):
        return "<list>"
    if isinstance(value, dict):
        return next((f"<{key}>" for key in ("items", "columns", "values") if key in value), None)
    if isinstance(value, ItemsSeries):
        return "<items>"
    if isinstance(value, ColumnsSeries):
        return "<columns>"
    return "<values>" if isinstance(value, ValuesSeries) else None


SeriesInput = Annotated[
    Annotated[Values, Tag("<list>")]
    | Annotated[ValuesSeries, Tag("<values>")]
    | Annotated[ColumnsSeries, Tag("<columns>")]
    | Annotated[ItemsSeries, Tag("<items>")],
    Discriminator(
        _tag_of_series,
        custom_error_type="series_form",
        custom_error_message=(
            'A series is a list of numbers, or an object with "values", with "columns" or with "items": '
            '[112, 118, null], {"values": [...], "timestamps": [...]}, '
            '{"columns": {"open": [...], "close": [...]}, "targets": ["close"]} or '
            '{"items": [{"id": "a", "values": [...]}]}'
        ),
    ),
    Field(
        description="A series: a list of numbers (null is missing), or an object with `values`, `columns` or `items`.",
        examples=[
            examples.PASSENGERS,
            examples.VALUES_SERIES,
            examples.COLUMNS_SERIES,
            examples.FUTURE_SERIES,
            {"items": examples.ITEMS},
        ],
    ),
]


class Span(BaseModel):
    """Minimum and maximum of a count over the items."""

    min: int = Field(description="Of the item with the fewest.", examples=[48])
    max: int = Field(description="Of the item with the most.", examples=[60])


class SeriesSummary(BaseModel):
    """How the service understood the series in the request."""

    items: int = Field(description="Number of series.", examples=[1])
    targets: list[str] = Field(description="Columns that are forecast.", examples=[["value"]])
    covariates: list[str] = Field(description="Columns that help, known for the past only.", examples=[[]])
    future_covariates: list[str] = Field(description="Columns that are known ahead.", examples=[[]])
    rows: int = Field(description="Rows on the grid of times, gaps included, over all items.", examples=[48])
    rows_per_item: Span | None = Field(description="Rows of single items; null for one item.", examples=[None])
    points: int = Field(description="Rows times columns.", examples=[48])
    missing: int = Field(description="Values that were sent as null.", examples=[1])
    gaps: int = Field(description="Rows of the grid that were not sent.", examples=[0])
    holidays: int = Field(
        description="Business days that were not sent and are taken as days off, not as gaps.", examples=[0]
    )
    freq: str | None = Field(description="Step from row to row, or null without times.", examples=["MS"])
    freq_inferred: bool = Field(description="Whether the step was found from the timestamps.", examples=[True])
    start: str | int | None = Field(description="First time, over all items.", examples=["1949-01"])
    end: str | int | None = Field(description="Last time, over all items.", examples=["1952-12"])
