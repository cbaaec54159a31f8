"""Ridge regression whose penalty is found by generalised cross-validation (Golub, Heath & Wahba 1979).

It is fitted on sums over rows, which can be added up over items. Dimensions: N rows, F columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.forecasting.series import FloatArray

# Penalties tried, by row: with columns of variance 1, from as good as none to as good as no effect at all.
_PENALTIES = np.logspace(-5, 3, 33)


@dataclass(frozen=True, eq=False)
class Sums:
    """Of regressing a target on columns: columns (F, F) and (F,) crossed with each other and the target.

    squares: of the target; freedom: rows, less what was estimated to make them.
    """

    columns: FloatArray
    crossed: FloatArray
    squares: float
    freedom: float

    @classmethod
    def of(cls, columns: FloatArray, target: FloatArray, freedom: float) -> Sums:
        """Sum over rows (N, F) and (N,)."""
        return cls(columns.T @ columns, columns.T @ target, float(target @ target), freedom)

    def __add__(self, other: Sums) -> Sums:
        """Return the sums over the rows of both."""
        return Sums(
            self.columns + other.columns,
            self.crossed + other.crossed,
            self.squares + other.squares,
            self.freedom + other.freedom,
        )

    def after(self, beta: FloatArray) -> Sums:
        """Return the sums for what ``beta`` (F,) leaves of the target."""
        explained = self.columns @ beta
        squares = self.squares - 2 * float(beta @ self.crossed) + float(beta @ explained)
        return Sums(self.columns, self.crossed - explained, max(squares, 0.0), self.freedom)

    def solve(self) -> FloatArray:
        """Return beta (F,), 0 for columns that do not move."""
        deviation = np.sqrt(np.diagonal(self.columns) / max(self.freedom, 1.0))
        moving = deviation > 0
        beta = np.zeros(len(self.crossed))
        if self.freedom < 1 or not moving.any() or not np.isfinite([*self.crossed, self.squares]).all():
            return beta
        deviation = deviation[moving]
        standard = self.columns[np.ix_(moving, moving)] / np.outer(deviation, deviation)
        values, vectors = np.linalg.eigh(standard)
        values = values.clip(0)
        turned = vectors.T @ (self.crossed[moving] / deviation)
        beta[moving] = vectors @ (turned / (values + self._penalty(values, turned))) / deviation
        return beta

    def _penalty(self, values: FloatArray, turned: FloatArray) -> float:
        penalties = _PENALTIES[:, None] * self.freedom
        shrunk = 1 / (values + penalties)
        errors = self.squares - 2 * (turned**2 * shrunk).sum(axis=1) + (values * (turned * shrunk) ** 2).sum(axis=1)
        left = self.freedom - (values * shrunk).sum(axis=1)
        scores = np.where(left > 0, errors.clip(0) / np.maximum(left, 1e-9) ** 2, np.inf)
        return float(penalties[np.argmin(scores), 0])
