"""Retries for temporary failures: a busy database, a full disk, a bucket that cannot be reached for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

PATIENCE_SECONDS = 60.0
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0


def insist(
    act: Callable[[], Result],
    failed: Callable[[Exception], object],
    patience: float = PATIENCE_SECONDS,
    pause: Callable[[float], bool | None] = time.sleep,
) -> Result:
    """Call ``act`` until it succeeds; return its result. Raises its last error after ``patience`` seconds.

    failed: called with each error that is followed by another try; pause: waits the given number of seconds, and
    returns True if there should be no further try.
    """
    deadline, seconds = time.monotonic() + patience, _FIRST_PAUSE
    while True:
        try:
            return act()
        except Exception as error:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
            failed(error)
            if pause(min(seconds, left)):
                raise
        seconds = min(2 * seconds, _LONGEST_PAUSE)
