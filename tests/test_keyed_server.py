"""A real ``python -m service`` with keys: what it tells, what it keeps to itself, and what it does not start with."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.server import running_server
from service.client import Client
from service.errors import ModelNotFound, NotPermitted, Unauthenticated
from service.keys import append_line, key_line, new_key
from tests.api.contract import check_answer, problem_of
from tests.api.series import VALUES
from tests.factories import QUICK
from tests.prepared_commands import PreparedCommands
from tests.test_server import PATIENCE, check_refused, descendants_of, server_of

pytestmark = [pytest.mark.process, pytest.mark.slow]

ACME, SHORT, WRONG = "acme-key-0123456789", "gfedcb9", "wrong-key-0123456789"


@pytest.fixture(scope="module")
def filed() -> str:
    """A key whose digest is in a file."""
    return new_key()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keyed")


@pytest.fixture(scope="module")
def log(store: Path) -> Path:
    return store.parent / f"{store.name}.log"


@pytest.fixture(scope="module")
def url(store: Path, log: Path, filed: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that logs all it has to tell, on every address of the machine."""
    file = tmp_path_factory.mktemp("keys") / "keys"
    append_line(file, key_line("filed", "read", filed))
    settings = {
        # As pydantic reads it, whatever its case.
        "Forecast_Api_Keys": f"acme:{ACME},hasty:train:{SHORT}",
        "FORECAST_API_KEYS_FILE": str(file),
        "FORECAST_HOST": "0.0.0.0",
        "FORECAST_LOG_LEVEL": "debug",
        "PYTHONUNBUFFERED": "1",
    }
    with running_server(store, settings, log) as one:
        yield one


def asking(url: str, key: str | None) -> httpx.Client:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=url, headers=headers, timeout=PATIENCE, event_hooks={"response": [check_answer]})


def ask_for_everything(client: httpx.Client) -> str:
    """Ask for what works and what does not; return all answers."""
    body: dict[str, Any] = {**QUICK, "series": VALUES, "name": "n"}
    answers = [
        client.post("/train", params={"wait": PATIENCE}, json=body),
        client.post("/train", content=b"{", headers={"Content-Type": "application/json"}),
        client.post("/forecast", json={"name": "n", "horizon": 2}),
        client.post("/forecast", json={"name": "nobody", "horizon": 2}),
        client.get("/models"),
        client.delete("/models/x"),
        client.get("/nothing"),
        client.put("/models"),
        client.get("/readyz"),
    ]
    return "".join(f"{answer.status_code} {answer.headers} {answer.text}" for answer in answers)


def test_no_key_is_in_the_log_or_in_an_answer(url: str, log: Path, filed: str) -> None:
    keys = (ACME, SHORT, filed, WRONG)
    told = ""
    for key in (*keys, None):
        with asking(url, key) as client:
            told += ask_for_everything(client)
    with asking(url, None) as client:
        told += client.get("/models", headers={"X-API-Key": WRONG}).text
    written = log.read_text()
    assert "/forecast" in written, "a line for each request"
    assert "tenant hasty has a key of fewer than 16 characters" in written
    assert "Traceback" not in written
    for key in keys:
        assert key not in told
        assert key not in written
    assert "403" in told
    assert "401" in told


def test_what_the_server_starts_has_no_keys(url: str, store: Path) -> None:
    server = server_of(store)
    found = descendants_of(server)
    assert found
    for process in found:
        assert ACME.encode() not in Path(f"/proc/{process}/environ").read_bytes()


