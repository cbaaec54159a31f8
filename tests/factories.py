"""Seeded series for tests, and workbooks of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from service.forecasting.config.options import TrainOptions
from service.forecasting.series.series import FloatArray, Panel, Series

QUICK: dict[str, Any] = {
    "horizon": 3,
    "context_length": 8,
    "output_chunk_length": 3,
    "season_length": 1,
    "transform": "none",
    "network": {"cell": "gru", "hidden_size": 6, "num_layers": 1},
    "training": {"epochs": 4, "batch_size": 16, "learning_rate": 0.01},
}
"""Options that train in a blink."""


def noisy_sine(length: int = 200, noise: float = 0.1, seed: int = 0) -> FloatArray:
    """sin(0), sin(0.1), ... with normal noise."""
    return np.sin(np.arange(length) / 10) + np.random.default_rng(seed).normal(0, noise, length)


def random_walk(length: int = 200, seed: int = 0) -> FloatArray:
    """A sum of normal steps."""
    return np.random.default_rng(seed).normal(size=length).cumsum()


def seasonal(length: int = 120, season_length: int = 12, seed: int = 0) -> FloatArray:
    """A growing positive series with a season in proportion to its level."""
    steps = np.arange(length)
    level = 100 * np.exp(1.5 * steps / length)
    noise = np.random.default_rng(seed).normal(0, 0.01, length)
    return np.asarray(level * (1 + 0.3 * np.sin(2 * np.pi * steps / season_length) + noise))


def panel(*columns: FloatArray, targets: int = 1, item: str | None = None) -> Panel:
    """One item of the given columns, the first ``targets`` of them to forecast."""
    names = tuple(f"c{number}" for number in range(len(columns))) if len(columns) > 1 else ("value",)
    return Panel((Series(np.stack(columns, axis=1), item),), names[:targets], names[targets:])


def items(*values: FloatArray) -> Panel:
    """Several items of one target."""
    return Panel(tuple(Series(one[:, None], f"item-{row}") for row, one in enumerate(values)))


def options(**changes: Any) -> TrainOptions:
    """Quick options with changes; nested ones are merged."""
    merged = {**QUICK, **changes}
    for name in ("network", "training"):
        merged[name] = {**QUICK[name], **changes.get(name, {})}
    return TrainOptions.model_validate(merged)


def promoted(length: int = 240, effect: float = 10.0, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """A wandering series on which promotions, one row in five, have an effect; and which rows those are."""
    numbers = np.random.default_rng(seed)
    promotions = (numbers.random(length) < 0.2).astype(float)
    return 200 + numbers.normal(0, 0.5, length).cumsum() + numbers.normal(size=length) + effect * promotions, promotions


def warm_months() -> tuple[list[str], list[float], list[float]]:
    """Return the months 2020-01 to 2024-03, a temperature in each, and sales of 100 + 4 * temperature.

    A model is trained on the first 48; the last three sales, 140, 180 and 220, are what is to be forecast.
    """
    months = [f"{2020 + month // 12}-{month % 12 + 1:02}" for month in range(51)]
    temperatures = [*np.random.default_rng(1).uniform(-5, 45, 48).round(1).tolist(), 10.0, 20.0, 30.0]
    return months, temperatures, [100 + 4 * one for one in temperatures]


def workbook(rows: Sequence[Sequence[Any]], prepare: Callable[[Any], None] | None = None) -> bytes:
    """An Excel file with these cells in its first sheet. prepare: is given the book before it is saved."""
    book = pytest.importorskip("openpyxl").Workbook()
    for row in rows:
        book.active.append(list(row))
    if prepare:
        prepare(book)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()
