"""wrk (Debian's package), which loads a server from a separate core, and the requests that it sends."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cores import CLIENT_CORE, may_go_first

MISSING = "wrk is needed: apt-get install wrk"
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True)
class Load:
    """The result of one run of wrk: requests per second; the 99th percentile of the latency in ms."""

    rate: float
    p99: float


def is_installed() -> bool:
    """Return whether wrk is installed."""
    return shutil.which("wrk") is not None


def load(url: str, script: Path, seconds: int, connections: int = 32, first: bool = False) -> Load:
    """Send a script's requests to ``/forecast`` of a server; each connection sends the next after the response.

    first: take priority over everything else on the core, if permitted. Raises RuntimeError if a request was refused or
    lost.
    """
    priority = ["nice", "-n", "-15"] if first and may_go_first() else []
    command = [*priority, "taskset", "-c", str(CLIENT_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    output = subprocess.run(
        [*command, "--latency", "-s", str(script), f"{url}/forecast"], check=True, capture_output=True, text=True
    ).stdout
    failed = re.search(r"Non-2xx or 3xx responses: \d+|Socket errors: .*", output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", output)
    if failed or rate is None or p99 is None:
        raise RuntimeError(failed[0] if failed else f"wrk printed something else:\n{output}")
    return Load(float(rate[1]), float(p99[1]) * _MILLISECONDS[p99[2]])


def forecast_body(model_id: str, horizon: int, history: Sequence[float] = ()) -> str:
    """Return the body of a forecast from a history or, if that is empty, from the end of the model's own data."""
    body: dict[str, object] = {"model_id": model_id, "horizon": horizon}
    if history:
        body["history"] = list(history)
    return json.dumps(body)


def same_request(body: str) -> str:
    """Return the script that sends one body repeatedly."""
    return f'wrk.method = "POST"\nwrk.body = [[{body}]]\nwrk.headers["Content-Type"] = "application/json"\n'


def random_models(body: str, model_ids: Sequence[str]) -> str:
    """Return the script that sends a body with ``%s`` for a model, each time with a random one of these IDs."""
    listed = ",\n".join(f'"{model_id}"' for model_id in model_ids)
    return (
        f"local model_ids = {{\n{listed}\n}}\nlocal body = [[{body}]]\n"
        'local headers = {["Content-Type"] = "application/json"}\n'
        "function request()\n"
        "  local model_id = model_ids[math.random(#model_ids)]\n"
        '  return wrk.format("POST", nil, headers, string.format(body, model_id))\n'
        "end\n"
    )


def paced(script: str, shortest: int, longest: int) -> str:
    """Let each connection pause between its requests, at random, in ms; the pause is not part of the latency."""
    return f"{script}function delay()\n  return math.random({shortest}, {longest})\nend\n"
