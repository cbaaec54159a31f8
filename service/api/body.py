"""Reading request bodies: bounded while they stream in, parsed from the raw bytes."""

from __future__ import annotations

from functools import partial
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from service.api.doubled_names import refuse_doubled_names
from service.api.expansion import content_coding, expanded, too_large
from service.api.load import BodyTally
from service.api.problems import UNREAD, invalid
from service.api.wiring import load_of
from service.errors import MalformedBody, UnsupportedContentType

Model = TypeVar("Model", bound=BaseModel)

JSON_TYPE = "application/json"
CSV_TYPE = "text/csv"
PARQUET_TYPE = "application/vnd.apache.parquet"
FILE_TYPE = "application/octet-stream"

SMALL_BODY = 100_000
"""Bytes; larger ones take longer to read than a forecast: off the event loop with them."""

# Larger ones are not read a second time only to tell the place of a fault more nicely.
_READ_AGAIN = 4_000_000


def media_type(request: Request, *accepted: str) -> str:
    """Return the content type without its parameters; the first accepted one where there is none.

    Raises UnsupportedContentType.
    """
    # The raw headers: Starlette's own mapping of them takes longer to make than all else here.
    raw = dict(request.scope["headers"]).get(b"content-type")
    sent = accepted[0] if raw is None else raw.decode("latin-1").partition(";")[0].strip().lower()
    if sent not in accepted:
        choices = " or ".join(accepted)
        raise UnsupportedContentType(f"send Content-Type {choices}, got {sent[:100]!r}")
    return sent


async def read_body(request: Request) -> bytes:
    """Return the whole body, expanded where it came compressed.

    Raises BodyTooLarge as soon as that is known, Overloaded where there are too many at once, MalformedBody where it is
    empty or cut short, UnsupportedContentType where it is compressed in a way that is not known.
    """
    most: int = request.app.state.max_body_bytes
    headers = dict(request.scope["headers"])
    coding = content_coding(headers.get(b"content-encoding"))
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > most:
        raise too_large(most)
    if announced.isdigit() and int(announced) > SMALL_BODY:
        load_of(request).check_room()
    tally: BodyTally = request.scope["body_tally"]
    body = await _received(request, most, tally)
    if coding is not None:
        # In turn: each takes a core, and memory for a whole body that is not counted yet.
        body = await load_of(request).work(partial(expanded, body, coding, most))
        tally.forget()
        tally.count(len(body))
    if not body:
        raise MalformedBody("the body is empty")
    return body


async def _received(request: Request, most: int, tally: BodyTally) -> bytes:
    parts: list[bytes] = []
    length, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise MalformedBody("the connection ended before the body did")
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > most:
            raise too_large(most)
        tally.count(len(parts[-1]))
        more = message.get("more_body", False)
    return b"".join(parts)


def parse_json(model: type[Model], body: bytes) -> Model:
    """Validate JSON against a schema, strictly: a number in quotes is no number.

    Raises MalformedBody for broken syntax and doubled names, InvalidInput with pointers for bad values.
    """
    try:
        parsed = model.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise invalid(error, lambda: from_json(body) if len(body) <= _READ_AGAIN else UNREAD) from None
    refuse_doubled_names(body, parsed)
    return parsed


async def read_json_body(request: Request) -> bytes:
    """Return a body of JSON, not parsed yet. Raises what `media_type` and `read_body` raise."""
    media_type(request, JSON_TYPE)
    return await read_body(request)
