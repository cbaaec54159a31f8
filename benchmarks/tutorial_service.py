"""The tutorials through the HTTP API: with a tutorial's own options, and without options."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from benchmarks.server import ForecastApi, Json, RequestError
from benchmarks.tutorial_data import FloatArray, TutorialSeries
from benchmarks.tutorial_recipes import Case, Recipe, Rollout
from benchmarks.tutorial_scores import RolloutScore, Run, rollout_history, score_rollout


def run_with_same_options(api: ForecastApi, case: Case, series: TutorialSeries, seed: int) -> Run:
    """Train with the tutorial's options; raise RequestError if the service refuses or scores another split."""
    request = split_request(series) | recipe_options(case.recipe, series, seed)
    seconds, record = timed_train(api, request)
    check_split(record, series)
    return Run(
        pooled_rmse(record["metrics"]),
        seconds,
        train_rmse=backtest_of_training(api, record, series) if case.shows_train_error else None,
        rollout=roll_out(api, record, series, case.rollout) if case.rollout else None,
        skill=record["skill"],
        warnings=warnings_of(record),
    )


def run_with_no_options(api: ForecastApi, case: Case, series: TutorialSeries) -> Run:
    """Let the service choose everything; no rollout over held-out values, since the model is refitted on them."""
    seconds, record = timed_train(api, split_request(series))
    rollout = case.rollout if case.rollout and not case.rollout.held_out else None
    return Run(
        pooled_rmse(record["metrics"]),
        seconds,
        rollout=roll_out(api, record, series, rollout) if rollout else None,
        skill=record["skill"],
        warnings=warnings_of(record),
    )


def split_request(series: TutorialSeries) -> Json:
    """Build a request with only the series, one step ahead and the start of the test set."""
    start = {"start": series.test_start} if series.test_start else {"steps": len(series.test)}
    return {"series": series_of(series, series.values), "horizon": 1, "validation": start}


def series_of(series: TutorialSeries, rows: FloatArray) -> Any:
    """Return the first rows of a series, (time, target), in the simplest accepted form that represents them."""
    if len(series.targets) > 1:
        columns = {name: values.tolist() for name, values in zip(series.targets, rows.T, strict=True)}
        return {"columns": columns, "targets": list(series.targets)}
    values = rows[:, 0].tolist()
    return {"values": values, "timestamps": list(series.dates[: len(rows)])} if series.dates else values


def recipe_options(recipe: Recipe, series: TutorialSeries, seed: int) -> Json:
    """Return all options that a recipe fixes, so nothing is chosen: no early stopping, averaging or other clipping."""
    return {
        "network": {
            "cell": recipe.cell,
            "hidden_size": recipe.hidden_size,
            "num_layers": recipe.num_layers,
            "dropout": recipe.dropout,
        },
        "context_length": recipe.context_length,
        "output_chunk_length": 1,
        "season_length": 1,
        "scaling": "minmax" if recipe.value_range else "none",
        "scaling_range": recipe.value_range,
        "transform": "none",
        "centering": "none",
        "training": {
            "objective": "windows",
            "epochs": recipe.epochs,
            # A size larger than the number of windows is the full batch.
            "batch_size": recipe.batch_size or series.train_length,
            "learning_rate": recipe.learning_rate,
            "optimizer": recipe.optimizer,
            "loss": "mse",
            "clip_norm": None,
            "clip_value": recipe.clip_value,
            "truncate_bptt": recipe.truncate_bptt,
            "patience": recipe.epochs,
            "ensemble_size": 1,
            "seed": seed,
        },
        "refit": False,
    }


def timed_train(api: ForecastApi, request: Json) -> tuple[float, Json]:
    """Train; return the seconds from the request to the ready model, and its record."""
    started = time.perf_counter()
    record = api.train(request)
    return time.perf_counter() - started, record


def pooled_rmse(metrics: Json) -> float:
    """RMSE over all targets together: the root of the mean of their squares, if there are several."""
    if metrics.get("by_target"):
        return math.sqrt(np.mean([target["rmse"] ** 2 for target in metrics["by_target"].values()]))
    return float(metrics["rmse"])


def check_split(record: Json, series: TutorialSeries) -> None:
    """Raise RequestError unless the service's naive forecast has the same score as ours, thus the same test points."""
    baseline = record["baseline"]
    if baseline["method"] != "seasonal_naive":
        return
    theirs, ours = pooled_rmse(baseline), series.naive_rmse
    if not math.isclose(theirs, ours, rel_tol=1e-6):
        raise RequestError(f"another test part: same as yesterday scores {theirs:.6g} there and {ours:.6g} here")


def warnings_of(record: Json) -> tuple[str, ...]:
    """Return a record's warnings as text."""
    return tuple(str(warning) for warning in record["warnings"])


def backtest_of_training(api: ForecastApi, record: Json, series: TutorialSeries) -> float:
    """One-step RMSE on the training set, from the first full context on."""
    request = {"model_id": record["model_id"], "series": series_of(series, series.train), "horizon": 1, "stride": 1}
    return pooled_rmse(api.backtest(request)["metrics"])


def roll_out(api: ForecastApi, record: Json, series: TutorialSeries, rollout: Rollout) -> RolloutScore:
    """Forecast recursively and score the result."""
    history = series_of(series, rollout_history(series, rollout))
    answer = api.forecast({"model_id": record["model_id"], "horizon": rollout.steps, "history": history})
    means = {forecast["target"]: forecast["mean"] for forecast in answer["forecasts"]}
    return score_rollout(series, rollout, np.array([means[target] for target in series.targets], dtype=np.float64).T)
