"""IDs that lead elsewhere, on every route that takes one: nobody has such an ID."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest

from tests.hostile.conftest import Victim
from tests.test_server import raw

pytestmark = [pytest.mark.process, pytest.mark.slow]

ROUTES = (
    ("GET", "/models/%s"),
    ("PATCH", "/models/%s"),
    ("DELETE", "/models/%s"),
    ("GET", "/models/%s/file"),
    ("GET", "/jobs/%s"),
    ("DELETE", "/jobs/%s"),
    ("GET", "/jobs/%s/events"),
)
IDS = (
    *("..", "../registry.sqlite3", "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e", "%252e%252e%252f"),
    *("....//", "..\\..\\", "%5c..%5c", "%00", "a%00b", "%c0%ae%c0%ae", "%ff", "~root", "%0d%0aX-Evil:1", ";id", "*"),
    *("x" * 20_000, "0" * 31, "0" * 33, "F" * 32, "%EF%BC%90" * 32, "\u0660".encode().hex("%") * 4, "-1", "null"),
)


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_an_id_that_nobody_has(victim: Victim, method: str, route: str) -> None:
    host = urlsplit(str(victim.client.base_url)).netloc
    for one in IDS:
        body = b'{"name": "x"}' if method == "PATCH" else b""
        head = f"{method} {route % one} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        answer = raw(victim.client, (head + kind).encode("latin-1") + body)
        status = int(answer.split(b" ", 2)[1])
        assert status in (307, 400, 404, 405), (one, answer[:500])
        # A path that ends in slashes is sent to the one without, of the same server.
        assert status != 307 or f"\r\nlocation: http://{host}/".encode() in answer
        assert b"root:" not in answer
        assert b"SQLite format" not in answer
        assert b"X-Evil" not in answer.partition(b"\r\n\r\n")[0]
    victim.check_alive()


@pytest.mark.parametrize("path", ["/forecast", "/backtest"])
@pytest.mark.parametrize("model_id", ["..", "../../etc/passwd", "\0", "x" * 1_000_000, "0" * 33, "", "\u0660" * 32])
def test_an_id_in_a_body(victim: Victim, path: str, model_id: str) -> None:
    body = {"model_id": model_id, "horizon": 1} | ({"series": [1, 2, 3]} if path == "/backtest" else {})
    answer: httpx.Response = victim.client.post(path, json=body)
    assert answer.status_code in (404, 422), answer.text[:500]
    assert len(answer.content) < 2000
