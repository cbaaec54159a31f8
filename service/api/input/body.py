"""Read request bodies: limited in size while they stream in, parsed from the raw bytes."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from service.api.output.problems import UNREAD, invalid
from service.api.request_context import in_turn, load_of
from service.api.security.admission import BodyTally
from service.errors import BodyTooLarge, InvalidInput, MalformedBody, UnsupportedContentType

_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def refuse_duplicate_keys(body: bytes, parsed: BaseModel) -> None:
    """Raise MalformedBody, naming the key, if an object of the body has a key twice.

    body: valid JSON; parsed: the model validated from it. A key that validation dropped or added only costs a scan of
    the whole body.
    """
    colons = body.count(b":")
    # The most frequent requests have no nested objects.
    if colons == len(parsed.model_fields_set):
        return
    names = _names(parsed)
    if colons == names or _TEXT.sub(b"", body).count(b":") == names:
        return
    # Numbers stay text, since converting very long ones is slow.
    json.loads(body, object_pairs_hook=_refuse_duplicates, parse_int=str, parse_float=str)


def _names(value: Any) -> int:
    """Count the keys of all objects in a value; lists of numbers, strings or nulls are not searched."""
    if isinstance(value, BaseModel):
        sent = value.model_fields_set
        return len(sent) + sum(_names(value.__dict__[name]) for name in sent)
    if isinstance(value, dict):
        return len(value) + sum(map(_names, value.values()))
    if isinstance(value, list) and value and isinstance(value[0], BaseModel):
        return sum(map(_names, value))
    return 0


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    for name, times in Counter(name for name, _ in pairs).items():
        if times > 1:
            raise MalformedBody(f"the body has the key {name[:60]!r} twice in one object: send it once")


# Window bits of zlib: for data with a gzip header, or with zlib's own.
_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_PIECE = 2**18
_MOST_MEMBERS = 10_000


def content_coding(sent: bytes | None) -> str | None:
    """Return the content coding of a body, or None if it is not compressed. Raises UnsupportedContentType."""
    coding = (sent or b"").decode("latin-1").strip().lower()
    if coding in ("", "identity"):
        return None
    if coding not in _WINDOW_BITS:
        raise UnsupportedContentType(f"send Content-Encoding gzip or deflate, or none, got {coding[:100]!r}")
    return coding


def decompressed(body: bytes, coding: str, most: int) -> bytes:
    """Return the decompressed body, using about as much memory as its size.

    Raises BodyTooLarge as soon as it exceeds ``most`` bytes, MalformedBody if it is damaged or truncated.
    """
    parts: list[bytes] = []
    left = most
    for part in _decompressed_parts(body, coding):
        left -= len(part)
        if left < 0:
            raise too_large(most)
        parts.append(part)
    return b"".join(parts)


def _decompressed_parts(body: bytes, coding: str) -> Iterator[bytes]:
    """Yield the data of all members of a body; a gzip file may have several (RFC 1952, section 2.2)."""
    reader, members = zlib.decompressobj(_WINDOW_BITS[coding]), 1
    # In slices: zlib copies everything after a member each time.
    for start in range(0, len(body), _PIECE):
        sent, part = body[start : start + _PIECE], b""
        while sent or (len(part) == _PIECE and not reader.eof):
            if reader.eof:
                members += 1
                if members > _MOST_MEMBERS:
                    detail = f"the body has more than {_MOST_MEMBERS} members of {coding}: compress it as one"
                    raise MalformedBody(detail)
                reader = zlib.decompressobj(_WINDOW_BITS[coding])
            try:
                part = reader.decompress(sent, _PIECE)
            except zlib.error as error:
                raise MalformedBody(f"the body is not {coding}: send it as Content-Encoding says") from error
            sent = reader.unused_data if reader.eof else reader.unconsumed_tail
            yield part
    if not reader.eof:
        raise MalformedBody(f"the {coding} data of the body is truncated")


def too_large(most: int) -> BodyTooLarge:
    """Return the error that names the limit."""
    return BodyTooLarge(f"this server accepts bodies of up to {most} bytes")


Model = TypeVar("Model", bound=BaseModel)

JSON_TYPE = "application/json"
CSV_TYPE = "text/csv"
PARQUET_TYPE = "application/vnd.apache.parquet"
FILE_TYPE = "application/octet-stream"

SMALL_BODY = 100_000
"""Size in bytes; parsing a larger body takes longer than a forecast and runs off the event loop."""

# Larger bodies are not parsed a second time only to report the location of a fault more clearly.
_READ_AGAIN = 4_000_000


def media_type(request: Request, *accepted: str) -> str:
    """Return the content type without its parameters, or the first accepted one if there is none.

    Raises UnsupportedContentType.
    """
    # Read from the raw headers: building Starlette's mapping takes longer than everything else here.
    raw = dict(request.scope["headers"]).get(b"content-type")
    sent = accepted[0] if raw is None else raw.decode("latin-1").partition(";")[0].strip().lower()
    if sent not in accepted:
        choices = " or ".join(accepted)
        raise UnsupportedContentType(f"send Content-Type {choices}, got {sent[:100]!r}")
    return sent


async def read_body(request: Request, required: bool = True) -> bytes:
    """Return the whole body, decompressed if it was sent compressed.

    required: it must not be empty. Raises BodyTooLarge as soon as the size is known to exceed the limit, Overloaded if
    there are too many bodies at once, MalformedBody if it is empty or truncated, UnsupportedContentType if its
    compression is not supported.
    """
    most: int = request.app.state.max_body_bytes
    headers = dict(request.scope["headers"])
    coding = content_coding(headers.get(b"content-encoding"))
    announced = headers.get(b"content-length", b"")
    length = int(announced) if announced.isdigit() else 0
    if length > most:
        raise too_large(most)
    if length > SMALL_BODY:
        load_of(request).check_room()
    tally: BodyTally = request.scope["body_tally"]
    body = await _received(request, most, tally)
    if coding is not None:
        # Queued as work: each takes a core, and memory for a whole body that is not counted yet.
        body = await in_turn(request, decompressed, body, coding, most)
        tally.forget()
        tally.count(len(body))
    if required and not body:
        raise MalformedBody("the body is empty")
    return body


async def _received(request: Request, most: int, tally: BodyTally) -> bytes:
    parts: list[bytes] = []
    length, more = 0, True
    while more:  # in a third of the time that Starlette's stream takes
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise MalformedBody("the connection was closed before the body was complete")
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > most:
            raise too_large(most)
        tally.count(len(parts[-1]))
        more = message.get("more_body", False)
    return b"".join(parts)


def parse_json(model: type[Model], body: bytes) -> Model:
    """Validate JSON against a schema strictly: a number in quotes is not a number.

    Raises MalformedBody for invalid syntax and duplicate keys, InvalidInput with pointers for invalid values.
    """
    try:
        parsed = model.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise invalid(error, lambda: from_json(body) if len(body) <= _READ_AGAIN else UNREAD) from None
    refuse_duplicate_keys(body, parsed)
    return parsed


async def read_json_body(request: Request) -> bytes:
    """Return the raw bytes of a JSON body. Raises what `media_type` and `read_body` raise."""
    media_type(request, JSON_TYPE)
    return await read_body(request)


LONGEST_KEY = 200
# It only says how long the client waits.
_NOT_PART_OF_REQUEST = ("wait",)


def idempotency_of(request: Request, body: bytes) -> tuple[str, str] | None:
    """Return the idempotency key of a request and a hash of all of it; None without a key. Raises InvalidInput."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= LONGEST_KEY:
        detail = f"the Idempotency-Key must have 1 to {LONGEST_KEY} characters, got {len(key)}"
        raise InvalidInput.at(("Idempotency-Key",), detail)
    digest = hashlib.sha256(request.headers.get("content-type", "").encode() + b"\0")
    for name, value in sorted(request.query_params.multi_items()):
        if name not in _NOT_PART_OF_REQUEST:
            digest.update(f"{len(name)}:{name}={len(value)}:{value};".encode())
    digest.update(b"\0" + body)
    return key, digest.hexdigest()
