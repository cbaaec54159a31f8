"""What happens to models in production, by threads that go on whatever is killed: values, retrainings, moved names."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx

from service.storage.identifiers import new_id
from tests.chaos.cluster import SMALL, Cluster, job_id_of
from tests.chaos.process import PATIENCE, until

BY_ROW, BY_KEY = "sales by row", "sales by key"
"""Names of the lines of models to which values are sent, with the number of their row, or with an idempotency key."""

MOVED = "sales in production"
"""A name that is promoted, rolled back and let follow."""

TRAINED = len(SMALL["series"])
"""Rows of the first training of each."""

_BETWEEN_VALUES, _BETWEEN_RETRAININGS, _BETWEEN_MOVES, _BETWEEN_LOOKS = 0.03, 0.3, 0.1, 0.1


class Life:
    """Sensors, a client that has models retrained, one that moves names, and one that looks at what names mean.

    confirmed: the number of values that were confirmed, by name; jobs: accepted retrainings; told: answers by kind.
    """

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster, self._seed = cluster, seed
        self.confirmed = Counter[str]()
        self.jobs: list[str] = []
        self.told = Counter[str]()
        self._ended = threading.Event()
        self._threads = ThreadPoolExecutor(5)
        self._running: list[Future[None]] = []

    def begin(self) -> list[str]:
        """Train the first model of each name, and start; return the jobs."""
        first = [self._cluster.submit(1, {**SMALL, "name": name})[0] for name in (BY_ROW, BY_KEY, MOVED)]
        self._cluster.wait_until_ended(first)
        parts = (lambda: self._observe(BY_ROW), lambda: self._observe(BY_KEY), self._retrain, self._move, self._look)
        self._running = [self._threads.submit(self._until_it_ends, part) for part in parts]
        return first

    def goes_on(self) -> bool:
        """Raise what a thread has raised; return true."""
        for one in self._running:
            if one.done():
                one.result()
        return True

    def end(self) -> None:
        """Stop all threads; raise what one has raised."""
        self._ended.set()
        self._threads.shutdown()
        self.goes_on()

    def wait_for_values(self) -> None:
        """Return when both lines have taken a value from now on."""
        before = self.confirmed.copy()

        def both_are_longer() -> bool:
            return self.goes_on() and all(self.confirmed[name] > before[name] for name in (BY_ROW, BY_KEY))

        until(both_are_longer, lambda: f"no values are taken: {self.confirmed}", pause=0.01)

    def _until_it_ends(self, part: Callable[[], None]) -> None:
        while not self._ended.is_set():
            part()

    def _observe(self, name: str) -> None:
        """Send the next value until it is confirmed."""
        row, headers = self.confirmed[name], {}
        body: dict[str, Any] = {"series": [float(row)]}
        if name == BY_ROW:
            body["start_index"] = TRAINED + row
        else:
            headers["Idempotency-Key"] = new_id()
        answer = self._ask("POST", f"/names/{name}/observations", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["appended"] + answer.json()["ignored"] == 1, answer.text
        self.confirmed[name] += 1
        time.sleep(_BETWEEN_VALUES)

    def _retrain(self) -> None:
        number = self.told["retrainings"]
        name, body = (BY_ROW, BY_KEY)[number % 2], {"start": ("warm", "scratch")[number // 2 % 2]}
        headers = {"Idempotency-Key": new_id()}
        answer = self._ask("POST", f"/names/{name}/retrain", params={"wait": 0}, json=body, headers=headers)
        assert answer.status_code in (201, 202, 409), answer.text
        self.told["retrainings"] += 1
        if answer.status_code != 409:
            self.jobs.append(job_id_of(answer))
        time.sleep(_BETWEEN_RETRAININGS)

    def _move(self) -> None:
        numbers = random.Random(self._seed + self.told["moves"])
        self.told["moves"] += 1
        move = numbers.choice(("promote", "promote", "rollback", "follow"))
        body = None
        if move == "promote":
            listed = self._ask("GET", "/models", params={"status": "ready", "limit": 5}).json()["models"]
            body = {"model_id": numbers.choice(listed)["model_id"]}
        answer = self._ask("POST", f"/names/{MOVED}/{move}", **({} if body is None else {"json": body}))
        # There may be nothing to which to roll back.
        assert answer.status_code in ((200, 409) if move == "rollback" else (200,)), answer.text
        if answer.status_code == 200 and body is not None:
            assert answer.json()["model_id"] == body["model_id"]
        time.sleep(_BETWEEN_MOVES)

    def _look(self) -> None:
        """Ask what each name means, and for a forecast by it."""
        for name in (BY_ROW, BY_KEY, MOVED):
            meant = self._ask("GET", f"/names/{name}")
            assert meant.status_code == 200, meant.text
            assert meant.json()["model_id"] is not None, meant.text
            forecast = self._ask("POST", "/forecast", json={"name": name, "horizon": 3})
            assert forecast.status_code == 200, forecast.text
            self.told["looks"] += 1
        time.sleep(_BETWEEN_LOOKS)

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Ask again until there is an answer other than that the database is away."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for server in self._cluster.servers:
                try:
                    answer = server.client.request(method, path, **request)
                except httpx.ConnectError:
                    continue
                except httpx.TransportError:
                    self.told["unanswered"] += 1
                    continue
                if answer.status_code != 503:
                    return answer
                self.told["refused with 503"] += 1
            assert time.monotonic() < deadline, f"nobody answers {method} {path}"
            time.sleep(0.05)
