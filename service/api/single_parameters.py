"""Parameters of a query that count once: of two, one would be taken, and nobody told which."""

from __future__ import annotations

from fastapi import Request
from fastapi.routing import APIRoute

from service.errors import Fault, InvalidInput


async def refuse_repeated(request: Request) -> None:
    """Raise InvalidInput where a parameter that the route declares is given more than once.

    A coroutine, for FastAPI hands others to threads, which may all be waiting.
    """
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    for name in (one.alias for one in route.dependant.query_params):
        times = len(request.query_params.getlist(name))
        if times > 1:
            detail = f"{name} is given {times} times: give it once"
            raise InvalidInput(detail, [Fault((name,), detail)])
