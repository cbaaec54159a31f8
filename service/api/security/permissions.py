"""Who may ask for what: one closed table. What is not in it is refused, to everybody."""

from __future__ import annotations

from types import MappingProxyType

from starlette.routing import compile_path

from service.keys import Role
from service.web.assets import ASSETS

PROBES = frozenset({"/livez", "/readyz"})
"""Answered always, whoever asks under whatever name: orchestrators call a server by its address."""

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
        ("POST", "/backtest"): "read",
        ("GET", "/models"): "read",
        ("GET", "/models/{model_id}"): "read",
        ("GET", "/models/{model_id}/file"): "read",
        ("GET", "/jobs"): "read",
        ("GET", "/jobs/{job_id}"): "read",
        ("GET", "/jobs/{job_id}/events"): "read",
        ("POST", "/train"): "train",
        ("POST", "/models"): "train",
        ("PATCH", "/models/{model_id}"): "train",
        ("DELETE", "/jobs/{job_id}"): "train",
        ("DELETE", "/models/{model_id}"): "admin",
        ("GET", "/metrics"): "admin",
    }
)
"""The role that each method of each route needs."""

_EXACT = {key: role for key, role in NEEDED.items() if "{" not in key[1]}
_PATTERNS = [(method, compile_path(path)[0], role) for (method, path), role in NEEDED.items() if "{" in path]


def is_open(method: str, path: str) -> bool:
    """Tell whether no key is needed."""
    return path in OPEN and method in ("GET", "HEAD")


def needed_role(method: str, path: str) -> Role | None:
    """Return the role that a request needs; None where the table has no such route. Paths match as the router's do."""
    method = "GET" if method == "HEAD" else method
    role = _EXACT.get((method, path))
    if role is not None:
        return role
    return next((role for verb, pattern, role in _PATTERNS if verb == method and pattern.match(path)), None)
