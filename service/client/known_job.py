"""What a client knows of a job."""

from __future__ import annotations

from typing import Any

from service.client.requests import Training


class KnownJob:
    """record: as `GET /jobs/{id}` answers it; training: the request, where this client has sent it."""

    def __init__(self, record: dict[str, Any], training: Training | None = None) -> None:
        self.record = record
        self._training = training

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.status}>"

    @property
    def id(self) -> str:
        """ID of the job."""
        return str(self.record["job_id"])

    @property
    def model_id(self) -> str:
        """ID of the model that it trains."""
        return str(self.record["model_id"])

    @property
    def status(self) -> str:
        """Whether it was queued, running, succeeded, failed or cancelled when the record was read."""
        return str(self.record["status"])

    @property
    def progress(self) -> dict[str, Any]:
        """How far it is: stage, epoch, fraction, eta_seconds and more, as far as known."""
        return dict(self.record.get("progress") or {})
