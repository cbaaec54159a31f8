"""Settings of all tests."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# As in the service: threads of a numeric library fight over the cores. Before anything imports one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Repeatable everywhere, and never a failure because a busy machine was slow.
settings.register_profile(
    "house", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")
