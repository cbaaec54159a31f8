"""A model as one safetensors file: its numbers as tensors, everything else about it in the header.

The header's metadata holds one key, ``forecast_model``, a JSON text::

    {"checksum": "sha256:<64 hex digits>", "record": {...}, "schema_version": 1}

The checksum covers every byte of the file. A file cannot hold its own hash, so the hash is taken with 64 zeros in the
place of its digits. That place is found by a marker in the raw header: the JSON text is itself a JSON string there, so
its quotes are escaped while hex digits are not, and the bare quotes around the key cannot come from any text inside.

safetensors has no code to run on loading (unlike pickle): https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from service.errors import InvalidModelFile
from service.storage.registry.entries import JSON

SCHEMA_VERSION = 1

_KEY = "forecast_model"
_ALGORITHM = "sha256:"
_MARKER = rb'"forecast_model":"{\"checksum\":\"sha256:'
_DIGITS = 64
_ZEROS = b"0" * _DIGITS
_LENGTH_BYTES = 8
_CURE = "Download it again from GET /models/{id}/file of the server that trained it."


@dataclass(frozen=True, eq=False)
class ModelFile:
    """A model file that was read and found whole.

    record: what the file says about the model (configuration, metrics, lineage).
    tensors: its numbers by name, each with the shape and type it was written with.
    checksum: ``sha256:`` and 64 hex digits, over every byte of the file.
    """

    record: dict[str, Any]
    tensors: dict[str, NDArray[Any]]
    checksum: str


def write_model_file(record: Mapping[str, JSON], tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """Return a model as the bytes of one file; the same model gives the same bytes.

    ``tensors`` may have any shape and every real numpy type of 8 to 64 bits, also bool. JSON knows no NaN: one in the
    record becomes null.
    """
    header = {"checksum": _ALGORITHM + _ZEROS.decode(), "record": dict(record), "schema_version": SCHEMA_VERSION}
    text = orjson.dumps(header, option=orjson.OPT_SORT_KEYS).decode()
    # safetensors copies raw memory, so a view with strides would be written in the wrong order.
    dense = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    unsigned = safetensors.numpy.save(dense, metadata={_KEY: text})
    start = _find_digest(unsigned)
    digest = hashlib.sha256(unsigned).hexdigest().encode()
    return b"".join((unsigned[:start], digest, unsigned[start + _DIGITS :]))


def read_model_file(data: bytes) -> ModelFile:
    """Read a model file, from this server or a stranger.

    Raises InvalidModelFile where a byte was changed, added or lost, where it is no model, or where a newer version of
    this service wrote it. Whether the numbers are finite and fit together is for the caller to check.
    """
    checksum = _verify_checksum(data)
    header = _read_header(data)
    _check_version(header.get("schema_version"))
    record = header.get("record")
    if header.get("checksum") != checksum or not isinstance(record, dict):
        raise InvalidModelFile(f"The file has no usable record of a model. {_CURE}")
    return ModelFile(record, _read_tensors(data), checksum)


def _header_end(data: bytes) -> int:
    """Return where the safetensors header ends; its first 8 bytes tell, and may lie."""
    if len(data) < _LENGTH_BYTES:
        raise InvalidModelFile(f"The file has {len(data)} bytes; a model has thousands. {_CURE}")
    end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    if end > len(data):
        raise InvalidModelFile(
            f"The file is no safetensors file or was cut short: it has {len(data)} bytes and its header "
            f"should end at byte {end}. {_CURE}"
        )
    return end


def _find_digest(data: bytes) -> int:
    """Return where the digits of the checksum start."""
    end = _header_end(data)
    found = data.count(_MARKER, 0, end)
    if found == 0:
        raise InvalidModelFile(f"The file is not a model of this service: its header has no checksum. {_CURE}")
    if found > 1:
        raise InvalidModelFile(f"The file's header has {found} checksums; a model has one. {_CURE}")
    start = data.index(_MARKER, 0, end) + len(_MARKER)
    if start + _DIGITS > end:
        raise InvalidModelFile(f"The file's checksum is cut short. {_CURE}")
    return start


def _verify_checksum(data: bytes) -> str:
    """Return the checksum after comparing it with the bytes."""
    start = _find_digest(data)
    stop = start + _DIGITS
    view = memoryview(data)
    digest = hashlib.sha256(view[:start])
    digest.update(_ZEROS)
    digest.update(view[stop:])
    if data[start:stop] != digest.hexdigest().encode():
        raise InvalidModelFile(f"The file was changed or damaged: its checksum does not match its bytes. {_CURE}")
    return _ALGORITHM + digest.hexdigest()


def _read_header(data: bytes) -> dict[str, Any]:
    """Return our JSON out of the header; a checksum proves nothing about it, as anybody can compute one."""
    try:
        metadata = orjson.loads(data[_LENGTH_BYTES : _header_end(data)])["__metadata__"]
        header = orjson.loads(metadata[_KEY])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise InvalidModelFile(f"The file's header is not the JSON of a model. {_CURE}") from error
    if len(metadata) != 1 or not isinstance(header, dict):
        raise InvalidModelFile(f"The file's header is not the header of a model. {_CURE}")
    return header


def _check_version(version: object) -> None:
    """Refuse a layout that this code does not know."""
    if type(version) is not int or version < 1:
        raise InvalidModelFile(f"The file has no usable schema version. {_CURE}")
    if version > SCHEMA_VERSION:
        raise InvalidModelFile(
            f"The file has schema version {version}, this server reads up to {SCHEMA_VERSION}: "
            "a newer version of the service wrote it. Update this server, or train the model here."
        )


def _read_tensors(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the tensors; safetensors' own parser refuses holes, overlaps and offsets beyond the file."""
    try:
        return safetensors.numpy.load(data)
    except SafetensorError as error:
        raise InvalidModelFile(f"The file's tensors cannot be read: {error}. {_CURE}") from error
    except (KeyError, ValueError) as error:
        raise InvalidModelFile(f"The file has a tensor of a type or shape that no model has. {_CURE}") from error
