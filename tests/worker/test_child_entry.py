"""What a training child calls first is to be imported in no time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from service.errors import JobNotFound, Unavailable
from service.storage.files.folder import Folder
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id
from service.worker.train_job import stored_input


class AwayStore(ModelStore):
    """A store that does not answer for a while."""

    failures = 0

    def get_training_input(self, job_id: str) -> bytes:
        if self.failures:
            self.failures -= 1
            raise Unavailable("S3 cannot be reached")
        return super().get_training_input(job_id)


@pytest.fixture
def store(tmp_path: Path) -> AwayStore:
    return AwayStore(Folder(tmp_path))


SLOW = ("torch", "pandas", "sklearn", "fastapi", "sqlalchemy", "pydantic", "service.app")


def test_the_first_module_of_a_child_imports_nothing_slow() -> None:
    check = f"import sys, service.worker.child_entry; sys.exit(str([name for name in {SLOW} if name in sys.modules]))"
    ended = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert ended.stderr.strip() == "[]"


def test_a_store_that_is_away_for_a_moment_is_waited_for(store: AwayStore) -> None:
    job_id = new_id()
    store.put_training_input(job_id, b"input")
    store.failures = 2
    assert stored_input(store, job_id) == b"input"


def test_a_store_that_stays_away_is_reported(store: AwayStore) -> None:
    store.failures = 10**6
    with pytest.raises(Unavailable, match="S3 cannot be reached"):
        stored_input(store, new_id(), seconds_limit=0.0)


def test_a_missing_input_is_reported_at_once(store: AwayStore) -> None:
    with pytest.raises(JobNotFound):
        stored_input(store, new_id(), seconds_limit=10**6)
