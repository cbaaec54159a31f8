"""Values of columns known ahead that are sent with timestamps: each step takes the row of its time."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest

from tests.api.application import Application
from tests.api.contract import problem_of
from tests.factories import warm_months

Record = dict[str, Any]

MONTHS, TEMP, Y = warm_months()
PAST, AHEAD = slice(48), slice(48, 51)
WARM = [10, 20, 30]
RIGHT = [140, 180, 220]
LATER = slice(2, 50)
"""What the panel's second item is trained on: its forecast begins in 2024-03."""


def rows(where: slice, **more: Any) -> Record:
    return {"timestamps": MONTHS[where], "columns": {"temp": TEMP[where], "y": Y[where]}, **more}


def timed(timestamps: list[Any], temp: list[Any], **more: Any) -> Record:
    return {"timestamps": timestamps, "columns": {"temp": temp}, **more}


def without(month: str) -> Record:
    kept = [row for row, one in enumerate(MONTHS) if one != month]
    return timed([MONTHS[row] for row in kept], [TEMP[row] for row in kept])


ALL = timed(MONTHS, TEMP)


def train(application: Application, series: Record) -> Record:
    named = {**series, "future_covariates": ["temp"]}
    return application.train(named, candidates=["naive", "drift"], transform="none", season_length=1)


def means(application: Application, model: Record, future: Any, **body: Any) -> list[list[float]]:
    asked = {"model_id": model["model_id"], "horizon": 3, **body}
    return [one["mean"] for one in application.forecast(**asked, future_covariates=future)["forecasts"]]


@pytest.fixture(scope="module")
def model(application: Application) -> Record:
    return train(application, rows(PAST))


@pytest.fixture(scope="module")
def panel_model(application: Application) -> Record:
    return train(application, {"items": [rows(PAST, id="a"), rows(LATER, id="b")]})


@pytest.mark.parametrize(
    "future",
    [
        pytest.param(ALL, id="past and future"),
        pytest.param(timed(MONTHS[AHEAD], WARM), id="future alone"),
        pytest.param(timed(MONTHS[::-1], TEMP[::-1]), id="not in order"),
        pytest.param(timed([*MONTHS, "2024-04"], [*TEMP, None]), id="beyond the horizon"),
        pytest.param(timed(MONTHS, [None] * 48 + WARM), id="nulls in the past"),
        pytest.param(timed([f"{one}-01" for one in MONTHS], TEMP), id="days"),
        pytest.param(timed([f"{one}-01T00:00:00" for one in MONTHS], TEMP), id="midnights"),
        pytest.param(timed(["01.01.2024", "01.02.2024", "01.03.2024"], WARM, date_format="%d.%m.%Y"), id="a form"),
        pytest.param({"temp": WARM}, id="without timestamps"),
    ],
)
def test_each_step_takes_the_row_of_its_time(application: Application, model: Record, future: Record) -> None:
    [mean] = means(application, model, future)
    assert mean == pytest.approx(RIGHT, abs=2)


def test_the_future_begins_after_the_history_that_was_sent(application: Application, model: Record) -> None:
    history = rows(slice(49))
    [mean] = means(application, model, ALL, horizon=2, history=history)
    assert mean == pytest.approx(RIGHT[1:], abs=2)
    [mean] = means(application, model, ALL, history=rows(slice(20)))
    assert mean == pytest.approx(Y[20:23], abs=2)


def test_each_item_takes_the_rows_after_its_own_end(application: Application, panel_model: Record) -> None:
    first, second = means(application, panel_model, timed([*MONTHS, "2024-04", "2024-05"], [*TEMP, 40, 0]))
    assert first == pytest.approx(RIGHT, abs=2)
    assert second == pytest.approx([220, 260, 100], abs=2)
    each = {"a": ALL, "b": {"temp": [30, 40, 0]}}
    assert means(application, panel_model, each) == [first, second]
    inside = {"items": [rows(PAST, id="b", future_covariates=ALL), rows(PAST, id="new", future_covariates=ALL)]}
    known, new = means(application, panel_model, None, history=inside)
    assert known == pytest.approx(RIGHT, abs=2)
    assert new == pytest.approx(RIGHT, abs=2)


@pytest.mark.parametrize("names", [("columns", "timestamps"), ("items", "columns")])
def test_items_may_be_called_as_the_fields_are(application: Application, names: tuple[str, str]) -> None:
    model = train(application, {"items": [rows(PAST, id=name) for name in names]})
    for sent in (ALL, {"temp": WARM}):
        for mean in means(application, model, dict.fromkeys(names, sent)):
            assert mean == pytest.approx(RIGHT, abs=2)


