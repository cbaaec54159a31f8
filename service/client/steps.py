"""What a client does, step by step, whoever sends: each verb is a generator of steps, and one driver runs them.

So the logic stands once, and `Client` and `AsyncClient` differ in how they send, watch and sleep alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from httpx_sse import ServerSentEvent

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Call:
    """One request; the driver sends the `httpx.Response` back in, or throws `httpx.RequestError`.

    repeatable: sending it twice does no more than sending it once, so it may be sent again where no answer came.
    done: statuses which say, where an earlier answer was lost, that the earlier request has done it.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    done: tuple[int, ...] = ()


@dataclass(frozen=True)
class Watch:
    """Read server-sent events until the stream ends; the driver hands each to ``hear``.

    It throws `httpx.RequestError` where the stream breaks, ServiceError where it is refused.
    """

    path: str
    headers: Mapping[str, str]
    hear: Callable[[ServerSentEvent], None]


@dataclass(frozen=True)
class Pause:
    """Do nothing for so many seconds."""

    seconds: float


Step = Call | Watch | Pause
Steps = Generator[Step, Any, Answer]


def path_of(*parts: str) -> str:
    """Return a path of these parts, whatever is in them."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)
