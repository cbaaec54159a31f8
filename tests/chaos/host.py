"""A second host on this machine: a network namespace, joined to it by a cable that can be cut.

https://man7.org/linux/man-pages/man8/ip-netns.8.html
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class Host:
    """A namespace with one interface; ``this`` is this machine's address at the other end of the cable.

    The addresses are of the range for benchmarks, 198.18.0.0/15 (RFC 2544), which nobody routes to.
    """

    def __init__(self) -> None:
        self._name = f"forecast-{secrets.token_hex(4)}"
        # Names of interfaces have 15 characters at most.
        self._cable = f"fc{secrets.token_hex(4)}"
        third, fourth = secrets.randbelow(256), 4 * secrets.randbelow(64)
        self.this, self.address = (f"198.18.{third}.{fourth + one}" for one in (1, 2))

    @property
    def prefix(self) -> tuple[str, ...]:
        """What runs a command there."""
        return ("ip", "netns", "exec", self._name)

    def make(self) -> None:
        """Make the namespace and the cable. Raises CalledProcessError where that is not allowed."""
        _ip("netns", "add", self._name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self._name)
        _ip("address", "add", f"{self.this}/30", "dev", self._cable)
        _ip("link", "set", self._cable, "up")
        _ip("-n", self._name, "address", "add", f"{self.address}/30", "dev", "eth0")
        for interface in ("lo", "eth0"):
            _ip("-n", self._name, "link", "set", interface, "up")
        _ip("-n", self._name, "route", "add", "default", "via", self.this)

    def cut(self) -> None:
        """Cut the cable: what is sent is lost, and nobody is told."""
        _ip("link", "set", self._cable, "down")

    def heal(self) -> None:
        """Mend the cable."""
        _ip("link", "set", self._cable, "up")

    def remove(self) -> None:
        """Remove namespace and cable; what is not there is no error."""
        for command in (("link", "delete", self._cable), ("netns", "delete", self._name)):
            subprocess.run(["ip", *command], capture_output=True, check=False)


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Yield two hosts; the test is skipped where they cannot be made, and fails where that happens in CI."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        _give_up("root and the program ip (Debian: iproute2)")
    hosts = Host(), Host()
    try:
        try:
            for one in hosts:
                one.make()
        except subprocess.CalledProcessError as error:
            _give_up(f"to be allowed network namespaces ({error.stderr.strip()})")
        yield hosts
    finally:
        for one in hosts:
            one.remove()


def _give_up(needed: str) -> None:
    message = f"two hosts on one machine need {needed}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True)
