"""Trying again what could not be done now: a database may be busy, a disk full, a bucket out of reach for a while."""

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
    """Act until that raises nothing; return its result. Raises what it raised last, once the patience is over.

    failed: told of each error after which there is another try; pause: waits so many seconds, True: there is no use in
    another try.
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
