"""The commands that train, use and manage models."""

from __future__ import annotations

import argparse
from typing import Any

from service.client import Client, Job, Model
from service.client.records import KnownModel
from service.client.waiting import stage_of
from service.command_line.output import (
    columns_of,
    draw,
    moment,
    print_fields,
    print_frame,
    print_json,
    print_notes,
    print_table,
    read_bytes,
    read_frame,
    write_csv,
)

_METRICS = ("mae", "rmse", "smape", "mase")


def show_models(client: Client, asked: argparse.Namespace) -> None:
    """List models, or show one."""
    if asked.model is not None:
        print_model(client.model(asked.model), asked.json)
        return
    models = client.models(asked.name, asked.status, asked.limit)
    if asked.json:
        print_json([one.record for one in models])
        return
    print_table(
        ("model_id", "name", "status", "created", "mae", "skill"),
        [
            (one.id, one.name, one.status, moment(one.record["created_at"]), one.metrics.get("mae"), one.skill)
            for one in models
        ],
    )


def print_model(model: Model, as_json: bool) -> None:
    """Print the details of a model, and its errors next to those of the baseline."""
    if as_json:
        print_json(model.record)
        return
    chosen = model.configuration
    weights = {one["candidate"]: one["weight"] for one in model.record.get("candidates") or ()}
    print_fields(
        {
            "model_id": model.id,
            "name": model.name,
            "status": model.status,
            "horizon": chosen.get("horizon"),
            "season_length": chosen.get("season_length"),
            "candidates": ", ".join(f"{name} {weight:.0%}" for name, weight in weights.items() if weight) or None,
            "skill": model.skill,
            **{f"error {name}": value for name, value in (model.record.get("error") or {}).items() if name == "detail"},
        }
    )
    if model.metrics:
        print()
        baseline = model.baseline
        rows: list[tuple[str, float | None, float | None]] = [
            (name, model.metrics.get(name), baseline.get(name)) for name in _METRICS
        ]
        for level, share in (model.metrics.get("coverage") or {}).items():
            rows.append((f"coverage {level} %", share, (baseline.get("coverage") or {}).get(level)))
        print_table(("after the split", "model", baseline.get("method", "baseline")), rows)
    print_notes(model.warnings)


def delete(client: Client, asked: argparse.Namespace) -> None:
    """Delete models; all of them are looked up before the first is deleted."""
    models = [client.model(one) for one in asked.models]
    for model in models:
        model.delete()
    if asked.json:
        print_json({"deleted": [model.id for model in models]})
    else:
        print_table(("deleted", "name"), [(model.id, model.name) for model in models])


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
            raise ValueError("which job? give its ID: python -m service jobs lists them")
        _list_jobs(client, asked)
        return
    job = client.job(asked.job)
    if asked.wait:
        print_model(job.wait(), asked.json)
        return
    if asked.cancel:
        job.cancel()
        job.refresh()
    if asked.json:
        print_json(job.record)
    else:
        print_fields(job_fields(job))


def job_fields(job: Job) -> dict[str, Any]:
    """Return a summary of a job."""
    error = job.record.get("error") or {}
    return {
        "job_id": job.id,
        "model_id": job.model_id,
        "status": job.status,
        "stage": stage_of(job.record),
        "done": job.progress.get("fraction"),
        "created": moment(job.record["created_at"]),
        "finished": moment(job.record["finished_at"]),
        "error": error.get("detail"),
    }


def _list_jobs(client: Client, asked: argparse.Namespace) -> None:
    jobs = client.jobs(asked.status, asked.limit)
    if asked.json:
        print_json([one.record for one in jobs])
        return
    columns = ("job_id", "model_id", "status", "stage", "done", "created", "finished", "error")
    print_table(columns, [list(job_fields(one).values()) for one in jobs])


def train(client: Client, asked: argparse.Namespace) -> None:
    """Train, and print the model, or its job."""
    data, options = read_bytes(asked.file), _training_options(asked)
    if asked.no_wait:
        job = client.train(data, wait=False, **options)
        if asked.json:
            print_json(job.record)
        else:
            print_fields(job_fields(job))
        return
    print_model(client.train(data, timeout=asked.timeout, **options), asked.json)


def _training_options(asked: argparse.Namespace) -> dict[str, Any]:
    """Return the options for the query; an option that is given several times becomes a list."""
    options: dict[str, Any] = {
        "target": asked.target,
        "item": asked.item,
        "time": asked.time,
        "covariates": asked.covariates,
        "future_covariates": asked.future_covariates,
        "date_format": asked.date_format,
        "freq": asked.freq,
        "separator": asked.separator,
        "decimal": asked.decimal,
        "thousands": asked.thousands,
        "name": asked.name,
        "horizon": asked.horizon,
    }
    for name, value in asked.option:
        options[name] = [*options[name], value] if options.get(name) else [value]
    return options


def forecast(client: Client, asked: argparse.Namespace) -> None:
    """Forecast; the result goes to stdout, and into files if any are named."""
    model = client.model(asked.model)
    options = _forecast_options(model, asked)
    answer, zone = client.run(client.verbs.forecast(model, asked.horizon, **options))
    if asked.json:
        print_json(answer)
    if asked.json and not (asked.csv or asked.plot):
        return
    from service.client.frames import forecast_frame

    frame = forecast_frame(answer, zone, model, options.get("history"))
    if asked.csv:
        write_csv(frame, asked.csv)
    if asked.plot:
        draw(lambda: frame.plot(target=asked.target, item=asked.item, time=asked.time), asked.plot)
    if not (asked.json or asked.csv == "-"):
        print_frame(frame)
    print_notes(frame.warnings)


def _forecast_options(model: KnownModel, asked: argparse.Namespace) -> dict[str, Any]:
    values = columns_of(model, asked.target)
    options: dict[str, Any] = {
        "level": asked.level,
        "quantiles": asked.quantiles,
        "items": asked.items,
        "num_samples": asked.num_samples,
        "seed": asked.seed,
        "target": asked.target,
        "item": asked.item,
        "time": asked.time,
        "date_format": asked.date_format,
    }
    if asked.history:
        options["history"] = read_frame(asked.history, asked, values)
    if asked.future_covariates:
        options["future_covariates"] = read_frame(asked.future_covariates, asked, values)
    return options


def backtest(client: Client, asked: argparse.Namespace) -> None:
    """Backtest on a file; the errors go to stdout, and the forecasts into files if any are named."""
    model = client.model(asked.model)
    data = read_frame(asked.file, asked, columns_of(model, asked.target))
    is_row = asked.start is not None and asked.start.isdecimal() and int(asked.start) < len(data)
    start = int(asked.start) if is_row else asked.start
    answer, zone = client.run(
        client.verbs.backtest(
            model,
            data,
            horizon=asked.horizon,
            stride=asked.stride,
            start=start,
            level=asked.level,
            target=asked.target,
            item=asked.item,
            time=asked.time,
            date_format=asked.date_format,
        )
    )
    if asked.json:
        print_json(answer)
    if asked.json and not (asked.csv or asked.plot):
        return
    from service.client.frames import backtest_frame

    frame = backtest_frame(answer, zone)
    if asked.csv:
        write_csv(frame, asked.csv)
    if asked.plot:
        draw(frame.plot, asked.plot)
    if not (asked.json or asked.csv == "-"):
        rows = [(name, frame.metrics.get(name), frame.baseline.get(name)) for name in _METRICS]
        print_table(("error", "model", str(frame.baseline.get("method"))), [*rows, ("skill", frame.skill, None)])
    print_notes(frame.warnings)
