"""Rollouts against plain loops over the network."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from service.forecasting.networks import RecurrentNetwork, build_network
from service.forecasting.options import Cell, Objective
from service.forecasting.rollout import roll_out
from service.forecasting.specification import NetworkSpecification

CELLS = get_args(Cell)


def network(cell: Cell, chunk: int) -> RecurrentNetwork:
    return build_network(NetworkSpecification(cell, 6, 2, 0.0), 2, chunk, seed=0).eval()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("chunk", [1, 3])
@pytest.mark.parametrize("centred", [True, False])
@torch.no_grad()
def test_windows_slide(cell: Cell, chunk: int, centred: bool) -> None:
    net, contexts = network(cell, chunk), torch.randn(4, 7, 2)
    known = contexts
    while known.shape[1] < 7 + 10:
        window = known[:, -7:]
        reference = window[:, -1:] if centred else 0
        known = torch.cat([known, net.emit(net.read(window - reference)[0][:, -1]) + reference], dim=1)
    torch.testing.assert_close(roll_out(net, contexts, 10, "windows", centred), known[:, 7:17], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("chunk", [1, 3])
@pytest.mark.parametrize("centred", [True, False])
@torch.no_grad()
def test_pieces_carry_their_state(cell: Cell, chunk: int, centred: bool) -> None:
    net, contexts = network(cell, chunk), torch.randn(4, 7, 2)
    reference = contexts[:, -1:] if centred else torch.zeros(4, 1, 2)
    read = contexts - reference
    for _ in range(4):
        last = net.emit(net.read(read)[0][:, -1])  # everything again from the start: the same as carrying on
        read = torch.cat([read, last + read[:, -1:] if centred else last], dim=1)
    ahead = read[:, 7:] + reference
    torch.testing.assert_close(roll_out(net, contexts, 4, "chunks", centred), ahead[:, :4], rtol=1e-4, atol=1e-5)


def test_the_rollout_scores_what_was_trained() -> None:
    """The first chunk of a rollout is the chunk that training scores after the same context."""
    net, contexts = network("gru", 3), torch.randn(2, 7, 2)
    trained = net.score_steps(contexts, 1, centred=True)[:, 0]
    for objective in get_args(Objective):
        rolled = roll_out(net, contexts, 3, objective, True)
        torch.testing.assert_close(rolled, trained.detach())


@pytest.mark.parametrize("horizon", [1, 2, 3, 4, 7])
def test_a_longer_horizon_begins_like_a_shorter_one(horizon: int) -> None:
    net, contexts = network("lstm", 3), torch.randn(2, 7, 2)
    longest = roll_out(net, contexts, 9, "chunks", True)
    assert torch.equal(roll_out(net, contexts, horizon, "chunks", True), longest[:, :horizon])
