"""Bodies that come compressed (RFC 9110, 8.4), which a few bytes can make large."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from service.errors import BodyTooLarge, MalformedBody, UnsupportedContentType

# Bits of the window, as zlib counts them: with gzip's head, or zlib's own.
_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_PIECE = 2**18
_MOST_MEMBERS = 10_000


def content_coding(sent: bytes | None) -> str | None:
    """Return how a body is compressed; None where it is not. Raises UnsupportedContentType."""
    if sent is None:
        return None
    coding = sent.decode("latin-1").strip().lower()
    if coding in ("", "identity"):
        return None
    if coding not in _WINDOW_BITS:
        raise UnsupportedContentType(f"send Content-Encoding gzip or deflate, or none, got {coding[:100]!r}")
    return coding


def expanded(body: bytes, coding: str, most: int) -> bytes:
    """Return what was compressed, in memory of about its size.

    Raises BodyTooLarge as soon as it has more than so many bytes, MalformedBody where it is damaged or cut short.
    """
    parts: list[bytes] = []
    left = most
    members = _Members(coding)
    # In slices: what follows a member is copied by zlib each time.
    for start in range(0, len(body), _PIECE):
        for part in members.read(body[start : start + _PIECE]):
            left -= len(part)
            if left < 0:
                raise too_large(most)
            parts.append(part)
    members.end()
    return b"".join(parts)


class _Members:
    """A file of gzip may have several (RFC 1952, 2.2)."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._reader = zlib.decompressobj(_WINDOW_BITS[coding])
        self._number = 1

    def read(self, sent: bytes) -> Iterator[bytes]:
        """Yield what further bytes expand to, in pieces. Raises MalformedBody."""
        part = b""
        while sent or len(part) == _PIECE:
            if self._reader.eof:
                if not sent:
                    return
                self._begin()
            try:
                part = self._reader.decompress(sent, _PIECE)
            except zlib.error as error:
                detail = f"the body is no {self._coding}: send it as Content-Encoding says"
                raise MalformedBody(detail) from error
            sent = self._reader.unused_data if self._reader.eof else self._reader.unconsumed_tail
            yield part

    def end(self) -> None:
        """Raise MalformedBody where something is missing."""
        if not self._reader.eof:
            raise MalformedBody(f"the body is {self._coding} and ends too early")

    def _begin(self) -> None:
        self._number += 1
        if self._number > _MOST_MEMBERS:
            raise MalformedBody(f"the body has more than {_MOST_MEMBERS} members of {self._coding}: compress it as one")
        self._reader = zlib.decompressobj(_WINDOW_BITS[self._coding])


def too_large(most: int) -> BodyTooLarge:
    """Return the error that names the limit."""
    return BodyTooLarge(f"this server takes bodies of up to {most} bytes")