def test_each_key_is_good_for_its_tenant_and_role(url: str, filed: str) -> None:
    with asking(url, ACME) as acme, asking(url, filed) as reader, asking(url, None) as stranger:
        assert acme.get("/models").status_code == 200
        assert reader.get("/models").json()["models"] == []
        body = {**QUICK, "series": VALUES}
        problem_of(reader.post("/train", json=body), 403, "not-permitted")
        problem_of(stranger.post("/forecast", json={"name": "n"}), 401, "unauthenticated")
        assert stranger.get("/readyz").status_code == 200
        # By another name than its own, from the network: keys say who it is.
        assert acme.get("/models", headers={"Host": "forecast.example.org"}).status_code == 200


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"FORECAST_API_KEYS": f"acme:{ACME},bad key:{WRONG}"}, "^FORECAST_API_KEYS: entry 2: .*use 1 to 63.*\n$"),
        ({"FORECAST_API_KEYS": f"acme:{ACME},b:{ACME}"}, "^FORECAST_API_KEYS: entry 2: .*that of number 1.*\n$"),
        ({"FORECAST_API_KEYS": WRONG}, "^FORECAST_API_KEYS: entry 1: .*write tenant:key.*\n$"),
        ({"FORECAST_API_KEYS_FILE": "/dev/null/keys"}, "^cannot start: FORECAST_API_KEYS_FILE: .*Not a directory.*\n$"),
        ({"FORECAST_API_KEYS_FILE": "/nowhere"}, "^cannot start: FORECAST_API_KEYS_FILE: .*No such file.*\n$"),
        ({"FORECAST_API_KEYS_FILE": "/dev/null"}, "^cannot start: FORECAST_API_KEYS_FILE: .*no key in this file.*\n$"),
        ({"FORECAST_ALLOWED_HOSTS": "http://a"}, "^FORECAST_ALLOWED_HOSTS: 'http://a' is not a host: .*\n$"),
        ({"FORECAST_HOST": "0.0.0.0"}, "^cannot start: FORECAST_HOST: .*FORECAST_API_KEYS.*FORECAST_ALLOW_NO_KEYS"),
        ({"FORECAST_HOST": "::"}, "^cannot start: FORECAST_HOST: .*FORECAST_API_KEYS.*FORECAST_ALLOW_NO_KEYS"),
    ],
)
def test_what_it_does_not_start_with(
    commands: PreparedCommands, tmp_path: Path, settings: dict[str, str], told: str
) -> None:
    check_refused(commands, {"FORECAST_STORE_URL": str(tmp_path / "store"), "FORECAST_PORT": "0", **settings}, told)
    assert not (tmp_path / "store").exists(), "it was refused before the store was touched"


def test_a_wrong_list_of_keys_is_told_without_a_key(commands: PreparedCommands, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"acme:admin:{WRONG}\n")
    settings: list[dict[str, str]] = [
        {"FORECAST_API_KEYS": f"acme:{ACME},Bad:{WRONG}"},
        {"FORECAST_API_KEYS_FILE": str(file)},
        {"FORECAST_API_KEYS": f"acme:{ACME}", "FORECAST_PORT": "many"},
    ]
    for one in settings:
        exit_code, output = commands.run((), {**os.environ, "FORECAST_STORE_URL": str(tmp_path), **one})
        assert exit_code == 2
        assert re.search("FORECAST_(API_KEYS|PORT)", output)
        for secret in (ACME, WRONG):
            assert secret not in output


def test_it_starts_without_keys_where_that_is_asked_for(tmp_path: Path) -> None:
    settings = {"FORECAST_HOST": "0.0.0.0", "FORECAST_ALLOW_NO_KEYS": "true", "FORECAST_TRAINING_PROCESSES": "1"}
    with running_server(tmp_path, settings) as url, asking(url, None) as client:
        assert client.get("/models").status_code == 200
        problem_of(client.get("/models", headers={"Host": "evil.example"}), 421, "foreign-host")


def test_the_client_sends_its_key(url: str, filed: str) -> None:
    with Client(url, api_key=ACME) as client:
        model = client.train(VALUES, **QUICK)
        assert model.forecast(2)["mean"].notna().all()
    with Client(url, api_key=filed) as client:
        with pytest.raises(ModelNotFound):
            client.model(model.id)
        with pytest.raises(NotPermitted, match="role"):
            client.train(VALUES)
    with pytest.raises(Unauthenticated, match="needs an API key"):
        Client(url).models()
    with pytest.raises(Unauthenticated, match="does not know the key") as caught:
        Client(url, api_key=WRONG).models()
    assert (caught.value.status, WRONG in str(caught.value)) == (401, False)
