"""``models``, ``delete``, ``download``, ``upload``."""

from __future__ import annotations

import argparse

from service.client import Client, Model
from service.command_line.csv_files import read_bytes
from service.command_line.printing import moment, print_fields, print_json, print_notes, print_table

_METRICS = ("mae", "rmse", "smape", "mase")


def show(client: Client, asked: argparse.Namespace) -> None:
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
    """Print what there is to know of a model, beside what would cost nothing."""
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
    """Delete models; all of them are looked up before the first goes."""
    models = [client.model(one) for one in asked.models]
    for model in models:
        model.delete()
    if asked.json:
        print_json({"deleted": [model.id for model in models]})
    else:
        print_table(("deleted", "name"), [(model.id, model.name) for model in models])


def download(client: Client, asked: argparse.Namespace) -> None:
    """Write a model's file, tell where."""
    path = client.model(asked.model).download(asked.path)
    if asked.json:
        print_json({"path": str(path)})
    else:
        print(path)


def upload(client: Client, asked: argparse.Namespace) -> None:
    """Take in a model file, show the model."""
    print_model(client.upload(read_bytes(asked.file), asked.name), asked.json)
