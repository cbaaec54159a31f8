"""A server without keys: which names it answers to, and which web pages may ask it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from service.api.security.permissions import OPEN, PROBES
from service.storage.identifiers import new_id
from tests.api.application import Application, running
from tests.api.contract import problem_of


@pytest.fixture(scope="module")
def allowing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """An application that answers to some more names."""
    hosts = "Forecast.example.org, 192.0.2.7,[2001:db8::1]"
    with running(tmp_path_factory.mktemp("allowing"), training_processes=0, device="cpu", allowed_hosts=hosts) as one:
        yield one


@pytest.fixture(scope="module")
def anywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    with running(tmp_path_factory.mktemp("anywhere"), training_processes=0, device="cpu", allowed_hosts="*") as one:
        yield one


def answers(client: httpx.Client, status: int, slug: str = "", **headers: str) -> None:
    """Fail unless a route of the router and a direct one answer so: with a problem, or as usual."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    for method, path in (("GET", "/models"), ("POST", "/forecast"), ("GET", "/nothing"), ("OPTIONS", "/train")):
        answer = client.request(method, path, headers=sent, json={"model_id": new_id()} if method == "POST" else None)
        if status == 200:
            assert answer.status_code in (200, 404, 405), (method, path, answer.text)
        else:
            problem_of(answer, status, slug)
            assert "FORECAST_ALLOWED_HOSTS" in answer.text


LOOPBACK = [
    "localhost",
    "LOCALHOST:8000",
    "localhost.",
    "api.localhost:1",
    "127.0.0.1",
    "127.0.0.1:8000",
    "127.255.3.9:80",
    "[::1]",
    "[::1]:8000",
    "[0:0:0:0:0:0:0:1]:8000",
]
FOREIGN = [
    "",
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "evillocalhost",
    "127.0.0.1.evil.example",
    "127.1",
    "0.0.0.0:8000",
    "192.168.0.9",
    "[::]",
    "[::ffff:192.168.0.9]",
    "[fe80::1]",
    "::1",
    "localhost:port",
    "localhost@evil.example",
    "user@localhost",
    "localhost,evil.example",
    "localhost/evil",
    "local host",
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_it_answers_to_the_names_of_its_own_machine(client: httpx.Client, host: str) -> None:
    answers(client, 200, Host=host)


@pytest.mark.parametrize("host", FOREIGN)
def test_it_answers_to_no_other_name(client: httpx.Client, host: str) -> None:
    answers(client, 421, "foreign-host", Host=host)


def test_two_names_are_none(client: httpx.Client) -> None:
    headers = [("Host", "localhost"), ("Host", "evil.example")]
    problem_of(client.get("/models", headers=headers), 421, "foreign-host")


def test_probes_are_answered_under_any_name_and_pages_are_not(client: httpx.Client) -> None:
    for path in OPEN:
        answer = client.get(path, headers={"Host": "10.1.2.3:8000"})
        if path in PROBES:
            assert answer.status_code == 200
        else:
            problem_of(answer, 421, "foreign-host")


@pytest.mark.parametrize(
    "host", ["forecast.example.org", "FORECAST.example.org:8080", "192.0.2.7:1", "[2001:db8::1]:80"]
)
def test_names_that_are_allowed(allowing: Application, host: str) -> None:
    answers(allowing.client, 200, Host=host)
    answers(allowing.client, 200, Host="localhost")


@pytest.mark.parametrize("host", ["example.org", "x.forecast.example.org", "192.0.2.8", "[2001:db8::2]"])
def test_names_beside_them_are_not(allowing: Application, host: str) -> None:
    answers(allowing.client, 421, "foreign-host", Host=host)


SAME = [
    ("localhost:8000", "http://localhost:8000"),
    ("localhost:8000", "https://LOCALHOST:8000"),
    ("127.0.0.1", "http://127.0.0.1"),
    ("[::1]:8000", "http://[::1]:8000"),
]
OTHERS = [
    ("localhost:8000", "http://localhost:3000"),
    ("localhost:8000", "http://localhost"),
    ("localhost:8000", "http://127.0.0.1:8000"),
    ("localhost", "https://evil.example"),
    ("localhost", "https://localhost.evil.example"),
    ("localhost", "null"),
    ("localhost", ""),
    ("localhost", "localhost"),
    ("localhost", "http://localhost/"),
    ("localhost", "http://user@localhost"),
    ("localhost", "http://evil.example http://localhost"),
    ("localhost", "file://"),
]


@pytest.mark.parametrize(("host", "origin"), SAME)
def test_its_own_pages_may_ask(client: httpx.Client, host: str, origin: str) -> None:
    answers(client, 200, Host=host, Origin=origin)
    answers(client, 200, Host=host, Origin=origin, Sec_Fetch_Site="same-origin")


@pytest.mark.parametrize(("host", "origin"), OTHERS)
def test_other_pages_may_not(client: httpx.Client, host: str, origin: str) -> None:
    answers(client, 403, "foreign-origin", Host=host, Origin=origin)


def test_several_origins_have_all_to_be_its_own(client: httpx.Client) -> None:
    headers = [("Host", "localhost"), ("Origin", "http://localhost"), ("Origin", "http://evil.example")]
    problem_of(client.get("/models", headers=headers), 403, "foreign-origin")


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-origin", 200), ("none", 200)])
def test_what_the_browser_says_counts_where_no_origin_is_sent(client: httpx.Client, site: str, status: int) -> None:
    answers(client, status, "foreign-origin", Sec_Fetch_Site=site)


def test_anybody_may_link_to_the_documentation(client: httpx.Client) -> None:
    assert client.get("/docs", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_pages_of_allowed_hosts_may_ask(allowing: Application) -> None:
    for headers in ({}, {"Sec_Fetch_Site": "cross-site"}):
        answers(allowing.client, 200, Host="localhost", Origin="https://forecast.example.org", **headers)
        answers(allowing.client, 403, "foreign-origin", Host="localhost", Origin="https://example.org", **headers)


def test_all_hosts_can_be_allowed(anywhere: Application) -> None:
    answers(anywhere.client, 200, Host="any.example:99", Origin="https://other.example", Sec_Fetch_Site="cross-site")
    answers(anywhere.client, 421, "foreign-host", Host="no host")
    answers(anywhere.client, 403, "foreign-origin", Origin="null")
