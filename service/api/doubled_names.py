"""Names that stand twice in one JSON object: readers disagree on which counts (RFC 8259, section 4), so none does.

The parser keeps the last one and tells nothing. But each name has one colon outside of all texts, so a document has a
doubled one exactly where it has more such colons than the parsed objects have names; counting costs a forecast a
microsecond.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel

from service.errors import MalformedBody

_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def refuse_doubled_names(body: bytes, parsed: BaseModel) -> None:
    """Raise MalformedBody, with the name, where an object has it twice.

    body: valid JSON; parsed: what was read from it. A name that validation left out or gave again costs a look at the
    whole body, and changes nothing else.
    """
    colons = body.count(b":")
    # Nothing is nested in what is asked most.
    if colons == len(parsed.model_fields_set):
        return
    names = _names(parsed)
    if colons == names or _TEXT.sub(b"", body).count(b":") == names:
        return
    json.loads(body, object_pairs_hook=_refuse_doubled, parse_int=_no_number, parse_float=_no_number)


def _names(value: Any) -> int:
    """Count the names of all objects in a value; a list of numbers, texts or nulls is not gone through."""
    if isinstance(value, BaseModel):
        told = value.model_fields_set
        return len(told) + sum(_names(one) for name, one in value.__dict__.items() if name in told)
    if isinstance(value, dict):
        return len(value) + sum(map(_names, value.values()))
    if isinstance(value, list) and value and isinstance(value[0], BaseModel):
        return sum(map(_names, value))
    return 0


def _no_number(_: str) -> int:
    return 0


def _refuse_doubled(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise MalformedBody(f"the body has the name {name[:60]!r} twice in one object: send it once")
        seen.add(name)
