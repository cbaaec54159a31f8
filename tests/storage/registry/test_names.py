"""What names mean, and how they are moved, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, delete, event, func, select
from sqlalchemy.exc import IntegrityError

from service.errors import (
    Conflict,
    InvalidOption,
    ModelFailed,
    ModelNotFound,
    ModelNotReady,
    ModelPinned,
    QuotaExceeded,
)
from service.keys import DEFAULT_TENANT as HERE
from service.storage.identifiers import new_id
from service.storage.registry.entries import NameMove
from service.storage.registry.name_rows import pinned_to
from service.storage.registry.names import NameBounds
from service.storage.registry.pagination import encode_cursor
from service.storage.registry.registry import Registry
from service.storage.registry.tables import models, name_moves, names
from tests.storage.conftest import Clock

WIDE = NameBounds(1000, 1000)
AWKWARD = ("x/promote", "..", ".", "%", "%2F", "a b", "😀", "it's", '"', "é", "e\u0301", "\\", "a" * 200, "0" * 32)


def add(registry: Registry, clock: Clock, name: str | None = "sales", tenant: str = HERE) -> str:
    """Add a ready model, a second after what was before."""
    clock.advance(seconds=1)
    model_id = new_id()
    registry.add(tenant, model_id, name, {}, 1)
    return model_id


def promote(registry: Registry, clock: Clock, model_id: str, name: str = "sales", bounds: NameBounds = WIDE) -> None:
    clock.advance(seconds=1)
    entry = registry.names.promote(HERE, name, model_id, "acme:train", bounds)
    assert (entry.name, entry.mode, entry.model_id) == (name, "pinned", model_id)


def rolled_back(registry: Registry, clock: Clock, name: str = "sales") -> tuple[str, str | None]:
    clock.advance(seconds=1)
    entry = registry.names.rollback(HERE, name, None, WIDE)
    return entry.mode, entry.model_id


def history(registry: Registry, name: str = "sales") -> list[NameMove]:
    return list(registry.names.get(HERE, name, limit=500)[2].entries)


def meant(registry: Registry, name: str = "sales", tenant: str = HERE) -> str:
    found = registry.names.resolve(tenant, name).id
    assert registry.names.get(tenant, name)[0].model_id == found
    return found


def test_a_name_that_was_never_moved_means_its_newest_ready_model(registry: Registry, clock: Clock) -> None:
    with pytest.raises(ModelNotFound, match="No ready model has the name 'sales'"):
        registry.names.get(HERE, "sales")
    for _ in range(2):
        model_id, trained_at = add(registry, clock), clock.now
        entry, _, moves = registry.names.get(HERE, "sales")
        assert (entry.mode, entry.model_id, entry.since) == ("newest", meant(registry), trained_at)
        assert (entry.model_id, entry.revision, entry.changed_by) == (model_id, 0, None)
        assert moves.entries == ()
    with registry.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(names)) == 0


def test_a_pinned_name_keeps_its_model(registry: Registry, clock: Clock) -> None:
    first, second, other = (add(registry, clock, name) for name in ("sales", "sales", None))
    promote(registry, clock, first)
    moved_at = clock.now
    add(registry, clock)
    assert meant(registry) == first
    entry, back, _ = registry.names.get(HERE, "sales")
    assert (entry.since, entry.revision, entry.changed_by) == (moved_at, 1, "acme:train")
    assert back is not None
    assert back.mode == "newest"
    promote(registry, clock, other)
    assert meant(registry) == other
    registry.change(HERE, other, name="another name")
    assert meant(registry) == other
    assert history(registry) == [
        NameMove(2, "pinned", other, "promoted", clock.now, "acme:train"),
        NameMove(1, "pinned", first, "promoted", moved_at, "acme:train"),
        NameMove(0, "newest", second, "trained", moved_at - timedelta(seconds=2), None),
    ]


def test_a_promotion_to_what_a_name_means_is_no_move(registry: Registry, clock: Clock) -> None:
    model_id = add(registry, clock)
    for _ in range(3):
        promote(registry, clock, model_id)
    assert [one.revision for one in history(registry)] == [1, 0]


def test_a_promotion_may_make_a_name(registry: Registry, clock: Clock) -> None:
    model_id = add(registry, clock, None)
    promote(registry, clock, model_id, "new")
    assert meant(registry, "new") == model_id
    assert [one.reason for one in history(registry, "new")] == ["promoted"]
    assert registry.names.get(HERE, "new")[1] is None
    with pytest.raises(Conflict, match="nothing is known that the name 'new' meant before"):
        registry.names.rollback(HERE, "new", None, WIDE)


def test_only_ready_models_of_the_tenant_are_promoted(registry: Registry, clock: Clock) -> None:
    held = add(registry, clock)
    foreign = add(registry, clock, tenant="other")
    training, failed, job_id = new_id(), new_id(), new_id()
    registry.jobs.create(HERE, training, new_id(), "sales", {})
    registry.jobs.create(HERE, failed, job_id, "sales", {})
    registry.jobs.cancel(HERE, job_id)
    refusals = {foreign: ModelNotFound, training: ModelNotReady, failed: ModelFailed, "x": ModelNotFound}
    for model_id, error in refusals.items():
        with pytest.raises(error):
            registry.names.promote(HERE, "sales", model_id, None, WIDE)
    assert (meant(registry), history(registry)) == (held, [])


def test_names_of_other_tenants_are_their_own(registry: Registry, clock: Clock) -> None:
    ours, newer, theirs = (add(registry, clock, tenant=tenant) for tenant in (HERE, HERE, "other"))
    promote(registry, clock, ours)
    assert (meant(registry), meant(registry, tenant="other")) == (ours, theirs)
    assert registry.names.get("other", "sales")[2].entries == ()
    for move in (registry.names.rollback, registry.names.follow):
        with pytest.raises(ModelNotFound):
            move("third", "sales", None, WIDE)
    assert [one.model_id for one in registry.names.list("other").entries] == [theirs]
    assert newer not in {one.model_id for one in registry.names.list(HERE).entries}


def test_rollbacks_undo_one_move_after_the_other(registry: Registry, clock: Clock) -> None:
    newest = add(registry, clock)
    chosen = [add(registry, clock, None) for _ in range(3)]
    for model_id in chosen:
        promote(registry, clock, model_id)
    assert rolled_back(registry, clock) == ("pinned", chosen[1])
    assert rolled_back(registry, clock) == ("pinned", chosen[0])
    promote(registry, clock, chosen[2])
    assert rolled_back(registry, clock) == ("pinned", chosen[0])
    assert rolled_back(registry, clock) == ("newest", newest)
    with pytest.raises(Conflict, match="nothing is known"):
        registry.names.rollback(HERE, "sales", None, WIDE)
    reasons = [one.reason for one in reversed(history(registry))]
    back = "rolled back"
    assert reasons == ["trained", *["promoted"] * 3, back, back, "promoted", back, back]


def test_a_training_is_rolled_back(registry: Registry, clock: Clock) -> None:
    first, second, third = (add(registry, clock) for _ in range(3))
    entry, back, _ = registry.names.get(HERE, "sales")
    assert back is not None
    assert (entry.model_id, back.mode, back.model_id) == (third, "pinned", second)
    assert rolled_back(registry, clock) == ("pinned", second)
    add(registry, clock)
    assert meant(registry) == second
    assert rolled_back(registry, clock) == ("pinned", first)
    with pytest.raises(Conflict):
        registry.names.rollback(HERE, "sales", None, WIDE)


def test_what_became_ready_later_was_not_meant_before(registry: Registry, clock: Clock) -> None:
    first = add(registry, clock)
    slow, job_id = new_id(), new_id()
    clock.advance(seconds=1)
    registry.jobs.create(HERE, slow, job_id, "sales", {})
    registry.leases.claim(job_id, 0, "here", 1000)
    third = add(registry, clock)
    clock.advance(seconds=1)
    assert registry.publish(job_id, 1, {}, 1)
    assert meant(registry) == third
    assert rolled_back(registry, clock) == ("pinned", first)


def test_a_name_follows_again(registry: Registry, clock: Clock) -> None:
    first, second = add(registry, clock), add(registry, clock)
    promote(registry, clock, first)
    clock.advance(seconds=1)
    entry = registry.names.follow(HERE, "sales", "acme:admin", WIDE)
    assert (entry.mode, entry.model_id, entry.since) == ("newest", second, clock.now)
    # No training since: the move itself is undone.
    assert rolled_back(registry, clock) == ("pinned", first)
    clock.advance(seconds=1)
    registry.names.follow(HERE, "sales", None, WIDE)
    third = add(registry, clock)
    assert meant(registry) == third
    assert registry.names.get(HERE, "sales")[0].since == clock.now
    assert rolled_back(registry, clock) == ("pinned", second)
    assert rolled_back(registry, clock) == ("pinned", first)
    registry.names.follow(HERE, "sales", None, WIDE)
    before = history(registry)
    assert registry.names.follow(HERE, "sales", None, WIDE).model_id == third
    assert history(registry) == before
    with pytest.raises(ModelNotFound):
        registry.names.follow(HERE, "unknown", None, WIDE)


def test_a_name_without_a_model_of_its_own_is_let_go(registry: Registry, clock: Clock) -> None:
    model_id = add(registry, clock, None)
    promote(registry, clock, model_id, "alias")
    entry = registry.names.follow(HERE, "alias", None, WIDE)
    assert (entry.mode, entry.model_id, entry.since) == ("newest", None, None)
    with pytest.raises(ModelNotFound):
        registry.names.resolve(HERE, "alias")
    registry.delete(HERE, model_id)
    with pytest.raises(Conflict, match="which was deleted"):
        registry.names.rollback(HERE, "alias", None, WIDE)
    assert [one.name for one in registry.names.list(HERE).entries] == ["alias"]


def test_a_pinned_model_is_not_deleted(registry: Registry, clock: Clock) -> None:
    first, second = add(registry, clock), add(registry, clock)
    promote(registry, clock, first)
    promote(registry, clock, first, "a/b")
    with pytest.raises(ModelPinned, match=r"names \('a/b', 'sales'\) are pinned .*POST /names/a%2Fb/promote"):
        registry.delete(HERE, first)
    with pytest.raises(ModelNotFound):
        registry.delete("other", first)
    registry.names.follow(HERE, "a/b", None, WIDE)
    with pytest.raises(ModelPinned, match="the name 'sales' is pinned"):
        registry.delete(HERE, first)
    # As a server of the version before would.
    with pytest.raises(IntegrityError), registry.writing() as connection:
        connection.execute(delete(models).where(models.c.id == first))
    promote(registry, clock, second)
    registry.delete(HERE, first)
    with pytest.raises(Conflict, match=f"meant model {first}, which was deleted"):
        registry.names.rollback(HERE, "sales", None, WIDE)
    assert registry.names.get(HERE, "sales")[1] is None
    assert first in {one.model_id for one in history(registry)}


def test_no_rollback_leads_to_nothing(registry: Registry, clock: Clock) -> None:
    own, other = add(registry, clock), add(registry, clock, None)
    promote(registry, clock, other)
    registry.delete(HERE, own)
    with pytest.raises(Conflict, match="none has this name now"):
        registry.names.rollback(HERE, "sales", None, WIDE)
    assert meant(registry) == other


def test_a_lost_model_is_told_and_left(registry: Registry, clock: Clock) -> None:
    first, second = add(registry, clock), add(registry, clock)
    promote(registry, clock, first)
    promote(registry, clock, second)
    registry.inventory.lose_model(second, {"detail": "its file is missing"})
    with pytest.raises(ModelFailed, match=f"pinned to model {second}, whose file was lost"):
        registry.names.resolve(HERE, "sales")
    assert rolled_back(registry, clock) == ("pinned", first)
    registry.inventory.regain_model(second)
    promote(registry, clock, second)
    registry.inventory.lose_model(first, {"detail": "its file is missing"})
    with pytest.raises(ModelFailed):
        registry.names.rollback(HERE, "sales", None, WIDE)


def test_histories_are_bounded(registry: Registry, clock: Clock) -> None:
    chosen = [add(registry, clock) for _ in range(3)]
    bounds = NameBounds(10, 2)
    for number in range(7):
        promote(registry, clock, chosen[number % 3], bounds=bounds)
    assert [one.revision for one in history(registry)] == [7, 6]
    assert rolled_back(registry, clock) == ("pinned", chosen[2])
    with pytest.raises(Conflict, match="FORECAST_MAX_MOVES_PER_NAME"):
        registry.names.rollback(HERE, "sales", None, bounds)


def test_pinned_names_are_bounded_and_the_oldest_history_gives_way(registry: Registry, clock: Clock) -> None:
    model_id, bounds = add(registry, clock), NameBounds(2, 10)
    for name in ("a", "b"):
        promote(registry, clock, model_id, name, bounds)
    with pytest.raises(QuotaExceeded, match="FORECAST_MAX_NAMES_PER_TENANT"):
        registry.names.promote(HERE, "c", model_id, None, bounds)
    foreign = add(registry, clock, tenant="other")
    assert registry.names.promote("other", "c", foreign, None, bounds).model_id == foreign
    other = add(registry, clock)
    promote(registry, clock, other, "a", bounds)
    registry.names.follow(HERE, "a", None, bounds)
    promote(registry, clock, model_id, "c", bounds)
    with registry.reading() as connection:
        assert set(connection.scalars(select(names.c.name).where(names.c.tenant == HERE))) == {"b", "c"}
        assert "a" not in set(connection.scalars(select(name_moves.c.name)))
    with pytest.raises(QuotaExceeded):
        registry.names.promote(HERE, "a", model_id, None, bounds)


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_pages_have_every_name_once(registry: Registry, clock: Clock, limit: int) -> None:
    expected: dict[str, str] = {}
    for name in AWKWARD:
        add(registry, clock, name)
        expected[name] = add(registry, clock, name)
    add(registry, clock, None)
    registry.jobs.create(HERE, new_id(), new_id(), "in training", {})
    expected["moved"] = expected["x/promote"]
    for name in ("moved", "é"):
        promote(registry, clock, expected["moved"], name)
        expected[name] = expected["moved"]
    found: list[tuple[str, str | None]] = []
    cursor = None
    while True:
        page = registry.names.list(HERE, None, cursor, limit)
        assert len(page.entries) <= limit
        found += [(one.name, one.model_id) for one in page.entries]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(found) == len(expected)
    assert dict(found) == expected
    assert {name: meant(registry, name) for name in expected} == expected


def test_names_that_mean_a_model(registry: Registry, clock: Clock) -> None:
    old, new, nameless = (add(registry, clock, name) for name in ("sales", "sales", None))
    foreign = add(registry, clock, tenant="other")
    for name in ("a", "b", "zz"):
        promote(registry, clock, old, name)
    promote(registry, clock, nameless, "b")

    def listed(model_id: str, limit: int = 50) -> list[str]:
        found, cursor = [], None
        while True:
            page = registry.names.list(HERE, model_id, cursor, limit)
            found += [one.name for one in page.entries]
            cursor = page.next_cursor
            if cursor is None:
                return found

    for limit in (1, 2, 50):
        assert listed(old, limit) == ["a", "zz"]
        assert (listed(new, limit), listed(nameless, limit), listed(foreign, limit)) == (["sales"], ["b"], [])
    promote(registry, clock, old)
    assert (listed(old, 1), listed(new, 1)) == (["a", "sales", "zz"], [])
    assert listed("x") == listed("a\0") == []


def test_pages_of_a_history(registry: Registry, clock: Clock) -> None:
    chosen = [add(registry, clock) for _ in range(2)]
    for number in range(6):
        promote(registry, clock, chosen[number % 2])
    found, cursor = [], None
    while True:
        _, _, page = registry.names.get(HERE, "sales", cursor, 2)
        found += [one.revision for one in page.entries]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "٣", "9" * 30])
def test_bad_cursors_of_a_history_are_refused(registry: Registry, clock: Clock, text: str) -> None:
    add(registry, clock)
    for cursor in (encode_cursor(text), "é", "="):
        with pytest.raises(InvalidOption) as caught:
            registry.names.get(HERE, "sales", cursor)
        assert caught.value.faults[0].path == ("cursor",)
    with pytest.raises(InvalidOption):
        registry.names.list(HERE, cursor="é")


def test_a_name_that_no_database_can_hold(registry: Registry) -> None:
    for ask in (
        lambda: registry.names.resolve(HERE, "a\0"),
        lambda: registry.names.get(HERE, "a\0"),
        lambda: registry.names.rollback(HERE, "a\0", None, WIDE),
        lambda: registry.names.follow(HERE, "a\0", None, WIDE),
    ):
        with pytest.raises(ModelNotFound):
            ask()


@contextmanager
def statements(registry: Registry) -> Iterator[list[str]]:
    """Collect the statements sent to the database."""
    sent: list[str] = []

    def note(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(registry._engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(registry._engine, "before_cursor_execute", note)


def test_a_name_is_resolved_by_one_query_without_records(registry: Registry, clock: Clock) -> None:
    model_id = add(registry, clock)
    for _ in range(2):
        with statements(registry) as sent:
            assert registry.names.resolve(HERE, "sales") == (model_id, 0, 0)
        [query] = [one for one in sent if not one.startswith("BEGIN")]
        assert "record" not in query
        promote(registry, clock, model_id)


def test_moved_names_are_told_with_what_they_mean(registry: Registry, clock: Clock) -> None:
    first, second = add(registry, clock), add(registry, clock)
    foreign = add(registry, clock, tenant="other")
    promote(registry, clock, first)
    clock.advance(seconds=100)
    assert registry.names.moved_within(50) == []
    registry.names.promote("other", "x", foreign, None, WIDE)
    registry.names.follow("other", "x", None, WIDE)
    assert registry.names.moved_within(50) == [("other", "x", None)]
    assert sorted(registry.names.moved_within(1000)) == [(HERE, "sales", first), ("other", "x", None)]
    registry.names.follow(HERE, "sales", None, WIDE)
    assert (HERE, "sales", second) in registry.names.moved_within(50)


def test_a_move_may_depend_on_the_revision(registry: Registry, clock: Clock) -> None:
    first, second = add(registry, clock), add(registry, clock)
    with pytest.raises(Conflict, match="has revision 0, not 1: it was moved since you read it"):
        registry.names.promote(HERE, "sales", first, None, WIDE, revision=1)
    assert registry.names.promote(HERE, "sales", first, None, WIDE, revision=0).revision == 1
    assert registry.names.promote(HERE, "sales", second, None, WIDE, revision=1).revision == 2
    for move in (registry.names.rollback, registry.names.follow):
        with pytest.raises(Conflict, match="has revision 2, not 1"):
            move(HERE, "sales", None, WIDE, revision=1)
    ready = threading.Barrier(4)

    def roll_back(_: int) -> bool:
        ready.wait()
        try:
            registry.names.rollback(HERE, "sales", None, WIDE, revision=2)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(roll_back, range(4))) == 1
    assert meant(registry) == first
    assert registry.names.follow(HERE, "sales", None, WIDE, revision=3).model_id == second


def test_concurrent_moves_come_one_after_the_other(registry: Registry, clock: Clock) -> None:
    chosen = [add(registry, clock) for _ in range(8)]
    ready = threading.Barrier(8)

    def move(model_id: str) -> None:
        ready.wait()
        for _ in range(5):
            registry.names.promote(HERE, "sales", model_id, model_id[:8], WIDE)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(move, chosen))
    moves = history(registry)
    assert [one.revision for one in moves] == list(range(len(moves) - 1, -1, -1))
    assert {one.model_id for one in moves if one.reason == "promoted"} == set(chosen)
    assert all(one.moved_by == (one.model_id or "")[:8] for one in moves[:-1])
    assert meant(registry) == moves[0].model_id
    # Each move is undone by exactly one rollback, down to the name that follows.
    for _ in moves[1:-1]:
        assert rolled_back(registry, clock)[0] == "pinned"
    assert rolled_back(registry, clock)[0] == "newest"


def test_a_name_is_never_pinned_to_a_model_that_is_being_deleted(registry: Registry, clock: Clock) -> None:
    kept = add(registry, clock)
    for _ in range(25):
        model_id, start = add(registry, clock), threading.Barrier(2)

        def remove(model_id: str = model_id, start: threading.Barrier = start) -> bool:
            start.wait()
            try:
                registry.delete(HERE, model_id)
            except ModelPinned:
                return False
            return True

        def pin(model_id: str = model_id, start: threading.Barrier = start) -> bool:
            start.wait()
            try:
                registry.names.promote(HERE, "sales", model_id, None, WIDE)
            except ModelNotFound:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            removed, pinned = pool.submit(remove), pool.submit(pin)
            assert removed.result(60) != pinned.result(60)
        if pinned.result():
            assert meant(registry) == model_id
        registry.names.promote(HERE, "sales", kept, None, WIDE)
    with registry.reading() as connection:
        assert pinned_to(connection, kept) == ["sales"]