@pytest.mark.parametrize(
    ("future", "slug", "pointer", "detail"),
    [
        (
            without("2024-02"),
            "missing-values",
            "#/future_covariates/timestamps",
            r"no row for '2024-02' \(the nearest is '2024-0[13]'\), where the series needs 'temp': send a row for each "
            r"of the 3 steps from '2024-01' to '2024-03' \(frequency MS\), or ask for a horizon of 1",
        ),
        (
            timed(["2024-03", "2024-04", "2024-05"], WARM),
            "missing-values",
            "#/future_covariates/timestamps",
            r"no row for '2024-01'.*of the 3 steps from '2024-01' to '2024-03' \(frequency MS\)$",
        ),
        (timed([], []), "missing-values", "#/future_covariates/timestamps", "no row for '2024-01', where"),
        (
            timed(["2024-01-31", "2024-02-29", "2024-03-31"], WARM),
            "missing-values",
            "#/future_covariates/timestamps",
            r"no row for '2024-01' \(the nearest is '2024-01-31'\)",
        ),
        (
            timed(MONTHS, [*TEMP[:49], None, 30]),
            "missing-values",
            "#/future_covariates/columns/temp/49",
            "'temp' has no value for '2024-02' of the series",
        ),
        (
            timed([*MONTHS, "2024-02"], [*TEMP, 20]),
            "invalid-timestamps",
            "#/future_covariates/timestamps/51",
            "'2024-02' occurs twice",
        ),
        (
            timed(["2024-01", "soon", "2024-03"], WARM),
            "invalid-timestamps",
            "#/future_covariates/timestamps/1",
            "'soon' cannot be used as a time",
        ),
        (
            timed(["2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"], WARM),
            "invalid-timestamps",
            "#/future_covariates/timestamps/0",
            "has an offset from UTC, unlike the times of the series: write it as they are, as '2023-12'",
        ),
        (
            timed([1704067200, 1706745600, 1709251200], WARM),
            "invalid-timestamps",
            "#/future_covariates/timestamps/0",
            "1704067200 has an offset from UTC",
        ),
        (
            timed(["01-02-2024", "01-03-2024", "01-04-2024"], WARM),
            "ambiguous-dates",
            "#/future_covariates/timestamps/0",
            "date_format",
        ),
        (
            timed(MONTHS, TEMP, date_format="%k"),
            "invalid-option",
            "#/future_covariates/date_format",
            "not known",
        ),
        (
            timed(MONTHS, WARM),
            "invalid-series",
            "#/future_covariates/columns/temp",
            "'temp' has 3 values for 51 timestamps",
        ),
        (
            {**ALL, "columns": {"temp": TEMP, "rain": TEMP}},
            "unknown-column",
            "#/future_covariates/columns/rain",
            "those of this model are temp",
        ),
        ({**ALL, "columns": {}}, "unknown-column", "#/future_covariates/columns", "needs 'temp' for the 3 steps"),
        ({**ALL, "freq": "MS"}, "invalid-request", "#/future_covariates/freq", "there is no field of this name"),
        (timed(MONTHS[AHEAD], ["10", 20, 30]), "invalid-request", "#/future_covariates/columns/temp/0", "number"),
        ({"b": ALL}, "unknown-column", "#/future_covariates/b", "not among"),
    ],
)
def test_what_cannot_be_matched_is_named(
    client: httpx.Client, model: Record, future: Record, slug: str, pointer: str, detail: str
) -> None:
    body = {"model_id": model["model_id"], "horizon": 3, "future_covariates": future}
    problem_of(client.post("/forecast", json=body), 422, slug, pointer, detail)


def test_the_item_that_lacks_a_time_is_named(client: httpx.Client, panel_model: Record) -> None:
    body = {"model_id": panel_model["model_id"], "horizon": 3, "future_covariates": ALL}
    for_all = "no row for '2024-04'.*, where item 'b' needs 'temp'.*or ask for a horizon of 1"
    problem_of(client.post("/forecast", json=body), 422, "missing-values", "#/future_covariates/timestamps", for_all)
    body["future_covariates"] = {"a": without("2024-01"), "b": ALL}
    place = "#/future_covariates/a/timestamps"
    problem_of(client.post("/forecast", json=body), 422, "missing-values", place, "'2024-01'.*item 'a' needs 'temp'")
    history = {"items": [rows(PAST, id="new", future_covariates=timed(MONTHS, [None] * 51))]}
    body = {"model_id": panel_model["model_id"], "horizon": 3, "history": history}
    place = "#/history/items/0/future_covariates/columns/temp/48"
    problem_of(client.post("/forecast", json=body), 422, "missing-values", place, "'temp'.*'2024-01' of item 'new'")


def test_the_cures_work(application: Application, model: Record) -> None:
    [mean] = means(application, model, without("2024-02"), horizon=1)
    assert mean == pytest.approx(RIGHT[:1], abs=2)


