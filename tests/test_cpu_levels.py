"""Which levels a processor has."""

from __future__ import annotations

import platform

import pytest

from service.cpu_levels import cpu_levels, supported_levels

NEHALEM = {
    "64bit",
    "cmov",
    "cx16",
    "cx8",
    "fxsr",
    "mmx",
    "popcnt",
    "sahf",
    "sse",
    "sse2",
    "sse3",
    "sse4.1",
    "sse4.2",
    "ssse3",
}
SANDY_BRIDGE = NEHALEM | {"aes", "avx", "pclmul", "xsave", "xsaveopt"}
HASWELL = SANDY_BRIDGE | {"avx2", "bmi", "bmi2", "f16c", "fma", "fsgsbase", "invpcid", "lzcnt", "movbe", "rdrnd"}
KNIGHTS_LANDING = HASWELL | {"avx512cd", "avx512f"}
SKYLAKE_SERVER = KNIGHTS_LANDING | {"adx", "avx512bw", "avx512dq", "avx512vl"}


@pytest.mark.parametrize(
    ("features", "highest"),
    [
        ({"cx16", "sse3"}, None),
        (NEHALEM, "x86-64-v2"),
        (SANDY_BRIDGE, "x86-64-v2"),
        (HASWELL, "x86-64-v3"),
        (KNIGHTS_LANDING, "x86-64-v3"),
        (SKYLAKE_SERVER, "x86-64-v4"),
        (SKYLAKE_SERVER | {"avx512bf16", "sse4a"}, "x86-64-v4"),
    ],
)
def test_a_processor_supports_the_levels_whose_features_it_has(
    features: set[str], highest: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    names = [level.name for level in supported_levels(features)]
    assert names == ["x86-64-v4", "x86-64-v3", "x86-64-v2"][3 - len(names) :]
    assert next(iter(names), None) == highest


def test_an_arm_processor_has_one_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert [level.name for level in supported_levels(set())] == ["generic"]


def test_other_architectures_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert list(cpu_levels()) == []


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the other architectures have at most one level")
def test_features_of_this_processor_are_found() -> None:
    """Every x86-64 processor that runs these tests is newer than 2009."""
    assert "x86-64-v2" in [level.name for level in supported_levels()]
