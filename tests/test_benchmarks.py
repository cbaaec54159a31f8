"""Every benchmark is known to the run of their short forms, which notices what breaks."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from benchmarks.server import REPOSITORY
from benchmarks.short import NEED_PEERS, PARTS, SHORT, run


def programs() -> set[str]:
    files = (REPOSITORY / "benchmarks").glob("*.py")
    return {file.stem for file in files if '__name__ == "__main__"' in file.read_text()}


def test_every_benchmark_has_a_short_form_or_needs_peers_or_is_a_part_of_another() -> None:
    assert programs() == {*SHORT, *NEED_PEERS, *PARTS}
    assert len(programs()) == len(SHORT) + len(NEED_PEERS) + len(PARTS), "one stands in two lists"


def test_what_has_a_short_form_needs_no_peers() -> None:
    for name in SHORT:
        source = (REPOSITORY / "benchmarks" / f"{name}.py").read_text()
        assert "running_peers" not in source, name
        assert "packages_folder" not in source, name


@pytest.mark.parametrize(
    ("program", "fault"),
    [
        ("print('heading'); print('row')", None),
        ("print('heading'); print()", "printed 1 lines, 2 were expected"),
        ("print('heading'); print('row'); raise SystemExit(3)", "ended with 3"),
        ("print('heading'); raise RuntimeError('broken')", "ended with 1"),
    ],
)
def test_a_run_is_judged_by_its_end_and_its_rows(program: str, fault: str | None) -> None:
    ended = run([sys.executable, "-c", program], 2, 60)
    assert ended.fault == fault
    assert "heading" in ended.output
    assert ("broken" in ended.output) == ("broken" in program)


def test_a_run_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    child = tmp_path / "child"
    program = (
        "import pathlib, subprocess, sys, time\n"
        "one = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(child)!r}).write_text(str(one.pid))\n"
        "print('heading', flush=True)\n"
        "time.sleep(600)\n"
    )
    ended = run([sys.executable, "-c", program], 1, 5)
    assert ended.fault == "did not end within 5 s"
    assert "heading" in ended.output
    deadline = time.monotonic() + 60
    while runs(int(child.read_text())):
        assert time.monotonic() < deadline, "what it started runs on"
        time.sleep(0.05)


def runs(process_id: int) -> bool:
    """Tell whether a process is there and has not ended; nobody may have looked at its end yet."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
