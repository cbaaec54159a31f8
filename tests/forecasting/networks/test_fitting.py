from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.config.options import Objective
from service.forecasting.config.specification import Specification
from service.forecasting.networks.architecture import Network, NetworkShape, initial_network
from service.forecasting.networks.fitting import Fit, FitRun, fit_network, refit_network
from service.forecasting.networks.training_sequences import (
    ItemRows,
    TrainingSequences,
    complete_windows,
    consecutive_sequences,
    overlapping_sequences,
    partial_windows,
)
from service.forecasting.preprocessing.splits import split_series
from service.forecasting.training.defaults import choose
from tests.factories import noisy_sine, options, panel


def recipe(objective: Objective, **training: float) -> Specification:
    one = panel(noisy_sine(120))
    asked = options(training={"objective": objective, "epochs": 10, **training})
    splits = [split_series(series, asked.validation, ("series",)) for series in one]
    return choose(one, splits, asked).specification


def cut(specification: Specification, gap: bool = False) -> tuple[TrainingSequences, TrainingSequences]:
    """Return training and validation sequences; the latter have no values where there is a gap."""
    values = noisy_sine(120)[:, None]
    observed = np.ones_like(values, dtype=bool)
    observed[80:] = not gap
    known, later = [ItemRows(values, observed, 0, 80)], [ItemRows(values, observed, 80, 120)]
    context, chunk = specification.context_length, specification.output_chunk_length
    if specification.training.objective == "windows":
        return complete_windows(known, context, chunk), partial_windows(later, context, chunk)
    return overlapping_sequences(known, context, chunk, 10), consecutive_sequences(later, context, chunk, 10)


def first_and_again(specification: Specification) -> tuple[Fit, Fit]:
    sequences, validation = cut(specification)
    first = fit_network(specification, sequences, validation, FitRun(seed=0))
    return first, refit_network(specification, sequences, first, FitRun(seed=0))


def distance(one: Network, other: Network) -> float:
    return float(np.abs(one.weights - other.weights).max())


@pytest.mark.parametrize("objective", ["chunks", "windows"])
def test_more_data_is_learnt_from_where_the_first_fit_ended_or_anew(objective: Objective) -> None:
    specification = recipe(objective, learning_rate=0.01)
    start = initial_network(NetworkShape.of(specification.network, 1, specification.output_chunk_length), seed=0)
    first, again = first_and_again(specification)
    assert first.network.shape == again.network.shape
    moved = distance(again.network, first.network)
    if objective == "windows":
        assert moved == 0  # the same data, from the same start
    else:
        assert 0 < moved < distance(first.network, start) / 2
    assert again.curve.validation == []
    repeated = first.epochs_to_repeat
    assert again.curve.epochs[-1] == (max(1, round(0.3 * repeated)) if objective == "chunks" else repeated)


def test_a_fit_that_stopped_early_is_not_gone_on_with_for_its_whole_schedule() -> None:
    first, again = first_and_again(recipe("chunks", epochs=2000, patience=5, learning_rate=0.1))
    assert first.curve.epochs[-1] < 1000
    assert again.curve.epochs[-1] <= round(0.3 * first.curve.epochs[-1])


def test_it_is_validated_often_enough_for_the_patience_that_was_asked() -> None:
    first, _ = first_and_again(recipe("chunks", epochs=200, patience=2))
    assert set(np.diff(first.curve.epochs)) == {2}


@pytest.mark.parametrize("objective", ["chunks", "windows"])
def test_without_a_validation_set_a_fit_takes_its_whole_schedule(objective: Objective) -> None:
    specification = recipe(objective, epochs=200, patience=2, learning_rate=0.01)
    fit = fit_network(specification, *cut(specification, gap=True), FitRun(seed=0))
    assert (fit.best_epoch, fit.epochs_to_repeat, fit.curve.validation) == (200, 200, [])
    assert fit.curve.training[-1] < fit.curve.training[0] / 2
