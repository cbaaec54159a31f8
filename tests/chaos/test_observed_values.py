"""Killing servers while values are observed: each value that was confirmed is there once, in its place."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence

import httpx
import pytest

from tests.chaos.cluster import SMALL, Cluster, Server
from tests.chaos.process import PATIENCE

pytestmark = pytest.mark.chaos

_WITHIN_APPENDS = 0.5
# Some change is folded into a file every few hundred, and large ones at once.
_LARGE, _EVERY = 4000, 40


class Sensor:
    """One thread that appends 0, 1, 2, ... to a model's series, and sends again what was not confirmed."""

    def __init__(self, model_id: str, trained: int) -> None:
        self.model_id, self.trained, self.confirmed = model_id, trained, 0
        self.progressed = threading.Event()

    def send_until_it_dies(self, server: Server) -> threading.Thread:
        """Begin to send."""
        thread = threading.Thread(target=self._send_on, args=(server,))
        thread.start()
        return thread

    def _send_on(self, server: Server) -> None:
        number = 0
        while True:
            number += 1
            values = range(self.confirmed, self.confirmed + (_LARGE if number % _EVERY == 0 else 1))
            try:
                self._send(server, list(values))
            except httpx.TransportError:
                return
            self.confirmed = values.stop
            self.progressed.set()

    def _send(self, server: Server, values: Sequence[int]) -> None:
        body = {"series": [float(one) for one in values], "start_index": self.trained + values[0]}
        response = server.client.post(f"/models/{self.model_id}/observations", json=body)
        if response.status_code == 503:
            self._send(server, values)
            return
        assert response.status_code == 200, response.text
        assert response.json()["appended"] + response.json()["ignored"] == len(values)


def test_values_are_neither_lost_nor_doubled(single: Cluster, kills: int, numbers: random.Random) -> None:
    server = single.server()
    model_id = single.wait_for(single.submit(1, SMALL)[0], "succeeded").model_id
    trained = len(SMALL["series"])
    sensor = Sensor(model_id, trained)
    for _ in range(max(kills // 2, 1)):
        sensor.progressed.clear()
        sending = sensor.send_until_it_dies(server)
        assert sensor.progressed.wait(PATIENCE)
        time.sleep(numbers.uniform(0, _WITHIN_APPENDS))
        server.kill()
        sending.join()
        server.wait_until_gone()
        server = single.server(wait=False)
        server.wait_until_it_answers()
    answer = server.client.get(f"/models/{model_id}/observations", params={"limit": 100_000})
    found = answer.json()["items"][0]["columns"]["value"]
    assert len(found) >= sensor.confirmed > 0
    assert found == [float(one) for one in range(len(found))]
    history = [*SMALL["series"], *found]
    asked = {"model_id": model_id, "horizon": 3}
    own = server.client.post("/forecast", json=asked).json()["forecasts"]
    sent = server.client.post("/forecast", json={**asked, "history": history}).json()["forecasts"]
    assert own == sent
    print(f"{max(kills // 2, 1)} kills, {sensor.confirmed} values confirmed, {len(found)} kept")
