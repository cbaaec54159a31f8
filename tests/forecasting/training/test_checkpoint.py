"""A training that is interrupted and goes on from a checkpoint comes to the same model, to the bit."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import torch

from service.forecasting.config.options import Optimizer, TrainOptions
from service.forecasting.forecaster.codec import forecaster_state
from service.forecasting.networks.engine_choice import EngineChoice
from service.forecasting.networks.fitting import generator_state, set_generator_state
from service.forecasting.networks.kernels.training import seed_dropout
from service.forecasting.series.series import Panel, Series
from service.forecasting.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from service.forecasting.training.comparison import Parent
from service.forecasting.training.planning import plan_training
from service.forecasting.training.progress import TrainingProgress
from service.forecasting.training.train import Trained, train
from service.storage.files.model_file import read_model_file, write_model_file
from tests.factories import items, noisy_sine, options, panel, promoted, random_walk, seasonal

EVERYTHING = 10**9

NUMBA, TORCH = EngineChoice("numba"), EngineChoice("torch")


class Interrupted(Exception):
    """The machine was switched off."""


class Memory:
    """Keeps the checkpoint of one offer, as a file would, and interrupts the training there."""

    def __init__(self, at: int = EVERYTHING, found: Checkpoint | None = None) -> None:
        self.at, self.kept, self.offers = at, found, 0

    def resume(self) -> Checkpoint | None:
        # Another process would find other states in what draws dropout.
        seed_dropout(99)
        torch.manual_seed(99)
        return self.kept

    def keep(self, make: Callable[[], Checkpoint]) -> None:
        self.offers += 1
        if self.offers == self.at:
            made = make()
            file = read_model_file(write_model_file(made.record, made.arrays))
            self.kept = Checkpoint(file.record, file.tensors)
            raise Interrupted


def interrupted(
    data: Panel, asked: TrainOptions, at: int, found: Checkpoint | None = None, parent: Parent | None = None
) -> Checkpoint:
    memory = Memory(at, found)
    with pytest.raises(Interrupted):
        train(data, asked, checkpoints=memory, parent=parent)
    assert memory.kept is not None
    return memory.kept


def described(trained: Trained) -> Any:
    return trained.score, trained.candidates, trained.curve, trained.best_epochs, trained.warnings


def check_same(one: Trained, other: Trained) -> None:
    (record, arrays), (expected_record, expected) = forecaster_state(one.forecaster), forecaster_state(other.forecaster)
    assert record == expected_record
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    assert described(one) == described(other)


TRAININGS: dict[str, tuple[Panel, dict[str, Any]]] = {
    "sequences": (panel(noisy_sine()), {"training": {"ensemble_size": 2, "epochs": 6}}),
    "windows, a mean over epochs": (
        panel(noisy_sine(80)),
        {"training": {"objective": "windows", "epochs": 24, "batch_size": 64}},
    ),
    "dropout": (panel(noisy_sine()), {"network": {"dropout": 0.4, "num_layers": 2}}),
    "stops early": (
        panel(np.random.default_rng(0).normal(size=80)),
        {"training": {"epochs": 100, "patience": 4, "learning_rate": 0.05}},
    ),
    "items of several lengths": (
        items(noisy_sine(90), noisy_sine(60, seed=1), noisy_sine(16)),
        {"candidates": ["network", "drift"]},
    ),
    "two targets and a covariate": (panel(noisy_sine(), noisy_sine(seed=1), noisy_sine(seed=2), targets=2), {}),
    "a column known ahead": (
        Panel((Series(np.stack(promoted(), axis=1)),), future_covariates=("promotion",)),
        {"transform": "log_difference"},
    ),
    "a blend": (panel(seasonal(90)), {"candidates": ["network", "theta", "ridge"], "season_length": 12}),
    "no refit": (panel(noisy_sine()), {"refit": False}),
    **{name: (panel(noisy_sine(90)), {"training": {"optimizer": name, "epochs": 3}}) for name in get_args(Optimizer)},
}


@pytest.mark.parametrize("name", TRAININGS)
def test_it_goes_on_from_any_place_to_the_same_model(name: str) -> None:
    data, changes = TRAININGS[name]
    asked = options(**changes)
    memory = Memory()
    whole = train(data, asked, checkpoints=memory)
    check_same(whole, train(data, asked))
    assert memory.offers > 4
    for at in range(1, memory.offers + 1, max(1, memory.offers // 40)):
        resuming = Memory(found=interrupted(data, asked, at))
        check_same(train(data, asked, checkpoints=resuming), whole)
        # Not one epoch more than was left.
        assert resuming.offers == memory.offers - at


def test_a_training_that_is_interrupted_again_and_again_ends_the_same() -> None:
    data, asked = panel(noisy_sine()), options(training={"ensemble_size": 3, "epochs": 6})
    memory = Memory()
    whole = train(data, asked, checkpoints=memory)
    kept = None
    for _ in range(memory.offers // 2):
        kept = interrupted(data, asked, 2, kept)
    last = Memory(found=kept)
    check_same(train(data, asked, checkpoints=last), whole)
    assert last.offers <= 1


def test_progress_is_told_from_where_it_goes_on() -> None:
    data, asked = panel(noisy_sine()), options(training={"ensemble_size": 2, "epochs": 6})
    kept = interrupted(data, asked, 10)  # the third epoch of the second member
    seen: list[dict[str, Any]] = []
    train(data, asked, seen.append, checkpoints=Memory(found=kept))
    whole: list[dict[str, Any]] = []
    train(data, asked, whole.append)
    first, expected = (next(one for one in described if one.get("member") == 2) for described in (seen, whole))
    assert (first["stage"], first["member"], first["epoch"]) == ("select", 2, 4)
    assert first in whole
    assert first["fraction"] > expected["fraction"]
    assert all(one["member"] == 2 for one in seen if one.get("epoch") and one["stage"] == "select")


def test_what_an_earlier_run_did_does_not_make_the_rest_look_shorter() -> None:
    seconds = 0.0
    seen: list[dict[str, Any]] = []
    progress = TrainingProgress(plan_training(*plain()), seen.append, lambda: seconds)
    progress.begin("select", "network")
    before = seen[-1]["fraction"]
    progress.skip(0, 1.0)
    seconds = 10.0
    tell = progress.epoch_report(1)
    tell(0, 6, 0.1, 0.1)
    skipped = seen[-1]["fraction"] - before
    tell(3, 6, 0.1, 0.1)
    done = seen[-1]["fraction"]
    assert skipped > 0.05
    assert seen[-1]["eta_seconds"] == pytest.approx(10 * (1 - done) / (done - skipped), rel=0.01)


def plain() -> tuple[Panel, TrainOptions]:
    return panel(noisy_sine()), options(training={"ensemble_size": 2, "epochs": 6})


FOREIGN: dict[str, tuple[Panel, TrainOptions]] = {
    "data": (panel(noisy_sine(seed=1)), plain()[1]),
    "a value": (panel(np.concatenate([noisy_sine()[:-1], [0.0]])), plain()[1]),
    "a name": (panel(noisy_sine(), item="other"), plain()[1]),
    "a seed": (plain()[0], options(training={"ensemble_size": 2, "epochs": 6, "seed": 1})),
    "epochs": (plain()[0], options(training={"ensemble_size": 2, "epochs": 7})),
    "a split": (plain()[0], options(training={"ensemble_size": 2, "epochs": 6}, validation={"steps": 30})),
    "a size": (plain()[0], options(training={"ensemble_size": 2, "epochs": 6}, network={"hidden_size": 7})),
}


@pytest.fixture(scope="module")
def kept() -> Checkpoint:
    return interrupted(*plain(), 10)


def check_ignored(data: Panel, asked: TrainOptions, found: Checkpoint, caplog: pytest.LogCaptureFixture) -> None:
    counting = Memory(found=found)
    trained = train(data, asked, checkpoints=counting)
    # The kind of error alone: its words may quote the series.
    assert re.search(r"a checkpoint is ignored, the training starts anew: \w+Error$", caplog.text, re.MULTILINE)
    fresh = Memory()
    check_same(trained, train(data, asked, checkpoints=fresh))
    assert counting.offers == fresh.offers


@pytest.mark.parametrize("name", FOREIGN)
def test_a_checkpoint_of_something_else_is_ignored(
    kept: Checkpoint, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    check_ignored(*FOREIGN[name], kept, caplog)


def test_a_checkpoint_of_another_format_is_ignored(
    kept: Checkpoint, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.forecasting.training.checkpoint.FORMAT", 2)
    check_ignored(*plain(), kept, caplog)


def _set(*path: Any, to: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def change(record: dict[str, Any], arrays: dict[str, Any]) -> None:
        place: Any = {"record": record, "arrays": arrays}
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


BROKEN: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "no record": lambda record, _: record.clear(),
    "no arrays": lambda _, arrays: arrays.clear(),
    "another key": _set("record", "class", to="os.system"),
    "a fingerprint of another kind": _set("record", "fingerprint", to=7),
    "a stage of another kind": _set("record", "finished", 0, "stage", to="__class__"),
    "a member of another kind": _set("record", "finished", 0, "member", to="0"),
    "a member below 0": _set("record", "underway", "member", to=-1),
    "too many fits": lambda record, _: record["finished"].extend(record["finished"] * 100),
    "an epoch beyond the end": _set("record", "underway", "epoch", to=7),
    "a best epoch beyond the end": _set("record", "finished", 0, "best_epoch", to=7),
    "weights of another size": _set("arrays", "finished.0.weights", to=np.zeros(3, np.float32)),
    "weights of another type": lambda _, arrays: arrays.update(
        {"finished.0.weights": arrays["finished.0.weights"].astype(np.float64)}
    ),
    "weights that are not finite": lambda _, arrays: arrays["finished.0.weights"].fill(np.nan),
    "a finished fit without losses": lambda _, arrays: arrays.update(
        {f"finished.0.{name}": arrays[f"finished.0.{name}"][:0] for name in ("epochs", "training", "validation")}
    ),
    "a first fit without validation losses": _set("arrays", "finished.0.validation", to=np.zeros(0)),
    "losses of other epochs": _set("arrays", "finished.0.training", to=np.zeros(1)),
    "a number in place of losses": _set("arrays", "finished.0.epochs", to=np.array(3)),
    "epochs that do not rise": lambda _, arrays: arrays["finished.0.epochs"].fill(2),
    "epochs beyond the end": lambda _, arrays: arrays["finished.0.epochs"].__setitem__(-1, 10**9),
    "moments of another size": _set("arrays", "underway.trainer", to=np.zeros((3, 3), np.float32)),
    "moved weights that are not finite": lambda _, arrays: arrays["underway.trainer"].fill(np.inf),
    "kept weights that are not finite": lambda _, arrays: arrays["underway.kept"].fill(np.nan),
    "a fit under way without validation losses": _set("arrays", "underway.validation", to=np.zeros(0)),
    "an end without losses": lambda record, arrays: (
        record["underway"].update(epoch=6),
        arrays.update(
            {f"underway.{name}": arrays[f"underway.{name}"][:0] for name in ("epochs", "training", "validation")}
        ),
    ),
    "kept weights of another size": _set("arrays", "underway.kept", to=np.zeros(3)),
    "a best loss of another shape": _set("arrays", "underway.best_loss", to=np.zeros(3)),
    "an order of another shape": _set("arrays", "underway.order", to=np.zeros(3, np.uint64)),
    "an order that no generator has": lambda _, arrays: arrays["underway.order"].fill(2**40),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_checkpoint_is_ignored(kept: Checkpoint, name: str, caplog: pytest.LogCaptureFixture) -> None:
    record, arrays = copy.deepcopy(dict(kept.record)), copy.deepcopy(dict(kept.arrays))
    BROKEN[name](record, arrays)
    check_ignored(*plain(), Checkpoint(record, arrays), caplog)


def test_it_comes_back_as_it_was(kept: Checkpoint) -> None:
    reached = read_checkpoint(kept, plan_training(*plain()))
    assert list(reached.finished) == [("select", 0)]
    assert reached.underway is not None
    assert reached.underway[0] == ("select", 1)
    assert reached.underway[1].epoch == 3
    again = write_checkpoint(reached, kept.record["fingerprint"])
    assert again.record == kept.record
    for name, array in kept.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)


def test_nothing_is_made_that_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a state was made")

    monkeypatch.setattr("service.forecasting.training.checkpoint.write_checkpoint", refuse)
    monkeypatch.setattr("service.forecasting.training.checkpoint.fingerprint", refuse)
    monkeypatch.setattr("service.forecasting.networks.fitting.FitState", refuse)
    memory = Memory()
    train(*plain(), checkpoints=memory)
    assert memory.offers > 0


def test_its_size_is_bounded_by_networks_and_epochs() -> None:
    """Three times the ensemble at most, and of the fit under way what are 5 vectors of weights in float32."""
    data, asked = panel(noisy_sine()), options(training={"ensemble_size": 2, "epochs": 6}, network={"hidden_size": 64})
    memory = Memory()
    trained = train(data, asked, checkpoints=memory)
    weights = trained.forecaster.networks[0].weights.nbytes
    largest = interrupted(data, asked, memory.offers - 2)
    assert sum(array.nbytes for array in largest.arrays.values()) < (3 * 2 + 5) * weights + 2000


@pytest.mark.parametrize(
    "changes",
    [{}, {"network": {"dropout": 0.4}}, *({"training": {"optimizer": name}} for name in ("adamw", "rmsprop", "sgd"))],
)
def test_a_training_on_a_device_goes_on_too(changes: dict[str, Any]) -> None:
    """The device is the CPU here, on which torch repeats itself; a GPU is allowed to differ by rounding."""
    data, asked = panel(random_walk(90)), options(**changes)
    memory = Memory()
    whole = train(data, asked, engines=TORCH, checkpoints=memory)
    for at in (2, memory.offers // 2, memory.offers - 1):
        stopping = Memory(at)
        with pytest.raises(Interrupted):
            train(data, asked, engines=TORCH, checkpoints=stopping)
        check_same(train(data, asked, engines=TORCH, checkpoints=Memory(found=stopping.kept)), whole)


@pytest.mark.parametrize("optimizer", get_args(Optimizer))
@pytest.mark.parametrize(("first", "second"), [(TORCH, NUMBA), (NUMBA, TORCH)])
def test_what_one_engine_began_the_other_ends(optimizer: Optimizer, first: EngineChoice, second: EngineChoice) -> None:
    data, asked = panel(noisy_sine()), options(training={"optimizer": optimizer, "epochs": 8, "loss": "mse"})
    stopping = Memory(5)
    with pytest.raises(Interrupted):
        train(data, asked, engines=first, checkpoints=stopping)
    resumed = train(data, asked, engines=second, checkpoints=Memory(found=stopping.kept))
    for one, other in zip(resumed.forecaster.networks, train(data, asked).forecaster.networks, strict=True):
        np.testing.assert_allclose(one.weights, other.weights, atol=1e-4)


def test_a_generator_goes_on_from_its_state() -> None:
    one, other = np.random.default_rng(3), np.random.default_rng(4)
    one.permutation(17)
    one.integers(5, dtype=np.uint32)  # leaves half a word behind
    set_generator_state(other, generator_state(one))
    np.testing.assert_array_equal(one.permutation(1000), other.permutation(1000))
