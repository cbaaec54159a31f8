"""Clients of the running service, and a proxy before it that can be told to fail."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import pytest

from service.client import Client, Model
from tests.client.data import QUICK, daily
from tests.client.faulty_proxy import FaultyProxy

mpl.use("Agg")


@pytest.fixture(scope="session")
def client(server_url: str) -> Iterator[Client]:
    with Client(server_url, timeout=120) as one:
        yield one


@pytest.fixture(scope="session")
def model(client: Client) -> Model:
    """A model of a daily series, in a frame of pandas."""
    trained: Model = client.train(daily(), target="units", name="daily", **QUICK)
    return trained


@pytest.fixture
def proxy(server_url: str) -> Iterator[FaultyProxy]:
    one = FaultyProxy(server_url)
    one.start()
    yield one
    one.stop()
