"""Turn the results of use cases into JSON."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.types import Send

from service.api.name_paths import encoded_name
from service.api.output.problems import problem
from service.errors import ServiceError
from service.forecasting.intervals.conformal import level_key
from service.storage.registry.entries import JobEntry, ModelEntry, NameEntry, NameMove, Page
from service.usecases.backtest import BacktestAnswer
from service.usecases.forecast import ForecastAnswer

if TYPE_CHECKING:
    from service.forecasting.evaluation.rolling import RollingForecasts, Score
    from service.forecasting.intervals.forecast import Forecast


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON response; see `json_bytes`."""
    return JsonBytes(json_bytes(content), status, headers)


def json_bytes(content: Any) -> bytes:
    """Return JSON on one line; numbers that are not finite become null."""
    return orjson.dumps(content, _contiguous, orjson.OPT_SERIALIZE_NUMPY)


def _contiguous(value: object) -> Any:
    """Return an array as orjson takes it. Raises TypeError for anything else."""
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


class ClosingStream(StreamingResponse):
    """A stream whose source is closed at once if the client disconnects."""

    async def stream_response(self, send: Send) -> None:
        """Send everything that the source yields."""
        async with aclosing(self.body_iterator):  # type: ignore[type-var]
            await super().stream_response(send)


class JsonBytes(Response):
    """A response whose content is already JSON."""

    media_type = "application/json"

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Set the two headers that all such responses have; Starlette takes longer to compute them."""
        if headers:
            super().init_headers(headers)
        else:
            length = str(len(self.body)).encode()
            self.raw_headers = [(b"content-length", length), (b"content-type", b"application/json")]


def model_answer(model: ModelEntry) -> dict[str, Any]:
    """Return everything about a model."""
    record = {**model.record}
    if "error" in record:
        record["error"] = _error(record["error"])
    links = {"self": f"/models/{model.id}", "file": f"/models/{model.id}/file"}
    if model.job_id:
        links["job"] = f"/jobs/{model.job_id}"
    return {
        **record,
        "model_id": model.id,
        "job_id": model.job_id,
        "status": model.status,
        "name": model.name,
        "created_at": _time(model.created_at),
        "ready_at": _time(model.ready_at),
        "size_bytes": model.size_bytes,
        "series_revision": model.series_revision,
        "adaptive": model.adaptive,
        "retrain": model.retrain,
        "champion": model.champion,
        "links": links,
    }


def job_answer(job: JobEntry) -> dict[str, Any]:
    """Return everything about a job."""
    return {
        "job_id": job.id,
        "model_id": job.model_id,
        "status": job.status,
        "created_at": _time(job.created_at),
        "started_at": _time(job.started_at),
        "finished_at": _time(job.finished_at),
        "attempt": job.attempt,
        "progress": job.progress,
        "error": _error(job.error) if job.error else None,
        "links": {
            "self": f"/jobs/{job.id}",
            "events": f"/jobs/{job.id}/events",
            "model": f"/models/{job.model_id}",
        },
    }


def name_state(entry: NameEntry) -> dict[str, Any]:
    """Return what a name means."""
    links = {"self": f"/names/{encoded_name(entry.name)}"}
    if entry.model_id is not None:
        links["model"] = f"/models/{entry.model_id}"
    return {
        "name": entry.name,
        "model_id": entry.model_id,
        "mode": entry.mode,
        "since": _time(entry.since),
        "by": entry.changed_by,
        "revision": entry.revision,
        "links": links,
    }


def name_answer(entry: NameEntry, before: NameEntry | None, moves: Page[NameMove]) -> dict[str, Any]:
    """Return everything about a name; before: what it would mean after a rollback."""
    history = [
        {
            "revision": one.revision,
            "model_id": one.model_id,
            "mode": one.mode,
            "at": _time(one.moved_at),
            "by": one.moved_by,
            "reason": one.reason,
        }
        for one in moves.entries
    ]
    back = None if before is None else {"model_id": before.model_id, "mode": before.mode}
    return {**name_state(entry), "rollback_to": back, "history": history, "next_cursor": moves.next_cursor}


def forecast_answer(answer: ForecastAnswer) -> dict[str, Any]:
    """Return the response body of a forecast."""
    return {
        "model_id": answer.model_id,
        "horizon": answer.horizon,
        "point": answer.point,
        "forecasts": [_forecast(one) for one in answer.forecasts],
        "warnings": list(answer.warnings),
    }


def backtest_answer(answer: BacktestAnswer, horizon: int, stride: int) -> dict[str, Any]:
    """Return the response body of a backtest."""
    forecasts = [
        values
        for one, intervals in zip(answer.rolled, answer.intervals, strict=True)
        for values in _backtest(answer.targets, one, intervals)
    ]
    return {
        "model_id": answer.model_id,
        "horizon": horizon,
        "stride": stride,
        "point": answer.point,
        "forecasts": forecasts,
        "metrics": _score(answer.score),
        "baseline": {"method": answer.baseline_method, "words": answer.baseline_words, **_score(answer.baseline)},
        "skill": answer.skill,
        "skill_interval": answer.skill_interval,
        "warnings": list(answer.warnings),
    }


def _forecast(one: Forecast) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "item": one.item,
        "target": one.target,
        "timestamps": one.times.written() if one.times else None,
        "mean": one.mean,
    }
    if one.quantiles:
        answer["quantiles"] = {level_key(quantile): values for quantile, values in one.quantiles.items()}
    else:
        answer["intervals"] = _intervals(one.intervals)
    if one.samples is not None:
        answer["samples"] = one.samples
    return answer


def _intervals(intervals: Mapping[float, tuple[Any, Any]]) -> dict[str, Any]:
    return {level_key(level): {"lower": lower, "upper": upper} for level, (lower, upper) in intervals.items()}


def _backtest(
    targets: tuple[str, ...], one: RollingForecasts, intervals: Mapping[float, tuple[Any, Any]]
) -> list[dict[str, Any]]:
    evaluated, mean = one.evaluated, one.mean
    times, timestamps = evaluated.series.times, None
    if times is not None:
        steps = mean.shape[1]
        written = [*times.written(), *times.future(steps).written()]
        timestamps = [written[first : first + steps] for first in evaluated.origins + 1]
    return [
        {
            "item": evaluated.series.item,
            "target": target,
            "origins": evaluated.origins + evaluated.dropped,
            "timestamps": timestamps,
            "actual": one.actual[:, :, column],
            "mean": mean[:, :, column],
            "intervals": _intervals(
                {level: (low[:, :, column], high[:, :, column]) for level, (low, high) in intervals.items()}
            ),
        }
        for column, target in enumerate(targets)
    ]


def _score(score: Score) -> dict[str, Any]:
    record = asdict(score.overall)
    if len(score.by_target) > 1:
        record["by_target"] = {target: asdict(metrics) for target, metrics in score.by_target.items()}
    return record


def _error(record: dict[str, Any]) -> dict[str, Any]:
    body = problem(ServiceError.from_record(record), None)
    del body["request_id"]
    return body


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
