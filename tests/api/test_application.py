"""Routes that are called before FastAPI's routers are asked."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Request, Response
from starlette.middleware import Middleware

from service.api.application import Application, DirectRoute
from service.api.output import problems
from service.api.output.problems import ProblemResponses
from service.api.request_context import RequestId
from service.errors import ModelNotFound

router = APIRouter(route_class=DirectRoute)


@router.post("/forecast", response_model=None)
async def direct(request: Request) -> Response:
    """Answer what was sent."""
    body = await request.body()
    if body == b"error":
        raise ModelNotFound("no such model")
    return Response(body, headers={"Came": "directly" if "router" not in request.scope else "through the router"})


def new_application() -> Application:
    app = Application([Middleware(RequestId), Middleware(ProblemResponses)])
    app.include_routers([router])
    return app


def answer(method: str, path: str, body: bytes = b"") -> httpx.Response:
    app = new_application()
    problems.install(app)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.request(method, path, content=body)

    return asyncio.run(ask())


def test_neither_router_nor_middleware_is_asked() -> None:
    response = answer("POST", "/forecast", b"sent")
    assert (response.status_code, response.content, response.headers["Came"]) == (200, b"sent", "directly")
    assert response.headers["X-Request-ID"]


def test_an_error_is_answered_as_on_other_routes() -> None:
    response = answer("POST", "/forecast", b"error")
    assert (response.status_code, response.json()["detail"]) == (404, "no such model")
    assert response.json()["request_id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/forecast", 405), ("POST", "/forecast/", 307), ("POST", "/other", 404)]
)
def test_all_else_goes_the_common_way(method: str, path: str, status: int) -> None:
    assert answer(method, path).status_code == status


def test_the_route_is_documented() -> None:
    app = new_application()
    described: dict[str, Any] = app.openapi()
    assert list(described["paths"]["/forecast"]) == ["post"]
