"""The commands that train, use and manage models."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.client import Client, Job, Model
from service.client.connection import run_blocking
from service.client.operations import backtest_answer, forecast_answer
from service.client.records import skill_words
from service.client.requests import needed_columns
from service.client.waiting import stage_of
from service.command_line.output import (
    STDIN,
    draw,
    item_of,
    moment,
    print_fields,
    print_frame,
    print_json,
    print_notes,
    print_records,
    print_table,
    read_bytes,
    read_frame,
)

if TYPE_CHECKING:
    import pandas as pd

_READING = ("target", "item", "time", "date_format")
_TRAINING = (
    *_READING,
    "covariates",
    "future_covariates",
    "freq",
    "separator",
    "decimal",
    "thousands",
    "name",
    "horizon",
)
_ZERO_SHOT = ("season_length", "time_zone", "resample")
_FORECASTING = (*_READING, *_ZERO_SHOT, "level", "quantiles", "items", "num_samples", "seed")
_BACKTESTING = (*_READING, *_ZERO_SHOT, "horizon", "stride", "level")


def show_models(client: Client, asked: argparse.Namespace) -> None:
    """List models, or show one."""
    if asked.model is not None:
        print_model(client.model(asked.model), asked.json)
        return
    models = client.models(asked.name, asked.status, asked.limit)
    columns = ("model_id", "name", "status", "created", "mae", "skill")
    rows = [
        (one.id, one.name, one.status, moment(one.record["created_at"]), one.metrics.get("mae"), one.skill)
        for one in models
    ]
    print_records(asked.json, [one.record for one in models], columns, rows)


def print_model(model: Model, as_json: bool) -> None:
    """Print the details of a model, and its errors next to those of the baseline."""
    weights = {one["candidate"]: one["weight"] for one in model.record.get("candidates") or ()}
    fields = {
        "model_id": model.id,
        "name": model.name,
        "status": model.status,
        "horizon": model.configuration.get("horizon"),
        "season_length": model.configuration.get("season_length"),
        "candidates": ", ".join(f"{name} {weight:.0%}" for name, weight in weights.items() if weight) or None,
        "skill": model.skill,
        "skill in words": skill_words(model.record),
        "error detail": (model.record.get("error") or {}).get("detail"),
    }
    print_fields(as_json, model.record, fields)
    if as_json:
        return
    if model.metrics:
        print()
        baseline = model.baseline
        rows = _errors(model.metrics, baseline)
        for level, share in (model.metrics.get("coverage") or {}).items():
            rows.append((f"coverage {level} %", share, (baseline.get("coverage") or {}).get(level)))
        print_table(("after the split", "model", baseline.get("method", "baseline")), rows)
    print_notes(model.warnings)


def _errors(metrics: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    return [(name, metrics.get(name), baseline.get(name)) for name in ("mae", "rmse", "smape", "mase")]


def delete(client: Client, asked: argparse.Namespace) -> None:
    """Delete models; all of them are looked up before the first is deleted."""
    models = [client.model(one) for one in asked.models]
    for model in models:
        model.delete()
    rows = [(model.id, model.name) for model in models]
    print_records(asked.json, {"deleted": [model.id for model in models]}, ("deleted", "name"), rows)


def download(client: Client, asked: argparse.Namespace) -> None:
    """Write a model's file and print its path."""
    path = client.model(asked.model).download(asked.path)
    if asked.json:
        print_json({"path": str(path)})
    else:
        print(path)


def upload(client: Client, asked: argparse.Namespace) -> None:
    """Upload a model file and print the model."""
    print_model(client.upload(read_bytes(asked.file), asked.name), asked.json)


def show_jobs(client: Client, asked: argparse.Namespace) -> None:
    """List jobs, or show or cancel one. Raises ValueError if an action lacks the job."""
    if asked.job is None:
        if asked.cancel or asked.wait:
            raise ValueError("--cancel and --wait need the ID of a job: python -m service jobs lists them")
        jobs = client.jobs(asked.status, asked.limit)
        columns = ("job_id", "model_id", "status", "stage", "done", "created", "finished", "error")
        rows = [list(_job_fields(one).values()) for one in jobs]
        print_records(asked.json, [one.record for one in jobs], columns, rows)
        return
    job = client.job(asked.job)
    if asked.wait:
        print_model(job.wait(), asked.json)
        return
    if asked.cancel:
        job.cancel()
        job.refresh()
    print_fields(asked.json, job.record, _job_fields(job))


def _job_fields(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "model_id": job.model_id,
        "status": job.status,
        "stage": stage_of(job.record),
        "done": job.progress.get("fraction"),
        "created": moment(job.record["created_at"]),
        "finished": moment(job.record["finished_at"]),
        "error": (job.record.get("error") or {}).get("detail"),
    }


