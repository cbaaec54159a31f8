"""Aggregate rows to a longer, regular step: irregular readings to minutes, daily sales to weeks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from service.errors import InvalidOption, Path
from service.forecasting.series.frequency import DAY, aliases_of, name_of, step_of
from service.forecasting.series.time_format import TimeArray, TimestampFormat

How = Literal["mean", "sum", "last", "max", "min", "first"]

# Frequencies whose rows follow each other without a gap; pandas dates those of the second line on their last day.
_STARTS = frozenset({"D", "h", "min", "s", "MS", "QS", "YS"})
_ENDS = frozenset({"W", "ME", "QE", "YE"})
_PROPOSED = (
    *("s", "5s", "10s", "15s", "30s", "min", "5min", "10min", "15min", "30min"),
    *("h", "2h", "3h", "6h", "12h", "D", "W", "MS", "QS", "YS"),
)
_MOST_BUCKETS = 200
# A proposed step has rows in so many of its buckets, or as many as any, but at least in half: others are refused. It
# leaves some rows, and one for twenty that were sent.
_FILLED, _WORKS = 0.9, 0.5
_FEWEST, _MOST_IN_ONE = 3, 20


class Resample(BaseModel):
    """The step to which rows are aggregated, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    freq: Annotated[str, Field(max_length=40, examples=["5min"])]
    """Step of the aggregated rows: s, 5min, h, D, W, W-MON, MS, ME, QS or YS, or a multiple. As in pandas, weeks (W is
    W-SUN) and ends of months are dated on their last day, others on their start."""
    how: Annotated[How, Field(examples=["mean"])]
    """How the values of a step are combined; missing ones are ignored. Of `sum`, covariates are averaged."""


class Buckets(NamedTuple):
    """Rows by the step in which they lie.

    labels: (bucket,) the times of those with rows; bucket: (row,) the bucket of each row, -1 where it is left out.
    """

    labels: TimeArray
    bucket: NDArray[np.intp]
    warnings: tuple[str, ...]


def resampling_alias(freq: str, path: Path) -> str:
    """Return the current alias of a frequency to resample to. Raises UnknownFrequency and InvalidOption at ``path``."""
    aliases = [alias for alias in aliases_of(freq, path) if name_of(alias) in _STARTS | _ENDS]
    if not aliases:
        raise InvalidOption.at(path, f"rows cannot be aggregated to {freq[:40]!r}: use one of {', '.join(_PROPOSED)}")
    return aliases[0]


def bucket_rows(times: TimeArray, form: TimestampFormat, alias: str, path: Path) -> Buckets:
    """Return the buckets of times in order (row,); an incomplete first or last bucket is left out.

    Steps of days and more are of local time. Raises InvalidOption at ``path`` if the step is much too short or long.
    """
    import pandas as pd

    step = step_of(alias)
    span = int(times[-1].astype(np.int64)) - int(times[0].astype(np.int64))
    if step is not None and span // step > _MOST_BUCKETS * len(times):
        detail = f"{len(times)} rows would spread over {span // step} rows of {alias!r}: {proposal(times)}"
        raise InvalidOption.at(path, detail)
    typical = np.median(np.diff(np.unique(times))) if len(times) > 1 else np.timedelta64(0, "ns")
    if step is not None and step < typical.astype(np.int64):
        detail = f"the rows are further apart than {alias!r}: rows are aggregated, not invented; {proposal(times)}"
        raise InvalidOption.at(path, detail)
    # Short steps have a constant length, and start at full hours of local time.
    shift = form.local(times[:1])[0] - times[0]
    local = form.local(times) if step is None or step >= DAY else times + shift
    try:
        counts = pd.Series(1, index=pd.DatetimeIndex(local)).resample(alias).count()
        labels = np.asarray(pd.DatetimeIndex(counts.index).as_unit("ns").to_numpy())
        starts, stop = edges(labels, alias)
    except (OverflowError, pd.errors.OutOfBoundsDatetime):
        raise InvalidOption.at(
            path, f"steps of {alias!r} go beyond the years 1678 to 2261: give a shorter one"
        ) from None
    bucket = np.repeat(np.arange(len(counts)), counts)
    left_out = []
    if len(counts) > 2:
        # A step is complete if it has as many rows as others, though a shop sends none for the Sunday of its last week.
        usual = np.quantile(counts.iloc[1:-1], 0.25)
        if starts[0] < local[0] and local[0] - starts[0] >= typical and counts.iloc[0] < usual:
            bucket[bucket == 0] = -1
            left_out.append("first")
        if stop - local[-1] > typical and counts.iloc[-1] < usual:
            bucket[bucket == len(counts) - 1] = -1
            left_out.append("last")
    warnings = tuple(f"the {one} step of {alias} is incomplete: its rows are left out" for one in left_out)
    found, inverse = np.unique(bucket[bucket >= 0], return_inverse=True)
    bucket[bucket >= 0] = inverse
    labelled = labels[found]
    return Buckets(form.absolute(labelled) if step is None or step >= DAY else labelled - shift, bucket, warnings)


