"""Start the networks of a retrained model from the weights of its parent.

The parent has seen the rows that it was trained on, so nothing may be scored, nor any fit stopped, on them: a warm
start needs splits after these rows. A share of the new rows is held out where the usual splits are too early.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from service.forecasting.config.options import ValidationFraction
from service.forecasting.networks.architecture import Network
from service.forecasting.preprocessing.splits import Split
from service.forecasting.series.series import Panel
from service.forecasting.training.comparison import Parent
from service.forecasting.training.planning import Plan

# What the inputs of a network, and the meaning of its weights, depend on; it forecasts after a context of any length.
_OF_WEIGHTS = (
    "network",
    "output_chunk_length",
    "scaling",
    "scaling_range",
    "transform",
    "centering",
    "missing",
    "calendar",
    "future_covariates",
    "categories",
    "constant_covariates",
)
# Where fewer rows are new, or fewer times the horizon, too little could be held out of them.
_FEWEST_NEW, _HORIZONS = 40, 4


def warm_started(plan: Plan, parent: Parent, panel: Panel) -> tuple[Plan, tuple[Network, ...]]:
    """Return a plan whose held out parts the parent has not seen, and the networks to start from.

    panel: that of the request, in which the rows that the parent has seen are counted. There are no networks, and the
    plan is unchanged, where the parent's have another meaning, or where too few rows are new to it.
    """
    if not _has_same_networks(plan, parent):
        return plan, ()
    splits = []
    for one, split, long, seen in zip(panel, plan.splits, plan.long, parent.seen, strict=True):
        moved = _after(split, seen - (len(one) - split.length), plan) if long else split
        if moved is None:
            return plan, ()
        splits.append(moved)
    if tuple(splits) == plan.splits:
        return plan, parent.forecaster.networks
    scored = sum(one.length - one.test for one in splits)
    warning = f"scored on the newest {scored} rows, over all items: older ones were known to the model it started from"
    return replace(plan, splits=tuple(splits), warnings=(*plan.warnings, warning)), parent.forecaster.networks


def _has_same_networks(plan: Plan, parent: Parent) -> bool:
    """Return whether the plan trains networks with the inputs and the shape of the parent's."""
    ours, theirs = plan.choice.specification, parent.forecaster.specification
    return (
        "network" in ours.candidates
        and len(parent.forecaster.networks) == ours.training.ensemble_size
        and ours.training.objective == theirs.training.objective
        and _columns(plan.panel.targets, plan.panel.covariates)
        == _columns(parent.forecaster.targets, parent.forecaster.covariates)
        and all(getattr(ours, name) == getattr(theirs, name) for name in _OF_WEIGHTS)
    )


def _columns(targets: Sequence[str], covariates: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(targets), tuple(covariates)


def _after(split: Split, seen: int, plan: Plan) -> Split | None:
    """Return a split whose held out parts come after the rows that were seen; None where there is no such split."""
    if split.stopping >= seen:
        return split
    specification = plan.choice.specification
    new = split.length - seen
    # A start or a number of steps is what the user wants to see scored.
    is_free = isinstance(specification.validation, ValidationFraction)
    if not is_free or new < max(_FEWEST_NEW, _HORIZONS * specification.horizon):
        return None
    # Half of the new rows teach the first fit what has changed.
    return Split(seen + new // 2, max(split.test, seen + 3 * new // 4), split.length)
