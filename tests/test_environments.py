"""The service on machines that have less than usual: folders that cannot be written, one core, an older processor.

docs/environments.md has the table. What cannot work ends with one line.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.api.series import VALUES
from tests.factories import QUICK
from tests.killed_server import killed_server

pytestmark = [pytest.mark.slow, pytest.mark.process]

ROOT = Path(__file__).parents[1]
PYENV = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
SERVE = [sys.executable, "-m", "service"]
# Mounts each folder read-only, for the processes of the command alone.
READ_ONLY = """
for folder in "$1" "$2"; do mount --bind "$folder" "$folder" && mount -o remount,bind,ro "$folder" || exit 1; done
shift 2 && exec "$@"
"""
UNSHARED = ["unshare", "--mount", "bash", "-c", READ_ONLY, "read-only", str(ROOT), str(Path.home())]
PROCESSORS = {
    "without AVX-512": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"},
    "without AVX": {"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": "+sse4.2"},
}
GIGABYTE = 2**30


def check(url: str) -> None:
    """Train and forecast."""
    trained = httpx.post(f"{url}/train?wait=300", json={**QUICK, "series": VALUES, "name": "one"}, timeout=300)
    assert trained.status_code == 201, trained.text
    answer = httpx.post(f"{url}/forecast", json={"name": "one", "horizon": 5})
    assert len(answer.json()["forecasts"][0]["mean"]) == 5
    assert httpx.get(f"{url}/readyz").json()["warnings"] == []


def memory_of(session: int) -> int:
    """Return the bytes of all processes of a session; what several share is counted once."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                found = re.search(r"^Pss: +([0-9]+) kB", (folder / "smaps_rollup").read_text(), re.MULTILINE)
                total += 1024 * int(found[1]) if found else 0
        except (OSError, ProcessLookupError):
            continue  # it has ended
    return total


def check_ends(command: list[str], line: str) -> None:
    """Run a command, which has to end with an exit code and this line alone."""
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode in (1, 2)
    assert re.fullmatch(line + "\n", ended.stderr), ended.stderr
    assert ended.stdout == ""


def older_interpreters() -> list[Path]:
    """Return the interpreters older than 3.11 that pyenv has installed."""
    found = {path.parents[1].name: path for path in sorted(PYENV.glob("[23].*/bin/python"))}
    return [path for version, path in found.items() if tuple(map(int, version.split(".")[:2])) < (3, 11)]


def test_a_python_that_is_too_old() -> None:
    interpreters = older_interpreters()
    if not interpreters:
        pytest.skip("pyenv has no Python older than 3.11")
    for python in interpreters:
        check_ends([str(python), "-m", "service"], r"Python 3\.11 or newer is needed, and this is \d\.\d+")


def test_an_interpreter_without_the_packages() -> None:
    check_ends(
        [sys.executable, "-S", "-m", "service"], "No module named 'pydantic': install the service with make serve .*"
    )


def test_code_and_home_that_cannot_be_written(tmp_path: Path) -> None:
    if subprocess.run([*UNSHARED, "true"], capture_output=True).returncode != 0:
        pytest.skip("mounting needs root")
    settings = {"TMPDIR": str(tmp_path), "NUMBA_CACHE_DIR": ""}
    with killed_server([*UNSHARED, *SERVE], tmp_path / "models", settings) as (url, _):
        check(url)
    assert list(tmp_path.glob("forecast-service-*/kernels/**/*.nbc"))


def test_one_core_and_a_gigabyte(tmp_path: Path) -> None:
    with killed_server(["taskset", "--cpu-list", "0", *SERVE], tmp_path / "models") as (url, session):
        check(url)
        assert 0 < memory_of(session) < GIGABYTE


@pytest.mark.parametrize("processor", PROCESSORS)
def test_older_processors(processor: str, tmp_path: Path) -> None:
    settings = {**PROCESSORS[processor], "FORECAST_KERNEL_CACHE": str(tmp_path / "kernels")}
    with killed_server(SERVE, tmp_path / "models", settings) as (url, _):
        check(url)
