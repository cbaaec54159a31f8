"""What is let in, what has to wait, and what is told to come back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from service.api.security.admission import Load
from service.errors import Overloaded


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Work:
    """Work that takes until it is let go on."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.done = 0

    def __call__(self) -> None:
        assert self.go.wait(30)
        self.done += 1


def load(clock: Callable[[], float] | None = None, **limits: int) -> Load:
    some = {"max_requests": 3, "cores": 2, "max_waiting": 5, "max_bodies_bytes": 100, **limits}
    return Load(**some, clock=clock or Clock())


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


async def started(load: Load, work: Callable[[], None], number: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(load.work(work)) for _ in range(number)]
    for _ in range(10):
        await asyncio.sleep(0)
    return tasks


def refusals(results: list[BaseException | None]) -> int:
    return sum(isinstance(one, Overloaded) for one in results)


def test_requests_are_counted_to_the_limit_and_no_further() -> None:
    one = load()
    with one.request(), one.request(), one.request():
        with pytest.raises(Overloaded, match="already handles 3 requests") as refused, one.request():
            pass
        assert refused.value.retry_after == 1
    assert (one.requests, one.refused["requests"]) == (0, 1)
    with one.request():
        assert one.requests == 1


def test_requests_that_the_loop_has_not_come_to_count_too() -> None:
    one = load()
    one.accepted = lambda: 4
    with pytest.raises(Overloaded), one.request():
        pass
    one.accepted = lambda: 3
    with one.request():
        assert one.requests == 1


def test_a_burst_waits_and_what_is_beyond_it_is_refused_at_once() -> None:
    async def test() -> None:
        one, work = load(), Work()
        tasks = await started(one, work, 10)
        assert (one.working, one.waiting, sum(task.done() for task in tasks)) == (2, 5, 3)
        work.go.set()
        assert refusals(await asyncio.gather(*tasks, return_exceptions=True)) == 3
        assert (work.done, one.working, one.waiting) == (7, 0, 0)

    run(test())


def test_after_a_refusal_the_queue_is_kept_short_until_nobody_was_refused_for_a_second() -> None:
    async def test() -> None:
        clock = Clock()
        one, work = await experienced(clock, seconds=0.5), Work()
        burst = await started(one, work, 8)  # two work, five wait
        with pytest.raises(Overloaded):
            one.check_room()
        work.go.set()
        assert refusals(await asyncio.gather(*burst, return_exceptions=True)) == 1
        for passed, in_wait in ((0.5, 2), (0.9, 2), (1.1, 5)):
            clock.now += passed
            work.go.clear()
            burst = await started(one, work, 7)
            assert (one.working, one.waiting) == (2, in_wait)
            work.go.set()
            await asyncio.gather(*burst, return_exceptions=True)

    run(test())


def test_a_queue_within_a_quarter_of_a_second_may_last() -> None:
    async def test() -> None:
        clock = Clock()
        one, work = await experienced(clock, seconds=0.005, max_waiting=64), Work()
        waiting = await started(one, work, 64)  # a wait of 160 ms on two cores
        clock.now += 10
        one.check_room()
        work.go.set()
        assert refusals(await asyncio.gather(*waiting, return_exceptions=True)) == 0

    run(test())


def test_one_work_that_takes_long_by_chance_does_not_shorten_the_queue() -> None:
    async def test() -> None:
        clock = Clock()
        one, work = await experienced(clock, seconds=0.001, max_waiting=64), Work()
        await one.work(lambda: setattr(clock, "now", clock.now + 1.0))
        waiting = await started(one, work, 66)
        assert (one.working, one.waiting) == (2, 64)
        work.go.set()
        assert refusals(await asyncio.gather(*waiting, return_exceptions=True)) == 0

    run(test())


async def experienced(clock: Clock, seconds: float, **limits: int) -> Load:
    """Return a load whose work took so many seconds lately."""
    one = load(clock, **limits)

    def work() -> None:
        clock.now += seconds

    for _ in range(100):
        await one.work(work)
    return one


def test_whoever_reads_figures_first_changes_nothing() -> None:
    one, work = load(cores=1), Work()
    assert (one.working, one.waiting) == (0, 0)

    async def test() -> None:
        tasks = await started(one, work, 2)
        assert await asyncio.to_thread(lambda: (one.working, one.waiting)) == (1, 1)
        work.go.set()
        await asyncio.gather(*tasks)
        assert (work.done, one.working) == (2, 0)

    run(test())


def test_a_burst_of_long_work_is_shorter() -> None:
    async def test() -> None:
        clock = Clock()
        one, work = load(clock, cores=1, max_waiting=100), Work()

        def long() -> None:
            clock.now += 0.1

        for _ in range(100):
            await one.work(long)
        tasks = await started(one, work, 20)
        assert (one.working, one.waiting) == (1, 4), "so many may wait whatever work takes"
        work.go.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        clock.now += 2
        for _ in range(100):
            await one.work(lambda: setattr(clock, "now", clock.now + 0.02))
        work.go.clear()
        tasks = await started(one, work, 20)
        assert one.waiting == 12, "a quarter of a second of work"
        work.go.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(test())


def test_whoever_goes_away_leaves_the_queue() -> None:
    async def test() -> None:
        one, work = load(), Work()
        tasks = await started(one, work, 7)
        tasks[-1].cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert one.waiting == 4
        work.go.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (work.done, one.working) == (6, 0)

    run(test())


def test_no_waiting_at_all_can_be_asked_for() -> None:
    async def test() -> None:
        one, work = load(max_waiting=0, cores=1), Work()
        tasks = await started(one, work, 2)
        work.go.set()
        assert refusals(await asyncio.gather(*tasks, return_exceptions=True)) == 1

    run(test())


def test_what_work_raises_is_raised_and_the_turn_is_free_again() -> None:
    async def test() -> None:
        one = load(cores=1)

        def fail() -> None:
            raise ValueError("wrong")

        for _ in range(3):
            with pytest.raises(ValueError, match="wrong"):
                await one.work(fail)
        assert one.working == 0

    run(test())


def test_bodies_are_counted_together_and_forgotten() -> None:
    one = load()
    with one.request() as first, one.request() as second:
        first.count(60)
        second.count(40)
        with pytest.raises(Overloaded, match="100 bytes of request bodies"):
            second.count(1)
        first.forget()
        second.count(60)
        assert one.bodies_bytes == 100
    assert one.bodies_bytes == 0