def train(client: Client, asked: argparse.Namespace) -> None:
    """Train, and print the model, or its job."""
    data, options = read_bytes(asked.file), _options(asked, _TRAINING)
    for name, value in asked.option:
        # An option that is given several times becomes a list.
        options[name] = [*(options.get(name) or ()), value]
    if asked.no_wait:
        job = client.train(data, wait=False, **options)
        print_fields(asked.json, job.record, _job_fields(job))
    else:
        print_model(client.train(data, timeout=asked.timeout, **options), asked.json)


def _options(asked: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in names}


def forecast(client: Client, asked: argparse.Namespace) -> None:
    """Forecast; the result goes to stdout, and into files if any are named."""
    model = client.model(asked.model)
    options = _options(asked, _FORECASTING)
    for name, file in (("history", asked.history), ("future_covariates", asked.future_covariates)):
        if file:
            options[name] = read_frame(file, asked, needed_columns(model, asked.target), model.item_columns)
            options["item"] = item_of(asked, options[name].columns)
    answer, form = run_blocking(forecast_answer(model, asked.horizon, options))
    if not _wants_frame(asked, answer):
        return
    from service.client.frames import forecast_frame

    frame = forecast_frame(answer, form, model, options.get("history"))
    _write(frame, asked, lambda: frame.plot(target=asked.target, item=options["item"], time=asked.time))
    if not (asked.json or asked.csv == STDIN):
        print_frame(frame)
    print_notes(frame.warnings)


def backtest(client: Client, asked: argparse.Namespace) -> None:
    """Backtest on a file; the errors go to stdout, and the forecasts into files if any are named."""
    model = client.model(asked.model)
    data = read_frame(asked.file, asked, needed_columns(model, asked.target), model.item_columns)
    is_row = asked.start is not None and asked.start.isdecimal() and int(asked.start) < len(data)
    start = int(asked.start) if is_row else asked.start
    options = {**_options(asked, _BACKTESTING), "start": start, "item": item_of(asked, data.columns)}
    answer, form = run_blocking(backtest_answer(model, data, options))
    if not _wants_frame(asked, answer):
        return
    from service.client.frames import backtest_frame

    frame = backtest_frame(answer, form)
    _write(frame, asked, frame.plot)
    if not (asked.json or asked.csv == STDIN):
        rows = [*_errors(frame.metrics, frame.baseline), ("skill", frame.skill, None)]
        print_table(("error", "model", str(frame.baseline.get("method"))), rows)
        words = skill_words(answer)
        if words:
            print(f"\n{words}")
    print_notes(frame.warnings)


def observe(client: Client, asked: argparse.Namespace) -> None:
    """Add the values of a file to a model's series, and print what was changed."""
    model = client.model(asked.model)
    data = read_frame(asked.file, asked, needed_columns(model, asked.target), model.item_columns)
    options = {**_options(asked, _READING), "item": item_of(asked, data.columns)}
    done = model.observe(data, start_index=asked.start_index, replace=asked.replace, **options)
    counts = ("appended", "ignored", "replaced", "gaps", "end")
    print_fields(asked.json, done, {"model_id": model.id, **{name: done[name] for name in counts}})
    if not asked.json:
        print_notes(done["warnings"])


_SCORES = ("mae", "rmse", "mase", "skill", "bias")


def monitor(client: Client, asked: argparse.Namespace) -> None:
    """Print whether a model's series has changed, and the scores of what was observed beside those of the training."""
    found = client.model(asked.model).monitoring()
    names = ("status", "since", "reason", "rows")
    print_fields(asked.json, found, {"model_id": found["model_id"], **{name: found[name] for name in names}})
    if asked.json or not found["windows"]:
        return
    training = found["training"] or {}
    columns = {f"newest {one['rows']}" if one["rows"] else "all": one["overall"] for one in found["windows"]}
    columns["training"] = training
    rows = [(name, *(one.get(name) for one in columns.values())) for name in _SCORES]
    rows += [
        (f"coverage {level}", *(one.get("coverage", {}).get(level) for one in columns.values()))
        for level in ("80", "95")
    ]
    print()
    print_table(("score", *columns), rows)


def retrain(client: Client, asked: argparse.Namespace) -> None:
    """Retrain a model, and print the child and which of the two is better."""
    child = client.model(asked.model).retrain(asked.start, progress=False if asked.json else None)
    lineage, champion = child.record["lineage"], child.record["champion"]
    shown = {
        "model_id": child.id,
        "parent": lineage["parent"],
        "champion": champion,
        "start": lineage["start"],
        "reason": lineage["verdict"]["reason"],
    }
    print_fields(asked.json, child.record, shown)


def _wants_frame(asked: argparse.Namespace, answer: dict[str, Any]) -> bool:
    """Print the answer if it is wanted as JSON; return whether more than that is wanted."""
    if asked.json:
        print_json(answer)
    return not asked.json or asked.csv or asked.plot


def _write(frame: pd.DataFrame, asked: argparse.Namespace, plot: Callable[[], Any]) -> None:
    if asked.csv:
        frame.to_csv(sys.stdout if asked.csv == STDIN else Path(asked.csv), index=False)
    if asked.plot:
        draw(plot, asked.plot)
