"""Keys: how they are written, read, and kept without being known."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.keys import (
    DEFAULT_ROLE,
    ROLES,
    Grant,
    Keys,
    Role,
    append_line,
    key_line,
    new_key,
    read_key_file,
    read_keys,
)
from service.settings import Settings

KEY = "0123456789abcdef"
OTHER = "fedcba9876543210"


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def test_entries_with_and_without_a_role() -> None:
    assert read_keys(f"acme:{KEY}, b-2_x:read:{OTHER}") == (
        Grant("acme", "admin", digest(KEY)),
        Grant("b-2_x", "read", digest(OTHER)),
    )
    assert DEFAULT_ROLE == "admin"


@pytest.mark.parametrize(
    ("text", "number", "cure"),
    [
        ("", 1, "write tenant:key"),
        (KEY, 1, "write tenant:key"),
        (f"acme:{KEY},", 2, "write tenant:key"),
        (f"acme:read:{KEY}:x", 1, "no comma and no colon"),
        ("acme:", 1, "key is missing"),
        ("acme:read:", 1, "key is missing"),
        ("acme:read", 1, "key is missing"),
        (f"Acme:{KEY}", 1, "use 1 to 63 of a-z"),
        (f"-a:{KEY}", 1, "use 1 to 63 of a-z"),
        (f"{'a' * 64}:{KEY}", 1, "use 1 to 63 of a-z"),
        (f"acme\n:{KEY}", 1, "use 1 to 63 of a-z"),
        (f":{KEY}", 1, "use 1 to 63 of a-z"),
        (f"acme:owner:{KEY}", 1, "not one of read, train, admin"),
        (f"acme:Admin:{KEY}", 1, "not one of read, train, admin"),
        (f"acme:{KEY} {OTHER}", 1, "visible ASCII"),
        (f"acme:{KEY}ü", 1, "visible ASCII"),
        (f"acme:{KEY},acme:{KEY}", 2, "that of number 1"),
        (f"acme:{KEY},b:{OTHER},c:read:{KEY}", 3, "that of number 1"),
    ],
)
def test_a_wrong_entry_is_told_by_its_number_and_never_with_its_key(text: str, number: int, cure: str) -> None:
    with pytest.raises(ValueError, match=cure) as caught:
        read_keys(text)
    assert str(caught.value).startswith(f"entry {number}: ")
    for secret in (KEY, OTHER, "owner"):
        assert secret not in str(caught.value)
    with pytest.raises(ValidationError) as refused:
        Settings(api_keys=text)
    assert KEY not in str(refused.value)


def test_a_key_is_found_by_its_digest_alone() -> None:
    keys = Keys(read_keys(f"acme:{KEY},b:read:{OTHER}"))
    assert keys
    assert not Keys([])
    found = keys.find(OTHER.encode())
    assert found == Grant("b", "read", digest(OTHER))
    for wrong in (b"", KEY[:-1].encode(), f"{KEY} ".encode(), digest(KEY), digest(KEY).hex().encode(), b"\xff" * 16):
        assert keys.find(wrong) is None
    assert KEY not in repr(vars(keys))


def test_settings_keep_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECAST_API_KEYS", f"acme:{KEY}")
    settings = Settings()
    assert settings.api_keys == (Grant("acme", "admin", digest(KEY)),)
    for shown in (repr(settings), str(settings), repr(settings.model_dump()), repr(vars(settings))):
        assert KEY not in shown


def test_short_keys_are_told_of() -> None:
    keys = Keys(read_keys(f"acme:short,b:{KEY},acme:{KEY[:15]},c:x"))
    assert keys.tenants_of_short_keys() == ["acme", "c"]


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_do_what_those_before_it_may(role: Role) -> None:
    allowed = [one for one in ROLES if Grant("a", role).allows(one)]
    assert allowed == list(ROLES[: ROLES.index(role) + 1])


def test_new_keys_are_long_random_and_can_be_sent() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    for key in keys:
        assert len(key) >= 43
        assert read_keys(f"acme:{key}")[0] == Grant("acme", "admin", digest(key))


def test_lines_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# ours\n\n{key_line('acme', 'train', KEY)}  # of the night job\n  {key_line('b', 'read', OTHER)}")
    assert read_key_file(file) == (Grant("acme", "train", digest(KEY)), Grant("b", "read", digest(OTHER)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"acme:admin:{KEY}", "line 1: .*64 lower hex digits"),
        (f"# x\nacme:{'0' * 64}", "line 2: .*2 parts"),
        (f"acme:owner:{'0' * 64}", "line 1: .*not one of read"),
        (f"Acme:read:{'0' * 64}", "line 1: .*1 to 63"),
        (f"acme:read:{'A' * 64}", "line 1: .*lower hex"),
        (f"a:read:{'0' * 64}\nb:read:{'0' * 64}", "line 2: .*number 1"),
        ("", "no key in this file"),
        ("# nothing\n", "no key in this file"),
    ],
)
def test_a_wrong_line_is_told_by_its_number(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(ValueError, match=told) as caught:
        read_key_file(file)
    assert KEY not in str(caught.value)


def test_what_is_no_text_is_no_list_of_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(b"\xff\x00" * 100)
    with pytest.raises(ValueError, match="not a list of keys"):
        read_key_file(file)


def test_lines_are_added_and_nothing_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    append_line(file, key_line("a", "read", KEY))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    file.write_text(file.read_text() + "# no end")
    append_line(file, key_line("b", "admin", OTHER))
    assert [one.tenant for one in read_key_file(file)] == ["a", "b"]
    assert "# no end\n" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def create(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service", "keys", "create", *arguments]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=False)


@pytest.mark.process
def test_the_command_prints_a_key_once_and_keeps_its_digest(tmp_path: Path) -> None:
    printed = create("acme", "--role", "read")
    assert (printed.returncode, printed.stderr) == (0, "")
    key, line = printed.stdout.splitlines()
    assert line == key_line("acme", "read", key)
    file = tmp_path / "keys"
    kept = [create("acme", "--file", str(file)) for _ in range(2)]
    assert [(one.returncode, one.stderr) for one in kept] == [(0, "")] * 2
    keys = Keys(read_key_file(file))
    for one in kept:
        found = keys.find(one.stdout.removesuffix("\n").encode())
        assert found is not None
        assert (found.tenant, found.role) == ("acme", "admin")
        assert one.stdout.strip() not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.process
@pytest.mark.parametrize(("to", "why"), [("> /dev/full", "No space left on device"), (">&-", "stdout is closed")])
def test_a_key_that_cannot_be_printed_is_told(tmp_path: Path, to: str, why: str) -> None:
    file = tmp_path / "keys"
    command = f"{sys.executable} -m service keys create acme --file {file} {to}"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert f"is lost ({why}); remove its line, the last one, from {file}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Exception" not in ended.stderr


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["Acme"], "use 1 to 63 of a-z"),
        (["acme", "--file", "/dev/null/keys"], "/dev/null/keys: Not a directory"),
        (["acme", "--role", "owner"], "invalid choice: 'owner'"),
        ([], "required: tenant"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], told: str) -> None:
    refused = create(*arguments)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr
