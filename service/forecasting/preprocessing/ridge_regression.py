"""Ridge regression from sums of squares; the penalty is chosen by generalised cross-validation (Golub et al. 1979)."""

from __future__ import annotations

import numpy as np

from service.forecasting.series.series import FloatArray


def ridge_weights(
    gram: FloatArray, crossed: FloatArray, squares: float, freedom: float, penalties: FloatArray, spare: float = 0.0
) -> FloatArray:
    """Return the weights (F,) of F columns.

    gram: (F, F), of the columns; crossed: (F,), of the columns and the target; squares: of the target. freedom: rows
    minus the parameters estimated before; a penalty that leaves no more than ``spare`` of them is not used. penalties:
    the candidates, above 0.
    """
    eigenvalues, basis = np.linalg.eigh(gram)
    eigenvalues = eigenvalues.clip(0)
    along = basis.T @ crossed
    shrunk = eigenvalues + penalties[:, None]
    weights = along / shrunk
    errors = squares - 2 * weights @ along + weights**2 @ eigenvalues
    left = freedom - (eigenvalues / shrunk).sum(axis=1)
    scores = np.where(left > spare, errors.clip(0) / np.maximum(left, 1e-9) ** 2, np.inf)
    return np.asarray(basis @ weights[np.argmin(scores)])
