"""Compare this checkout with another one, each in its own environment: is anything slower than before?

Run ``make bench-quick AGAINST=CHECKOUT`` or ``python -m benchmarks.against CHECKOUT``. Each round starts a server of
each checkout and measures every row on both, one after the other; the next round reverses the order. Everything uses
public interfaces (``service.client``, ``python -m service``, HTTP), so that the code of the two may differ.

The ratio is this checkout's time divided by the other's, the median over rounds, with an interval of at least 95 %
confidence (`median_interval`). A row is worse if the whole interval is above 1.05. Exit code: 0 if no row is worse, 1
if one is, 2 if one could not be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np

from benchmarks import wrk
from benchmarks.checkouts import Checkout
from benchmarks.cores import SERVER_CORE, pin
from benchmarks.median_interval import median_interval
from benchmarks.raw_client import Asked, RawClient, closed_loop
from benchmarks.round_trip import NOTHING, TUTORIAL, Case, seconds
from benchmarks.served_models import HORIZON, MODELS
from benchmarks.server import REPOSITORY, WAIT_SECONDS, ForecastApi

ROUNDS = 7
WORSE = 1.05
CONFIDENCE = 0.95
HEADING = f"{'row':<44} {'this':>9} {'other':>9}   ratio  interval"
_SERVED = MODELS["default-seasonal"]


@dataclass
class Side:
    """A checkout in one round, and its server, which is started by the first row that uses it."""

    checkout: Checkout
    stack: ExitStack = field(repr=False)

    @cached_property
    def started(self) -> tuple[str, float]:
        """The URL of its server, and the seconds until that was ready."""
        begun = time.perf_counter()
        url = self.stack.enter_context(self.checkout.serving())
        return url, time.perf_counter() - begun

    @property
    def url(self) -> str:
        """The URL of its server."""
        return self.started[0]

    @cached_property
    def api(self) -> ForecastApi:
        """A client of its server."""
        return ForecastApi(self.stack.enter_context(httpx.Client(base_url=self.url, timeout=WAIT_SECONDS + 60)))

    @cached_property
    def model_id(self) -> str:
        """The ID of the model that its server trains on 2,000 values without options."""
        return _SERVED.trained(self.url)

    def forecast_body(self, history: int) -> str:
        """Return a request body for a forecast from ``history`` values."""
        return wrk.forecast_body(self.model_id, HORIZON, _SERVED.history(history))


Measure = Callable[[Side], float]
"""Returns seconds, lower is better; called once in each round as a warm-up."""


def import_client(side: Side) -> float:
    """Import ``service.client``."""
    return side.checkout.import_seconds()


def start(side: Side) -> float:
    """Start the server of this round, whose kernels are compiled."""
    return side.started[1]


def train(case: Case, side: Side) -> float:
    """Train once."""
    return seconds(side.api, {**case.options, "series": case.series().tolist()})


def train_items(side: Side) -> float:
    """Train on a panel of 100 items, without options except the horizon."""
    numbers, steps = np.random.default_rng(0), np.arange(60)
    panel = 50 + 10 * np.sin(2 * np.pi * steps / 12) + numbers.normal(0, 2, (100, len(steps)))
    items = [{"id": f"item-{number}", "values": values} for number, values in enumerate(panel.round(3).tolist())]
    return seconds(side.api, {"series": {"items": items}, "horizon": 12})


def latency(history: int, side: Side) -> float:
    """Return the median time of a forecast on one connection."""
    request = Asked.make("forecast", "POST", "/forecast", side.forecast_body(history).encode())

    async def ask() -> list[float]:
        client = RawClient(urlsplit(side.url).port or 80)
        answers = await closed_loop(client, [request], clients=1, seconds=1.0)
        client.close()
        if any(one.status != 200 for one in answers):
            raise RuntimeError(f"a forecast was answered with {sorted({one.status for one in answers})}")
        return [one.seconds for one in answers]

    return statistics.median(asyncio.run(ask()))


def loaded(side: Side) -> float:
    """Return the time for 1,000 forecasts on 32 connections."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "forecast.lua"
        script.write_text(wrk.same_request(side.forecast_body(200)))
        return 1000 / wrk.load(side.url, script, seconds=2).rate


