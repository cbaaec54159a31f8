"""How long to look for trouble: moments in CI, minutes with make fuzz."""

from __future__ import annotations

import pytest


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> float:
    """How long each of the searches with Hypothesis takes."""
    found: float = request.config.getoption("--seconds")
    return found


@pytest.fixture
def cases(request: pytest.FixtureRequest) -> int:
    """How many requests schemathesis makes up, at least."""
    found: int = request.config.getoption("--cases")
    return found
