"""The comparisons that the accuracy benchmark prints."""

from __future__ import annotations

import numpy as np

from benchmarks.accuracy_bootstrap import difference
from benchmarks.accuracy_metrics import Score
from benchmarks.accuracy_table import Line, Result, given_season, seed_spread

ERRORS = np.random.default_rng(0).uniform(1, 100, 40)


def result(method: str, errors: np.ndarray) -> Result:
    scores = [Score(smape=error, mase=error / 10, coverage={}, msis={}, seconds=0.0) for error in errors]
    return Result("group", method, 0, [], scores)


def line(method: str, owa: float) -> Line:
    return Line(method, Score(0.0, 0.0, {}, {}, 0.0), owa)


def test_the_bootstrap_compares_with_the_better_peer_on_the_same_series() -> None:
    peers = [result("worse-peer", 0.95 * ERRORS), result("better-peer", 0.8 * ERRORS)]
    # Paired: however much the errors of series differ, a constant ratio leaves no doubt.
    found = difference(result("service", 0.7 * ERRORS), peers, result("naive2", ERRORS))
    assert found.peer == "better-peer"
    np.testing.assert_allclose([found.owa, found.lower, found.upper], -0.1)
    assert str(found).endswith("better")


def test_only_a_difference_beyond_chance_is_marked_as_worse() -> None:
    peer, naive2 = result("peer", 0.8 * ERRORS), result("naive2", ERRORS)
    noise = np.random.default_rng(1).normal(0, 0.2, len(ERRORS))
    doubtful = difference(result("service", (0.81 + noise - noise.mean()) * ERRORS), [peer], naive2)
    assert doubtful.lower < 0 < doubtful.upper
    assert not doubtful.is_worse
    assert difference(result("service", (0.95 + noise / 10) * ERRORS), [peer], naive2).is_worse


def test_the_season_and_the_seeds_are_compared_over_all_groups() -> None:
    lines = {
        "one": [line("service", 0.8), line("service seed 1", 0.81), line("season-given", 0.79)],
        "two": [line("service", 0.7), line("service seed 1", 0.71), line("season-given", 0.7)],
    }
    assert given_season(lines, {"service": 0.01, "values-alone": 0.02}, "season-given") == [
        "service - season-given: OWA +0.0050 (goal at most 0.01)"
    ]
    assert given_season(lines, {"service": 0.01}, "not-run") == []
    spread = seed_spread(lines, "service")
    assert spread == "service: OWA 0.7500 to 0.7600 over 2 seeds, spread 0.0100 (goal 0.005)"
    assert seed_spread(lines, "season-given") is None
