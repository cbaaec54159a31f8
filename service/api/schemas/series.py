"""The forms in which a client may send a series.

Tags are in angle brackets: they occur in the locations of errors, and are left out of JSON pointers.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from service.api.schemas import examples as examples
from service.forecasting.series.resampling import Resample
from service.forecasting.series.series import LARGEST, MOST_CATEGORIES
from service.tables.item_ids import LONGEST_ID, MOST_ID_COLUMNS, IdType

LONGEST_CELL = 200

# The reader checks the bounds in bulk, and reports a violation concisely.
Number = Annotated[
    float,
    Field(strict=True, allow_inf_nan=False, json_schema_extra={"minimum": -LARGEST, "maximum": LARGEST}),
]
# Fail fast: millions of invalid values in one list would take gigabytes to report, and the first one is enough.
Values = Annotated[list[Number | None], Field(fail_fast=True)]


def _tag_of_cells(value: Any) -> str:
    if not isinstance(value, list) or (value and value[0].__class__ is float):  # the usual case
        return "<numbers>"
    kinds = set(map(type, value)) - {type(None)}
    # Text among numbers is a mistake, wherever the first of it is.
    if not kinds or not kinds <= {bool, str}:
        return "<booleans>" if isinstance(next((one for one in value if one is not None), None), bool) else "<numbers>"
    return "<texts>" if str in kinds else "<booleans>"


# Numbers, booleans, or text: the reader decides whether text is used, and how.
Cells = Annotated[
    Annotated[Values, Tag("<numbers>")]
    | Annotated[list[Annotated[bool, Field(strict=True)] | None], Field(fail_fast=True), Tag("<booleans>")]
    | Annotated[
        list[Annotated[str, Field(strict=True, max_length=LONGEST_CELL)] | Annotated[bool, Field(strict=True)] | None],
        Field(fail_fast=True),
        Tag("<texts>"),
    ],
    Discriminator(_tag_of_cells),
    WithJsonSchema(
        {
            "type": "array",
            "items": {
                "anyOf": [
                    {"type": "number", "minimum": -LARGEST, "maximum": LARGEST},
                    {"type": "null"},
                    {"type": "boolean"},
                    {"type": "string", "maxLength": LONGEST_CELL},
                ]
            },
        }
    ),
]
TimeText = Annotated[str, Field(strict=True, max_length=64)]
TimeNumber = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
ColumnName = Annotated[str, Field(strict=True, max_length=200)]
TimeZone = Annotated[str, Field(max_length=64)]


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

_DATE_FORMAT = Field(
    default=None,
    max_length=66,
    description="Form of the times as a strptime pattern (%d-%m-%Y), with %q for a quarter. Needed only if they are "
    "ambiguous or in an unknown form.",
    examples=["%Y-%m"],
)


class TimeFormat(BaseModel):
    """How the times of a series are written and spaced."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    freq: str | None = Field(default=None, max_length=40, examples=["MS"])
    """Step from row to row as a pandas alias, in old or new spelling: D, B, W-MON, MS, M or ME, QS, 15min, H or h. By
    default inferred from the timestamps; required with `start`."""
    date_format: str | None = _DATE_FORMAT


class ColumnRoles(BaseModel):
    """Which columns are forecast, and which are future covariates."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    targets: list[ColumnName] | None = Field(default=None, min_length=1, examples=[["passengers"]])
    """Columns to forecast; the others are past covariates. By default all columns, except those whose names indicate
    times (date, month, Jahr), which are not used then."""
    future_covariates: list[ColumnName] | None = Field(default=None, max_length=1000, examples=[["price"]])
    """Columns whose future values are known, such as prices, promotions and holidays: a forecast needs their values for
    its steps. They are neither targets nor past covariates."""


class TimedRows(TimeFormat):
    """Times of the rows of a series: by `timestamps`, by `start` and `freq`, or none."""

    timestamps: Timestamps | None = Field(default=None, examples=[examples.MONTHS])
    """Time of each row: ISO 8601 dates or times, months (2024-01, 01.2024, Jan 2024), quarters (2024Q1), weeks
    (2024-W05), years, or seconds to nanoseconds since 1970. Forecasts use the same form. Absent rows are missing
    values."""
    start: Start | None = Field(default=None, examples=["1949-01"])
    """Time of the first row, instead of `timestamps`; requires `freq`."""


class ValuesSeries(TimedRows):
    """One target, with or without times."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.VALUES_SERIES, examples.VALUES_WITH_START]})

    values: Values = Field(examples=[examples.PASSENGERS])
    """Observations in order of time; null for missing ones."""


class ColumnsSeries(ColumnRoles, TimedRows):
    """Several columns of equal length: targets, past covariates and future covariates."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.COLUMNS_SERIES, examples.FUTURE_SERIES]})

    columns: dict[ColumnName, Cells] = Field(min_length=1, examples=[examples.COLUMNS])
    """Observations by name, in lists of equal length; null for missing ones. Covariates may also be booleans (`true`,
    or text such as `"yes"` and `"no"`), or text of at most 50 different categories."""


class TimedColumns(BaseModel):
    """Values of future covariates, each row with its time."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [examples.TIMED_COLUMNS]},
    )

    timestamps: Timestamps = Field(examples=[examples.TIMED_COLUMNS["timestamps"]])
    """Time of each row, in any order and in any form that a series may have. Each step of the forecast uses the row of
    its time; other rows, such as those of the past, are ignored."""
    columns: dict[ColumnName, Cells] = Field(max_length=1000, examples=[examples.TIMED_COLUMNS["columns"]])
    """Values by name, one for each timestamp; null is allowed in rows that no step uses."""
    date_format: str | None = _DATE_FORMAT


