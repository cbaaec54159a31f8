"""The recurrent networks of neuralforecast and darts; run in the peers' environment, on one thread.

Progress bars, loggers and checkpoints are off everywhere: only their training is timed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

TRAINER = {
    "accelerator": "cpu",
    "logger": False,
    "enable_progress_bar": False,
    "enable_checkpointing": False,
    "enable_model_summary": False,
}


def train_neuralforecast(
    values: Sequence[float], train_length: int, context_length: int, network: dict[str, int], epochs: int, rate: float
) -> dict[str, float]:
    """Fit GRU to one series: every step on all windows, so that ``epochs`` steps are that many epochs.

    network: ``hidden_size`` and ``num_layers``. Returns the seconds of the fit and the one-step RMSE on the test set.
    """
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MSE
    from neuralforecast.models import GRU

    torch.set_num_threads(1)
    series = np.asarray(values, dtype=np.float64)
    model = GRU(
        h=1,
        input_size=context_length,
        encoder_n_layers=network["num_layers"],
        encoder_hidden_size=network["hidden_size"],
        decoder_layers=1,
        loss=MSE(),
        max_steps=epochs,
        learning_rate=rate,
        batch_size=1,
        windows_batch_size=train_length,
        scaler_type="identity",
        random_seed=0,
        **TRAINER,
    )
    forecaster = NeuralForecast(models=[model], freq=1)
    frame = _frame([series[:train_length]])
    started = time.perf_counter()
    forecaster.fit(frame)
    seconds = time.perf_counter() - started
    windows = [series[end - context_length : end] for end in range(train_length, len(series))]
    forecast = forecaster.predict(_frame(windows)).sort_values("unique_id")["GRU"].to_numpy()
    return {"seconds": seconds, "rmse": _rmse(forecast, series[train_length:])}


def train_darts(
    values: Sequence[float], train_length: int, context_length: int, network: dict[str, int], epochs: int, rate: float
) -> dict[str, float]:
    """Fit RNNModel to one series, all windows in one batch. Arguments and result: as for `train_neuralforecast`."""
    from darts import TimeSeries
    from darts.models import RNNModel

    torch.set_num_threads(1)
    series = np.asarray(values, dtype=np.float32)
    model = RNNModel(
        model="GRU",
        input_chunk_length=context_length,
        training_length=context_length,
        hidden_dim=network["hidden_size"],
        n_rnn_layers=network["num_layers"],
        n_epochs=epochs,
        batch_size=train_length,
        optimizer_kwargs={"lr": rate},
        random_state=0,
        pl_trainer_kwargs=TRAINER,
    )
    known = TimeSeries.from_values(series[:train_length])
    started = time.perf_counter()
    model.fit(known, verbose=False)
    seconds = time.perf_counter() - started
    forecast = model.historical_forecasts(
        TimeSeries.from_values(series), start=train_length, forecast_horizon=1, retrain=False, verbose=False
    )
    return {"seconds": seconds, "rmse": _rmse(forecast.values()[:, 0], series[train_length:])}


def forecast_panel(
    panel: Sequence[Sequence[float]], horizon: int, levels: Sequence[int], scaler: str, seed: int
) -> list[dict[str, Any]]:
    """Train one GRU of neuralforecast for all series and forecast each.

    With its defaults (2 layers of 200, context of 3 horizons, 1,000 steps) except for the loss, which is that of
    several quantiles so that there are intervals, and padding at the start, without which a series shorter than context
    and horizon is refused. scaler: how each window is scaled, "robust" (its default) or "standard".
    """
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MQLoss
    from neuralforecast.models import GRU

    torch.set_num_threads(1)
    model = GRU(
        h=horizon,
        loss=MQLoss(level=list(levels)),
        start_padding_enabled=True,
        scaler_type=scaler,
        random_seed=seed,
        alias="GRU",
        **TRAINER,
    )
    forecaster = NeuralForecast(models=[model], freq=1)
    started = time.perf_counter()
    forecaster.fit(_frame([np.asarray(values, dtype=np.float64) for values in panel]))
    table = forecaster.predict()
    seconds = (time.perf_counter() - started) / len(panel)
    return [_panel_forecast(rows, levels, seconds) for _, rows in table.groupby("unique_id", sort=True)]


def _panel_forecast(rows: pd.DataFrame, levels: Sequence[int], seconds: float) -> dict[str, Any]:
    rows = rows.sort_values("ds")
    intervals = {
        str(level): {"lower": rows[f"GRU-lo-{level}"].tolist(), "upper": rows[f"GRU-hi-{level}"].tolist()}
        for level in levels
    }
    return {"mean": rows["GRU-median"].tolist(), "intervals": intervals, "seconds": seconds}


def _frame(panel: Sequence[NDArray[np.float64]]) -> pd.DataFrame:
    """Return the long table that neuralforecast reads; names sort in the order of the series."""
    pieces = [
        pd.DataFrame({"unique_id": f"{row:06d}", "ds": np.arange(len(values)), "y": values})
        for row, values in enumerate(panel)
    ]
    return pd.concat(pieces, ignore_index=True)


def _rmse(forecast: NDArray[np.floating], actual: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean((forecast - actual) ** 2)))
