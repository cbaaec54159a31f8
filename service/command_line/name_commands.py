"""The commands that show and move names."""

from __future__ import annotations

import argparse

from service.client import Client, NameRecord
from service.command_line.output import moment, print_fields, print_records, print_table

_COLUMNS = ("name", "mode", "model_id", "since", "by")


def show_names(client: Client, asked: argparse.Namespace) -> None:
    """List names, or show one with its moves."""
    if asked.name is not None:
        _print_name(client.name(asked.name), asked.json)
        return
    names = client.names(asked.limit)
    rows = [(one.name, one.mode, one.model_id, moment(one.record["since"]), one.record["by"]) for one in names]
    print_records(asked.json, [one.record for one in names], _COLUMNS, rows)


def promote(client: Client, asked: argparse.Namespace) -> None:
    """Pin a name to a model; print what it means now."""
    _print_name(client.promote(asked.name, client.model(asked.model)), asked.json)


def rollback(client: Client, asked: argparse.Namespace) -> None:
    """Let a name mean what it meant before; print what that is."""
    _print_name(client.rollback(asked.name), asked.json)


def follow(client: Client, asked: argparse.Namespace) -> None:
    """Let a name follow its newest model; print what it means now."""
    _print_name(client.follow(asked.name), asked.json)


def _print_name(name: NameRecord, as_json: bool) -> None:
    since, back = moment(name.record["since"]), name.record.get("rollback_to") or {}
    fields = {"name": name.name, "mode": name.mode, "model_id": name.model_id, "since": since}
    fields |= {"by": name.record["by"], "rollback to": back.get("model_id")}
    print_fields(as_json, name.record, fields)
    if name.history and not as_json:
        print()
        rows = [(moment(one["at"]), one["reason"], one["mode"], one["model_id"], one["by"]) for one in name.history]
        print_table(("moved", "reason", "mode", "model_id", "by"), rows)
