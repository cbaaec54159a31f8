"""A model, and what can be asked of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from service.client.arguments import BacktestArguments, ForecastArguments
from service.client.known_model import KnownModel
from service.client.roles import Roles
from service.client.time_texts import Zone

if TYPE_CHECKING:
    from service.client.backtest_frame import BacktestFrame
    from service.client.client import Client
    from service.client.forecast_frame import ForecastFrame


class Model(KnownModel):
    """A model of a server."""

    def __init__(
        self, client: Client, record: dict[str, Any], roles: Roles | None = None, time_zone: Zone | None = None
    ) -> None:
        super().__init__(record, roles, time_zone)
        self._client = client

    def forecast(self, horizon: int | None = None, **asked: Unpack[ForecastArguments]) -> ForecastFrame:
        """Forecast so many steps, by default as many as it was trained for; return a frame in long format.

        level: central intervals in percent (80 and 95 by default); or quantiles. history: forecast from the end of this
        data instead of the model's own; items: only these. future_covariates: values of the columns known ahead, as a
        frame or by name; each step takes the row of its time where there are times, and others are ignored.
        num_samples, seed: sample paths too, in ``frame.samples``.
        """
        from service.client.forecast_frame import forecast_frame

        answer, zone = self._client.run(self._client.verbs.forecast(self, horizon, **asked))
        return forecast_frame(answer, zone, self, asked.get("history"))

    def backtest(self, data: Any, **asked: Unpack[BacktestArguments]) -> BacktestFrame:
        """Forecast every point of a series from those before it; return a frame in long format, with ``metrics``.

        horizon, stride: steps ahead, and from one origin to the next (1 and 1). start: row or time of the first point.
        """
        from service.client.backtest_frame import backtest_frame

        answer, zone = self._client.run(self._client.verbs.backtest(self, data, **asked))
        return backtest_frame(answer, zone)

    def refresh(self) -> Model:
        """Read the record again; return this model."""
        self.record = self._client.run(self._client.verbs.show("models", self.id))
        return self

    def rename(self, name: str | None) -> Model:
        """Give it another name, or none; return this model."""
        self.record = self._client.run(self._client.verbs.rename(self.id, name))
        return self

    def delete(self) -> None:
        """Delete it."""
        self._client.run(self._client.verbs.delete("models", self.id))

    def download(self, path: str | Path = ".") -> Path:
        """Write its file, which `Client.upload` takes, to a path or into a folder; return where it is."""
        return self._client.run(self._client.verbs.download(self.id, path))
