"""Which trainings are worth a GPU, and where they wait."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from service.forecasting.planning import Plan
from service.storage.entries import QueueName

# Rows of all items times weights of one network: the multiplications of one pass over the data, up to a constant.
# Unmeasured until a GPU is at hand: a guess, some seconds of training on one core. benchmarks/gpu.py finds the place.
_WORTH_A_GPU = 1_000_000_000


def is_large(plan: Plan) -> bool:
    """Tell whether a training is worth a GPU where there is one."""
    return work(plan) >= _WORTH_A_GPU


def work(plan: Plan) -> int:
    """Return the rows of all items times the weights of one network."""
    from service.forecasting.networks import NetworkShape  # slow to import

    specification = plan.choice.specification
    shape = NetworkShape.of(specification.network, len(plan.panel.columns), specification.output_chunk_length)
    return shape.size * sum(len(one) for one in plan.panel)


def choose_queue(served: AbstractSet[QueueName], plan: Plan) -> QueueName:
    """Choose a queue for a training: large ones wait for a GPU where some trainer has one, all where all have."""
    if "gpu" in served and ("cpu" not in served or is_large(plan)):
        return "gpu"
    return "cpu"
