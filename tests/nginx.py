"""A real nginx with deploy/nginx.conf, but for the addresses and the folder that it writes to."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from examples.server import free_port

CONFIGURATION = Path(__file__).parent.parent / "deploy" / "nginx.conf"
_START_SECONDS = 30.0


@dataclass(frozen=True)
class Nginx:
    """A running proxy: its URL, and the folder of its logs."""

    url: str
    folder: Path

    def servers_of(self, request_id: str) -> list[str]:
        """Return which servers (host:port) got a request, in turn, from the access log."""
        deadline = time.monotonic() + _START_SECONDS
        # The line is written after the answer.
        while not (found := re.search(rf" request={request_id} server=(.*) seconds=", self._log())):
            assert time.monotonic() < deadline, self._log()
            time.sleep(0.01)
        return found[1].split(", ")

    def _log(self) -> str:
        return (self.folder / "access.log").read_text()


@contextmanager
def running_nginx(folder: Path, servers: Sequence[str]) -> Iterator[Nginx]:
    """Run nginx before servers (host:port) until the block ends."""
    port = free_port()
    text = CONFIGURATION.read_text()
    listed = "".join(rf"\g<1>server {server}\g<2>" for server in servers)
    for pattern, new, count in (
        (r"( +)server api-1:8000(.*\n) +server api-2:8000.*\n", listed, 2),
        (r"listen 8080;", f"listen 127.0.0.1:{port};", 1),
        (r"(/tmp/nginx)", rf"{folder}/nginx", 6),
        (r"/dev/stdout", f"{folder}/access.log", 1),
        (r"/dev/stderr", f"{folder}/error.log", 1),
    ):
        text, found = re.subn(pattern, new, text)
        assert found == count, pattern
    adapted = folder / "nginx.conf"
    adapted.write_text(text)
    # One worker: another one's counts of connections would make no difference here.
    options = ["-e", str(folder / "start.log"), "-g", "daemon off; user root;"]
    process = subprocess.Popen(["nginx", "-c", str(adapted), *options])
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(port):
            assert process.poll() is None, (folder / "start.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield Nginx(f"http://127.0.0.1:{port}", folder)
    finally:
        process.terminate()
        process.wait(_START_SECONDS)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
