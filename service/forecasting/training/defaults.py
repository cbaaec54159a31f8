"""Defaults of a training: simple rules on the part before the split, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

import numpy as np

from service.errors import InvalidOption
from service.forecasting.config import options
from service.forecasting.config.specification import (
    NetworkSpecification,
    PriorSpecification,
    Specification,
    TrainingSpecification,
    point_of,
)
from service.forecasting.covariates.calendar_features import worth_trying
from service.forecasting.diagnostics.characteristics import grows_in_proportion, returns_to_its_mean
from service.forecasting.diagnostics.demand import SPORADIC, Demand, demand_pattern, most_common
from service.forecasting.diagnostics.season_detection import common_season, find_season
from service.forecasting.methods.catalogue import FOR_SPORADIC_DEMAND, FOR_TWO_SEASONS, METHODS, NOT_FOR_SPORADIC_DEMAND
from service.forecasting.methods.method import long_season_of, week_of
from service.forecasting.preprocessing.missing import fill
from service.forecasting.preprocessing.splits import Split
from service.forecasting.preprocessing.subsampling import evenly_spaced
from service.forecasting.preprocessing.transforms import SMALLEST_SHARE, TRANSFORMS
from service.forecasting.prior.recipe import VERSION
from service.forecasting.prior.zero_shot import LONGEST_USUAL_HORIZON, usual_horizon
from service.forecasting.series.series import FloatArray, Panel, Series

_DEFAULT_CONTEXT = 30
_LONGEST_DEFAULT_CONTEXT = 200
_SCORED_STEPS = 64
_CHUNK_STEPS = 160
_ENSEMBLE = 2
# With fewer values before `stopping`, in all items together, blends were better without a network (measured on the last
# rows of the training parts of M3 and Tourism).
_WORTH_A_NETWORK = 80
# The fewest long seasons before `stopping` for the methods that have two.
_LONG_SEASONS = 3
_TESTED_ITEMS = 50
_SHORT_SHARE = 0.2
_LONGEST_TESTED = 2000
# Options of a training that do not imply a network.
_NEUTRAL = {"seed", "ensemble_size"}
_TESTED_TARGETS = 10


@dataclass(frozen=True)
class Choice:
    """A specification, and the reasons for the options that were chosen."""

    specification: Specification
    reasons: dict[str, str]


def choose(panel: Panel, splits: Sequence[Split], asked: options.TrainOptions) -> Choice:
    """Choose every option that was left open.

    Depends only on values before the split of each series, with two exceptions: no logarithm is chosen where any value
    is 0 or below, and no lower bound where any is below 0.
    """
    return _Chooser(panel, splits, asked).choose()


def scored_steps(objective: options.Objective, context_length: int, fitted_length: int) -> int:
    """Return the number of scored steps of a training sequence: one for windows, else as many as the data allow."""
    return 1 if objective == "windows" else max(1, min(_SCORED_STEPS, fitted_length - context_length))


class _Chooser:
    def __init__(self, panel: Panel, splits: Sequence[Split], asked: options.TrainOptions) -> None:
        self.asked = asked
        self.reasons: dict[str, str] = {}
        self.demand: Demand | None = None
        self.panel = panel
        self.length = min(split.length for split in splits)
        # A few short items do not decide for all: they do without what they are too short for.
        self.fitted = int(np.quantile([split.stopping for split in splits], _SHORT_SHARE, method="lower"))
        # Epochs are also those of later fits, which have more rows.
        self.fitted_total = sum(split.usual_stopping for split in splits)
        targets = range(min(len(panel.targets), _TESTED_TARGETS))
        tested = [(row, column) for row in evenly_spaced(len(panel), _TESTED_ITEMS) for column in targets]
        self.samples = [_known(panel.series[row].values[: splits[row].test, column]) for row, column in tested]
        self.natural_seasons = [_natural_season(panel.series[row]) for row, _ in tested]

    def choose(self) -> Choice:
        asked = self.asked
        season_length = self._option("season_length", self._season_length)
        self.demand = most_common([demand_pattern(sample, season_length) for sample in self.samples])
        point: options.Point = self._option("point", self._point)
        horizon = self._option("horizon", lambda: self._horizon(season_length))
        transform: options.TransformName = self._option("transform", lambda: self._transform(season_length))
        chunk = self._option("output_chunk_length", lambda: self._output_chunk_length(horizon))
        context = self._option("context_length", lambda: self._context_length(season_length, chunk, transform))
        calendar = self._option("calendar", lambda: self._calendar(season_length))
        candidates = tuple(self._option("candidates", lambda: self._candidates(season_length)))
        if isinstance(asked.calendar, list) and any(one.times is None for one in self.panel):
            raise InvalidOption.at(("calendar",), "calendar features need timestamps, or start and freq; or use 'none'")
        specification = Specification(
            horizon=horizon,
            candidates=candidates,
            network=self._network(),
            context_length=context,
            output_chunk_length=chunk,
            season_length=season_length,
            scaling=self._option("scaling", lambda: ("standard", "mean 0 and standard deviation 1 suit every cell")),
            scaling_range=asked.scaling_range or (0.0, 1.0),
            transform=transform,
            centering=self._option("centering", lambda: self._centering(transform)),
            missing=self._option("missing", lambda: ("interpolate", "gaps are interpolated; none is scored")),
            training=self._training(context, point, candidates),
            validation=asked.validation,
            refit=asked.refit,
            calendar=calendar if calendar != "none" else (),
            future_covariates=self.panel.future_covariates,
            nonnegative=self._option("nonnegative", self._nonnegative),
            minimum=asked.minimum,
            maximum=asked.maximum,
            floor=self._floor(transform),
            point=point,
            prior=self._prior(season_length) if "prior" in candidates else None,
            demand=self.demand,
            long_season_length=self._long_season_length(season_length),
        )
        return Choice(specification, self.reasons)

    def _option(self, name: str, default: Callable[[], tuple[Any, str]]) -> Any:
        """Return an option as it was given, or else its default, whose reason is recorded."""
        asked = attrgetter(name)(self.asked)
        if asked is not None and asked != "auto":
            return asked
        value, self.reasons[name] = default()
        return value

    def _prior(self, season_length: int) -> PriorSpecification:
        """Return the prior with the season that was asked for or found, else that of the frequency."""
        if season_length == 1 and self.asked.season_length is None:
            natural = self.panel.series[0].times.grid.season_length if self.panel.series[0].times else None
            season_length = natural or 1
        week = self._week(season_length) or 0
        return PriorSpecification(VERSION, season_length, week if self.fitted >= _LONG_SEASONS * week else 0)

    def _most(self, test: Callable[[FloatArray], bool]) -> bool:
        return sum(test(sample) for sample in self.samples) * 2 > len(self.samples)

    def _candidates(self, season_length: int) -> tuple[tuple[options.Candidate, ...], str]:
        changed = self.asked.model_dump(exclude_defaults=True)
        names = [name for name in ("context_length", "output_chunk_length") if name in changed]
        names += [name for group in ("network", "training") for name in changed.get(group, ()) if name not in _NEUTRAL]
        if names:
            return ("network",), f"{names[0]} is an option of the network"
        week = self._week(season_length)
        two_seasons = week is not None and self.fitted >= _LONG_SEASONS * week
        sporadic = self.demand in SPORADIC and self.asked.point != "median"
        others = {
            *(NOT_FOR_SPORADIC_DEMAND if sporadic else FOR_SPORADIC_DEMAND),
            *(() if two_seasons else FOR_TWO_SEASONS),
        }
        methods = tuple(name for name in METHODS if name not in others)
        if two_seasons:
            # The prior adds nothing there (measured on held-out ends of training parts), and its forecasts take time.
            return ("network", *methods), "all that suit, weighted on rolling origins before the split"
        if self.fitted_total < _WORTH_A_NETWORK:
            return ("prior", *methods), "too few values to train a network: the others, weighted on rolling origins"
        return ("network", "prior", *methods), "all that suit, weighted on rolling origins before the split"

    def _week(self, season_length: int) -> int | None:
        """Return the rows of a week if the season is a day, as far as is known, else None."""
        return week_of([one.times.grid for one in self.panel if one.times is not None], season_length)

    def _long_season_length(self, season_length: int) -> int | None:
        week = self._week(season_length)
        return week if week != long_season_of(season_length) else None

    def _season_length(self) -> tuple[int, str]:
        """Return the common season; a shop that is closed on Sundays has another one than one that is open."""
        season_length = common_season(list(map(find_season, self.samples, self.natural_seasons)))
        if season_length == 1:
            return 1, "an F test finds no season"
        times = self.panel.series[0].times
        source = f"frequency {times.freq}" if season_length in self.natural_seasons and times else "of several lengths"
        several = " of most items, whose calendars differ" if len(set(self.natural_seasons)) > 1 else ""
        return season_length, f"an F test finds it{several} ({source})"

    def _horizon(self, season_length: int) -> tuple[int, str]:
        horizon = usual_horizon(season_length, self.length, self.fitted // 3)
        if 1 < season_length == horizon:
            return horizon, "one season"
        return horizon, f"a tenth of the series, up to {LONGEST_USUAL_HORIZON}"

    def _transform(self, season_length: int) -> tuple[options.TransformName, str]:
        block = season_length if season_length > 1 else 12
        if not self._most(lambda sample: bool(grows_in_proportion(sample, block))):
            return "none", "the spread does not grow with the level"
        # A use of values after the split: those without a logarithm could be neither scored nor forecast from.
        if self._smallest <= 0:
            return "none", "the spread grows with the level, but there are values of 0 or below"
        return "log", "the spread grows with the level"

    @cached_property
    def _smallest(self) -> float:
        """The smallest known value of all targets, also after the split."""
        targets = len(self.panel.targets)
        return float(min(np.nanmin(one.values[:, :targets], initial=np.inf) for one in self.panel))

    def _point(self) -> tuple[options.Point, str]:
        if self.demand in SPORADIC:
            return "mean", f"demand is {self.demand}: the median of so many zeros says little"
        loss = self.asked.training.loss
        return point_of(loss), f"what the loss {loss} gives"

    def _nonnegative(self) -> tuple[bool, str]:
        if self.asked.minimum is not None or (self.asked.maximum is not None and self.asked.maximum <= 0):
            return False, "another bound is given"
        if self._smallest < 0:
            return False, "there are values below 0"
        return True, "no value is below 0" if self._smallest == 0 else "every value is above 0"

    def _floor(self, transform: options.TransformName) -> float | None:
        """Return the soft lower bound, above 0 for a positive series unless logarithms keep its forecasts there."""
        if self.asked.nonnegative != "auto" or not self._nonnegative()[0]:
            return None
        return 0.0 if TRANSFORMS[transform].log else SMALLEST_SHARE * self._smallest

    def _centering(self, name: options.TransformName) -> tuple[options.Centering, str]:
        transform = TRANSFORMS[name]

        def returns(sample: FloatArray) -> bool:
            return returns_to_its_mean(transform.to_steps(transform.apply(sample[:, None]))[-_LONGEST_TESTED:, 0])

        if self._most(returns):
            return "none", "the series returns to its mean (Dickey-Fuller test)"
        return "last", "nothing shows that the series returns to its mean"

    def _calendar(self, season_length: int) -> tuple[tuple[options.CalendarFeature, ...], str]:
        times = [one.times for one in self.panel if one.times is not None]
        if len(times) < len(self.panel):
            return (), "there are no timestamps"
        found = worth_trying(times, season_length)
        kept = "kept where it makes forecasts before the split better"
        return found, kept if found else "nothing that the season leaves out"

    def _output_chunk_length(self, horizon: int) -> tuple[int, str]:
        if self.asked.training.objective == "windows":
            return 1, "windows are trained one step ahead"
        return min(horizon, max(1, self.fitted // 3)), "the horizon at once, as far as the data allow"

    def _context_length(self, season_length: int, chunk: int, transform: options.TransformName) -> tuple[int, str]:
        wanted = min(max(2 * season_length, _DEFAULT_CONTEXT, chunk), _LONGEST_DEFAULT_CONTEXT)
        possible = max(1, (self.fitted - chunk - TRANSFORMS[transform].lookback) // 2)
        return min(wanted, possible), "two seasons or 30, as far as the data allow"

    def _network(self) -> NetworkSpecification:
        size = 32 if self.fitted_total < 5000 else 64
        return NetworkSpecification(
            self._option("network.cell", lambda: ("lstm", "the fastest to train of those that learn long patterns")),
            self._option("network.hidden_size", lambda: (size, "by points")),
            self._option("network.num_layers", lambda: (1, "one layer learns most series")),
            self.asked.network.dropout,
        )

    def _training(
        self, context_length: int, point: options.Point, candidates: Sequence[options.Candidate]
    ) -> TrainingSpecification:
        asked = self.asked.training
        windows = asked.objective == "windows"
        scored = scored_steps(asked.objective, context_length, self.fitted)
        per_epoch = math.ceil(max(1, self.fitted_total - len(self.panel) * context_length) / scored)
        usual_batch = 32 if windows else min(256, max(8, per_epoch // 16))
        batch = self._option("training.batch_size", lambda: (usual_batch, "by the number of training sequences"))
        passes = min(max(10, math.ceil(_CHUNK_STEPS / math.ceil(per_epoch / batch))), _CHUNK_STEPS)
        usual = (100, "usual for windows") if windows else (passes, f"about {_CHUNK_STEPS} optimizer steps")
        epochs = self._option("training.epochs", lambda: usual)
        patience = (epochs, "the whole one-cycle schedule is run")
        if windows:
            patience = (max(20, epochs // 2), "half of the epochs")
        rate = _default_rate(asked, self.asked.network.cell), f"usual for {asked.optimizer} on {asked.objective}"
        loss = asked.loss
        if point == "mean" and loss == "mae":
            loss, self.reasons["training.loss"] = "mse", "the point forecast is the mean"
        chosen = {
            "loss": loss,
            "batch_size": batch,
            "epochs": epochs,
            "learning_rate": self._option("training.learning_rate", lambda: rate),
            "patience": self._option("training.patience", lambda: patience),
            "ensemble_size": self._option("training.ensemble_size", lambda: _ensemble_size(candidates)),
        }
        return TrainingSpecification(**{**dict(asked), **chosen})


def _ensemble_size(candidates: Sequence[options.Candidate]) -> tuple[int, str]:
    if tuple(candidates) == ("network",):
        return 1, "the only candidate is the network"
    return _ENSEMBLE, "the mean of two networks depends less on chance"


def _known(values: FloatArray) -> FloatArray:
    """Return (time,) from its first value on, with gaps interpolated."""
    seen = np.flatnonzero(~np.isnan(values))
    return fill(values[seen[0] :, None], "interpolate").interpolated[:, 0] if len(seen) else np.zeros(1)


def _default_rate(asked: options.TrainingOptions, cell: str) -> float:
    if asked.optimizer == "sgd":
        return 0.05
    if asked.objective == "windows":
        return 1e-3
    return 1e-2 if cell == "rnn" else 2e-2  # without gates, large steps are unstable


def _natural_season(series: Series) -> int | None:
    return series.times.grid.season_length if series.times is not None else None
