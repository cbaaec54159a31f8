"""A checkout of this repository with its own environment, measured through its public interfaces."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from examples.server import running_server

_IMPORT = "import time; begun = time.perf_counter(); import service.client; print(time.perf_counter() - begun)"


@dataclass(frozen=True)
class Checkout:
    """A folder with ``service/`` and ``.venv/``."""

    folder: Path

    @classmethod
    def at(cls, folder: str) -> Checkout:
        """Return the checkout in a folder. Raises ValueError if there is none, or if it has no environment."""
        checkout = cls(Path(folder).resolve())
        if not (checkout.folder / "service").is_dir():
            raise ValueError(f"{folder} is no checkout: it has no folder service")
        if not checkout.python.exists():
            raise ValueError(f"{folder} has no .venv/bin/python: make -C {folder} .venv/.installed")
        return checkout

    @property
    def python(self) -> Path:
        """The path of its interpreter."""
        return self.folder / ".venv" / "bin" / "python"

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Run its server on an empty store until the block ends; yield its URL."""
        with (
            tempfile.TemporaryDirectory(prefix="forecast-benchmark-") as store,
            running_server(Path(store) / "models", log=Path(store) / "log", checkout=self.folder) as url,
        ):
            yield url

    def import_seconds(self) -> float:
        """Return the time in which a new process imports its client."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [str(self.python), "-c", _IMPORT]
        ran = subprocess.run(command, cwd=self.folder, env=environment, check=True, capture_output=True, text=True)
        return float(ran.stdout)
