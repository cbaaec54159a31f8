"""Format the results of the accuracy benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from benchmarks.accuracy_metrics import Score, mean_score, owa
from benchmarks.accuracy_series import LEVELS, AccuracySeries, Forecast

COLUMNS = ("sMAPE", "MASE", "OWA", *(f"in {level}" for level in LEVELS), *(f"MSIS {level}" for level in LEVELS))
# The goal of the difference between the highest and the lowest mean OWA of five seeds.
SPREAD_GOAL = 0.005
HEADING = f"{'method':<22}" + "".join(f"{name:>9}" for name in (*COLUMNS, "seconds"))


@dataclass(frozen=True)
class Result:
    """A method on a group, with one seed: its forecasts and scores, series by series."""

    group: str
    method: str
    seed: int
    forecasts: Sequence[Forecast]
    scores: Sequence[Score]

    @property
    def mean(self) -> Score:
        """Means over the series of the group."""
        return mean_score(self.scores)


@dataclass(frozen=True)
class Line:
    """Means over a group, or over groups, with their OWA; None if Naive2 did not run."""

    method: str
    score: Score
    owa: float | None

    def __str__(self) -> str:
        score = self.score
        inside = [score.coverage.get(level) for level in LEVELS]
        widths = [score.msis.get(level) for level in LEVELS]
        cells = [number(score.smape, 3), number(score.mase, 3), number(self.owa, 3)]
        cells += [number(share, 3) for share in inside] + [number(one, 2) for one in widths]
        failed = f"   failed {score.failures}" if score.failures else ""
        return f"{self.method:<22}" + "".join(f"{cell:>9}" for cell in (*cells, number(score.seconds, 3))) + failed


def number(value: float | None, digits: int) -> str:
    """Format a number, or a dash for None."""
    return "-" if value is None else f"{value:.{digits}f}"


def line_of(result: Result, naive2: Result | None) -> Line:
    """Return the line of one group; a seed other than the default is named."""
    method = f"{result.method} seed {result.seed}" if result.seed else result.method
    return Line(method, result.mean, owa(result.mean, naive2.mean) if naive2 else None)


def mean_lines(lines: Mapping[str, Sequence[Line]]) -> list[Line]:
    """Average over groups with equal weights, for the methods that ran on all of them."""
    methods = [line.method for line in next(iter(lines.values()), ())]
    return [over_groups([line for group in lines.values() for line in group if line.method == one]) for one in methods]


def over_groups(lines: Sequence[Line]) -> Line:
    """Average one method over groups."""
    known = [line.owa for line in lines if line.owa is not None]
    return Line(lines[0].method, mean_score([line.score for line in lines]), mean(known) if known else None)


def failures(results: Iterable[Result], groups: Mapping[str, Sequence[AccuracySeries]]) -> list[str]:
    """Return each different reason for the failure of a method, with the first series that it failed on."""
    told: dict[str, str] = {}
    for result in results:
        for series, forecast in zip(groups[result.group], result.forecasts, strict=True):
            if forecast.failure:
                told.setdefault(forecast.failure[:160], f"{result.method} on {result.group} {series.name}")
    return [f"FAILED {where}: {why}" for why, where in told.items()]


def seed_spread(lines: Mapping[str, Sequence[Line]], method: str) -> str | None:
    """Describe how far the mean OWA of a method over all groups varies over seeds; None with one seed."""
    means = [line.owa for line in mean_lines(lines) if line.method.split(" seed ")[0] == method and line.owa]
    if len(means) < 2:
        return None
    ends = f"{min(means):.4f} to {max(means):.4f}"
    return f"{method}: OWA {ends} over {len(means)} seeds, spread {max(means) - min(means):.4f} (goal {SPREAD_GOAL})"


def given_season(lines: Mapping[str, Sequence[Line]], goals: Mapping[str, float], method: str) -> list[str]:
    """Describe how much higher the mean OWA over all groups is than that of ``method``, which is given the season.

    goals: the highest difference of each of the methods to compare. Methods that did not run are left out.
    """
    means = {line.method: line.owa for line in mean_lines(lines)}
    season = means.get(method)
    return [
        f"{name} - {method}: OWA {owa - season:+.4f} (goal at most {goal})"
        for name, goal in goals.items()
        if season is not None and (owa := means.get(name)) is not None
    ]
