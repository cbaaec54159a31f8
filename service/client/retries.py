"""Ask again where that helps: 429, 503, and where no answer came."""

from __future__ import annotations

import random
from itertools import count

import httpx

from service.client.problems import Unreachable, error_of
from service.client.steps import Call, Pause, Steps

MOST_RETRIES = 4
"""How often a request is sent again by default: over four to eight seconds."""

# Seconds of the first pause, and the longest; each is up to twice the one before.
_FIRST, _LONGEST = 0.5, 20.0
# A server that asks for more is not waited for.
_LONGEST_ASKED = 60.0
_BUSY = (429, 503)
_OF_PROXIES = (502, 504)
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def answered(call: Call, url: str, retries: int) -> Steps[httpx.Response]:
    """Send a call until it is answered with success.

    Raises the ServiceError of the last refusal, or Unreachable.
    """
    lost = False
    for attempt in count():
        try:
            response: httpx.Response = yield call
        except httpx.RequestError as error:
            sent = not isinstance(error, _NOT_SENT)
            if attempt >= retries or (sent and not call.repeatable):
                raise Unreachable(url, _reason(error)) from error
            lost = lost or sent
            yield Pause(_backoff(attempt))
            continue
        if response.is_success or (lost and response.status_code in call.done):
            return response
        refusal = error_of(response)
        asked = refusal.retry_after or 0
        if attempt >= retries or asked > _LONGEST_ASKED or not _passes(response.status_code, call):
            raise refusal
        yield Pause(max(asked, _backoff(attempt)))
    raise AssertionError("unreachable")


def is_passing(status: int | None) -> bool:
    """Tell whether what was refused with this status may be answered soon."""
    return status in (*_BUSY, *_OF_PROXIES)


def _passes(status: int, call: Call) -> bool:
    return status in _BUSY or (status in _OF_PROXIES and call.repeatable)


def _backoff(attempt: int) -> float:
    # Not all clients of a server that comes back at the same moment.
    return min(_LONGEST, _FIRST * 2.0**attempt) * random.uniform(0.5, 1)  # noqa: S311 (no secret)


def _reason(error: httpx.RequestError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer in time ({type(error).__name__})"
    return str(error) or type(error).__name__
