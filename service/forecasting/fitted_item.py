"""What a model knows of one item."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.forecasting.missing import fill
from service.forecasting.preparation import model_steps
from service.forecasting.scaling import Scaler, constant_channels, fit_scaler, usual_change
from service.forecasting.series import FloatArray, Series
from service.forecasting.specification import Specification
from service.forecasting.transforms import TRANSFORMS


@dataclass(frozen=True)
class FittedItem:
    """What is known of one item.

    unit: (target,), the usual change over a season, in which interval errors are counted;
    constant: (channel,), True where the training part has one value only; tail: the end of the series, without holes.
    """

    item: str | None
    scaler: Scaler
    unit: FloatArray
    constant: NDArray[np.bool_]
    tail: Series


def fit_item(
    series: Series,
    specification: Specification,
    target_count: int,
    known: FittedItem | None = None,
    unit: FloatArray | None = None,
) -> FittedItem:
    """Fit the scaler on the whole of ``series``, or take it from ``known``; keep the end for forecasts.

    unit: in which errors are counted; by default measured on ``series``.
    """
    filled = fill(series.values, specification.missing).between
    tail = Series(filled, series.item, series.times)
    if known is not None:
        return FittedItem(known.item, known.scaler, known.unit, known.constant, tail)
    transform = TRANSFORMS[specification.transform]
    modelled = model_steps(filled, transform, target_count)
    if unit is None:
        unit = usual_change(transform.to_levels(filled[:, :target_count]), specification.season_length)
    scaler = fit_scaler(specification.scaling, modelled, specification.scaling_range)
    return FittedItem(series.item, scaler, unit, constant_channels(filled), tail)
