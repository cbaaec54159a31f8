"""The steps of a job in its child process: read the input, train, make the model file."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from service import __version__
from service.errors import JobNotFound, ModelNotFound
from service.forecasting.evaluation.rolling import Score
from service.forecasting.evaluation.validation_forecast import ValidationForecast
from service.forecasting.intervals.conformal import level_key
from service.forecasting.networks.engine_choice import FASTEST, EngineChoice
from service.forecasting.series.series import FloatArray
from service.forecasting.training.comparison import Comparison, Parent
from service.forecasting.training.train import Trained, train
from service.queue.tickets import Keep, Outcome, Report
from service.storage.files import model_record as records
from service.storage.files.model_codec import TrainingInput, load_forecaster, model_file, read_training_input
from service.storage.files.store import ModelStore
from service.telemetry.logs import reason
from service.worker.checkpoints import CHECKPOINT_SECONDS, StoredCheckpoints
from service.worker.retry import RETRY_SECONDS, retry

logger = logging.getLogger(__name__)

_LIBRARIES = ("numba", "numpy", "scikit-learn", "pandas")


def stored_input(store: ModelStore, job_id: str, seconds_limit: float = RETRY_SECONDS) -> bytes:
    """Return a job's input. Raises JobNotFound, and Unavailable if the store is so for ``seconds_limit`` seconds.

    A client must not have to submit an accepted job again because the store could not be reached for a short time.
    """

    def failed(error: Exception) -> None:
        logger.warning("the input of job %s could not be read and will be retried: %s", job_id, reason(error))

    return retry(lambda: store.get_training_input(job_id), failed, seconds_limit, final=(JobNotFound,))


def run_training(
    store: ModelStore,
    job_id: str,
    report: Report,
    keep: Keep,
    engines: EngineChoice = FASTEST,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Outcome:
    """Train the job from its stored input, see `train`; return the model's record and its file.

    The training resumes from the job's checkpoint if there is one. keep: sends a checkpoint to the process that stores
    it, at most every ``checkpoint_seconds``.
    """
    content = read_training_input(stored_input(store, job_id))
    checkpoints = StoredCheckpoints(store, job_id, keep, checkpoint_seconds)
    parent = _parent(store, content)
    trained = train(content.panel, content.options, report, engines, time.monotonic, checkpoints, parent)
    lineage = _lineage(content, trained)
    record = trained_record(trained, content.series, content.warnings, lineage)
    owner = {"model_id": content.model_id, "name": content.name, "tenant": content.tenant}
    file = model_file(trained.forecaster, {**owner, **record})
    # A model that cannot be loaded must fail the job now, and never be published as ready.
    load_forecaster(file)
    return Outcome(record, file)


def trained_record(
    trained: Trained, series: dict[str, Any], warnings: Sequence[str], lineage: dict[str, Any]
) -> dict[str, Any]:
    """Return the record of a trained model: the chosen configuration and its evaluation, serialisable as JSON.

    series: how the series was interpreted; warnings: those before the training.
    """
    forecaster, specification = trained.forecaster, trained.plan.choice.specification
    shown, curve = trained.validation_forecast, trained.curve
    record = records.ModelRecord(
        series=series,
        configuration=trained.plan.configuration(),
        targets=list(forecaster.targets),
        covariates=list(forecaster.past_covariates),
        future_covariates=list(specification.future_covariates),
        min_history=forecaster.min_history,
        demand=specification.demand,
        metrics=records.MetricValues(**_score(trained.score)),
        baseline=records.BaselineValues(
            method=trained.baseline_method, words=trained.baseline_words, **_score(trained.baseline)
        ),
        skill=trained.skill,
        skill_interval=None if trained.skill_interval is None else list(trained.skill_interval),
        skill_by_step=list(trained.skill_by_step),
        calibration={
            "n_errors": forecaster.errors.count,
            "horizon": specification.horizon,
            "measured_coverage": trained.score.overall.coverage,
        },
        candidates=[records.CandidateValues(**asdict(one)) for one in trained.candidates],
        validation_forecast=None if shown is None else _validation_forecast(shown),
        loss_curve=None if curve is None else records.LossCurve(**asdict(curve), best_epoch=trained.best_epochs[0]),
        warnings=[*warnings, *trained.warnings],
        lineage=lineage,
    )
    return record.model_dump(exclude_unset=True)


def _validation_forecast(one: ValidationForecast) -> records.ValidationForecast:
    return records.ValidationForecast(
        item=one.item,
        target=one.target,
        timestamps=one.timestamps,
        actual=_short(one.actual),
        mean=_short(one.mean),
        naive=_short(one.naive),
        intervals={
            level_key(level): records.ValidationInterval(lower=_short(lower), upper=_short(upper))
            for level, (lower, upper) in one.intervals.items()
        },
        origins=list(one.origins),
    )


def _short(values: FloatArray) -> list[float | None]:
    """Round to six significant digits: the values are for display, and part of every list of models."""
    return [float(f"{one:.6g}") if math.isfinite(one) else None for one in values.tolist()]


def _score(score: Score) -> dict[str, Any]:
    record = asdict(score.overall)
    if len(score.by_target) > 1:
        record["by_target"] = {target: asdict(metrics) for target, metrics in score.by_target.items()}
    return record


_version = cache(version)


def _parent(store: ModelStore, content: TrainingInput) -> Parent | None:
    """Return the model that is retrained; None if there is none, or it was deleted."""
    retraining = content.retraining
    if retraining is None:
        return None

    def failed(error: Exception) -> None:
        logger.warning("model %s could not be read and will be retried: %s", retraining.parent, reason(error))

    try:
        data = retry(lambda: store.get_model(retraining.parent, retraining.attempt), failed, final=(ModelNotFound,))
    except ModelNotFound:
        return None
    return Parent(load_forecaster(data), retraining.seen, retraining.start == "warm")


def _lineage(content: TrainingInput, trained: Trained) -> dict[str, Any]:
    digest = hashlib.sha256()
    for one in content.panel:
        digest.update(np.ascontiguousarray(one.values).tobytes())
    name, device = trained.engine or (None, None)
    libraries = (*_LIBRARIES, "torch") if name == "torch" else _LIBRARIES
    lineage = {
        "data_hash": f"sha256:{digest.hexdigest()}",
        "seed": content.options.training.seed,
        "engine": name,
        "device": device,
        "libraries": {"forecast-service": __version__, **{name: _version(name) for name in libraries}},
        "parent": None,
    }
    if (retraining := content.retraining) is not None:
        lineage |= {
            "parent": retraining.parent,
            "revision": retraining.revision,
            "reason": retraining.reason,
            "start": "warm" if trained.is_warm else "scratch",
            "verdict": _verdict(trained.comparison),
        }
    return lineage


def _verdict(comparison: Comparison | None) -> dict[str, Any]:
    if comparison is None:
        return {"champion": "child", "rows": 0, "reason": "the parent was deleted"}
    scores = {name: getattr(comparison, name) for name in ("child", "parent")}
    return {
        "champion": comparison.champion,
        "rows": comparison.rows,
        "reason": comparison.reason,
        **{name: one and {"mae": one.mae, "rmse": one.rmse} for name, one in scores.items()},
    }
