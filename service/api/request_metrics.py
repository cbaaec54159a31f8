"""Observe every request: its duration and status as metrics, a line in the log at level `debug`, a span."""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.request_context import STATUS
from service.telemetry import context
from service.telemetry.traces import Spans, finish, traceparent_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span

logger = logging.getLogger(__name__)

UNMATCHED = "unmatched"
"""The route of all paths without a route, and of requests that were refused before routing."""

_METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE"))
_OTHER_METHOD = "_OTHER"
_DOCUMENT = "/openapi.json"
# OpenTelemetry's buckets, with finer ones for forecasts and longer ones for requests that wait for a training.
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_BOUNDS = (*(f"{bound:g}" for bound in _SECONDS), "+Inf")


class _Durations:
    """Histogram of the durations of requests with one method, route and status; the last bound is infinity."""

    def __init__(self) -> None:
        self.counts = [0] * (len(_SECONDS) + 1)
        self.total = 0.0


class RequestMetrics(Collector):
    """Middleware that observes all requests. All of them run on one event loop, so no lock is needed.

    Metrics are named after OpenTelemetry's conventions:
    https://opentelemetry.io/docs/specs/semconv/http/http-metrics/. Their labels take no value that a client can choose.
    A histogram of the Prometheus client library would cost several times as much per forecast.
    """

    def __init__(self, app: ASGIApp, registry: CollectorRegistry, spans: Spans | None) -> None:
        self._app = app
        self._spans = spans
        self._durations: dict[tuple[str, str, int], _Durations] = {}
        self._active = Counter(GET=0, POST=0)
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Return the durations of requests and the number of active ones; may be called from any thread."""
        name, meaning = "http_server_active_requests", "Requests that are being handled."
        active = GaugeMetricFamily(name, meaning, labels=["http_request_method"])
        for method, number in self._active.copy().items():
            active.add_metric([method], number)
        yield active
        seconds = HistogramMetricFamily(
            "http_server_request_duration_seconds",
            "Duration of requests, from their head to the end of the response.",
            labels=["http_request_method", "http_route", "http_response_status_code"],
        )
        for (method, route, status), found in self._durations.copy().items():
            buckets = zip(_BOUNDS, accumulate(found.counts.copy()), strict=True)
            # No status if the client disconnected before there was one.
            seconds.add_metric([method, route, str(status or "")], list(buckets), found.total)
        yield seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, and record it."""
        begun = time.perf_counter()
        method = scope["method"] if scope["method"] in _METHODS else _OTHER_METHOD
        self._active[method] += 1
        span = self._enter(scope, method)
        try:
            await self._app(scope, receive, send)
        finally:
            self._active[method] -= 1
            self._leave(scope, method, scope.get(STATUS, 0), time.perf_counter() - begun, span)

    def _leave(self, scope: Scope, method: str, status: int, seconds: float, span: Span | None) -> None:
        route = _route_of(scope)
        key = method, route, status
        durations = self._durations.get(key) or self._durations.setdefault(key, _Durations())
        durations.counts[bisect_left(_SECONDS, seconds)] += 1
        durations.total += seconds
        if span is not None:
            is_matched = route != UNMATCHED
            span.update_name(f"{method} {route}" if is_matched else method)
            attributes = {
                "http.request.method": method,
                "http.route": route if is_matched else None,
                "http.response.status_code": status or None,
                "url.scheme": scope.get("scheme"),
                "network.protocol.version": scope.get("http_version"),
                "forecast.request_id": context.request_id.get(),
            }
            finish(span, attributes, failed=status >= 500)
        if logger.isEnabledFor(logging.DEBUG):
            # Neither path nor query: a client may have put anything there.
            logger.debug("%s %s: %s in %.1f ms", method, route, status or "no answer", 1000 * seconds)

    def _enter(self, scope: Scope, method: str) -> Span | None:
        """Make the request part of the client's trace, or of a span of ours within it."""
        sent = context.read_traceparent(_header(scope, b"traceparent"))
        # Set even if there is no header: the context may be that of the previous request on the connection.
        context.traceparent.set(sent)
        if self._spans is None:
            return None
        span = self._spans.begin(method, sent, "server", _header(scope, b"tracestate"))
        context.traceparent.set(traceparent_of(span))
        return span


def _header(scope: Scope, wanted: bytes) -> str | None:
    """Return a header; None if it is missing, or sent several times."""
    found = [value for name, value in scope["headers"] if name == wanted]
    return bytes(found[0]).decode("latin-1") if len(found) == 1 else None


def _route_of(scope: Scope) -> str:
    """Return the path template of the route that answered."""
    found: str | None = getattr(scope.get("route"), "path", None)
    # The only route that FastAPI does not record in the scope.
    return found or (_DOCUMENT if scope["path"] == _DOCUMENT else UNMATCHED)
