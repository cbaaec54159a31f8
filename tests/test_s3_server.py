"""The S3 server of tests and examples is ready when `start` returns, or `start` says why it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from obstore.store import S3Store

from examples.cluster import S3Server, bucket_failure
from examples.server import free_port
from tests.answering_server import answering_server


def bucket_at(url: str) -> S3Store:
    return S3Store(
        "models",
        endpoint=url,
        region="us-east-1",
        access_key_id="key",
        secret_access_key="secret",
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_an_answer_that_is_no_success_is_a_failure_and_no_exception(status: int) -> None:
    with answering_server(status) as server:
        bucket = bucket_at(server.url)
        failure = bucket_failure(bucket, bucket)
    assert failure is not None
    assert str(status) in failure


def test_a_refused_connection_is_a_failure_and_no_exception() -> None:
    bucket = bucket_at(f"http://127.0.0.1:{free_port()}")
    assert bucket_failure(bucket, bucket) is not None


def test_a_started_server_has_its_bucket(s3: S3Server) -> None:
    assert bucket_failure(s3._bucket_of(*s3._admin), s3._bucket_of(*s3._service)) is None


@pytest.mark.usefixtures("s3")  # which skips where there is no such server
def test_a_server_that_is_late_is_ended_and_its_log_told(tmp_path: Path) -> None:
    server = S3Server(tmp_path, start_seconds=0)
    with pytest.raises(RuntimeError, match=r"(?s)not ready after 0 s: .*the end of its log"):
        server.start()
    assert server._process is not None
    assert server._process.poll() is not None


@pytest.mark.usefixtures("s3")  # which skips where there is no such server
def test_a_server_that_ends_is_told_with_its_log(tmp_path: Path) -> None:
    server = S3Server(tmp_path)
    server.identities.write_text("no JSON")
    with pytest.raises(RuntimeError, match=r"(?s)ended with exit code [1-9].*the end of its log:.*s3\.json"):
        server.start()
