"""Fitting one recipe, networks and simple methods, on the rows of a panel before some end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from service.forecasting.config.options import Candidate
from service.forecasting.covariates.columns import KnownAhead
from service.forecasting.covariates.effect_regression import fit_effects
from service.forecasting.covariates.effects import Effects
from service.forecasting.evaluation.error_scale import Calibration
from service.forecasting.forecaster.blend import Blend
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.forecaster.items import FittedItem, fit_item, prepare
from service.forecasting.intervals.conformal import ConformalErrors
from service.forecasting.networks.architecture import Network
from service.forecasting.networks.fitting import Fit, fit_network, refit_network
from service.forecasting.networks.windows import (
    ItemRows,
    TrainingSequences,
    complete_windows,
    consecutive_sequences,
    overlapping_sequences,
    partial_windows,
)
from service.forecasting.preprocessing.missing import fill
from service.forecasting.preprocessing.scaling import usual_change
from service.forecasting.preprocessing.transforms import TRANSFORMS
from service.forecasting.series.series import FloatArray, Series
from service.forecasting.training.checkpoint import Course, NetworkStage
from service.forecasting.training.defaults import scored_steps
from service.forecasting.training.planning import Plan
from service.forecasting.training.progress import Stage, TrainingProgress


class Fitter:
    """Fits what a plan decided; all ends are row numbers, one for each item of its panel.

    device: torch's name of where networks are fitted and forecast; None: this CPU, in compiled kernels. course: what an
    earlier run fitted is not fitted again.
    """

    def __init__(self, plan: Plan, progress: TrainingProgress, device: str | None, course: Course) -> None:
        self._plan, self._progress, self._device, self._course = plan, progress, device, course
        self._panel, self._specification = plan.panel, plan.choice.specification
        # One usual change an item for all fits: where a series moves only after the split, errors before it have none.
        self._usual = [
            self._usual_change(one.head(split.test)) for one, split in zip(self._panel, plan.splits, strict=True)
        ]

    def first(self, ends: Sequence[int], judged_ends: Sequence[int]) -> tuple[Forecaster, list[Fit]]:
        """Fit all candidates on the rows before ``ends``; networks are judged by those from there to ``judged_ends``.

        The forecaster weighs all candidates alike.
        """
        specification, plan = self._specification, self._plan
        items, common = self._items("candidates", ends, specification.candidates)
        fits = []
        if "network" in specification.candidates:
            self._progress.begin("select", "network")
            sequences, validation = self._sequences(items, ends), self._validation(items, ends, judged_ends)
            fits = [
                self._fit("select", member, partial(fit_network, specification, sequences, validation))
                for member in range(specification.training.ensemble_size)
            ]
        use = np.array([[name != "network" or fits_one for name in specification.candidates] for fits_one in plan.long])
        blend = Blend(specification.candidates, use / use.sum(axis=1, keepdims=True))
        return self._forecaster(items, [fit.network for fit in fits], blend, common), fits

    def again(self, stage: NetworkStage, ends: Sequence[int], blend: Blend, fits: Sequence[Fit]) -> Forecaster:
        """Fit what a blend uses on the rows before ``ends``, each network after its first fit."""
        items, common = self._items(stage, ends, blend.candidates)
        networks = []
        if "network" in blend.candidates:
            self._progress.begin(stage, "network")
            sequences = self._sequences(items, ends)
            networks = [
                self._fit(stage, member, partial(refit_network, self._specification, sequences, fit)).network
                for member, fit in enumerate(fits)
            ]
        return self._forecaster(items, networks, blend, common)

    def _items(
        self, stage: Stage, ends: Sequence[int], candidates: Sequence[Candidate]
    ) -> tuple[list[FittedItem], FloatArray | None]:
        """Fit all but the networks; return the effects that items have in common too."""
        specification, targets = self._specification, len(self._panel.targets)
        self._progress.begin(stage, "methods")
        heads = [one.head(end) for one, end in zip(self._panel, ends, strict=True)]
        effects: Sequence[Effects | None] = [None] * len(heads)
        common = None
        if KnownAhead.of(specification).width:
            found = fit_effects(heads, targets, TRANSFORMS[specification.transform], specification.season_length)
            effects, common = found.items, found.common
        items = []
        known = zip(heads, self._usual, effects, strict=True)
        for head, usual, effect in self._progress.through(known, len(heads)):
            item = fit_item(head, specification, targets, usual=usual, effects=effect)
            prepared = prepare(item, head, specification)
            items.append(item.with_methods(candidates, prepared.known, specification.season_length))
        return items, common

    def _usual_change(self, series: Series) -> FloatArray:
        filled = fill(series.values[:, : len(self._panel.targets)], self._specification.missing).interpolated
        levels = TRANSFORMS[self._specification.transform].apply(filled)
        return usual_change(levels, self._specification.season_length)

    def _parts(self, items: Sequence[FittedItem], firsts: Sequence[int], ends: Sequence[int]) -> list[ItemRows]:
        """The rows of those items that are long enough for the network."""
        parts = []
        for item, one, first, end, fits_one in zip(items, self._panel, firsts, ends, self._plan.long, strict=True):
            if not fits_one:
                continue
            prepared = prepare(item, one.head(end), self._specification)
            lookback = prepared.preparation.transform.lookback
            observed = prepared.filled.observed[lookback:]
            parts.append(ItemRows(prepared.interpolated, observed, max(first - lookback, 0), end - lookback))
        return parts

    @property
    def _scored_steps(self) -> int:
        # The recipe stays the same over all fits, so the length is that of the first.
        shortest = min(
            split.stopping for split, fits_one in zip(self._plan.splits, self._plan.long, strict=True) if fits_one
        )
        return scored_steps(self._specification, shortest)

    def _sequences(self, items: Sequence[FittedItem], ends: Sequence[int]) -> TrainingSequences:
        parts = self._parts(items, [0] * len(items), ends)
        context, chunk = self._specification.context_length, self._specification.output_chunk_length
        if self._specification.training.objective == "windows":
            return complete_windows(parts, context, chunk)
        return overlapping_sequences(parts, context, chunk, self._scored_steps)

    def _validation(
        self, items: Sequence[FittedItem], ends: Sequence[int], judged_ends: Sequence[int]
    ) -> TrainingSequences:
        """What the first fit is judged by, read as it is trained: windows, or sequences with the state carried on."""
        parts = self._parts(items, ends, judged_ends)
        context, chunk = self._specification.context_length, self._specification.output_chunk_length
        if self._specification.training.objective == "windows":
            return partial_windows(parts, context, chunk)
        return consecutive_sequences(parts, context, chunk, self._scored_steps)

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
            self._device,
            self._plan.future_covariates,
            common,
        )

    def served(self, fitted: Forecaster, calibration: Calibration) -> Forecaster:
        """Return what is served: a fitted forecaster with its intervals and the ends of the whole series."""
        items = []
        for item, one, factor in zip(fitted.items, self._panel, calibration.factors, strict=True):
            whole = fit_item(one, self._specification, len(self._panel.targets), item).with_error_factor(factor)
            items.append(replace(whole, tail=whole.tail.tail(fitted.memory)))
        return replace(fitted, items=tuple(items), errors=calibration.errors.kept(), device=None)

    def _fit(self, stage: NetworkStage, member: int, fit: Callable[..., Fit]) -> Fit:
        """Fit one network of an ensemble with its seed; ``fit`` is told who is told, where, and where to go on."""
        self._progress.skip(member, self._course.share_of(stage, member))
        seed, tell = self._specification.training.seed + member, self._progress.epochs(member)
        return self._course.fit((stage, member), lambda states: fit(seed, tell, self._device, states))
