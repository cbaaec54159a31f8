"""Prepare a series without gaps for the network: transform and scale."""

from __future__ import annotations

import numpy as np

from service.forecasting.config.specification import Specification
from service.forecasting.preprocessing.scaling import Scaler
from service.forecasting.preprocessing.transforms import TRANSFORMS, Transform
from service.forecasting.series.series import FloatArray

# The network works in float32, where squares of scaled values must be finite; farther out, sizes mean no more.
FARTHEST = 1e15


def network_inputs(filled: FloatArray, transform: Transform, scaler: Scaler, target_count: int) -> FloatArray:
    """Return what the network reads of values without gaps: (time, channel) to (time - lookback, channel), scaled."""
    return scaler.apply(model_steps(filled, transform, target_count)).clip(-FARTHEST, FARTHEST)


def model_steps(filled: FloatArray, transform: Transform, target_count: int) -> FloatArray:
    """Return what is scaled: (time, channel) to (time - lookback, channel), with covariates unchanged."""
    if not transform.log and not transform.difference:
        return filled
    targets = transform.to_steps(transform.apply(filled[:, :target_count]))
    return np.concatenate([targets, filled[transform.lookback :, target_count:]], axis=-1)


def min_history(specification: Specification) -> int:
    """Return the fewest values from which the network can forecast."""
    return specification.context_length + TRANSFORMS[specification.transform].lookback
