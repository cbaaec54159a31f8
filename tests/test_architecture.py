"""The import rule: api -> usecases -> (jobs, storage) -> forecasting -> tables -> errors, and nobody imports app."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SERVICE = Path(__file__).parent.parent / "service"
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "tenants": set(),
    "keys": {"tenants"},
    "telemetry": {"errors"},
    "tables": {"errors"},
    "forecasting": {"errors", "tables"},
    "storage": {"forecasting", "errors", "tenants"},
    "jobs": {"forecasting", "telemetry", "errors"},
    "usecases": {"jobs", "storage", "forecasting", "telemetry", "errors", "tenants", "kernel_cache"},
    "api": {"usecases", "jobs", "storage", "forecasting", "telemetry", "errors", "keys", "tenants", "web", "tables"},
    "settings": {"keys"},
    "web": {"tables"},
    "kernel_cache": {"forecasting"},
    "client": {"errors", "settings", "tables"},
    "command_line": {"client", "errors", "settings", "tables"},
    "app": {
        "api",
        "usecases",
        "jobs",
        "storage",
        "forecasting",
        "errors",
        "settings",
        "web",
        "trainer_app",
        "kernel_cache",
        "keys",
        "telemetry",
    },
    "trainer_app": {"usecases", "jobs", "storage", "forecasting", "telemetry", "errors", "settings"},
    "__main__": {"app", "settings", "errors", "kernel_cache", "keys", "command_line"},
    "__init__": set(),
}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "manager", "base", "core", "common", "misc"}
FORBIDDEN_IMPORTS = {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
_FOR_ALL_TENANTS = {"attempt_telemetry", "checkpoint_keeping", "job_leftovers", "job_outcome", "reconcile"}
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


def test_every_part_of_the_house_has_its_rule() -> None:
    assert {part_of(path) for path in FILES} <= set(MAY_IMPORT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SERVICE)))
def test_imports_point_down(path: Path) -> None:
    part = part_of(path)
    for name in imports(path):
        pieces = name.split(".")
        if pieces[0] == "service" and len(pieces) > 1 and pieces[1] in MAY_IMPORT and pieces[1] != "__init__":
            assert pieces[1] == part or pieces[1] in MAY_IMPORT[part], f"{path} imports {name}"


def test_jobs_and_storage_do_not_know_each_other() -> None:
    assert "storage" not in MAY_IMPORT["jobs"]
    assert "jobs" not in MAY_IMPORT["storage"]


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
        if part_of(path) in ("api", "app", "__main__", "client"):
            continue
        assert not {"fastapi", "starlette", "httpx", "uvicorn"} & {name.split(".")[0] for name in imports(path)}, path


def test_only_what_works_for_all_tenants_looks_models_and_jobs_up_without_one() -> None:
    for path in FILES:
        if path.stem not in _FOR_ALL_TENANTS and part_of(path) != "storage":
            assert not re.search(r"registry\.(?:model|job)\(", path.read_text()), path


def test_files_are_named_by_nouns() -> None:
    for path in FILES:
        assert path.stem not in FORBIDDEN_NAMES, path
