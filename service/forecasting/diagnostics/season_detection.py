"""Find the season of a series by a regression test.

The changes of a series are regressed on its last value, a trend and recent changes, with and without sines and cosines
of the season (the augmented Dickey-Fuller regression with seasonal terms; Hylleberg et al. 1990 test such terms). An F
test compares both. Since the regression covers random walks as well as noise around a trend, a random walk has no
season, and a smooth season is found under noise that hides it from the autocorrelation of the changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import comb
from operator import itemgetter
from statistics import NormalDist

import numpy as np

from service.forecasting.diagnostics.characteristics import autocorrelation, grows_in_proportion
from service.forecasting.series.series import FloatArray

# The share of a random walk's tests that find a season; as the tests overlap, 5 % of random walks pass one of them.
_LEVEL = 0.06
# An autocorrelation of the changes that is a season without any test.
_REPETITION = 0.4
# Without times, several lengths are tested, some of them because they stand out: stricter tests.
_LEVEL_OF_ANY_LENGTH, _REPETITION_OF_ANY_LENGTH = 0.02, 0.7
# The numbers of harmonics that are tested: few for smooth seasons, more for sharp ones.
_HARMONICS = (1, 2, 4, 12)
_MOST_CHANGES = 3
_LONGEST_SEASON = 366
# Seasons of quarters, days, months, hours, half hours, weeks of a year and hours of a week.
_USUAL_SEASONS = (4, 7, 12, 24, 48, 52, 168)
_LEAST_PEAK = 0.2
_DAYS, _HOURS = 7, 24
# The values tested: the last ones, at least so many seasons.
_TESTED, _TESTED_SEASONS = 2000, 6
# The length of a season that explains nearly as much as a multiple of it.
_NEARLY = 0.9
# Makes the products of exactly collinear columns positive definite.
_TINY = 1e-9
# The fewest degrees of freedom of a test, and seasons below which it is stricter.
_FREE, _FEW_SEASONS = 3, 5.0
_COMMON = 0.2


def find_season(values: FloatArray, expected: int | None) -> int:
    """Return the season length of (time,), 1 if there is no season.

    expected: the length that the frequency suggests (12 for months), which is then the only one tested; None: test
    usual lengths and the highest peaks of the autocorrelation.
    """
    if expected is not None:
        evidence = _Evidence.of(values, expected)
        return expected if evidence is not None and evidence.supports_season(_LEVEL, _REPETITION) else 1
    lengths = {length for length in _USUAL_SEASONS if len(values) >= 3 * length} | set(_peaks(values))
    gains = {
        length: evidence.gain
        for length in sorted(lengths)
        if (evidence := _Evidence.of(values, length)) is not None
        and evidence.supports_season(_LEVEL_OF_ANY_LENGTH / len(lengths), _REPETITION_OF_ANY_LENGTH)
    }
    # A multiple of a season explains as much as the season does.
    found = next((length for length, gain in gains.items() if gain >= _NEARLY * max(gains.values())), 1)
    # Weeks of days are two seasons: the long one follows from the short one.
    day, rest = divmod(found, _DAYS)
    return day if not rest and day >= _HOURS and day in gains else found


def shows_weeks(values: FloatArray, day: int, week: int = _DAYS) -> bool:
    """Return whether the means of days of (time,) have a season of a week.

    day: rows of a day. week: days of a week with rows.
    """
    days = len(values) // day
    return find_season(values[len(values) - days * day :].reshape(days, day).mean(axis=1), week) == week


def common_season(found: Sequence[int]) -> int:
    """Return the season of a panel from those found in its series, 1 if there is none.

    It is the most frequent one, if more series have it than would by chance, and at least a fifth of them. It costs the
    others little, as candidates without a season are weighed too.
    """
    length = max(set(found), key=lambda one: (one > 1, found.count(one), -one))
    count, tests = found.count(length), len(found)
    fewer = sum(comb(tests, n) * _LEVEL**n * (1 - _LEVEL) ** (tests - n) for n in range(count))
    return length if count >= _COMMON * tests and round(1 - fewer, 9) <= _LEVEL else 1


@dataclass(frozen=True)
class _Evidence:
    """Evidence for a season.

    score: of the number of harmonics that is the most significant, as a standard normal deviate. tests: how many
    numbers were tried. seasons: that the values have. gain: how much lower Akaike's criterion is with the season.
    repetition: the autocorrelation of the changes at the season, 0 where it is no peak.
    """

    score: float
    tests: int
    seasons: float
    gain: float
    repetition: float

    @classmethod
    def of(cls, values: FloatArray, season_length: int) -> _Evidence | None:
        """Compare regressions with and without the season; None where the series is constant or too short."""
        values = values[-max(_TESTED, _TESTED_SEASONS * season_length) :]
        if grows_in_proportion(values, season_length):
            values = np.log(values)
        # Where fewer changes than a season are known, recent ones could stand for the season.
        lags = max(0, min(_MOST_CHANGES, (season_length - 1) // 2, (len(values) - season_length) // 4 - 1))
        rows = len(values) - 1 - lags
        if season_length < 2 or rows < max(season_length + 4, 2 * season_length - lags) or not np.ptp(values):
            return None
        values = values / np.abs(values).max()
        values = (values - values.mean()) / np.ptp(values)
        changes = np.diff(values)
        common = [np.ones(rows), values[lags:-1], np.linspace(-1, 1, rows)]
        earlier = [changes[lags - back : len(changes) - back] for back in range(1, lags + 1)]
        columns = np.column_stack([*common, *earlier, _harmonics(rows, season_length), changes[lags:]])
        sizes = np.linalg.norm(columns, axis=0)
        columns = columns / np.where(sizes > 0, sizes, 1.0)
        products = columns.T @ columns + _TINY * np.eye(len(sizes))
        counts = sorted({min(2 * count, season_length - 1) for count in _HARMONICS})
        first, last = len(common), len(common) + lags
        without_lags = [np.delete(np.arange(len(products)), slice(first + used, last)) for used in range(lags + 1)]
        found = [
            cls._with_lags(products[np.ix_(kept, kept)], first + used, counts, rows)
            for used, kept in enumerate(without_lags)
        ]
        best = min(found, key=itemgetter(0))[1]
        return replace(best, seasons=rows / season_length, repetition=_repetition(changes, season_length))

    @classmethod
    def _with_lags(cls, products: FloatArray, used: int, counts: list[int], rows: int) -> tuple[float, _Evidence]:
        """Return Akaike's criterion of the best regression with or without the season, and the evidence.

        products: of the columns of the regression: ``used`` ones without the season, those of the season, the target.
        counts: the numbers of columns of the season to try.
        """
        # In the last row of the Cholesky factor each column explains what those before it do not.
        explained = np.cumsum(np.linalg.cholesky(products)[-1, :-1] ** 2)
        total = float(products[-1, -1])
        without = total - float(explained[used - 1])
        criteria, score, tests = [_criterion(without, rows, used)], -np.inf, 0
        for count in counts:
            free = rows - used - count
            if free < _FREE:
                continue
            error = total - float(explained[used + count - 1])
            score = max(score, _normal_deviate((without - error) / count / (error / free), count, free))
            criteria.append(_criterion(error, rows, used + count))
            tests += 1
        return min(criteria), cls(score, tests, 0.0, criteria[0] - min(criteria), 0.0)

    def supports_season(self, level: float, repetition: float) -> bool:
        """Return whether the season is significant at this level, or the changes repeat with this autocorrelation.

        Regressions with about as many parameters as rows find too much, so few seasons need more evidence.
        """
        if self.repetition > repetition or not self.tests:
            return self.repetition > repetition
        level *= min(1.0, self.seasons / _FEW_SEASONS) ** 4
        return self.score > NormalDist().inv_cdf(1 - level / self.tests)


def _repetition(changes: FloatArray, season_length: int) -> float:
    """Return the autocorrelation of changes at the season, 0 where it is no peak.

    Recent changes explain a season almost without noise as well as sines do, so the F test does not find it.
    """
    nearby = max(1, season_length // 8)
    correlations = autocorrelation(changes, season_length + nearby)
    before, here, after = correlations[season_length - 1 - nearby :: nearby]
    return float(here) if before < here > after else 0.0


def _harmonics(rows: int, season_length: int) -> FloatArray:
    """Return cosines and sines (row, column) of the season, as many as are tested, the slowest first."""
    angles = 2 * np.pi * np.arange(rows) / season_length
    most = min(season_length // 2, max(_HARMONICS))
    columns = [wave(order * angles) for order in range(1, most + 1) for wave in (np.cos, np.sin)]
    return np.stack(columns, axis=1)[:, : season_length - 1]


def _criterion(error: float, rows: int, parameters: int) -> float:
    """Return Akaike's corrected information criterion of a regression, up to a constant."""
    count = parameters + 1
    return float(rows * np.log(error) + 2 * count + 2 * count * (count + 1) / max(rows - count - 1, 0.5))


