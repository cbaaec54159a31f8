"""The main use from start to end: CO2 in the air over Mauna Loa, weekly, trained and forecast through the HTTP API."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd

from examples.server import running_server

OUTPUT = Path("demo_output")
HORIZON = 104
METRICS = ("rmse", "mae", "smape", "mase")


def main() -> int:
    """Run the demo; return the exit code."""
    series = co2_series()
    OUTPUT.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as store,
        running_server(Path(store)) as url,
        httpx.Client(base_url=url, timeout=600) as client,
    ):
        print(f"Service ready at {url}. Training on {len(series['values'])} weeks of CO2, no option given ...")
        model = checked(client.post("/train", params={"wait": 300}, json={"series": series, "name": "co2"}))
        forecast = checked(client.post("/forecast", json={"name": "co2", "horizon": HORIZON}))
        # For the plot: fitted only on the part before the split, so that it is evaluated on unseen data.
        asked = {"series": series, "name": "co2-before-split", "refit": False}
        checked(client.post("/train", params={"wait": 300}, json=asked))
        backtest = checked(
            client.post(
                "/backtest",
                json={
                    "name": "co2-before-split",
                    "series": series,
                    "horizon": model["configuration"]["horizon"],
                    "stride": model["configuration"]["horizon"],
                    "start": int(len(series["values"]) * 0.8),
                },
            )
        )
        report(model, forecast)
        path = plot(series, forecast, backtest)
        print(f"\nPlot: {path}")
    return 0


def co2_series() -> dict[str, Any]:
    """Return the series of statsmodels: weekly from 1958 to 2001, 59 weeks missing."""
    from statsmodels.datasets import co2

    data = co2.load_pandas().data["co2"]
    values = [None if np.isnan(value) else float(value) for value in data]
    return {"values": values, "timestamps": [time.strftime("%Y-%m-%d") for time in data.index]}


def checked(response: httpx.Response) -> dict[str, Any]:
    """Return the response, or exit with the problem."""
    answer: dict[str, Any] = response.json()
    if response.status_code not in (200, 201):
        sys.exit(f"{response.request.url}: {response.status_code} {answer}")
    return answer


def report(model: dict[str, Any], forecast: dict[str, Any]) -> None:
    """Print what was chosen and how accurate it is."""
    chosen = model["configuration"]
    print(f"\nModel {model['model_id']} ({model['size_bytes'] / 1000:.0f} kB)")
    print(f"  understood: {model['series']}")
    network = chosen["network"]
    print(
        f"  chosen: {network['cell']} of {network['hidden_size']}, context_length {chosen['context_length']}, "
        f"horizon {chosen['horizon']}, season_length {chosen['season_length']}, transform {chosen['transform']}"
    )
    print(f"\n  on the last fifth, {chosen['horizon']} steps ahead   model    {model['baseline']['method']}")
    for name in METRICS:
        print(f"  {name:>36} {model['metrics'][name]:8.3f} {model['baseline'][name]:8.3f}")
    for level, share in model["metrics"]["coverage"].items():
        naive = model["baseline"]["coverage"][level]
        print(f"  {'coverage of the ' + level + ' % interval':>36} {share:8.1%} {naive:8.1%}")
    print(f"  skill {model['skill']:.2f}: {model['skill']:.0%} less error than {model['baseline']['method']}")
    for warning in model["warnings"] + forecast["warnings"]:
        print(f"  note: {warning}")


def plot(series: dict[str, Any], forecast: dict[str, Any], backtest: dict[str, Any]) -> Path:
    """Draw the end of the history, the backtest over it, and the forecast with its intervals."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    times = pd.to_datetime(series["timestamps"])
    values = np.array([np.nan if value is None else value for value in series["values"]])
    ahead = forecast["forecasts"][0]
    future = pd.to_datetime(ahead["timestamps"])
    figure, axes = pyplot.subplots(figsize=(12, 6), layout="constrained")
    shown = times >= times[-1] - pd.Timedelta(days=365 * 8)
    axes.plot(times[shown], values[shown], color="#333333", linewidth=1.2, label="measured")
    label: str | None = "backtest, a year ahead each"
    for mean, moments in zip(backtest["forecasts"][0]["mean"], backtest["forecasts"][0]["timestamps"], strict=True):
        at = pd.to_datetime(moments)
        axes.plot(
            at[at >= times[shown][0]], np.array(mean)[at >= times[shown][0]], color="#d95f02", linewidth=1, label=label
        )
        label = None
    axes.plot(future, ahead["mean"], color="#1b6ca8", linewidth=1.6, label=f"forecast, {HORIZON} weeks")
    for level, shade in (("95", 0.15), ("80", 0.3)):
        band = ahead["intervals"][level]
        axes.fill_between(
            future, band["lower"], band["upper"], color="#1b6ca8", alpha=shade, linewidth=0, label=f"{level} % interval"
        )
    axes.set_ylabel("CO2, parts per million")
    axes.set_title("CO2 at Mauna Loa: what was measured, what would have been forecast, what is forecast")
    axes.grid(alpha=0.25)
    axes.legend(loc="upper left", frameon=False)
    path = OUTPUT / "forecast.png"
    figure.savefig(path, dpi=110)
    return path


if __name__ == "__main__":
    sys.exit(main())
