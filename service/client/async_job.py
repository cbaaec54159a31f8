"""A training that was handed in, to be awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.client.known_job import KnownJob
from service.client.requests import Training

if TYPE_CHECKING:
    from service.client.async_client import AsyncClient
    from service.client.async_model import AsyncModel


class AsyncJob(KnownJob):
    """A job of a server."""

    def __init__(self, client: AsyncClient, record: dict[str, Any], training: Training | None = None) -> None:
        super().__init__(record, training)
        self._client = client

    async def wait(self, timeout: float | None = None, progress: bool | None = None) -> AsyncModel:
        """Wait for the model and return it; the server may go and come back meanwhile.

        Raises what the training failed of, and TimeoutError after ``timeout`` seconds, while the job goes on.
        """
        from service.client.async_model import AsyncModel

        record = await self._client.run(self._client.verbs.wait(self.record, timeout, progress))
        await self.refresh()
        sent = self._training
        return AsyncModel(self._client, record, sent.roles if sent else None, sent.zone if sent else None)

    async def refresh(self) -> AsyncJob:
        """Read the record again; return this job."""
        self.record = await self._client.run(self._client.verbs.show("jobs", self.id))
        return self

    async def cancel(self) -> None:
        """Stop it; its model becomes failed. Raises JobFinished where it has ended."""
        await self._client.run(self._client.verbs.delete("jobs", self.id))
