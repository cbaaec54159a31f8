"""From a change of the series to the webhook, the retraining and the name, in a running server without any request."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from tests.answering_server import answering_server
from tests.api.application import Application, running
from tests.factories import seasonal

pytestmark = pytest.mark.slow

SERIES = seasonal(240).tolist()
PATIENCE = 90.0


def eventually(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def observe(one: Application, model: dict[str, Any], values: list[float], start: int) -> None:
    path = f"/models/{model['model_id']}/observations"
    answer = one.client.post(path, json={"series": values, "start_index": start})
    assert answer.status_code == 200, answer.text


def test_a_model_that_drifts_is_told_of_and_retrained(tmp_path: Path) -> None:
    later = np.random.default_rng(1).normal(60.0, 500.0, 120).tolist()
    with answering_server(204, b"") as receiver:
        webhooks = tmp_path / "webhooks.toml"
        secret = base64.b64encode(b"s" * 32).decode()
        webhooks.write_text(f'[default]\nurl = "{receiver.url}/hook"\nsecret = "whsec_{secret}"\n')
        with running(tmp_path / "store", webhooks_file=str(webhooks), min_retrain_seconds=0.0) as one:
            model = one.train(SERIES, name="sales", retrain={"when": "drift"}, candidates=["naive", "theta"])
            quiet = one.train(SERIES, candidates=["naive", "theta"])
            observe(one, quiet, seasonal(264)[240:].tolist(), 240)
            observe(one, model, later, 240)
            registry = one.app.state.resources.registry
            found = eventually(lambda: registry.monitoring.last(model["model_id"]))
            assert (found.status, found.record["rows"]) == ("drifting", 120), found
            eventually(lambda: one.client.get("/names/sales").json()["model_id"] != model["model_id"])
            child = one.client.get("/names/sales").json()["model_id"]
            lineage = one.client.get(f"/models/{child}").json()["lineage"]
            assert (lineage["parent"], lineage["reason"]) == (model["model_id"], "drift")
            assert one.client.get(f"/models/{child}").json()["retrain"] == {"when": "drift", "start": "warm"}
            eventually(lambda: receiver.received)
            [(headers, body)] = receiver.received
            sent = orjson.loads(body)
            assert headers["webhook-signature"].startswith("v1,")
            assert sent["type"] == "model.drifting"
            assert sent["data"]["model_id"] == model["model_id"]
            assert sent["data"]["since"] == found.record["since"]
            assert eventually(lambda: registry.monitoring.last(quiet["model_id"])).status == "stable"


def test_a_server_that_does_not_monitor_leaves_it_to_others(tmp_path: Path) -> None:
    with running(tmp_path, monitoring=False) as one:
        model = one.train(SERIES, candidates=["naive"])
        observe(one, model, [1.0], 240)
        time.sleep(3)
        assert one.app.state.resources.registry.monitoring.last(model["model_id"]) is None
    with running(tmp_path) as other:
        found = eventually(lambda: other.app.state.resources.registry.monitoring.last(model["model_id"]))
        assert found.status == "too_few"
