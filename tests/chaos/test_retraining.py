"""Killing servers, trainers and Postgres amid values, retrainings and moved names: each value is there once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from examples.cluster import PostgresServer
from tests.chaos.cluster import Cluster
from tests.chaos.conftest import SEED
from tests.chaos.life import BY_KEY, BY_ROW, MOVED, TRAINED, Life
from tests.chaos.process import Process, until

pytestmark = pytest.mark.chaos

_OFTEN = 4
_SHORT, _LONG, _AFTER_A_FILE = 0.7, 3.0, 0.2
_AWAY = 1.0


def test_a_server_that_is_killed_amid_retrainings_loses_no_value(
    single: Cluster, kills: int, numbers: random.Random
) -> None:
    server = single.server()
    with living(single) as (life, first):
        for number in range(max(kills // _OFTEN, 2)):
            life.wait_for_values()
            _sleep_into_something(single, life, numbers, number)
            server.kill()
            server.wait_until_gone()
            server = single.server(wait=False)
            server.wait_until_it_answers()
        life.wait_for_values()
    _check(single, life, first, f"{max(kills // _OFTEN, 2)} kills of a server")
    assert server.terminate() == 0


def test_killed_servers_trainers_and_databases_lose_no_value(
    cluster: Cluster, postgres: PostgresServer, kills: int, numbers: random.Random
) -> None:
    running: dict[str, Process] = {"server": cluster.server(), "trainer": cluster.trainer("far")}
    with living(cluster) as (life, first):
        for number in range(max(kills // _OFTEN, 3)):
            life.wait_for_values()
            _sleep_into_something(cluster, life, numbers, number)
            victim = ("postgres", "server", "trainer")[number % 3]
            if victim == "postgres":
                _kill_postgres(postgres, numbers)
            else:
                running[victim].kill()
                running[victim].wait_until_gone()
                running[victim] = (
                    cluster.server(wait=False) if victim == "server" else cluster.trainer("far", wait=False)
                )
        life.wait_for_values()
    _check(cluster, life, first, f"{max(kills // _OFTEN, 3)} kills of Postgres, a server or a trainer")
    for one in running.values():
        assert one.terminate() == 0


@contextmanager
def living(cluster: Cluster) -> Iterator[tuple[Life, list[str]]]:
    """Yield clients that go on until the block ends, and the jobs of the first trainings."""
    life = Life(cluster, SEED)
    try:
        yield life, life.begin()
    finally:
        life.end()


def _sleep_into_something(cluster: Cluster, life: Life, numbers: random.Random, number: int) -> None:
    """Sleep for a while; every other time into the publication of a model, which must come."""
    if number % 2:
        before = _stored(cluster)
        until(lambda: life.goes_on() and bool(_stored(cluster) - before), lambda: "nothing is retrained", pause=0.002)
        time.sleep(numbers.uniform(0, _AFTER_A_FILE))
    else:
        time.sleep(numbers.uniform(0, _SHORT if number % 4 else _LONG))


def _stored(cluster: Cluster) -> set[tuple[str, int]]:
    return {(one.id, one.attempt) for one in cluster.store.models()}


def _kill_postgres(postgres: PostgresServer, numbers: random.Random) -> None:
    """Kill it, and once more while it recovers."""
    postgres.kill()
    try:
        time.sleep(numbers.uniform(0, _AWAY))
        starting = threading.Thread(target=postgres.start)
        starting.start()
        time.sleep(numbers.uniform(0.02, 0.3))
        postgres.kill()
        starting.join()
        postgres.kill()
    finally:
        postgres.start()


def _check(cluster: Cluster, life: Life, first: list[str], told: str) -> None:
    report = cluster.check_all_ready([*first, *life.jobs])
    assert set(report.cleared) <= {"input without job", "file of observations"}
    assert report.attempts.total() == len({*first, *life.jobs}), "a job that nobody asked for"
    models = cluster.ask("GET", "/models", params={"limit": 200}).json()["models"]
    for name in (BY_ROW, BY_KEY):
        found = cluster.ask("GET", f"/names/{name}/observations", params={"start": TRAINED, "limit": 100_000}).json()
        values = found["items"][0]["columns"]["value"]
        assert values == [float(one) for one in range(len(values))], "a value is lost, doubled or misplaced"
        assert len(values) == life.confirmed[name] > 0
        meant = cluster.ask("GET", f"/names/{name}").json()["model_id"]
        assert found["model_id"] == meant
        assert {one["champion"] for one in models if one["name"] == name} == {meant}, "not one champion"
    assert cluster.ask("GET", f"/names/{MOVED}").json()["model_id"]
    current, replaced = cluster.registry.inventory.series_files()
    assert {one.id for one in cluster.store.series_files()} == {*current, *replaced}
    print(f"{told}: {dict(life.confirmed)} values confirmed, {len(life.jobs)} retrainings, {dict(life.told)}, {report}")
