from __future__ import annotations

import hashlib
import re
from typing import Any

import numpy as np
import orjson
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from service.errors import InvalidModelFile
from service.storage.files.model_file import SCHEMA_VERSION, read_model_file, write_model_file

RECORD: dict[str, Any] = {
    "horizon": 12,
    "configuration": {"cell": "gru", "name": 'a "quoted"\\ é \n text'},
    "mase": None,
}
TENSORS = {"weights": np.arange(6, dtype=np.float32).reshape(2, 3), "errors": np.array([0.5, -1.5])}
ZEROS = b"0" * 64
MARKER = rb'"forecast_model":"{\"checksum\":\"sha256:'

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


def sign(unsigned: bytes) -> bytes:
    """Put the right checksum into a file that has zeros: what anybody can do who makes a file by hand."""
    return unsigned.replace(ZEROS, hashlib.sha256(unsigned).hexdigest().encode(), 1)


def raw_file(header: dict[str, Any], data: bytes = b"") -> bytes:
    text = orjson.dumps(header)
    return len(text).to_bytes(8, "little") + text + data


def forge(data: bytes = b"", metadata: dict[str, str] | None = None, tensors: Any = None, **changes: Any) -> bytes:
    """Make a signed file that differs from a good one in the given way."""
    ours = {"checksum": "sha256:" + ZEROS.decode(), "record": {}, "schema_version": SCHEMA_VERSION, **changes}
    both = {"forecast_model": orjson.dumps(ours).decode(), **(metadata or {})}
    return sign(raw_file({"__metadata__": both, **(tensors or {})}, data))


def test_reads_back_what_was_written() -> None:
    model = read_model_file(write_model_file(RECORD, TENSORS))
    assert model.record == RECORD
    assert set(model.tensors) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert model.tensors[name].dtype == tensor.dtype
        np.testing.assert_array_equal(model.tensors[name], tensor)


def test_is_a_plain_safetensors_file_with_one_metadata_key() -> None:
    data = write_model_file(RECORD, TENSORS)
    assert set(safetensors.numpy.load(data)) == set(TENSORS)
    end = 8 + int.from_bytes(data[:8], "little")
    metadata = orjson.loads(data[8:end])["__metadata__"]
    assert list(metadata) == ["forecast_model"]
    header = orjson.loads(metadata["forecast_model"])
    assert sorted(header) == list(header) == ["checksum", "record", "schema_version"]
    assert header["checksum"] == read_model_file(data).checksum
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", header["checksum"])


def test_checksum_is_the_hash_of_the_file_with_zeros_in_its_place() -> None:
    data = write_model_file(RECORD, TENSORS)
    checksum = read_model_file(data).checksum
    digits = checksum.removeprefix("sha256:").encode()
    assert hashlib.sha256(data.replace(digits, ZEROS)).hexdigest().encode() == digits


def test_same_model_gives_same_bytes() -> None:
    turned = {key: RECORD[key] for key in reversed(RECORD)}
    assert write_model_file(RECORD, TENSORS) == write_model_file(turned, dict(reversed(TENSORS.items())))


@pytest.mark.parametrize("mask", [0x01, 0x20, 0xFF])
def test_every_changed_byte_is_refused(mask: int) -> None:
    data = write_model_file({"a": [1, "x"]}, {"w": np.arange(3.0)})
    accepted = []
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= mask
        try:
            read_model_file(bytes(changed))
        except InvalidModelFile:
            continue
        accepted.append(place)
    assert accepted == []


