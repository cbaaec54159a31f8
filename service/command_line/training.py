"""``train``: send a CSV file, wait for its model."""

from __future__ import annotations

import argparse
from typing import Any

from service.client import Client
from service.command_line.csv_files import read_bytes
from service.command_line.jobs import job_fields
from service.command_line.models import print_model
from service.command_line.printing import print_fields, print_json


def train(client: Client, asked: argparse.Namespace) -> None:
    """Train, print the model, or its job."""
    data, options = read_bytes(asked.file), _options(asked)
    if asked.no_wait:
        job = client.train(data, wait=False, **options)
        if asked.json:
            print_json(job.record)
        else:
            print_fields(job_fields(job))
        return
    print_model(client.train(data, timeout=asked.timeout, **options), asked.json)


def _options(asked: argparse.Namespace) -> dict[str, Any]:
    """Return what goes into the query; an option that is given several times is a list."""
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
