"""Log lines, as text and JSON: what they belong to, and what must not be in them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from service.errors import InvalidSeries, Unavailable
from service.telemetry import context
from service.telemetry.logs import JsonLines, TextLines, exception_text, reason

VALUE = "73519.24681357"
TRACE = f"00-{'ab' * 16}-{'cd' * 8}-01"


def record(message: str = "so it is", *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("service.x", logging.WARNING, "x.py", 1, message, arguments, info)


def caught(raising: Any) -> BaseException:
    try:
        raising()
    except Exception as error:
        return error
    raise AssertionError("it did not raise")


def test_a_json_line_has_its_fields() -> None:
    line = json.loads(JsonLines().format(record("job %s\n", "a")))
    assert (line["level"], line["logger"], line["message"]) == ("warning", "service.x", "job a")
    assert line["time"].endswith("Z")
    assert set(line) == {"time", "level", "logger", "message"}


def test_lines_say_what_they_belong_to() -> None:
    token = context.request_id.set("r-1")
    try:
        with context.about_job("j-1"), context.within_trace(TRACE):
            line = json.loads(JsonLines().format(record()))
            text = TextLines().format(record())
    finally:
        context.request_id.reset(token)
    assert (line["request_id"], line["job_id"], line["trace_id"]) == ("r-1", "j-1", "ab" * 16)
    assert text == f"WARNING:  so it is (request_id=r-1, job_id=j-1, trace_id={'ab' * 16})"
    assert TextLines().format(record()) == "WARNING:  so it is"


def test_an_exception_is_one_field_and_one_line() -> None:
    def raising() -> None:
        try:
            float(f"x{VALUE}")
        except ValueError as error:
            raise KeyError(VALUE) from error

    line = JsonLines().format(record(error=caught(raising)))
    assert "\n" not in line
    told = json.loads(line)["exception"]
    assert told.index("ValueError") < told.index("direct cause") < told.index("KeyError")
    assert "in raising" in told


class _Sent(BaseModel):
    values: list[int]


@pytest.mark.parametrize(
    "raising",
    [
        lambda: float(f"x{VALUE}"),
        lambda: dict[str, int]()[VALUE],
        lambda: _Sent.model_validate({"values": [f"x{VALUE}"]}),
        lambda: json.loads(f"[{VALUE},]"),
        lambda: (_ for _ in ()).throw(InvalidSeries(f"{VALUE} is too large")),
    ],
)
def test_no_words_of_an_exception_quote_data(raising: Any) -> None:
    error = caught(raising)
    assert VALUE not in exception_text(error)
    assert VALUE not in reason(error)
    for form in (JsonLines(), TextLines()):
        assert VALUE not in form.format(record(error=error))


def test_words_of_the_system_and_of_ours_are_kept() -> None:
    assert "No such file" in reason(caught(lambda: open("/nowhere/at/all")))  # noqa: PTH123, SIM115
    assert reason(Unavailable("the disk is full")) == "the disk is full"


def test_an_exception_that_leads_to_itself_ends() -> None:
    error = ValueError("x")
    error.__cause__ = error
    assert exception_text(error).count("ValueError") == 1


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (TRACE, TRACE),
        (TRACE.replace("00-", "01-", 1) + "-more", TRACE),
        (TRACE + "-more", None),
        (TRACE.upper(), None),
        (TRACE.replace("ab" * 16, "0" * 32), None),
        (TRACE.replace("cd" * 8, "0" * 16), None),
        ("ff" + TRACE[2:], None),
        ("", None),
        (None, None),
        ("nonsense", None),
    ],
)
def test_traceparent(sent: str | None, read: str | None) -> None:
    assert context.read_traceparent(sent) == read


def test_an_exception_nobody_catches_is_a_line_too() -> None:
    import subprocess

    script = (
        "from service.telemetry.logs import configure_logging; configure_logging('info', 'json')\n"
        "import threading\n"
        f"thread = threading.Thread(target=lambda: float('x{VALUE}')); thread.start(); thread.join()\n"
        f"float('x{VALUE}')\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["level"] for line in lines] == ["critical", "critical"]
    # The script itself is the last frame's source; only words of exceptions are ours to leave out.
    assert all("could not convert" not in line["exception"] for line in lines)


def test_the_queue_writes_lines_of_the_same_form(tmp_path: Path) -> None:
    script = f"""
import logging
from service.telemetry.logs import configure_logging
configure_logging("info", "json")
from dbos import DBOS
DBOS(config={{"name": "forecast", "system_database_url": "sqlite:///{tmp_path}/x", "log_level": "ERROR"}})
try:
    float("x{VALUE}")
except ValueError:
    logging.getLogger("dbos").exception("it broke")
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    [line] = [json.loads(text) for text in ended.stderr.splitlines()]
    assert (line["logger"], line["level"], line["message"]) == ("dbos", "error", "it broke")
    assert "ValueError" in line["exception"]
    assert VALUE not in ended.stderr + ended.stdout
