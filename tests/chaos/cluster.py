"""Servers and trainers as real processes on one database and one store, and what must hold of them whatever happens."""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from examples.server import free_port, wait_until_ready
from service.keys import DEFAULT_TENANT
from service.storage.files.bucket import S3Access
from service.storage.files.model_file import read_model_file
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id
from service.storage.registry.database import utc_now
from service.storage.registry.entries import JobEntry, ModelEntry
from service.storage.registry.registry import Registry
from service.usecases.storage_repair import reconcile
from tests.api.application import ENDED
from tests.api.contract import check_answer
from tests.chaos.process import PATIENCE, Process, until
from tests.factories import QUICK, seasonal

SMALL: dict[str, Any] = {**QUICK, "series": seasonal(60).tolist()}
"""A training of tens of milliseconds."""

LONG: dict[str, Any] = {
    **QUICK,
    "series": seasonal(600).tolist(),
    "network": {"cell": "gru", "hidden_size": 24, "num_layers": 1},
    "training": {"epochs": 300, "batch_size": 16, "learning_rate": 0.001, "patience": 300},
}
"""A training of some seconds, so that something can happen to it."""

MIDDLING: dict[str, Any] = {**LONG, "training": {**LONG["training"], "epochs": 60}}
"""A training of some hundred milliseconds."""

_ORPHANS_ARE_OLD = timedelta(hours=2)


class Server(Process):
    """A server process with its client; every answer is held to the contract."""

    def __init__(self, name: str, environment: Mapping[str, str], log: Path, host: str, port: int) -> None:
        # In a network of its own, where nobody else is.
        reached = {"FORECAST_ALLOW_NO_KEYS": "true", "FORECAST_ALLOWED_HOSTS": host}
        settings = {"FORECAST_HOST": host, "FORECAST_PORT": str(port), **reached}
        super().__init__(name, [], {**environment, **settings}, log)
        self.url = f"http://{host}:{port}"
        self.client = httpx.Client(base_url=self.url, timeout=60, event_hooks={"response": [check_answer]})

    def wait_until_ready(self) -> None:
        """Return when it is ready."""
        wait_until_ready(self.popen, self.url)

    def wait_until_it_answers(self) -> None:
        """Return as soon as it answers anything."""
        until(self._answers, lambda: f"{self.name} does not answer", pause=0.01)

    def _answers(self) -> bool:
        try:
            return self.client.get("/livez").is_success
        except httpx.TransportError:
            assert self.lives, self.log.read_text()
            return False


@dataclass(frozen=True)
class Report:
    """What a check found: the attempts that jobs took, and what reconcile had to clear away, by kind."""

    attempts: Counter[int]
    cleared: Counter[str]