def test_a_series_without_times_takes_none(application: Application) -> None:
    untimed = {"columns": {"temp": TEMP[PAST], "y": Y[PAST]}}
    model = train(application, untimed)
    body = {"model_id": model["model_id"], "horizon": 3, "future_covariates": ALL}
    told = "the series has no timestamps.*leave the timestamps out, and send for each column a list of its next 3"
    place = "#/future_covariates/timestamps"
    problem_of(application.client.post("/forecast", json=body), 422, "invalid-timestamps", place, told)
    [mean] = means(application, model, {"temp": WARM})
    assert mean == pytest.approx(RIGHT, abs=2)
    timed_model = train(application, rows(PAST))
    body |= {"model_id": timed_model["model_id"], "history": untimed}
    problem_of(application.client.post("/forecast", json=body), 422, "invalid-timestamps", place, told)


def test_values_ahead_are_not_for_a_training(client: httpx.Client) -> None:
    series = {"items": [rows(PAST, id="a", future_covariates=ALL)]}
    place = "#/series/items/0/future_covariates"
    problem_of(client.post("/train", json={"series": series}), 422, "invalid-series", place, "in a list")


@pytest.mark.parametrize(
    ("own", "other"),
    [
        pytest.param("2024-03-{:02}", "{:02}.03.2024", id="days"),
        pytest.param("{:02}-03-2024", "2024-03-{:02}", id="days first"),
        pytest.param("2024-03-{:02}T06:00:00+02:00", "2024-03-{:02}T04:00:00Z", id="offsets"),
        pytest.param("2024-03-{:02}T00:00:00Z", None, id="seconds since 1970"),
        pytest.param(None, "2024-03-{:02}T02:00:00+02:00", id="seconds since 1970 to times"),
    ],
)
def test_times_are_matched_whatever_their_form(application: Application, own: str | None, other: str | None) -> None:
    def times(pattern: str | None, days: range) -> list[Any]:
        return [pattern.format(day) if pattern else 1709164800 + 86400 * day for day in days]

    temp = TEMP[:28]
    series = {"timestamps": times(own, range(1, 29)), "columns": {"temp": temp, "y": Y[:28]}}
    model = train(application, series)
    for pattern in (own, other):
        [mean] = means(application, model, timed(times(pattern, range(1, 32)), [*temp, *WARM]))
        np.testing.assert_allclose(mean, RIGHT, atol=3)


def test_times_of_changing_clocks_are_matched(application: Application) -> None:
    hours = [f"2024-03-30T{hour:02}:00:00+01:00" for hour in range(24)] + ["2024-03-31T00:00:00+01:00"]
    ahead = ["2024-03-31T01:00:00+01:00", "2024-03-31T03:00:00+02:00", "2024-03-31T04:00:00+02:00"]
    series = {"timestamps": hours, "columns": {"temp": TEMP[:25], "y": Y[:25]}}
    [mean] = means(application, train(application, series), timed([*hours, *ahead], [*TEMP[:25], *WARM]))
    np.testing.assert_allclose(mean, RIGHT, atol=3)


def test_months_are_matched_with_month_ends(application: Application) -> None:
    ends = np.array([np.datetime64(one, "M") + 1 for one in MONTHS]).astype("datetime64[D]") - 1
    series = {"timestamps": ends[PAST].astype(str).tolist(), "columns": {"temp": TEMP[PAST], "y": Y[PAST]}}
    model = train(application, series)
    for times in (ends.astype(str).tolist(), MONTHS):
        [mean] = means(application, model, timed(times, TEMP))
        assert mean == pytest.approx(RIGHT, abs=2)


def test_a_column_that_does_not_help_needs_no_rows(application: Application) -> None:
    noise = np.random.default_rng(5).normal(size=48).tolist()
    series = {"timestamps": MONTHS[PAST], "columns": {"temp": noise, "y": [100.0 + row % 3 for row in range(48)]}}
    model = train(application, series)
    assert model["future_covariates"] == []
    assert means(application, model, timed(MONTHS[:1], [1])) == means(application, model, None)
    body = {"model_id": model["model_id"], "future_covariates": timed(["soon"], [1])}
    problem_of(application.client.post("/forecast", json=body), 422, "invalid-timestamps", None, "'soon'")


def test_a_row_that_does_not_fit_dates_with_the_day_first_is_named(application: Application) -> None:
    days = [f"{day:02}-03-2024" for day in range(1, 32)]
    model = train(application, {"timestamps": days[:28], "columns": {"temp": TEMP[:28], "y": Y[:28]}})
    body = {"model_id": model["model_id"], "future_covariates": timed(["04-03-2024", "05-03-24"], [1, 2])}
    place = "#/future_covariates/timestamps/1"
    told = "'05-03-24' cannot be used as a time"
    problem_of(application.client.post("/forecast", json=body), 422, "invalid-timestamps", place, told)
