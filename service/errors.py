"""All errors of the service, as one tree that is independent of HTTP.

::

    ServiceError
    ├── InvalidInput                 well-formed, but it cannot be used
    │   ├── InvalidOption            an option has a value that cannot work
    │   ├── InvalidSeries            the series cannot be read
    │   │   ├── MissingValues        missing values where none are allowed
    │   │   ├── InvalidTimestamps    unreadable, duplicate, mixed or irregular
    │   │   ├── AmbiguousDates       11-10-2021: day and month cannot be distinguished
    │   │   ├── AmbiguousNumbers     2.210: it may mean 2.21 or 2210
    │   │   ├── UnknownFrequency     no such frequency alias
    │   │   └── UnknownColumn        a target, covariate or item that does not exist
    │   ├── SeriesTooShort           fewer values than training needs
    │   ├── HistoryTooShort          fewer values than a forecast needs
    │   ├── HorizonTooLong           beyond the limit of this server, or the future covariates
    │   ├── ForecastTooLarge         beyond the range of numbers
    │   ├── InvalidModelFile         an uploaded file that is not a model
    │   ├── IdempotencyKeyReused     same key, another request
    │   └── QuotaExceeded            the tenant has the maximum number of models, or bytes
    ├── MalformedBody                invalid syntax
    ├── BodyTooLarge
    ├── HeadTooLarge                 the request line and the headers
    ├── RequestTooSlow               not received in time
    ├── UnsupportedContentType
    ├── Unauthenticated              no key, or a wrong one
    ├── NotPermitted                 the key is valid, but not for this
    │   └── ForeignOrigin            a web page of another origin uses a server without keys
    ├── ForeignHost                  a server without keys is addressed by another name
    ├── NotFound
    │   ├── ModelNotFound
    │   ├── JobNotFound
    │   └── RouteNotFound
    ├── MethodNotAllowed
    ├── Conflict                     valid, but not in this state
    │   ├── ModelNotReady            still training: try again later
    │   ├── ModelFailed              its training failed: train again
    │   ├── ModelPinned              a name is pinned to it, so it cannot be deleted
    │   ├── JobFinished              nothing left to cancel
    │   └── ObservationConflict      another value is known already
    ├── TrainingFailed               our fault, not the data's
    ├── ModelFileCorrupt             a stored model is damaged
    ├── TooManyRequests              a key exceeds its request rate: try again later
    │   └── TooManyJobs              the tenant has too many trainings waiting: try again later
    ├── Overloaded                   too much at once: try again later
    └── Unavailable                  a part of the service cannot be reached

Each class has a ``slug`` made from its name (``series-too-short``), on which
clients and stored records rely, so the name of a class never changes; and a
``title``; each instance has a ``detail`` with the facts and the cure.
docs/problems.md lists them, and a test compares it with this file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Fault:
    """One fault and its location: ``path`` leads to it in the request."""

    path: Path
    detail: str


class ServiceError(Exception):
    """Base class of all errors that this service raises on purpose."""

    slug = "internal-error"
    title = "Internal error"

    status: int | None = None
    request_id: str | None = None
    job_id: str | None = None
    """Of the response that a client read this error from: HTTP status, request ID, failed job."""

    def __init_subclass__(cls) -> None:
        if "slug" not in vars(cls):
            cls.slug = re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()

    def __init__(self, detail: str, faults: Sequence[Fault] = (), retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = tuple(faults)
        self.retry_after = retry_after

    def to_record(self) -> dict[str, Any]:
        """Return what a job stores of this error, as JSON-able values."""
        faults = [{"path": list(fault.path), "detail": fault.detail} for fault in self.faults]
        return {"slug": self.slug, "title": self.title, "detail": self.detail, "faults": faults}

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> ServiceError:
        """Undo `to_record`; an unknown slug becomes a plain ServiceError."""
        classes = {one.slug: one for one in ServiceError.tree()}
        faults = [Fault(tuple(fault["path"]), fault["detail"]) for fault in record.get("faults", [])]
        return classes.get(record.get("slug", ""), ServiceError)(str(record.get("detail", "")), faults)

    @classmethod
    def tree(cls) -> Iterator[type[ServiceError]]:
        """Yield this class and all its subclasses."""
        yield cls
        for child in cls.__subclasses__():
            yield from child.tree()

    @classmethod
    def at(cls, path: Path, detail: str) -> ServiceError:
        """Return an error about one location in the request."""
        return cls(detail, [Fault(path, detail)])


class InvalidInput(ServiceError):
    """The input is well-formed but cannot be used."""

    slug = "invalid-request"
    title = "The request has values that cannot be used"


class InvalidOption(InvalidInput):
    """An option has a value that cannot work with this series."""

    title = "An option cannot be used"


class InvalidSeries(InvalidInput):
    """The series cannot be read."""

    title = "The series cannot be used"


class MissingValues(InvalidSeries):
    """Values are missing where the request forbids it, or all values are missing."""

    title = "The series has missing values"


class InvalidTimestamps(InvalidSeries):
    """Timestamps are unreadable, duplicate, mixed or irregular."""

    title = "The timestamps cannot be used"


class AmbiguousDates(InvalidSeries):
    """The dates are ambiguous."""

    title = "The dates are ambiguous"


class AmbiguousNumbers(InvalidSeries):
    """The numbers of a CSV file are ambiguous."""

    title = "The numbers are ambiguous"


class UnknownFrequency(InvalidSeries):
    """The frequency alias is not known."""

    title = "The frequency is not known"


class UnknownColumn(InvalidSeries):
    """The series or the model has no target, covariate or item of this name."""

    title = "There is no such column or item"


class SeriesTooShort(InvalidInput):
    """The series has fewer values than training needs."""

    title = "The series is too short"


class HistoryTooShort(InvalidInput):
    """The history has fewer values than the model reads."""

    title = "The history is too short"


class HorizonTooLong(InvalidInput):
    """The horizon exceeds the limit of this server, or the values sent for future covariates."""

    title = "The horizon is too long"


class ForecastTooLarge(InvalidInput):
    """Numbers of the model and of the request are so large that the forecast exceeds the range of numbers."""

    title = "The forecast is too large to be a number"


class InvalidModelFile(InvalidInput):
    """The uploaded file is not a model, or is damaged."""

    title = "The file is not a complete model"


class IdempotencyKeyReused(InvalidInput):
    """The idempotency key was used before with another request."""

    title = "The idempotency key belongs to another request"


class QuotaExceeded(InvalidInput):
    """The tenant has the maximum number of models, or of bytes in the store; waiting does not help."""

    title = "The tenant has reached its quota"


class MalformedBody(ServiceError):
    """The body has invalid syntax."""

    title = "The body cannot be read"


class BodyTooLarge(ServiceError):
    """The body is larger than this server accepts."""

    title = "The body is too large"


class HeadTooLarge(ServiceError):
    """The request line and the headers have more bytes than this server accepts."""

    title = "The headers are too large"


class RequestTooSlow(ServiceError):
    """The head or the body of a request was not received in time."""

    title = "The request was received too slowly"


class UnsupportedContentType(ServiceError):
    """The route does not accept this content type."""

    title = "The content type is not supported"


class Unauthenticated(ServiceError):
    """The request has no key, or none of this server's. wrong: whether it has one at all."""

    title = "A valid API key is needed"

    def __init__(
        self, detail: str, faults: Sequence[Fault] = (), retry_after: int | None = None, wrong: bool = False
    ) -> None:
        super().__init__(detail, faults, retry_after)
        self.wrong = wrong


