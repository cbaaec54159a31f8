"""The service on each newer Python that is installed: install, start, train, forecast, kill -9, start again.

Without torch, whose CPU build is not to be had for each of them: the service runs, and trains with its kernels.
"""

from __future__ import annotations

import os
import re
import shutil
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
INSTALLED = ("service", "pyproject.toml", "README.md", "LICENSE")


def newer_interpreters() -> dict[str, Path]:
    """Return an interpreter for each minor version after the one that runs this, by its name."""
    found: dict[str, Path] = {}
    folders = [*map(Path, os.get_exec_path()), *sorted(PYENV.glob("3.*/bin"))]
    for path in (path for folder in folders for path in folder.glob("python3.*")):
        version = re.fullmatch(r"python3\.(\d+)", path.name)
        if version and int(version[1]) > sys.version_info.minor and runs(path):
            found.setdefault(path.name, path)
    return found


def runs(python: Path) -> bool:
    """Tell whether it is an interpreter; pyenv puts a script there for each version, selected or not."""
    return subprocess.run([python, "-c", "import sqlite3, venv"], capture_output=True).returncode == 0


@pytest.fixture(scope="module", params=newer_interpreters().values(), ids=lambda path: path.name)
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that the service is installed in."""
    folder = tmp_path_factory.mktemp(request.param.name)
    for name in INSTALLED:
        source = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__")
        if source.is_dir():
            shutil.copytree(source, folder / "source" / name, ignore=ignored)
        else:
            shutil.copy(source, folder / "source" / name)
    subprocess.run([request.param, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--require-hashes", "-r", ROOT / "image.lock"], check=True)
    subprocess.run([*pip, folder / "source"], check=True)
    assert subprocess.run([python, "-c", "import torch"], capture_output=True).returncode != 0
    return python


def test_models_are_trained_served_and_kept(python: Path, tmp_path: Path) -> None:
    store = tmp_path / "models"
    body = {**QUICK, "series": VALUES, "name": "kept"}
    question = {"name": "kept", "horizon": 5}
    with killed_server([python, "-m", "service"], store) as (url, _):
        trained = httpx.post(f"{url}/train?wait=300", json=body, timeout=300)
        assert trained.status_code == 201, trained.text
        assert httpx.get(f"{url}/readyz").json()["warnings"] == []
        first = httpx.post(f"{url}/forecast", json=question).json()["forecasts"]
        accepted = httpx.post(f"{url}/train?wait=0", json={**body, "name": "accepted"})
        assert accepted.status_code in (201, 202), accepted.text
    with killed_server([python, "-m", "service"], store) as (url, _):
        assert httpx.post(f"{url}/forecast", json=question).json()["forecasts"] == first
        job = accepted.json()["job_id"]
        last = httpx.get(f"{url}/jobs/{job}/events", timeout=300).text.rstrip().rpartition("event: ")[2]
        assert last.startswith("end"), last
        assert httpx.get(f"{url}/jobs/{job}").json()["status"] == "succeeded"
