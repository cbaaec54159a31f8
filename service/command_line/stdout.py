"""Handle a stdout that the caller has closed, that is full, or whose encoding lacks characters."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path


def use_what_can_be_shown() -> None:
    """Escape characters that the output's encoding lacks, so that a name in Japanese does not end the program.

    Output to a stream that the caller has closed is discarded.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 (as long as the process)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_at_once(text: str) -> None:
    """Print and flush, for output that must not be lost. Raises OSError if it cannot be written."""
    if sys.stdout is None:
        raise OSError("stdout is closed")
    print(text, flush=True)


def leave_unprinted() -> None:
    """Discard output that stdout does not accept; Python would flush it again at exit, and report an error."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
