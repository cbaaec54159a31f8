"""A TCP proxy before a real S3, which can be slow, refuse, fall silent, or cut a connection in the middle of a put."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

_LOOPBACK = "127.0.0.1"
_CHUNK = 16_384


class S3Proxy:
    """Hands connections of a port of its own on to another one; what it does can be changed at any time.

    delay: seconds before each chunk that goes to S3. refuses: connections are closed at once, those that are open too.
    silent: nothing goes on in either direction. cut_after: about so many bytes of each connection go on to S3, then it
    is cut. cuts: how many were.
    """

    def __init__(self, port: int) -> None:
        self.delay = 0.0
        self.silent = False
        self.cut_after: int | None = None
        self.cuts = 0
        self._refuses = False
        self._target = port
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listening = socket.create_server((_LOOPBACK, 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """URL that S3 clients connect to."""
        return f"http://{_LOOPBACK}:{self._listening.getsockname()[1]}"

    @property
    def refuses(self) -> bool:
        """Whether connections are closed at once."""
        return self._refuses

    @refuses.setter
    def refuses(self, refuses: bool) -> None:
        self._refuses = refuses
        if refuses:
            with self._lock:
                for one in self._open:
                    _shut(one)

    def close(self) -> None:
        """Stop, and cut what is open."""
        self.refuses, self.silent = True, False
        _shut(self._listening)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = None if self._refuses else socket.create_connection((_LOOPBACK, self._target))
            except OSError:
                server = None
            if server is None:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            for way in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pump, args=way, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, to_s3: bool) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                time.sleep(self.delay if to_s3 else 0)
                while self.silent:
                    time.sleep(0.05)
                passed += len(data)
                if to_s3 and self.cut_after is not None and passed > self.cut_after:
                    sink.sendall(data[: len(data) // 2])
                    self.cuts += 1
                    break
                sink.sendall(data)
        for one in (source, sink):
            _shut(one)
        with self._lock:
            self._open -= {source, sink}


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
