"""The most informative rows of the other benchmarks in less than three minutes, each with its goal.

Run ``make bench-quick``, or ``python -m benchmarks.quick``. There are few rounds, and machines are noisy: repeat a row
that misses its goal with the benchmark that it comes from. The exit code is 1 if a table failed, else 0 whatever the
results.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.cores import SERVER_CORE, pin
from benchmarks.http import http_lines
from benchmarks.kernels import ROLLOUT_HEADING, ROLLOUTS, TRAINING_HEADING, rollout_line, training_line
from benchmarks.round_trip import HEADING as ROUND_TRIP_HEADING
from benchmarks.round_trip import NOTHING, TUTORIAL, round_trip_line
from benchmarks.server import serving
from benchmarks.tutorial_loop import EPOCHS, prepare_torch
from benchmarks.wrk import MISSING, is_installed


@dataclass(frozen=True)
class Effort:
    """The effort: trainings of each side, alternating runs, seconds of a wrk run, epochs of the loop."""

    seeds: int
    rounds: int
    seconds: int
    epochs: int


def read_effort() -> Effort:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quick", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each side")
    parser.add_argument("--rounds", type=int, default=2, help="alternating runs of each side")
    parser.add_argument("--seconds", type=int, default=3, help="length of one wrk run")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of the tutorial's loop")
    return Effort(**vars(parser.parse_args()))


def main() -> int:
    """Print all tables; if one fails, report it and continue. Return the exit code."""
    effort, broke = read_effort(), False
    started = time.perf_counter()
    pin(SERVER_CORE)  # all sides of all rows except wrk
    prepare_torch()
    for table in (rollout, training, round_trip, http):
        try:
            for line in table(effort):
                print(line, flush=True)
        except Exception as error:
            broke = True
            print(f"{table.__name__} broke: {type(error).__name__}: {error}", flush=True)
        print(flush=True)
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"{time.perf_counter() - started:.0f} s; load average {load} on {os.cpu_count()} cores")
    return int(broke)


def rollout(_: Effort) -> Iterator[str]:
    """One network, 300 steps."""
    yield ROLLOUT_HEADING
    yield rollout_line(ROLLOUTS[1])


def training(effort: Effort) -> Iterator[str]:
    """The tutorial's own network."""
    yield TRAINING_HEADING
    yield training_line("rnn", "noisy sine", range(effort.seeds), effort.epochs)


def round_trip(effort: Effort) -> Iterator[str]:
    """The same training through the API, and the default one."""
    with serving() as api:
        yield ROUND_TRIP_HEADING
        for case in (TUTORIAL, NOTHING):
            yield round_trip_line(api, case, effort.rounds, effort.epochs)


def http(effort: Effort) -> Iterator[str]:
    """Forecasts compared with the no-op."""
    if is_installed():
        yield from http_lines(("network", "default-seasonal"), (0, 200), effort.seconds, effort.rounds)
    else:
        yield f"POST /forecast beside the no-op is left out: {MISSING}"


if __name__ == "__main__":
    sys.exit(main())
