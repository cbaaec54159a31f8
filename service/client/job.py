"""A training that was handed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.client.known_job import KnownJob
from service.client.requests import Training

if TYPE_CHECKING:
    from service.client.client import Client
    from service.client.model import Model


class Job(KnownJob):
    """A job of a server."""

    def __init__(self, client: Client, record: dict[str, Any], training: Training | None = None) -> None:
        super().__init__(record, training)
        self._client = client

    def wait(self, timeout: float | None = None, progress: bool | None = None) -> Model:
        """Wait for the model and return it; the server may go and come back meanwhile.

        Raises what the training failed of, and TimeoutError after ``timeout`` seconds, while the job goes on.
        """
        from service.client.model import Model

        record = self._client.run(self._client.verbs.wait(self.record, timeout, progress))
        self.refresh()
        sent = self._training
        return Model(self._client, record, sent.roles if sent else None, sent.zone if sent else None)

    def refresh(self) -> Job:
        """Read the record again; return this job."""
        self.record = self._client.run(self._client.verbs.show("jobs", self.id))
        return self

    def cancel(self) -> None:
        """Stop it; its model becomes failed. Raises JobFinished where it has ended."""
        self._client.run(self._client.verbs.delete("jobs", self.id))