class NotPermitted(ServiceError):
    """The key is one of this server's, but its role does not allow this."""

    title = "The key does not allow this"


class ForeignOrigin(NotPermitted):
    """A web page of another origin uses a server that has no keys."""

    title = "Requests from pages of other origins are refused"


class ForeignHost(ServiceError):
    """A server that has no keys is addressed by a name that is not its own."""

    title = "The server does not answer to this host name"


class NotFound(ServiceError):
    """The requested object does not exist."""

    title = "Not found"


class ModelNotFound(NotFound):
    """No model has this ID or name."""

    title = "No such model"


class JobNotFound(NotFound):
    """No job has this ID."""

    title = "No such job"


class RouteNotFound(NotFound):
    """No route has this path."""

    title = "No such route"


class MethodNotAllowed(ServiceError):
    """The route exists, but not for this method."""

    title = "The route does not accept this method"


class Conflict(ServiceError):
    """The request is valid, but not in this state."""

    title = "Not possible in this state"


class ModelNotReady(Conflict):
    """The model is still training."""

    title = "The model is still training"


class ModelFailed(Conflict):
    """The model's training failed, so it cannot be used."""

    title = "The model's training failed"


class ModelPinned(Conflict):
    """A name is pinned to the model, so it cannot be deleted."""

    title = "A name is pinned to the model"


class RetrainingRunning(Conflict):
    """A model is retrained only once at a time."""

    title = "The model is being retrained"


class JobFinished(Conflict):
    """The job has already ended and cannot be cancelled."""

    title = "The job has already ended"


class ObservationConflict(Conflict):
    """An observation differs from the value that the model has; nothing of the request was applied."""

    title = "Another value is known already"


class TrainingFailed(ServiceError):
    """The training failed for a reason that is not in the data."""

    title = "The training failed"


class ModelFileCorrupt(ServiceError):
    """A stored model file is damaged; other models are not affected."""

    title = "The stored model is damaged"


class TooManyRequests(ServiceError):
    """A key exceeds its request rate."""

    title = "Too many requests with this key"


class TooManyJobs(TooManyRequests):
    """The tenant has the maximum number of unfinished trainings."""

    title = "The tenant has too many unfinished trainings"


class Overloaded(ServiceError):
    """The server has too much work at once."""

    title = "The service is overloaded"


class Unavailable(ServiceError):
    """A part that the service needs cannot be reached."""

    title = "The service is not available"
