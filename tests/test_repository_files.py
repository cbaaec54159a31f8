"""Hooks and the workflow run what `make lint` and .ci/run do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()
LINT = MAKEFILE.partition("\nlint:")[2].partition("\n\n")[0]


def test_the_hooks_are_the_checks_of_make_lint() -> None:
    (repository,) = YAML(typ="safe").load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    entries = [
        hook["entry"].removeprefix(".venv/bin/").removesuffix(" --force-exclude") for hook in repository["hooks"]
    ]
    assert entries == [line.removesuffix(" .") for line in re.findall(r"\$\(BIN\)/(.*)", LINT)]


def test_every_file_for_github_is_checked() -> None:
    for path in (ROOT / ".github").rglob("*.yml"):
        folder = path.parent.relative_to(ROOT)
        assert f"{folder}/{path.name}" in LINT or f"{folder}/*.yml" in LINT, path


@pytest.mark.parametrize("part", ["chaos", "fuzz", "benchmarks", "supply chain"])
def test_the_weekly_parts_are_those_of_the_whole_check(part: str) -> None:
    jobs = YAML(typ="safe").load(ROOT / ".github/workflows/ci.yml")["jobs"]
    runs = {one["part"]: one["run"] for one in jobs["long"]["strategy"]["matrix"]["include"]}
    assert f"\n{runs[part]}\n" in (ROOT / ".ci/run").read_text()


def test_the_targets_of_the_workflow_exist() -> None:
    jobs = YAML(typ="safe").load(ROOT / ".github/workflows/ci.yml")["jobs"]
    for target in jobs["check"]["strategy"]["matrix"]["target"]:
        assert f"\n{target}:" in MAKEFILE
