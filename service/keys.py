"""API keys: the tenant and the role of each; only their SHA-256 digests are kept."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

DEFAULT_TENANT = "default"
"""Owner of everything from before there were tenants, or created while no keys are configured."""


TENANT_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""Pattern of tenant names."""


LONGEST_TENANT = 63
"""Maximum length of a tenant name."""

Role = Literal["read", "train", "admin"]
"""Each role includes those before it: read and forecast; train, rename, cancel; everything, such as deleting."""

ROLES: tuple[Role, ...] = get_args(Role)
_RANKS = {role: rank for rank, role in enumerate(ROLES)}
DEFAULT_ROLE: Role = "admin"
SHORT_KEY = 16
"""A key of fewer characters is accepted with a warning: it can be guessed."""

_TENANT = re.compile(TENANT_PATTERN)
# Visible ASCII, which a header can carry, without the separators of the setting.
_KEY = re.compile(r"[!-+\--9;-~]+")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BYTES = 32
# Distinguishes a key from a digest, and makes a leaked key easy to find.
_PREFIX = "forecast_"
_CURE = "write tenant:key or tenant:role:key, with a comma between two"
_FILE_CURE = "write tenant:role:digest, as `python -m service keys create TENANT` prints it"
# A larger file is not a list of keys.
_LARGEST_FILE = 16 * 2**20


@dataclass(frozen=True)
class Grant:
    """The tenant and the role of a key. short: whether it can be guessed."""

    tenant: str
    role: Role
    digest: bytes = b""
    short: bool = False

    def allows(self, role: Role) -> bool:
        """Return whether an action that needs this role is allowed."""
        return _RANKS[self.role] >= _RANKS[role]


class Keys:
    """All keys of the server, by digest."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._grants = {one.digest: one for one in grants}

    def __bool__(self) -> bool:
        return bool(self._grants)

    def find(self, key: bytes) -> Grant | None:
        """Return the grant of a key, or None if the server has no such key.

        The time that this takes reveals nothing about the keys: it looks up a SHA-256 digest, which nobody can choose
        without knowing its preimage, so how far a look-up gets says nothing about a key. The comparison takes the same
        time wherever two digests differ (hmac.compare_digest), and there is one comparison, not one per key.
        """
        digest = hashlib.sha256(key).digest()
        grant = self._grants.get(digest)
        return grant if grant is not None and hmac.compare_digest(grant.digest, digest) else None

    def tenants_of_short_keys(self) -> list[str]:
        """Return the tenants that have a key which can be guessed, each once."""
        return sorted({one.tenant for one in self._grants.values() if one.short})


def read_keys(text: str) -> tuple[Grant, ...]:
    """Read ``tenant:key`` and ``tenant:role:key``, comma-separated.

    Raises ValueError with the number of the invalid entry and the cure, but never with a key.
    """
    return _read_all([(f"entry {number}", one) for number, one in enumerate(text.split(","), 1)], _read_entry)


def read_key_file(path: Path) -> tuple[Grant, ...]:
    """Read a file with one ``tenant:role:digest`` per line; ``#`` starts a comment.

    Raises ValueError with the number of the invalid line, and OSError if the file cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(_LARGEST_FILE + 1)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    if len(data) > _LARGEST_FILE or (data and not text):
        raise ValueError(f"this is not a list of keys: {_FILE_CURE}, one per line")
    lines = ((f"line {number}", line.partition("#")[0]) for number, line in enumerate(text.splitlines(), 1))
    grants = _read_all([(place, entry) for place, entry in lines if entry.strip()], _read_line)
    if not grants:
        raise ValueError("there is no key in this file: `python -m service keys create TENANT --file FILE` adds one")
    return grants


def _read_all(entries: Sequence[tuple[str, str]], read: Callable[[str], Grant]) -> tuple[Grant, ...]:
    """Read entries, given with their places in the text. Raises ValueError with the place of an invalid one."""
    numbers: dict[bytes, int] = {}
    grants: list[Grant] = []
    for place, entry in entries:
        try:
            grant = read(entry.strip())
            grants.append(grant)
            if (number := numbers.setdefault(grant.digest, len(grants))) < len(grants):
                raise ValueError(f"its key is that of number {number}: give each entry its own key")
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
    return tuple(grants)


def new_key() -> str:
    """Return a new key of 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(_BYTES)


def key_line(tenant: str, role: Role, key: str) -> str:
    """Return the line for a key in the key file. Raises ValueError for an invalid tenant name."""
    check_tenant(tenant)
    return f"{tenant}:{role}:{hashlib.sha256(key.encode()).hexdigest()}"


def append_line(path: Path, line: str) -> None:
    """Append a line to the key file, durably; only its owner can access a new file. Raises OSError."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "a+b") as file:
        size = file.seek(0, os.SEEK_END)
        # An unterminated last line must not be joined with ours.
        unended = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
        file.write(b"\n" * unended + line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_entry(entry: str) -> Grant:
    parts = entry.split(":")
    if len(parts) not in (2, 3):
        raise ValueError(f"it has {len(parts)} parts between colons: {_CURE}; a key itself has no comma and no colon")
    tenant, *roles, key = parts
    check_tenant(tenant)
    role = _role(roles[0], _CURE) if roles else DEFAULT_ROLE
    if not key or (not roles and key in ROLES):
        raise ValueError(f"its key is missing: {_CURE}")
    if not _KEY.fullmatch(key):
        raise ValueError("its key has a space or a character that no header can carry: use visible ASCII")
    return Grant(tenant, role, hashlib.sha256(key.encode()).digest(), len(key) < SHORT_KEY)


def _read_line(entry: str) -> Grant:
    parts = [part.strip() for part in entry.split(":")]
    if len(parts) != 3:
        raise ValueError(f"it has {len(parts)} parts between colons: {_FILE_CURE}")
    tenant, role, digest = parts
    check_tenant(tenant)
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"its last part is not a SHA-256 digest in 64 lower hex digits: {_FILE_CURE}")
    return Grant(tenant, _role(role, _FILE_CURE), bytes.fromhex(digest))


# Invalid values are not repeated: a value in the wrong place may be a key.
def check_tenant(tenant: str) -> None:
    """Raise ValueError if this is no name of a tenant."""
    if not _TENANT.fullmatch(tenant):
        raise ValueError(
            "its tenant is not a valid name: use 1 to 63 of a-z, 0-9, - and _, the first a letter or a digit"
        )


def _role(text: str, cure: str) -> Role:
    if text not in ROLES:
        raise ValueError(f"its role is not one of {', '.join(ROLES)}: {cure}")
    return text
