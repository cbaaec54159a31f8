"""Exponential smoothing (Hyndman et al. 2008): suitable forms, averaged by their Akaike weights (Kolassa 2011).

Up to fifteen forms are fitted: error and season additive or multiplicative, trend none, additive or damped.
"""

from __future__ import annotations

import numpy as np

from service.forecasting.methods.kernels.nelder_mead import SMOOTHING, minimise
from service.forecasting.methods.kernels.seasonal_indices import seasonal_indices
from service.forecasting.methods.kernels.smoothing import (
    AA,
    AN,
    DAMPED,
    MA,
    MM,
    MN,
    NO_TREND,
    TREND,
    parameters_at,
)
from service.forecasting.methods.method import contiguous_copy, fit_window, scale_of
from service.forecasting.series.series import FloatArray

# weight, form, alpha, beta, gamma, phi
_ROW = 6
# With fewer values nothing is fitted: simple smoothing with this alpha.
_SHORTEST = 5
_CAUTIOUS_ALPHA = 0.8
# A short search for every form on the last values, then a long one on all values for the promising forms.
_FIRST_VALUES = 300
_FIRST_STEPS, _STEPS = 10, 120
_SMALLEST_WEIGHT = 0.01
# In units of the Akaike criterion: an undamped trend must be more likely by this much.
_UNDAMPED_PENALTY = 1.0
# Forms that are this much worse after the first steps are left out.
_UNPROMISING = 20.0


def fit(values: FloatArray, season_length: int) -> FloatArray:
    """Return rows of (weight, form, alpha, beta, gamma, phi), flat."""
    values = values[-fit_window(season_length) :]
    values = contiguous_copy(values / scale_of(values))
    if len(values) < _SHORTEST:
        return np.array([1.0, AN, _CAUTIOUS_ALPHA, 0.0, 0.0, 0.0])
    recent = values[-max(_FIRST_VALUES, 4 * season_length) :]
    tried = [
        _Form(recent, season_length, form, trend)
        for form in _forms(values, season_length)
        for trend in (NO_TREND, TREND, DAMPED)
        if trend == NO_TREND or len(values) >= _smallest_length(form, trend)
    ]
    best = min(form.criterion for form in tried)
    promising = [form for form in tried if form.criterion < best + _UNPROMISING]
    for form in promising:
        form.refine(values)
    return _weighted(promising)


def are_parameters(numbers: FloatArray) -> bool:
    """Return whether these are rows of parameters, of forms that exist."""
    return len(numbers) > 0 and len(numbers) % _ROW == 0 and bool(np.isin(numbers[1::_ROW], (AN, MN, AA, MA, MM)).all())


def _forms(values: FloatArray, season_length: int) -> list[int]:
    positive = bool(values.min() > 0)
    forms = [AN, MN] if positive else [AN]
    if season_length > 1 and len(values) >= 2 * season_length + 2:
        forms += [AA, MA, MM] if positive else [AA]
    return forms


def _smallest_length(form: int, trend: int) -> int:
    return 5 + trend + (form >= AA)


class _Form:
    """One form and the parameters found for it."""

    def __init__(self, values: FloatArray, season_length: int, form: int, trend: int) -> None:
        self._season_length, self._form, self._trend = season_length, form, trend
        starts = _starts(form, trend)
        self._point = np.empty(starts.shape[1])
        self._search(values, starts, _FIRST_STEPS)

    def refine(self, values: FloatArray) -> None:
        """Continue the search from the best point so far, perhaps with more values."""
        self._search(values, self._point[None, :].copy(), _STEPS)

    def row(self, weight: float) -> list[float]:
        """Return a row of the stored parameters."""
        parameters = np.empty(4)
        parameters_at(self._trend, self._form, self._point, parameters)
        return [weight, self._form, *parameters]

    def _search(self, values: FloatArray, starts: FloatArray, steps: int) -> None:
        indices = np.zeros(self._season_length if self._form >= AA else 1)
        if self._form >= AA:
            seasonal_indices(values, self._season_length, self._form == MM, indices)
        misfit = minimise(SMOOTHING, self._trend, self._form, values, indices, starts, steps, self._point)
        # Backcast seasonal states count half as degrees of freedom; level and trend follow from the parameters.
        freedom = len(self._point) + 1 + (self._season_length / 2 if self._form >= AA else 0)
        correction = 2 * freedom * (freedom + 1) / max(len(values) - freedom - 1, 0.5)
        self.criterion = misfit + 2 * freedom + correction + (_UNDAMPED_PENALTY if self._trend == TREND else 0)


def _starts(form: int, trend: int) -> FloatArray:
    """Return points of the unit cube (N, D): alpha; gamma; beta; phi."""
    return np.array(
        [
            [alpha, *([gamma] if form >= AA else []), *([beta] if trend >= TREND else []), *([phi] * (trend == DAMPED))]
            for alpha in (0.05, 0.3, 0.8)
            for gamma, beta, phi in ((0.1, 0.1, 0.5), (0.05, 0.01, 0.9))
        ]
    )


def _weighted(forms: list[_Form]) -> FloatArray:
    criteria = np.array([form.criterion for form in forms])
    weights = np.exp(-0.5 * (criteria - criteria.min()))
    weights /= weights.sum()
    weights[weights < _SMALLEST_WEIGHT] = 0
    weights /= weights.sum()
    rows = [form.row(float(weight)) for form, weight in zip(forms, weights, strict=True) if weight > 0]
    return np.array(rows, np.float64).ravel()
