"""The commands that send requests to a server, and their options; nothing slow is imported here."""

from __future__ import annotations

import argparse
import math
from functools import partial
from typing import Any

from service.command_line.exit_codes import MEANING

# The JSON encoder supports integers of up to 64 bits.
_LARGEST = 2**63 - 1

_HORIZON = (
    "steps ahead; by default what the model was trained for; for zero-shot one season, or a tenth of the series (of "
    "several series, the median)"
)
_MODEL = "ID of a model, or a name, which is resolved to the model that it means"
_MODEL_OR_ZERO_SHOT = f"{_MODEL}; or zero-shot, the pre-trained forecaster, which needs no training"


def add_commands(commands: Any) -> None:
    """Add a parser for each command to the result of `ArgumentParser.add_subparsers`."""

    def add(name: str, help_text: str, description: str | None = None) -> argparse.ArgumentParser:
        text = f"{description or help_text[0].upper() + help_text[1:] + '.'} {MEANING}"
        parser: argparse.ArgumentParser = commands.add_parser(name, help=help_text, description=text)
        parser.add_argument("--url", help="URL of the server; by default FORECAST_URL, else http://127.0.0.1:8000")
        parser.add_argument("--json", action="store_true", help="print the JSON of the server")
        return parser

    _add_training(add("train", "train a model on a file", "Train a model on a file and wait for it."))
    _add_forecasting(add("forecast", "forecast from a model"))
    _add_backtesting(add("backtest", "forecast every point of a file from those before it"))
    observe = add("observe", "add actual values from a file to a model's series")
    observe.add_argument("model", help=_MODEL)
    observe.add_argument("file", help="a CSV, Excel or Parquet file; - reads from stdin")
    observe.add_argument("--replace", action="store_true", help="correct values that differ from those that are known")
    observe.add_argument(
        "--start-index",
        type=_seed,
        metavar="ROW",
        help="row of the first value, without times; by default the next one",
    )
    _add_columns(observe)
    monitor = add(
        "monitor",
        "show how good a model's forecasts were",
        "Show how good the forecasts of observed values were, and whether the series has changed.",
    )
    monitor.add_argument("model", help=_MODEL)
    retrain = add(
        "retrain",
        "retrain a model on what was observed",
        "Train a child of a model on everything that was observed, and say which of the two is better.",
    )
    retrain.add_argument("model", help=_MODEL)
    retrain.add_argument(
        "--start",
        choices=("warm", "scratch"),
        default="warm",
        help="networks start from the weights that they have (warm, the default), or from scratch",
    )
    models = add("models", "list models, or show one")
    models.add_argument("model", nargs="?", help=_MODEL)
    models.add_argument("--name", help="only models of this name")
    models.add_argument("--status", choices=("training", "ready", "failed"), help="only models in this state")
    models.add_argument("--limit", type=_count, help="maximum number, newest first")
    names = add("names", "list names and what they mean, or show one with its history")
    names.add_argument("name", nargs="?", help="a name")
    names.add_argument("--limit", type=_count, help="maximum number, in alphabetical order")
    promote = add("promote", "pin a name to a model", "Let a name mean this model, whatever is trained later.")
    promote.add_argument("name", help="the name, new or not")
    promote.add_argument("model", help=_MODEL)
    rollback = add("rollback", "roll a name back", "Let a name mean what it meant before its last move.")
    rollback.add_argument("name", help="the name")
    follow = add("follow", "let a name follow its newest model", "Let a name mean the newest ready model that has it.")
    follow.add_argument("name", help="the name")
    jobs = add("jobs", "list jobs, wait for one, or cancel it")
    jobs.add_argument("job", nargs="?", help="ID of a job")
    doing = jobs.add_mutually_exclusive_group()
    doing.add_argument("--cancel", action="store_true", help="cancel it")
    doing.add_argument("--wait", action="store_true", help="wait for its model and show it")
    states = ("queued", "running", "succeeded", "failed", "cancelled")
    jobs.add_argument("--status", choices=states, help="only jobs in this state")
    jobs.add_argument("--limit", type=_count, help="maximum number, newest first")
    add("delete", "delete models").add_argument("models", nargs="+", metavar="model", help=_MODEL)
    download = add("download", "write a model's file")
    download.add_argument("model", help=_MODEL)
    download.add_argument("path", nargs="?", default=".", help="a file or folder (default: this folder)")
    upload = add("upload", "upload a model file that download wrote")
    upload.add_argument("file", help="- reads from stdin")
    upload.add_argument("--name", help="name of the model; by default the one in the file")


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="a CSV, Excel or Parquet file; - reads from stdin")
    _add_columns(parser)
    parser.add_argument("--covariates", action="append", metavar="COLUMN", help="past covariate; repeat for several")
    parser.add_argument("--future-covariates", action="append", metavar="COLUMN", help="future covariate; repeat")
    parser.add_argument("--freq", help="step from row to row (MS, D, 15min); by default detected")
    parser.add_argument("--name", help="name of the model, for use instead of its ID")
    parser.add_argument("--horizon", type=_count, help="steps ahead that the model is trained for")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        type=_option,
        metavar="NAME=VALUE",
        help="any option of POST /train: training.epochs=50, nonnegative=true; repeat for several",
    )
    parser.add_argument("--no-wait", action="store_true", help="print the job and do not wait for it")
    parser.add_argument(
        "--timeout", type=_seconds, metavar="SECONDS", help="maximum time to wait; the training continues"
    )