def is_timed(value: Any) -> bool:
    """Return whether future covariates were sent as `TimedColumns`; columns or items by name never have that form."""
    if not isinstance(value, dict):
        return False
    timestamps = value.get("timestamps")
    return isinstance(value.get("columns"), dict) and timestamps is not None and not isinstance(timestamps, dict)


def _tag_of_values(value: Any) -> str:
    return "<timed>" if is_timed(value) else "<values>"


def _tag_of_ahead(value: Any) -> str:
    return _tag_of_values(value) if isinstance(value, dict) else "<names>"


_NamedValues = Annotated[dict[ColumnName, Cells], Field(max_length=1000)]
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


class Identified(BaseModel):
    """Identity and static categories of an item."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str = Field(min_length=1, max_length=LONGEST_ID, description="Unique name of the item.", examples=["store-1"])
    static: dict[ColumnName, Category] | None = Field(
        default=None, max_length=MOST_CATEGORIES, examples=[{"store_type": "A", "floor": 2}]
    )
    """Static categories of the item, by name. An item unknown to the model is forecast like those of the same
    categories, if there are at least two."""


class ValuesItem(Identified, ValuesSeries):
    """One item with one target."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.VALUES_ITEM]})


class ColumnsItem(Identified, ColumnsSeries):
    """One item with several columns."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.COLUMNS_ITEM]})

    future_covariates: ColumnsAhead | None = Field(default=None, examples=[["price"]])  # type: ignore[assignment]
    """Names of the future covariates; or, in the `history` of a forecast, their values: by name, from the first step
    ahead on, or as `columns` with `timestamps`, matched by time."""


def _tag_of_item(value: Any) -> str:
    return "<columns>" if isinstance(value, dict) and "columns" in value else "<values>"


Item = Annotated[
    Annotated[ValuesItem, Tag("<values>")] | Annotated[ColumnsItem, Tag("<columns>")],
    Discriminator(_tag_of_item),
]


class ItemColumn(BaseModel):
    """A column of the data that identifies items, alone or with others."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: ColumnName = Field(description="Name of the column.", examples=["store"])
    type: IdType = Field(description="Type of its values.", examples=["integer"])


class ItemsSeries(ColumnRoles, TimeFormat):
    """Many series with the same columns, for one model."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": examples.ITEMS}]})

    items: Annotated[list[Item], Field(fail_fast=True)] = Field(min_length=1, examples=[examples.ITEMS])
    """The series, each with an `id`, in any form. `targets`, `future_covariates`, `freq` and `date_format` next to the
    items are the defaults of all items."""
    item_columns: list[ItemColumn] | None = Field(
        default=None, min_length=1, max_length=MOST_ID_COLUMNS, examples=[[{"name": "store", "type": "integer"}]]
    )
    """The columns that the IDs were made of. They are kept in the record of the model, so that clients can turn IDs
    into these columns again; the IDs of several columns have their values separated by `|`, with `\\|` for a `|` and
    `\\\\` for a `\\` within a value."""


def _tag_of_series(value: Any) -> str | None:
    if isinstance(value, list):
        return "<list>"
    keys = value if isinstance(value, dict) else ()
    return next((f"<{key}>" for key in ("items", "columns", "values") if key in keys), None)


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

    min: int = Field(description="Smallest count of an item.", examples=[48])
    max: int = Field(description="Largest count of an item.", examples=[60])


class SeriesSummary(BaseModel):
    """How the service understood the series in the request."""

    items: int = Field(description="Number of series.", examples=[1])
    targets: list[str] = Field(description="Columns that are forecast.", examples=[["value"]])
    covariates: list[str] = Field(description="Past covariates.", examples=[[]])
    future_covariates: list[str] = Field(description="Future covariates.", examples=[[]])
    rows: int = Field(description="Rows on the grid of times, gaps included, over all items.", examples=[48])
    rows_per_item: Span | None = Field(description="Rows of single items; null for one item.", examples=[None])
    points: int = Field(description="Rows times columns.", examples=[48])
    missing: int = Field(description="Values that are null.", examples=[1])
    gaps: int = Field(description="Absent rows of the grid.", examples=[0])
    holidays: int = Field(description="Absent rows of days taken as holidays instead of gaps.", examples=[0])
    freq: str | None = Field(description="Step from row to row, or null without times.", examples=["MS"])
    freq_inferred: bool = Field(description="Whether freq was inferred from the timestamps.", examples=[True])
    calendar: dict[str, Any] | None = Field(
        default=None,
        description="Which times of freq have rows, in local time, and forecasts as well: `weekdays`, `hours` of each "
        "weekday, `months`, the `day` of the month; null: all.",
        examples=[{"weekdays": ["MON", "TUE", "WED", "THU", "FRI", "SAT"]}],
    )
    time_zone: str | None = Field(default=None, description="Time zone of local times.", examples=[None])
    resample: Resample | None = Field(default=None, description="How rows were aggregated.", examples=[None])
    start: str | int | None = Field(description="First time, over all items.", examples=["1949-01"])
    end: str | int | None = Field(description="Last time, over all items.", examples=["1952-12"])
    item_columns: list[ItemColumn] | None = Field(
        default=None, description="Columns that the IDs of items were made of, if they are known.", examples=[None]
    )
