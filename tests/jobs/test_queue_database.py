from __future__ import annotations

from sqlalchemy import make_url

from service.jobs.queue_database import queue_url

OPTIONS = {"connect_timeout": "3", "tcp_user_timeout": "10000"}


def test_the_queues_are_beside_the_registry() -> None:
    assert (
        queue_url("sqlite:////srv/models/registry.sqlite3", OPTIONS) == "sqlite:////srv/models/registry-queue.sqlite3"
    )


def test_a_connection_to_the_queues_finds_out_that_its_server_is_gone() -> None:
    url = make_url(queue_url("postgresql+psycopg://me:a%40b@host:1/db?connect_timeout=9&sslmode=require", OPTIONS))
    assert (url.drivername, url.password, url.database) == ("postgresql", "a@b", "db")
    assert url.query == {"connect_timeout": "9", "sslmode": "require", "tcp_user_timeout": "10000"}
