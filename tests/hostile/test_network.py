"""A server that has no network but its own loopback: it trains and forecasts all the same, and reaches for nothing.

https://man7.org/linux/man-pages/man7/network_namespaces.7.html
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.slow]

_REPOSITORY = Path(__file__).parent.parent.parent
_PATIENCE = 600

# In the namespace: the main job over a real server, and what the kernel then knows of packets that had no way to go.
_MAIN_JOB = """
import sys
from pathlib import Path
import httpx
from examples.server import running_server
from tests.api.series import VALUES
from tests.factories import QUICK

def unreachable():
    heads, numbers = (line.split()[1:] for line in Path("/proc/net/snmp").read_text().splitlines() if line[:3] == "Ip:")
    return int(dict(zip(heads, numbers))["OutNoRoutes"])

assert [line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]] == ["lo"]
one = {"FORECAST_TRAINING_PROCESSES": "1"}
with running_server(Path(sys.argv[1]), one) as url, httpx.Client(base_url=url) as client:
    model = client.post("/train", params={"wait": 120}, json={**QUICK, "series": VALUES}, timeout=150)
    assert model.status_code == 201, model.text
    answer = client.post("/forecast", json={"model_id": model.json()["model_id"], "horizon": 5})
    assert len(answer.json()["forecasts"][0]["mean"]) == 5, answer.text
    assert client.get("/docs").status_code == client.get("/metrics").status_code == 200
print("tried to go out:", unreachable())
"""


def test_a_server_without_a_network_works_and_tries_to_reach_nobody(tmp_path: Path) -> None:
    alone = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        _give_up("the programs unshare and ip (Debian: util-linux, iproute2)")
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode != 0:
        _give_up("root, and to be allowed network namespaces")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FORECAST_")}
    done = subprocess.run(
        [*alone, sys.executable, "-c", _MAIN_JOB, str(tmp_path / "store")],
        cwd=_REPOSITORY,
        env=environment | {"PYTHONPATH": str(_REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("tried to go out: 0\n"), done.stdout + done.stderr


def _give_up(needed: str) -> None:
    message = f"a network of its own needs {needed}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
