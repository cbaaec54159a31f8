"""Retries for temporary failures: a busy database, a full disk, a bucket that cannot be reached for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

RETRY_SECONDS = 60.0
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0


def retry(
    act: Callable[[], Result],
    failed: Callable[[Exception], object],
    seconds_limit: float = RETRY_SECONDS,
    pause: Callable[[float], bool | None] = time.sleep,
    final: tuple[type[Exception], ...] = (),
) -> Result:
    """Call ``act`` until it succeeds; return its result. Raises its last error after ``seconds_limit`` seconds.

    failed: called with each error that is followed by another try; pause: waits the given number of seconds, and
    returns True if there should be no further try; final: errors that are raised at once.
    """
    deadline, seconds = time.monotonic() + seconds_limit, _FIRST_PAUSE
    while True:
        try:
            return act()
        except final:
            raise
        except Exception as error:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
            failed(error)
            if pause(min(seconds, left)):
                raise
        seconds = min(2 * seconds, _LONGEST_PAUSE)