def test_every_shorter_or_longer_file_is_refused() -> None:
    data = write_model_file({}, {"w": np.arange(3.0)})
    for wrong in [*(data[:length] for length in range(len(data))), data + b"\0", b"\0" + data, data + data]:
        with pytest.raises(InvalidModelFile):
            read_model_file(wrong)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 7,
        b"\0" * 8,
        b"\0" * 1000,
        b"\xff" * 8,
        b"\xff" * 1000,
        (2**63).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        b"PK\3\4 a torch.save archive",
        b"\x80\x04\x95 a pickle, nearly",
        safetensors.numpy.save({"w": np.arange(3.0)}),
        safetensors.numpy.save({"w": np.arange(3.0)}, metadata={"format": "pt"}),
        safetensors.numpy.save({}, metadata={"forecast_model": "{}"}),
    ],
)
def test_other_files_are_refused_with_a_cure(data: bytes) -> None:
    with pytest.raises(InvalidModelFile, match=r"Download it again from GET /models/\{id\}/file"):
        read_model_file(data)


def test_marker_that_ends_the_header_is_refused() -> None:
    with pytest.raises(InvalidModelFile, match="cut short"):
        read_model_file(len(MARKER).to_bytes(8, "little") + MARKER + b"0" * 100)


def test_damage_is_distinguished_from_a_file_of_another_kind() -> None:
    data = write_model_file(RECORD, TENSORS)
    with pytest.raises(InvalidModelFile, match="changed or damaged: its checksum"):
        read_model_file(data[:-1] + b"\x55")
    with pytest.raises(InvalidModelFile, match="not a model of this service"):
        read_model_file(safetensors.numpy.save(TENSORS))
    with pytest.raises(InvalidModelFile, match=r"cut short: it has 50 bytes and its header should end at byte \d+"):
        read_model_file(data[:50])


def test_newer_schema_is_named() -> None:
    with pytest.raises(
        InvalidModelFile, match=r"schema version 2, this server reads up to 1.*newer.*Update this server"
    ):
        read_model_file(forge(schema_version=2))


@pytest.mark.parametrize(
    "forged",
    [
        forge(schema_version=0),
        forge(schema_version=True),
        forge(schema_version="1"),
        forge(schema_version=None),
        forge(record=None),
        forge(record=[]),
        forge(record="{}"),
        forge(metadata={"other": "key"}),
        sign(raw_file({"__metadata__": {"forecast_model": '{"checksum":"sha256:' + ZEROS.decode() + '"'}})),
        sign(raw_file({"__metadata__": {"forecast_model": '{"checksum":"sha256:' + ZEROS.decode() + '","x":NaN}'}})),
        sign(raw_file({"forecast_model": '{"checksum":"sha256:' + ZEROS.decode() + '"}'})),
        sign(raw_file({"__metadata__": ["forecast_model", '{"checksum":"sha256:' + ZEROS.decode() + '"}']})),
        forge(checksum="sha256:" + "0" * 64 + "0"),
        forge(record={"deep": orjson.Fragment(b"[" * 5000 + b"]" * 5000)}),
    ],
)
def test_signed_headers_that_are_no_model_are_refused(forged: bytes) -> None:
    with pytest.raises(InvalidModelFile):
        read_model_file(forged)


@pytest.mark.parametrize(
    "tensor",
    [
        {"dtype": "F64", "shape": [1], "data_offsets": [0, 2**40]},
        {"dtype": "F64", "shape": [2**61], "data_offsets": [0, 8]},
        {"dtype": "F64", "shape": [-1], "data_offsets": [0, 8]},
        {"dtype": "F64", "shape": [1], "data_offsets": [8, 0]},
        {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]},
        {"dtype": "F4", "shape": [16], "data_offsets": [0, 8]},
        {"dtype": "object", "shape": [1], "data_offsets": [0, 8]},
        {"dtype": "F64", "shape": [1] * 65, "data_offsets": [0, 8]},
        {"dtype": "F64", "shape": "x", "data_offsets": [0, 8]},
        {},
        7,
    ],
)
def test_signed_tensors_that_lie_are_refused(tensor: Any) -> None:
    with pytest.raises(InvalidModelFile, match="tensor"):
        read_model_file(forge(data=b"\0" * 8, tensors={"w": tensor}))


