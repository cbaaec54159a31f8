from __future__ import annotations

from service.keys import DEFAULT_TENANT
from service.storage.identifiers import new_id
from service.storage.registry.jobs import QueueMetrics
from service.storage.registry.registry import Registry
from tests.storage.conftest import Clock


def test_figures_count_what_waits_and_runs_on_each_queue(registry: Registry, clock: Clock) -> None:
    assert registry.jobs.queue_metrics() == {}
    oldest = registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {})
    clock.advance(seconds=10)
    registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {})
    runs = registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}, queue="gpu")
    assert registry.leases.claim(runs.id, 0, "here", 5) == 1
    ended = registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}, queue="gpu")
    registry.jobs.cancel(DEFAULT_TENANT, ended.id)
    assert registry.jobs.queue_metrics() == {
        "cpu": QueueMetrics(2, 0, oldest.created_at),
        "gpu": QueueMetrics(0, 1, None),
    }


def test_a_job_keeps_the_span_that_submitted_it(registry: Registry) -> None:
    parent = f"00-{'ab' * 16}-{'cd' * 8}-01"
    job = registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}, traceparent=parent)
    assert registry.jobs.get_of_any_tenant(job.id).traceparent == parent
    assert registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}).traceparent is None
