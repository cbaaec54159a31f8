"""Run by the peers' own interpreter: answers requests of `peer_process`, one line of JSON each."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, TextIO

from benchmarks import peer_networks, peer_statistics

WORK: dict[str, Callable[..., Any]] = {
    "auto_ets": peer_statistics.auto_ets,
    "auto_theta": peer_statistics.auto_theta,
    "mstl_ets": peer_statistics.mstl_ets,
    "train_neuralforecast": peer_networks.train_neuralforecast,
    "train_darts": peer_networks.train_darts,
    "forecast_panel": peer_networks.forecast_panel,
}


def main() -> None:
    """Answer requests until the input ends."""
    quieten()
    answers = own_stdout()
    for line in sys.stdin:
        print(json.dumps(answer_to(json.loads(line))), file=answers, flush=True)


def answer_to(question: dict[str, Any]) -> dict[str, Any]:
    """Return the result, or the error message of whatever failed in a library."""
    try:
        return {"result": WORK[question["work"]](**question["arguments"])}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def own_stdout() -> TextIO:
    """Keep the real standard output for responses, and redirect the output of libraries to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def quieten() -> None:
    """Silence the progress output of the libraries."""
    warnings.filterwarnings("ignore")
    for name in ("pytorch_lightning", "lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)


if __name__ == "__main__":
    main()