class Cluster:
    """Processes that share one state.

    environment: the FORECAST_* variables of all of them; folder: where their logs go; host: where servers listen.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path, host: str = "127.0.0.1") -> None:
        others = {name: value for name, value in os.environ.items() if not name.startswith(("FORECAST_", "AWS_"))}
        self._environment = {**others, "FORECAST_DEVICE": "cpu", **environment}
        self._folder = folder
        self._host = host
        self._numbers = itertools.count(1)
        self.processes: list[Process] = []
        self.registry = Registry.open(environment.get("FORECAST_DATABASE_URL") or _sqlite_url(environment))
        self.store = _store(environment)

    def server(self, wait: bool = True, port: int | None = None, **settings: str) -> Server:
        """Start a server, with further FORECAST_* settings; wait: until it is ready."""
        name = f"server-{next(self._numbers)}"
        environment = {**self._environment, **_variables(settings)}
        one = Server(name, environment, self._folder / f"{name}.log", self._host, port or free_port())
        self.processes.append(one)
        if wait:
            one.wait_until_ready()
        return one

    def trainer(self, name: str = "", prefix: Sequence[str] = (), wait: bool = True, **settings: str) -> Process:
        """Start a trainer with one training process; the same name makes it the one that was killed.

        prefix: a command that runs it, in a network namespace say; wait: until it takes jobs.
        """
        name = name or f"trainer-{next(self._numbers)}"
        variables = _variables({"executor_id": name, "training_processes": "1", **settings})
        one = Process(name, ["trainer"], {**self._environment, **variables}, self._folder / f"{name}.log", prefix)
        before = self.instance(name)
        self.processes.append(one)
        if wait:
            until(lambda: self.instance(name) != before or not one.lives, lambda: f"{name} does not enrol")
            assert one.lives, one.log.read_text()
        return one

    def instance(self, worker: str) -> str | None:
        """Return the instance of a worker that the registry knows; None where it knows none."""
        from sqlalchemy import select

        from service.storage.registry.tables import workers

        with self.registry.reading() as connection:
            return connection.execute(select(workers.c.instance).where(workers.c.id == worker)).scalar()

    @property
    def servers(self) -> list[Server]:
        """The living servers."""
        return [one for one in self.processes if isinstance(one, Server) and one.lives]

    @property
    def trainers(self) -> list[Process]:
        """The living trainers."""
        return [one for one in self.processes if not isinstance(one, Server) and one.lives]

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Ask any living server; where one dies meanwhile, or is away for a while, ask the next."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for server in self.servers:
                with suppress(httpx.TransportError):
                    response = server.client.request(method, path, **request)
                    if response.status_code != 503:
                        return response
            assert time.monotonic() < deadline, f"nobody answers {method} {path}"
            time.sleep(0.05)

    def submit(self, number: int = 1, body: Mapping[str, Any] = SMALL) -> list[str]:
        """Have trainings accepted; return the job IDs. The key makes it safe to ask again."""
        return [self._submit_one(body) for _ in range(number)]

    def _submit_one(self, body: Mapping[str, Any]) -> str:
        headers = {"Idempotency-Key": new_id()}
        response = self.ask("POST", "/train", params={"wait": 0}, json=body, headers=headers)
        assert response.status_code in (201, 202), response.text
        return job_id_of(response)

    def job(self, job_id: str) -> JobEntry:
        """Return what the registry knows of a job."""
        return self.registry.jobs.get_of_any_tenant(job_id)

    def trains(self, job_id: str) -> bool:
        """Return whether a job trains: it has read its input, and waits for no kernels."""
        return is_training(self.job(job_id).progress)

    def wait_for(self, job_id: str, status: str = "running", attempt: int = 1) -> JobEntry:
        """Return a job once it has a status, in this attempt or a later one."""
        until(
            lambda: self.job(job_id).status == status and self.job(job_id).attempt >= attempt,
            lambda: f"{self.job(job_id)} is not {status}",
            pause=0.02,
        )
        return self.job(job_id)

    def wait_until_ended(self, job_ids: Iterable[str]) -> None:
        """Return when all jobs have ended, however."""
        left = set(job_ids)

        def all_ended() -> bool:
            statuses = self.registry.inventory.job_statuses()
            left.difference_update([one for one in left if statuses[one] in ENDED])
            return not left

        until(all_ended, lambda: f"these jobs do not end: {[self.job(one) for one in left]}")

    def check_all_ready(self, job_ids: Iterable[str], forecasts: int = 20) -> Report:
        """Fail unless what was accepted is there, whole and once, and nothing else is left.

        Every accepted job, and every other that the registry has, ended in a ready model; each has one model; its file
        downloads and is sound; it forecasts (of many models, so many are asked); after reconcile the store has these
        files and no others; no child is left that trains.
        """
        accepted = set(job_ids)
        self.wait_until_ended({*accepted, *self.registry.inventory.job_statuses()})
        statuses = self.registry.inventory.job_statuses()
        assert accepted <= set(statuses), "an accepted job is gone"
        jobs = [self.job(one) for one in statuses]
        assert not [job for job in jobs if job.status != "succeeded"]
        models = list(self._models())
        assert Counter(one.job_id for one in models) == Counter(statuses.keys()), "not one model for each job"
        assert {one.id: one.job_id for one in models} == {job.model_id: job.id for job in jobs}
        assert not [one for one in models if one.status != "ready"]
        for number, model in enumerate(models):
            self._check_model(model, forecast=number < forecasts)
        cleared = self._check_store(models)
        until(lambda: not self._training(), lambda: f"children are left: {self._training()}")
        return Report(Counter(job.attempt for job in jobs), cleared)

    def _check_model(self, model: ModelEntry, forecast: bool) -> None:
        response = self.ask("GET", f"/models/{model.id}/file")
        assert response.status_code == 200, response.text
        assert model.series_revision or len(response.content) == model.size_bytes  # observations come in addition
        read_model_file(response.content)  # raises where the checksum does not hold
        if forecast:
            answer = self.ask("POST", "/forecast", json={"model_id": model.id, "horizon": 3})
            assert answer.status_code == 200, answer.text
            assert len(answer.json()["forecasts"]) == 1

    def _check_store(self, models: Sequence[ModelEntry]) -> Counter[str]:
        later = utc_now() + _ORPHANS_ARE_OLD
        found = reconcile(self.registry, self.store, apply=True, delete_orphans=True, now=later)
        assert found.open == 0, found.to_table()
        assert {one.action for one in found.differences} <= {"delete"}, found.to_table()
        files = {(one.id, one.attempt) for one in self.store.models()}
        assert files == {(one.id, one.attempt) for one in models}
        return Counter(one.kind for one in found.differences)

    def _training(self) -> dict[str, set[int]]:
        found = {one.name: one.training_children() for one in self.processes}
        return {name: children for name, children in found.items() if children}

    def _models(self) -> Iterator[ModelEntry]:
        cursor = None
        while True:
            page = self.registry.list(DEFAULT_TENANT, cursor=cursor, limit=200)
            yield from page.entries
            cursor = page.next_cursor
            if cursor is None:
                return

    def end(self) -> None:
        """Kill every process."""
        for one in self.processes:
            one.end()
        self.registry.close()


@contextmanager
def running_cluster(environment: Mapping[str, str], folder: Path, host: str = "127.0.0.1") -> Iterator[Cluster]:
    """Yield a cluster without processes yet; kill what it has at the end."""
    cluster = Cluster(environment, folder, host)
    try:
        yield cluster
    finally:
        cluster.end()


def is_training(progress: Mapping[str, Any]) -> bool:
    """Return whether the progress of a job is that of a training that has begun."""
    return bool(progress.get("stage", "compile") != "compile")


def job_id_of(response: httpx.Response) -> str:
    """Return the ID of the job behind an answer to a training, ready or accepted."""
    found: str = response.json()["job_id"]
    return found


def _variables(settings: Mapping[str, str]) -> dict[str, str]:
    return {f"FORECAST_{name.upper()}": value for name, value in settings.items()}


def _sqlite_url(environment: Mapping[str, str]) -> str:
    return f"sqlite:///{Path(environment['FORECAST_STORE_URL']).resolve() / 'registry.sqlite3'}"


def _store(environment: Mapping[str, str]) -> ModelStore:
    access = S3Access(
        environment.get("FORECAST_S3_ENDPOINT"),
        environment.get("FORECAST_S3_REGION"),
        environment.get("FORECAST_S3_ACCESS_KEY_ID"),
        environment.get("FORECAST_S3_SECRET_ACCESS_KEY"),
        allow_http=environment.get("FORECAST_S3_ALLOW_HTTP") == "true",
    )
    return ModelStore.open(environment["FORECAST_STORE_URL"], access)
