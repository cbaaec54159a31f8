"""What a trainer's process logs, in the form of the server's own lines."""

from __future__ import annotations

import logging


def log_to_stderr(level: str) -> None:
    """Write what this service logs, and the warnings of its libraries, to stderr."""
    logging.basicConfig(format="%(levelname)s:     %(message)s", level=logging.WARNING)
    logging.getLogger("service").setLevel(level)
