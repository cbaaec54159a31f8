"""What a server has taken on, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.api.load import Load


class LoadFigures(Collector):
    """Reads a `Load` when it is asked; from any thread."""

    def __init__(self, load: Load) -> None:
        self._load = load

    def describe(self) -> Iterator[Metric]:
        """Name nothing: the load is of an event loop that does not run yet."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Return how many work and wait, what their bodies take, and how often somebody was told to come back."""
        load = self._load
        yield GaugeMetricFamily("forecast_work_running", "Requests that a thread works on.", value=load.working)
        yield GaugeMetricFamily("forecast_work_waiting", "Requests that wait for a thread.", value=load.waiting)
        yield GaugeMetricFamily(
            "forecast_request_bodies_bytes", "Bytes of request bodies in memory.", value=load.bodies_bytes
        )
        refused = CounterMetricFamily(
            "forecast_requests_refused",
            "Requests answered 503 at once, by what there was too much of.",
            labels=["what"],
        )
        for what, number in load.refused.items():
            refused.add_metric([what], number)
        yield refused
