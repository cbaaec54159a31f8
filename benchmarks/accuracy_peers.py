"""The forecasts of the peers, cached on disk: they do not change, and some take minutes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy_series import LEVELS, AccuracySeries, Forecast, Interval, last_value
from benchmarks.peer_process import PeerError, PeerProcess, running_peers
from benchmarks.server import REPOSITORY

CACHE = REPOSITORY / "benchmarks" / "results" / "peers"
# How the windows of each network are scaled.
SCALERS = {"gru": "robust", "gru-standard": "standard"}
# Number of series after which the cache is written.
_KEPT_EVERY = 10


class CachedPeers:
    """Peers that compute only what is not on disk; their process is started when the first forecast is missing.

    stack: ends the process. One file contains the forecasts of a method for a group, by the keys of the series, so that
    changed data is forecast again; a method that learns from all series has a file for each sample and seed.
    """

    def __init__(self, stack: ExitStack, folder: Path = CACHE) -> None:
        self._stack = stack
        self._folder = folder

    @cached_property
    def _process(self) -> PeerProcess:
        return self._stack.enter_context(running_peers())

    def forecast_each(self, method: str, group: str, panel: Sequence[AccuracySeries]) -> list[Forecast]:
        """Forecast every series independently. method: a function of `peer_statistics`."""
        file = self._folder / f"{group}-{method}.json"
        kept = read(file)
        missing = [series for series in panel if series.key not in kept]
        for done, series in enumerate(missing, start=1):
            if done == 1:
                self._warm(method)
            kept[series.key] = self._answer(method, **arguments(series))
            if done % _KEPT_EVERY == 0 or done == len(missing):
                write(file, kept)
        return [forecast_of(series, kept[series.key]) for series in panel]

    def forecast_together(self, method: str, group: str, panel: Sequence[AccuracySeries], seed: int) -> list[Forecast]:
        """Forecast with one recurrent network of neuralforecast for all series. method: one of `SCALERS`."""
        file = self._folder / f"{group}-{method}-{len(panel)}-seed{seed}.json"
        kept = read(file)
        if any(series.key not in kept for series in panel):
            values = [series.train.tolist() for series in panel]
            answer = self._answer(
                "forecast_panel",
                panel=values,
                horizon=panel[0].horizon,
                levels=LEVELS,
                scaler=SCALERS[method],
                seed=seed + 1,
            )
            answers = answer if isinstance(answer, list) else [answer] * len(panel)
            kept = {series.key: one for series, one in zip(panel, answers, strict=True)}
            write(file, kept)
        return [forecast_of(series, kept[series.key]) for series in panel]

    def _warm(self, method: str) -> None:
        """Let the method compile what it needs before anything is timed."""
        wave = 10 + np.sin(np.arange(48) * np.pi / 6)
        self._answer(method, values=wave.tolist(), horizon=6, season_length=12, levels=LEVELS)

    def _answer(self, work: str, **asked: Any) -> Any:
        try:
            return self._process.ask(work, **asked)
        except PeerError as error:
            return {"failure": str(error)}


def arguments(series: AccuracySeries) -> dict[str, Any]:
    """Return the arguments of a method for one series."""
    return {
        "values": series.train.tolist(),
        "horizon": series.horizon,
        "season_length": series.season_length,
        "levels": LEVELS,
    }


def forecast_of(series: AccuracySeries, answer: dict[str, Any]) -> Forecast:
    """Parse a response; values that are not finite are a failure."""
    if "failure" in answer:
        return last_value(series, answer["failure"])
    mean = np.array(answer["mean"], dtype=np.float64)
    intervals = {
        int(level): Interval(np.array(bounds["lower"]), np.array(bounds["upper"]))
        for level, bounds in answer["intervals"].items()
    }
    bounds = [side for interval in intervals.values() for side in (interval.lower, interval.upper)]
    if not all(np.isfinite(numbers).all() for numbers in (mean, *bounds)):
        return last_value(series, "not finite")
    return Forecast(mean, intervals, answer["seconds"])


def read(file: Path) -> dict[str, Any]:
    """Return the content of a cache file, or an empty mapping if it does not exist."""
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return kept


def write(file: Path, kept: dict[str, Any]) -> None:
    """Write to a temporary file and rename it, so that an interrupted run leaves a complete file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(kept))
    part.replace(file)
