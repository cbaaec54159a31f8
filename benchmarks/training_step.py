"""One training step in our kernel against torch's, on one thread: forward, backward, clipping and Adam."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from benchmarks.tutorial_loop import Cell, TutorialNetwork
from service.forecasting.networks.architecture import NetworkShape, initial_network
from service.forecasting.networks.kernels.losses import LOSSES
from service.forecasting.networks.kernels.optimizers import OPTIMIZERS
from service.forecasting.networks.kernels.training import train_epoch

ROUNDS = 7
STEP_HEADING = """
a training step: 16 sequences of 79 steps, 2 layers of 32
cell   kernel us   torch us   ratio"""


def step_line(cell: Cell, count: int = ROUNDS) -> str:
    """Time forward, backward, clipping and Adam on one batch, on both sides in turn."""
    network = initial_network(NetworkShape(cell, 1, 32, 2, 1), seed=0)
    shape, module = network.shape, TutorialNetwork(cell, 32, 2)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    values = np.sin(np.arange(96, dtype=np.float32) / 10)[:, None]
    starts, ends, moments = np.arange(16), np.full(16, 96), np.zeros((2, shape.size), np.float32)
    sequences = torch.from_numpy(values).unfold(0, 80, 1)[:16, 0, :, None]

    def ours() -> None:
        train_epoch(
            shape.code, 2, 32, shape.gates, network.weights, moments[0], moments[1], values, np.ones_like(values),
            starts, ends, 16, 19, 60, 1, False, LOSSES["mae"], 0, 0.0,
            OPTIMIZERS["adam"], np.full(1, 1e-3), 0, 1.0, 0.0,
        )  # fmt: skip

    def torchs() -> None:
        optimizer.zero_grad()
        forecasts = module.head(module.recurrent(sequences[:, :79])[0][:, 19:])
        nn.functional.l1_loss(forecasts, sequences[:, 20:]).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()

    rounds = [(microseconds(ours, 20), microseconds(torchs, 2)) for _ in range(count)]
    kernel, reference = (statistics.median(side) for side in zip(*rounds, strict=True))
    return f"{cell:<6} {kernel:>9.0f} {reference:>10.0f} {reference / kernel:>6.0f}x"


def microseconds(run: Callable[[], object], times: int) -> float:
    """Return the mean processor time of ``times`` runs, which excludes the time of other processes."""
    started = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - started) / times * 1e6