def _add_forecasting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help=_MODEL_OR_ZERO_SHOT)
    parser.add_argument("--horizon", type=_count, help=_HORIZON)
    bands = parser.add_mutually_exclusive_group()
    bands.add_argument("--level", type=_numbers, metavar="80,95", help="central intervals in percent")
    bands.add_argument("--quantiles", type=_numbers, metavar="0.1,0.9", help="quantiles instead of intervals")
    parser.add_argument(
        "--history", metavar="FILE", help="forecast from the end of this file (-: stdin), not of the model's data"
    )
    _add_zero_shot(parser)
    parser.add_argument("--items", type=_names, metavar="A,B", help="only these of the model's items")
    parser.add_argument(
        "--future-covariates",
        metavar="FILE",
        help="file of the future covariates; each step uses the row of its time, other rows are ignored",
    )
    parser.add_argument("--num-samples", type=_count, help="number of sample paths to add; with --json")
    parser.add_argument("--seed", type=_seed, help="seed of the sample paths")
    _add_columns(parser)
    _add_files(parser, "forecast.png")


def _add_backtesting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help=_MODEL_OR_ZERO_SHOT)
    parser.add_argument("file", help="a CSV, Excel or Parquet file; - reads from stdin")
    parser.add_argument("--horizon", type=_count, default=1, help="steps ahead from each point (default: 1)")
    parser.add_argument("--stride", type=_count, default=1, help="points from one origin to the next (default: 1)")
    parser.add_argument("--start", help="row number or time of the first point; by default as early as possible")
    parser.add_argument("--level", type=_numbers, metavar="80,95", help="central intervals in percent")
    _add_zero_shot(parser)
    _add_columns(parser)
    _add_files(parser, "backtest.png")


def _add_zero_shot(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--season-length", type=_count, help="steps in a season; only for zero-shot")
    parser.add_argument("--time-zone", metavar="ZONE", help="zone of local times, Europe/Berlin; only for zero-shot")
    parser.add_argument(
        "--resample", type=_resample, metavar="D,mean", help="combine rows to longer steps; only for zero-shot"
    )


def _add_columns(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", action="append", metavar="COLUMN", help="column to forecast; repeat for several")
    parser.add_argument(
        "--item",
        action="append",
        metavar="COLUMN",
        help="column that identifies the item of a row; repeat, or separate by commas, for several",
    )
    parser.add_argument("--time", metavar="COLUMN", help="column of the times; by default detected")
    parser.add_argument("--date-format", help="strptime pattern, for dates that are ambiguous or unknown")
    parser.add_argument("--separator", help="column separator: comma, semicolon or tab; by default detected")
    parser.add_argument("--decimal", help="decimal mark: point or comma, if 1.005 may be 1.005 or 1005")
    parser.add_argument("--thousands", help="thousands mark: point, comma, space or apostrophe")


def _add_files(parser: argparse.ArgumentParser, picture: str) -> None:
    parser.add_argument("--plot", nargs="?", const=picture, metavar="PNG", help=f"write a plot (default: {picture})")
    parser.add_argument("--csv", metavar="CSV", help="write a CSV file; - writes to stdout")


def _numbers(text: str) -> list[float]:
    try:
        return [float(one) for one in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers, such as 80,95") from None


def _resample(text: str) -> dict[str, str]:
    freq, comma, how = text.partition(",")
    if not (freq and comma and how):
        raise argparse.ArgumentTypeError(f"{text!r} is not a step and how its rows are combined, such as 5min,mean")
    return {"freq": freq.strip(), "how": how.strip()}


def _names(text: str) -> list[str]:
    return [one.strip() for one in text.split(",")]


def _whole(text: str, least: int) -> int:
    if not text.isdecimal() or not least <= (number := int(text)) <= _LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return number


_count = partial(_whole, least=1)
_seed = partial(_whole, least=0)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds of at least 0")
    return seconds


def _option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as training.epochs=50")
    return name, value
