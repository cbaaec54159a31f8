"""Changes of a kept series: against a plain model of it, and each rule for itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InvalidOption, InvalidSeries, ObservationConflict
from service.forecasting.observations.changes import Addition, Applied, Removal, change_of
from service.forecasting.observations.kept_series import KeptSeries, kept_series_state, restore_kept_series
from service.forecasting.series.row_placement import Reading, axis_from_timestamps
from service.forecasting.series.series import Panel, Series

TRAINED = 5


def plain(values: list[float | None], item: str | None = None) -> Panel:
    column = np.array([np.nan if one is None else one for one in values], np.float64)[:, None]
    return Panel((Series(column, item),))


def kept() -> KeptSeries:
    return KeptSeries.of_training(plain([1.0, 2.0, None, 4.0, 5.0]))


def add(series: KeptSeries, values: list[float | None], start: int, correct: bool = False) -> Applied:
    change = Addition(plain(values), {None: start}, correct)
    stored = change_of(orjson.loads(orjson.dumps(change.to_record())))
    assert isinstance(stored, Addition)
    applied, again = change.apply(series), stored.apply(series)
    np.testing.assert_array_equal(rows(applied.series), rows(again.series))
    return applied


def rows(series: KeptSeries, item: str | None = None) -> np.ndarray[Any, Any]:
    return series.panel.series[series.places[item]].values[:, 0]


VALUE = st.sampled_from([None, 1.0, 2.0, 3.0])
STEP = st.one_of(
    st.tuples(st.just("add"), st.lists(VALUE, min_size=1, max_size=6), st.integers(0, 12), st.booleans()),
    st.tuples(st.just("remove"), st.integers(0, 12), st.integers(0, 12), st.none()),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEP, max_size=12))
def test_any_changes_leave_what_they_leave_of_a_list(steps: list[Any]) -> None:
    series, expected = kept(), [1.0, 2.0, None, 4.0, 5.0]
    for kind, first, second, third in steps:
        if kind == "add":
            values, start, correct = first, second, third
            there = [expected[start + at] if start + at < len(expected) else None for at in range(len(values))]
            clash = any(None not in (a, b) and a != b for a, b in zip(values, there, strict=True))
            if start > len(expected):
                with pytest.raises(InvalidOption):
                    add(series, values, start, correct)
                continue
            if clash and not correct:
                with pytest.raises(ObservationConflict):
                    add(series, values, start, correct)
                continue
            expected += [None] * (start + len(values) - len(expected))
            for at, value in enumerate(values):
                expected[start + at] = expected[start + at] if value is None else value
            series = add(series, values, start, correct).series
        else:
            start, stop = first, min(second, len(expected))
            if start < TRAINED:
                with pytest.raises(InvalidOption):
                    Removal({None: (start, stop)}).apply(series)
                continue
            if start >= stop:
                continue
            series = Removal({None: (start, stop)}).apply(series).series
            expected[start:stop] = [None] * (stop - start)
            while stop >= len(expected) and len(expected) > TRAINED and expected[-1] is None:
                expected.pop()
                stop = len(expected)
        np.testing.assert_array_equal(rows(series), np.array(expected, np.float64))


def test_values_are_counted() -> None:
    applied = add(kept(), [4.0, 6.0, 7.0, None, 8.0], 3, correct=True)
    assert (applied.appended, applied.ignored, applied.replaced, applied.gaps) == (2, 1, 1, 1)
    assert applied.changes
    assert not add(applied.series, [4.0, 6.0], 3).changes


def test_a_conflict_names_both_values_and_the_row() -> None:
    with pytest.raises(ObservationConflict, match="value is 5 at row 4, and 6 was sent"):
        add(kept(), [4.0, 6.0], 3)


def test_the_oldest_rows_are_dropped_and_rows_keep_their_numbers() -> None:
    series = add(kept(), [6.0, 7.0, 8.0], 5).series.limited(4, 100)
    assert series.dropped == (4,)
    np.testing.assert_array_equal(rows(series), [5.0, 6.0, 7.0, 8.0])
    np.testing.assert_array_equal(rows(add(series, [9.0], 8).series)[-2:], [8.0, 9.0])
    with pytest.raises(InvalidOption, match="kept from row 4"):
        add(series, [1.0], 0)
    with pytest.raises(ObservationConflict, match="at row 6"):
        add(series, [1.0], 6)


def test_values_over_all_items_are_bounded_too() -> None:
    panel = Panel(tuple(Series(np.ones((length, 1)), item) for item, length in (("a", 10), ("b", 100))))
    series = KeptSeries.of_training(panel).limited(1000, 50)
    assert series.panel.points <= 50
    assert series.end("a") == 10
    assert series.end("b") == 100


def test_a_new_item_starts_at_its_first_row() -> None:
    series = KeptSeries.of_training(plain([1.0], "a"))
    after = Addition(plain([5.0, 6.0], "b"), {"b": 0}).apply(series).series
    assert after.trained == (1, 0)
    np.testing.assert_array_equal(rows(after, "b"), [5.0, 6.0])
    gone = Removal({"b": (0, 2)}).apply(after)
    assert list(gone.series.places) == ["a"]
    assert gone.removed == 2
    with pytest.raises(InvalidOption, match="start_index 0"):
        Addition(plain([5.0], "b"), {"b": 3}).apply(series)
    with pytest.raises(InvalidSeries, match="no value"):
        Addition(plain([None], "b"), {"b": 0}).apply(series)


def test_items_and_a_series_without_them_do_not_mix() -> None:
    with pytest.raises(InvalidSeries, match="without an ID"):
        Addition(plain([1.0], "a"), {"a": 0}).apply(kept())
    with pytest.raises(InvalidSeries, match="items"):
        Addition(plain([1.0]), {None: 0}).apply(KeptSeries.of_training(plain([1.0], "a")))


def test_a_kept_series_is_restored_from_its_state() -> None:
    series = add(kept(), [6.0, None, 8.0], 5).series.limited(6, 100)
    again = restore_kept_series(*kept_series_state(series))
    assert (again.dropped, again.trained) == (series.dropped, series.trained)
    np.testing.assert_array_equal(rows(again), rows(series))


def test_a_holiday_that_gets_a_value_moves_the_end_of_the_training() -> None:
    days = [str(one) for one in np.arange("2024-01-01", "2024-03-30", dtype="datetime64[D]") if np.is_busday(one)]
    closed = "2024-02-14"
    known = timed([day for day in days[:-5] if day != closed])
    series = KeptSeries.of_training(known)
    assert len(known.series[0]) == len(days) - 6
    after = Addition(timed([closed], known), {}).apply(series).series
    assert after.trained == (len(days) - 5,)
    with pytest.raises(InvalidOption, match="can only be corrected"):
        Removal({None: (len(days) - 6, len(days) - 5)}).apply(after)


def timed(days: list[str], model: Panel | None = None) -> Panel:
    """Return a series of these days, which continues that of a model."""
    grid = None if model is None or model.series[0].times is None else model.series[0].times.grid
    placed = axis_from_timestamps(days, None, None, (), Reading(known=grid, continues=grid is not None))
    assert placed.axis is not None
    return Panel((Series(np.ones((len(placed.axis), 1)), times=placed.axis),))


@pytest.mark.parametrize(
    ("field", "value"),
    [("dropped", [1, 2]), ("trained", [-1]), ("dropped", ["1"]), ("dropped", [2**70]), ("trained", [0])],
)
def test_a_damaged_state_is_refused(field: str, value: object) -> None:
    record, arrays = kept_series_state(kept())
    with pytest.raises(ValueError, match=r"numbers of rows|no item was trained"):
        restore_kept_series({**record, field: value}, arrays)
