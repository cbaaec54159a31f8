"""Thousands of requests that schemathesis makes up from the API's own document, over a real server with keys.

All of its checks: no 5xx, no status, header or body that the document does not have, nothing accepted that the schema
forbids, no key ignored, nothing found after it was deleted; and walks along the links.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples.server import running_server

pytestmark = pytest.mark.fuzz

_REPOSITORY = Path(__file__).parent.parent.parent
_CONFIGURATION = _REPOSITORY / "tests" / "fuzz" / "schemathesis.toml"
_KEY = "k" * 32
# Trainings end in a moment, so that none of the many is waited for, and what is made up reaches every limit.
_SMALL = {
    "FORECAST_API_KEYS": f"acme:admin:{_KEY},other:admin:{'o' * 32}",
    "FORECAST_TRAINING_PROCESSES": "1",
    "FORECAST_MAX_QUEUED_JOBS": "1000000",
    "FORECAST_MAX_POINTS": "2000",
    "FORECAST_MAX_HORIZON": "50",
    "FORECAST_MAX_CONTEXT_LENGTH": "50",
    "FORECAST_MAX_HIDDEN_SIZE": "8",
    "FORECAST_MAX_EPOCHS": "5",
    "FORECAST_MAX_ANSWER_NUMBERS": "20000",
}
# About as many of each operation as make up so many altogether.
_CASES_FOR_EACH = 14


def test_no_request_is_answered_otherwise_than_documented(cases: int, tmp_path: Path) -> None:
    log, report = tmp_path / "server.log", tmp_path / "report.json"
    with running_server(tmp_path / "store", _SMALL, log) as url:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(_CONFIGURATION)),
                *("run", f"{url}/openapi.json", "--max-examples", str(max(1, cases // _CASES_FOR_EACH))),
                *("--report-json-path", str(report), "--no-color"),
            ],
            cwd=tmp_path,
            env={**os.environ, "FORECAST_FUZZ_KEY": _KEY, "PYTHONPATH": str(_REPOSITORY)},
            capture_output=True,
            text=True,
            check=False,
        )
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in log.read_text()
    assert json.loads(report.read_text())["test_cases"]["generated"] >= cases