@pytest.mark.parametrize("shape", [[0, 2**62], [0, 2**62, 2**62], [0] * 100])
def test_empty_tensors_of_impossible_shape_are_refused(shape: list[int]) -> None:
    with pytest.raises(InvalidModelFile):
        read_model_file(forge(tensors={"w": {"dtype": "F64", "shape": shape, "data_offsets": [0, 0]}}))


def test_uncovered_and_shared_bytes_are_refused() -> None:
    whole = {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}
    with pytest.raises(InvalidModelFile):
        read_model_file(forge(data=b"\0" * 9, tensors={"w": whole}))
    with pytest.raises(InvalidModelFile):
        read_model_file(forge(data=b"\0" * 8, tensors={"w": whole, "v": whole}))


def test_two_headers_are_refused() -> None:
    ours = orjson.dumps({"checksum": "sha256:" + ZEROS.decode(), "record": {}, "schema_version": 1}).decode()
    entry = b'"forecast_model":' + orjson.dumps(ours)
    text = b'{"__metadata__":{' + entry + b"," + entry + b"}}"
    with pytest.raises(InvalidModelFile, match="2 checksums"):
        read_model_file(sign(len(text).to_bytes(8, "little") + text))


def test_header_hidden_behind_an_escaped_key_is_refused() -> None:
    ours = orjson.dumps({"checksum": "sha256:" + ZEROS.decode(), "record": {}, "schema_version": 1}).decode()
    other = orjson.dumps({"checksum": "sha256:" + "1" * 64, "record": {"evil": 1}, "schema_version": 1}).decode()
    text = b'{"__metadata__":{"forecast_model":%s,"\\u0066orecast_model":%s}}' % (
        orjson.dumps(ours),
        orjson.dumps(other),
    )
    with pytest.raises(InvalidModelFile):
        read_model_file(sign(len(text).to_bytes(8, "little") + text))


def test_record_and_tensors_may_hold_the_marker_themselves() -> None:
    inner = write_model_file({"checksum": "sha256:" + ZEROS.decode()}, {})
    record: dict[str, Any] = {
        "parent": {"checksum": "sha256:" + "0" * 64},
        "text": MARKER.decode(),
        "file": inner[8:].decode(),
        "forecast_model": '{"checksum":"sha256:' + ZEROS.decode(),
    }
    tensors: dict[str, NDArray[Any]] = {
        "inner": np.frombuffer(MARKER + ZEROS + inner, dtype=np.uint8),
        MARKER.decode(): np.zeros(1),
    }
    model = read_model_file(write_model_file(record, tensors))
    assert model.record == record
    assert model.tensors["inner"].tobytes() == MARKER + ZEROS + inner


def test_views_scalars_empty_and_big_endian_arrays_keep_their_values() -> None:
    grid = np.arange(12.0).reshape(3, 4)
    tensors = {
        "transposed": grid.T,
        "strided": grid[::2, ::-1],
        "scalar": np.array(2.5),
        "empty": np.zeros((0, 3)),
        "bool": np.array([True, False]),
        "big_endian": grid.astype(">f8"),
    }
    read = read_model_file(write_model_file({}, tensors)).tensors
    for name, tensor in tensors.items():
        assert read[name].shape == tensor.shape
        np.testing.assert_array_equal(read[name], tensor)


@given(
    record=st.dictionaries(st.text(), json_values, max_size=4),
    tensor=hnp.arrays(
        dtype=st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.bool_]),
        shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    name=st.text(max_size=8).filter(lambda name: name != "__metadata__"),
)
def test_any_record_and_tensor_comes_back(record: dict[str, Any], tensor: NDArray[Any], name: str) -> None:
    model = read_model_file(write_model_file(record, {name: tensor}))
    assert model.record == record
    assert model.tensors[name].dtype == tensor.dtype
    np.testing.assert_array_equal(model.tensors[name], tensor)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_peace(data: bytes) -> None:
    for hostile in (data, len(data).to_bytes(8, "little") + data):
        with pytest.raises(InvalidModelFile):
            read_model_file(hostile)
