"""What a route can get from its request: resources, tenant, load, threads and the request ID."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from secrets import token_hex
from typing import ParamSpec, TypeVar

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.security.admission import BodyTally, Load
from service.keys import Grant
from service.telemetry import context
from service.usecases.model_lookups import ModelLookups
from service.usecases.resources import Resources

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def resources_of(request: Request) -> Resources:
    """Return the resources that app.py has opened."""
    resources: Resources = request.app.state.resources
    return resources


def lookups_of(request: Request) -> ModelLookups:
    """Return the lookups that find models without waiting in a thread."""
    lookups: ModelLookups = request.app.state.lookups
    return lookups


def tenant_of(request: Request) -> str:
    """Return the tenant of the caller, as set by `Authentication`; open paths have none."""
    caller: Grant = request.scope["caller"]
    return caller.tenant


def author_of(request: Request) -> str | None:
    """Return who makes the request, as ``tenant:role`` of the key; None if the server has no keys."""
    caller: Grant = request.scope["caller"]
    return f"{caller.tenant}:{caller.role}" if caller.digest else None


def load_of(request: Request) -> Load:
    """Return the load of the server."""
    load: Load = request.app.state.load
    return load


async def in_turn(
    request: Request, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """Run CPU-bound work in a thread when it is the request's turn. Raises Overloaded if too many wait."""
    return await load_of(request).work(partial(function, *args, **kwargs))


def forget_body(request: Request) -> None:
    """Stop counting the request's body: it is no longer in memory, however long the answer takes."""
    tally: BodyTally = request.scope["body_tally"]
    tally.forget()


async def in_thread(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Run a use case in a thread: the event loop must never wait for the database, the store or a disk."""
    return await run_in_threadpool(function, *args, **kwargs)


HEADER = "X-Request-ID"
_RAW_HEADER = HEADER.lower().encode()

STATUS = "forecast.status"
"""Key of the response status in a request's scope."""

_SOUND = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestId:
    """Middleware that sets ``request.state.request_id`` and the response's ``X-Request-ID``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        request_id = _sent_id(scope) or token_hex(16).encode()
        text = request_id.decode()
        scope.setdefault("state", {})["request_id"] = text
        context.request_id.set(text)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope[STATUS] = message["status"]
                message["headers"] = [*message["headers"], (_RAW_HEADER, request_id)]
            await send(message)

        await self._app(scope, receive, send_with_id)


def _sent_id(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == _RAW_HEADER:
            return value if _SOUND.fullmatch(value) else None
    return None
