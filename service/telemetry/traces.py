"""Spans, created and exported with the OpenTelemetry SDK if its environment variables enable them.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/. The SDK is not imported otherwise.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from service import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

Kind = Literal["server", "consumer", "internal"]

_NAME = "forecast-service"
_FLUSH_SECONDS = 3.0
_MISSING = "traces need OpenTelemetry's SDK: run pip install '.[otel]' in the service's folder"


class Spans:
    """Creates spans; thread-safe."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer(_NAME, __version__)
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def export(cls, exporters: Sequence[str], process: str) -> Self | None:
        """Return an instance that exports its spans to all of `exporters`: otlp, console; None if there are none.

        process: server or trainer. Raises ValueError if the extra is not installed.
        """
        if not exporters:
            return None
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            processors = [BatchSpanProcessor(_exporter(name)) for name in exporters]
        except ImportError as error:
            raise ValueError(_MISSING) from error
        # It would log invalid tracestate headers verbatim, as often as clients send them.
        logging.getLogger("opentelemetry.trace").setLevel(logging.ERROR)
        resource = Resource.create()
        if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": _NAME}))
        resource = resource.merge(Resource({"service.version": __version__, "forecast.process": process}))
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        for one in processors:
            provider.add_span_processor(one)
        return cls(provider)

    def begin(self, name: str, parent: str | None, kind: Kind = "internal", tracestate: str | None = None) -> Span:
        """Start a span.

        parent: traceparent of the parent span; None: start a new trace. kind: whether the span handles a request
        (server), handles a queued job (consumer), or is a part of either (internal).
        """
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind

        carrier = {"traceparent": parent} if parent else {}
        if parent and tracestate:
            carrier["tracestate"] = tracestate
        # Not the current context: the next request of a connection would inherit it.
        context = self._propagator.extract(carrier, Context())
        return self._tracer.start_span(name, context, SpanKind[kind.upper()])

    def stop(self) -> None:
        """Export the remaining spans, within a short timeout."""
        # A collector that does not answer must not delay the shutdown of a process.
        thread = threading.Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
        thread.start()
        thread.join(_FLUSH_SECONDS)


def traceparent_of(span: Span) -> str:
    """Return the traceparent with which a child of the span, in any process, refers to it."""
    found = span.get_span_context()
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"


def finish(span: Span, attributes: Mapping[str, Any], failed: bool = False) -> None:
    """Set the attributes of a span and end it. failed: mark it as an error of the service."""
    from opentelemetry.trace import StatusCode

    span.set_attributes({name: value for name, value in attributes.items() if value is not None})
    if failed:
        span.set_status(StatusCode.ERROR)
    span.end(time.time_ns())


def _exporter(name: str) -> SpanExporter:
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()
