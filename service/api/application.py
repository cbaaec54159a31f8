"""Routes that must cost no more than their request: answered before FastAPI's routers are asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from service.api.output.problems import bug_problem, problem_response, service_problem
from service.api.request_context import with_request_id
from service.api.request_metrics import RequestObserver
from service.api.security.admission import Load
from service.api.security.authentication import Access, challenge, unshared
from service.api.security.permissions import PROBES, is_open
from service.api.security.rate_limit import RequestRate
from service.errors import Overloaded, ServiceError

logger = logging.getLogger(__name__)

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class DirectRoute(APIRoute):
    """A route like the others in the API's documents, whose endpoint takes the request as it is.

    The endpoint is ``async (request) -> Response``: FastAPI has no parameters to resolve for it.
    """

    def get_route_handler(self) -> Endpoint:
        """Return the endpoint itself."""
        endpoint: Endpoint = self.endpoint
        return endpoint


class Application(FastAPI):
    """FastAPI behind `Access`, and a `DirectRoute` is called at once, without asking every router and middleware first.

    Finding a route through FastAPI's layers costs as much as a forecast. Whatever is not exactly the path and method of
    a direct route goes the common way, and finds the same routes there.
    """

    _direct: Mapping[tuple[str, str], DirectRoute] = MappingProxyType({})
    observer: RequestObserver | None = None
    """Is shown every request."""

    def __init__(self, access: Access, rate: RequestRate, load: Load, **options: Any) -> None:
        """Take who decides on each request before anything else sees it, and FastAPI's options."""
        super().__init__(**options)
        self._access = access
        self._rate = rate
        self.state.load = self._load = load

    def include_routers(self, routers: Sequence[APIRouter]) -> None:
        """Include routers, and remember which of their routes are direct."""
        for router in routers:
            self.include_router(router)
        self._direct = {
            (route.path, method): route
            for router in routers
            for route in router.routes
            if isinstance(route, DirectRoute)
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection: only what `Access` admits is handed to any route."""
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008, "reason": "there are no websockets here"})
        elif self.observer is None:
            await self._answer(scope, receive, send)
        else:
            await self.observer.observe(self._answer, scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PROBES and is_open(scope["method"], scope["path"]):
            # However much there is to do.
            await self._route(scope, receive, send)
            return
        try:
            with self._load.request() as tally:
                scope["body_tally"] = tally
                await self._admit(scope, receive, send)
        except Overloaded as error:
            await _refuse(error, scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._access.admit(scope, self.routes)
            if "caller" in scope:
                self._rate.count(scope["caller"])
                send = unshared(send)
        except ServiceError as error:
            await _refuse(error, scope, receive, send)
            return
        await self._route(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._direct.get((scope["path"], scope["method"]))
        if route is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"], scope["route"] = self, route
        send = with_request_id(scope, send)
        request = Request(scope, receive)
        try:
            response = await route.endpoint(request)
        except ServiceError as error:
            response = service_problem(error, request)
        except Exception:
            logger.exception("a bug met a request of %s", route.path)
            response = bug_problem(request)
        await response(scope, receive, send)


async def _refuse(error: ServiceError, scope: Scope, receive: Receive, send: Send) -> None:
    send = with_request_id(scope, send)
    response = problem_response(error, Request(scope, receive))
    response.headers.update(challenge(error))
    await response(scope, receive, send)