ROWS: dict[str, tuple[str, Measure]] = {
    "import": ("import service.client", import_client),
    "start": ("start of the server, kernels compiled", start),
    "train-rnn": (f"POST /train, {TUTORIAL.name}", partial(train, TUTORIAL)),
    "train": ("POST /train, no option, 1,000 values", partial(train, NOTHING)),
    "forecast": ("POST /forecast, no history, median", partial(latency, 0)),
    "forecast-200": ("POST /forecast, 200 values, median", partial(latency, 200)),
    "forecast-2000": ("POST /forecast, 2,000 values, median", partial(latency, 2000)),
    "load": ("1,000 POST /forecast, 32 connections (wrk)", loaded),
    "items": ("POST /train, 100 items", train_items),
}


def main() -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against", description=__doc__)
    parser.add_argument("checkout", type=_checkout, help="folder of the other checkout, with its own .venv")
    parser.add_argument("--rounds", type=_positive, default=ROUNDS, help="fewer than 6 are too few to judge by")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="only these")
    asked = parser.parse_args()
    pin(SERVER_CORE)  # inherited by both servers; wrk has another core
    names = [name for name in asked.rows if name != "load" or wrk.is_installed()]
    if len(names) < len(asked.rows):
        print(f"{ROWS['load'][0]} is left out: {wrk.MISSING}")
    checkouts = Checkout.at(str(REPOSITORY)), asked.checkout
    for one in checkouts:
        with one.serving():
            pass  # its first start may compile
    measures = {name: ROWS[name][1] for name in names}
    return print_table(*measure_rounds(checkouts, measures, asked.rounds))


Pairs = dict[str, list[tuple[float, float]]]


def measure_rounds(
    checkouts: tuple[Checkout, Checkout], measures: Mapping[str, Measure], rounds: int
) -> tuple[Pairs, dict[str, Exception]]:
    """Return for each row the times of both checkouts in each round, and the errors of the rows that failed."""
    found: Pairs = {name: [] for name in measures}
    broken: dict[str, Exception] = {}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        # Two processes of the same code may differ by a few percent, so each round starts new ones.
        with ExitStack() as stack:
            this, other = (Side(one, stack) for one in checkouts)
            for name, measure in measures.items():
                if name in broken:
                    continue
                try:
                    found[name].append(_in_turn(measure, this, other, other_first=number % 2 == 1))
                except Exception as error:
                    broken[name] = error
    return found, broken


def _in_turn(measure: Measure, this: Side, other: Side, other_first: bool) -> tuple[float, float]:
    """Measure both sides after one warm-up each; return the times of this side and of the other."""
    if other_first:
        return _in_turn(measure, other, this, other_first=False)[::-1]
    for side in (this, other):
        measure(side)
    return measure(this), measure(other)


def print_table(found: Pairs, broken: Mapping[str, Exception]) -> int:
    """Print the results of `measure_rounds`; return the exit code."""
    print(HEADING)
    rows = [Row(ROWS[name][0], pairs) for name, pairs in found.items() if name not in broken]
    for row in rows:
        print(row.line())
    for name, error in broken.items():
        print(f"{ROWS[name][0]:<44} broke: {type(error).__name__}: {error}")
    return 2 if broken else int(any(row.is_worse for row in rows))


@dataclass(frozen=True)
class Row:
    """The measurements of one row. pairs: the seconds of this checkout and of the other, round by round."""

    title: str
    pairs: Sequence[tuple[float, float]]

    @property
    def ratios(self) -> list[float]:
        """This checkout's time divided by the other's, above 1 if this one is slower."""
        return [this / other for this, other in self.pairs]

    @property
    def is_worse(self) -> bool:
        """Whether this checkout is slower with confidence."""
        interval = median_interval(self.ratios, CONFIDENCE)
        return interval.confidence >= CONFIDENCE and interval.lower > WORSE

    def line(self) -> str:
        """Format medians, the ratio and its interval."""
        this, other = (_readable(statistics.median(side)) for side in zip(*self.pairs, strict=True))
        interval = median_interval(self.ratios, CONFIDENCE)
        told = "  worse" if self.is_worse else ""
        if interval.confidence < CONFIDENCE:
            told = f"  too few rounds to judge by ({interval.confidence:.0%})"
        ratio = statistics.median(self.ratios)
        return (
            f"{self.title:<44} {this:>9} {other:>9} {ratio:>7.3f}  {interval.lower:.3f} to {interval.upper:.3f}{told}"
        )


def _readable(value: float) -> str:
    return f"{value:.3f} s" if value >= 0.1 else f"{1000 * value:.3f} ms"


def _checkout(folder: str) -> Checkout:
    try:
        return Checkout.at(folder)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
