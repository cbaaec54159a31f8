"""Requests over persistent connections, with little overhead; each connection waits for its response."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """A response. status: 0 if there was none. seconds: since the time at which the request was due."""

    kind: str
    status: int
    seconds: float


@dataclass(frozen=True)
class Asked:
    """A request as bytes. kind: the group in which it is counted."""

    kind: str
    data: bytes

    @staticmethod
    def make(kind: str, method: str, path: str, body: bytes = b"", host: str = "localhost") -> Asked:
        """Build a request of HTTP/1.1."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        return Asked(kind, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


class Connection(asyncio.Protocol):
    """One connection, with one request on it at a time."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._waiting: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to which requests are written."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Set the status once the response is complete."""
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0 or self._waiting is None:
            return
        lines = bytes(self._received[:head]).lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        if len(self._received) >= head + 4 + length:
            self._received.clear()
            self._waiting.set_result(int(lines[0].split()[1]))
            self._waiting = None

    def connection_lost(self, _error: Exception | None) -> None:
        """Notify the waiting caller."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError("the connection was lost"))

    async def ask(self, data: bytes) -> int:
        """Send a request; return the status of the response. Raises OSError."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection was lost")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return await self._waiting

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


class RawClient:
    """Keeps connections to one server, and opens another if all are in use."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[Connection] = []

    async def ask(self, request: Asked, due: float | None = None) -> Answer:
        """Send a request; due: when it was to be sent, by time.perf_counter; the latency counts from then."""
        begun = time.perf_counter() if due is None else due
        status = 0
        # The server closes idle connections after some seconds, maybe just now: then try once more.
        for connections in (self._free, []):
            try:
                connection = connections.pop() if connections else await self._open()
                status = await connection.ask(request.data)
            except OSError:
                continue
            self._free.append(connection)
            break
        return Answer(request.kind, status, time.perf_counter() - begun)

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, "127.0.0.1", self._port)
        return connection

    def close(self) -> None:
        """Close the idle connections."""
        for connection in self._free:
            connection.close()


async def closed_loop(client: RawClient, requests: Sequence[Asked], clients: int, seconds: float) -> list[Answer]:
    """Run ``clients`` clients that each send the next request as soon as they have a response."""
    answers: list[Answer] = []
    end = time.perf_counter() + seconds

    async def one(number: int) -> None:
        while time.perf_counter() < end:
            answers.append(await client.ask(requests[number % len(requests)]))
            number += clients

    await asyncio.gather(*(one(number) for number in range(clients)))
    return answers


async def open_loop(client: RawClient, requests: Sequence[Asked], rate: float, seconds: float) -> list[Answer]:
    """Send requests at a fixed rate per second, whether or not the previous ones are answered."""
    tasks: list[asyncio.Task[Answer]] = []
    begun = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = begun + number / rate
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        tasks.append(asyncio.create_task(client.ask(requests[number % len(requests)], due)))
        if number % 20 == 0:
            await asyncio.sleep(0)
    return list(await asyncio.gather(*tasks))
