"""Spans: what they say of clients is in none of our logs."""

from __future__ import annotations

import pytest

from service.telemetry.traces import Spans, finish

PARENT = f"00-{'ab' * 16}-{'cd' * 8}-01"


@pytest.mark.parametrize("sent", ["no state at all: secret", "secret=1,secret=2", f"secret={'x' * 600}"])
def test_what_a_client_sends_as_its_state_is_not_logged(sent: str, caplog: pytest.LogCaptureFixture) -> None:
    spans = Spans.export(["console"], "server")
    assert spans is not None
    span = spans.begin("asked", PARENT, "server", sent)
    assert span.get_span_context().trace_id == int("ab" * 16, 16)
    finish(span, {})
    spans.stop()
    assert caplog.records == []
