"""Plan a training: check the panel, split it and choose open options; also the answer of a dry run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from service.errors import Path
from service.forecasting.config.bounds import Bounds
from service.forecasting.config.options import BaselineMethod, TrainOptions, Validation
from service.forecasting.config.specification import Specification
from service.forecasting.covariates.categories import (
    categories_of,
    constant_covariates,
    indicator_names,
    with_indicators,
    without_columns,
)
from service.forecasting.covariates.future_covariates import CovariateColumns
from service.forecasting.diagnostics.characteristics import looks_like_noise, returns_to_its_mean
from service.forecasting.diagnostics.season_detection import common_season, shows_weeks
from service.forecasting.evaluation.blend_weights import Trusted
from service.forecasting.methods.catalogue import FOR_SPORADIC_DEMAND, FOR_TWO_SEASONS, TRUSTED
from service.forecasting.preprocessing.level_shift import without_shifts
from service.forecasting.preprocessing.missing import drop_leading, open_end_warnings, refuse_missing
from service.forecasting.preprocessing.network_inputs import min_history
from service.forecasting.preprocessing.splits import (
    Split,
    require_length,
    require_shortest,
    require_transformed,
    split_series,
)
from service.forecasting.preprocessing.transforms import TRANSFORMS, require_positive
from service.forecasting.series.frequency import unit_of
from service.forecasting.series.series import FloatArray, Panel
from service.forecasting.training.defaults import Choice, choose

NOISE = "the series looks like noise: nothing forecasts it better than its mean, so expect a skill of 0"

WALK = "the series looks like a random walk: nothing forecasts it better than its last value, so expect a skill of 0"

# Series of up to so many values get a warning that the network is left out.
_SHORT_SERIES = 30
# The fewest values that are tested for a random walk: fewer often look like one.
_SHORTEST_WALK = 100
# A test cannot tell fewer values from noise, whatever they are.
_SHORTEST_NOISE = 40
# Methods for two seasons are alike in error and differ in kind: their mean is better than most weights.
_ORIGINS_OF_WEEKS = 6.0
# The weight of the prior beside the others, where little is known, and where a series is too short for a network.
_PRIOR_SHARE, _PRIOR_SHARE_OF_SHORT = 0.5, 0.7
# Years have trends that last longer than the prior expects.
_PRIOR_SHARE_OF_YEARS = 0.3


@dataclass(frozen=True)
class Plan:
    """A panel that can be trained on, its splits and its specification.

    panel: its future covariates are separate from the values. long: whether each item is long enough for the network.
    future_covariates: all that were declared; the specification has those that are, or may be, used. widening: for
    each item (target,), how much wider its intervals are after a late level shift, which is removed from the panel.
    """

    panel: Panel
    splits: tuple[Split, ...]
    choice: Choice
    long: tuple[bool, ...]
    noise: bool
    walk: bool
    weeks: bool
    future_covariates: tuple[str, ...]
    warnings: tuple[str, ...]
    widening: tuple[FloatArray, ...]

    @property
    def notices(self) -> tuple[str, ...]:
        """The warnings that are known before anything is trained."""
        return (*self.warnings, *([NOISE] if self.noise else []), *([WALK] if self.walk else []))

    @property
    def trusted(self) -> Trusted:
        """The candidates to blend where little is known of their errors."""
        if self.choice.specification.sporadic:
            return Trusted((*FOR_SPORADIC_DEMAND, "exponential_smoothing"))
        if self.walk:
            return Trusted(("naive", "exponential_smoothing"))
        if self.noise:
            return Trusted(("mean",))
        candidates = self.choice.specification.candidates
        share = _PRIOR_SHARE if "network" in candidates else _PRIOR_SHARE_OF_SHORT
        if self._is_yearly:
            return Trusted(("network", *TRUSTED, "drift"), prior_share=_PRIOR_SHARE_OF_YEARS)
        if not set(FOR_TWO_SEASONS) <= set(candidates):
            return Trusted(("network", *TRUSTED), prior_share=share)
        if self.weeks:
            return Trusted(("ridge", "seasonal_naive", *FOR_TWO_SEASONS), _ORIGINS_OF_WEEKS)
        return Trusted(("network", *TRUSTED, "seasonal_naive", *FOR_TWO_SEASONS))

    @property
    def known_baseline(self) -> BaselineMethod | None:
        """The naive forecast that is best in theory; None: past errors have to show it."""
        return "mean" if self.noise else "naive" if self.walk else None

    @property
    def _is_yearly(self) -> bool:
        """Whether rows are years: few values with a trend, for which the drift is hard to beat."""
        times = self.panel.series[0].times
        return times is not None and unit_of(times.grid.freq) == "Y"

    @property
    def noise_variance(self) -> float | None:
        """The variance to add to squared errors where candidates are weighed by them; None: by absolute errors.

        Where few values are not 0, those that happen to be in the validation part say little about a candidate.
        """
        specification = self.choice.specification
        return float(specification.sporadic) if specification.point_forecast == "mean" else None

    @property
    def min_history(self) -> int:
        """The fewest values from which the model will forecast; fewer suffice if its network gets no weight."""
        specification = self.choice.specification
        return min_history(specification) if any(self.long) else TRANSFORMS[specification.transform].lookback + 1

    def configuration(self) -> dict[str, Any]:
        """Return every option as used, as JSON-compatible values; ``chosen`` has the reasons for those left open."""
        record = self.choice.specification.to_record()
        return {**record, "calendar": record["calendar"] or "none", "chosen": self.choice.reasons}


def plan_training(panel: Panel, options: TrainOptions) -> Plan:
    """Check the panel, split it and choose what was left open, without training anything.

    Raises InvalidSeries, MissingValues, SeriesTooShort, InvalidOption.
    """
    paths = _paths(panel)
    panel, warnings = _whole_rows(panel, options, paths)
    named, categories, constants = (
        panel.future_covariates,
        categories_of(panel, ("series",)),
        constant_covariates(panel),
    )
    warnings += [_unused(name, value) for name, value in constants.items()]
    panel = without_columns(panel, constants)
    warnings += open_end_warnings(panel, list(range(len(panel.targets))))
    reach = (options.context_length or 0) + max(options.output_chunk_length or 0, options.horizon or 1)
    splits = tuple(split_series(one, options.validation, path, reach) for one, path in zip(panel, paths, strict=True))
    if options.transform != "auto":
        for one, path in zip(panel, paths, strict=True):
            require_positive(one.values[:, : len(panel.targets)], options.transform, path)
    choice = choose(panel, splits, options)
    panel, shifts, widening = _without_shifts(panel, choice.specification.season_length)
    choice = choose(panel, splits, options) if shifts else choice
    warnings += shifts
    for one, split in zip(panel, splits, strict=True):
        require_transformed(one, split, TRANSFORMS[choice.specification.transform].lookback)
    specification = replace(
        choice.specification,
        categories={name: labels for name, labels in categories.items() if name not in constants},
        constant_covariates=constants,
    )
    choice = replace(choice, specification=specification)
    panel = _split_off(panel, specification)
    choice, long = _without_short(panel, splits, choice, options.validation)
    specification = choice.specification
    left_out = "network" not in specification.candidates and "network" in (options.candidates or ["network"])
    if left_out and (options.candidates or max(split.length for split in splits) <= _SHORT_SERIES):
        warnings.append("the series is too short for a network: it is forecast by simple methods")
    elif any(long) and not all(long):
        warnings.append(f"{long.count(False)} items are too short for the network: simple methods forecast them")
    longest = max(split.length for split in splits)
    if specification.horizon >= longest:
        unknown = "the accuracy of forecasts so far ahead is unknown, and their intervals are guesses"
        warnings.append(f"horizon {specification.horizon} is not shorter than the series ({longest} values): {unknown}")
    targets = [
        target[~np.isnan(target)]
        for one, split in zip(panel, splits, strict=True)
        for target in one.values[: split.test, : len(panel.targets)].T
    ]
    season_length = specification.season_length
    noise = sum(_is_noise(one, season_length) for one in targets) * 2 > len(targets)
    walk = not noise and sum(_is_walk(one, season_length) for one in targets) * 2 > len(targets)
    two_seasons = set(FOR_TWO_SEASONS) <= set(specification.candidates)
    days = (specification.long_season_length or 7 * season_length) // season_length
    weeks = two_seasons and common_season([days if shows_weeks(one, season_length, days) else 1 for one in targets]) > 1
    return Plan(panel, splits, choice, long, noise, walk, weeks, named, tuple(warnings), widening)


def _whole_rows(panel: Panel, options: TrainOptions, paths: Sequence[Path]) -> tuple[Panel, list[str]]:
    """Check the series, and return them from their first complete rows on, and warnings of the rows left out."""
    warnings, series = [], []
    bounds = Bounds.of(options.nonnegative is True, options.minimum, options.maximum)
    for one, path in zip(panel, paths, strict=True):
        bounds.require(one, len(panel.targets), path)
        require_shortest(one, path)
        if options.missing == "error":
            refuse_missing(one, path)
        whole, dropped = drop_leading(one, panel.columns, path)
        if dropped:
            warnings.append(f"{one.prefix}{dropped} leading rows without a value in every column were left out")
        series.append(whole)
    return replace(panel, series=tuple(series)), warnings


def _without_shifts(panel: Panel, season_length: int) -> tuple[Panel, list[str], tuple[FloatArray, ...]]:
    """Return the panel without late level shifts, warnings, and how much wider intervals are, for each item.

    Future covariates may explain a shift, so where there are any, none is looked for.
    """
    unchanged = np.ones(len(panel.targets))
    if panel.future_covariates:
        return panel, [], (unchanged,) * len(panel)
    found = [without_shifts(one, panel.targets, season_length) for one in panel]
    series = tuple(two.series if two else one for one, two in zip(panel, found, strict=True))
    warnings = [text for two in found if two for text in two.warnings if text]
    return replace(panel, series=series), warnings, tuple(two.widening if two else unchanged for two in found)


def _unused(name: str, value: float | str | None) -> str:
    if value is None:
        return f"{name} changes within no item, so it is not used: send it as a static category, if it describes items"
    shown = f"{value:.12g}" if isinstance(value, float) else repr(value)
    return f"{name} is {shown} in all rows, so it is not used"


def _split_off(panel: Panel, specification: Specification) -> Panel:
    """Return the panel with past covariates encoded, and future covariates separate from the values."""
    columns = CovariateColumns.of(specification)
    past = {name: labels for name, labels in specification.categories.items() if name in panel.covariates}
    series = (replace(one, values=with_indicators(one.values, panel.columns, past)) for one in panel)
    return Panel(tuple(map(columns.split_off, series)), panel.targets, indicator_names(panel.covariates, past))


def _without_short(
    panel: Panel, splits: Sequence[Split], choice: Choice, validation: Validation
) -> tuple[Choice, tuple[bool, ...]]:
    """Return which items are long enough for the network, and a choice without it where none is.

    Raises SeriesTooShort where an item has no other candidate.
    """
    specification = choice.specification
    if "network" not in specification.candidates:
        return choice, (False,) * len(panel)
    needed = min_history(specification) + specification.output_chunk_length
    if specification.candidates == ("network",):
        for one, split, path in zip(panel, splits, _paths(panel), strict=True):
            require_length(one, split, needed, validation, path)
    long = tuple(split.stopping >= needed for split in splits)
    if any(long):
        return choice, long
    others = tuple(name for name in specification.candidates if name != "network")
    return Choice(replace(specification, candidates=others), choice.reasons), long


def _is_noise(known: FloatArray, season_length: int) -> bool:
    return len(known) >= _SHORTEST_NOISE and looks_like_noise(known, season_length)


def _is_walk(known: FloatArray, season_length: int) -> bool:
    enough = season_length == 1 and len(known) >= _SHORTEST_WALK
    return enough and looks_like_noise(np.diff(known), 1) and not returns_to_its_mean(known)


def _paths(panel: Panel) -> list[Path]:
    return [("series",) if one.item is None else ("series", "items", row) for row, one in enumerate(panel)]
