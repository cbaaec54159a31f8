"""Routes that must cost no more than their request: answered before FastAPI's routers are asked."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import service_problem
from service.errors import ServiceError

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class DirectRoute(APIRoute):
    """A route like the others in the API's documents, whose endpoint takes the request as it is.

    The endpoint is ``async (request) -> Response``: FastAPI has no parameters to resolve for it.
    """

    def get_route_handler(self) -> Endpoint:
        """Return the endpoint itself."""
        endpoint: Endpoint = self.endpoint
        return endpoint


class DirectRoutes:
    """Calls the endpoint of a `DirectRoute` as its router would, without asking every router and middleware first.

    Finding a route through FastAPI's nested routers costs as much as a forecast. Whatever is not exactly the path and
    method of such a route goes the common way, and finds the same routes there.
    """

    def __init__(self, app: ASGIApp, routers: Iterable[APIRouter]) -> None:
        self._app = app
        self._endpoints: dict[tuple[str, str], Endpoint] = {
            (route.path, method): route.endpoint
            for router in routers
            for route in router.routes
            if isinstance(route, DirectRoute)
            for method in route.methods
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        endpoint = self._endpoints.get((scope["path"], scope["method"])) if scope["type"] == "http" else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await endpoint(request)
        except ServiceError as error:
            response = service_problem(error, request)
        await response(scope, receive, send)
