"""The model of a forecast in its query too: a proxy hashes by it, for it reads no bodies."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.datastructures import QueryParams

from service.api.schemas.forecasting import AskedModel
from service.errors import Fault, InvalidInput

_FOR = "repeats the body's, so that a proxy which hashes by it sends all requests for a model to one server"

PARAMETERS: dict[str, Any] = {
    "parameters": [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": {"type": "string"},
            "description": f"Optional; {_FOR}.",
        }
        for name in ("model_id", "name")
    ]
}
"""What a route that checks its query documents."""


def check_model_in_query(request: Request, asked: AskedModel) -> None:
    """Refuse a query that names another model than the body; a query is never needed.

    Raises InvalidInput.
    """
    raw: bytes = request.scope["query_string"]
    if not raw:  # as nearly always
        return
    query = QueryParams(raw)
    for field in ("model_id", "name"):
        said = getattr(asked, field)
        for sent in query.getlist(field):
            if sent != said:
                detail = f"{field} in the query must be that of the body, {said!r}, got {sent[:200]!r}"
                raise InvalidInput(detail, [Fault((field,), detail)])
