"""A store in an S3 bucket: how to reach it, and what its errors mean.

A single PUT is atomic, and ``If-None-Match: *`` makes it create-only:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.store import ObjectStore, S3Store

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

_CONNECT = timedelta(seconds=3)
_SILENCE = timedelta(seconds=5)
_UPLOAD = timedelta(seconds=30)
_RETRIES: RetryConfig = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=4),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1)},
}

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PIECE = re.compile(r"[A-Za-z0-9!_.*'()-]+")
# obstore panics if a header contains anything else.
_HEADER_TEXT = re.compile(r"[!-~]+")
_CODE = re.compile(r"<Code>([A-Za-z]{1,64})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_DENIED = "access is denied: the credentials must be allowed to get, put, delete and list objects under the prefix"
_MEANINGS = {
    "NoSuchBucket": "the bucket does not exist",
    "AccessDenied": _DENIED,
    "InvalidAccessKeyId": "the access key ID is unknown",
    "SignatureDoesNotMatch": "the secret access key is wrong",
    "ExpiredToken": "the credentials have expired",
    "PermanentRedirect": "the bucket is in another region",
    "AuthorizationHeaderMalformed": "the bucket is in another region",
    "401": _DENIED,
    "403": _DENIED,
    "404": "its endpoint answered 404 without an S3 error code: it is no S3, or one that is still starting",
}
_TEXT_MEANINGS = {
    "169.254.": "no credentials were found",
    "CredentialsNotLoaded": "no credentials were found",
    "kind: Timeout": "S3 did not answer in time",
    "kind: Connect": "S3 cannot be reached",
    "kind: Interrupted": "the connection to S3 was lost",
    "error sending request": "the connection to S3 was lost",
}


@dataclass(frozen=True)
class S3Access:
    """How to reach S3; obstore looks up values that are None, in AWS_* variables or the role of the machine."""

    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    allow_http: bool = False


class Bucket:
    """The parts of a store that are specific to a bucket."""

    def __init__(self, url: str, access: S3Access) -> None:
        """Raise ValueError for an invalid URL or access; no request is sent yet."""
        bucket, prefix = _read_url(url)
        config = _config(access)
        # A read timeout would also abort uploads in progress.
        upload: ClientConfig = {"allow_http": access.allow_http, "connect_timeout": _CONNECT, "timeout": _UPLOAD}
        read: ClientConfig = {**upload, "read_timeout": _SILENCE}
        open_store = partial(S3Store, bucket, prefix=prefix, config=config, retry_config=_RETRIES)
        self.objects: ObjectStore = open_store(client_options=read)
        self._uploads = open_store(client_options=upload)

    def check_path(self, _name: str) -> None:
        """Do nothing: a bucket has no links."""

    def put(self, name: str, data: bytes, overwrite: bool = False) -> None:
        """Store an object atomically. Raises AlreadyExistsError.

        object_store retries requests that got no response, so the existing object may be this very one.
        overwrite: replace an existing object.
        """
        obstore.put(self._uploads, name, data, mode="overwrite" if overwrite else "create", use_multipart=False)

    def remove_leftovers(self, _older_than: float) -> int:
        """Return 0: an interrupted upload leaves nothing behind."""
        return 0

    @staticmethod
    def reason(error: Exception) -> str:
        """Return the reason of an error without address, bucket or key, which obstore's own messages contain."""
        text = str(error)
        if found := _CODE.search(text) or _STATUS.search(text):
            return _MEANINGS.get(found[1], f"S3 answered {found[1]}")
        found_meanings = (meaning for part, meaning in _TEXT_MEANINGS.items() if part in text)
        return next(found_meanings, "S3 gave no usable answer")

    def confirm_missing(self, name: str, error: FileNotFoundError) -> None:
        """Return if S3 itself reports that the object does not exist; else raise the error, or a later one.

        obstore raises FileNotFoundError for every 404, which a missing bucket, a proxy, an S3 server that is starting
        and a server that is not S3 also return. Only the body distinguishes them, and a response to HEAD has no body.
        """
        if _code(error) is None:
            try:
                obstore.get(self.objects, name)
            except FileNotFoundError as second:
                error = second
        if _code(error) != "NoSuchKey":
            raise error


def _code(error: Exception) -> str | None:
    """Return the error code in the body of S3's response, or None."""
    found = _CODE.search(str(error))
    return None if found is None else found[1]


def _config(access: S3Access) -> S3Config:
    if (access.access_key_id is None) != (access.secret_access_key is None):
        raise ValueError("S3 needs the access key ID and the secret access key together.")
    if access.endpoint is not None:
        _check_endpoint(access.endpoint, access.allow_http)
    texts = {name: value for name, value in asdict(access).items() if isinstance(value, str)}
    for name, value in texts.items():
        if not _HEADER_TEXT.fullmatch(value):
            raise ValueError(f"FORECAST_S3_{name.upper()} must be visible ASCII characters: no spaces, no line end.")
    # Not every provider supports bulk deletion, and the service deletes objects one by one.
    return {**texts, "disable_bulk_delete": True, "conditional_put": "etag"}  # type: ignore[typeddict-item]


def _check_endpoint(endpoint: str, allow_http: bool) -> None:
    parts = urlsplit(endpoint)
    try:
        is_url = parts.port != 0 and _HEADER_TEXT.fullmatch(endpoint) is not None
    except ValueError:  # the port is not a number
        is_url = False
    if not is_url:
        raise ValueError("The S3 endpoint has a character or a port that no URL can have.")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise ValueError("The S3 endpoint must be a URL such as https://s3.example.org, without credentials in it.")
    if parts.scheme == "http" and not allow_http:
        raise ValueError(
            "The S3 endpoint is plain http, where anyone on the network path can read models: use https, "
            "or allow it with FORECAST_S3_ALLOW_HTTP=true."
        )


def _read_url(url: str) -> tuple[str, str | None]:
    """Return the bucket and the prefix of a URL. Raises ValueError if it is invalid."""
    parts = urlsplit(url)
    pieces = [piece for piece in parts.path.split("/") if piece]
    if parts.username or parts.password:
        raise ValueError(
            "Credentials do not belong into the store's URL: use FORECAST_S3_ACCESS_KEY_ID and its secret."
        )
    if not _BUCKET.fullmatch(parts.netloc) or parts.query or parts.fragment:
        raise ValueError("An S3 store is s3://bucket or s3://bucket/prefix, with the bucket's name in lower case.")
    if not all(_PIECE.fullmatch(piece) and piece not in (".", "..") for piece in pieces):
        raise ValueError("The prefix of an S3 store may have letters, digits and !_.*'()- between its slashes.")
    return parts.netloc, "/".join(pieces) or None
