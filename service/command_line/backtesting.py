"""``backtest``: what a model would have said of a file, print, write or draw it."""

from __future__ import annotations

import argparse

from service.client import Client
from service.command_line.csv_files import columns_of, read_frame
from service.command_line.printing import print_json, print_notes, print_table
from service.command_line.result_files import draw, write_csv

_METRICS = ("mae", "rmse", "smape", "mase")


def backtest(client: Client, asked: argparse.Namespace) -> None:
    """Walk through a file; the errors go to stdout, each forecast into files where some are named."""
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
    from service.client.backtest_frame import backtest_frame

    frame = backtest_frame(answer, zone)
    if asked.csv:
        write_csv(frame, asked.csv)
    if asked.plot:
        draw(frame.plot, asked.plot)
    if not (asked.json or asked.csv == "-"):
        rows = [(name, frame.metrics.get(name), frame.baseline.get(name)) for name in _METRICS]
        print_table(("error", "model", str(frame.baseline.get("method"))), [*rows, ("skill", frame.skill, None)])
    print_notes(frame.warnings)
