"""A store on a real S3 server, through whatever can go wrong on the way."""

from __future__ import annotations

import pickle
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples.cluster import S3Server
from examples.server import free_port
from service.errors import Conflict, ModelNotFound, Unavailable
from service.storage.files.bucket import Bucket, S3Access
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id
from tests.storage.conftest import access_to


class Proxy:
    """Hands connections on to a port, and cuts them on request."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.answers_to_lose = 0
        self.bytes_to_pass: int | None = None
        self.lost: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        passed = 0
        try:
            while part := client.recv(65_536):
                if self.bytes_to_pass is not None and passed + len(part) > self.bytes_to_pass:
                    server.sendall(part[: self.bytes_to_pass - passed])
                    break
                server.sendall(part)
                passed += len(part)
        except OSError:
            pass
        _hang_up(client, server)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        try:
            while part := server.recv(65_536):
                if self.answers_to_lose:
                    self.answers_to_lose -= 1
                    self.lost.append(part)
                    break
                client.sendall(part)
        except OSError:
            pass
        _hang_up(client, server)


def _hang_up(*connections: socket.socket) -> None:
    for one in connections:
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[Proxy]:
    proxy = Proxy(s3.port)
    yield proxy
    proxy.close()


@pytest.fixture
def far_store(s3: S3Server, s3_url: str, proxy: Proxy) -> ModelStore:
    """The same store as s3_store, on the other side of the proxy."""
    return ModelStore.open(s3_url, access_to(s3, endpoint=proxy.url))


@pytest.mark.parametrize("lost", [1, 2])
def test_put_whose_answer_was_lost_is_no_conflict(far_store: ModelStore, proxy: Proxy, lost: int) -> None:
    proxy.answers_to_lose = lost
    far_store.put_model(model_id := new_id(), b"model")
    assert proxy.lost[0].startswith(b"HTTP/1.1 200 "), "it had been stored"
    assert len(proxy.lost) == lost
    assert far_store.get_model(model_id) == b"model"


def test_put_beside_another_model_stays_a_conflict_after_a_lost_answer(
    far_store: ModelStore, s3_store: ModelStore, proxy: Proxy
) -> None:
    s3_store.put_model(model_id := new_id(), b"first")
    proxy.answers_to_lose = 1
    with pytest.raises(Conflict):
        far_store.put_model(model_id, b"other")
    assert s3_store.get_model(model_id) == b"first"


def test_put_cut_off_in_the_middle_leaves_nothing(far_store: ModelStore, s3_store: ModelStore, proxy: Proxy) -> None:
    model_id, data = new_id(), b"x" * 3_000_000
    proxy.bytes_to_pass = 1_000_000
    with pytest.raises(Unavailable, match="cannot be written"):
        far_store.put_model(model_id, data)
    with pytest.raises(ModelNotFound):
        s3_store.get_model(model_id)
    assert list(s3_store.models()) == []
    proxy.bytes_to_pass = None
    far_store.put_model(model_id, data)
    assert s3_store.get_model(model_id) == data


def calls_of(store: ModelStore) -> list[tuple[str, object]]:
    return [
        ("written", store.check_writable),
        ("written", lambda: store.put_model(new_id(), b"model")),
        ("read", lambda: store.get_model("0" * 32)),
        ("listed", lambda: list(store.models())),
    ]


def check_unavailable(store: ModelStore, reason: str, *secrets: str) -> None:
    for purpose, call in calls_of(store):
        started = time.monotonic()
        with pytest.raises(Unavailable, match=reason) as caught:
            call()  # type: ignore[operator]
        assert time.monotonic() - started < 60
        assert purpose in caught.value.detail or "cannot be used" in caught.value.detail
        for secret in (*secrets, "127.0.0.1", "models/"):
            assert secret not in caught.value.detail


def test_wrong_secret(s3: S3Server, s3_url: str) -> None:
    access = access_to(s3, secret_access_key="not-this-one")
    check_unavailable(ModelStore.open(s3_url, access), "secret access key is wrong", "not-this-one", s3.access_key_id)


def test_unknown_access_key(s3: S3Server, s3_url: str) -> None:
    access = access_to(s3, access_key_id="stranger")
    check_unavailable(ModelStore.open(s3_url, access), "access key ID is unknown", "stranger", s3.secret_access_key)


def test_missing_bucket_is_not_a_missing_model(s3: S3Server) -> None:
    store = ModelStore.open("s3://no-such-bucket", access_to(s3))
    with pytest.raises(Unavailable, match="bucket does not exist"):
        store.get_model(new_id())
    with pytest.raises(Unavailable, match="bucket does not exist"):
        list(store.models())
    with pytest.raises(Unavailable, match=r"bucket does not exist|access is denied"):
        store.check_writable()


def test_nobody_there(s3: S3Server, s3_url: str) -> None:
    access = access_to(s3, endpoint=f"http://127.0.0.1:{free_port()}")
    check_unavailable(ModelStore.open(s3_url, access), "S3 cannot be reached", s3.secret_access_key)


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_silence_ends(s3: S3Server, s3_url: str) -> None:
    with silent_port() as port:
        store = ModelStore.open(s3_url, access_to(s3, endpoint=f"http://127.0.0.1:{port}"))
        for call in (store.check_writable, lambda: store.get_model("0" * 32)):
            started = time.monotonic()
            with pytest.raises(Unavailable, match="did not answer in time"):
                call()
            assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://", "s3://bucket"),
        ("s3:///models", "s3://bucket"),
        ("s3://Bucket", "lower case"),
        ("s3://bucket?region=x", "s3://bucket"),
        ("s3://bucket/../other", "prefix"),
        ("s3://bucket/a b", "prefix"),
        ("s3://key:hidden@bucket/models", "Credentials do not belong"),
    ],
)
def test_other_urls_are_refused(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        ModelStore.open(url)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("access", "message"),
    [
        (S3Access(access_key_id="key"), "together"),
        (S3Access(secret_access_key="hidden"), "together"),
        (S3Access(endpoint="http://s3.example.org"), "FORECAST_S3_ALLOW_HTTP"),
        (S3Access(endpoint="s3.example.org"), "https://"),
        (S3Access(endpoint="https://key:hidden@s3.example.org"), "without credentials"),
    ],
)
def test_access_that_cannot_work_is_refused(access: S3Access, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Bucket("s3://bucket", access)
    assert "hidden" not in str(caught.value)


def test_access_hides_its_secrets_and_travels_to_children() -> None:
    access = S3Access(None, "eu-central-1", "key", "hidden", "hidden too")
    assert "hidden" not in repr(access)
    assert pickle.loads(pickle.dumps(access)) == access


def test_prefixes_do_not_see_each_other(s3: S3Server, s3_url: str, s3_access: S3Access, tmp_path: Path) -> None:
    one, other = ModelStore.open(s3_url, s3_access), ModelStore.open(f"{s3_url}/inner/", s3_access)
    one.put_model(model_id := new_id(), b"one")
    with pytest.raises(ModelNotFound):
        other.get_model(model_id)
    other.put_model(model_id, b"other")
    assert one.get_model(model_id) == b"one"
    assert [file.id for file in one.models()] == [model_id]
