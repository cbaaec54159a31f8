"""Whether the service can do its work."""

from __future__ import annotations

from service.usecases.resources import Resources


def check_readiness(resources: Resources) -> None:
    """Raise Unavailable, with the reason, where the database or the store does not answer."""
    resources.registry.check()
    resources.store.check_writable()
