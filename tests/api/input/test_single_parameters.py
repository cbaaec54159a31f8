"""A parameter that counts once and comes twice is refused, not half heard."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.contract import problem_of
from tests.api.series import VALUES


@pytest.mark.parametrize(
    ("path", "name"), [("/models", "limit"), ("/jobs", "status"), ("/models", "name"), ("/jobs", "cursor")]
)
def test_lists(client: httpx.Client, path: str, name: str) -> None:
    response = client.get(path, params=[(name, "1"), (name, "2")])
    problem_of(response, 422, "invalid-request", f"#/{name}", f"{name} is given 2 times: give it once")


def test_training(client: httpx.Client) -> None:
    response = client.post("/train", params=[("wait", "0"), ("wait", "1")], json={"series": VALUES})
    problem_of(response, 422, "invalid-request", "#/wait")


def test_events(client: httpx.Client, plain_model: dict[str, Any]) -> None:
    events = f"/jobs/{plain_model['job_id']}/events"
    problem_of(client.get(events, params=[("last_event_id", "1"), ("last_event_id", "2")]), 422, "invalid-request")


def test_what_may_come_several_times_may(client: httpx.Client) -> None:
    table = "a,b\n" + "".join(f"{number},{number}\n" for number in VALUES)
    query: list[tuple[str, Any]] = [("target", "a"), ("target", "b"), ("dry_run", "true")]
    response = client.post("/train", params=query, content=table, headers={"Content-Type": "text/csv"})
    assert response.status_code == 200, response.text
