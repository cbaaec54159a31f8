"""The examples on the page "What your data may look like" are read as it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.forecasting.series.row_placement import axis_from_timestamps
from service.forecasting.series.time_axis import TimeAxis
from tests.api.series import read_csv

PAGE = (Path(__file__).parents[1] / "docs" / "data.md").read_text()


def rows_of(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading, without the marks of code."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


def axis_of(example: str) -> TimeAxis:
    axis = axis_from_timestamps(example.split(", "), None, None, ("series", "timestamps")).axis
    assert axis is not None
    return axis


@pytest.mark.parametrize(("form", "example", "following"), rows_of("Times"))
def test_times(form: str, example: str, following: str) -> None:
    assert axis_of(example).future(1).written() == [following], form


@pytest.mark.parametrize(("rows", "example", "freq", "calendar", "following"), rows_of("Steps between rows"))
def test_steps(rows: str, example: str, freq: str, calendar: str, following: str) -> None:
    axis = axis_of(example)
    expected = None if calendar == "none" else json.loads(calendar)
    assert (axis.freq, axis.calendar and axis.calendar.to_record()) == (freq, expected), rows
    assert axis.written() == example.split(", ")
    assert axis.future(1).written() == [following], rows


@pytest.mark.parametrize(("what", "example", "values"), rows_of("CSV files"))
def test_csv(what: str, example: str, values: str) -> None:
    read = read_csv(example.replace(" / ", "\n").encode())
    assert read.series["columns"]["y"] == json.loads(f"[{values}]"), what
    assert len(read.series["timestamps"]) == len(json.loads(f"[{values}]"))
