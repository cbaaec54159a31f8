"""Data and options that the tests of the client train on."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tests.factories import seasonal

ROWS = 80

QUICK: dict[str, Any] = {
    "horizon": 3,
    "context_length": 8,
    "season_length": 1,
    "transform": "none",
    "network": {"cell": "gru", "hidden_size": 6, "num_layers": 1},
    "training": {"epochs": 3, "batch_size": 16},
}
ENDLESS: dict[str, Any] = {
    **QUICK,
    "network": {"cell": "lstm", "hidden_size": 64, "num_layers": 2},
    "training": {"epochs": 10_000, "batch_size": 16, "patience": 10_000},
}
"""A training that runs until it is stopped."""


def daily(zone: str | None = None) -> pd.DataFrame:
    """A frame of a daily series, with a column that nobody asked for."""
    days = pd.date_range("2024-01-15", periods=ROWS, freq="D", tz=zone)
    return pd.DataFrame({"day": days, "units": seasonal(ROWS), "note": "x"})


def panel(items: int = 3) -> pd.DataFrame:
    """A frame in long format, of months."""
    months = pd.date_range("2018-01-01", periods=ROWS, freq="MS")
    frames = [
        pd.DataFrame({"unique_id": f"store-{item}", "ds": months, "y": seasonal(ROWS, seed=item)})
        for item in range(items)
    ]
    return pd.concat(frames, ignore_index=True)
