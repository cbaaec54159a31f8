"""Find the season of a series by a regression test.

The changes of a series are regressed on its last value, a trend and recent changes, with and without sines and cosines
of the season (the augmented Dickey-Fuller regression with seasonal terms; Hylleberg et al. 1990 test such terms). An F
test compares both. Since the regression covers random walks as well as noise around a trend, a random walk has no
season, and a smooth season is found under noise that hides it from the autocorrelation of the changes.

Legend: S series of equal length, which are tested together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from service.forecasting.diagnostics.characteristics import autocorrelation, grows_in_proportion
from service.forecasting.series.series import FloatArray, IntArray

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
# The values of series that are tested together, which bound the memory.
_TOGETHER = 2**16


def find_season(values: FloatArray, expected: int | None) -> int:
    """Return the season length of (time,), 1 if there is no season.

    expected: the length that the frequency suggests (12 for months), which is then the only one tested; None: test
    usual lengths and the highest peaks of the autocorrelation.
    """
    if expected is None:
        return find_seasons([values])[0]
    evidence = _Evidence.of(values[None], expected)
    return expected if evidence is not None and evidence.supports_season(_LEVEL, _REPETITION)[0] else 1


def find_seasons(columns: Sequence[FloatArray]) -> list[int]:
    """Return the season length of each of (time,) series, as `find_season` does where no length is expected.

    Series of equal length are tested together, which takes a tenth of the time.
    """
    alike: dict[int, list[int]] = {}
    for row, values in enumerate(columns):
        alike.setdefault(len(values), []).append(row)
    found = [1] * len(columns)
    for length, rows in alike.items():
        together = max(1, _TOGETHER // max(length, 1))
        for first in range(0, len(rows), together):
            part = rows[first : first + together]
            for row, season_length in zip(part, _seasons_of(np.stack([columns[row] for row in part])), strict=True):
                found[row] = season_length
    return found


def _seasons_of(values: FloatArray) -> list[int]:
    """Return the season length of each of (S, time)."""
    usual = {length for length in _USUAL_SEASONS if values.shape[1] >= 3 * length}
    lengths = [usual | peaks for peaks in _peaks(values)]
    gains: list[dict[int, float]] = [{} for _ in values]
    for length in sorted(set().union(*lengths)):
        rows = np.array([row for row, some in enumerate(lengths) if length in some])
        evidence = _Evidence.of(values[rows], length)
        if evidence is None:
            continue
        levels = _LEVEL_OF_ANY_LENGTH / np.array([len(lengths[row]) for row in rows])
        for place in np.flatnonzero(evidence.supports_season(levels, _REPETITION_OF_ANY_LENGTH)):
            gains[rows[place]][length] = float(evidence.gain[place])
    return [_best(of_one) for of_one in gains]


def _best(gains: dict[int, float]) -> int:
    """Return one of the season lengths that tests have found, 1 where there is none."""
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
    """Evidence for a season; all arrays are (S,).

    score: of the number of harmonics that is the most significant, as a standard normal deviate. tests: how many
    numbers were tried, 0 where the values are constant. seasons: that the values have. gain: how much lower Akaike's
    criterion is with the season. repetition: the autocorrelation of the changes at the season, 0 where it is no peak.
    """

    score: FloatArray
    tests: IntArray
    seasons: float
    gain: FloatArray
    repetition: FloatArray

    @classmethod
    def of(cls, values: FloatArray, season_length: int) -> _Evidence | None:
        """Compare regressions of (S, time) with and without the season; None where the series are too short."""
        values = values[:, -max(_TESTED, _TESTED_SEASONS * season_length) :]
        # Where fewer changes than a season are known, recent ones could stand for the season.
        lags = max(0, min(_MOST_CHANGES, (season_length - 1) // 2, (values.shape[1] - season_length) // 4 - 1))
        rows = values.shape[1] - 1 - lags
        if season_length < 2 or rows < max(season_length + 4, 2 * season_length - lags):
            return None
        growing = grows_in_proportion(values, season_length)
        if growing.any():
            values = np.where(growing[:, None], np.log(np.where(growing[:, None], values, 1.0)), values)
        varied = np.ptp(values, axis=1) > 0
        values = values / np.where(varied, np.abs(values).max(axis=1), 1.0)[:, None]
        values = (values - values.mean(axis=1, keepdims=True)) / np.where(varied, np.ptp(values, axis=1), 1.0)[:, None]
        changes = np.diff(values)
        errors, parameters = _errors(values, changes, lags, season_length)
        free = rows - parameters
        tried = free >= _FREE
        tried[:, 0] = True
        errors = np.where(tried[:, None], errors, np.inf)
        criteria = _criterion(errors, rows, parameters[:, None])
        scores = _normal_deviates(errors, (parameters - parameters[:, :1])[:, None], np.maximum(free, 1)[:, None])
        lowest = criteria.min(axis=2)
        best, series = lowest.argmin(axis=0), np.arange(len(values))
        return cls(
            scores.max(axis=2)[best, series],
            np.where(varied, tried[:, 1:].sum(axis=1)[best], 0),
            rows / season_length,
            (criteria[:, :, 0] - lowest)[best, series],
            np.where(varied, _repetition(changes, season_length), 0.0),
        )

    def supports_season(self, level: float | FloatArray, repetition: float) -> NDArray[np.bool_]:
        """Return where the season is significant at this level, or the changes repeat with this autocorrelation.

        Regressions with about as many parameters as rows find too much, so few seasons need more evidence.
        """
        levels = level * min(1.0, self.seasons / _FEW_SEASONS) ** 4 / np.maximum(self.tests, 1)
        least = [NormalDist().inv_cdf(1 - one) for one in np.broadcast_to(levels, self.score.shape).tolist()]
        return np.asarray((self.repetition > repetition) | ((self.tests > 0) & (self.score > least)))


def _errors(
    values: FloatArray, changes: FloatArray, lags: int, season_length: int
) -> tuple[FloatArray, NDArray[np.intp]]:
    """Return the squared errors (L, S, N) of regressions, and how many parameters (L, N) they have.

    values, changes: (S, time). L: the numbers of recent changes in the regression, from 0 to ``lags``; N: the numbers
    of columns of the season, of which the first is 0.
    """
    rows, harmonics = changes.shape[1] - lags, _harmonics(changes.shape[1] - lags, season_length)
    first, last = 3, 3 + lags
    columns = np.empty((len(values), last + len(harmonics) + 1, rows))
    columns[:, 0], columns[:, 1], columns[:, 2] = 1.0, values[:, lags:-1], np.linspace(-1, 1, rows)
    for back in range(1, lags + 1):
        columns[:, first + back - 1] = changes[:, lags - back : changes.shape[1] - back]
    columns[:, last:-1], columns[:, -1] = harmonics, changes[:, lags:]
    products = columns @ columns.transpose(0, 2, 1)
    sizes = np.sqrt(np.diagonal(products, axis1=1, axis2=2))
    sizes = np.where(sizes > 0, sizes, 1.0)
    products = products / (sizes[:, :, None] * sizes[:, None]) + _TINY * np.eye(last + len(harmonics) + 1)
    counts = np.array([0, *sorted({min(2 * count, season_length - 1) for count in _HARMONICS})])
    errors = []
    for used in range(lags + 1):
        kept = np.concatenate([np.arange(first + used), np.arange(last, products.shape[1])])
        # In the last row of the Cholesky factor each column explains what those before it do not.
        explained = np.cumsum(np.linalg.cholesky(products[:, kept[:, None], kept])[:, -1, :-1] ** 2, axis=1)
        errors.append(products[:, -1, -1:] - explained[:, first + used - 1 + counts])
    return np.array(errors), first + np.arange(lags + 1)[:, None] + counts


def _repetition(changes: FloatArray, season_length: int) -> FloatArray:
    """Return the autocorrelation (S,) of changes (S, time) at the season, 0 where it is no peak.

    Recent changes explain a season almost without noise as well as sines do, so the F test does not find it.
    """
    nearby = max(1, season_length // 8)
    correlations = autocorrelation(changes, season_length + nearby)
    before, here, after = correlations[:, season_length - 1 - nearby :: nearby].T
    return np.where((before < here) & (here > after), here, 0.0)


def _harmonics(rows: int, season_length: int) -> FloatArray:
    """Return cosines and sines (column, row) of the season, as many as are tested, the slowest first."""
    most = min(season_length // 2, max(_HARMONICS))
    angles = np.outer(np.arange(1, most + 1), 2 * np.pi * np.arange(rows) / season_length)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).reshape(-1, rows)[: season_length - 1]


def _criterion(errors: FloatArray, rows: int, parameters: NDArray[np.intp]) -> FloatArray:
    """Return Akaike's corrected information criterion of regressions, up to a constant."""
    count = parameters + 1
    return rows * np.log(errors) + 2 * count + 2 * count * (count + 1) / np.maximum(rows - count - 1, 0.5)


