"""Defaults of a training: simple rules on the part before the split, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from service.errors import InvalidOption
from service.forecasting.config.options import (
    CalendarFeature,
    Candidate,
    Centering,
    MethodName,
    Missing,
    Options,
    TrainingOptions,
    TrainOptions,
    TransformName,
)
from service.forecasting.config.specification import NetworkSpecification, Specification, TrainingSpecification
from service.forecasting.covariates.calendar import worth_trying
from service.forecasting.preprocessing.missing import fill
from service.forecasting.preprocessing.splits import Split
from service.forecasting.preprocessing.thinning import evenly_spaced
from service.forecasting.preprocessing.transforms import TRANSFORMS
from service.forecasting.series.frequency import season_length_of
from service.forecasting.series.seasonality import find_season, grows_in_proportion, returns_to_its_mean
from service.forecasting.series.series import FloatArray, Panel

_LONGEST_DEFAULT_HORIZON = 24
_DEFAULT_CONTEXT = 30
_LONGEST_DEFAULT_CONTEXT = 200
_SCORED_STEPS = 64
_CHUNK_STEPS = 160
_ENSEMBLE = 2
# With fewer values before `stopping`, in all items together, blends were better without a network (measured on the last
# rows of the training parts of M3 and Tourism).
_WORTH_A_NETWORK = 80
_ITEMS_LOOKED_AT = 50
_SHORT_SHARE = 0.2
_LONGEST_TESTED = 2000
# Options of a training that do not imply a network.
_NEUTRAL = {"seed", "ensemble_size"}
_TARGETS_LOOKED_AT = 10


@dataclass(frozen=True)
class Choice:
    """A specification, and the reasons for the options that were chosen."""

    specification: Specification
    reasons: dict[str, str]


def choose(panel: Panel, splits: Sequence[Split], options: TrainOptions) -> Choice:
    """Choose every option that was left open.

    Depends only on values before the split of each series, with one exception: no logarithm is chosen where any value
    is 0 or below.
    """
    return _Chooser(panel, splits, options).choose()


def scored_steps(specification: Specification, fitted_length: int) -> int:
    """Return the number of scored steps of a training sequence: one for windows, else as many as the data allow."""
    if specification.training.objective == "windows":
        return 1
    return max(1, min(_SCORED_STEPS, fitted_length - specification.context_length))


class _Chooser:
    def __init__(self, panel: Panel, splits: Sequence[Split], options: TrainOptions) -> None:
        self.options = options
        self.reasons: dict[str, str] = {}
        self.panel = panel
        self.length = min(split.length for split in splits)
        # A few short items do not decide for all: they do without what they are too short for.
        self.fitted = int(np.quantile([split.stopping for split in splits], _SHORT_SHARE, method="lower"))
        self.fitted_total = sum(split.stopping for split in splits)
        targets = range(min(len(panel.targets), _TARGETS_LOOKED_AT))
        self.samples = [
            _known(panel.series[row].values[: splits[row].test, column])
            for row in evenly_spaced(len(panel), _ITEMS_LOOKED_AT)
            for column in targets
        ]

    def choose(self) -> Choice:
        options = self.options
        season_length = self._season_length()
        horizon = self._horizon(season_length)
        transform = self._transform(season_length)
        lookback = TRANSFORMS[transform].lookback
        chunk = self._output_chunk_length(horizon)
        context = self._context_length(season_length, chunk, lookback)
        specification = Specification(
            horizon=horizon,
            candidates=self._candidates(),
            network=self._network(),
            context_length=context,
            output_chunk_length=chunk,
            season_length=season_length,
            scaling="standard" if options.scaling == "auto" else options.scaling,
            scaling_range=options.scaling_range or (0.0, 1.0),
            transform=transform,
            centering=self._centering(transform),
            missing=self._missing(),
            training=self._training(context),
            validation=options.validation,
            refit=options.refit,
            calendar=self._calendar(season_length),
            future_covariates=self.panel.future_covariates,
            nonnegative=options.nonnegative,
            minimum=options.minimum,
            maximum=options.maximum,
        )
        if options.scaling == "auto":
            self.reasons["scaling"] = "mean 0 and standard deviation 1 suit every cell"
        return Choice(specification, self.reasons)

    def _chosen(self, name: str, value: Any, reason: str) -> Any:
        self.reasons[name] = reason
        return value

    def _most(self, test: Callable[[FloatArray], bool]) -> bool:
        return sum(test(sample) for sample in self.samples) * 2 > len(self.samples)

    def _candidates(self) -> tuple[Candidate, ...]:
        asked = self.options
        if asked.candidates is not None:
            return tuple(asked.candidates)
        names = [name for name in ("context_length", "output_chunk_length") if getattr(asked, name) is not None]
        names += [*_changed(asked.network), *(name for name in _changed(asked.training) if name not in _NEUTRAL)]
        if names:
            self.reasons["candidates"] = f"{names[0]} asks for a network"
            return ("network",)
        if self.fitted_total < _WORTH_A_NETWORK:
            self.reasons["candidates"] = "so few values teach a network too little: simple methods, weighed on origins"
            return get_args(MethodName)
        self.reasons["candidates"] = "the network and simple methods, weighed on rolling origins before the split"
        return ("network", *get_args(MethodName))

    def _season_length(self) -> int:
        if self.options.season_length is not None:
            return self.options.season_length
        times = self.panel.series[0].times
        expected = season_length_of(times.freq) if times is not None else None
        found = [find_season(sample, expected) for sample in self.samples]
        season_length = max(set(found), key=lambda length: (found.count(length), -length))
        if season_length == 1:
            return int(self._chosen("season_length", 1, "no season shows in the autocorrelation"))
        source = f"frequency {times.freq}" if expected and times else "highest peak"
        return int(self._chosen("season_length", season_length, f"shows in the autocorrelation ({source})"))

    def _horizon(self, season_length: int) -> int:
        if self.options.horizon is not None:
            return self.options.horizon
        longest = max(1, self.fitted // 3)
        if 1 < season_length <= longest:
            return int(self._chosen("horizon", season_length, "one season"))
        horizon = min(max(1, self.length // 10), _LONGEST_DEFAULT_HORIZON, longest)
        return int(self._chosen("horizon", horizon, f"a tenth of the series, up to {_LONGEST_DEFAULT_HORIZON}"))

    def _transform(self, season_length: int) -> TransformName:
        if self.options.transform != "auto":
            return self.options.transform
        block = season_length if season_length > 1 else 12
        if not self._most(lambda sample: grows_in_proportion(sample, block)):
            self.reasons["transform"] = "the spread does not grow with the level"
            return "none"
        # The only use of values after the split: those without a logarithm could be neither scored nor forecast from.
        targets = len(self.panel.targets)
        if any(np.nanmin(one.values[:, :targets], initial=np.inf) <= 0 for one in self.panel):
            self.reasons["transform"] = "the spread grows with the level, but there are values of 0 or below"
            return "none"
        self.reasons["transform"] = "the spread grows with the level"
        return "log"

    def _centering(self, transform: TransformName) -> Centering:
        if self.options.centering != "auto":
            return self.options.centering
        known = TRANSFORMS[transform]
        if self._most(
            lambda sample: returns_to_its_mean(known.to_steps(known.apply(sample[:, None]))[-_LONGEST_TESTED:, 0])
        ):
            self.reasons["centering"] = "the series returns to its mean (Dickey-Fuller test)"
            return "none"
        self.reasons["centering"] = "nothing shows that the series returns to its mean"
        return "last"

    def _missing(self) -> Missing:
        if self.options.missing != "auto":
            return self.options.missing
        self.reasons["missing"] = "gaps are filled on a straight line; none is scored"
        return "interpolate"

    def _calendar(self, season_length: int) -> tuple[CalendarFeature, ...]:
        asked = self.options.calendar
        if isinstance(asked, list):
            self._refuse_calendar_without_times()
            return tuple(asked)
        times = [one.times for one in self.panel if one.times is not None]
        if asked == "none" or len(times) < len(self.panel):
            if asked == "auto":
                self.reasons["calendar"] = "there are no timestamps"
            return ()
        found = worth_trying(times, season_length)
        self.reasons["calendar"] = (
            "kept where it makes forecasts before the split better" if found else "nothing that the season leaves out"
        )
        return found

    def _refuse_calendar_without_times(self) -> None:
        if any(one.times is None for one in self.panel):
            detail = "calendar features need timestamps, or start and freq, in the series; or use 'none'"
            raise InvalidOption.at(("calendar",), detail)

    def _output_chunk_length(self, horizon: int) -> int:
        if self.options.output_chunk_length is not None:
            return self.options.output_chunk_length
        if self.options.training.objective == "windows":
            return int(self._chosen("output_chunk_length", 1, "windows are trained one step ahead"))
        chunk = min(horizon, max(1, self.fitted // 3))
        return int(self._chosen("output_chunk_length", chunk, "the horizon at once, as far as the data allow"))

    def _context_length(self, season_length: int, chunk: int, lookback: int) -> int:
        if self.options.context_length is not None:
            return self.options.context_length
        wanted = min(max(2 * season_length, _DEFAULT_CONTEXT, chunk), _LONGEST_DEFAULT_CONTEXT)
        possible = max(1, (self.fitted - chunk - lookback) // 2)
        return int(self._chosen("context_length", min(wanted, possible), "two seasons or 30, as far as the data allow"))

    def _network(self) -> NetworkSpecification:
        asked = self.options.network
        if asked.cell == "auto":
            self.reasons["network.cell"] = "the fastest to train of those that learn long patterns"
        hidden_size, num_layers = asked.hidden_size, asked.num_layers
        if hidden_size is None:
            hidden_size = self._chosen("network.hidden_size", 32 if self.fitted_total < 5000 else 64, "by points")
        if num_layers is None:
            num_layers = self._chosen("network.num_layers", 1, "one layer learns most series")
        return NetworkSpecification(
            "lstm" if asked.cell == "auto" else asked.cell, hidden_size, num_layers, asked.dropout
        )

    def _training(self, context_length: int) -> TrainingSpecification:
        asked = self.options.training
        windows = asked.objective == "windows"
        per_epoch = max(1, self.fitted_total - len(self.panel) * context_length)
        if not windows:
            steps = max(1, min(_SCORED_STEPS, self.fitted - context_length))
            per_epoch = math.ceil(per_epoch / steps)
        batch_size = asked.batch_size or self._chosen(
            "training.batch_size",
            32 if windows else min(256, max(8, per_epoch // 16)),
            "by the number of training sequences",
        )
        epochs = asked.epochs or self._epochs(asked, math.ceil(per_epoch / batch_size))
        rate = asked.learning_rate or self._chosen(
            "training.learning_rate",
            _default_rate(asked, self.options.network.cell),
            f"usual for {asked.optimizer} on {asked.objective}",
        )
        patience = asked.patience or self._chosen(
            "training.patience",
            max(20, epochs // 2) if windows else epochs,
            "half of the epochs" if windows else "the whole one-cycle schedule is run",
        )
        ensemble_size = asked.ensemble_size or self._ensemble_size()
        chosen = {
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": rate,
            "patience": patience,
            "ensemble_size": ensemble_size,
        }
        return TrainingSpecification(**{**dict(asked), **chosen})

    def _ensemble_size(self) -> int:
        if self._candidates() == ("network",):
            return int(self._chosen("training.ensemble_size", 1, "the network that was asked for"))
        return int(self._chosen("training.ensemble_size", _ENSEMBLE, "the mean of two starts depends less on chance"))

    def _epochs(self, asked: TrainingOptions, steps_per_epoch: int) -> int:
        if asked.objective == "windows":
            return int(self._chosen("training.epochs", 100, "usual for windows"))
        epochs = min(max(10, math.ceil(_CHUNK_STEPS / steps_per_epoch)), _CHUNK_STEPS)
        return int(self._chosen("training.epochs", epochs, f"about {_CHUNK_STEPS} optimizer steps"))


def _changed(options: Options) -> list[str]:
    """Return the names of the options that are not at their defaults."""
    return [
        name
        for name, field in type(options).model_fields.items()
        if getattr(options, name) != field.get_default(call_default_factory=True)
    ]


def _known(values: FloatArray) -> FloatArray:
    """Return (time,) from its first value on, with gaps interpolated."""
    seen = np.flatnonzero(~np.isnan(values))
    return fill(values[seen[0] :, None], "interpolate").interpolated[:, 0] if len(seen) else np.zeros(1)


def _default_rate(asked: TrainingOptions, cell: str) -> float:
    if asked.optimizer == "sgd":
        return 0.05
    if asked.objective == "windows":
        return 1e-3
    return 1e-2 if cell == "rnn" else 2e-2  # without gates, large steps are unstable
