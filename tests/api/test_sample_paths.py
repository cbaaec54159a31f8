"""num_samples and seed of POST /forecast."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest

from tests.api.application import Application
from tests.api.contract import problem_of
from tests.api.series import CLOSE, OPEN, VALUES
from tests.factories import QUICK

Record = dict[str, Any]


def test_paths_come_beside_what_is_told_anyway(application: Application, daily_model: Record) -> None:
    plain = application.forecast(model_id=daily_model["model_id"], horizon=5)
    answer = application.forecast(model_id=daily_model["model_id"], horizon=5, num_samples=7)
    [one] = answer["forecasts"]
    samples = one.pop("samples")
    assert (len(samples), {len(path) for path in samples}) == (7, {5})
    assert [one] == plain["forecasts"]
    assert set(answer) == set(plain)
    assert "samples" not in plain["forecasts"][0]


def test_many_paths_are_answered(application: Application, plain_model: Record) -> None:
    """Numpy works on large arrays in place, and may turn their axes round."""
    [one] = application.forecast(model_id=plain_model["model_id"], horizon=2, num_samples=20_000)["forecasts"]
    assert np.array(one["samples"]).shape == (20_000, 2)


def test_quantiles_may_be_asked_for_beside_paths(application: Application, plain_model: Record) -> None:
    [one] = application.forecast(model_id=plain_model["model_id"], num_samples=3, quantiles=[0.5])["forecasts"]
    assert set(one) == {"item", "target", "timestamps", "mean", "quantiles", "samples"}


def test_same_request_same_paths_and_another_seed_others(application: Application, plain_model: Record) -> None:
    def ask(**body: Any) -> Any:
        answer = application.forecast(model_id=plain_model["model_id"], horizon=4, num_samples=5, **body)
        return answer["forecasts"][0]["samples"]

    assert ask() == ask() == ask(seed=0)
    assert ask(seed=1) != ask()
    assert ask(history=VALUES) == ask()


def test_paths_spread_as_the_intervals(application: Application, plain_model: Record) -> None:
    count = 3000
    body: dict[str, Any] = {"model_id": plain_model["model_id"], "horizon": 3, "num_samples": count, "level": [80]}
    [one] = application.forecast(**body)["forecasts"]
    samples, ends = np.array(one["samples"]), one["intervals"]["80"]
    inside = np.mean((samples >= ends["lower"]) & (samples <= ends["upper"]), axis=0)
    assert np.all(np.abs(inside - 0.8) < 3.5 * np.sqrt(0.16 / count))


def test_every_item_and_target_has_paths(application: Application, columns_model: Record, items_model: Record) -> None:
    for model, elements in ((columns_model, 2), (items_model, 3)):
        forecasts = application.forecast(model_id=model["model_id"], horizon=2, num_samples=4)["forecasts"]
        assert [np.array(one["samples"]).shape for one in forecasts] == [(4, 2)] * elements
    alone = application.forecast(model_id=items_model["model_id"], horizon=2, num_samples=4, items=["east"])
    assert alone["forecasts"][0]["samples"] == forecasts[2]["samples"]


def test_an_item_never_seen_has_paths(application: Application, items_model: Record) -> None:
    history = {"items": [{"id": "west", "values": CLOSE}, {"id": "north", "values": OPEN}]}
    answer = application.forecast(model_id=items_model["model_id"], history=history, num_samples=2)
    assert [len(one["samples"]) for one in answer["forecasts"]] == [2, 2]


def test_beyond_the_calibrated_steps_it_is_told_how_paths_go_on(application: Application, plain_model: Record) -> None:
    for horizon in (QUICK["horizon"], QUICK["horizon"] + 1):
        answer = application.forecast(model_id=plain_model["model_id"], horizon=horizon, num_samples=2)
        told = [warning for warning in answer["warnings"] if "random walks" in warning]
        assert len(told) == (horizon > QUICK["horizon"])


def test_paths_keep_to_bounds(application: Application) -> None:
    values = np.random.default_rng(0).poisson(0.6, 80).astype(float).tolist()
    model = application.train(values, candidates=["mean"], nonnegative=True, maximum=6)
    [one] = application.forecast(model_id=model["model_id"], horizon=9, num_samples=200)["forecasts"]
    samples = np.array(one["samples"])
    assert (samples.min(), samples.max() <= 6) == (0, True)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"num_samples": 0}, "#/num_samples"),
        ({"num_samples": 1.5}, "#/num_samples"),
        ({"num_samples": "7"}, "#/num_samples"),
        ({"num_samples": 7, "seed": -1}, "#/seed"),
        ({"num_samples": 7, "seed": 2**31}, "#/seed"),
        ({"num_samples": 7, "seed": None}, "#/seed"),
    ],
)
def test_what_is_no_number_of_paths_or_seed(
    client: httpx.Client, plain_model: Record, body: dict[str, Any], pointer: str
) -> None:
    response = client.post("/forecast", json={"model_id": plain_model["model_id"], **body})
    problem_of(response, 422, "invalid-request", pointer)


@pytest.mark.parametrize("count", [700_000, 10**30])
def test_more_paths_than_an_answer_holds(client: httpx.Client, plain_model: Record, count: int) -> None:
    response = client.post("/forecast", json={"model_id": plain_model["model_id"], "num_samples": count})
    problem_of(response, 422, "invalid-option", None, "at most 2000000 .* fewer items, levels, samples")
