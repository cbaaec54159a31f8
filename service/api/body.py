"""Reading request bodies: bounded while they stream in, parsed from the raw bytes."""

from __future__ import annotations

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from service.api.doubled_names import refuse_doubled_names
from service.api.problems import UNREAD, invalid
from service.api.wiring import in_thread
from service.errors import BodyTooLarge, MalformedBody, UnsupportedContentType

Model = TypeVar("Model", bound=BaseModel)

JSON_TYPE = "application/json"
CSV_TYPE = "text/csv"
FILE_TYPE = "application/octet-stream"

# Larger ones take longer to read than a forecast: off the event loop with them.
_SMALL_BODY = 100_000
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
    """Return the whole body.

    Raises BodyTooLarge as soon as that is known, MalformedBody where it is empty or cut short.
    """
    most: int = request.app.state.max_body_bytes
    announced = dict(request.scope["headers"]).get(b"content-length", b"")
    if announced.isdigit() and int(announced) > most:
        raise _too_large(most)
    parts: list[bytes] = []
    length, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise MalformedBody("the connection ended before the body did")
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > most:
            raise _too_large(most)
        more = message.get("more_body", False)
    body = b"".join(parts)
    if not body:
        raise MalformedBody("the body is empty")
    return body


def _too_large(most: int) -> BodyTooLarge:
    return BodyTooLarge(f"this server takes bodies of up to {most} bytes")


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


async def read_json(request: Request, model: type[Model]) -> Model:
    """Read and validate a JSON body; a large one off the event loop."""
    return (await read_json_and_size(request, model))[0]


async def read_json_and_size(request: Request, model: type[Model]) -> tuple[Model, bool]:
    """Do as `read_json` does, and tell whether the body was small enough to be worked on at once."""
    media_type(request, JSON_TYPE)
    body = await read_body(request)
    if len(body) <= _SMALL_BODY:
        return parse_json(model, body), True
    return await in_thread(parse_json, model, body), False