def edges(labels: TimeArray, alias: str) -> tuple[TimeArray, np.datetime64]:
    """Return the starts of buckets with these labels, and the end of the last one."""
    import pandas as pd

    index = pd.DatetimeIndex(labels)
    offset = pd.tseries.frequencies.to_offset(alias)
    day = np.timedelta64(1, "D")
    if name_of(alias) in _ENDS:
        return np.asarray((index - offset).to_numpy()) + day, labels[-1] + day
    return labels, np.asarray((index[-1:] + offset).to_numpy())[0]


def step_of_times(times: TimeArray, labels: TimeArray, before: np.datetime64, alias: str) -> NDArray[np.intp]:
    """Return the step (row,) of each time, in order of ``labels``; -1: none, or the last, whose end is not known.

    labels: of consecutive steps after the step ``before``, all as the steps of the frequency count them.
    """
    if name_of(alias) in _ENDS:
        days = labels.astype("datetime64[D]")
        steps = np.searchsorted(days, times.astype("datetime64[D]"))
        steps[times.astype("datetime64[D]") <= before.astype("datetime64[D]")] = len(labels)
    else:
        steps = np.searchsorted(labels, times, side="right") - 1
    return np.where(steps < len(labels) - 1, steps, -1)


def how_of(how: How, is_target: bool, is_label: bool) -> How:
    """Return how a column is aggregated: of categories the last, of covariates the mean where targets are summed."""
    if is_label:
        return "last"
    return "mean" if how == "sum" and not is_target else how


def aggregate(
    values: NDArray[np.float64], positions: NDArray[np.intp], length: int, hows: Sequence[How]
) -> NDArray[np.float64]:
    """Return rows (length, column) aggregated from ``values`` (row, column), NaN where there are none.

    positions: (row,) the aggregated row of each, -1 where it is left out. hows: how each column is aggregated.
    """
    import pandas as pd

    kept = positions >= 0
    groups = pd.DataFrame(values[kept]).groupby(positions[kept])
    columns = [
        getattr(groups[column], how)(**({"min_count": 1} if how == "sum" else {})) for column, how in enumerate(hows)
    ]
    combined = pd.concat(columns, axis=1).reindex(np.arange(length))
    return np.asarray(combined.to_numpy(dtype=np.float64))


def proposal(times: TimeArray) -> str:
    """Return the cure for times in order without a regular step: a resampling that fills most of its steps."""
    import pandas as pd

    distinct = np.unique(times)
    # The range of all times exceeds that of a signed difference.
    gaps = np.diff(distinct.astype(np.int64).view(np.uint64))
    span = int(distinct[-1].astype(np.int64)) - int(distinct[0].astype(np.int64))
    typical = int(np.median(gaps)) if len(gaps) else DAY
    series = pd.Series(1, index=pd.DatetimeIndex(times))
    possible: dict[str, float] = {}
    for freq in _PROPOSED:
        step = step_of(aliases_of(freq, ())[0]) or 30 * DAY
        if step >= typical and span // step <= _MOST_BUCKETS * len(times):
            counts = series.resample(freq).count()
            filled = int(np.count_nonzero(counts))
            if filled >= max(_FEWEST, len(times) // _MOST_IN_ONE):
                possible[freq] = filled / len(counts)
    best = max(possible, key=lambda freq: min(possible[freq], _FILLED), default=None)
    if best is None or possible[best] < _WORKS:
        return "resample to a regular step"
    return f'give resample, such as {{"freq": "{best}", "how": "mean"}}'
