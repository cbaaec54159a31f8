"""Names, fallbacks and secrets of the settings."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from service import settings as module
from service.settings import Settings, UnusableSetting, unknown_variables


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT_URL_S3", "ENDPOINT_URL", "ENDPOINT", "REGION", "DEFAULT_REGION", "ACCESS_KEY_ID"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)


@pytest.mark.parametrize(
    ("environment", "field", "value"),
    [
        ({"FORECAST_S3_ENDPOINT": "https://a"}, "s3_endpoint", "https://a"),
        ({"AWS_ENDPOINT_URL": "https://b"}, "s3_endpoint", "https://b"),
        ({"AWS_ENDPOINT_URL": "https://b", "AWS_ENDPOINT_URL_S3": "https://c"}, "s3_endpoint", "https://c"),
        ({"AWS_ENDPOINT_URL": "https://b", "FORECAST_S3_ENDPOINT": "https://a"}, "s3_endpoint", "https://a"),
        ({"AWS_REGION": "eu-central-1"}, "s3_region", "eu-central-1"),
        ({"AWS_ACCESS_KEY_ID": "key"}, "s3_access_key_id", "key"),
        ({"AWS_ALLOW_HTTP": "true"}, "s3_allow_http", True),
        ({"FORECAST_S3_REGION": "", "FORECAST_PORT": ""}, "s3_region", None),
    ],
)
def test_aws_names_stand_in_for_ours(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], field: str, value: object
) -> None:
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    assert getattr(Settings(), field) == value


def test_no_secret_shows() -> None:
    settings = Settings(
        database_url="postgresql://user:unseen-by-all@host/name",
        s3_secret_access_key="unseen-by-all",
        s3_session_token="unseen-by-all",
    )
    assert "unseen-by-all" not in repr(settings)
    assert "unseen-by-all" not in str(settings)
    assert settings.s3_secret_access_key is not None
    assert settings.s3_secret_access_key.get_secret_value() == "unseen-by-all"


def test_what_trains_is_given_no_keys() -> None:
    settings = Settings(api_keys="acme:unseen-by-all", store_url="there")
    assert settings.api_keys
    assert settings.without_keys().api_keys is None
    assert settings.without_keys().registry_url == settings.registry_url


@pytest.mark.parametrize("text", ["http://a", "a:80", "a/b", "", "a,,b", "::1", "a b", "-a", "*.a"])
def test_hosts_are_names_without_anything_around_them(text: str) -> None:
    with pytest.raises(ValidationError, match="write names or addresses"):
        Settings(allowed_hosts=text)


@pytest.mark.parametrize("seconds", [-1.0, 1e12, float("inf"), float("nan")])
def test_pauses_between_retrainings_can_be_added_to_a_time(seconds: float) -> None:
    with pytest.raises(ValidationError, match="min_retrain_seconds"):
        Settings(min_retrain_seconds=seconds)


def test_a_bucket_needs_a_database() -> None:
    with pytest.raises(ValidationError, match="FORECAST_DATABASE_URL must be set"):
        Settings(store_url="s3://bucket")
    assert Settings(store_url="s3://bucket", database_url="sqlite:///a.db").registry_url == "sqlite:///a.db"
    for folder in ("models_store", "file:///srv/models"):
        assert Settings(store_url=folder).registry_url.endswith("/registry.sqlite3")


def test_what_is_no_setting_is_found_with_what_it_may_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORECAST_MAX_HORIZZON", "FORECAST_MAX_HORIZON", "forecast_port", "FORECAST_URL", "FORECAST_XYZXYZ"):
        monkeypatch.setenv(name, "3")
    assert unknown_variables() == {"FORECAST_MAX_HORIZZON": "FORECAST_MAX_HORIZON", "FORECAST_XYZXYZ": None}


def test_variables_without_the_prefix_are_not_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Environments are full of such names."""
    for name, value in (("PORT", "9999"), ("HOST", "0.0.0.0"), ("DEVICE", "cuda"), ("DATABASE_URL", "postgresql://x")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("API_KEYS", "acme:a-key-of-another-program")
    assert Settings() == Settings(port=8000, host="127.0.0.1", device="auto", database_url=None, api_keys=None)


def test_a_server_that_trains_needs_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_machine_memory", lambda: 400 * 2**20)
    Settings(training_processes=0).check_memory()
    with pytest.raises(UnusableSetting, match=r"needs 500 MB of memory, and this machine or container has 419 MB$"):
        Settings(training_processes=1).check_memory()
    monkeypatch.setattr(module, "_machine_memory", lambda: 512 * 2**20)
    Settings(training_processes=1).check_memory()
