"""Fit one specification, networks and simple methods, on the rows of a panel before given ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from service.forecasting.config.options import Candidate
from service.forecasting.covariates.effects import Effects, fit_effects
from service.forecasting.covariates.future_covariates import CovariateColumns
from service.forecasting.evaluation.error_scale import Calibration
from service.forecasting.forecaster.blend import Blend
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.forecaster.items import RECOGNISED, FittedItem, filled_residual, fit_item
from service.forecasting.intervals.conformal import ConformalErrors
from service.forecasting.networks.architecture import Network, NetworkShape
from service.forecasting.networks.engine_choice import FASTEST, EngineChoice, engine_for
from service.forecasting.networks.fitting import Fit, FitRun, fit_network, refit_network
from service.forecasting.networks.training_sequences import (
    ItemRows,
    TrainingSequences,
    complete_windows,
    consecutive_sequences,
    overlapping_sequences,
    partial_windows,
)
from service.forecasting.preprocessing.missing import fill
from service.forecasting.preprocessing.network_inputs import network_inputs
from service.forecasting.preprocessing.scaling import usual_change
from service.forecasting.preprocessing.transforms import TRANSFORMS
from service.forecasting.series.series import FloatArray
from service.forecasting.training.checkpoint import Checkpoints, NetworkStage, ResumableTraining
from service.forecasting.training.defaults import scored_steps
from service.forecasting.training.planning import Plan
from service.forecasting.training.progress import Stage, TrainingProgress

# The most rows that are kept only to recognise those that were fitted on.
_MOST_KEPT = 5000


class Fitter:
    """Fits the specification of a plan; all ends are row numbers, one for each item of its panel.

    engine: what networks are fitted and forecast with, as ``engines`` chooses it. checkpoints: what to resume from, and
    to store. start: the networks that the ensemble starts from; empty: random weights.
    """

    def __init__(
        self,
        plan: Plan,
        progress: TrainingProgress,
        engines: EngineChoice = FASTEST,
        checkpoints: Checkpoints | None = None,
        start: tuple[Network, ...] = (),
    ) -> None:
        self._plan, self._progress, self._start = plan, progress, start
        self._resumable = ResumableTraining(plan, checkpoints, start)
        self._panel, self._specification = plan.panel, plan.choice.specification
        self.engine = engine_for("numba")
        if "network" in self._specification.candidates:
            chunk, columns = self._specification.output_chunk_length, len(plan.panel.columns)
            self.engine = engines.for_training(NetworkShape.of(self._specification.network, columns, chunk))
        # One usual change an item for all fits: a series may be constant up to the end of the first fit.
        self._usual = []
        targets, missing = len(plan.panel.targets), self._specification.missing
        for one, split in zip(self._panel, plan.splits, strict=True):
            filled = fill(one.values[: split.test, :targets], missing).interpolated
            values = TRANSFORMS[self._specification.transform].apply(filled)
            self._usual.append(usual_change(values, self._specification.season_length))

    def fit_first(self, ends: Sequence[int], validation_ends: Sequence[int]) -> tuple[Forecaster, list[Fit]]:
        """Fit all candidates on the rows before ``ends``; networks are validated on those up to ``validation_ends``.

        The candidates of an item have equal weights.
        """
        specification, plan = self._specification, self._plan
        items, common = self._items("candidates", ends, specification.candidates)
        fits = []
        if "network" in specification.candidates:
            self._progress.begin("select", "network")
            sequences, validation = self._sequences(items, ends), self._sequences(items, ends, validation_ends)
            fits = [
                self._fit("select", member, partial(fit_network, specification, sequences, validation, start=start))
                for member, start in enumerate(self._start or (None,) * specification.training.ensemble_size)
            ]
        use = np.array([[name != "network" or long for name in specification.candidates] for long in plan.long])
        blend = Blend(specification.candidates, use / use.sum(axis=1, keepdims=True))
        return self._forecaster(items, [fit.network for fit in fits], blend, common), fits

    def refit(self, stage: NetworkStage, ends: Sequence[int], blend: Blend, fits: Sequence[Fit]) -> Forecaster:
        """Fit the candidates of a blend on the rows before ``ends``, each network by `refit_network`."""
        items, common = self._items(stage, ends, blend.candidates)
        networks = []
        if "network" in blend.candidates:
            self._progress.begin(stage, "network")
            sequences = self._sequences(items, ends)
            refit = partial(refit_network, is_warm=bool(self._start))
            networks = [
                self._fit(stage, member, partial(refit, self._specification, sequences, fit)).network
                for member, fit in enumerate(fits)
            ]
        return self._forecaster(items, networks, blend, common)

    def _items(
        self, stage: Stage, ends: Sequence[int], candidates: Sequence[Candidate]
    ) -> tuple[list[FittedItem], FloatArray | None]:
        """Fit all but the networks; return the items and their common effects."""
        specification, targets = self._specification, len(self._panel.targets)
        self._progress.begin(stage, "methods")
        heads = [one.head(end) for one, end in zip(self._panel, ends, strict=True)]
        effects: Sequence[Effects | None] = [None] * len(heads)
        common = None
        if CovariateColumns.of(specification).width:
            found = fit_effects(heads, targets, TRANSFORMS[specification.transform], specification.season_length)
            effects, common = found.items, found.common
        items = []
        fitted = zip(heads, self._usual, effects, strict=True)
        for head, usual, effect in self._progress.track(fitted, len(heads)):
            item = fit_item(head, specification, targets, usual=usual, effects=effect)
            known = filled_residual(item, head, specification).forward_filled[:, :targets]
            items.append(item.with_methods(candidates, known, specification))
        return items, common

    def _sequences(
        self, items: Sequence[FittedItem], ends: Sequence[int], validation_ends: Sequence[int] | None = None
    ) -> TrainingSequences:
        """Return the training set, the rows before ``ends``, or the validation set, those up to ``validation_ends``.

        Items that are too short for the network are left out. The validation set of chunks carries the state on, as in
        training.
        """
        specification = self._specification
        transform, targets = TRANSFORMS[specification.transform], len(self._panel.targets)
        lookback = transform.lookback
        firsts = [0] * len(items) if validation_ends is None else ends
        rows = []
        for item, one, first, end, long in zip(
            items, self._panel, firsts, validation_ends or ends, self._plan.long, strict=True
        ):
            if long:
                filled = filled_residual(item, one.head(end), specification)
                scaled = network_inputs(filled.interpolated, transform, item.scaler, targets)
                rows.append(ItemRows(scaled, filled.observed[lookback:], max(first - lookback, 0), end - lookback))
        context, chunk = specification.context_length, specification.output_chunk_length
        if specification.training.objective == "windows":
            cut = complete_windows if validation_ends is None else partial_windows
            return cut(rows, context, chunk)
        # That of the first fit, as the specification is the same for all fits.
        shortest = min(split.stopping for split, long in zip(self._plan.splits, self._plan.long, strict=True) if long)
        sequences_of = overlapping_sequences if validation_ends is None else consecutive_sequences
        return sequences_of(rows, context, chunk, scored_steps("chunks", context, shortest))

    def _forecaster(
        self, items: Sequence[FittedItem], networks: Sequence[Network], blend: Blend, common: FloatArray | None
    ) -> Forecaster:
        panel = self._panel
        no_errors = ConformalErrors(np.empty((0, 1, len(panel.targets))))
        return Forecaster(
            self._specification,
            panel.targets,
            panel.covariates,
            tuple(items),
            tuple(networks),
            blend,
            no_errors,
            self.engine,
            self._plan.future_covariates,
            common,
        )

    def served(self, fitted: Forecaster, calibration: Calibration, ends: Sequence[int]) -> Forecaster:
        """Return the forecaster to serve: with intervals, with the last rows of each series as tails, on the CPU.

        ends: of the rows that it was fitted on.
        """
        items = []
        for item, one, factor, wider, end in zip(
            fitted.items, self._panel, calibration.factors, self._plan.widening, ends, strict=True
        ):
            whole = fit_item(one, self._specification, len(self._panel.targets), item).with_error_factor(factor * wider)
            after = len(one) - end
            kept = max(fitted.memory, min(after + RECOGNISED, _MOST_KEPT))
            items.append(replace(whole, tail=whole.tail.tail(kept), rows_after_fit=after))
        return replace(fitted, items=tuple(items), errors=calibration.errors.kept(), engine=engine_for("numba"))

    def _fit(self, stage: NetworkStage, member: int, fit: Callable[[FitRun], Fit]) -> Fit:
        """Fit one network of the ensemble."""
        key = stage, member
        self._progress.skip(member, self._resumable.share_of(key))
        seed, report = self._specification.training.seed + member, self._progress.epoch_report(member)
        return self._resumable.fit(key, lambda states: fit(FitRun(seed, report, self.engine, states)))
