from __future__ import annotations

import pytest
from starlette.applications import Starlette

from service.api.security.rate_limit import RateLimit
from service.errors import TooManyRequests
from service.keys import Grant

ONE, OTHER = Grant("acme", "admin", b"1"), Grant("acme", "admin", b"2")


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def accepted(rate: RateLimit, caller: Grant, number: int) -> int:
    passed = 0
    for _ in range(number):
        try:
            rate.count(caller)
        except TooManyRequests:
            continue
        passed += 1
    return passed


def test_without_a_limit_all_pass() -> None:
    assert accepted(RateLimit(Starlette(), None), ONE, 10_000) == 10_000


@pytest.mark.parametrize(("per_second", "burst"), [(1, 1), (10, 10), (2.5, 2), (1000, 1000), (0.5, 1)])
def test_a_seconds_worth_may_come_at_once(per_second: float, burst: int) -> None:
    assert accepted(RateLimit(Starlette(), per_second, Clock()), ONE, 5000) == burst


@pytest.mark.parametrize("per_second", [0.5, 3, 100])
def test_in_the_long_run_the_rate_holds(per_second: float) -> None:
    clock = Clock()
    rate = RateLimit(Starlette(), per_second, clock)
    passed = 0
    for _ in range(2000):
        passed += accepted(rate, ONE, 1)
        clock.now += 0.005
    assert per_second * 10 - 1 <= passed <= per_second * 11 + 1


def test_each_key_has_its_own() -> None:
    rate = RateLimit(Starlette(), 2, Clock())
    assert (accepted(rate, ONE, 5), accepted(rate, OTHER, 5)) == (2, 2)


def test_a_refusal_says_when_to_come_back_and_then_lets_in() -> None:
    clock = Clock()
    rate = RateLimit(Starlette(), 0.25, clock)
    rate.count(ONE)
    with pytest.raises(TooManyRequests, match=r"0\.25 requests a second") as refused:
        rate.count(ONE)
    assert refused.value.retry_after == 4
    clock.now += 4
    rate.count(ONE)
