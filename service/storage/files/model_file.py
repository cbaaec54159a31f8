"""A model as one safetensors file: its numbers as tensors, everything else in the header.

The header's metadata has one key, ``forecast_model``, whose value is a JSON text::

    {"checksum": "sha256:<64 hex digits>", "record": {...}, "schema_version": 1}

The checksum covers every byte of the file. A file cannot contain its own hash, so the hash is computed with 64 zeros in
place of its digits. Their position is found by a marker in the raw header: the JSON text is itself a JSON string there,
so its quotes are escaped while hex digits are not, and the unescaped quotes around the key cannot be part of any value.

Loading a safetensors file executes no code (unlike pickle): https://github.com/huggingface/safetensors#format
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
    """A model file that was read and whose checksum was verified.

    record: the metadata of the model (configuration, metrics, lineage).
    tensors: its numbers by name, with the shape and dtype with which they were written.
    checksum: ``sha256:`` and 64 hex digits, over every byte of the file.
    """

    record: dict[str, Any]
    tensors: dict[str, NDArray[Any]]
    checksum: str


def write_model_file(record: Mapping[str, JSON], tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """Return a model as the bytes of one file; the same model gives the same bytes.

    ``tensors`` may have any shape and any real numpy dtype of 8 to 64 bits, or bool. JSON has no NaN: NaN in the record
    becomes null.
    """
    header = {"checksum": _ALGORITHM + _ZEROS.decode(), "record": dict(record), "schema_version": SCHEMA_VERSION}
    text = orjson.dumps(header, option=orjson.OPT_SORT_KEYS).decode()
    # safetensors copies raw memory, so a strided view would be written in the wrong order.
    dense = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    unsigned = safetensors.numpy.save(dense, metadata={_KEY: text})
    start = _find_digest(unsigned)
    digest = hashlib.sha256(unsigned).hexdigest().encode()
    return b"".join((unsigned[:start], digest, unsigned[start + _DIGITS :]))


def read_model_file(data: bytes) -> ModelFile:
    """Read a model file, which may be untrusted.

    Raises InvalidModelFile if a byte was changed, added or lost, if the file is not a model, or if a newer version of
    this service wrote it. The caller must check that the numbers are finite and fit together.
    """
    checksum = _verify_checksum(data)
    header = _read_header(data)
    _check_version(header.get("schema_version"))
    record = header.get("record")
    if header.get("checksum") != checksum or not isinstance(record, dict):
        raise InvalidModelFile(f"The file has no usable record of a model. {_CURE}")
    return ModelFile(record, _read_tensors(data), checksum)


def _header_end(data: bytes) -> int:
    """Return the offset of the end of the safetensors header, from its first 8 bytes, which may be wrong."""
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
    """Return the offset of the first digit of the checksum."""
    end = _header_end(data)
    found = data.count(_MARKER, 0, end)
    if found != 1:
        raise InvalidModelFile(f"The file is not a model of this service: its header has {found} checksums. {_CURE}")
    start = data.index(_MARKER, 0, end) + len(_MARKER)
    if start + _DIGITS > end:
        raise InvalidModelFile(f"The file's checksum is cut short. {_CURE}")
    return start


def _verify_checksum(data: bytes) -> str:
    """Return the checksum after verifying it against the bytes."""
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
    """Return the service's JSON from the header. A valid checksum proves nothing about it: anyone can compute one."""
    try:
        metadata = orjson.loads(data[_LENGTH_BYTES : _header_end(data)])["__metadata__"]
        header = orjson.loads(metadata[_KEY])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise InvalidModelFile(f"The file's header is not the JSON of a model. {_CURE}") from error
    if len(metadata) != 1 or not isinstance(header, dict):
        raise InvalidModelFile(f"The file's header is not the header of a model. {_CURE}")
    return header


def _check_version(version: object) -> None:
    """Raise InvalidModelFile for a schema version that this code does not support."""
    if type(version) is not int or version < 1:
        raise InvalidModelFile(f"The file has no usable schema version. {_CURE}")
    if version > SCHEMA_VERSION:
        raise InvalidModelFile(
            f"The file has schema version {version}, this server reads up to {SCHEMA_VERSION}: "
            "a newer version of the service wrote it. Update this server, or train the model here."
        )


def _read_tensors(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the tensors; the safetensors parser rejects holes, overlaps and offsets beyond the file."""
    try:
        return safetensors.numpy.load(data)
    except SafetensorError as error:
        raise InvalidModelFile(f"The file's tensors cannot be read: {error}. {_CURE}") from error
    except (KeyError, ValueError) as error:
        raise InvalidModelFile(f"The file has a tensor of a type or shape that no model has. {_CURE}") from error
