"""A real server with the limits that it has by default, and its memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.server import running_server
from tests.api.series import VALUES
from tests.factories import QUICK
from tests.test_server import connected, server_of

MIB = 2**20


@dataclass(frozen=True)
class Victim:
    """A running server: its client, which holds each answer to the contract, and its process."""

    client: httpx.Client
    process_id: int
    log: Path
    model: dict[str, Any]

    @contextmanager
    def takes_at_most(self, mebibytes: int) -> Iterator[None]:
        """Fail where the server takes so much more memory, at any moment of the block, than before it."""
        process = Path(f"/proc/{self.process_id}")
        # https://docs.kernel.org/filesystems/proc.html: 5 sets the peak back to what is taken now.
        (process / "clear_refs").write_text("5")
        before = self._status("VmRSS")
        yield
        taken = (self._status("VmHWM") - before) / MIB
        assert taken <= mebibytes, f"{taken:.0f} MiB"

    def check_alive(self) -> None:
        """Fail unless it does its work."""
        answer = self.client.post("/forecast", json={"model_id": self.model["model_id"], "horizon": 3})
        assert answer.status_code == 200, answer.text

    def _status(self, field: str) -> int:
        lines = Path(f"/proc/{self.process_id}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1]) * 1024


@pytest.fixture(scope="package")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    store = tmp_path_factory.mktemp("hostile")
    log = store.parent / f"{store.name}.log"
    with running_server(store, {"FORECAST_TRAINING_PROCESSES": "1"}, log) as url, connected(url) as client:
        trained = client.post("/train", params={"wait": 60}, json={**QUICK, "series": VALUES})
        assert trained.status_code == 201, trained.text
        yield Victim(client, server_of(store), log, trained.json())
    # Nothing of all this was a surprise to the server.
    assert "Traceback" not in log.read_text()
