from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.forecasting.networks.kernels.training import gather
from service.forecasting.networks.training_sequences import (
    ItemRows,
    TrainingSequences,
    complete_windows,
    consecutive_sequences,
    overlapping_sequences,
    partial_windows,
)
from service.forecasting.series.series import FloatArray


def item_rows(length: int, first: int = 0, end: int | None = None, start: float = 0) -> ItemRows:
    values = start + np.arange(length, dtype=float)[:, None]
    return ItemRows(values, np.ones_like(values, dtype=bool), first, length if end is None else end)


@dataclass(frozen=True)
class Batch:
    """inputs: (sequence, step, channel); targets, weights: (sequence, scored step, chunk, channel)."""

    inputs: FloatArray
    targets: FloatArray
    weights: FloatArray


def gathered(sequences: TrainingSequences) -> Batch:
    """Gather all sequences with the kernel."""
    inputs, targets, known = gather(
        sequences.values, sequences.weights, sequences.starts, sequences.ends,
        sequences.context_length - 1, sequences.scored_steps, sequences.output_chunk_length, False,
    )  # fmt: skip
    form = (sequences.scored_steps, len(sequences), sequences.output_chunk_length, 1)
    return Batch(inputs.swapaxes(0, 1), targets.reshape(form).swapaxes(0, 1), known.reshape(form).swapaxes(0, 1))


def lists(
    sequences: TrainingSequences,
) -> tuple[list[list[float]], list[list[list[float]]], list[list[list[float]]]]:
    batch = gathered(sequences)
    return batch.inputs[..., 0].tolist(), batch.targets[..., 0].tolist(), batch.weights[..., 0].tolist()


@given(st.integers(1, 8), st.integers(1, 5), st.integers(0, 20))
def test_no_window_is_lost(context_length: int, chunk: int, spare: int) -> None:
    length = context_length + chunk + spare
    sequences = complete_windows([item_rows(length)], context_length, chunk)
    assert len(sequences) == length - context_length - chunk + 1
    inputs, targets, weights = lists(sequences)
    assert inputs[0] == list(range(context_length))
    assert targets[0] == [list(range(context_length, context_length + chunk))]
    assert targets[-1][0][-1] == length - 1
    assert np.all(np.array(weights) == 1)


def test_windows_of_later_rows_reach_back_for_their_context_alone() -> None:
    inputs, targets, weights = lists(partial_windows([item_rows(10, first=6, end=9)], 3, 2))
    assert inputs == [[3, 4, 5], [4, 5, 6], [5, 6, 7]]
    assert [one[0][0] for one in targets] == [6, 7, 8]
    assert weights == [[[1, 1]], [[1, 1]], [[1, 0]]]


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 5), st.integers(1, 15), st.integers(1, 9))
def test_nothing_after_the_end_is_read(context_length: int, chunk: int, scored: int, spare: int, after: int) -> None:
    end = context_length + spare
    sequences = overlapping_sequences([item_rows(end + after, end=end)], context_length, chunk, scored)
    batch = gathered(sequences)
    assert batch.inputs.max() < end
    assert (batch.targets * batch.weights).max() < end
    followed = batch.inputs[:, -scored:, None, :] + np.arange(1, chunk + 1)[:, None]
    assert not np.any((batch.targets - followed) * batch.weights)


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 7), st.integers(1, 30))
def test_consecutive_sequences_score_each_target_row_once(
    context_length: int, chunk: int, scored: int, rows: int
) -> None:
    first = context_length + 3
    batch = gathered(consecutive_sequences([item_rows(first + rows, first=first)], context_length, chunk, scored))
    known = batch.weights[:, :, 0, 0] > 0
    assert sorted(batch.targets[:, :, 0, 0][known]) == list(range(first, first + rows))


def test_every_target_after_the_first_context_is_scored() -> None:
    sequences = overlapping_sequences([item_rows(30)], 4, 2, 5)
    batch = gathered(sequences)
    assert set(batch.targets[batch.weights > 0].tolist()) == set(range(4, 30))


def test_items_are_not_mixed() -> None:
    sequences = overlapping_sequences([item_rows(8), item_rows(9, start=100)], 3, 2, 4)
    batch = gathered(sequences)
    of_first = batch.inputs[:, 0, 0] < 100
    scored = batch.targets * batch.weights
    assert batch.inputs[of_first].max() < 100
    assert scored[of_first].max() < 100
    assert batch.targets[~of_first][batch.weights[~of_first] > 0].min() >= 100


def test_missing_values_have_no_weight() -> None:
    values = np.arange(6, dtype=float)[:, None]
    observed = np.array([[True], [True], [True], [False], [True], [True]])
    _, targets, weights = lists(complete_windows([ItemRows(values, observed, 0, 6)], 2, 1))
    assert targets == [[[2]], [[3]], [[4]], [[5]]]
    assert weights == [[[1]], [[0]], [[1]], [[1]]]


def test_there_are_targets_where_one_is_known_after_a_scored_step() -> None:
    for row in range(12):
        one = item_rows(12, first=6, end=10)
        one.observed[:] = False
        one.observed[row] = True
        assert (
            partial_windows([one], 3, 2).has_targets
            == consecutive_sequences([one], 3, 2, 4).has_targets
            == (6 <= row < 10)
        )


@pytest.mark.parametrize("most", [1, 4, 100])
def test_thinned_sequences_reach_from_the_first_to_the_last(most: int) -> None:
    sequences = complete_windows([item_rows(20)], 3, 1)
    thinned = sequences.thinned(most)
    assert len(thinned) == min(most, 17)
    assert thinned.starts[0] == 0
    assert most == 1 or thinned.starts[-1] == sequences.starts[-1]
    assert len(set(thinned.starts.tolist())) == len(thinned)


def test_what_is_centred_is_relative_to_the_first_scored_step() -> None:
    sequences = overlapping_sequences([item_rows(12, start=5)], 4, 2, 3)
    inputs, targets, _ = gather(sequences.values, sequences.weights, sequences.starts, sequences.ends, 3, 3, 2, True)
    assert inputs[:, 0, 0].tolist() == [-3, -2, -1, 0, 1, 2]
    assert targets[0].tolist() == [1, 2]  # relative to the value at its own step
