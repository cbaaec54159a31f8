from __future__ import annotations

from service.keys import DEFAULT_TENANT
from service.storage.identifiers import new_id
from service.storage.registry.inventory import QueueFigures
from service.storage.registry.registry import Registry
from tests.storage.conftest import Clock


def test_figures_count_what_waits_and_runs_on_each_queue(registry: Registry, clock: Clock) -> None:
    assert registry.queue_figures() == {}
    oldest = registry.create_training(DEFAULT_TENANT, new_id(), new_id(), None, {})
    clock.advance(seconds=10)
    registry.create_training(DEFAULT_TENANT, new_id(), new_id(), None, {})
    runs = registry.create_training(DEFAULT_TENANT, new_id(), new_id(), None, {}, queue="gpu")
    assert registry.claim_job(runs.id, 0, "here", 5) == 1
    ended = registry.create_training(DEFAULT_TENANT, new_id(), new_id(), None, {}, queue="gpu")
    registry.cancel_job(DEFAULT_TENANT, ended.id)
    assert registry.queue_figures() == {
        "cpu": QueueFigures(2, 0, oldest.created_at),
        "gpu": QueueFigures(0, 1, None),
    }


def test_a_job_keeps_the_span_that_submitted_it(registry: Registry) -> None:
    parent = f"00-{'ab' * 16}-{'cd' * 8}-01"
    job = registry.create_training(DEFAULT_TENANT, new_id(), new_id(), None, {}, traceparent=parent)
    assert registry.job(job.id).traceparent == parent
    assert registry.create_training(DEFAULT_TENANT, new_id(), new_id(), None, {}).traceparent is None
