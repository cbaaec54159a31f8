"""Routes whose endpoint takes the request as it is."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute


class RawRoute(APIRoute):
    """A route like the others in the API's documents, called without FastAPI's resolving of parameters.

    The endpoint is ``async (request) -> Response``; it has nothing to resolve, and that costs as much as a forecast.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the endpoint itself."""
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint
