"""Which trainings are worth a GPU."""

from __future__ import annotations

import logging

from service.forecasting.planning import Plan, plan_training
from service.storage.model_store import ModelStore
from service.usecases.model_files import read_training_input

logger = logging.getLogger(__name__)

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


def was_large(store: ModelStore, job_id: str) -> bool:
    """Tell the same of a job that was accepted before, from its stored input."""
    try:
        content = read_training_input(store.get_training_input(job_id))
        return is_large(plan_training(content.panel, content.options))
    except Exception as error:
        logger.warning("job %s: cannot tell how large it is, so it is trained on the CPU: %s", job_id, error)
        return False
