"""Draw docs/images/forecast.png: the Pacific's temperature off Peru, forecast from the start of its last two years.

A real server trains on the data before them, with only the horizon given; the actual values are drawn over its
forecast.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd

from examples.demo import checked
from examples.server import running_server

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "forecast.png"
HORIZON = 24
SHOWN = 96
BLUE, DARK = "#1b6ca8", "#333333"


def main() -> None:
    """Train, forecast, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=PICTURE)
    output = parser.parse_args().output
    measured = sea_surface()
    with (
        tempfile.TemporaryDirectory() as store,
        running_server(Path(store)) as url,
        httpx.Client(base_url=url, timeout=600) as client,
    ):
        series = {"values": measured[:-HORIZON].tolist(), "start": str(measured.index[0].date()), "freq": "MS"}
        model = checked(client.post("/train", params={"wait": 300}, json={"series": series, "horizon": HORIZON}))
        asked = {"model_id": model["model_id"], "level": [50, 80, 95]}
        answer = checked(client.post("/forecast", json=asked))
    output.parent.mkdir(exist_ok=True)
    draw(measured, answer["forecasts"][0], output)
    print(f"{output}: skill {model['skill']:.2f}, {model['metrics']}, {model['warnings']}")


def sea_surface() -> pd.Series[float]:
    """Return monthly means in degrees Celsius, 1950 to 2010, from the data of statsmodels."""
    from statsmodels.datasets import elnino

    table = elnino.load_pandas().data.set_index("YEAR")
    months = pd.date_range(f"{int(table.index[0])}-01-01", periods=table.size, freq="MS")
    return pd.Series(table.to_numpy().ravel(), index=months)


def draw(measured: pd.Series[float], ahead: dict[str, Any], output: Path) -> None:
    """Draw the end of the history, the forecast with its intervals, and the actual values."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    future = pd.to_datetime(ahead["timestamps"])
    figure, axes = pyplot.subplots(figsize=(9, 3.6), layout="constrained")
    for level, shade in (("95", 0.14), ("80", 0.16), ("50", 0.2)):
        band = ahead["intervals"][level]
        lower, upper = np.array(band["lower"]), np.array(band["upper"])
        axes.fill_between(future, lower, upper, color=BLUE, alpha=shade, linewidth=0, label=f"{level} % interval")
    before, came = measured[-SHOWN:-HORIZON], measured[-HORIZON - 1 :]
    axes.plot(before.index, before, color=DARK, linewidth=1.1, label="what the model was trained on (its end)")
    axes.plot(came.index, came, color=DARK, linewidth=1.1, linestyle=(0, (3, 2)), label="what came")
    axes.plot(future, ahead["mean"], color=BLUE, linewidth=1.8, label="forecast, made at the line")
    axes.axvline(before.index[-1], color="#999999", linewidth=0.8)
    axes.set_ylabel("°C")
    axes.set_title("Sea surface off Peru, monthly: 24 months ahead, no other option", fontsize=11, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), frameon=False, fontsize=8.5, ncols=3)
    figure.savefig(output, dpi=110)


if __name__ == "__main__":
    main()
