"""The role that each route needs: one closed table. A route that is not in it is refused to everybody."""

from __future__ import annotations

import logging
from types import MappingProxyType

from starlette.routing import Match, compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import NotPermitted
from service.keys import Role
from service.web.assets import ASSETS

logger = logging.getLogger(__name__)

PROBES = frozenset({"/livez", "/readyz"})
"""Always answered, under any host name and any load: orchestrators call a server by its address."""

OPEN = (
    frozenset(ASSETS)
    | PROBES
    | {
        "/docs",
        "/openapi.json",
        "/swagger/swagger-ui-bundle.js",
        "/swagger/swagger-ui.css",
        "/swagger/favicon-32x32.png",
    }
)
"""Paths that need no key, with GET or HEAD: they hold no data."""

NEEDED: MappingProxyType[tuple[str, str], Role] = MappingProxyType(
    {
        ("POST", "/forecast"): "read",
        ("POST", "/forecast/batch"): "read",
        ("POST", "/backtest"): "read",
        ("GET", "/models"): "read",
        ("GET", "/models/zero-shot"): "read",
        ("GET", "/models/{model_id}"): "read",
        ("GET", "/models/{model_id}/file"): "read",
        ("GET", "/models/{model_id}/observations"): "read",
        ("GET", "/models/{model_id}/monitoring"): "read",
        ("POST", "/models/{model_id}/observations"): "train",
        ("POST", "/observations/batch"): "train",
        ("DELETE", "/models/{model_id}/observations"): "train",
        ("GET", "/names"): "read",
        ("GET", "/names/{name}"): "read",
        ("GET", "/names/{name}/observations"): "read",
        ("GET", "/names/{name}/monitoring"): "read",
        ("POST", "/names/{name}/observations"): "train",
        ("DELETE", "/names/{name}/observations"): "train",
        ("GET", "/jobs"): "read",
        ("GET", "/jobs/{job_id}"): "read",
        ("GET", "/jobs/{job_id}/events"): "read",
        ("POST", "/train"): "train",
        ("POST", "/csv"): "train",
        ("POST", "/models"): "train",
        ("PATCH", "/models/{model_id}"): "train",
        ("POST", "/models/{model_id}/retrain"): "train",
        ("POST", "/names/{name}/retrain"): "train",
        ("POST", "/names/{name}/promote"): "train",
        ("POST", "/names/{name}/rollback"): "train",
        ("POST", "/names/{name}/follow"): "train",
        ("DELETE", "/jobs/{job_id}"): "train",
        ("DELETE", "/models/{model_id}"): "admin",
        ("GET", "/metrics"): "admin",
    }
)
"""The role required by each method of each route."""

_EXACT = {key: role for key, role in NEEDED.items() if "{" not in key[1]}
_PATTERNS = [(method, compile_path(path)[0], role) for (method, path), role in NEEDED.items() if "{" in path]


def is_open(method: str, path: str) -> bool:
    """Return whether no key is needed."""
    return path in OPEN and method in ("GET", "HEAD")


def needed_role(method: str, path: str) -> Role | None:
    """Return the role that a request needs, or None if the table has no such route. Paths match as in the router."""
    method = "GET" if method == "HEAD" else method
    role = _EXACT.get((method, path))
    if role is not None:
        return role
    return next((role for verb, pattern, role in _PATTERNS if verb == method and pattern.match(path)), None)


class Permission:
    """Middleware that checks whether the caller's role allows the route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request. Raises NotPermitted."""
        if (caller := scope.get("caller")) is not None:
            needed = needed_role(scope["method"], scope["path"])
            if needed is None:
                _refuse_unlisted(scope)
            elif not caller.allows(needed):
                raise NotPermitted(
                    f"the key has the role {caller.role}, and this needs {needed}: use a key with the role {needed}"
                )
        await self._app(scope, receive, send)


def _refuse_unlisted(scope: Scope) -> None:
    """Raise NotPermitted for a route that the table lacks; for a path without a route, the router answers 404."""
    found = next((route for route in scope["app"].routes if route.matches(scope)[0] is Match.FULL), None)
    if found is not None:
        # Not the path: a client may have put anything there.
        logger.error("%s %s is in no table of permissions and is refused", scope["method"], getattr(found, "path", "?"))
        raise NotPermitted("the server has no permission rule for this route and refuses it to everybody")
