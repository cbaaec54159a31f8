"""Hypothesis for as long as was asked: round after round of new examples, each watched for hangs and for memory."""

from __future__ import annotations

import faulthandler
import resource
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis.strategies import SearchStrategy

_A_ROUND = 100
_HANGS_SECONDS = 120
_MEMORY = 2**31


def fuzz(what: str, examples: SearchStrategy[Any], check: Callable[[Any], str], seconds: float) -> None:
    """Check new examples until the time is over; print how many there were, by what check called them.

    A failing example is made small and printed by Hypothesis. One that takes longer than two minutes ends the process,
    with a traceback; one that takes 2 GiB more than there was fails with MemoryError.
    """
    found: dict[str, int] = {}

    @settings(
        max_examples=_A_ROUND,
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(examples)
    def one_round(example: Any) -> None:
        faulthandler.dump_traceback_later(_HANGS_SECONDS, exit=True)
        try:
            outcome = check(example)
        finally:
            faulthandler.cancel_dump_traceback_later()
        found[outcome] = found.get(outcome, 0) + 1

    first = secrets.randbelow(2**32)
    started = time.monotonic()
    rounds = 0
    with bounded_memory():
        while time.monotonic() - started < seconds:
            seed(first + rounds)(one_round)()
            rounds += 1
    counts = ", ".join(f"{count} {name}" for name, count in sorted(found.items(), key=lambda one: -one[1]))
    took, peak = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{what}: {sum(found.values())} examples in {took:.0f} s from seed {first}, peak {peak:.0f} MiB: {counts}")


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Let this process have so much address space more than it has now, and no more."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + _MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
