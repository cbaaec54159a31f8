"""Turn a series as sent into a `Panel`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from service.api.input.items import SentCells, SentColumn, SentItem, SentSeries, SentValues, require_values, sent_items
from service.api.input.labelled_columns import has_text, labels_by_column, read_labels
from service.api.schemas.forecasting import ForecastRequest
from service.api.schemas.series import (
    ColumnsItem,
    ItemColumn,
    ItemsSeries,
    SeriesSummary,
    Span,
    TimedColumns,
    ValuesSeries,
)
from service.errors import InvalidSeries, Path
from service.forecasting.covariates.future_covariates import NO_COLUMNS, NONE_SENT, FutureCovariates, SentCovariates
from service.forecasting.series.calendar import Calendar
from service.forecasting.series.resampling import Resample, aggregate, how_of
from service.forecasting.series.row_placement import AS_SENT, PlacedRows, Reading
from service.forecasting.series.series import LARGEST, FloatArray, Panel, Series, largest, smallest
from service.forecasting.series.time_alignment import place_items
from service.tables.labels import label_of
from service.usecases.limits import Limits

_UNPLACED = (PlacedRows(None, np.arange(0)),)
"""Placement of rows that have no times and keep their order."""


class Advice(NamedTuple):
    """What warnings say of rows that were not sent, and of items with different calendars."""

    gaps: str
    calendars: str


OF_TRAINING = Advice(
    "the option missing says how they are treated",
    "the record has the most frequent, and season_length is the most frequent one: give it, or train one model for "
    "each, if others matter more",
)


class ReadPanel(NamedTuple):
    """A panel, warnings for the client, and the placement of its rows in time."""

    panel: Panel
    warnings: tuple[str, ...]
    placed: tuple[PlacedRows, ...]
    freq_inferred: bool
    item_columns: list[ItemColumn] | None = None

    @property
    def summary(self) -> dict[str, Any]:
        """How the series was understood, as the fields of `SeriesSummary`."""
        lengths = [len(series) for series in self.panel]
        axes = [rows.axis for rows in self.placed if rows.axis]
        gaps = sum(rows.gaps for rows in self.placed)
        absent = sum(int(np.isnan(series.values).sum()) for series in self.panel)
        earliest = min(axes, key=lambda axis: axis.index[0], default=None)
        latest = max(axes, key=lambda axis: axis.index[-1], default=None)
        return SeriesSummary(
            items=len(self.panel),
            targets=list(self.panel.targets),
            covariates=list(self.panel.covariates),
            future_covariates=list(self.panel.future_covariates),
            rows=sum(lengths),
            rows_per_item=Span(min=min(lengths), max=max(lengths)) if len(lengths) > 1 else None,
            points=self.panel.points,
            missing=absent - gaps * len(self.panel.columns),
            gaps=gaps,
            holidays=sum(rows.holidays for rows in self.placed),
            freq=axes[0].freq if axes else None,
            freq_inferred=bool(axes) and self.freq_inferred,
            calendar=usual.to_record() if (usual := next(iter(_calendars(self.placed)), None)) else None,
            time_zone=axes[0].form.zone if axes else None,
            resample=Resample(freq=axes[0].freq, how=axes[0].grid.how) if axes and axes[0].grid.how else None,
            start=earliest.slice(0, 1).written()[0] if earliest else None,
            end=latest.slice(len(latest) - 1, len(latest)).written()[0] if latest else None,
            item_columns=self.item_columns,
        ).model_dump(exclude=None if self.item_columns else {"item_columns"})


def read_panel(
    series: SentSeries,
    path: Path = ("series",),
    future_covariates: Sequence[str] | None = None,
    choose_targets: bool = False,
    reading: Reading = AS_SENT,
    model_targets: Sequence[str] = (),
    limits: Limits | None = None,
    advice: Advice = OF_TRAINING,
) -> ReadPanel:
    """Read a validated series located at ``path`` of the request.

    future_covariates: names given next to the series, used if the series itself names none.
    choose_targets: set for training, to leave out columns whose names denote times if no targets are named; an existing
    model knows its columns.
    reading: how rows become rows of the series: as the request says, or as those of the model were read.
    model_targets: what an existing model forecasts; other columns are covariates, also if no targets are named.
    limits: checked before times are read; of rows that are aggregated, those of the items and columns only.

    Rows are sorted by time; absent rows and nulls become NaN. Raises what `sent_items` and `place_items` raise, and
    InvalidSeries for a value beyond 1e100.
    """
    if isinstance(series, list) and not future_covariates and not reading.needs_times:
        return _plain(series, path)
    sent = ValuesSeries(values=series) if isinstance(series, list) else series
    if limits is not None and isinstance(sent, ItemsSeries):
        limits.check_sizes(len(sent.items), 0, 0, path)
    items = sent_items(sent, path, future_covariates, choose_targets)
    targets, ahead = items[0].targets, items[0].future_covariates
    if model_targets and set(model_targets) <= set(targets):
        targets = tuple(model_targets)
    used = {*targets, *ahead}
    covariates = tuple(name for name in items[0].columns if name not in used)
    if limits is not None:
        rows_sent = 0 if reading.resample else sum(item.times.length for item in items)
        width = len(items[0].columns)
        limits.check_sizes(len(items), width, rows_sent * width, path)
    placed = place_items([item.times for item in items], reading)
    columns = (*targets, *covariates, *ahead)
    labels = labels_by_column(items, targets)
    rows = tuple(
        _series_of(item, rows, columns, labels, len(targets)) for item, rows in zip(items, placed, strict=True)
    )
    panel = Panel(rows, targets, covariates, ahead, labels)
    said = (*(item.warning for item in items if item.warning), *(one for rows in placed for one in rows.warnings))
    gaps, total = sum(one.gaps for one in placed), sum(map(len, rows))
    if gaps:
        said = (*said, f"{gaps} of {total} rows were not sent and count as missing values: {advice.gaps}")
    if len(calendars := _calendars(placed)) > 1:
        said = (*said, _unlike_calendars(calendars, advice))
    warnings = tuple(dict.fromkeys(said))
    inferred = all(item.times.freq is None for item in items)
    item_columns = sent.item_columns if isinstance(sent, ItemsSeries) else None
    return ReadPanel(panel, warnings, tuple(placed), inferred, item_columns)


def _calendars(placed: Sequence[PlacedRows]) -> list[Calendar | None]:
    """Return the calendars of items that have times, the most frequent first; None: there are rows at all times."""
    found = {str(rows.axis.calendar): rows.axis.calendar for rows in placed if rows.axis}
    counts = Counter(str(rows.axis.calendar) for rows in placed if rows.axis)
    return [found[text] for text, _ in counts.most_common()]


def _unlike_calendars(calendars: Sequence[Calendar | None], advice: Advice) -> str:
    some = " (some have rows at all times)" if None in calendars else ""
    return f"the items have {len(calendars)} different calendars{some}: each keeps its own; {advice.calendars}"


def _plain(values: SentValues, path: Path) -> ReadPanel:
    """Read a list of numbers, the most frequent form, at the least cost."""
    column = SentColumn(values, path)
    require_values(column)
    panel = Panel((Series(read_numbers(column)[:, None]),))
    return ReadPanel(panel, (), _UNPLACED, freq_inferred=True)


def _series_of(
    item: SentItem, rows: PlacedRows, names: Sequence[str], labels: Mapping[str, tuple[str, ...]], targets: int
) -> Series:
    columns = [
        read_labels(item.columns[name], labels[name]) if name in labels else read_numbers(item.columns[name])
        for name in names
    ]
    values = np.stack(columns, axis=1) if len(columns) > 1 else columns[0][:, None]
    if rows.axis is not None and rows.axis.grid.how is not None:
        hows = [how_of(rows.axis.grid.how, column < targets, name in labels) for column, name in enumerate(names)]
        values = aggregate(values, rows.positions, len(rows.axis), hows)
    elif rows.axis is not None:
        sent, values = values, np.full((len(rows.axis), len(names)), np.nan)
        values[rows.positions] = sent
    return Series(values, item.id, rows.axis, static=item.static)


def read_numbers(column: SentColumn) -> FloatArray:
    """Return the values of a column, NaN where missing. Raises InvalidSeries for a value beyond 1e100."""
    values = [None] * len(column.values) if has_text(column.values) else column.values  # text without a label is empty
    numbers = np.array(values, dtype=np.float64)
    if len(numbers) and smallest(numbers) >= -LARGEST and largest(numbers) <= LARGEST:  # none is missing
        return numbers
    large = np.abs(numbers) > LARGEST
    if large.any():
        index = int(np.argmax(large))
        detail = f"{numbers[index]:g} is too large: values must lie between -{LARGEST:g} and {LARGEST:g}"
        raise InvalidSeries.at((*column.path, index), detail)
    return numbers


def read_future_covariates(asked: ForecastRequest) -> FutureCovariates:
    """Return the values of future covariates in a request.

    Raises InvalidSeries for a number beyond 1e100, and if a column has more or fewer values than there are timestamps.
    """
    if asked.future_covariates is None and not isinstance(asked.history, ItemsSeries):
        return NONE_SENT
    by_item = dict(_inside_items(asked.history, ("history",)))
    sent, path = asked.future_covariates or {}, NO_COLUMNS.path
    if isinstance(sent, TimedColumns):
        return FutureCovariates(_read(sent, path), by_item)
    for_all: dict[str, SentCells] = {}
    for name, values in sent.items():
        if isinstance(values, list):
            for_all[name] = values
        else:
            by_item[name] = _read(values, (*path, name))
    return FutureCovariates(_read(for_all, path), by_item)


def refuse_values_ahead(series: SentSeries, path: Path) -> None:
    """Raise InvalidSeries if a series has values of future covariates although no forecast starts at its end."""
    for _, sent in _inside_items(series, path):
        raise InvalidSeries.at(sent.path, "name the future covariates, in a list; their values are for /forecast")


def _inside_items(series: SentSeries | None, path: Path) -> Iterator[tuple[str, SentCovariates]]:
    for index, item in enumerate(series.items if isinstance(series, ItemsSeries) else ()):
        if isinstance(item, ColumnsItem) and isinstance(item.future_covariates, dict | TimedColumns):
            yield item.id, _read(item.future_covariates, (*path, "items", index, "future_covariates"))


def _read(sent: Mapping[str, SentCells] | TimedColumns, path: Path) -> SentCovariates:
    cells = sent.columns if isinstance(sent, TimedColumns) else sent
    columns = {name: _labels(values) if has_text(values) else values for name, values in cells.items()}
    read = SentCovariates(columns, path)
    if isinstance(sent, TimedColumns):
        read = SentCovariates(columns, path, sent.timestamps, sent.date_format)
    for name, values in columns.items():
        column = SentColumn(values, (*read.columns_path, name))
        if read.timestamps is not None and len(values) != len(read.timestamps):
            detail = f"{name[:60]!r} has {len(values)} values for {len(read.timestamps)} timestamps: send one for each"
            raise InvalidSeries.at(column.path, detail)
        read_numbers(column)
    return read


def _labels(cells: SentCells) -> SentCells:
    labels: list[str | bool | None] = [label_of(cell) or None for cell in cells]
    return labels
