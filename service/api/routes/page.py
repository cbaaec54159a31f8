"""The web page at / and its files under /web. They contain no data: the page requests it from the other routes."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.web.assets import ASSETS, Asset

# No inline code, no other origins, no frames around the page: a name in a CSV cannot become code.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Cached but revalidated at each visit: an updated server never receives requests from old code.
    "Cache-Control": "no-cache",
}

router = APIRouter(include_in_schema=False)


def _add_route(path: str, asset: Asset) -> None:
    headers = {**_HEADERS, "ETag": asset.etag}

    async def answer(request: Request) -> Response:
        known = {one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")}
        if asset.etag in known or "*" in known:
            return Response(status_code=304, headers=headers)
        return Response(asset.body, headers=headers, media_type=asset.media_type)

    router.add_api_route(path, answer, methods=["GET", "HEAD"])


for _path, _asset in ASSETS.items():
    _add_route(_path, _asset)
