"""A bucket's address where something else answers, or an S3 that cannot tell: no model is taken for gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from examples.cluster import S3Server
from service.errors import ModelNotFound, Unavailable
from service.storage.files.bucket import Bucket, S3Access
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id
from tests.answering_server import PAGE, answering_server
from tests.storage.conftest import access_to

ID = "0" * 32

CALLS: dict[str, Callable[[ModelStore], object]] = {
    "put_model": lambda store: store.put_model(ID, b"model"),
    "get_model": lambda store: store.get_model(ID),
    "model_size": lambda store: store.model_size(ID),
    "delete_model": lambda store: store.delete_model(ID),
    "models": lambda store: list(store.models()),
    "put_training_input": lambda store: store.put_training_input(ID, b"input"),
    "get_training_input": lambda store: store.get_training_input(ID),
    "has_training_input": lambda store: store.has_training_input(ID),
    "delete_training_input": lambda store: store.delete_training_input(ID),
    "training_inputs": lambda store: list(store.training_inputs()),
    "put_checkpoint": lambda store: store.put_checkpoint(ID, b"checkpoint"),
    "get_checkpoint": lambda store: store.get_checkpoint(ID),
    "delete_checkpoint": lambda store: store.delete_checkpoint(ID),
    "checkpoints": lambda store: list(store.checkpoints()),
    "check_writable": lambda store: store.check_writable(),
}


def store_at(url: str) -> ModelStore:
    return ModelStore.open("s3://bucket/place", S3Access(url, "us-east-1", "key", "secret", allow_http=True))


def s3_error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>-</Message></Error>".encode()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, PAGE, "404 without an S3 error code"),
        (404, b"", "404 without an S3 error code"),
        (404, s3_error("NoSuchBucket"), "the bucket does not exist"),
        (404, s3_error("NoSuchUpload"), "S3 answered NoSuchUpload"),
        (403, PAGE, "access is denied"),
        (403, s3_error("AccessDenied"), "access is denied"),
        (401, b"", "access is denied"),
    ],
    ids=["page", "nothing", "no-bucket", "other-code", "denying-page", "denied", "unauthorised"],
)
def test_whatever_answers_instead_of_s3_makes_the_store_unavailable(
    call: Callable[[ModelStore], object], status: int, body: bytes, reason: str
) -> None:
    with answering_server(status, body) as server:
        with pytest.raises(Unavailable) as caught:
            call(store_at(server.url))
        assert server.requests
    assert reason in caught.value.detail
    for secret in ("127.0.0.1", "place", ID, "nothing here"):
        assert secret not in caught.value.detail


@pytest.mark.parametrize("call", ["get_model", "delete_model", "check_writable", "models"])
def test_an_s3_that_fails_is_unavailable(call: str) -> None:
    with answering_server(500) as server, pytest.raises(Unavailable, match="S3 answered 500"):
        CALLS[call](store_at(server.url))


def test_only_s3s_own_word_makes_an_object_missing() -> None:
    with answering_server(404, s3_error("NoSuchKey")) as server:
        store = store_at(server.url)
        for call in (store.get_model, store.model_size):
            with pytest.raises(ModelNotFound):
                call(ID)
        assert store.get_checkpoint(ID) is None
        assert not store.has_training_input(ID)
        # As some providers answer where S3 itself says 204.
        store.delete_model(ID)
        with pytest.raises(Unavailable):
            store.put_model(ID, b"model")


def test_a_missing_bucket_of_a_real_s3(s3: S3Server) -> None:
    store = ModelStore.open("s3://no-such-bucket", access_to(s3))
    for name, call in CALLS.items():
        with pytest.raises(Unavailable, match=r"bucket does not exist|access is denied") as caught:
            call(store)
        assert ID not in caught.value.detail, name


def test_a_missing_object_of_a_real_s3(s3_store: ModelStore) -> None:
    for call in (s3_store.get_model, s3_store.model_size):
        with pytest.raises(ModelNotFound):
            call(new_id())
    assert s3_store.get_checkpoint(new_id()) is None
    assert not s3_store.has_training_input(new_id())
    s3_store.delete_model(new_id())


@pytest.mark.parametrize(
    "access",
    [
        S3Access(access_key_id="key\n", secret_access_key="secret"),
        S3Access(access_key_id="k y", secret_access_key="secret"),
        S3Access(access_key_id="ключ", secret_access_key="secret"),
        S3Access(access_key_id="key", secret_access_key="hidden\r\n"),
        S3Access(access_key_id="key", secret_access_key="secret", session_token="hidden\n"),
        S3Access(region="eu-central-1\n"),
        S3Access(region=""),
        S3Access(endpoint="https://s3.example.org:99999"),
        S3Access(endpoint="https://s3.example.org:port"),
        S3Access(endpoint="https://s3 .example.org"),
        S3Access(endpoint="https://s3.example.org\n"),
    ],
)
def test_access_that_the_s3_client_would_panic_at_is_refused(access: S3Access) -> None:
    with pytest.raises(
        ValueError, match=r"The S3 endpoint|FORECAST_S3_(REGION|ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN) must"
    ) as caught:
        Bucket("s3://bucket", access)
    assert "hidden" not in str(caught.value)


def test_a_folder_that_is_gone_is_no_missing_model(tmp_path: Path) -> None:
    store = ModelStore.open(str(tmp_path / "store"))
    store.put_model(ID, b"model")
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    for name, call in CALLS.items():
        with pytest.raises(Unavailable, match="folder is gone") as caught:
            call(store)
        assert str(tmp_path) not in caught.value.detail, name
    assert not (tmp_path / "store").exists(), "nothing is to lie where the disk will be mounted again"
    (tmp_path / "elsewhere").rename(tmp_path / "store")
    assert store.get_model(ID) == b"model"
