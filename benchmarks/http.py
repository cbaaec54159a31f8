"""POST /forecast against FastAPI's no-op route with the same body: wrk, 32 connections, one worker, alternating.

Run ``python -m benchmarks.http``, with ``--model default-seasonal`` and similar for the models of a training without
options; needs wrk (Debian's package). The servers run on one core, wrk on the other.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.cores import SERVER_CORE, pin
from benchmarks.served_models import HORIZON, MODELS
from benchmarks.wrk import MISSING, Load, forecast_body, is_installed, load, same_request
from examples.server import free_port, running_server, wait_until_ready

HEADING = f"{'model':<17} history  requests/s      no-op   ratio  (goal)   p99 ms   no-op   ratio"


def main() -> int:
    """Print requests per second and p99 of both sides; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http", description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="length of one wrk run")
    parser.add_argument("--rounds", type=int, default=5, help="alternating runs of each side; medians are printed")
    parser.add_argument("--model", nargs="+", choices=MODELS, default=["network"], help="what is served")
    asked = parser.parse_args()
    if not is_installed():
        sys.exit(MISSING)
    pin(SERVER_CORE)  # inherited by both servers
    for line in http_lines(asked.model, (0, 200, 2000), asked.seconds, asked.rounds):
        print(line, flush=True)
    return 0


def http_lines(names: Sequence[str], histories: Sequence[int], seconds: int, rounds: int) -> Iterator[str]:
    """Load both servers in turn; yield the heading and a line for each model and length of the history."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = stack.enter_context(running_server(folder / "models"))
        noop = stack.enter_context(running_noop())
        yield HEADING
        for name in names:
            model = MODELS[name]
            model_id = model.trained(service)
            for length in histories:
                script = folder / f"{length}.lua"
                script.write_text(same_request(forecast_body(model_id, HORIZON, model.history(length))))
                runs = [(load(service, script, seconds), load(noop, script, seconds)) for _ in range(rounds)]
                yield line(name, length, model.goals[length], runs)


@contextmanager
def running_noop() -> Iterator[str]:
    """Run the no-op application until the block ends; yield its URL."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.noop", str(port)])
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def line(name: str, length: int, goal: float, runs: Sequence[tuple[Load, Load]]) -> str:
    """Format medians, and the median of the ratios of neighbouring runs."""
    ours, theirs = zip(*runs, strict=True)
    rate, noop_rate = (statistics.median(one.rate for one in side) for side in (ours, theirs))
    p99, noop_p99 = (statistics.median(one.p99 for one in side) for side in (ours, theirs))
    ratio = statistics.median(one.rate / noop.rate for one, noop in runs)
    slower = statistics.median(one.p99 / noop.p99 for one, noop in runs)
    return (
        f"{name:<17} {length:>7} {rate:>11.0f} {noop_rate:>10.0f} {ratio:>7.2f} {goal:>7.2f} "
        f"{p99:>8.1f} {noop_p99:>7.1f} {slower:>7.2f}"
    )


if __name__ == "__main__":
    sys.exit(main())
