"""POST /csv."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.api.input.body import CSV_TYPE, media_type, read_body
from service.api.input.excel_body import csv_of_body
from service.api.output.openapi import problems
from service.api.request_context import in_turn, load_of, resources_of
from service.tables.excel import XLSX_TYPE

router = APIRouter(tags=["training"])

# However the cells look, this is the separator.
_FIRST_LINE = b"sep=,\r\n"
_EXCEL = {"content": {XLSX_TYPE: {"schema": {"type": "string", "format": "binary", "minLength": 1}}}}
_CSV = {"content": {CSV_TYPE: {"schema": {"type": "string"}, "example": "sep=,\r\ndate,units\r\n2024-01-01,11\r\n"}}}


@router.post(
    "/csv",
    summary="Convert an Excel workbook to CSV",
    response_class=Response,
    openapi_extra={"requestBody": {"required": True, **_EXCEL}},
    responses={200: {"description": "The first visible sheet", **_CSV}, **problems(400, 413, 415, 422)},
)
async def convert(request: Request) -> Response:
    """Return the first visible sheet in the form that `/train` reads: to look at it, or to train on parts of it.

    It is in UTF-8, with decimal points and ISO 8601 times. The server needs the extra `[excel]`.
    """
    media_type(request, XLSX_TYPE)
    load_of(request).check_room()
    body = await read_body(request)
    most = resources_of(request).limits.settings.max_points
    text = await in_turn(request, csv_of_body, body, most, request.app.state.max_body_bytes)
    return Response(_FIRST_LINE + text, media_type=CSV_TYPE)
