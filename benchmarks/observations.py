"""An observed value and a forecast from it, against the same forecast alone; and whether many values slow it down.

Run ``python -m benchmarks.observations``. Each pair of requests is sent over one connection to a server on the same
machine, alternating with single forecasts from the same model, which the server has cached. A value is confirmed when
it is on disk.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from benchmarks.served_models import HORIZON, MODELS
from benchmarks.server import ForecastApi, serving
from service.forecasting.series.series import FloatArray

HEADING = "model              appended   forecast ms   append ms   both ms   ratio  (goal)"
GOAL = 2.0


def main() -> int:
    """Print the rows; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.observations", description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, help="pairs of requests whose medians are a row")
    parser.add_argument("--values", type=int, default=10_000, help="values to append in all")
    parser.add_argument("--model", nargs="+", choices=MODELS, default=["default-seasonal", "network"])
    asked = parser.parse_args()
    print(HEADING)
    with serving() as api:
        for name in asked.model:
            for line in rows(api, name, asked.rounds, asked.values):
                print(line, flush=True)
    return 0


def rows(api: ForecastApi, name: str, rounds: int, values: int) -> Iterator[str]:
    """Yield a row at the first values, and one at the last of ``values``."""
    series = MODELS[name].series()
    model_id = api.train({"series": series.tolist(), "horizon": HORIZON, **MODELS[name].options})["model_id"]
    appended = 0
    for stop in (rounds, values):
        while appended < stop - rounds:
            _append(api, model_id, series, appended)
            appended += 1
        alone, appends, both = [], [], []
        for _ in range(rounds):
            alone.append(_seconds(partial(_forecast, api, model_id)))
            append = _seconds(partial(_append, api, model_id, series, appended))
            appended += 1
            both.append(append + _seconds(partial(_forecast, api, model_id)))
            appends.append(append)
        one, append, pair = (1000 * statistics.median(times) for times in (alone, appends, both))
        yield f"{name:<17} {appended:>9} {one:>13.2f} {append:>11.2f} {pair:>9.2f} {pair / one:>7.2f} {GOAL:>7.1f}"


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _append(api: ForecastApi, model_id: str, series: FloatArray, row: int) -> None:
    value = float(np.round(series[row % len(series)], 6))
    body = {"series": [value], "start_index": len(series) + row}
    answer = api.client.post(f"/models/{model_id}/observations", json=body)
    assert answer.status_code == 200, answer.text


def _forecast(api: ForecastApi, model_id: str) -> None:
    api.forecast({"model_id": model_id, "horizon": HORIZON})


if __name__ == "__main__":
    raise SystemExit(main())
