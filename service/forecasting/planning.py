"""Everything that is decided before training: checks, splits, choices; also what a dry run answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from service.errors import Path
from service.forecasting.choices import Choice, choose
from service.forecasting.missing import drop_leading, refuse_missing
from service.forecasting.options import TrainOptions
from service.forecasting.preparation import min_history
from service.forecasting.seasonality import looks_like_noise
from service.forecasting.series import FloatArray, Panel, Series
from service.forecasting.split import Split, require_length, require_shortest, split_series
from service.forecasting.transforms import require_positive

NOISE = "the series looks like noise: nothing forecasts it better than its mean, so expect a skill of 0"


@dataclass(frozen=True)
class Plan:
    """A panel that can be trained on, cut and with a recipe."""

    panel: Panel
    splits: tuple[Split, ...]
    choice: Choice
    noise: bool
    warnings: tuple[str, ...]

    @property
    def told(self) -> tuple[str, ...]:
        """What is worth telling before anything is trained."""
        return (*self.warnings, NOISE) if self.noise else self.warnings

    @property
    def min_history(self) -> int:
        """Fewest values from which the model will forecast."""
        return min_history(self.choice.specification)

    def configuration(self) -> dict[str, Any]:
        """Return every option as used, as JSON-able values; ``chosen`` says why, for those that were left open."""
        return {**self.choice.specification.to_record(), "chosen": self.choice.reasons}


def plan_training(panel: Panel, options: TrainOptions) -> Plan:
    """Check the panel, split it and choose what was left open; trains nothing.

    Raises InvalidSeries, MissingValues, SeriesTooShort, InvalidOption.
    """
    warnings = []
    series = []
    for row, one in enumerate(panel):
        path: Path = ("series",) if one.item is None else ("series", "items", row)
        require_shortest(one, path)
        if options.missing == "error":
            refuse_missing(one, path)
        whole, dropped = drop_leading(one, panel.columns, path)
        if dropped:
            warnings.append(f"{_named(one)}{dropped} leading rows without a value in every column were left out")
        series.append(whole)
    panel = Panel(tuple(series), panel.targets, panel.covariates)
    splits = tuple(split_series(one, options.validation, _path(row, one)) for row, one in enumerate(panel))
    if options.transform != "auto":
        for row, one in enumerate(panel):
            require_positive(one.values[:, : len(panel.targets)], options.transform, _path(row, one))
    choice = choose(panel, splits, options)
    specification = choice.specification
    needed = min_history(specification) + specification.output_chunk_length
    for row, (one, split) in enumerate(zip(panel, splits, strict=True)):
        require_length(one, split, needed, options.validation, _path(row, one))
    noisy = [_is_noise(one, split, specification.season_length) for one, split in zip(panel, splits, strict=True)]
    noise = sum(noisy) * 2 > len(noisy)
    return Plan(panel, splits, choice, noise, tuple(warnings))


def _is_noise(series: Series, split: Split, season_length: int) -> bool:
    values: FloatArray = series.values[: split.test, 0]
    return looks_like_noise(values[~np.isnan(values)], season_length)


def _path(row: int, series: Series) -> Path:
    return ("series",) if series.item is None else ("series", "items", row)


def _named(series: Series) -> str:
    return "" if series.item is None else f"item {series.item!r}: "
