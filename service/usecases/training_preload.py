"""Importing this makes every kernel ready: the forkserver does, so that its children start with compiled code."""

from __future__ import annotations

from service.forecasting.warming import warm_training

warm_training()
