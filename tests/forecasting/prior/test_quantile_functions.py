"""Distributions from quantiles: probabilities, means and sample paths."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from service.forecasting.intervals.sample_paths import Draw
from service.forecasting.networks.kernels.losses import QUANTILES
from service.forecasting.prior.quantile_functions import at_probabilities, at_scores, mean, median, sample_scores

NORMAL = np.array([NormalDist().inv_cdf(one) for one in QUANTILES])
# (series, horizon, quantile): normal, with a deviation that grows as that of a random walk; and one that does not.
WALK = 5 + np.sqrt(np.arange(1, 9))[None, :, None] * NORMAL
NOISE = np.repeat(5 + NORMAL[None, None], 8, axis=1)


def test_probabilities_between_and_beyond_the_quantiles() -> None:
    asked = (0.001, 0.025, 0.33, 0.5, 0.9, 0.999)
    found = at_probabilities(NOISE, asked)
    assert found.shape == (6, 1, 8)
    np.testing.assert_allclose(found[:, 0, 0], [5 + NormalDist().inv_cdf(one) for one in asked], rtol=1e-9)


def test_the_centre() -> None:
    np.testing.assert_allclose(median(WALK), 5)
    np.testing.assert_allclose(mean(WALK), 5)
    skewed = np.exp(NORMAL)[None, None]
    assert mean(skewed)[0, 0] == pytest.approx(np.exp(0.5), rel=0.1)
    assert median(skewed)[0, 0] == pytest.approx(1)


@pytest.mark.parametrize(("quantiles", "correlation"), [(WALK, np.sqrt(1 / 8)), (NOISE, 0.0)], ids=["walk", "noise"])
def test_sample_paths_have_the_marginals_and_the_correlation_that_widths_imply(
    quantiles: np.ndarray, correlation: float
) -> None:
    scores = sample_scores(quantiles, Draw(20_000, 1), ["a"])
    samples = at_scores(quantiles, scores)[0]
    np.testing.assert_allclose(np.quantile(samples, 0.9, axis=0), quantiles[0, :, QUANTILES.index(0.9)], rtol=0.02)
    assert np.corrcoef(samples[:, 0], samples[:, -1])[0, 1] == pytest.approx(correlation, abs=0.03)


def test_sample_paths_of_an_item_depend_on_its_name_and_the_seed_only() -> None:
    both = sample_scores(np.concatenate([WALK, NOISE]), Draw(5, 3), ["a", "b"])
    np.testing.assert_array_equal(both[1:], sample_scores(NOISE, Draw(5, 3), ["b"]))
    assert (both != sample_scores(np.concatenate([WALK, NOISE]), Draw(5, 4), ["a", "b"])).all()
