"""The series in the examples of the API's documentation: ten years of quarters, short enough to read."""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue

SEASONAL_SERIES: list[JsonValue] = [
    30, 21, 29, 38, 33, 24, 32, 41, 36, 26, 35, 45, 38, 29, 38, 48, 41, 31, 41, 51, 44, 34, 44, 55,
    47, 36, 47, 58, 50, 39, 50, 62, 53, 41, 53, 65, 56, 44, 56, 68,
]  # fmt: skip
"""Forty quarters of a growing seasonal series."""

EXAMPLE_NAME = "sales"
"""The model that the example of POST /train creates and the other examples use."""

PLACEHOLDER_MODEL_ID = "9c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f"
PLACEHOLDER_JOB_ID = "3f2b8c5d9e0a47b1a6c4d2e8f0b1c3d5"

PASSENGERS: list[float | None] = [
    *(112, 118, 132, 129, 121, 135, 148, 148, None, 119, 104, 118),
    *(115, 126, 141, 135, 125, 149, 170, 170, 158, 133, 114, 140),
    *(145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166),
    *(171, 180, 193, 181, 183, 218, 230, 242, 209, 191, 172, 194),
]

FLIGHTS: list[float | None] = [
    *(10, 10, 12, 11, 11, 12, 13, 13, 12, 11, 9, 10),
    *(10, 11, 13, 12, 11, 13, 15, 15, 14, 12, 10, 12),
    *(13, 13, 16, 14, 15, 16, 18, 18, 16, 14, 13, 15),
    *(15, 16, 17, 16, 16, 19, 20, 22, 19, 17, 15, 17),
]

MONTHS = [f"{year}-{month:02}" for year in range(1949, 1953) for month in range(1, 13)]

COLUMNS = {"passengers": PASSENGERS, "flights": FLIGHTS}

VALUES_SERIES: dict[str, Any] = {"values": PASSENGERS, "timestamps": MONTHS}

VALUES_WITH_START: dict[str, Any] = {"values": PASSENGERS, "start": "1949-01", "freq": "MS"}

COLUMNS_SERIES: dict[str, Any] = {"columns": COLUMNS, "targets": ["passengers"], "start": "1949-01", "freq": "MS"}

PROMOTIONS: list[float | None] = [float(month % 7 == 3) for month in range(len(MONTHS))]

FUTURE_SERIES: dict[str, Any] = {
    "columns": {"passengers": PASSENGERS, "promotion": PROMOTIONS},
    "future_covariates": ["promotion"],
    "start": "1949-01",
    "freq": "MS",
}

VALUES_ITEM: dict[str, Any] = {"id": "passengers", **VALUES_WITH_START}

COLUMNS_ITEM: dict[str, Any] = {"id": "north", **COLUMNS_SERIES}

ITEMS: list[Any] = [VALUES_ITEM, {"id": "flights", "values": FLIGHTS, "start": "1949-01", "freq": "MS"}]

TIMED_COLUMNS: dict[str, Any] = {
    "timestamps": ["1953-01", "1953-02", "1953-03"],
    "columns": {"promotion": [0, 1, 0]},
}
