"""The most telling rows of the other benchmarks in less than three minutes, each with its goal beside it.

Run ``make bench-quick``, or ``python -m benchmarks.quick``. Few rounds on a noisy machine: look at a row that misses
its goal again with the benchmark that it comes from. The exit code is always 0: a benchmark is no test.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from benchmarks.cores import SERVER_CORE, pin
from benchmarks.http import http_lines
from benchmarks.kernels import ROLLOUT_HEADING, ROLLOUTS, TRAINING_HEADING, rollout_line, training_line
from benchmarks.round_trip import HEADING as ROUND_TRIP_HEADING
from benchmarks.round_trip import NOTHING, TUTORIAL, round_trip_line
from benchmarks.server import serving
from benchmarks.tutorial_loop import prepare_torch
from benchmarks.wrk import MISSING, is_installed

SEEDS = range(3)
ROUNDS = 2
HTTP_SECONDS = 3


def main() -> None:
    """Print all tables; where one breaks, say so and go on."""
    started = time.perf_counter()
    pin(SERVER_CORE)  # every side of every row but wrk
    prepare_torch()
    for table in (rollout, training, round_trip, http):
        try:
            for line in table():
                print(line, flush=True)
        except Exception as error:
            print(f"{table.__name__} broke: {type(error).__name__}: {error}", flush=True)
        print(flush=True)
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"{time.perf_counter() - started:.0f} s; load average {load} on {os.cpu_count()} cores")


def rollout() -> Iterator[str]:
    """One network, 300 steps."""
    yield ROLLOUT_HEADING
    yield rollout_line(ROLLOUTS[1])


def training() -> Iterator[str]:
    """The tutorial's own network."""
    yield TRAINING_HEADING
    yield training_line("rnn", "noisy sine", SEEDS)


def round_trip() -> Iterator[str]:
    """The same training through the API, and the default one."""
    with serving() as api:
        yield ROUND_TRIP_HEADING
        for case in (TUTORIAL, NOTHING):
            yield round_trip_line(api, case, ROUNDS)


def http() -> Iterator[str]:
    """Forecasts beside the no-op."""
    if is_installed():
        yield from http_lines(("network", "default-seasonal"), (0, 200), HTTP_SECONDS, ROUNDS)
    else:
        yield f"POST /forecast beside the no-op is left out: {MISSING}"


if __name__ == "__main__":
    main()
