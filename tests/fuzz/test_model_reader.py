"""Model files of strangers, with checksums that are right: refused, or a model that forecasts finite numbers."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.storage.files.model_file import ModelFile, read_model_file, write_model_file
from tests.api.application import Application, running
from tests.api.series import CLOSE, DAYS, OPEN, VALUES
from tests.fuzz.rounds import fuzz
from tests.storage.files.test_model_file import ZEROS, sign

pytestmark = pytest.mark.fuzz

_ITEMS = [{"id": name, "values": values, "timestamps": DAYS} for name, values in (("a", OPEN), ("b", CLOSE))]
_COLUMNS = {"columns": {"x": OPEN, "y": CLOSE, "z": VALUES}, "targets": ["x"], "future_covariates": ["z"]}
_KINDS = [("none", "flyer", "radio")[row * row % 3 + row % 2] for row in range(len(OPEN))]
_LABELS = {"columns": {"x": OPEN, "kind": _KINDS, "ahead": _KINDS, "still": [1.0] * len(OPEN)}, "targets": ["x"]}
_SERIES: list[tuple[Any, dict[str, Any]]] = [
    (VALUES, {}),
    (VALUES, {"candidates": ["naive", "seasonal_naive", "drift", "mean", "ridge", "exponential_smoothing", "theta"]}),
    ({"values": VALUES, "timestamps": DAYS}, {"transform": "log", "minimum": 0.001, "network": {"cell": "lstm"}}),
    ({**_COLUMNS, "start": DAYS[0], "freq": "D"}, {"candidates": None, "training": {"ensemble_size": 2, "epochs": 2}}),
    ({"items": _ITEMS}, {"transform": "difference", "scaling": "robust", "candidates": ["network", "harmonic"]}),
    ({**_LABELS, "future_covariates": ["ahead"]}, {"candidates": ["network", "mean"]}),
]
_SIZES = st.sampled_from([-(2**63), -1, 0, 1, 2, 3, 7, 100, 10_000, 10**7, 10**9, 2**31, 2**62, 2**63])
_ODD_NUMBERS = st.sampled_from([0.0, -0.0, 5e-324, 1e-300, 1e-9, 0.5, -1.0, 1e9, 1e38, 1e99, 1e155, 1.7e308])
_TEXTS = st.sampled_from(
    ["", "none", "log", "gru", "lstm", "network", "D", "../x", "\0", "\ud7ff", "9" * 400, "a" * 5000]
)
_JSON = st.recursive(
    st.none() | st.booleans() | _SIZES | _ODD_NUMBERS | st.floats() | _TEXTS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)
_LIES = st.sampled_from([0, 0, 0, 1, 1, 2, 3])
_TYPES = st.sampled_from([np.float64, np.float32, np.float16, np.int64, np.int8, np.uint64, np.bool_])


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to everything in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from _places(one, (*path, key))


def _spoil_record(draw: st.DrawFn, record: dict[str, Any]) -> None:
    path = draw(st.sampled_from(list(_places(record))))
    parent = record
    for key in path[:-1]:
        parent = parent[key]
    how = draw(st.sampled_from(["other", "other", "other", "gone", "more", "twice"]))
    if how == "gone":
        del parent[path[-1]]
    elif how == "twice" and isinstance(parent, list):
        parent.append(copy.deepcopy(parent[path[-1]]))
    elif how == "more" and isinstance(parent, dict):
        parent[draw(_TEXTS)] = draw(_JSON)
    else:
        parent[path[-1]] = draw(_JSON)


def _spoil_tensors(draw: st.DrawFn, tensors: dict[str, Any]) -> None:
    name = draw(st.sampled_from(sorted(tensors)))
    tensor = tensors[name]
    how = draw(st.sampled_from(["number", "number", "all", "type", "shape", "gone", "longer", "other", "scaled"]))
    odd = _ODD_NUMBERS | st.sampled_from([np.nan, np.inf, -np.inf])
    if how == "number" and tensor.size:
        tensors[name] = changed = tensor.astype(tensor.dtype, copy=True)
        changed.flat[draw(st.integers(0, tensor.size - 1))] = np.float64(draw(odd)).astype(tensor.dtype)
    elif how == "all":
        tensors[name] = np.full(tensor.shape, draw(odd), tensor.dtype if tensor.dtype.kind == "f" else np.float64)
    elif how == "type":
        tensors[name] = tensor.astype(draw(_TYPES))
    elif how == "shape" and tensor.size:
        tensors[name] = tensor.reshape(draw(st.sampled_from([(-1,), (1, -1), (-1, 1), (1, 1, -1)])))
    elif how == "gone":
        del tensors[name]
    elif how == "longer":
        tensors[name] = np.concatenate([tensor, tensor]) if tensor.ndim else tensor
    elif how == "scaled":
        tensors[name] = tensor * draw(odd)
    else:
        tensors[name] = draw(hnp.arrays(draw(_TYPES), hnp.array_shapes(min_dims=0, min_side=0, max_side=4)))


class _Good(list[ModelFile]):
    """Files that are taken in; not for Hypothesis to print."""

    def __repr__(self) -> str:
        return f"{len(self)} good files"


@st.composite
def _files(draw: st.DrawFn, good: _Good) -> bytes:
    """A whole file with some lies in it, or one whose bytes were changed and signed again."""
    one = good[draw(st.integers(0, len(good) - 1))]
    record, tensors = copy.deepcopy(one.record), dict(one.tensors)
    with np.errstate(all="ignore"):
        for _ in range(draw(_LIES)):
            if record:
                _spoil_record(draw, record)
        for _ in range(draw(_LIES)):
            if tensors:
                _spoil_tensors(draw, tensors)
    data = write_model_file(record, tensors)
    if draw(st.integers(0, 3)):
        return data
    digits = read_model_file(data).checksum.removeprefix("sha256:").encode()
    header = int.from_bytes(data[:8], "little")
    for place in draw(st.lists(st.integers(0, min(len(data), header + 100) - 1), min_size=1, max_size=4)):
        data = data[:place] + draw(st.binary(min_size=1, max_size=8)) + data[place + draw(st.integers(0, 9)) :]
    return sign(data.replace(digits, ZEROS, 1))


def _take_in(application: Application, data: bytes) -> str:
    """Send a file, ask what came of it for forecasts, and delete it; the client checks every answer."""
    client = application.client
    taken = client.post("/models", content=data, headers={"Content-Type": "application/octet-stream"})
    if taken.status_code != 201:
        assert taken.status_code == 422, taken.text
        return "refused"
    model_id = taken.json()["model_id"]
    asked = {"model_id": model_id, "horizon": 5}
    series = {"values": VALUES, "timestamps": DAYS}
    labels = {**_LABELS, "future_covariates": ["ahead"]}
    ahead = {"ahead": ["flyer", "tv", None, "none", "none"]}
    answers = [
        _answered(client, "/forecast", asked),
        _answered(client, "/forecast", {**asked, "history": series, "num_samples": 3}),
        _answered(client, "/forecast", {**asked, "history": labels, "future_covariates": ahead}),
        _answered(client, "/backtest", {"model_id": model_id, "series": series, "level": [80]}),
    ]
    assert client.get(f"/models/{model_id}").status_code == 200
    assert client.get(f"/models/{model_id}/file").status_code == 200
    assert client.delete(f"/models/{model_id}").status_code == 204
    return "taken in and forecast" if 200 in answers else "taken in and could not be asked like this"


def _answered(client: httpx.Client, path: str, body: dict[str, Any]) -> int:
    answer = client.post(path, json=body)
    assert answer.status_code in (200, 422), answer.text
    return answer.status_code


def test_any_model_file_is_refused_or_forecasts(tmp_path: Any, seconds: float) -> None:
    with running(tmp_path, training_processes=1) as application:
        models = [application.train(series, **options) for series, options in _SERIES]
        files = [application.client.get(one["links"]["file"]).content for one in models]
        good = _Good(read_model_file(data) for data in files)
        fuzz("model-file reader", _files(good), partial(_take_in, application), seconds)
