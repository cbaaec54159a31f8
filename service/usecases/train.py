"""Accepting a training, or telling what it would choose."""

from __future__ import annotations

import logging
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from service.errors import JobNotFound, Overloaded, QuotaExceeded, ServiceError, TooManyJobs, Unavailable
from service.forecasting.config.options import TrainOptions
from service.forecasting.series.series import Panel
from service.forecasting.training.planning import Plan, plan_training
from service.queue.tickets import ticket_of
from service.storage.files.model_codec import TrainingInput, training_input_file
from service.storage.identifiers import new_id
from service.storage.registry.entries import JobEntry, QueueName
from service.telemetry import context
from service.usecases.context import Resources

logger = logging.getLogger(__name__)


# Rows of all items times weights of one network: the multiplications of one pass over the data, up to a constant.
# Unmeasured until a GPU is at hand: a guess, some seconds of training on one core. benchmarks/gpu.py finds the place.
_WORTH_A_GPU = 1_000_000_000


def is_large(plan: Plan) -> bool:
    """Tell whether a training is worth a GPU where there is one."""
    return work(plan) >= _WORTH_A_GPU


def work(plan: Plan) -> int:
    """Return the rows of all items times the weights of one network."""
    from service.forecasting.networks.architecture import NetworkShape

    specification = plan.choice.specification
    shape = NetworkShape.of(specification.network, len(plan.panel.columns), specification.output_chunk_length)
    return shape.size * sum(len(one) for one in plan.panel)


def choose_queue(served: AbstractSet[QueueName], plan: Plan) -> QueueName:
    """Choose a queue for a training: large ones wait for a GPU where some trainer has one, all where all have."""
    if "gpu" in served and ("cpu" not in served or is_large(plan)):
        return "gpu"
    return "cpu"


_RETRY_SECONDS = 5


@dataclass(frozen=True)
class TrainingRequest:
    """A series that was read, and what to do with it.

    series: what was understood of it; idempotency: the client's key and a hash of the whole request.
    """

    panel: Panel
    options: TrainOptions
    name: str | None
    series: dict[str, Any]
    warnings: tuple[str, ...]
    idempotency: tuple[str, str] | None = None


def plan(resources: Resources, request: TrainingRequest) -> Plan:
    """Check everything that can be checked without training, and choose what was left open.

    Raises InvalidInput and what is below it.
    """
    resources.limits.check_options(request.options)
    resources.limits.check_panel(request.panel, ("series",))
    return plan_training(request.panel, request.options)


def try_out(resources: Resources, request: TrainingRequest) -> Plan:
    """Decide all that `plan` does, and which future covariates to use. Raises as `plan` does."""
    from service.forecasting.training.covariate_selection import select_covariates

    return select_covariates(plan(resources, request))


def submit_training(resources: Resources, tenant: str, request: TrainingRequest, planned: Plan) -> JobEntry:
    """Accept a tenant's training: store what it trains on, register model and job, queue it.

    A known idempotency key of the tenant answers the job it started. planned: by `plan`. Raises IdempotencyKeyReused,
    QuotaExceeded, TooManyJobs, Overloaded, Unavailable.
    """
    try:
        return _earlier(resources, tenant, request) or _submit(resources, tenant, request, planned)
    except (Overloaded, QuotaExceeded, TooManyJobs):
        # The same request may have come twice at once, and have taken the last place.
        earlier = _earlier(resources, tenant, request)
        if earlier is None:
            raise
        return earlier


def _earlier(resources: Resources, tenant: str, request: TrainingRequest) -> JobEntry | None:
    """Return the job that the request's idempotency key has started. Raises IdempotencyKeyReused."""
    if request.idempotency is None:
        return None
    return resources.registry.find_idempotent(tenant, *request.idempotency)


def _submit(resources: Resources, tenant: str, request: TrainingRequest, planned: Plan) -> JobEntry:
    if resources.registry.count_unfinished() >= resources.limits.max_queued_jobs:
        raise Overloaded("too many trainings are waiting already; try again later", retry_after=_RETRY_SECONDS)
    model_id, job_id = new_id(), new_id()
    content = TrainingInput(
        model_id, request.name, request.panel, request.options, request.series, request.warnings, tenant
    )
    file = training_input_file(content)
    # Before anything is stored; and again with the job, for others may come in between.
    resources.registry.check_quota(tenant, resources.limits.quota, len(file), training=True)
    queue = choose_queue(resources.registry.served_queues(), planned)
    resources.store.put_training_input(job_id, file)
    try:
        job = resources.registry.create_training(
            tenant,
            model_id,
            job_id,
            request.name,
            {"series": request.series},
            request.idempotency,
            queue,
            context.traceparent.get(),
            len(file),
            resources.limits.quota,
        )
    except Unavailable as error:
        job = _job_after_all(resources, tenant, job_id, error)
    except ServiceError:
        resources.store.delete_training_input(job_id)
        raise
    if job.id != job_id:  # another request with the same key came first
        resources.store.delete_training_input(job_id)
        return job
    with context.about_job(job.id):
        logger.info("the job is accepted")
        resources.queue.submit([ticket_of(job)])
    return job


def _job_after_all(resources: Resources, tenant: str, job_id: str, error: Unavailable) -> JobEntry:
    """Return a job whose registration got no answer, for it may be there all the same; else raise the error.

    While nobody can tell, its input stays: a job that is there could only fail without.
    """
    with suppress(Unavailable):
        try:
            return resources.registry.job_of(tenant, job_id)
        except JobNotFound:
            resources.store.delete_training_input(job_id)
    raise error
