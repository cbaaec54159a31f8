"""POST /forecast/batch and POST /observations/batch: one line of JSON for each model."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from service.api.input.body import media_type, parse_json, read_body
from service.api.input.observations_request import add_observations
from service.api.output.openapi import NDJSON_TYPE, answered_lines, json_lines, problems
from service.api.output.problems import error_response
from service.api.output.responses import ClosingStream, json_bytes
from service.api.request_context import forget_body, in_turn, load_of, resources_of, tenant_of
from service.api.routes.forecasts import read_and_forecast
from service.api.schemas.forecasting import ForecastAnswer, ForecastRequest
from service.api.schemas.observations import ObservationsAnswer, ObservationsOfModel
from service.errors import InvalidInput, Overloaded, ServiceError
from service.usecases.forecast import LoadedModel
from service.usecases.observations import change_meant

logger = logging.getLogger(__name__)

router = APIRouter(tags=["batches"])

# Lines are answered together for so long; then other requests have their turn.
_TURN_SECONDS = 0.05
_MOST_LINES_A_TURN = 256
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Answer = Callable[[Request, bytes], bytes]
"""Returns the answer to one line, without its end. Raises ServiceError."""


@router.post(
    "/forecast/batch",
    summary="Forecast from many models",
    openapi_extra=json_lines(ForecastRequest),
    response_class=Response,
    responses={**answered_lines(ForecastAnswer), **problems(400, 413, 415, 422)},
)
async def forecast_batch(request: Request) -> Response:
    """Answer each line of the body, a request of `/forecast`, with a line: its answer, or a problem.

    The answers are in the order of the requests, and are sent as they are made. A line fails on its own.
    """
    return await _answered(request, _forecast_line)


@router.post(
    "/observations/batch",
    summary="Add actual values to many models",
    openapi_extra=json_lines(ObservationsOfModel),
    response_class=Response,
    responses={**answered_lines(ObservationsAnswer), **problems(400, 413, 415, 422)},
)
async def observations_batch(request: Request) -> Response:
    """Apply each line of the body, observations and the model they belong to, and answer with a line: what it changed.

    A line is applied as a whole or not at all, and fails on its own: then its answer is a problem. Values without
    timestamps need `start_index`, so that the batch may be sent again.
    """
    return await _answered(request, _observe_line)


async def _answered(request: Request, answer: Answer) -> Response:
    media_type(request, NDJSON_TYPE)
    load_of(request).check_room()
    body = await read_body(request)
    lines = [one for one in body.removeprefix(_BYTE_ORDER_MARK).split(b"\n") if one.strip()]
    if not lines:
        raise InvalidInput("the body has no line: send one line of JSON for each model")
    return ClosingStream(_answers(request, lines, answer), media_type=NDJSON_TYPE)


async def _answers(request: Request, lines: Sequence[bytes], answer: Answer) -> AsyncIterator[bytes]:
    try:
        first = 0
        while first < len(lines):
            turn = lines[first : first + _MOST_LINES_A_TURN]
            try:
                answers = await in_turn(request, _answer_turn, request, turn, answer)
            except Overloaded as error:
                answers = [_failed(error, request)]
            first += len(answers)
            yield b"".join(one + b"\n" for one in answers)
    finally:
        forget_body(request)


def _answer_turn(request: Request, lines: Sequence[bytes], answer: Answer) -> list[bytes]:
    """Answer the first of these lines, for as long as a turn lasts."""
    started, answers = time.perf_counter(), []
    for line in lines:
        try:
            answers.append(answer(request, line))
        except Exception as error:
            if not isinstance(error, ServiceError):
                logger.exception("unexpected error in a line of a batch")
            answers.append(_failed(error, request))
        if time.perf_counter() - started > _TURN_SECONDS:
            break
    return answers


def _failed(error: Exception, request: Request) -> bytes:
    return bytes(error_response(error, request).body)


def _forecast_line(request: Request, line: bytes) -> bytes:
    return bytes(read_and_forecast(request, line).body)


def _observe_line(request: Request, line: bytes) -> bytes:
    asked = parse_json(ObservationsOfModel, line)
    resources, tenant = resources_of(request), tenant_of(request)

    def add(model: LoadedModel) -> dict[str, Any]:
        return add_observations(resources, tenant, model, asked)

    return json_bytes(change_meant(resources, tenant, asked.model_id, asked.name, add))
