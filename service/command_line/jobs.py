"""``jobs``: list them, show one, wait for it, cancel it."""

from __future__ import annotations

import argparse
from typing import Any

from service.client import Client, Job
from service.client.progress import stage_of
from service.command_line.models import print_model
from service.command_line.printing import moment, print_fields, print_json, print_table


def show(client: Client, asked: argparse.Namespace) -> None:
    """List jobs, or do something with one. Raises ValueError where it is not said with which."""
    if asked.job is None:
        if asked.cancel or asked.wait:
            raise ValueError("which job? give its ID: python -m service jobs lists them")
        _list(client, asked)
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
    """Return what there is to know of a job, in short."""
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


def _list(client: Client, asked: argparse.Namespace) -> None:
    jobs = client.jobs(asked.status, asked.limit)
    if asked.json:
        print_json([one.record for one in jobs])
        return
    columns = ("job_id", "model_id", "status", "stage", "done", "created", "finished", "error")
    print_table(columns, [list(job_fields(one).values()) for one in jobs])
