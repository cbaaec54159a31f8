"""Importing the client is quick: nothing that a server needs, nothing that is needed later."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "fastapi", "starlette", "uvicorn", "numba", "pandas", "polars", "matplotlib", "sqlalchemy", "dbos")
PARTS = ("api", "usecases", "storage", "jobs", "forecasting", "app")


@pytest.mark.parametrize("module", ["service.client", "service.command_line.parser"])
def test_importing_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = set(subprocess.run(command, capture_output=True, check=True, text=True).stdout.split())
    assert module in loaded
    assert not loaded & {*HEAVY, *(f"service.{part}" for part in PARTS)}


def test_asking_imports_nothing_of_the_server(server_url: str) -> None:
    code = (
        "import sys; from service.client import Client; "
        f"client = Client({server_url!r}); client.train(list(range(40)), candidates=['naive']).forecast(2); "
        "print(*sys.modules)"
    )
    command = [sys.executable, "-c", code]
    loaded = set(subprocess.run(command, capture_output=True, check=True, text=True).stdout.split())
    assert "pandas" in loaded
    assert not loaded & {"torch", "fastapi", "numba", "matplotlib", *(f"service.{part}" for part in PARTS)}
