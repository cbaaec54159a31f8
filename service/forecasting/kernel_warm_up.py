"""Load every kernel: compiled at the first start, read from disk at later ones."""

from __future__ import annotations

from typing import get_args

import numpy as np

from service.forecasting.config.options import Cell, MethodName
from service.forecasting.forecaster.blend import MethodBlend
from service.forecasting.forecaster.kernels.contexts import add_network_forecasts, read_contexts
from service.forecasting.methods.catalogue import METHODS
from service.forecasting.methods.kernels.autoregression import is_packed
from service.forecasting.methods.kernels.forecasts import add_method_forecasts
from service.forecasting.networks.architecture import NetworkShape, initial_network
from service.forecasting.networks.engine import Recipe
from service.forecasting.networks.engine_choice import engine_for
from service.forecasting.networks.kernels.training import gather, loss_and_gradient, seed_dropout, train_epoch
from service.forecasting.preprocessing.kernels.late_steps import larger_steps
from service.forecasting.prior.recipe import Seasonality
from service.forecasting.prior.weights import load_prior
from service.forecasting.series.series import FloatArray


def warm_rollouts() -> None:
    """Load the kernels of rollouts."""
    for cell in get_args(Cell):
        network = initial_network(NetworkShape(cell, 1, 2, 1, 1), seed=0)
        engine_for("numba").predictor([network], Recipe(False, True)).predict(np.zeros((1, 2, 1), np.float32), 2)


def warm_methods() -> None:
    """Load the kernels that read and forecast with fitted simple methods, of which one call compiles all."""
    name: MethodName = "naive"
    method, values = METHODS[name], _seasonal_values()
    parameters = method.fit(values, 4)
    is_packed(parameters)
    method.forecast(parameters, values, np.array([len(values) - 1]), 1, 4)
    methods = MethodBlend.of([{name: (parameters,)}], [name], np.ones((1, 1)))
    stops = np.array([len(values)])
    add_method_forecasts(
        values[:, None].copy(), stops, np.zeros(1, np.int64), stops - 1, *methods, 4, 1000, False, 0.1,
        np.zeros((1, 1, 1)),
    )  # fmt: skip


def warm_fits() -> None:
    """Load the kernels that fit simple methods."""
    for method in METHODS.values():
        method.fit(_seasonal_values(), 4)


def _seasonal_values() -> FloatArray:
    return np.tile(np.arange(1.0, 5.0), 8)


def warm_contexts() -> None:
    """Load the kernels that look for late steps, read contexts and add up the forecasts of networks."""
    larger_steps(np.ones(30), 4, 19, 1.2, np.zeros(7, np.int64))
    origins, no_gaps, stops = np.zeros(1, np.int64), np.empty((0, 1), np.int64), np.array([3])
    values, numbers, last = np.ones((3, 1)), np.ones((1, 1)), np.ones((1, 1))
    read_contexts(
        values, values, no_gaps, stops, origins, stops - 1, numbers, numbers, False, False, 1.0,
        np.zeros((1, 2, 1), np.float32), last, np.ones(1),
    )  # fmt: skip
    total, constant = np.zeros((1, 2, 1)), np.zeros((1, 1), np.bool_)
    add_network_forecasts(total.copy(), origins, origins, numbers, numbers, last, constant, np.ones(1), False, total)


def warm_prior() -> None:
    """Load the kernel that forecasts with the prior."""
    load_prior().quantiles(np.ones(3), np.zeros(1, np.int64), np.full(1, 2), Seasonality(1), 1)


def warm_training() -> None:
    """Load the kernels of trainings."""
    seed_dropout(0)
    shape = NetworkShape("gru", 1, 2, 1, 1)
    weights = initial_network(shape, seed=0).weights
    values, starts, ends = np.zeros((4, 1), np.float32), np.zeros(1, np.int64), np.full(1, 4, np.int64)
    batch = gather(values, values, starts, ends, 1, 1, 1, True)
    loss_and_gradient(shape.code, weights, weights, 1, 2, shape.gates, *batch, 0, 0, 0.0, False)
    moments = np.zeros_like(weights)
    train_epoch(
        shape.code, 1, 2, shape.gates, weights, moments, moments.copy(), values, values, starts, ends,
        1, 1, 1, 1, True, 0, 0, 0.0, 0, np.zeros(1), 0, 0.0, 0.0,
    )  # fmt: skip


WARM_UPS = {
    "rollouts": warm_rollouts,
    "contexts": warm_contexts,
    "methods": warm_methods,
    "prior": warm_prior,
    "fits": warm_fits,
    "training": warm_training,
}
"""What loads each group of kernels; forecasts need the first four, trainings need all."""
