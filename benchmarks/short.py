"""Every benchmark that needs no peers, in a short form: does it still run and print its rows? Times are not evaluated.

Run ``make bench-short``, or ``python -m benchmarks.short``; names run only those. The data is synthetic, so that only
the repository is required, and wrk and Chromium (Debian's packages). A new benchmark must be listed here, or among
those that need the peers' environment: tests/test_benchmarks.py compares the lists with the files.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.server import REPOSITORY

LIMIT_SECONDS = 300.0
"""The time after which a benchmark counts as hanging, also on a busy machine."""

_TOLD_LINES = 40


@dataclass(frozen=True)
class Short:
    """A benchmark's short form. rows: the minimum number of lines that it prints."""

    options: str
    rows: int


SHORT = {
    "adaptive": Short("--series 2 --changes deviation --processes 1", 4),
    "against": Short(". --rounds 1 --rows import train-rnn forecast load", 5),
    "costs": Short("--rounds 1 --doublings 1", 8),
    "demand": Short("--series 1", 13),
    "drift": Short("--series 4 --processes 1", 6),
    "engines": Short("--items 4 --length 60 --hidden 64 --rounds 1 --tables step rollout one panel", 21),
    "first_minute": Short("", 15),
    "http": Short("--seconds 1 --rounds 1", 4),
    "kernels": Short("--rounds 1 --seeds 1 --epochs 2", 17),
    "known_limits": Short("--series 1", 3),
    "listing": Short("--models 1000 --calls 2", 16),
    "model_cache": Short("--models 20 --cached 5 --seconds 1 --rounds 1", 6),
    "observations": Short("--rounds 5 --values 20", 5),
    "overload": Short("--seconds 2 --times 2 --alone 1 --jobs 2 --no-goals", 11),
    "page": Short("--points 2000 --rounds 1", 7),
    "prior": Short("--seconds 1 --rounds 1 --items 200", 5),
    "quick": Short("--seeds 1 --rounds 1 --seconds 1 --epochs 2", 14),
    "regimes": Short("--series 1", 4),
    "retraining": Short("--series 1 --recipes default", 16),
    "round_trip": Short("--rounds 1 --epochs 2", 6),
    "scale": Short("--jobs 12 --calls 2 --trainers 1", 17),
    "soak": Short("--minutes 0.3 --clients 2 --no-goals", 8),
    "training_load": Short("--seconds 1 --rounds 1", 13),
    "tutorials": Short("--rows 1,6 --quick", 6),
}

NEED_PEERS = frozenset({"accuracy", "default_speed", "peers", "public_table"})
"""Benchmarks that compare with others' forecasts, or read others' data: make .venv-peers."""

PARTS = frozenset({"noop", "noop_trainer", "peer_worker", "short"})
"""Programs that are not benchmarks: others start them, or they start others."""


@dataclass(frozen=True)
class Ended:
    """The end of a run. fault: what was wrong with it, or None."""

    seconds: float
    fault: str | None
    output: str


def main() -> int:
    """Run one after the other, a line each; return 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.short", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(SHORT)}; default: all")
    names: list[str] = parser.parse_args().names or list(SHORT)
    if unknown := set(names) - set(SHORT):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    failed = 0
    for name in names:
        command = [sys.executable, "-m", f"benchmarks.{name}", *SHORT[name].options.split()]
        ended = run(command, SHORT[name].rows, LIMIT_SECONDS)
        print(f"{name:<14} {ended.seconds:>6.1f} s  {ended.fault or 'passed'}", flush=True)
        if ended.fault is not None:
            failed += 1
            print("\n".join(f"    {line}" for line in ended.output.splitlines()[-_TOLD_LINES:]), flush=True)
    print(f"{len(names) - failed} passed, {failed} failed")
    return int(failed > 0)


def run(command: Sequence[str], rows: int, limit_seconds: float) -> Ended:
    """Run a command from the repository's root; terminate it with all its descendants if it takes too long."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    late = False
    try:
        told, errors = process.communicate(timeout=limit_seconds)
    except subprocess.TimeoutExpired:
        late = True
        os.killpg(process.pid, signal.SIGKILL)
        told, errors = process.communicate()
    fault = _fault(process.returncode, told, rows) if not late else f"did not end within {limit_seconds:g} s"
    return Ended(time.perf_counter() - started, fault, told + errors)


def _fault(returncode: int, told: str, rows: int) -> str | None:
    lines = sum(bool(line.strip()) for line in told.splitlines())
    if returncode != 0:
        return f"ended with {returncode}"
    return f"printed {lines} lines, {rows} were expected" if lines < rows else None


if __name__ == "__main__":
    sys.exit(main())
