"""The limits of this server on requests and responses; their values come from the settings."""

from __future__ import annotations

from dataclasses import dataclass

from service.errors import HorizonTooLong, InvalidOption, InvalidSeries, Path
from service.forecasting.config.options import TrainOptions
from service.forecasting.series.series import Panel
from service.settings import Settings
from service.storage.registry.names import NameBounds
from service.storage.registry.quotas import Quota

# Far larger than any gradient, yet finite, so that a response can contain it.
_LARGEST_CLIP = 1e30


@dataclass(frozen=True)
class Limits:
    """The settings whose names begin with ``max_``."""

    settings: Settings

    @property
    def quota(self) -> Quota:
        """Return the quota of one tenant."""
        settings = self.settings
        return Quota(settings.max_models_per_tenant, settings.max_bytes_per_tenant, settings.max_queued_jobs_per_tenant)

    @property
    def names(self) -> NameBounds:
        """Return the bounds of one tenant's names."""
        return NameBounds(self.settings.max_names_per_tenant, self.settings.max_moves_per_name)

    def check_panel(self, panel: Panel, path: Path) -> None:
        """Raise InvalidSeries if the panel is too large."""
        columns = panel.encoded_width
        encoded = " with one for each category" if columns > len(panel.columns) else ""
        self.check_sizes(len(panel), columns, panel.points // len(panel.columns) * columns, path, encoded)

    def check_sizes(self, items: int, columns: int, values: int, path: Path, encoded: str = "") -> None:
        """Raise InvalidSeries if a panel of such sizes is too large."""
        sizes = (
            ("items", items, self.settings.max_items),
            (f"columns{encoded}", columns, self.settings.max_columns),
            (f"values{encoded}", values, self.settings.max_points),
        )
        for what, size, most in sizes:
            if size > most:
                raise InvalidSeries.at(path, f"{size} {what}; this server takes at most {most}")

    def check_horizon(self, horizon: int) -> None:
        """Raise HorizonTooLong if the horizon is above the limit."""
        if horizon > self.settings.max_horizon:
            detail = f"horizon {horizon} exceeds the limit of {self.settings.max_horizon} steps"
            raise HorizonTooLong.at(("horizon",), detail)

    def check_answer(self, numbers: int) -> None:
        """Raise InvalidOption if a response would hold too many numbers."""
        if numbers > self.settings.max_answer_numbers:
            raise InvalidOption(
                f"the response would have {numbers} numbers, at most {self.settings.max_answer_numbers} are allowed; "
                "request fewer items, levels, samples or steps, or a larger stride"
            )

    def check_options(self, options: TrainOptions) -> None:
        """Raise HorizonTooLong or InvalidOption if an option is above its limit."""
        self.check_horizon(options.horizon or 1)
        training = options.training
        asked: tuple[tuple[Path, float | None, float], ...] = (
            (("context_length",), options.context_length, self.settings.max_context_length),
            (("output_chunk_length",), options.output_chunk_length, self.settings.max_horizon),
            (("season_length",), options.season_length, self.settings.max_context_length),
            (("network", "hidden_size"), options.network.hidden_size, self.settings.max_hidden_size),
            (("training", "epochs"), training.epochs, self.settings.max_epochs),
            (("training", "patience"), training.patience, self.settings.max_epochs),
            (("training", "batch_size"), training.batch_size, self.settings.max_points),
            (("training", "truncate_bptt"), training.truncate_bptt, self.settings.max_points),
            (("training", "clip_norm"), training.clip_norm, _LARGEST_CLIP),
            (("training", "clip_value"), training.clip_value, _LARGEST_CLIP),
        )
        for path, value, most in asked:
            if value is not None and value > most:
                raise InvalidOption.at(path, f"{path[-1]} {value} exceeds the limit of {most}")
