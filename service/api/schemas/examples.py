"""The series of the examples in the API's documents: ten years of quarters, short enough to read."""

from __future__ import annotations

from pydantic import JsonValue

SEASONAL_SERIES: list[JsonValue] = [
    30, 21, 29, 38, 33, 24, 32, 41, 36, 26, 35, 45, 38, 29, 38, 48, 41, 31, 41, 51, 44, 34, 44, 55,
    47, 36, 47, 58, 50, 39, 50, 62, 53, 41, 53, 65, 56, 44, 56, 68,
]  # fmt: skip
"""Forty quarters of a growing seasonal series."""

EXAMPLE_NAME = "sales"
"""The model that the example of POST /train makes and the others ask for."""

PLACEHOLDER_MODEL_ID = "9c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f"
PLACEHOLDER_JOB_ID = "3f2b8c5d9e0a47b1a6c4d2e8f0b1c3d5"
