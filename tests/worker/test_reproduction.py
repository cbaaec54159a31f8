"""A stored model is trained again from its data, and both are compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.__main__ import main
from service.storage.files.model_file import read_model_file, write_model_file
from tests.api.application import Application, running
from tests.factories import seasonal

SERIES = seasonal(60).tolist()


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    with running(tmp_path_factory.mktemp("store"), training_processes=1) as one:
        yield one


@pytest.fixture
def model(application: Application, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("FORECAST_STORE_URL", str(application.store))
    return application.train(SERIES)


def file_of(application: Application, model: dict[str, Any]) -> Path:
    [found] = (application.store / "models").glob(f"{model['model_id']}*")
    return found


def test_the_same_numbers_are_made_again(model: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", model["model_id"]]) == 0
    assert model["model_id"] in capsys.readouterr().out


def test_other_numbers_are_told(
    application: Application, model: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = file_of(application, model)
    file = read_model_file(path.read_bytes())
    name = next(name for name in file.tensors if name.startswith("network."))
    changed = {**file.tensors, name: file.tensors[name] + np.float32(0.5)}
    path.write_bytes(write_model_file(file.record, changed))
    assert main(["reproduce", model["model_id"]]) == 1
    assert f"{name}: differs by up to" in capsys.readouterr().out


def test_without_its_data_a_model_cannot_be_made_again(
    application: Application, model: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    imported = application.take(model, application)
    assert main(["reproduce", imported["model_id"]]) == 3
    assert "was imported" in capsys.readouterr().err
    (application.store / "inputs" / f"{model['job_id']}.safetensors").unlink()
    assert main(["reproduce", model["model_id"]]) == 3
    assert "not in the store" in capsys.readouterr().err


def test_an_unknown_model_is_told(model: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", model["job_id"]]) == 2
    assert "No model has the ID" in capsys.readouterr().err
