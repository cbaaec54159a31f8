"""How a route gets at what it works with."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from service.keys import Grant
from service.usecases.resources import Resources

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def resources_of(request: Request) -> Resources:
    """Return what app.py has wired."""
    resources: Resources = request.app.state.resources
    return resources


def tenant_of(request: Request) -> str:
    """Return whose request it is, as `access` has found; what it has not let through has none."""
    caller: Grant = request.scope["caller"]
    return caller.tenant


async def in_thread(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Run a use case off the event loop, which is never to wait for a model, the database or a disk."""
    return await run_in_threadpool(function, *args, **kwargs)
