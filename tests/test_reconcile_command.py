"""``python -m service reconcile``: what it prints, what it changes, how it exits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples.cluster import PostgresServer, S3Server
from service.keys import DEFAULT_TENANT
from service.storage.files.bucket import S3Access
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id
from service.storage.registry.registry import Registry

pytestmark = [pytest.mark.process, pytest.mark.slow]


def run(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service", "reconcile", *arguments]
    return subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False)


def test_dry_run_then_apply_then_nothing_left(tmp_path: Path) -> None:
    settings = {"FORECAST_STORE_URL": str(tmp_path)}
    registry = Registry.open(f"sqlite:///{tmp_path / 'registry.sqlite3'}")
    registry.add(DEFAULT_TENANT, model_id := new_id(), "sales", {}, 1)
    dry = run(settings)
    assert (dry.returncode, dry.stderr) == (1, "")
    assert "model without file" in dry.stdout
    assert model_id in dry.stdout
    assert registry.get_of_any_tenant(model_id).status == "ready"
    applied = run(settings, "--apply", "--json")
    assert applied.returncode == 0, applied.stderr
    told = json.loads(applied.stdout)
    assert (told["applied"], told["open"], told["differences"][0]["id"]) == (True, 0, model_id)
    assert registry.get_of_any_tenant(model_id).status == "failed"
    again = run(settings)
    assert (again.returncode, again.stdout) == (0, "1 models, 0 files, 0 differences, 0 of them open\n")
    registry.close()


def test_a_database_of_another_store_deletes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "models" / f"{new_id()}.safetensors"
    file.parent.mkdir()
    file.write_bytes(b"model")
    os.utime(file, (0, 0))
    refused = run({"FORECAST_STORE_URL": str(tmp_path)}, "--apply", "--delete-orphans")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("cannot start: FORECAST_DATABASE_URL: the database knows none of the 1 models")
    assert file.exists()


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    refused = run({"FORECAST_STORE_URL": str(tmp_path / "mistyped")})
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("cannot start: FORECAST_STORE_URL: there is no folder ")
    assert list(tmp_path.iterdir()) == []


def test_on_postgres_and_s3_by_their_settings(postgres: PostgresServer, s3: S3Server) -> None:
    database, store_url = postgres.new_database("kept-to-ourselves"), f"s3://{s3.bucket}/{new_id()}"
    settings = {
        "FORECAST_STORE_URL": store_url,
        "FORECAST_DATABASE_URL": database,
        "AWS_ENDPOINT_URL": s3.endpoint,
        "AWS_REGION": s3.region,
        "AWS_ACCESS_KEY_ID": s3.access_key_id,
        "AWS_SECRET_ACCESS_KEY": s3.secret_access_key,
        "FORECAST_S3_ALLOW_HTTP": "true",
    }
    access = S3Access(s3.endpoint, s3.region, s3.access_key_id, s3.secret_access_key, allow_http=True)
    ModelStore.open(store_url, access).put_training_input(job_id := new_id(), b"input")
    assert run(settings).returncode == 0, "what is this young may still be registered"
    registry = Registry.open(database)
    registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {})
    found = run(settings, "--json")
    assert found.returncode == 1, found.stderr
    assert [one["kind"] for one in json.loads(found.stdout)["differences"]] == ["queued job without input"]
    assert job_id not in found.stdout
    registry.close()
    wrong = run({**settings, "AWS_SECRET_ACCESS_KEY": "wrong-one"})
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "secret access key is wrong" in wrong.stderr
    for text in ("Traceback", "wrong-one", "kept-to-ourselves", s3.access_key_id):
        assert text not in wrong.stderr
    postgres.drop_database(database)


def test_wrong_settings_are_told(tmp_path: Path) -> None:
    ended = run({"FORECAST_STORE_URL": "s3://bucket"})
    assert (ended.returncode, ended.stderr.startswith("FORECAST_DATABASE_URL must be set")) == (2, True)
    ended = run({"FORECAST_STORE_URL": str(tmp_path), "FORECAST_DATABASE_URL": "postgresql://a:b@127.0.0.1:1/x"})
    assert ended.returncode == 2
    assert ended.stderr == "cannot start: FORECAST_DATABASE_URL: The database cannot be used: Connection refused.\n"
