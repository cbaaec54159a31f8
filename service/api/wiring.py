"""How a route gets at what it works with."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from service.api.load import BodyTally, Load
from service.keys import Grant
from service.usecases.model_lookups import ModelLookups
from service.usecases.resources import Resources

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def resources_of(request: Request) -> Resources:
    """Return what app.py has wired."""
    resources: Resources = request.app.state.resources
    return resources


def lookups_of(request: Request) -> ModelLookups:
    """Return what finds models without waiting in a thread."""
    lookups: ModelLookups = request.app.state.lookups
    return lookups


def tenant_of(request: Request) -> str:
    """Return whose request it is, as `access` has found; what it has not let through has none."""
    caller: Grant = request.scope["caller"]
    return caller.tenant


def load_of(request: Request) -> Load:
    """Return what the server has taken on."""
    load: Load = request.app.state.load
    return load


async def in_turn(
    request: Request, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """Run what takes a core in a thread, when it is the request's turn. Raises Overloaded where too many wait."""
    return await load_of(request).work(partial(function, *args, **kwargs))


def forget_body(request: Request) -> None:
    """Count the request's body no longer: nothing of it is in memory, however long the answer takes."""
    tally: BodyTally = request.scope["body_tally"]
    tally.forget()


async def in_thread(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Run a use case off the event loop, which is never to wait for the database, the store or a disk."""
    return await run_in_threadpool(function, *args, **kwargs)