def _normal_deviate(ratio: float, above: int, below: int) -> float:
    """Map a value of the F distribution to the standard normal deviate of its probability (Paulson 1942)."""
    root, first, second = max(ratio, 0.0) ** (1 / 3), 2 / (9 * above), 2 / (9 * below)
    return float(((1 - second) * root - (1 - first)) / np.sqrt(second * root**2 + first))


def _peaks(values: FloatArray) -> list[int]:
    """Return the lags at which the autocorrelations of the detrended values and of the changes are highest."""
    values = values[-_TESTED:]
    longest = min(len(values) // 3, _LONGEST_SEASON)
    if longest < 4:
        return []
    rows = np.arange(len(values), dtype=float)
    slope, intercept = np.polyfit(rows, values, 1)
    lags = np.arange(3, longest + 1)  # a peak needs a lower neighbour on both sides
    found = []
    for series in (values - slope * rows - intercept, np.diff(values)):
        correlations = autocorrelation(series, longest + 1)
        middle = correlations[lags - 1]
        higher = (middle > correlations[lags - 2]) & (middle >= correlations[lags]) & (middle > _LEAST_PEAK)
        if higher.any():
            # A peak at twice the season is about as high: the first one that is nearly as high as the best.
            best = middle[higher].max()
            found.append(int(lags[higher & (middle >= 0.9 * best)][0]))
    return found
