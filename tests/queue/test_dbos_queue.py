"""The queue on DBOS, in this process, on SQLite."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from service.queue.dbos_queue import DurableQueue
from service.queue.tickets import CPU, Ticket
from tests.worker.test_runner import PATIENCE, wait_for


class Work:
    """Runs tickets when it is let."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def run(self, ticket: Ticket) -> None:
        self.begun.append(ticket.id)
        assert self.gate.wait(PATIENCE)
        self.ended.append(ticket.id)
        if ticket.job_id == "broken":
            raise ZeroDivisionError("a bug")


@contextmanager
def launched(folder: Path, work: Work, alone: bool = True, size: int = 1) -> Iterator[DurableQueue]:
    tickets = DurableQueue(f"sqlite:///{folder / 'queue.sqlite3'}", "here", {CPU: size}, work.run, alone, 0.02)
    tickets.launch()
    try:
        yield tickets
    finally:
        work.gate.set()
        tickets.destroy()


def ticket(job_id: str, dispatch: int = 0) -> Ticket:
    return Ticket(job_id, dispatch, CPU)


@pytest.mark.parametrize("alone", [True, False])
def test_a_ticket_runs_once_however_often_it_is_submitted(tmp_path: Path, alone: bool) -> None:
    work = Work()
    with launched(tmp_path, work, alone) as tickets:
        for _ in range(3):
            tickets.submit(ticket("a"))
        wait_for(lambda: work.ended)
        tickets.submit(ticket("a"))
        tickets.submit(ticket("a", 1))
        wait_for(lambda: len(work.ended) == 2)
    assert work.ended == ["a-0", "a-1"]


@pytest.mark.parametrize("alone", [True, False])
def test_as_many_run_at_once_as_there_is_room_for_in_the_order_they_came(tmp_path: Path, alone: bool) -> None:
    work = Work()
    names = [f"{number}" for number in range(6)]
    with launched(tmp_path, work, alone) as tickets:
        work.gate.clear()
        for name in names:
            tickets.submit(ticket(name))
        wait_for(lambda: len(work.begun) >= 1 + alone)
        taken = len(work.begun)
        assert taken <= 1 + 2 * alone, "one or two are taken ahead where nobody else would take them"
        places = tickets.states([ticket(name) for name in [*names, "unknown"]])
        assert places.keys() == {f"{name}-0" for name in names}
        assert sum(place.waits for place in places.values()) in (6 - taken, 6 - taken - alone)
        work.gate.set()
        wait_for(lambda: len(work.ended) == 6)
    assert work.begun == [f"{name}-0" for name in names]


def test_a_broken_ticket_is_used_up_and_the_next_one_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    work = Work()
    with launched(tmp_path, work) as tickets:
        tickets.submit(ticket("broken"))
        wait_for(lambda: work.ended)
        tickets.submit(ticket("next"))
        wait_for(lambda: len(work.ended) == 2)
        places = tickets.states([ticket("broken")])
        assert not places["broken-0"].waits
    assert "job broken could not be run: ZeroDivisionError" in caplog.text


def test_what_waits_is_there_for_the_next_process_and_nothing_is_pickled(tmp_path: Path) -> None:
    work = Work()
    with launched(tmp_path, work, alone=False) as tickets:
        work.gate.clear()
        for name in ("a", "b", "c"):
            tickets.submit(ticket(name))
        wait_for(lambda: work.begun)
    with closing(sqlite3.connect(tmp_path / "queue.sqlite3")) as connection:
        kinds = connection.execute("SELECT serialization FROM workflow_status").fetchall()
        everything = "\n".join(connection.iterdump())
    assert kinds == [("json",)] * 3
    assert '"args":["b",0,"cpu"]' in everything
    assert "gASV" not in everything, "base64 of a pickle"
    again = Work()
    with launched(tmp_path, again) as tickets:
        wait_for(lambda: {"b-0", "c-0"} <= set(again.ended))


def test_used_tickets_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work()
    with launched(tmp_path, work) as tickets:
        tickets.submit(ticket("a"))
        wait_for(lambda: tickets.states([ticket("a")])["a-0"].status != "PENDING")
        assert tickets.forget_old() == 0, "it was just used"
        monkeypatch.setattr("service.queue.dbos_queue._KEPT", timedelta(minutes=-1))
        assert tickets.forget_old() == 1
        assert tickets.states([ticket("a")]) == {}
