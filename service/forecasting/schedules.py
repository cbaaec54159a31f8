"""Learning-rate schedules."""

from __future__ import annotations

import math

from service.forecasting.options import Objective

# One-cycle (Smith & Topin 2018): a quarter of the steps up from a 25th of the rate, then down to nothing.
_WARM_UP = 0.25
_FIRST_SHARE = 0.04


def rate_share(objective: Objective, step: int, steps: int) -> float:
    """Return the share of the learning rate for a step of so many: one-cycle for chunks, constant for windows."""
    if objective == "windows":
        return 1.0
    rising = max(1, round(_WARM_UP * steps))
    if step < rising:
        return _FIRST_SHARE + (1 - _FIRST_SHARE) * (step + 1) / rising
    falling = (step - rising + 1) / max(1, steps - rising)
    return max(0.5 * (1 + math.cos(math.pi * falling)), 1e-3)
