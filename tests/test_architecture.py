"""The import rule: api -> usecases -> (jobs, storage) -> forecasting -> tables -> errors, and nobody imports app."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

SERVICE = Path(__file__).parent.parent / "service"
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "manager", "base", "core", "common", "misc"}
FORBIDDEN_IMPORTS = {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
_FOR_ALL_TENANTS = {"reproduction", "checkpoints", "cleanup", "job_recorder", "storage_repair", "telemetry"}
FILES = sorted(SERVICE.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.relative_to(SERVICE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SERVICE)))
def test_nothing_unpickles_or_evaluates(path: Path) -> None:
    assert not FORBIDDEN_IMPORTS & {name.split(".")[0] for name in imports(path)}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"eval", "exec", "compile", "__import__", "torch.load", "np.load", "numpy.load"}


def test_only_the_settings_read_the_environment() -> None:
    for path in FILES:
        if part_of(path) in ("settings", "__main__", "kernel_cache"):
            continue
        text = path.read_text()
        assert "os.environ" not in text, path
        assert "getenv" not in text, path


def test_only_the_api_knows_http() -> None:
    for path in FILES:
        if part_of(path) in ("api", "app", "__main__", "client", "webhooks"):
            continue
        assert not {"fastapi", "starlette", "httpx", "uvicorn"} & {name.split(".")[0] for name in imports(path)}, path


def test_only_what_works_for_all_tenants_looks_models_and_jobs_up_without_one() -> None:
    for path in FILES:
        if path.stem not in _FOR_ALL_TENANTS and part_of(path) != "storage":
            assert not re.search(r"get_of_any_tenant\(", path.read_text()), path


def test_files_are_named_by_nouns() -> None:
    for path in FILES:
        assert path.stem not in FORBIDDEN_NAMES, path


def test_no_folder_has_more_than_sixteen_modules() -> None:
    folders = Counter(path.parent for path in FILES if path.stem != "__init__")
    assert {folder: number for folder, number in folders.items() if number > 16} == {}
