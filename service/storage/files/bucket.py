"""A store in an S3 bucket: how to reach it, and what its errors mean.

A single PUT is whole or not there, and ``If-None-Match: *`` makes it create-only:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

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
# obstore panics at anything else in a header.
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
}
_STATUS_MEANINGS = {
    "401": _DENIED,
    "403": _DENIED,
    "404": "its endpoint answered 404 without an S3 error code: it is no S3, or one that is still starting",
}


@dataclass(frozen=True)
class S3Access:
    """How to reach S3; what is None is found as obstore finds it: in AWS_* variables, or as the machine's own role."""

    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    allow_http: bool = False


class Bucket:
    """What a store in a bucket does otherwise than one in a folder."""

    def __init__(self, url: str, access: S3Access) -> None:
        """Raises ValueError for a URL or an access that cannot work; nothing is sent yet."""
        bucket, prefix = _read_url(url)
        config = _config(access)
        quick: ClientConfig = {
            "allow_http": access.allow_http,
            "connect_timeout": _CONNECT,
            "read_timeout": _SILENCE,
            "timeout": _UPLOAD,
        }
        # A read timeout would also end an upload that is under way.
        patient: ClientConfig = {"allow_http": access.allow_http, "connect_timeout": _CONNECT, "timeout": _UPLOAD}
        self.objects: ObjectStore = S3Store(
            bucket, prefix=prefix, config=config, client_options=quick, retry_config=_RETRIES
        )
        self._uploads = S3Store(bucket, prefix=prefix, config=config, client_options=patient, retry_config=_RETRIES)

    def check_way(self, _name: str) -> None:
        """Do nothing: a bucket has no links."""

    def put(self, name: str, data: bytes, overwrite: bool = False) -> None:
        """Store an object, whole or not at all. Raises AlreadyExistsError.

        object_store sends again what got no answer, so the object that is there already may be this very one.
        overwrite: it takes the place of one that is there.
        """
        obstore.put(self._uploads, name, data, mode="overwrite" if overwrite else "create", use_multipart=False)

    def remove_leftovers(self, _older_than: float) -> int:
        """Return 0: an upload that was cut off leaves nothing."""
        return 0

    @staticmethod
    def reason(error: Exception) -> str:
        """Say what is wrong without address, bucket or key: obstore's own texts name them all."""
        text = str(error)
        if code := _code(error):
            return _MEANINGS.get(code, f"S3 answered {code}")
        if found := _STATUS.search(text):
            return _STATUS_MEANINGS.get(found[1], f"S3 answered {found[1]}")
        if "169.254." in text or "CredentialsNotLoaded" in text:
            return "no credentials were found"
        if "kind: Timeout" in text:
            return "S3 did not answer in time"
        if "kind: Connect" in text:
            return "S3 cannot be reached"
        if "kind: Interrupted" in text or "error sending request" in text:
            return "the connection to S3 was lost"
        return "S3 gave no usable answer"

    def confirm_missing(self, name: str, error: FileNotFoundError) -> None:
        """Return where S3 itself says that it has no such object; raise the error, or a later one, where it does not.

        obstore raises FileNotFoundError for every 404, and a missing bucket, a proxy, an S3 that is starting and a
        server that is no S3 answer that too. Only a body tells them apart, and the answer to a HEAD has none.
        """
        if _code(error) is None:
            try:
                obstore.get(self.objects, name)
            except FileNotFoundError as second:
                error = second
        if _code(error) != "NoSuchKey":
            raise error


def _code(error: Exception) -> str | None:
    """Return the error code in the body of what S3 answered; None where there is none."""
    found = _CODE.search(str(error))
    return None if found is None else found[1]


def _config(access: S3Access) -> S3Config:
    if (access.access_key_id is None) != (access.secret_access_key is None):
        raise ValueError("S3 needs the access key ID and the secret access key together.")
    if access.endpoint is not None:
        _check_endpoint(access.endpoint, access.allow_http)
    for name, value in (
        ("region", access.region),
        ("access key ID", access.access_key_id),
        ("secret access key", access.secret_access_key),
        ("session token", access.session_token),
    ):
        if value is not None and not _HEADER_TEXT.fullmatch(value):
            raise ValueError(f"The S3 {name} may have visible ASCII characters only: no spaces, no end of line.")
    told: dict[str, Any] = {
        "endpoint": access.endpoint,
        "region": access.region,
        "access_key_id": access.access_key_id,
        "secret_access_key": access.secret_access_key,
        "session_token": access.session_token,
        # Not every provider knows the deletion of many at once, and we delete one by one.
        "disable_bulk_delete": True,
        "conditional_put": "etag",
    }
    config: S3Config = {name: value for name, value in told.items() if value is not None}  # type: ignore[assignment]
    return config


def _check_endpoint(endpoint: str, allow_http: bool) -> None:
    parts = urlsplit(endpoint)
    if not _HEADER_TEXT.fullmatch(endpoint) or not _has_port(parts):
        raise ValueError("The S3 endpoint has a character or a port that no URL can have.")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise ValueError("The S3 endpoint must be a URL such as https://s3.example.org, without credentials in it.")
    if parts.scheme == "http" and not allow_http:
        raise ValueError(
            "The S3 endpoint is plain http, where anybody on the way can read models: use https, "
            "or allow it with FORECAST_S3_ALLOW_HTTP=true."
        )


def _has_port(parts: SplitResult) -> bool:
    """Tell whether the port of a URL, where it has one, is a port."""
    try:
        return parts.port != 0
    except ValueError:
        return False


def _read_url(url: str) -> tuple[str, str | None]:
    """Return bucket and prefix."""
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
