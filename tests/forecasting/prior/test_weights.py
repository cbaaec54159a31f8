"""The shipped prior: its size, its card, and that its scores are those of the card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from service.forecasting.networks.architecture import initial_network
from service.forecasting.prior.card import synthetic_scores
from service.forecasting.prior.recipe import SHAPE, VERSION
from service.forecasting.prior.weights import load_prior, prior_file, read_card, read_network, rounded, save_prior


def test_all_shipped_weights_are_small() -> None:
    assert sum(file.stat().st_size for file in prior_file().parent.glob("*.safetensors")) < 1_000_000


def test_the_card_tells_what_the_file_is() -> None:
    card = read_card()
    assert card["version"] == VERSION
    assert card["weights"] == read_network(prior_file()).weights.size == SHAPE.size
    assert "synthetic" in card["data"]
    assert card["command"].startswith("python -m service prior train")
    assert card["limits"]


def test_the_scores_are_those_of_the_card() -> None:
    scores = synthetic_scores(read_network(prior_file()))
    assert scores == pytest.approx(read_card()["scores"], rel=2e-3)
    untrained = synthetic_scores(initial_network(SHAPE, 0))
    assert all(scores[kind] < 0.8 * untrained[kind] for kind in scores)


def test_a_file_has_the_rounded_weights_and_the_card(tmp_path: Path) -> None:
    network = initial_network(SHAPE, 3)
    save_prior(network, {"version": 3}, tmp_path / "prior")
    np.testing.assert_array_equal(read_network(tmp_path / "prior").weights, rounded(network).weights)


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(ValueError, match="no prior 999"):
        load_prior(999)
