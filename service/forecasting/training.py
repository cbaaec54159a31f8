"""The whole way from a panel to a forecaster that says how good it is.

Three fits of one recipe, so that nothing is judged on what it has seen:

1. on [0, stopping): stops early by, and makes interval errors on, [stopping, test);
2. on [0, test): scored on [test, end), with the intervals of the first;
3. on everything, unless ``refit`` is false: served, with the errors of both.

The second and the third go on from the first, or repeat it; see `fit_again`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.forecasting.baselines import BaselineMethod
from service.forecasting.choices import scored_steps
from service.forecasting.evaluation import (
    Evaluated,
    Score,
    evaluated_item,
    pooled_errors,
    roll_baseline,
    roll_model,
    rolling_origins,
    score,
)
from service.forecasting.fit import EpochReport, Fit, LossCurve, fit_again, fit_network
from service.forecasting.fitted_item import FittedItem, fit_item
from service.forecasting.forecaster import Forecaster
from service.forecasting.intervals import ConformalErrors
from service.forecasting.metrics import skill
from service.forecasting.networks import Network
from service.forecasting.options import TrainOptions
from service.forecasting.planning import NOISE, Plan, plan_training
from service.forecasting.preparation import min_history, preparation
from service.forecasting.series import Panel, Series
from service.forecasting.specification import Specification
from service.forecasting.windows import Part, Pieces, long_pieces, open_windows, tiled_pieces, whole_windows

# Losing by less than this is a draw.
_WORTH_TELLING = 0.01
# What is forecast so much better than by its mean was no noise, whatever it looked like.
_MORE_THAN_NOISE = 0.1

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Trained:
    """A forecaster, and how the same recipe did on the part after the split."""

    forecaster: Forecaster
    plan: Plan
    score: Score
    baseline: Score
    baseline_method: BaselineMethod
    curve: LossCurve
    best_epochs: tuple[int, ...]
    warnings: tuple[str, ...]

    @property
    def skill(self) -> float | None:
        """1 - MAE / MAE of the baseline."""
        return skill(self.score.overall.mae, self.baseline.overall.mae)


def train(panel: Panel, options: TrainOptions, report: Report | None = None, device: str | None = None) -> Trained:
    """Train, score and refit; see the module for the three fits. Raises what `plan_training` raises.

    device: torch's name of where networks are fitted and scored; None: this CPU, in compiled kernels. The forecaster
    that is returned forecasts on the CPU either way.
    """
    return _Training(plan_training(panel, options), report or _unreported, device).run()


class _Training:
    def __init__(self, plan: Plan, report: Report, device: str | None) -> None:
        self.plan = plan
        self.device = device
        self.panel = plan.panel
        self.specification: Specification = plan.choice.specification
        self.report = report
        self.stopping = [split.stopping for split in plan.splits]
        self.test = [split.test for split in plan.splits]
        self.end = [split.length for split in plan.splits]
        # One unit an item for all three fits: errors of one are widths of the next.
        targets = len(self.panel.targets)
        self.units = [
            fit_item(one.head(end), self.specification, targets).unit
            for one, end in zip(self.panel, self.test, strict=True)
        ]

    def run(self) -> Trained:
        fits, earlier, known_errors = self._calibrated()
        best_epochs = tuple(fit.best_epoch for fit in fits)
        scored = self._fitted("score", self.test, fits)
        later = self._evaluated(scored, self.test, self.end, partial=False)
        rolled = roll_model(scored, later, self.specification.horizon)
        total = score(scored, rolled, known_errors, self.test)
        baseline, method = self._baseline(scored, earlier, later)
        errors = ConformalErrors(np.concatenate([known_errors.errors, pooled_errors(rolled)]))
        served = self._fitted("refit", self.end, fits) if self.specification.refit else scored
        forecaster = Forecaster(
            self.specification,
            self.panel.targets,
            self.panel.covariates,
            tuple(self._tail(item, one) for item, one in zip(served.items, self.panel, strict=True)),
            served.networks,
            errors.kept(),
        )
        warnings = (*self.plan.warnings, *self._warnings(total, baseline, errors))
        return Trained(forecaster, self.plan, total, baseline, method, fits[0].curve, best_epochs, warnings)

    def _calibrated(self) -> tuple[list[Fit], list[Evaluated], ConformalErrors]:
        """First fit: finds the best epochs, and the errors that the intervals are made of."""
        items = self._items(self.stopping)
        pieces = self._pieces(items, self.stopping)
        validation = self._validation(items)
        fits = [
            fit_network(
                self.specification, pieces, validation, self._seed(member), self._tell("select", member), self.device
            )
            for member in range(self.specification.training.ensemble_size)
        ]
        forecaster = self._forecaster(items, [fit.network for fit in fits])
        evaluated = self._evaluated(forecaster, self.stopping, self.test, partial=True)
        rolled = roll_model(forecaster, evaluated, self.specification.horizon)
        return fits, evaluated, ConformalErrors(pooled_errors(rolled))

    def _fitted(self, stage: str, ends: Sequence[int], fits: Sequence[Fit]) -> Forecaster:
        """Fit the recipe on the rows before ``ends``, each member after its first fit."""
        items = self._items(ends)
        pieces = self._pieces(items, ends)
        networks = [
            fit_again(
                self.specification, pieces, fit, self._seed(member), self._tell(stage, member), self.device
            ).network
            for member, fit in enumerate(fits)
        ]
        return self._forecaster(items, networks)

    def _tell(self, stage: str, member: int) -> EpochReport:
        def tell(epoch: int, epochs: int, curve: LossCurve) -> None:
            self.report(
                {
                    "stage": stage,
                    "member": member + 1,
                    "members": self.specification.training.ensemble_size,
                    "epoch": epoch,
                    "epochs": epochs,
                    "training_loss": curve.training[-1],
                    "validation_loss": curve.validation[-1] if curve.validation else None,
                }
            )

        return tell

    def _seed(self, member: int) -> int:
        return self.specification.training.seed + member

    def _items(self, ends: Sequence[int]) -> list[FittedItem]:
        return [
            fit_item(one.head(end), self.specification, len(self.panel.targets), unit=unit)
            for one, end, unit in zip(self.panel, ends, self.units, strict=True)
        ]

    def _parts(self, items: Sequence[FittedItem], firsts: Sequence[int], ends: Sequence[int]) -> list[Part]:
        parts = []
        for item, one, first, end in zip(items, self.panel, firsts, ends, strict=True):
            prepared = preparation(self.specification, item.scaler, len(self.panel.targets)).apply(one.head(end).values)
            lookback = prepared.preparation.transform.lookback
            observed = prepared.filled.observed[lookback:]
            parts.append(Part(prepared.between, observed, max(first - lookback, 0), end - lookback))
        return parts

    def _pieces(self, items: Sequence[FittedItem], ends: Sequence[int]) -> Pieces:
        parts = self._parts(items, [0] * len(items), ends)
        context, chunk = self.specification.context_length, self.specification.output_chunk_length
        if self.specification.training.objective == "windows":
            return whole_windows(parts, context, chunk)
        # The recipe stays the same over the three fits, so the length is that of the first.
        return long_pieces(parts, context, chunk, scored_steps(self.specification, min(self.stopping)))

    def _validation(self, items: Sequence[FittedItem]) -> Pieces:
        """What the first fit is judged by, read as it is trained: windows, or pieces with the state carried on."""
        parts = self._parts(items, self.stopping, self.test)
        context, chunk = self.specification.context_length, self.specification.output_chunk_length
        if self.specification.training.objective == "windows":
            return open_windows(parts, context, chunk)
        return tiled_pieces(parts, context, chunk, scored_steps(self.specification, min(self.stopping)))

    def _forecaster(self, items: Sequence[FittedItem], networks: Sequence[Network]) -> Forecaster:
        panel = self.panel
        no_errors = ConformalErrors(np.empty((0, 1, len(panel.targets))))
        return Forecaster(
            self.specification, panel.targets, panel.covariates, tuple(items), tuple(networks), no_errors, self.device
        )

    def _evaluated(
        self, forecaster: Forecaster, firsts: Sequence[int], ends: Sequence[int], partial: bool
    ) -> list[Evaluated]:
        return [
            evaluated_item(
                forecaster,
                item,
                one.head(end),
                rolling_origins(first, end, self.specification.horizon, len(self.panel), partial),
            )
            for item, one, first, end in zip(forecaster.items, self.panel, firsts, ends, strict=True)
        ]

    def _baseline(
        self, scored: Forecaster, earlier: Sequence[Evaluated], later: Sequence[Evaluated]
    ) -> tuple[Score, BaselineMethod]:
        method: BaselineMethod = "mean" if self.plan.noise else "seasonal_naive"
        horizon, season_length = self.specification.horizon, self.specification.season_length
        before = roll_baseline(method, earlier, horizon, season_length, self.stopping)
        rolled = roll_baseline(method, later, horizon, season_length, self.test)
        return score(scored, rolled, ConformalErrors(pooled_errors(before)), self.test), method

    def _tail(self, item: FittedItem, series: Series) -> FittedItem:
        """The end of the series to forecast from, with the scaling that the network was served with."""
        whole = fit_item(series, self.specification, len(self.panel.targets), item)
        tail = whole.tail.tail(min_history(self.specification))
        return FittedItem(series.item, item.scaler, item.unit, item.constant, tail)

    def _warnings(self, total: Score, baseline: Score, errors: ConformalErrors) -> list[str]:
        warnings = []
        if total.overall.mae is None:
            warnings.append("the part after the split has no values: nothing could be scored")
        gain = skill(total.overall.mae, baseline.overall.mae)
        if self.plan.noise and (gain is None or gain < _MORE_THAN_NOISE):
            warnings.append(NOISE)
        if gain is None and total.overall.mae:
            warnings.append("the naive forecast makes no error here, the model does")
        if gain is not None and gain <= -_WORTH_TELLING and not self.plan.noise:
            warnings.append(f"the model loses to the seasonal naive forecast by {-gain:.0%} (mean absolute error)")
        if errors.count < 19:
            warnings.append(f"only {errors.count} errors stand behind the intervals; 95 % needs at least 19")
        return warnings


def _unreported(_: dict[str, Any]) -> None:
    """Nobody is watching."""
