"""The weights of the prior that ship with the package, and their card.

Each version has a file of safetensors, in half precision, which is never changed: models name the version that they
were published with. The card is its metadata: data, seed, command, scores, limits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from service.forecasting.networks.architecture import Network, network_of
from service.forecasting.prior.forecasting import PriorForecaster
from service.forecasting.prior.recipe import SHAPE, VERSION

_FOLDER = Path(__file__).parent
_CARD = "card"


def prior_file(version: int = VERSION) -> Path:
    """Return the path of a version's file."""
    return _FOLDER / f"prior-{version}.safetensors"


@cache
def load_prior(version: int = VERSION) -> PriorForecaster:
    """Return the prior of a version, ready to forecast. Raises ValueError where the package does not have it."""
    if not prior_file(version).exists():
        raise ValueError(f"this version of the service has no prior {version}")
    return PriorForecaster(read_network(prior_file(version)))


def read_network(path: Path) -> Network:
    """Return the network of a file that `save_prior` has written."""
    with safe_open(path, framework="numpy") as file:
        return network_of(SHAPE, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118


@cache
def read_card(version: int = VERSION) -> dict[str, Any]:
    """Return the card of a version."""
    with safe_open(prior_file(version), framework="numpy") as file:
        card: dict[str, Any] = json.loads(file.metadata()[_CARD])
    return card


def rounded(network: Network) -> Network:
    """Return a network with the weights that its file will have: in half precision."""
    return Network(network.shape, network.weights.astype(np.float16).astype(np.float32))


def save_prior(network: Network, card: Mapping[str, Any], path: Path) -> None:
    """Write the weights of a network in half precision, and its card."""
    tensors = {name: weights.astype(np.float16) for name, weights in network.named_weights().items()}
    path.write_bytes(save(tensors, metadata={_CARD: json.dumps(card)}))
