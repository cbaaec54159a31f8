"""Backtests as a frame in long format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from service.client.frame_columns import bounds, identities, joined, moments
from service.client.time_texts import Zone


class BacktestFrame(pd.DataFrame):
    """A row for each series, origin and step: ``unique_id``, ``origin``, ``step``, ``ds``, ``y``, ``mean``, intervals.

    ``origin`` is the row (from 0) of the last value that the forecast knew; ``ds`` is the row that is forecast where
    the series has no times; ``y`` is what came. metrics, baseline: errors of the model, and of the seasonal naive
    forecast on the same points; skill: 1 - MAE / MAE of the baseline; warnings: what to know about them.
    """

    _metadata: ClassVar[list[str]] = ["metrics", "baseline", "skill", "warnings", "model_id"]

    # What pandas puts together of several frames has none of these.
    metrics: Mapping[str, Any] = MappingProxyType({})
    baseline: Mapping[str, Any] = MappingProxyType({})
    skill: float | None = None
    warnings: Sequence[str] = ()
    model_id: str | None = None

    @property
    def _constructor(self) -> type[BacktestFrame]:
        return BacktestFrame

    def plot(self, *, max_items: int = 12, ax: Any = None) -> Any:  # type: ignore[override]
        """Draw what came, and what was forecast of it, each origin a line; return the axes."""
        from service.client.plotting import draw_backtest

        return draw_backtest(self, max_items=max_items, ax=ax)


def backtest_frame(answer: Mapping[str, Any], zone: Zone | None) -> BacktestFrame:
    """Return the answer of POST /backtest as a frame; zone: of its times."""
    forecasts = answer["forecasts"]
    horizon = int(answer["horizon"])
    lengths = [len(one["origins"]) * horizon for one in forecasts]
    origins = np.concatenate([np.repeat(np.asarray(one["origins"], dtype=np.int64), horizon) for one in forecasts])
    steps = np.tile(np.arange(1, horizon + 1), len(origins) // horizon)
    if forecasts[0]["timestamps"] is None:
        ds = pd.Series(origins + steps)
    else:
        ds = moments([text for one in forecasts for ahead in one["timestamps"] for text in ahead], zone)
    columns = {"y": joined([one["actual"] for one in forecasts]), "mean": joined([one["mean"] for one in forecasts])}
    frame = BacktestFrame(
        {**identities(forecasts, lengths), "origin": origins, "step": steps, "ds": ds, **columns, **bounds(forecasts)}
    )
    for name in frame._metadata:
        object.__setattr__(frame, name, answer[name])
    return frame
