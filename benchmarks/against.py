"""This checkout beside another one, each with its own environment: is anything slower than it was?

Run ``make bench-quick AGAINST=CHECKOUT`` or ``python -m benchmarks.against CHECKOUT``. Each row is measured in rounds:
in each, both checkouts one after the other, and the next round the other way round. All goes through what users have
(``service.client``, ``python -m service``, HTTP), so that the code of the two may differ as it likes.

The ratio is this checkout's time by the other's, the median over rounds, with an interval of at least 95 % confidence
(`median_interval`). A row is worse where the whole interval is above 1.05. Exit code: 0 where no row is worse, 1 where
one is, 2 where one could not be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
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
    """A checkout, and its server, which runs from the first row on that asks it."""

    checkout: Checkout
    stack: ExitStack = field(repr=False)

    @cached_property
    def url(self) -> str:
        """The URL of its server."""
        return self.stack.enter_context(self.checkout.serving())

    @cached_property
    def api(self) -> ForecastApi:
        """A client of its server."""
        return ForecastApi(self.stack.enter_context(httpx.Client(base_url=self.url, timeout=WAIT_SECONDS + 60)))

    @cached_property
    def model_id(self) -> str:
        """What its server makes of 2,000 values with no option."""
        return _SERVED.trained(self.url)

    def forecast_body(self, history: int) -> str:
        """Write a request for a forecast from so many values."""
        return wrk.forecast_body(self.model_id, HORIZON, _SERVED.history(history))


Measure = Callable[[Side], float]
"""Returns seconds, less is better; called once before it counts."""


def import_client(side: Side) -> float:
    """Import ``service.client``."""
    return side.checkout.import_seconds()


def start(side: Side) -> float:
    """Start a server whose kernels are compiled."""
    return side.checkout.start_seconds()


def train(case: Case, side: Side) -> float:
    """Train once."""
    return seconds(side.api, {**case.options, "series": case.series().tolist()})


def train_items(side: Side) -> float:
    """Train on a panel of 100 items, with no option but the horizon."""
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
    with ExitStack() as stack:
        sides = Side(Checkout.at(str(REPOSITORY)), stack), Side(asked.checkout, stack)
        return print_table(sides, asked.rows, asked.rounds)


def print_table(sides: tuple[Side, Side], names: Sequence[str], rounds: int) -> int:
    """Measure and print row by row; return the exit code."""
    code = 0
    print(HEADING)
    for name in names:
        title, measure = ROWS[name]
        if name == "load" and not wrk.is_installed():
            print(f"{title:<44} is left out: {wrk.MISSING}")
            continue
        try:
            row = Row(title, list(pairs(sides, measure, rounds)))
        except Exception as error:
            print(f"{title:<44} broke: {type(error).__name__}: {error}", flush=True)
            code = 2
            continue
        print(row.line(), flush=True)
        code = max(code, int(row.is_worse))
    return code


def pairs(sides: tuple[Side, Side], measure: Measure, rounds: int) -> Iterator[tuple[float, float]]:
    """Yield what each side took, round by round."""
    this, other = sides
    measure(this)
    measure(other)
    for number in range(rounds):
        if number % 2:
            theirs = measure(other)
            yield measure(this), theirs
        else:
            yield measure(this), measure(other)


@dataclass(frozen=True)
class Row:
    """What was measured of one thing. pairs: the seconds of this checkout and of the other, round by round."""

    title: str
    pairs: Sequence[tuple[float, float]]

    @property
    def ratios(self) -> list[float]:
        """This checkout's time by the other's, above 1 where this one is slower."""
        return [this / other for this, other in self.pairs]

    @property
    def is_worse(self) -> bool:
        """Whether this checkout is surely slower."""
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
