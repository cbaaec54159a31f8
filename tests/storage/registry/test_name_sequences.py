"""Any sequence of trainings, deletions and moves, beside a model of names in a few lines of Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.errors import Conflict, ModelNotFound, ServiceError
from service.storage.identifiers import new_id
from service.storage.registry.names import NameBounds
from service.storage.registry.registry import Registry
from tests.storage.conftest import Clock

WIDE = NameBounds(1000, 1000)


@dataclass(frozen=True)
class State:
    """pinned: to which model; since: when the name began to follow its newest model, None where it was promoted."""

    pinned: str | None
    since: int | None


@dataclass
class SimpleName:
    """A name, and the models that have it: when they were created and became ready, by ID."""

    ready: dict[str, tuple[int, int]] = field(default_factory=dict)
    stack: list[State] = field(default_factory=lambda: [State(None, -1)])
    moves: int = 0

    @property
    def newest(self) -> str | None:
        return max(self.ready, key=lambda one: self.ready[one], default=None)

    @property
    def model(self) -> str | None:
        return self.stack[-1].pinned or self.newest

    def require(self) -> None:
        if self.model is None and not self.moves:
            raise ModelNotFound("")

    def promote(self, model: str) -> None:
        if model not in self.ready:
            raise ModelNotFound("")
        if self.stack[-1].pinned == model:
            return
        self.stack.append(State(model, None))
        self.moves += 1

    def follow(self, now: int) -> None:
        self.require()
        if self.stack[-1].pinned is not None:
            self.stack.append(State(None, now))
            self.moves += 1

    def rollback(self) -> None:
        self.require()
        top, present = self.stack[-1], self.model
        if top.since is not None and present is not None and self.ready[present][1] > top.since:
            created, ready = self.ready[present]
            earlier = [one for one, times in self.ready.items() if times[0] < created and times[1] <= ready]
            if earlier:
                self.stack[-1] = replace(top, pinned=max(earlier, key=lambda one: self.ready[one]))
                self.moves += 1
                return
        if len(self.stack) == 1:
            raise Conflict("")
        below = self.stack[-2]
        if (below.pinned or self.newest) not in self.ready:
            raise Conflict("")
        self.stack.pop()
        self.moves += 1

    def delete(self, model: str) -> None:
        if self.stack[-1].pinned == model:
            raise Conflict("")
        del self.ready[model]


OPERATIONS = ("train", "start", "finish", "promote", "promote", "rollback", "rollback", "follow", "delete")
_tenants = Counter[str]()


@settings(max_examples=75, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 5)), max_size=30))
def test_any_sequence_of_moves(registry: Registry, clock: Clock, sequence: list[tuple[str, int]]) -> None:
    _tenants["number"] += 1
    tenant, simple = f"t{_tenants['number']}", SimpleName()
    training: list[tuple[str, str, int]] = []
    known: list[str] = []
    for now, (operation, number) in enumerate(sequence):
        clock.advance(seconds=1)
        if operation == "train":
            known.append(new_id())
            registry.add(tenant, known[-1], "sales", {}, 1)
            simple.ready[known[-1]] = (now, now)
        elif operation == "start":
            training.append((new_id(), new_id(), now))
            registry.jobs.create(tenant, *training[-1][:2], "sales", {})
            registry.leases.claim(training[-1][1], 0, "here", 1e6)
        elif operation == "finish" and training:
            model_id, job_id, created = training.pop(number % len(training))
            assert registry.publish(job_id, 1, {}, 1)
            known.append(model_id)
            simple.ready[model_id] = (created, now)
        elif operation in ("promote", "delete") and known:
            model_id = known[number % len(known)]
            if operation == "promote":
                with failing_like(partial(simple.promote, model_id)):
                    registry.names.promote(tenant, "sales", model_id, None, WIDE)
            elif model_id in simple.ready:
                with failing_like(partial(simple.delete, model_id)):
                    registry.delete(tenant, model_id)
        elif operation == "rollback":
            with failing_like(simple.rollback):
                registry.names.rollback(tenant, "sales", None, WIDE)
        elif operation == "follow":
            with failing_like(partial(simple.follow, now)):
                registry.names.follow(tenant, "sales", None, WIDE)
        check(registry, tenant, simple)


@contextmanager
def failing_like(expected: Callable[[], None]) -> Iterator[None]:
    """Fail unless the block raises the kind of error that this raises, or none either."""
    try:
        expected()
    except ServiceError as error:
        with pytest.raises(type(error)):
            yield
    else:
        yield


def check(registry: Registry, tenant: str, simple: SimpleName) -> None:
    """Compare what the name means, and its history."""
    if simple.model is None:
        return
    assert registry.names.resolve(tenant, "sales").id == simple.model
    entry, back, moves = registry.names.get(tenant, "sales", limit=100)
    assert (entry.model_id, entry.revision) == (simple.model, simple.moves)
    assert (entry.mode == "pinned") == (simple.stack[-1].pinned is not None)
    assert len([one for one in moves.entries if one.revision]) == simple.moves
    ahead = replace(simple, ready=dict(simple.ready), stack=list(simple.stack))
    try:
        ahead.rollback()
    except Conflict:
        assert back is None
    else:
        assert back is not None
        assert back.model_id == ahead.model
