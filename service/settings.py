"""All settings of the service, with defaults and descriptions; the only code that reads the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasGenerator,
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    computed_field,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.errors import ServiceError
from service.keys import Grant, read_keys

# Share of the machine's memory, for all trainings together.
_MEMORY_SHARE = 0.8
# For the server, its worker and one training; all three were killed with 400 MB.
_LEAST_MEMORY = 500_000_000
_HOST_NAME = re.compile(r"\*|[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
_DEVICE = re.compile(r"auto|cpu|cuda|cuda:[0-9]{1,3}")
# Of version 2 of Linux's control groups, and of version 1.
_CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))

# https://opentelemetry.io/docs/specs/otel/protocol/exporter/, the more specific first; its SDK reads their values.
_TRACE_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_TRACE_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


_OTHER_NAMES = {
    "s3_endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "s3_region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
}


def _names_of(field: str) -> AliasChoices:
    """Return the variables of a setting; those of S3 have AWS's own names too. The first one that is set counts."""
    others = (f"AWS_{field.removeprefix('s3_').upper()}",) if field.startswith("s3_") else ()
    return AliasChoices(f"FORECAST_{field.upper()}", *_OTHER_NAMES.get(field, others))


def _digested(value: Any) -> Any:
    """Parse keys at once, so that nothing keeps them in clear text."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return read_keys(value) if isinstance(value, str) else value


def _device_name(value: str) -> str:
    if not _DEVICE.fullmatch(value):
        raise ValueError("must be auto, cpu, cuda, or cuda:N with the number of a GPU")
    return value


def _host_names(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    names = tuple(name.strip().lower() for name in value.split(","))
    for name in names:
        if not _HOST_NAME.fullmatch(name):
            raise ValueError(
                f"{name[:100]!r} is not a host: write names or addresses without scheme and port, IPv6 in brackets, "
                "comma-separated, or * for all"
            )
    return names


class UnusableSetting(Exception):
    """The service cannot start with a setting; the message has its name and the reason."""


@contextmanager
def blaming(setting: str) -> Iterator[None]:
    """Raise UnusableSetting for errors that a setting causes in the block."""
    try:
        yield
    except (ValueError, OSError, ServiceError) as error:
        raise UnusableSetting(f"{setting}: {error}") from error


class Settings(BaseSettings):
    """Settings from environment variables named ``FORECAST_`` and the field; docs/settings.md lists them."""

    model_config = SettingsConfigDict(
        # Without it, populate_by_name would read variables by the bare names of fields, such as PORT.
        env_prefix="FORECAST_",
        alias_generator=AliasGenerator(validation_alias=_names_of),
        use_attribute_docstrings=True,
        frozen=True,
        populate_by_name=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    host: str = Field("127.0.0.1", description="Address that the server listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port that the server listens on; 0 selects a free one.")
    api_keys: Annotated[tuple[Grant, ...] | None, NoDecode, BeforeValidator(_digested)] = Field(None, repr=False)
    """API keys: tenant:key or tenant:role:key, comma-separated; kept as digests only."""
    api_keys_file: str | None = Field(None)
    """File with digests of further keys, written by python -m service keys create."""
    allow_no_keys: bool = Field(False)
    """Whether a server without keys may listen on an address that other machines can reach."""
    allowed_hosts: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(_host_names)] = Field(None)
    """Host names that a server without keys accepts in addition to those of its own machine, comma-separated; web pages
    of these hosts may send requests to it."""
    log_level: Literal["critical", "error", "warning", "info", "debug"] = Field("info")
    """Level of the log: critical to debug; only debug logs each request."""
    log_format: Literal["text", "json"] = Field("text")
    """Format of the log: text for people, json for programs, one object per line."""
    metrics_port: int | None = Field(None, ge=0, le=65535)
    """Port on which a worker (python -m service trainer) serves GET /metrics, at FORECAST_HOST; by default none."""
    drain_seconds: float = Field(0.0, ge=0, le=3600)
    """Seconds that a server continues to serve after SIGTERM, while /readyz fails, so that a proxy can remove it
    first."""
    webhooks_file: str | None = Field(None)
    """TOML file with the webhooks of tenants, which are told when models begin or cease to drift."""
    monitoring: bool = Field(True)
    """Whether this server scores what is observed in the background, and retrains models by their policies."""
    min_retrain_seconds: float = Field(3600, ge=0, le=31_536_000)
    """Fewest seconds between two trainings of a model by its policy."""
    store_url: str = Field("models_store", description="Folder or S3 bucket of the model files.")
    database_url: str | None = Field(None, repr=False)
    """URL of the registry's database; by default an SQLite file beside the models."""
    s3_endpoint: str | None = Field(None, description="URL of the S3 service; by default that of AWS in the region.")
    s3_region: str | None = Field(None, description="Region of the bucket; by default us-east-1.")
    s3_access_key_id: str | None = Field(None)
    """Access key ID for S3; by default the role of the machine is used."""
    s3_secret_access_key: SecretStr | None = Field(None, description="Secret of the access key ID.")
    s3_session_token: SecretStr | None = Field(None, description="Session token of a temporary access key.")
    s3_allow_http: bool = Field(False, description="Whether S3 may be reached over plain http.")
    executor_id: str | None = Field(None, min_length=1, max_length=190)
    """Unique name of this worker on a Postgres database, the same after a restart; by default the machine's name."""
    training_processes: NonNegativeInt | None = Field(None)
    """Concurrent trainings: by default, on SQLite all cores but one; on Postgres all cores of a worker, while a server
    trains nothing."""
    training_memory: int | None = Field(None, ge=256 * 2**20)
    """Maximum memory of one training in bytes; by default its share of the machine's."""
    # At least as long as an idempotency key is valid, one day, because it is deleted with its job.
    job_retention_days: float = Field(30.0, ge=1)
    """Days after which ended jobs are deleted, at least 1; models stay."""
    engine: Literal["auto", "numba", "torch"] = Field("auto")
    """Engine of networks: auto chooses the fastest; numba is compiled for this CPU, torch also runs on GPUs."""
    device: Annotated[str, AfterValidator(_device_name)] = Field("auto")
    """Device of trainings and forecasts: auto uses torch's GPUs, if any, for large ones; cuda uses all of them, and
    cuda:N one, for everything."""
    kernel_cache: str | None = Field(None)
    """Folder of the compiled kernels; by default beside the code or, if that is read-only, in a folder of the user."""
    cache_bytes: NonNegativeInt = Field(256 * 2**20, description="Memory for loaded models.")

    max_body_bytes: PositiveInt = Field(32 * 2**20, description="Maximum size of a request body; beyond it 413.")
    max_points: PositiveInt = Field(2_000_000, description="Maximum values in one request, over all items and columns.")
    max_kept_rows: int = Field(100_000, ge=10_000)
    """Maximum rows of an item that a model keeps of its training data and observations, at least 10000; older ones are
    dropped."""
    max_items: PositiveInt = Field(10_000, description="Maximum items in one request.")
    max_columns: PositiveInt = Field(100, description="Maximum targets and covariates together.")
    max_horizon: PositiveInt = Field(10_000, description="Maximum horizon.")
    max_context_length: PositiveInt = Field(10_000, description="Maximum context_length.")
    max_hidden_size: PositiveInt = Field(1024, description="Maximum hidden_size.")
    max_epochs: PositiveInt = Field(10_000, description="Maximum epochs.")
    max_answer_numbers: PositiveInt = Field(2_000_000, description="Maximum numbers in one response.")
    max_training_seconds: PositiveFloat = Field(3600, description="Maximum training time; beyond it the job fails.")
    max_queued_jobs: PositiveInt = Field(1000, description="Maximum unfinished jobs; beyond it 503.")

    max_queued_jobs_per_tenant: PositiveInt = Field(500)
    """Maximum unfinished jobs of one tenant; beyond it 429."""
    max_models_per_tenant: PositiveInt = Field(100_000, description="Maximum models of one tenant; beyond it 422.")
    max_bytes_per_tenant: PositiveInt = Field(10 * 2**30)
    """Maximum bytes of one tenant's models and their training data; beyond it 422."""
    max_names_per_tenant: PositiveInt = Field(10_000)
    """Maximum names of one tenant that are pinned to a model; beyond it 422."""
    max_moves_per_name: PositiveInt = Field(100, description="Maximum moves in the history of a name.")
    max_requests_per_second: PositiveFloat | None = Field(None, le=1e6)
    """Maximum requests per second with one key, on one server; beyond it 429."""
    max_requests: PositiveInt = Field(1000, description="Maximum concurrent requests of a server; beyond it 503.")
    max_waiting_requests: NonNegativeInt = Field(64, description="Maximum requests waiting for a core; beyond it 503.")
    max_bodies_bytes: PositiveInt = Field(256 * 2**20)
    """Maximum bytes of all request bodies in memory; beyond it 503."""

    @property
    def is_cluster(self) -> bool:
        """Whether the registry is on a database server, which may be shared."""
        return not self.registry_url.startswith("sqlite")

    @property
    def cores(self) -> int:
        """The number of cores that this process may use."""
        return len(os.sched_getaffinity(0))

    @property
    def only_gpu(self) -> bool:
        """Whether networks are trained and forecast on GPUs only."""
        return self.device.startswith("cuda")

    def without_keys(self) -> Self:
        """Return the settings for a process that serves no requests: without even the digests of keys."""
        return self.model_copy(update={"api_keys": None})

    def trainings_at_once(self, in_server: bool) -> int:
        """Return the number of concurrent trainings on the CPU, in a server with its own worker or in a lone worker."""
        cores = self.cores
        if self.only_gpu:
            return 0
        if self.training_processes is not None:
            return self.training_processes
        if in_server:
            return 0 if self.is_cluster else max(1, cores - 1)
        return cores

    def check_memory(self) -> None:
        """Raise UnusableSetting if a server with a worker would be killed for want of memory."""
        memory = _machine_memory()
        if memory < _LEAST_MEMORY and self.trainings_at_once(in_server=True):
            raise UnusableSetting(
                f"a server that trains needs {_LEAST_MEMORY / 1e6:.0f} MB of memory, and this machine or container has "
                f"{memory / 1e6:.0f} MB"
            )

    def memory_of_one(self, processes: int) -> int:
        """Return the maximum memory in bytes of one of ``processes`` concurrent trainings."""
        if self.training_memory is not None:
            return self.training_memory
        return int(_MEMORY_SHARE * _machine_memory() / max(1, processes))

    @property
    def trace_exporters(self) -> tuple[str, ...]:
        """The trace exporters that OpenTelemetry's own variables select: otlp, console, both or none.

        Raises ValueError if they select one that is not supported.
        """
        wanted = _variable("OTEL_TRACES_EXPORTER")
        if _variable("OTEL_SDK_DISABLED").lower() == "true" or not (wanted or any(map(_variable, _TRACE_ENDPOINTS))):
            return ()
        names = [name.strip() for name in (wanted or "otlp").split(",")]
        for name in names:
            if name not in ("otlp", "console", "none"):
                raise ValueError(f"OTEL_TRACES_EXPORTER must be otlp, console or none, got {name[:100]!r}")
        exporters = tuple(dict.fromkeys(name for name in names if name != "none"))
        protocol = next(filter(None, map(_variable, _TRACE_PROTOCOLS)), "http/protobuf")
        if "otlp" in exporters and protocol != "http/protobuf":
            raise ValueError(f"OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf, got {protocol[:100]!r}")
        return exporters

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.max_bodies_bytes < self.max_body_bytes:
            raise ValueError("FORECAST_MAX_BODIES_BYTES must be at least FORECAST_MAX_BODY_BYTES")
        if self.engine == "numba" and self.only_gpu:
            raise ValueError("FORECAST_ENGINE=numba runs on the CPU only: set it to auto, or FORECAST_DEVICE to cpu")
        if self.database_url is None and "://" in self.store_url.removeprefix("file://"):
            if not self.store_url.startswith("s3://"):
                raise ValueError("FORECAST_STORE_URL must be a folder, or s3://bucket/prefix")
            raise ValueError("FORECAST_DATABASE_URL must be set where FORECAST_STORE_URL is a bucket")
        return self

    @computed_field(description="URL of the database that is really used.", repr=False)  # type: ignore[prop-decorator]
    @cached_property
    def registry_url(self) -> str:
        """The database URL, or that of the SQLite file in the store's folder."""
        if self.database_url is not None:
            return self.database_url
        folder = Path(self.store_url.removeprefix("file://")).resolve()
        return f"sqlite:///{folder / 'registry.sqlite3'}"


class ClientSettings(BaseSettings):
    """Settings of clients, including the command line: the server's URL and the API key."""

    model_config = SettingsConfigDict(
        env_prefix="FORECAST_", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    url: str = Field("http://127.0.0.1:8000", description="URL of the server for clients and commands.")
    api_key: SecretStr | None = Field(None, description="API key of clients and commands.")


def unknown_variables() -> dict[str, str | None]:
    """Return the environment variables that look like settings but are not, each with the setting it may mean."""
    fields = [field.upper() for field in (*Settings.model_fields, *ClientSettings.model_fields)]
    found: dict[str, str | None] = {}
    for name in sorted(os.environ):
        prefix, _, field = name.upper().partition("_")
        if prefix == "FORECAST" and field not in fields:
            meant = get_close_matches(field, fields, 1)
            found[name] = f"FORECAST_{meant[0]}" if meant else None
    return found


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()


def _machine_memory() -> int:
    """Return the memory in bytes of this machine, or of this container if it has less."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in _CONTAINER_LIMITS:
        # "max" is no limit.
        with suppress(OSError, ValueError):
            limits.append(int(path.read_text()))
    return min(limits)
