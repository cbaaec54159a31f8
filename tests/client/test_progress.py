"""Progress is a bar on a terminal, and nothing elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from service.client.waiting import is_shown, stage_of

_TRAIN = """
import sys
from service.client import Client
from tests.client.data import QUICK
Client(sys.argv[1]).train(list(range(40)), name="shown [/red]", **QUICK)
"""


def test_quiet_where_nobody_looks(server_url: str) -> None:
    command = [sys.executable, "-c", _TRAIN, server_url]
    ended = subprocess.run(command, env={**os.environ, "FORCE_COLOR": "1"}, capture_output=True, check=True)
    assert (ended.stdout, ended.stderr) == (b"", b"")


def test_a_bar_on_a_terminal(server_url: str) -> None:
    main, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        [sys.executable, "-c", _TRAIN, server_url], env=environment, stdout=subprocess.PIPE, stderr=terminal
    ) as process:
        os.close(terminal)
        shown = b""
        while True:
            try:
                part = os.read(main, 65_536)
            except OSError:
                break
            shown += part
            if not part:
                break
        os.close(main)
        assert process.wait() == 0
        assert process.stdout is not None
        assert process.stdout.read() == b""
    assert b"shown [/red]" in shown
    assert b"100%" in shown
    assert b"succeeded" in shown


def test_whoever_asks_is_shown_it() -> None:
    assert is_shown(True)
    assert not is_shown(False)


@pytest.mark.parametrize(
    ("job", "told"),
    [
        ({"status": "queued", "progress": {}}, "queued"),
        ({"status": "running", "progress": {}}, "running"),
        ({"status": "running", "progress": {"stage": "select"}}, "training networks"),
        (
            {"status": "running", "progress": {"stage": "refit", "epoch": 3, "eta_seconds": 7.6}},
            "fitting on everything, epoch 3, 8 s left",
        ),
        ({"status": "running", "progress": {"stage": "something new"}}, "something new"),
        ({"status": "failed", "progress": {"stage": "refit"}}, "failed"),
    ],
)
def test_stages_in_words(job: dict[str, object], told: str) -> None:
    assert stage_of(job) == told
