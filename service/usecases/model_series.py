"""The series of models, read from the store and the registry: what they were trained on, with all later changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from service.errors import Conflict, InvalidInput, InvalidModelFile, InvalidSeries
from service.forecasting.observations.changes import Applied, Change, change_of
from service.forecasting.observations.kept_series import KeptSeries
from service.forecasting.series.series import Panel
from service.storage.files.series_reading import series_at_file
from service.storage.files.store import ModelStore
from service.storage.registry.observations import SeriesLog
from service.usecases.limits import Limits

if TYPE_CHECKING:
    from service.forecasting.forecaster.forecaster import Forecaster
    from service.forecasting.forecaster.series_ends import ObservedEnds


def ends_of(forecaster: Forecaster, panel: Panel) -> ObservedEnds:
    """Return the ends of all items of a panel. Raises InvalidInput if the model cannot forecast from one of them."""
    from service.forecasting.forecaster.series_ends import ObservedEnds

    return ObservedEnds.of(forecaster, panel)


def adapted(forecaster: Forecaster, observed: ObservedSeries) -> ObservedSeries:
    """Return a series from whose ends the model's intervals are adapted to what was observed, if they adapt at all."""
    if not observed.adaptive or observed.ends is None:
        return observed
    from service.forecasting.monitoring.adaptation import adapted_ends

    return observed._replace(ends=adapted_ends(forecaster, observed.kept, observed.ends))


def check_series(forecaster: Forecaster, kept: KeptSeries) -> None:
    """Raise InvalidModelFile if a model cannot forecast from the end of a series that an uploaded file has."""
    try:
        ends_of(forecaster, kept.panel)
    except InvalidInput as error:
        detail = f"the file is whole but its observations do not fit its model: {error.detail}"
        raise InvalidModelFile(detail) from error


class ObservedSeries(NamedTuple):
    """A model's series at a revision.

    file_revision: that of the file which holds the earlier changes. ends: from which the model forecasts; None: those
    of the model itself, as nothing was observed. adaptive: whether intervals adapt to what was observed.
    """

    revision: int
    file_revision: int
    kept: KeptSeries
    ends: ObservedEnds | None = None
    adaptive: bool = False

    @property
    def size(self) -> int:
        """The approximate memory in bytes: of the values, their times, and the tails that forecasts read."""
        return 3 * 8 * self.kept.panel.points


@dataclass(frozen=True)
class SeriesReader:
    """Reads the series of models from the store and the registry's logs."""

    store: ModelStore
    limits: Limits

    def read(self, forecaster: Forecaster, log: SeriesLog, known: ObservedSeries | None) -> ObservedSeries:
        """Return a model's series at the latest revision of a log.

        known: the series at the revision after which the log was read, if any. Raises ModelFileCorrupt, and Conflict
        where the series of a model from an earlier version was not kept.
        """
        if known is None or known.revision < log.file_revision:
            kept = series_at_file(self.store, log) or _remembered(forecaster)
            known = ObservedSeries(log.file_revision, log.file_revision, kept, adaptive=log.adaptive)
        if not log.revision or (known.ends is not None and known.revision == log.revision):
            return known
        kept, items = known.kept, set[str | None]()
        for record in log.changes:
            applied = change_of(record).apply(kept)
            kept = applied.series
            items.update(applied.items)
        if known.ends is None:
            ends = ends_of(forecaster, kept.panel)
        else:
            ends = known.ends.updated(forecaster, kept.panel_of(items)).without(items - kept.places.keys())
        return adapted(forecaster, ObservedSeries(log.revision, log.file_revision, kept, ends, log.adaptive))

    def apply(self, kept: KeptSeries, change: Change) -> Applied:
        """Return the series after a new change. Raises what the change does, and InvalidSeries if it adds too much."""
        applied = change.apply(kept)
        most, added = self.limits.settings.max_points, applied.series.panel.points - kept.panel.points
        if added > most:
            detail = f"the series would grow by {added} values, missing ones included; this server takes at most {most}"
            raise InvalidSeries.at(("series",), f"{detail}: send fewer rows at once, or correct the times")
        return applied


def _remembered(forecaster: Forecaster) -> KeptSeries:
    """Return what a model itself remembers of its training. Raises Conflict if that is too little."""
    if forecaster.common is not None or forecaster.specification.categories:
        raise Conflict(
            "the model's training data is not kept, as the model was imported, and it has covariates: "
            "train it here to add observations"
        )
    tails = tuple(item.tail for item in forecaster.items)
    return KeptSeries.of_training(Panel(tails, forecaster.targets, forecaster.covariates))