def _normal_deviates(errors: FloatArray, above: NDArray[np.intp], below: NDArray[np.intp]) -> FloatArray:
    """Return the normal deviates of the probabilities of F tests against the first regressions (Paulson 1942).

    errors: (..., N), infinite where there is no test. above, below: (..., N), the degrees of freedom.
    """
    above, below, without, errors = above[..., 1:], below[..., 1:], errors[..., :1], errors[..., 1:]
    is_test = np.isfinite(errors)
    errors = np.where(is_test, errors, 1.0)
    ratio = (without - errors) / above / (errors / below)
    root, first, second = np.cbrt(np.maximum(ratio, 0.0)), 2 / (9 * above), 2 / (9 * below)
    deviates = ((1 - second) * root - (1 - first)) / np.sqrt(second * root**2 + first)
    return np.where(is_test, deviates, -np.inf)


def _peaks(values: FloatArray) -> list[set[int]]:
    """Return the lags at which the autocorrelations of detrended values (S, time) and of their changes are highest."""
    values = values[:, -_TESTED:]
    found: list[set[int]] = [set() for _ in values]
    longest = min(values.shape[1] // 3, _LONGEST_SEASON)
    if longest < 4:
        return found
    rows = np.arange(values.shape[1]) - (values.shape[1] - 1) / 2
    centred = values - values.mean(axis=1, keepdims=True)
    trends = (centred @ rows / (rows @ rows))[:, None] * rows
    lags = np.arange(3, longest + 1)  # a peak needs a lower neighbour on both sides
    for series in (centred - trends, np.diff(values)):
        correlations = autocorrelation(series, longest + 1)
        middle = correlations[:, lags - 1]
        higher = (middle > correlations[:, lags - 2]) & (middle >= correlations[:, lags]) & (middle > _LEAST_PEAK)
        # A peak at twice the season is about as high: the first one that is nearly as high as the best.
        best = np.where(higher, middle, -np.inf).max(axis=1, keepdims=True)
        first = (higher & (middle >= 0.9 * best)).argmax(axis=1)
        for row in np.flatnonzero(higher.any(axis=1)):
            found[row].add(int(lags[first[row]]))
    return found
