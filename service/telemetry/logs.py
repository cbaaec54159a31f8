"""Logging to stderr as text or JSON, of this service and of warnings from its libraries."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

import orjson

from service.errors import ModelFileCorrupt, Overloaded, ServiceError, TrainingFailed, Unavailable
from service.telemetry.context import found_fields

logger = logging.getLogger(__name__)


# Their messages come from this service or the system. Those of others (ValueError, pydantic, databases) quote values.
_QUOTABLE = (OSError, MemoryError, ImportError)


_OWN_ERRORS = (TrainingFailed, ModelFileCorrupt, Overloaded, Unavailable)


_CAUSED = "\n\nThe above exception was the direct cause of the following exception:\n"


_MEANWHILE = "\n\nDuring handling of the above exception, another exception occurred:\n"


def reason(error: BaseException) -> str:
    """Return one line: the type of an exception, and its message if that cannot contain data."""
    if isinstance(error, ServiceError):
        return error.detail if isinstance(error, _OWN_ERRORS) else error.slug
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{name}: {error}".partition("\n")[0] if isinstance(error, _QUOTABLE) else name


def exception_text(error: BaseException) -> str:
    """Return a traceback, including causes and contexts, in which no message quotes data."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    link = ""
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = "".join(traceback.format_tb(current.__traceback__))
        parts.append(f"Traceback (most recent call last):\n{frames}{reason(current)}{link}")
        if current.__cause__ is not None:
            current, link = current.__cause__, _CAUSED
        else:
            current, link = None if current.__suppress_context__ else current.__context__, _MEANWHILE
    return "\n".join(reversed(parts))


LogFormat = Literal["text", "json"]

# These log at the configured level; at debug level, other libraries would log the data that passes through them.
_OURS = ("service", "uvicorn")


def configure_logging(level: str, form: LogFormat) -> None:
    """Log to stderr from the given level (critical to debug); other libraries at warning level or above."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    wanted: int = getattr(logging, level.upper())
    root.setLevel(max(logging.WARNING, wanted))
    for name in _OURS:
        logging.getLogger(name).setLevel(wanted)
    # Without a handler, DBOS would add one of its own, which uses another format and quotes exceptions.
    logging.getLogger("dbos").addHandler(logging.NullHandler())
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


class TextLines(logging.Formatter):
    """Formats records as ``INFO:     message (request_id=..., job_id=..., trace_id=...)``, then the exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one record as text."""
        fields = ", ".join(f"{name}={value}" for name, value in found_fields().items())
        line = f"{record.levelname + ':':<9} {record.getMessage().rstrip()}" + f" ({fields})" * bool(fields)
        exception = _exception_of(record)
        return line if exception is None else f"{line}\n{exception}"


class JsonLines(logging.Formatter):
    """Formats records as one JSON object per line: time, level, logger, message, context IDs, and any exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one record as JSON."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage().rstrip(),
            **found_fields(),
        }
        exception = _exception_of(record)
        if exception is not None:
            line["exception"] = exception
        return orjson.dumps(line, default=str).decode()


def _exception_of(record: logging.LogRecord) -> str | None:
    error = record.exc_info[1] if record.exc_info else None
    return None if error is None else exception_text(error)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logger.critical("uncaught exception", exc_info=error)


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        name = args.thread.name if args.thread else "unknown"
        logger.critical("uncaught exception in thread %s", name, exc_info=args.exc_value)
