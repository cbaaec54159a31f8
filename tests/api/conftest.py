"""One application for all tests of this package, and the models that many of them ask.

It is stopped after them: an idle one takes a few percent of a core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.application import Application, running
from tests.api.series import CLOSE, DAYS, OPEN, VALUES


@pytest.fixture(scope="package")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    with running(tmp_path_factory.mktemp("store"), training_processes=2) as one:
        yield one


@pytest.fixture(scope="package")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """An application that takes very little."""
    limits: dict[str, Any] = {
        "training_processes": 1,
        "max_body_bytes": 150_000,
        "max_points": 4000,
        "max_items": 3,
        "max_columns": 2,
        "max_horizon": 40,
        "max_context_length": 50,
        "max_hidden_size": 64,
        "max_answer_numbers": 400,
        "max_queued_jobs": 2,
    }
    with running(tmp_path_factory.mktemp("limited"), **limits) as one:
        yield one


@pytest.fixture
def client(application: Application) -> httpx.Client:
    return application.client


@pytest.fixture(scope="package")
def plain_model(application: Application) -> dict[str, Any]:
    """A model of a plain list."""
    return application.train(VALUES)


@pytest.fixture(scope="package")
def daily_model(application: Application) -> dict[str, Any]:
    """A model of one series with dates."""
    return application.train({"values": VALUES, "timestamps": DAYS})


@pytest.fixture(scope="package")
def columns_model(application: Application) -> dict[str, Any]:
    """A model of two targets and a past covariate."""
    columns = {"volume": VALUES, "open": OPEN, "close": CLOSE}
    return application.train({"columns": columns, "targets": ["open", "close"], "start": DAYS[0], "freq": "D"})


@pytest.fixture(scope="package")
def items_model(application: Application) -> dict[str, Any]:
    """A model of three items."""
    items = [
        {"id": name, "values": values, "timestamps": DAYS}
        for name, values in (("north", OPEN), ("south/west", CLOSE), ("east", VALUES))
    ]
    return application.train({"items": items})
