"""``forecast``: ask a model, print, write or draw what it says."""

from __future__ import annotations

import argparse
from typing import Any

from service.client import Client
from service.client.known_model import KnownModel
from service.command_line.csv_files import columns_of, read_frame
from service.command_line.printing import print_json, print_notes
from service.command_line.result_files import draw, print_frame, write_csv


def forecast(client: Client, asked: argparse.Namespace) -> None:
    """Forecast; the answer goes to stdout, and into files where some are named."""
    model = client.model(asked.model)
    options = _options(model, asked)
    answer, zone = client.run(client.verbs.forecast(model, asked.horizon, **options))
    if asked.json:
        print_json(answer)
    if asked.json and not (asked.csv or asked.plot):
        return
    from service.client.forecast_frame import forecast_frame

    frame = forecast_frame(answer, zone, model, options.get("history"))
    if asked.csv:
        write_csv(frame, asked.csv)
    if asked.plot:
        draw(lambda: frame.plot(target=asked.target, item=asked.item, time=asked.time), asked.plot)
    if not (asked.json or asked.csv == "-"):
        print_frame(frame)
    print_notes(frame.warnings)


def _options(model: KnownModel, asked: argparse.Namespace) -> dict[str, Any]:
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
