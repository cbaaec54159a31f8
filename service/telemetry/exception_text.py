"""What a log may hold of an exception: where it came from, and words that cannot repeat what a client sent."""

from __future__ import annotations

import traceback

from service.errors import ModelFileCorrupt, Overloaded, ServiceError, TrainingFailed, Unavailable

# Their words are ours or the system's. Those of others (ValueError, pydantic, databases) quote values.
_QUOTABLE = (OSError, MemoryError, ImportError)
_OURS = (TrainingFailed, ModelFileCorrupt, Overloaded, Unavailable)
_CAUSED = "\n\nThe above exception was the direct cause of the following exception:\n"
_MEANWHILE = "\n\nDuring handling of the above exception, another exception occurred:\n"


def reason(error: BaseException) -> str:
    """Return one line: the kind of an exception, and its words where they can hold no data."""
    if isinstance(error, ServiceError):
        return error.detail if isinstance(error, _OURS) else error.slug
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{name}: {error}".partition("\n")[0] if isinstance(error, _QUOTABLE) else name


def exception_text(error: BaseException) -> str:
    """Return a traceback, with what led to the exception, in which no message quotes data."""
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
