"""FastAPI behind a list of ASGI middleware, with routes that bypass FastAPI's routing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.name_paths import keep_names_encoded
from service.api.output.problems import error_response
from service.errors import ServiceError

logger = logging.getLogger(__name__)

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class DirectRoute(APIRoute):
    """A route that is documented like any other, but whose endpoint receives the request itself.

    The endpoint is ``async (request) -> Response``: FastAPI resolves no parameters for it.
    """

    def get_route_handler(self) -> Endpoint:
        """Return the endpoint itself."""
        endpoint: Endpoint = self.endpoint
        return endpoint


class Application(FastAPI):
    """FastAPI behind middleware; a `DirectRoute` is called without FastAPI's routing.

    FastAPI's routing costs as much as a forecast. A request that does not match the path and method of a direct route
    exactly is routed by FastAPI, which has the same routes.
    """

    _direct: Mapping[tuple[str, str], DirectRoute] = MappingProxyType({})

    def __init__(self, admission: Sequence[Middleware], **options: Any) -> None:
        """Build the application from the middleware for HTTP requests, outermost first, and FastAPI's options.

        methods_of_paths: the methods of each path without parameters.
        """
        super().__init__(**options)
        self.methods_of_paths: dict[str, set[str]] = {}
        admitted: ASGIApp = self._route
        for middleware, arguments, keywords in reversed(admission):
            admitted = middleware(admitted, *arguments, **keywords)
        self._admitted = admitted

    def include_routers(self, routers: Sequence[APIRouter]) -> None:
        """Include routers and register their direct routes."""
        for router in routers:
            self.include_router(router)
            for route in router.routes:
                if isinstance(route, APIRoute) and not route.param_convertors:
                    self.methods_of_paths.setdefault(route.path, set()).update(route.methods or ())
        self._direct = {
            (route.path, method): route
            for router in routers
            for route in router.routes
            if isinstance(route, DirectRoute)
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http":
            scope["app"] = self
            keep_names_encoded(scope)
            await self._admitted(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "there are no websockets here"})
        else:
            await super().__call__(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._direct.get((scope["path"], scope["method"]))
        if route is None:
            await super().__call__(scope, receive, send)
            return
        scope["route"] = route
        request = Request(scope, receive)
        try:
            response = await route.endpoint(request)
        except ServiceError as error:
            response = error_response(error, request)
        except Exception as error:
            logger.exception("unexpected error in a request of %s", route.path)
            response = error_response(error, request)
        await response(scope, receive, send)
