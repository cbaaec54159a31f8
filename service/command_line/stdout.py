"""What is printed to, as whoever called has left it: closed, full, or with few letters."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path


def use_what_can_be_shown() -> None:
    """Have letters that the output's encoding lacks printed as escapes: a name in Japanese is no reason to end.

    What is printed to a stream that whoever called has closed goes nowhere.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 (as long as the process)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_at_once(text: str) -> None:
    """Print what is lost if nobody reads it. Raises OSError where it cannot be."""
    if sys.stdout is None:
        raise OSError("stdout is closed")
    print(text, flush=True)


def leave_unprinted() -> None:
    """Forget what stdout does not take: Python would try once more when it ends, and complain."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
