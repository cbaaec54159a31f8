"""Accept a training, report what it would choose, or cancel it."""

from __future__ import annotations

import logging
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from service.errors import (
    JobNotFound,
    Overloaded,
    QuotaExceeded,
    RetrainingRunning,
    ServiceError,
    TooManyJobs,
    Unavailable,
)
from service.forecasting.config.options import TrainOptions
from service.forecasting.series.series import Panel
from service.forecasting.training.planning import Plan, plan_training
from service.queue.tickets import ticket_of
from service.storage.files.cleanup import clear_away
from service.storage.files.model_codec import Retraining, TrainingInput, training_input_file
from service.storage.identifiers import new_id
from service.storage.registry.entries import JobEntry, QueueName
from service.telemetry import context
from service.usecases.resources import Resources
from service.usecases.retraining_policy import RetrainPolicy, policy_columns

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 5
# Rows of all items times weights of one network: the multiplications of one pass over the data, up to a constant.
# An estimate that has not been measured on a GPU: some seconds of training on one core. benchmarks/engines.py measures
# the threshold.
_WORTH_A_GPU = 1_000_000_000


def is_large(plan: Plan) -> bool:
    """Return whether a training is large enough to run on a GPU if there is one."""
    return work(plan) >= _WORTH_A_GPU


def work(plan: Plan) -> int:
    """Return the number of rows of all items times the number of weights of one network."""
    from service.forecasting.networks.architecture import NetworkShape

    specification = plan.choice.specification
    shape = NetworkShape.of(specification.network, len(plan.panel.columns), specification.output_chunk_length)
    return shape.size * sum(len(one) for one in plan.panel)


def choose_queue(served: AbstractSet[QueueName], plan: Plan) -> QueueName:
    """Return the queue for a training: "gpu" for large trainings if some worker has a GPU, for all if all have one."""
    if "gpu" in served and ("cpu" not in served or is_large(plan)):
        return "gpu"
    return "cpu"


@dataclass(frozen=True)
class TrainingRequest:
    """A parsed series, and how to train on it.

    series: how the series was interpreted; idempotency: the client's key and a hash of the whole request; adaptive:
    whether intervals adapt to observed values; retrain: when the model is retrained by itself; retraining: None unless
    the model is retrained from another.
    """

    panel: Panel
    options: TrainOptions
    name: str | None
    series: dict[str, Any]
    warnings: tuple[str, ...]
    idempotency: tuple[str, str] | None = None
    adaptive: bool = False
    retrain: RetrainPolicy | None = None
    retraining: Retraining | None = None


def plan(resources: Resources, request: TrainingRequest) -> Plan:
    """Check everything that can be checked without training, and choose the options that were left open.

    Raises InvalidInput and its subclasses.
    """
    resources.limits.check_options(request.options)
    resources.limits.check_panel(request.panel, ("series",))
    return plan_training(request.panel, request.options)


def try_out(resources: Resources, request: TrainingRequest) -> Plan:
    """Do what `plan` does, and also select the future covariates. Raises what `plan` raises."""
    from service.forecasting.training.covariate_selection import select_covariates

    return select_covariates(plan(resources, request))


def submit_training(resources: Resources, tenant: str, request: TrainingRequest, planned: Plan) -> JobEntry:
    """Accept a tenant's training: store its input, register the model and the job, and queue the job.

    If the tenant has already used the idempotency key, return the job that it started. planned: the result of `plan`.
    Raises IdempotencyKeyReused, QuotaExceeded, TooManyJobs, Overloaded, Unavailable, and for a retraining what
    `open_line` raises.
    """

    def earlier() -> JobEntry | None:
        key = request.idempotency
        return resources.registry.jobs.find_idempotent(tenant, *key) if key is not None else None

    try:
        return earlier() or _submit(resources, tenant, request, planned)
    except (Overloaded, QuotaExceeded, TooManyJobs, RetrainingRunning):
        # The same request may have arrived twice at once, and the other one may have taken the last place.
        if (found := earlier()) is not None:
            return found
        raise


def _submit(resources: Resources, tenant: str, request: TrainingRequest, planned: Plan) -> JobEntry:
    if resources.registry.jobs.count_unfinished() >= resources.limits.settings.max_queued_jobs:
        raise Overloaded("too many trainings are waiting; try again later", retry_after=_RETRY_SECONDS)
    model_id, job_id = new_id(), new_id()
    content = TrainingInput(
        model_id,
        request.name,
        request.panel,
        request.options,
        request.series,
        request.warnings,
        tenant,
        request.retraining,
    )
    file = training_input_file(content)
    # Checked before anything is stored, and again on insertion, as concurrent requests may add jobs in between.
    resources.registry.check_quota(tenant, resources.limits.quota, len(file), training=True)
    queue = choose_queue(resources.registry.leases.served_queues(), planned)
    resources.store.put_training_input(job_id, file)
    try:
        job = resources.registry.jobs.create(
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
            {"adaptive": request.adaptive, **policy_columns(request.retrain, resources.registry.clock())},
            None if request.retraining is None else request.retraining.parent,
        )
    except Unavailable as error:
        job = _job_after_all(resources, tenant, job_id, error)
    except ServiceError:
        resources.store.delete_training_input(job_id)
        raise
    if job.id != job_id:  # another request with the same key was first
        resources.store.delete_training_input(job_id)
        return job
    with context.about_job(job.id):
        logger.info("the job is accepted")
        resources.queue.submit([ticket_of(job)])
    return job


def _job_after_all(resources: Resources, tenant: str, job_id: str, error: Unavailable) -> JobEntry:
    """Return a job whose registration was not confirmed, if it exists after all; else raise the error.

    While this cannot be determined, its input is kept: a registered job would fail without it.
    """
    with suppress(Unavailable):
        try:
            return resources.registry.jobs.get(tenant, job_id)
        except JobNotFound:
            resources.store.delete_training_input(job_id)
    raise error


def cancel_training(resources: Resources, tenant: str, job_id: str) -> None:
    """Cancel a tenant's job permanently. Raises JobNotFound, JobFinished."""
    resources.registry.jobs.cancel(tenant, job_id)
    resources.queue.cancel(job_id)
    clear_away(resources.registry, resources.store, job_id)
