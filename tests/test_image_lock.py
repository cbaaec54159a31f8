"""image.lock and torch.lock: what the image is made of, each package at the version that everything was tested with."""

from __future__ import annotations

import re
import runpy
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parent.parent
CURE = "run `make lock`"
# What torch depends on in its builds for GPUs alone.
CUDA = ("cuda-", "nvidia-", "triton")


def pins(name: str) -> dict[str, str]:
    lines = (REPOSITORY / name).read_text().splitlines()
    found = [re.match(r"([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?==([^ ;\\]+)", line) for line in lines]
    return {canonicalize_name(one[1]): one[2] for one in found if one}


def locked() -> dict[str, str]:
    return pins("image.lock") | pins("torch.lock")


def needed(requirement: str, extra: str = "") -> str | None:
    parsed = Requirement(requirement)
    if parsed.marker is not None and not parsed.marker.evaluate({"extra": extra}):
        return None
    return canonicalize_name(parsed.name)


def test_versions_are_those_of_the_constraints() -> None:
    tested = pins("constraints.txt")
    assert {name: tested.get(name) for name in locked()} == locked(), CURE


def test_each_package_has_hashes() -> None:
    entries = re.split(r"\n(?=[a-z])", (REPOSITORY / "image.lock").read_text())[1:]
    assert len(entries) == len(pins("image.lock"))
    assert all("--hash=sha256:" in entry for entry in entries)


def test_torch_alone_has_none() -> None:
    assert set(pins("torch.lock")) == {"torch"}
    assert not [name for name in pins("image.lock") if name.startswith(("torch", *CUDA))], CURE


def test_what_the_service_needs_is_there_and_what_that_needs() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["otel"]]
    for requirement in wanted:
        assert needed(requirement) in locked(), CURE
    for name in locked():
        for requirement in distribution(name).requires or ():
            one = needed(requirement)
            assert one is None or one in locked() or one.startswith(CUDA), f"{name} needs {one}: {CURE}"


def test_the_image_installs_by_hash_alone_but_torch() -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    assert "--no-deps --require-hashes -r image.lock" in dockerfile
    assert '--index-url "$TORCH_INDEX" -r torch.lock' in dockerfile


def test_torch_comes_from_one_index_wherever_it_is_installed() -> None:
    index = "https://download.pytorch.org/whl/cpu"
    for name, default in (
        ("Makefile", f"TORCH_INDEX ?= {index}\n"),
        ("Dockerfile", f"ARG TORCH_INDEX={index}\n"),
        (".ci/supply-chain", f"${{TORCH_INDEX:-{index}}}"),
        (".github/workflows/ci.yml", f"TORCH_INDEX: {index}\n"),
    ):
        assert default in (REPOSITORY / name).read_text(), name


def test_licences_are_listed() -> None:
    page = (REPOSITORY / "docs" / "licences.md").read_text()
    listed = {canonicalize_name(one) for one in re.findall(r"^\| (\S+) \|", page, re.MULTILINE)}
    assert set(locked()) <= listed, CURE


def test_each_of_several_licences_has_to_be_allowed() -> None:
    code = runpy.run_path(str(REPOSITORY / ".ci" / "licences.py"))

    def told(*names: str) -> str:
        return str(code["licence_of"]({"name": "x", "licenses": [{"license": {"id": name}} for name in names]}))

    assert told("MIT", "MIT") == "MIT"
    assert told("MIT", "Apache-2.0") == "MIT AND Apache-2.0"
    assert code["is_allowed"](told("MIT", "Apache-2.0"))
    assert not code["is_allowed"](told("MIT", "GPL-3.0-only"))
